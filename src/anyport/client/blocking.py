"""A client for code without an event loop: the same methods, blocking, on a loop in a thread of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack, overload

from msgspec import UNSET, UnsetType

from anyport.client.call_options import CallOptions
from anyport.client.listening import ChangeEvent, Listening
from anyport.client.loop_thread import LoopThread
from anyport.client.prompt_requests import Reference
from anyport.client.requests import Page
from anyport.client.results import ToolResult
from anyport.client.states import State
from anyport.protocol.revisions import Era
from anyport.protocol.types import (
    Completion,
    GetPromptResult,
    Implementation,
    LoggingLevel,
    Prompt,
    Resource,
    ResourceContents,
    ResourceTemplate,
    ServerCapabilities,
    Tool,
)
from anyport.protocol.types.json import JsonValue

if TYPE_CHECKING:
    from anyport.client.client import Client

T = TypeVar("T")


class SyncListening:
    """Changes at a server, one after the other; see `anyport.client.listening.Listening`.

    Args:
        thread: Runs what waits.
        listening: Gives the changes.
    """

    def __init__(self, thread: LoopThread, listening: Listening) -> None:
        self._thread = thread
        self._listening = listening
        self._events = aiter(listening)

    def __enter__(self) -> Self:
        self._thread.run(self._listening.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ChangeEvent]:
        return self

    def __next__(self) -> ChangeEvent:
        event = self._thread.run(self._next())
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """Listen no more; may be called twice, and from any thread."""
        self._thread.run(self._listening.aclose())

    async def _next(self) -> ChangeEvent | None:
        return await anext(self._events, None)


class SyncClient:
    """A client of one MCP server whose methods block; made by `Client.sync`.

    It may be used from several threads at a time, and in a thread whose own event loop runs. Callbacks run on the loop
    of the client, and cannot call it themselves.

    Args:
        make: Makes the client, on its loop.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._thread = LoopThread()
        self._make = make
        self._client = make()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Reach the server; see `Client.connect`."""
        if self._client.state == "closed":
            # Another loop runs from now on, and a client belongs to one.
            self._client = self._make()
        self._thread.run(self._client.connect())

    def close(self) -> None:
        """Close the connection and end the thread, within bounds; may be called twice, and from any thread."""
        try:
            self._thread.run(self._client.aclose())
        finally:
            self._thread.stop()

    # --- what the server is -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """How things stand; see `Client.state`."""
        return self._client.state

    @property
    def server_info(self) -> Implementation | None:
        """What the server says about itself."""
        return self._client.server_info

    @property
    def capabilities(self) -> ServerCapabilities:
        """What the server offers."""
        return self._client.capabilities

    @property
    def instructions(self) -> str | None:
        """How to use the server, for a model."""
        return self._client.instructions

    @property
    def revision(self) -> str:
        """The protocol revision that is spoken."""
        return self._client.revision

    @property
    def era(self) -> Era:
        """The era of the revision."""
        return self._client.era

    # --- tools --------------------------------------------------------------------------------------------------------

    def list_tools(self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]) -> Page[Tool]:
        """Return the tools of the server; see `Client.list_tools`."""
        return self._thread.run(self._client.list_tools(cursor=cursor, **options))

    @overload
    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result_type: type[T],
        raise_on_error: bool = True,
        validate_output: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult[T]: ...

    @overload
    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result_type: None = None,
        raise_on_error: bool = True,
        validate_output: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult[JsonValue]: ...

    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        result_type: type[T] | None = None,
        raise_on_error: bool = True,
        validate_output: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> ToolResult[T] | ToolResult[JsonValue]:
        """Call a tool; see `Client.call_tool`."""
        call = functools.partial(
            self._client.call_tool, name, arguments, raise_on_error=raise_on_error, validate_output=validate_output
        )
        if result_type is None:
            return self._thread.run(call(**options))
        return self._thread.run(call(result_type=result_type, **options))

    # --- resources ----------------------------------------------------------------------------------------------------

    def list_resources(
        self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]
    ) -> Page[Resource]:
        """Return the resources of the server; see `Client.list_resources`."""
        return self._thread.run(self._client.list_resources(cursor=cursor, **options))

    def list_resource_templates(
        self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]
    ) -> Page[ResourceTemplate]:
        """Return the resource templates of the server; see `Client.list_resource_templates`."""
        return self._thread.run(self._client.list_resource_templates(cursor=cursor, **options))

    def read_resource(self, uri: str, **options: Unpack[CallOptions]) -> list[ResourceContents]:
        """Return the contents of a resource; see `Client.read_resource`."""
        return self._thread.run(self._client.read_resource(uri, **options))

    # --- prompts and completions --------------------------------------------------------------------------------------

    def list_prompts(self, *, cursor: str | UnsetType | None = UNSET, **options: Unpack[CallOptions]) -> Page[Prompt]:
        """Return the prompts of the server; see `Client.list_prompts`."""
        return self._thread.run(self._client.list_prompts(cursor=cursor, **options))

    def get_prompt(
        self, name: str, arguments: Mapping[str, str] | None = None, **options: Unpack[CallOptions]
    ) -> GetPromptResult:
        """Return a prompt, filled in; see `Client.get_prompt`."""
        return self._thread.run(self._client.get_prompt(name, arguments, **options))

    def complete(
        self,
        ref: Reference,
        argument: str,
        value: str,
        *,
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Completion:
        """Return suggestions; see `Client.complete`."""
        return self._thread.run(self._client.complete(ref, argument, value, context=context, **options))

    # --- changes and the rest -----------------------------------------------------------------------------------------

    def listen(
        self,
        *,
        tools: bool = False,
        prompts: bool = False,
        resources: bool | Sequence[str] = False,
        resource_list: bool = False,
    ) -> SyncListening:
        """Listen to changes at the server, in a ``for`` loop or in a ``with`` block; see `Client.listen`."""
        listening = self._client.listen(tools=tools, prompts=prompts, resources=resources, resource_list=resource_list)
        return SyncListening(self._thread, listening)

    def subscribe(self, uri: str) -> None:
        """Tell ``on_change`` whenever a resource changes; see `Client.subscribe`."""
        self._thread.run(self._client.subscribe(uri))

    def unsubscribe(self, uri: str) -> None:
        """End what `subscribe` began."""
        self._thread.run(self._client.unsubscribe(uri))

    def ping(self, **options: Unpack[CallOptions]) -> None:
        """Ask the server whether it is there; see `Client.ping`."""
        self._thread.run(self._client.ping(**options))

    def set_log_level(self, level: LoggingLevel, **options: Unpack[CallOptions]) -> None:
        """Say which log messages are wanted; see `Client.set_log_level`."""
        self._thread.run(self._client.set_log_level(level, **options))

    def notify_roots_changed(self) -> None:
        """Tell the server that the roots changed; see `Client.notify_roots_changed`."""
        self._thread.run(self._client.notify_roots_changed())
