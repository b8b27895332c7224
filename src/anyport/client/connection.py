"""The connection to one server: opened, healed, asked through, and closed from any task.

A transport is started again when its server is gone: once for everybody who waits, with growing pauses. What was on
its way is sent again only if the server certainly did not begin with it, or if doing it twice is no harm.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from anyport import __version__
from anyport.client.answers import Answers
from anyport.client.backoff import Backoff
from anyport.client.call_options import NO_TERMS, Terms
from anyport.client.conversation import Conversation
from anyport.client.detection import Route
from anyport.client.handshake import Opened
from anyport.client.logs import LogCallback, LogMessage, Teller, read_log
from anyport.client.states import State, Status
from anyport.protocol.errors import (
    AnyportError,
    ConnectError,
    LocalProtocolError,
    McpError,
    ServerExited,
    SessionLost,
    Timeout,
)
from anyport.protocol.jsonrpc import Notification
from anyport.protocol.types import Implementation, LoggingLevel
from anyport.protocol.types.json import JsonObject

logger = logging.getLogger("anyport.client")

_INFO: Final = Implementation(name="anyport", version=__version__)
_UNWIND_S: Final = 10.0
"""Seconds for what was being opened to be given up: a child process ends within less."""
_TRIES: Final = 5
"""Times that a lost server is looked for before whoever waits is told."""
_UNSENT: Final = 5
"""Times that one request is tried while its server certainly does not begin with it."""
_AGAIN: Final = 3
"""Times that one request is sent that may have been begun, and does no harm."""
_HARMLESS: Final = frozenset(
    {
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "server/discover",
        "logging/setLevel",
        "ping",
    }
)
"""Methods that change nothing, so that they may be sent twice."""


class _Again:
    """Whether one request may be sent again."""

    def __init__(self, harmless: bool) -> None:
        self._harmless = harmless
        self._unsent = self._sent = 0

    def allows(self, error: ConnectError | SessionLost | ServerExited) -> bool:
        """Take that it failed, and return whether it may be tried once more."""
        if error.unsent:
            self._unsent += 1
            return self._unsent < _UNSENT
        self._sent += 1
        return self._harmless and self._sent < _AGAIN


class Closing(Protocol):
    """What ends with the connection."""

    async def aclose(self) -> None:
        """End."""
        ...


class Connection:
    """The connection of a client to its server.

    Args:
        route: How the server is reached.
        answers: What the client answers when the server asks.
        respawn: Start a server process again that has ended.

    Attributes:
        timeout: Seconds that opening may take; ``None`` for no limit.
        log_level: What a legacy server is told about its log when a session begins.
        opened: What the last handshake found out.
        changes: Take the news of changes that belong to no stream (legacy).
        noting: Take the news of all changes.
        closing: What ends before the connection does.
        status: How things stand.
    """

    def __init__(self, route: Route, answers: Answers, *, respawn: bool = False) -> None:
        self._route = route
        self._answers = answers
        self._respawn = respawn
        self._conversation: Conversation | None = None
        self._opening: asyncio.Task[Conversation] | None = None
        self._last: asyncio.Task[None] | asyncio.Task[Conversation] | None = None
        self._waiting = 0
        self._wanted = False
        self._logs: Teller[LogMessage] | None = None
        self.timeout: float | None = None
        self.log_level: LoggingLevel | None = None
        self.opened: Opened | None = None
        self.changes: set[Callable[[Notification], None]] = set()
        self.noting: list[Callable[[Notification], None]] = []
        self.closing: set[Closing] = set()
        self.status = Status()

    def tell_logs(self, callback: LogCallback) -> None:
        """Tell a callback what the server logs."""
        self._logs = Teller(callback, "on_log")

    @property
    def state(self) -> State:
        """How things stand."""
        return self.status.state

    # --- opening and closing ------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Reach the server and shake hands; does nothing where that is done."""
        if self._conversation is None or self._lost(self._conversation):
            await self._opened_by(self._opening or self._begin(tries=1))

    async def aclose(self) -> None:
        """Close the connection, also while it is opened or healed; may be called twice, and from any task."""
        self._wanted = False
        self.status.set("closed")
        opening, self._opening = self._opening, None
        conversation, self._conversation = self._conversation, None
        ending = asyncio.get_running_loop().create_task(self._end(self._last, opening, conversation))
        self._last = ending
        await asyncio.gather(*(thing.aclose() for thing in list(self.closing)))
        # Not awaited itself: who is cancelled while it waits leaves nothing half closed.
        await asyncio.wait((ending,))
        if self._logs is not None:
            await self._logs.aclose()
        await self.status.aclose()
        ending.result()

    async def _end(
        self,
        before: asyncio.Task[None] | asyncio.Task[Conversation] | None,
        opening: asyncio.Task[Conversation] | None,
        conversation: Conversation | None,
    ) -> None:
        if opening is not None:
            opening.cancel()
        if before is not None and not before.done():
            await asyncio.wait((before,), timeout=_UNWIND_S)
        if conversation is not None:
            await conversation.transport.aclose()

    async def healed(self) -> Conversation:
        """Return the conversation, opened again if it is lost and that may help.

        Raises:
            LocalProtocolError: The client is not connected.
            ConnectError: It was closed meanwhile, or the server cannot be reached.
            AnyportError: As `connect`.
        """
        conversation = self._conversation
        if conversation is not None and not self._lost(conversation):
            return conversation
        if not self._wanted:
            raise LocalProtocolError(
                "The client is not connected: use `async with Client(...)`, or await connect() first"
            )
        return await self._opened_by(self._opening or self._begin(tries=_TRIES))

    def heals(self, error: AnyportError) -> bool:
        """Whether starting the transport again, or sending again, may help against an error."""
        if isinstance(error, ServerExited):
            return self._respawn
        return isinstance(error, (ConnectError, SessionLost))

    def _lost(self, conversation: Conversation) -> bool:
        return conversation.error is not None and self.heals(conversation.error)

    def _begin(self, *, tries: int) -> asyncio.Task[Conversation]:
        self.status.set("reconnecting" if self._wanted else "connecting")
        self._wanted = True
        self._opening = asyncio.get_running_loop().create_task(self._open(tries, self._last))
        self._last = self._opening
        # Who waited may have left in the very moment in which it failed.
        self._opening.add_done_callback(_seen)
        return self._opening

    async def _opened_by(self, opening: asyncio.Task[Conversation]) -> Conversation:
        """Wait for an opening that others may wait for too."""
        self._waiting += 1
        try:
            await asyncio.wait((opening,))
        finally:
            self._waiting -= 1
            if not self._waiting and not opening.done():
                # Who wanted it has left.
                opening.cancel()
                await asyncio.wait((opening,), timeout=_UNWIND_S)
        if opening.cancelled():
            raise ConnectError("The client was closed", unsent=True)
        error = opening.exception()
        if isinstance(error, AnyportError):
            # One exception object for each that waits: a traceback belongs to one call.
            raise copy.copy(error) from error.__cause__
        return opening.result()

    async def _open(self, tries: int, before: asyncio.Task[None] | asyncio.Task[Conversation] | None) -> Conversation:
        me, first, reached = asyncio.current_task(), self.opened is None, False
        try:
            if before is not None and not before.done():
                # One transport has one life at a time: what closes it has to be through.
                await asyncio.wait((before,))
            if self._opening is not me:
                raise ConnectError("The client was closed", unsent=True)
            lost, self._conversation = self._conversation, None
            if lost is not None:
                await lost.transport.aclose()
            conversation = await self._try(tries)
            if self._opening is not me:
                await conversation.transport.aclose()
                raise ConnectError("The client was closed", unsent=True)
            self._conversation = conversation
            reached = True
        finally:
            if self._opening is me:
                self._opening = None
                if not reached:
                    self._wanted = not first
                    self.status.set("disconnected")
        self.status.set("connected")
        return conversation

    async def _try(self, tries: int) -> Conversation:
        backoff = Backoff()
        while True:
            tries -= 1
            try:
                return await self._start()
            except (ConnectError, ServerExited, Timeout, SessionLost) as error:
                if tries <= 0:
                    raise
                logger.info("Not reached, trying again: %s", error)
                await asyncio.sleep(backoff.next())

    async def _start(self) -> Conversation:
        conversation, self.opened = await self._route.open(self._new, self.timeout)
        await self._set_log_level(conversation, self.opened)
        return conversation

    def _new(self) -> Conversation:
        return Conversation(_INFO, self._answers, self)

    async def _set_log_level(self, conversation: Conversation, opened: Opened) -> None:
        """Say in a new session what was said in the last one."""
        if self.log_level is None or opened.revision.modern or opened.capabilities.logging is None:
            return
        try:
            await conversation.request("logging/setLevel", {"level": self.log_level}, Terms(timeout=self.timeout))
        except (McpError, Timeout) as error:
            logger.warning("The server's log stays as it is: %s", error)

    # --- requests -----------------------------------------------------------------------------------------------------

    async def request(
        self, method: str, params: JsonObject, terms: Terms = NO_TERMS, *, harmless: bool = False
    ) -> JsonObject:
        """Send a request and return its result; see `Conversation.request`.

        Args:
            method: JSON-RPC method.
            params: Its parameters, without ``_meta``.
            terms: Times, progress, header fields and more metadata.
            harmless: Doing it twice is no harm.

        Raises:
            LocalProtocolError: The client is not connected.
            AnyportError: See `Conversation.request` and `connect`.
        """
        harmless = harmless or method in _HARMLESS
        backoff, again = Backoff(), _Again(harmless)
        while True:
            conversation = self._conversation
            if conversation is None or conversation.error is not None:
                conversation = await self._healed_within(terms.timeout)
            try:
                result = await conversation.request(method, params, terms)
            except (ConnectError, SessionLost, ServerExited) as error:
                if isinstance(error, SessionLost):
                    conversation.lost(error)
                if self.state == "closed" or not self.heals(error) or not again.allows(error):
                    if self.state == "reconnecting" and self._opening is None:
                        self.status.set("disconnected", error)
                    raise
                logger.info("Sending %s again after: %s", method, error)
                self.status.set("reconnecting", error)
                await asyncio.sleep(backoff.next())
            else:
                if self.state != "connected" and self._conversation is conversation:
                    self.status.set("connected")
                if self._logs is not None and self._logs.busy:
                    # What was logged on the way is told before the result, even where nothing on it had to wait.
                    await asyncio.sleep(0)
                return result

    async def _healed_within(self, seconds: float | None) -> Conversation:
        """Return the conversation, healed if need be in the time that a request has for its server."""
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await self.healed()
        except TimeoutError:
            if timer.expired():
                raise Timeout(f"The server was gone and did not come back within {seconds:g} s") from None
            raise

    @property
    def conversation(self) -> Conversation:
        """The conversation that is open.

        Raises:
            LocalProtocolError: The client is not connected.
        """
        if self._conversation is None:
            raise LocalProtocolError(
                "The client is not connected: use `async with Client(...)`, or await connect() first"
            )
        return self._conversation

    @property
    def known(self) -> Opened:
        """What the last handshake found out.

        Raises:
            LocalProtocolError: There was none.
        """
        if self.opened is None:
            raise LocalProtocolError(
                "The client is not connected, and never was: use `async with Client(...)`, or await connect() first"
            )
        return self.opened

    # --- what the server says by itself -------------------------------------------------------------------------------

    def logged(self, params: JsonObject) -> None:
        """Tell the user's callback of a log message."""
        message = read_log(params)
        if message is not None and self._logs is not None:
            self._logs.tell(message)

    def changed(self, notification: Notification) -> None:
        """Tell who looks on of a change."""
        for hear in list(self.changes):
            hear(notification)

    def noted(self, notification: Notification) -> None:
        """Tell who keeps what the server said before."""
        for note in self.noting:
            note(notification)

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields of every request."""
        return self._route.headers

    def lost(self, conversation: Conversation, error: AnyportError) -> None:
        """Take that a conversation is over although nobody closed it."""
        if conversation is self._conversation and self.state != "closed":
            self.status.set("disconnected", error)


def _seen(task: asyncio.Task[Conversation]) -> None:
    """See the exception of a task, so that it is not reported as lost."""
    if not task.cancelled():
        task.exception()
