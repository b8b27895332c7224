"""A client's side of a Unix or TCP socket with the framing of stdio (STDIO-10)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, cast

from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.jsonrpc import Notification, Request
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.transports.calling import PLAIN, Answer, Incoming, Sending
from anyport.transports.chunks import read_in_chunks
from anyport.transports.lines import LineChannel

_LEAVE_S: Final = 1.0
"""Seconds for what was written last to leave before the connection is cut."""


class SocketClient:
    """A client's side of one connection to a server that listens on a socket.

    Args:
        limits: ``line_bytes`` and the bounds on messages apply to what the server sends.
        path: File of a Unix socket; ``None`` for TCP.
        host: Host of a TCP socket.
        port: Its port.

    Attributes:
        probe_silence_s: Seconds of silence after which a server counts as legacy (VER-05).
    """

    probe_silence_s: float | None = 2.0

    def __init__(self, limits: Limits, *, path: str | None = None, host: str = "", port: int = 0) -> None:
        self._limits = limits
        self._path = path
        self._host = host
        self._port = port
        self._connection: _Connection | None = None
        self._channel: LineChannel | None = None

    async def start(self, incoming: Incoming) -> None:
        """Connect; see `ClientTransport.start`.

        Raises:
            ConnectError: Nobody listens there, or it cannot be reached.
            LocalProtocolError: It was started before, and not closed since.
        """
        if self._connection is not None:
            raise LocalProtocolError("The transport is open: await aclose() before it is started again")
        shown = self._shown()
        connection = self._connection = _Connection(shown)
        self._channel = connection.channel = LineChannel(incoming, self._limits, connection)
        try:
            await self._connect(connection)
        except (OSError, ValueError, OverflowError, NotImplementedError) as error:
            self._connection = self._channel = None
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ConnectError(f"Cannot connect to {shown}: {reason}", unsent=True) from error
        except asyncio.CancelledError:
            connection.give_up()
            raise

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        self._open().settle(revision)

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        """Send a request and wait for its answer; given up, it is cancelled at the server too (STDIO-05).

        Args:
            request: The request.
            sending: Not used: this transport has no headers.

        Raises:
            RemoteProtocolError: The answer is no message.
            ConnectError: The connection ended before it was answered, or the client was closed.
        """
        return await self._open().request(request)

    async def notify(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            ConnectError: The connection has ended, or the client was closed.
        """
        await self._open().notify(notification)

    async def aclose(self) -> None:
        """Hang up; requests that still wait fail."""
        connection, channel = self._connection, self._channel
        if connection is None or channel is None:
            return
        try:
            await channel.aclose()
        finally:
            await connection.aclose()
            if self._connection is connection:
                self._connection = self._channel = None

    async def _connect(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        if self._path is not None:
            await loop.create_unix_connection(lambda: connection, self._path)
        else:
            await loop.create_connection(lambda: connection, self._host, self._port)

    def _shown(self) -> str:
        if self._path is not None:
            return f"unix:{self._path}"
        return f"tcp://[{self._host}]:{self._port}" if ":" in self._host else f"tcp://{self._host}:{self._port}"

    def _open(self) -> LineChannel:
        if self._channel is None:
            raise ConnectError("The client was closed", unsent=True)
        return self._channel


class _Connection(asyncio.Protocol):
    """The socket below a channel."""

    channel: LineChannel

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._over = asyncio.Event()

    # --- events of the loop -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        read_in_chunks(transport)

    def data_received(self, data: bytes) -> None:
        self.channel.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set()
        self._room.set()
        reason = self.channel.complaint or (str(exc) if exc is not None else "the server closed it")
        self.channel.end(ConnectError(f"The connection to {self._shown} is gone: {reason}"))

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    # --- what the channel needs ---------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """See `Wire.full`."""
        return not self._room.is_set()

    def write(self, data: bytes) -> None:
        """See `Wire.write`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def room(self) -> None:
        """See `Wire.room`."""
        await self._room.wait()

    def give_up(self) -> None:
        """Take that the loop was stopped while it connected: it does not always tell the end of what it had opened."""
        self._over.set()
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Hang up as soon as what was written has left, within bounds."""
        if self._transport is None:
            return
        self._transport.close()
        try:
            await self._is_over_within(_LEAVE_S)
        finally:
            self._transport.abort()
        await self._is_over_within(_LEAVE_S)

    async def _is_over_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
