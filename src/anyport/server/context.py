"""Context: what a handler receives when it asks for it by annotation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator, Mapping
from typing import Any, Generic, Protocol, cast

from msgspec import Raw
from typing_extensions import TypeVar

from anyport.protocol.calls import Call, Reply, TransportName
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.jsonrpc import RequestId, encode_json
from anyport.protocol.types import (
    LOG_LEVELS,
    LoggingLevel,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
    ResourceContents,
)
from anyport.protocol.types.json import JsonObject, JsonValue

StateT = TypeVar("StateT", default=Any)

_SEVERITY = {level: rank for rank, level in enumerate(LOG_LEVELS)}
_FROM_THREAD_S = 30.0


class ReadableResources(Protocol):
    """What a context reads resources from."""

    def contents(self, uri: str, call: Call, context: Context[Any]) -> Awaitable[list[ResourceContents]]:
        """Read a resource on behalf of a call."""
        ...


class Surroundings(Protocol):
    """What a context tells of the server around it."""

    name: str
    version: str

    @property
    def state(self) -> object:
        """What the lifespan yielded."""
        ...

    @property
    def resources(self) -> ReadableResources:
        """The resources that the server has."""
        ...


class _Done:
    """An awaitable that is finished: what a method returns to a plain function that cannot await."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class Context(Generic[StateT]):
    """The call at hand: who called, how to report progress and to log, what the lifespan opened.

    A parameter annotated with it receives it. The methods that send something are awaited in an ``async def`` and just
    called in a plain ``def``: there they return once the message is handed over.
    """

    __slots__ = ("_call", "_loop", "_progress", "_reply", "_server")

    def __init__(self, call: Call, reply: Reply, server: Surroundings) -> None:
        self._call = call
        self._reply = reply
        self._server = server
        self._progress = float("-inf")
        self._loop = asyncio.get_running_loop()

    # --- what came ----------------------------------------------------------------------------------------------------

    @property
    def request_id(self) -> RequestId:
        """Id of the JSON-RPC request."""
        return self._call.id

    @property
    def session_id(self) -> str | None:
        """Id of the legacy HTTP session; ``None`` in the modern era, which has none, and on other transports."""
        return self._call.carrier.session_id

    @property
    def transport(self) -> TransportName:
        """Which transport carried the request."""
        return self._call.carrier.transport

    @property
    def revision(self) -> str:
        """Protocol version of the request, such as ``2026-07-28``."""
        return self._call.revision.name

    @property
    def client(self) -> JsonObject | None:
        """``clientInfo`` as the client reports it: for display and logs, never for decisions (META-04)."""
        return self._call.client

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP header fields of the request, names in lower case; empty where the transport has none."""
        return self._call.carrier.headers or {}

    @property
    def principal(self) -> str | None:
        """Who was authenticated; ``None`` for nobody."""
        return self._call.carrier.principal

    @property
    def meta(self) -> JsonObject:
        """``_meta`` of the request."""
        return self._call.meta

    @property
    def cancelled(self) -> bool:
        """Whether the client gave the call up; for plain functions, which cannot be interrupted."""
        return self._reply.cancelled

    @property
    def state(self) -> StateT:
        """What the server's lifespan yielded."""
        return cast("StateT", self._server.state)

    @property
    def server(self) -> Surroundings:
        """The server that serves the call."""
        return self._server

    def read_resource(self, uri: str) -> Awaitable[list[ResourceContents]]:
        """Read one of the server's own resources; to be awaited, so for ``async def`` functions.

        Args:
            uri: URI of the resource.

        Returns:
            Its contents.

        Raises:
            McpError: There is no such resource, or it cannot be read.
            LocalProtocolError: Called from a thread.
        """
        if _running_loop() is not self._loop:
            raise LocalProtocolError("read_resource has to be awaited: make the function async def")
        return self._server.resources.contents(uri, self._call, self)

    # --- what goes out ------------------------------------------------------------------------------------------------

    def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Awaitable[None]:
        """Tell the client how far the call is (PRG-01).

        Nothing is sent when the client did not ask for progress, and nothing that does not rise above what was sent
        before.

        Args:
            progress: How far, in a unit of your choice.
            total: How far it goes; ``None`` when unknown.
            message: What is being done, for people.
        """
        token = self._call.progress_token
        if token is None or progress <= self._progress:
            return _DONE
        self._progress = progress
        if self._call.revision.lacks("2025-03-26"):
            message = None
        params = ProgressNotificationParams(progress_token=token, progress=progress, total=total, message=message)
        return self._send("notifications/progress", params)

    def log(self, level: LoggingLevel, data: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message to the client, if it asked for this level (LOG-01).

        Args:
            level: Severity, from ``debug`` to ``emergency``.
            data: Text or any JSON value. No secrets: it leaves the server (LOG-02).
            logger: Name of the logger.
        """
        least = self._call.log_level
        if least is None or _SEVERITY[level] < _SEVERITY[least]:
            return _DONE
        return self._send(
            "notifications/message", LoggingMessageNotificationParams(level=level, data=data, logger=logger)
        )

    def debug(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``debug``; see `log`."""
        return self.log("debug", text, logger)

    def info(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``info``; see `log`."""
        return self.log("info", text, logger)

    def warning(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``warning``; see `log`."""
        return self.log("warning", text, logger)

    def error(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``error``; see `log`."""
        return self.log("error", text, logger)

    def _send(
        self, method: str, params: ProgressNotificationParams | LoggingMessageNotificationParams
    ) -> Awaitable[None]:
        # Encoded here, so that a value without a JSON form fails in the tool that made it, not in a transport.
        message = self._reply.notify(method, Raw(encode_json(params)))
        return message if _running_loop() is self._loop else self._send_from_thread(message)

    def _send_from_thread(self, message: Coroutine[Any, Any, None]) -> _Done:
        if _running_loop() is not None:
            message.close()
            raise LocalProtocolError("A Context belongs to the event loop of its call; another loop cannot use it")
        asyncio.run_coroutine_threadsafe(message, self._loop).result(_FROM_THREAD_S)
        return _DONE


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
