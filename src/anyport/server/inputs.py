"""Asking the user: elicitation, sampling and roots, the same call in both eras.

Each question goes to ``reply.back_channel``. In the legacy era that is the transport's, which sends a request; in the
modern era it is `anyport.server.questions`, whose answers come with the retry of the call.
"""

from __future__ import annotations

import uuid
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, Final, Generic, Literal, Self, TypeAlias, cast, overload
from urllib.parse import urlsplit

import msgspec
from typing_extensions import TypedDict, TypeVar

from anyport.protocol.calls import Call, Reply
from anyport.protocol.errors import InvalidParams, LocalProtocolError, ToolError
from anyport.protocol.types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitAction,
    ListRootsResult,
    ModelHint,
    ModelPreferences,
    Role,
    Root,
    SamplingMessage,
    SamplingMessageContentBlock,
    TextContent,
    Tool,
    ToolChoice,
    ToolUseContent,
)
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.answers import ELICIT, ROOTS, SAMPLE, check_answer, require
from anyport.server.forms import Form, compile_form
from anyport.server.sampling import SampleMessage, blocks_of, of_kind, sampling_messages

DataT = TypeVar("DataT", default=Any)

_WRITTEN: Final = {ELICIT: "ctx.elicit", SAMPLE: "ctx.sample", ROOTS: "ctx.list_roots"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Asking: TypeAlias = "Coroutine[Any, Any, JsonObject]"


class Pending:
    """An answer that is not there yet: ``await`` gives it, and in a plain function it is there at once."""

    _asking: Asking | None

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait for the answer."""
        yield from self.arrive().__await__()
        return self

    async def arrive(self) -> None:
        """Ask, and take what is answered."""
        asking, self._asking = self._asking, None
        if asking is not None:
            self._take(await asking)

    def _take(self, answer: JsonObject) -> None:
        raise NotImplementedError

    def _check_there(self) -> None:
        if self._asking is not None:
            raise LocalProtocolError(f"The answer is not there yet: await {self._asking.__qualname__}(...)")


class Elicited(Pending, Generic[DataT]):
    """What a user answered."""

    def __init__(self, asking: Asking, form: Form | None) -> None:
        self._asking = asking
        self._form = form
        self._answer: JsonObject = {}
        self._data: object = None

    def _take(self, answer: JsonObject) -> None:
        self._answer = answer
        if self._form is not None and answer["action"] == "accept":
            try:
                self._data = self._form.read(self.content or {})
            except ValueError as error:
                raise InvalidParams(f"The answer to {ELICIT} is wrong:\n{error}") from None

    @property
    def action(self) -> ElicitAction:
        """``accept``, ``decline`` or ``cancel``."""
        self._check_there()
        return cast("ElicitAction", self._answer["action"])

    @property
    def accepted(self) -> bool:
        """Whether the user answered."""
        return self.action == "accept"

    @property
    def content(self) -> JsonObject | None:
        """The fields as they came; ``None`` unless a form was accepted."""
        self._check_there()
        # What is done on a page does not come by way of the client (ELI-05).
        found = None if self._form is None else self._answer.get("content")
        return found if isinstance(found, dict) and self._answer["action"] == "accept" else None

    @property
    def data(self) -> DataT:
        """The fields as the type that was asked for; ``None`` unless the user accepted."""
        self._check_there()
        return cast("DataT", self._data)

    def __repr__(self) -> str:
        return "Elicited(?)" if self._asking is not None else f"Elicited(action={self.action!r}, data={self._data!r})"


class Sampled(Pending):
    """What a model answered."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._result: CreateMessageResult | None = None

    def _take(self, answer: JsonObject) -> None:
        self._result = msgspec.convert(answer, CreateMessageResult)

    @property
    def result(self) -> CreateMessageResult:
        """The whole result."""
        self._check_there()
        if self._result is None:
            raise LocalProtocolError("There was no answer")
        return self._result

    @property
    def content(self) -> list[SamplingMessageContentBlock]:
        """What the model said, block by block."""
        return blocks_of(self.message)

    @property
    def text(self) -> str:
        """The texts in it, joined."""
        return "".join(block.text for block in of_kind(self.content, TextContent))

    @property
    def tool_uses(self) -> list[ToolUseContent]:
        """The tools that the model wants used; each is to be answered in the next message."""
        return of_kind(self.content, ToolUseContent)

    @property
    def role(self) -> Role:
        """Who speaks: ``assistant``, as a rule."""
        return self.result.role

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.result.model

    @property
    def stop_reason(self) -> str | None:
        """Why it ended: ``endTurn``, ``maxTokens``, ``toolUse`` and the like."""
        return self.result.stop_reason

    @property
    def message(self) -> SamplingMessage:
        """The answer as a message to go on from."""
        return SamplingMessage(role=self.result.role, content=self.result.content)


class Roots(Pending, Sequence[Root]):
    """The roots of a client, in its order."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._roots: list[Root] = []

    def _take(self, answer: JsonObject) -> None:
        self._roots = msgspec.convert(answer, ListRootsResult).roots

    @overload
    def __getitem__(self, index: int) -> Root: ...

    @overload
    def __getitem__(self, index: slice) -> list[Root]: ...

    def __getitem__(self, index: int | slice) -> Root | list[Root]:
        self._check_there()
        return self._roots[index]

    def __len__(self) -> int:
        self._check_there()
        return len(self._roots)


class SampleOptions(TypedDict, total=False):
    """The options of `Context.sample`."""

    system_prompt: str
    max_tokens: int
    temperature: float
    tools: Sequence[Tool]
    tool_choice: Literal["auto", "required", "none"]
    model_preferences: ModelPreferences | Sequence[str] | str
    stop_sequences: Sequence[str]
    include_context: Literal["none", "thisServer", "allServers"]
    metadata: JsonObject


MAX_TOKENS: Final = 1024
"""Most tokens of an answer where the author names no number."""


def elicit(call: Call, reply: Reply, message: str, schema: object, key: str | None) -> Elicited[Any]:
    """Ask the user to fill in a form; see `Context.elicit`."""
    form = schema if isinstance(schema, Form) else compile_form(schema)
    params: JsonObject = {"message": message}
    # Before the form is put in the words of a revision that has none.
    require(call.capabilities, call.revision, ELICIT, params)
    params["requestedSchema"] = form.schema(call.revision)
    return Elicited(_ask(call, reply, ELICIT, params, key), form)


def elicit_url(call: Call, reply: Reply, message: str, url: str, key: str | None) -> Elicited[None]:
    """Ask the user to open a page; see `Context.elicit_url`."""
    _check_url(url)
    params: JsonObject = {"mode": "url", "message": message, "url": url}
    if not call.revision.modern:
        params["elicitationId"] = str(uuid.uuid4())
    return Elicited(_ask(call, reply, ELICIT, params, key), None)


def sample(
    call: Call, reply: Reply, messages: SampleMessage | Sequence[SampleMessage], options: SampleOptions, key: str | None
) -> Sampled:
    """Ask a model; see `Context.sample`."""
    context = options.get("include_context")
    declared = call.capabilities.get("sampling")
    if not call.revision.lacks("2025-11-25") and isinstance(declared, dict) and "context" not in declared:
        context = None
    tools, choice = options.get("tools"), options.get("tool_choice")
    params = CreateMessageRequestParams(
        messages=sampling_messages(messages, call.revision),
        max_tokens=options.get("max_tokens", MAX_TOKENS),
        system_prompt=options.get("system_prompt"),
        model_preferences=_preferences(options.get("model_preferences")),
        include_context=context,
        temperature=options.get("temperature"),
        stop_sequences=_listed(options.get("stop_sequences")),
        metadata=options.get("metadata"),
        tools=_listed(tools),
        tool_choice=None if choice is None else ToolChoice(mode=choice),
    )
    return Sampled(_ask(call, reply, SAMPLE, cast("JsonObject", msgspec.to_builtins(params)), key))


def list_roots(call: Call, reply: Reply, key: str | None) -> Roots:
    """Ask for the roots; see `Context.list_roots`."""
    return Roots(_ask(call, reply, ROOTS, {}, key))


def _ask(call: Call, reply: Reply, method: str, params: JsonObject, key: str | None) -> Asking:
    # At once, not when it is awaited: what the author wrote wrong is raised where it stands.
    require(call.capabilities, call.revision, method, params)
    channel = reply.back_channel
    if channel is None:
        # Not the author's mistake, as a rule: some transports have none in the legacy era.
        raise ToolError(f"There is no way to send {method} to the client from here")

    async def asking() -> JsonObject:
        return check_answer(method, params, await channel.request(method, params, key))

    found = asking()
    # What Python says of one that nobody awaits names what the author wrote.
    found.__qualname__ = _WRITTEN[method]
    return found


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise LocalProtocolError(
            f"elicit_url takes an https:// URL, or http:// of this machine, not {url[:200]!r} (ELI-02)"
        )
    if not parts.hostname or parts.username is not None:
        raise LocalProtocolError("elicit_url takes a URL with a host and without credentials (ELI-02)")


def _preferences(given: ModelPreferences | Sequence[str] | str | None) -> ModelPreferences | None:
    if given is None or isinstance(given, ModelPreferences):
        return given
    names = [given] if isinstance(given, str) else given
    return ModelPreferences(hints=[ModelHint(name=name) for name in names])


ItemT = TypeVar("ItemT")


def _listed(items: Sequence[ItemT] | None) -> list[ItemT] | None:
    return None if items is None else list(items)


def as_recorded(value: object) -> JsonValue:
    """Return a value as its JSON reads: what `Context.once` gives, the first time as the second.

    Raises:
        LocalProtocolError: It has no JSON form.
    """
    try:
        return cast("JsonValue", msgspec.json.decode(msgspec.json.encode(value)))
    except (TypeError, msgspec.MsgspecError) as error:
        raise LocalProtocolError(f"once records JSON; this has none: {error}") from None
