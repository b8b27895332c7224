"""A client of raw JSON-RPC, the same on every transport and in every revision: what the behaviour suite speaks through.

A new transport is a module beside this one with a subclass of `Peer` and its rows in `tests/behaviour/cells.py`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_VERSION
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject, JsonValue

WAIT: Final = 30.0
"""Seconds for anything that should happen at once; a bound, not a pause."""
CLIENT: Final[JsonObject] = {"name": "behaviour", "version": "1"}


@dataclass
class Answer:
    """What a request came to.

    Attributes:
        message: The response, whole.
        notifications: What came before it and belongs to it: by its stream on HTTP, by its progress token elsewhere,
            and for the rest while no other request was in flight.
        status: HTTP status, where there is one.
    """

    message: JsonObject
    notifications: list[JsonObject]
    status: int | None = None

    @property
    def result(self) -> JsonObject:
        """The result; fails on an error."""
        assert "result" in self.message, f"no result: {self.message}"
        return cast("JsonObject", self.message["result"])

    @property
    def error(self) -> JsonObject:
        """The error; fails on a result."""
        assert "error" in self.message, f"no error: {self.message}"
        return cast("JsonObject", self.message["error"])

    @property
    def code(self) -> JsonValue:
        """The error's code."""
        return self.error["code"]

    @property
    def reason(self) -> str:
        """The error's message."""
        return str(self.error["message"])

    @property
    def text(self) -> str:
        """Text of a tool's result, whose content is one block of text."""
        ((_, block),) = enumerate(cast("list[JsonObject]", self.result["content"]))
        return str(block["text"])

    @property
    def structured(self) -> JsonValue:
        """The structured content of a tool's result."""
        return self.result["structuredContent"]

    def of(self, method: str) -> list[JsonObject]:
        """Return the parameters of its notifications of a method."""
        return [cast("JsonObject", entry["params"]) for entry in self.notifications if entry["method"] == method]


class Pending:
    """A request in flight.

    Attributes:
        id: Its id.
        notifications: What belongs to it, so far.
    """

    def __init__(self, request_id: JsonValue) -> None:
        self.id = request_id
        self.notifications: list[JsonObject] = []
        self.status: int | None = None
        self._message: JsonObject | None = None
        self._ended = False
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._ended

    def take(self, message: JsonObject) -> None:
        """Take a notification that belongs to it, or its answer."""
        assert not self._ended, f"something came after the answer: {message}"
        if "method" in message:
            self.notifications.append(message)
        else:
            self._message = message
            self._ended = True
        self._changed.set()

    def end(self, failure: BaseException | None = None) -> None:
        """Take that nothing more comes, and why."""
        self._ended = True
        self._failure = failure
        self._changed.set()

    def end_with(self, task: asyncio.Task[None]) -> None:
        """Take that the task has ended in which the answer was to come."""
        failure = None if task.cancelled() else task.exception()
        if failure is not None or not self._ended:
            self.end(failure)

    async def answer(self) -> Answer:
        """Wait for the answer; fails if none can come any more."""
        await self._until(lambda: self._ended)
        if self._failure is not None:
            raise AssertionError("ended without an answer") from self._failure
        assert self._message is not None, "ended without an answer"
        return Answer(self._message, self.notifications, self.status)

    async def heard(self, count: int = 1) -> list[JsonObject]:
        """Wait until so many notifications have come."""
        await self._until(lambda: len(self.notifications) >= count or self._ended)
        assert len(self.notifications) >= count, f"only {self.notifications}, and {self._message}"
        return self.notifications

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Raw:
    """What bytes in place of a message were answered with: a message, or for a batch a list of them."""

    message: JsonObject | list[JsonValue] | None
    status: int | None = None

    @property
    def code(self) -> JsonValue:
        """The error's code."""
        assert isinstance(self.message, dict), f"no error: {self.message}"
        return cast("JsonObject", self.message["error"])["code"]


@dataclass
class Asked:
    """What the server asks of the client, and how that answers.

    Attributes:
        capabilities: What the client declares.
        answers: By method: what takes its parameters and returns the result.
    """

    capabilities: JsonObject = field(default_factory=dict[str, JsonValue])
    answers: Mapping[str, Callable[[JsonObject], JsonObject]] = field(
        default_factory=dict[str, Callable[[JsonObject], JsonObject]]
    )


class Peer(ABC):
    """The client, connected and past its handshake.

    Args:
        revision: What it speaks.
        asked: How it answers what the server asks.

    Attributes:
        opening: Result of `initialize`; in the modern era of `server/discover`, once `open` was awaited.
        session: Header fields of the session, on HTTP.
        unclaimed: Called with each notification that belongs to no request, where it comes without being fetched.
    """

    transport: str
    """As `Context.transport` tells it."""

    def __init__(self, revision: Revision, asked: Asked | None = None) -> None:
        self.revision = revision
        self.asked = asked or Asked()
        self.opening: JsonObject = {}
        self.unclaimed: Callable[[JsonObject], None] = lambda notification: None
        self._ids = 0

    @property
    def modern(self) -> bool:
        """Whether each request stands for itself."""
        return self.revision.modern

    async def open(self) -> None:
        """Shake hands, where the era has that; discover the server, where it has not."""
        if self.modern:
            self.opening = (await self.request("server/discover")).result
            return
        params: JsonObject = {
            "protocolVersion": self.revision.name,
            "capabilities": self.asked.capabilities,
            "clientInfo": CLIENT,
        }
        self.opening = (await self.request("initialize", params)).result
        assert self.opening["protocolVersion"] == self.revision.name
        await self.notify("notifications/initialized")

    def message(
        self, method: str, params: JsonObject | None = None, *, meta: JsonObject | None = None, token: bool = False
    ) -> JsonObject:
        """Return a message of the peer's era, without an id.

        Args:
            method: Its method.
            params: Its parameters.
            meta: Of its ``_meta``, what the era does not give by itself.
            token: Whether to ask for progress.
        """
        whole = {**(params or {})}
        own: JsonObject = {**(meta or {})}
        if token:
            own["progressToken"] = f"token {self._ids}"
        if self.modern:
            own = {
                META_VERSION: self.revision.name,
                META_CLIENT_CAPABILITIES: self.asked.capabilities,
                META_CLIENT_INFO: CLIENT,
                **own,
            }
        if own:
            whole["_meta"] = own
        return {"jsonrpc": "2.0", "method": method, "params": whole}

    def start(
        self,
        method: str,
        params: JsonObject | None = None,
        *,
        request_id: JsonValue = None,
        meta: JsonObject | None = None,
        token: bool = False,
    ) -> Pending:
        """Send a request without waiting for its answer; see `message`."""
        self._ids += 1
        message = self.message(method, params, meta=meta, token=token)
        return self.begin({**message, "id": self._ids if request_id is None else request_id})

    async def request(
        self,
        method: str,
        params: JsonObject | None = None,
        *,
        request_id: JsonValue = None,
        meta: JsonObject | None = None,
        token: bool = False,
    ) -> Answer:
        """Send a request and wait for its answer; see `message`."""
        return await self.start(method, params, request_id=request_id, meta=meta, token=token).answer()

    async def call(
        self, tool: str, arguments: JsonObject | None = None, *, token: bool = False, meta: JsonObject | None = None
    ) -> Answer:
        """Call a tool."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}}, token=token, meta=meta)

    def begin_call(self, tool: str, arguments: JsonObject | None = None, *, token: bool = False) -> Pending:
        """Call a tool without waiting for its result."""
        return self.start("tools/call", {"name": tool, "arguments": arguments or {}}, token=token)

    async def notify(self, method: str, params: JsonObject | None = None) -> None:
        """Send a notification."""
        await self.tell(self.message(method, params))

    @abstractmethod
    def begin(self, message: JsonObject) -> Pending:
        """Send a request as it is."""

    @abstractmethod
    async def tell(self, message: JsonObject) -> None:
        """Send a notification as it is; returns once the server has it."""

    @abstractmethod
    async def cancel(self, pending: Pending) -> None:
        """Give a request up, the way of the transport; returns once nothing of it can come any more."""

    @abstractmethod
    async def raw(self, data: bytes) -> Raw:
        """Send bytes in place of a message, and wait for what answers them."""

    @abstractmethod
    async def aclose(self) -> None:
        """Leave."""
