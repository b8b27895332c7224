"""`Context` in the words of `fastmcp`; what it does, anyport's `Context` does."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self, cast

from anyport.compat.fastmcp.adapting import dumped
from anyport.compat.fastmcp.honesty import Missing, NotHonoured
from anyport.protocol.types import CreateMessageResult, LoggingLevel, ResourceContents
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.context import Context as PublicContext
from anyport.server.inputs import Elicited, Roots, Sampled, SampleOptions
from anyport.server.sampling import SampleMessage

if TYPE_CHECKING:
    from anyport.compat.fastmcp.server.server import FastMCP

_KEEP = "keep it in what the lifespan yields, or in a store of your own, under an identifier that calls pass (META-07)"
_ON_SERVER = "tools, prompts and resources come and go on the server: server.tools.remove(name), for every client"


class Context(PublicContext):
    """The call at hand, for servers written for `fastmcp`: a parameter annotated with it receives it.

    What `anyport.Context` has is there as well.
    """

    __slots__ = ()

    get_state = Missing(_KEEP)
    set_state = Missing(_KEEP)
    delete_state = Missing(_KEEP)
    enable_components = Missing(_ON_SERVER)
    disable_components = Missing(_ON_SERVER)
    reset_visibility = Missing(_ON_SERVER)
    send_notification = Missing("ctx.notify_tools_changed(), ctx.notify_resource_updated(uri) and their siblings")
    sample_step = Missing("ctx.sample(...), which answers with tool_uses and a message to go on from")

    def __class_getitem__(cls, parameters: object) -> type[Self]:
        # Code for `mcp` writes up to three type parameters.
        return cls

    @property
    def fastmcp(self) -> FastMCP:
        """The server."""
        return cast("FastMCP", self.server)

    @property
    def lifespan_context(self) -> object:
        """What the lifespan yielded."""
        return self.state

    @property
    def client_id(self) -> JsonValue:
        """What the request's ``_meta`` says under ``client_id``; ``None`` for nothing."""
        return self.meta.get("client_id")

    @property
    def request_context(self) -> RequestContext:
        """The same facts, as `mcp` arranges them."""
        return RequestContext(self)

    @property
    def session(self) -> Session:
        """What `mcp` has on its session."""
        return Session(self)

    # --- logs ---------------------------------------------------------------------------------------------------------

    def log(  # pyright: ignore[reportIncompatibleMethodOverride] - the other library's order: the message comes first
        self,
        message: str,
        level: LoggingLevel | None = None,
        logger_name: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> Awaitable[None]:
        """Send a log message; see `anyport.Context.log`.

        Args:
            message: The text.
            level: Its severity; default ``info``.
            logger_name: Name of the logger.
            extra: More of it; the client gets ``{"msg": message, "extra": extra}``.
        """
        return self._say(level or "info", message, logger_name, extra)

    def debug(  # pyright: ignore[reportIncompatibleMethodOverride] - as `log`
        self, text: JsonValue, logger_name: str | None = None, extra: Mapping[str, object] | None = None
    ) -> Awaitable[None]:
        """Send a log message of level ``debug``."""
        return self._say("debug", text, logger_name, extra)

    def info(  # pyright: ignore[reportIncompatibleMethodOverride] - as `log`
        self, text: JsonValue, logger_name: str | None = None, extra: Mapping[str, object] | None = None
    ) -> Awaitable[None]:
        """Send a log message of level ``info``."""
        return self._say("info", text, logger_name, extra)

    def warning(  # pyright: ignore[reportIncompatibleMethodOverride] - as `log`
        self, text: JsonValue, logger_name: str | None = None, extra: Mapping[str, object] | None = None
    ) -> Awaitable[None]:
        """Send a log message of level ``warning``."""
        return self._say("warning", text, logger_name, extra)

    def error(  # pyright: ignore[reportIncompatibleMethodOverride] - as `log`
        self, text: JsonValue, logger_name: str | None = None, extra: Mapping[str, object] | None = None
    ) -> Awaitable[None]:
        """Send a log message of level ``error``."""
        return self._say("error", text, logger_name, extra)

    def _say(
        self, level: LoggingLevel, message: JsonValue, logger_name: str | None, extra: Mapping[str, object] | None
    ) -> Awaitable[None]:
        data = message if extra is None else cast("JsonObject", {"msg": message, "extra": dict(extra)})
        return super().log(level, data, logger_name)

    def close_sse_stream(self) -> Awaitable[None]:
        """Let go of the connection that waits for this call; see `anyport.Context.close_stream`."""
        return self.close_stream()

    # --- questions ----------------------------------------------------------------------------------------------------

    def elicit(
        self,
        message: str,
        schema: object = None,
        *,
        key: str | None = None,
        response_type: object = None,
        response_title: str | None = None,
        response_description: str | None = None,
    ) -> Elicited[object]:
        """Ask the user to fill in a form; see `anyport.Context.elicit`.

        Args:
            message: What the user reads.
            schema: What is asked for, as `fastmcp` says it by its place, and `mcp` by this name.
            key: As for `anyport.Context.elicit`.
            response_type: The same, as `fastmcp` says it by name.
            response_title: Not here.
            response_description: Not here.

        Raises:
            NotHonoured: Choices with titles, or a title or description for the one field.
        """
        wanted = schema if response_type is None else response_type
        if response_title is not None or response_description is not None:
            raise NotHonoured("elicit: response_title and response_description are not here: say it in the message")
        if _is_titled(wanted):
            raise NotHonoured("elicit: choices with titles are not here: a list of texts, or an Enum")
        return super().elicit(message, wanted, key=key)

    def sample(
        self,
        messages: SampleMessage | Sequence[SampleMessage],
        system_prompt: str | None = None,
        *,
        key: str | None = None,
        result_type: object = None,
        **options: object,
    ) -> Sampled:
        """Ask the client's model; see `anyport.Context.sample`.

        Args:
            messages: What the user says, or the conversation.
            system_prompt: The system prompt.
            key: As for `anyport.Context.sample`.
            result_type: Not here: ask for JSON, and read it.
            **options: As for `anyport.Context.sample`.

        Raises:
            NotHonoured: A ``result_type``, or functions as tools.
        """
        if result_type not in (None, str):
            raise NotHonoured("sample: result_type is not here: ask for JSON, and read the text")
        if any(map(callable, cast("Sequence[object]", options.get("tools") or ()))):
            raise NotHonoured("sample: functions as tools are not here: declare Tool, and answer its tool_uses")
        options["system_prompt"] = system_prompt
        given = {name: value for name, value in options.items() if value is not None}
        return super().sample(_messages(messages), key=key, **cast("SampleOptions", given))

    async def read_resource(self, uri: object) -> ResourceResult:  # pyright: ignore[reportIncompatibleMethodOverride] - what the other library returns
        """Read one of the server's own resources.

        Args:
            uri: URI of the resource.

        Returns:
            Its contents: each has ``content`` and ``mime_type``.
        """
        return ResourceResult(await super().read_resource(str(uri)))


class ResourceContent:
    """Part of a resource.

    Attributes:
        content: Text or bytes.
        mime_type: MIME type, if known.
    """

    def __init__(self, contents: ResourceContents) -> None:
        self.content: str | bytes = base64.b64decode(contents.blob or "") if contents.text is None else contents.text
        self.mime_type = contents.mime_type


class ResourceResult(Sequence[ResourceContent]):
    """What a resource holds: a list, as it is in `mcp` and `fastmcp` 2, with ``contents``, as in `fastmcp` 3 and 4."""

    def __init__(self, contents: Sequence[ResourceContents]) -> None:
        self.contents = [ResourceContent(each) for each in contents]

    def __getitem__(self, index: int) -> ResourceContent:  # pyright: ignore[reportIncompatibleMethodOverride] - nobody slices one
        return self.contents[index]

    def __len__(self) -> int:
        return len(self.contents)

    def __iter__(self) -> Iterator[ResourceContent]:
        return iter(self.contents)


class RequestContext:
    """The facts of a call, as `mcp` arranges them.

    Args:
        context: The context of the call.
    """

    request = Missing("ctx.headers has the header fields, ctx.principal who was authenticated")

    def __init__(self, context: Context) -> None:
        self.request_id = context.request_id
        self.lifespan_context = context.state
        self.meta = context.meta
        self.session = context.session


class Session:
    """What `mcp` has on its session, for the call at hand.

    Args:
        context: The context of the call.
    """

    def __init__(self, context: PublicContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Callable[..., object]:
        raise NotHonoured(f"ServerSession.{name} is not here: see what Context has")

    async def create_message(
        self, messages: Sequence[SampleMessage], *, max_tokens: int, **options: object
    ) -> CreateMessageResult:
        """Ask the client's model; see `anyport.Context.sample`."""
        given = {name: dumped(value) for name, value in options.items() if value is not None}
        given.pop("related_request_id", None)
        sampling = cast("SampleOptions", {"max_tokens": max_tokens, **given})
        return (await PublicContext.sample(self._context, _messages(messages), **sampling)).result

    async def elicit(self, message: str, requestedSchema: JsonObject) -> Elicited[object]:  # noqa: N803 - the other library's name
        """Ask the user to fill in a form; see `anyport.Context.elicit`."""
        return await PublicContext.elicit(self._context, message, requestedSchema)

    async def list_roots(self) -> RootsResult:
        """Ask for the roots; see `anyport.Context.list_roots`."""
        return RootsResult(await self._context.list_roots())

    async def send_log_message(self, level: LoggingLevel, data: JsonValue, logger: str | None = None) -> None:
        """Send a log message; see `anyport.Context.log`."""
        await PublicContext.log(self._context, level, data, logger)

    async def send_resource_updated(self, uri: object) -> None:
        """Tell who subscribed to a resource that it holds something else now."""
        await self._context.notify_resource_updated(str(uri))

    async def send_resource_list_changed(self) -> None:
        """Tell every client that the list of resources has changed."""
        await self._context.notify_resources_changed()

    async def send_tool_list_changed(self) -> None:
        """Tell every client that the tools have changed."""
        await self._context.notify_tools_changed()

    async def send_prompt_list_changed(self) -> None:
        """Tell every client that the prompts have changed."""
        await self._context.notify_prompts_changed()


class RootsResult:
    """What a client answered to the question for its roots.

    Args:
        roots: The roots.
    """

    def __init__(self, roots: Roots) -> None:
        self.roots = list(roots)


def _messages(messages: SampleMessage | Sequence[SampleMessage]) -> SampleMessage | Sequence[SampleMessage]:
    if isinstance(messages, (list, tuple)):
        return [cast("SampleMessage", dumped(message)) for message in messages]
    return cast("SampleMessage", dumped(messages))


def _is_titled(wanted: object) -> bool:
    """Whether choices are given with titles, as ``{"low": {"title": "Low"}}``, or several of a list of lists."""
    if isinstance(wanted, dict):
        values = list(cast("dict[str, object]", wanted).values())
        return bool(values) and all(isinstance(value, dict) and value.keys() == {"title"} for value in values)
    return isinstance(wanted, list) and any(isinstance(item, (list, dict)) for item in cast("list[object]", wanted))
