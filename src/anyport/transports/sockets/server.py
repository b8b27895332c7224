"""Unix and TCP sockets with the framing of stdio: one message per line, one conversation per connection (STDIO-10).

The message format, the lifecycle and both eras are those of stdio; only how a client reaches the server differs. There
is no authentication: whoever can connect may call. So a Unix socket is its owner's alone, and a TCP socket is bound to
loopback unless somebody insists; `anyport.serving.listening` sees to both.

A browser can be made to send requests to any port of its machine, and lines of their bodies would be messages: a
connection that begins like HTTP or TLS is closed before anything on it is read as a message.
"""

from __future__ import annotations

import asyncio
import logging
import re
import select
import socket
from collections.abc import Sequence
from typing import Final, cast

from anyport.protocol.calls import Service
from anyport.protocol.changes import Changes
from anyport.protocol.errors import ENDED, Busy, InternalError, McpError, RefusedRequest
from anyport.protocol.jsonrpc import encode_error
from anyport.protocol.limits import Limits
from anyport.transports.duplex import Duplex, Load

logger = logging.getLogger("anyport.transports")

_CLEAN_UP_S: Final = 0.2
_UNIX: Final[int | None] = getattr(socket, "AF_UNIX", None)
"""The family of Unix sockets, where the system has them."""
_FOREIGN: Final = re.compile(rb"\s*(?:\x16|[A-Z]{3,}[\s/])")
_UNDECIDED: Final = re.compile(rb"\s*[A-Z]{0,15}\Z")


class SocketServer:
    """Serves every client that connects.

    Args:
        service: What answers calls.
        limits: Bounds on connections, messages, calls in flight and slow readers.
        changes: What clients may want to be told of; ``None`` for nothing.
    """

    def __init__(self, service: Service, limits: Limits, changes: Changes | None = None) -> None:
        self._service = service
        self._changes = changes
        self._limits = limits
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._load = Load()

    def __len__(self) -> int:
        return len(self._connections)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections.

        Args:
            sockets: What listens, Unix or TCP; they are closed at the end.
        """
        loop = asyncio.get_running_loop()
        for listening in sockets:
            make = loop.create_unix_server if listening.family == _UNIX else loop.create_server
            self._servers.append(await make(self._connect, sock=listening))

    async def drain(self, seconds: float) -> None:
        """Accept nothing more; let the calls in flight finish, answer those that do not with an error, and hang up.

        Args:
            seconds: How long they get.
        """
        for server in self._servers:
            server.close()
        await asyncio.gather(*(connection.drain(seconds) for connection in list(self._connections)))

    async def aclose(self) -> None:
        """Hang up at once; calls in flight are given up."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.gather(*(connection.closed() for connection in list(self._connections)))

    def _connect(self) -> _Connection:
        return _Connection(self._service, self._limits, self._load, self._connections, self._changes)


class _Connection(asyncio.Protocol):
    """One client: a channel and the socket below it, which is also the channel's outlet."""

    def __init__(
        self, service: Service, limits: Limits, load: Load, connections: set[_Connection], changes: Changes | None
    ) -> None:
        self._limits = limits
        self._load = load
        self._connections = connections
        self._duplex = Duplex(service, limits, self, "socket", changes, load=load)
        self._head: bytes | None = b""
        self._held = 0
        self._lost = False
        self._room = asyncio.Event()
        self._room.set()
        self._over = asyncio.Event()
        self._unread: asyncio.TimerHandle | None = None
        self._unfinished: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    # --- the socket below ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._limits.stream_buffer_bytes)
        if len(self._connections) >= self._limits.connections:
            self._over.set()
            self._hang_up(Busy(f"{self._limits.connections} connections are open (limit connections)"))
            return
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            data = self._look(self._head + data)
        if data and not self._transport.is_closing():
            self._duplex.feed(data)
            self._count(fresh=b"\n" in data)

    def eof_received(self) -> bool:
        if self._over.is_set() or self._is_gone():
            return False
        if self._head:
            self._duplex.feed(self._head)
        self._duplex.end_of_input()
        self._count(fresh=True)
        self._begin_to_end(self._limits.drain_s)
        return True

    def pause_writing(self) -> None:
        # Who does not read is not read from: what waits is bounded, and so is how long (limits stream_buffer_bytes,
        # write_s).
        self._room.clear()
        if not self._transport.is_closing():
            self._transport.pause_reading()
        self._unread = self._loop.call_later(self._limits.write_s, self._drop)

    def resume_writing(self) -> None:
        self._room.set()
        if self._unread is not None:
            self._unread.cancel()
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        for timer in (self._unread, self._unfinished, self._leaving):
            if timer is not None:
                timer.cancel()
        self._room.set()
        self._load.size -= self._held
        self._held = 0
        if not self._over.is_set():
            ending = self._ending
            self._ending = self._loop.create_task(self._clean_up(ending))

    # --- what goes out ------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """See `Outlet.full`."""
        return not self._room.is_set()

    def write(self, message: bytes, *, last: bool = False) -> None:
        """See `Outlet.write`."""
        if not self._transport.is_closing():
            self._transport.write(message + b"\n")

    async def room(self) -> None:
        """See `Outlet.room`."""
        await asyncio.sleep(0)
        await self._room.wait()

    # --- the end ------------------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish, answer the others, hang up; returns when the socket is closed."""
        self._duplex.draining = True
        if self._ending is not None and not self._lost:
            # The client has ended its input, or there was more time before.
            self._ending.cancel()
            self._ending = None
        self._begin_to_end(seconds)
        await self._over.wait()

    def abort(self) -> None:
        """Hang up without a word."""
        self._transport.abort()

    async def closed(self) -> None:
        """Wait until the socket is closed and nothing is left of its calls."""
        await self._over.wait()

    def _is_gone(self) -> bool:
        """Whether the client has closed both directions; TCP tells only when something is written."""
        connected = cast("socket.socket", self._transport.get_extra_info("socket"))
        if connected.family != _UNIX:
            return False
        poll = select.poll()
        poll.register(connected.fileno(), 0)
        return bool(poll.poll(0))

    def _begin_to_end(self, seconds: float) -> None:
        if self._ending is None:
            self._ending = self._loop.create_task(self._end(seconds))

    async def _end(self, seconds: float) -> None:
        await self._duplex.drain(seconds)
        self._duplex.end_calls(InternalError(ENDED))
        self._close()

    async def _clean_up(self, ending: asyncio.Task[None] | None) -> None:
        if ending is not None:
            ending.cancel()
        await self._duplex.aclose(_CLEAN_UP_S)
        self._connections.discard(self)
        self._over.set()

    def _drop(self) -> None:
        logger.info("Dropped a client on a socket that read nothing for %g s (limit write_s)", self._limits.write_s)
        self._transport.abort()

    def _hang_up(self, error: McpError) -> None:
        self.write(encode_error(None, error))
        self._close()

    def _close(self) -> None:
        """Close as soon as what is written has left; a client that does not read it is dropped."""
        self._transport.close()
        if self._leaving is None:
            self._leaving = self._loop.call_later(self._limits.write_s, self._drop)

    # --- what comes in ------------------------------------------------------------------------------------------------

    def _look(self, data: bytes) -> bytes:
        """See whether the connection begins as one of ours does; returns what may be read as messages."""
        if _FOREIGN.match(data):
            self._head = None
            self._hang_up(RefusedRequest(400, "Messages are JSON, one on each line; this is neither HTTP nor TLS"))
            return b""
        if len(data) <= 64 and _UNDECIDED.match(data):
            self._head = data
            return b""
        self._head = None
        return data

    def _count(self, *, fresh: bool) -> None:
        """Count what is held of an unfinished message, and give it its time.

        Args:
            fresh: The message has only begun: another one has ended.
        """
        held = self._duplex.held
        self._load.size += held - self._held
        self._held = held
        if self._load.size > self._limits.bytes_in_flight:
            limit = self._limits.bytes_in_flight
            self._hang_up(Busy(f"More than {limit} bytes of requests are in flight (limit bytes_in_flight)"))
        if self._unfinished is not None and (fresh or not held):
            self._unfinished.cancel()
            self._unfinished = None
        if held and self._unfinished is None:
            self._unfinished = self._loop.call_later(self._limits.body_s, self._too_slow)

    def _too_slow(self) -> None:
        seconds = self._limits.body_s
        if self.full:
            # Nothing is read from it at present: that is another limit's business.
            self._unfinished = self._loop.call_later(seconds, self._too_slow)
        elif not self._transport.is_closing():
            self._hang_up(RefusedRequest(408, f"The message did not come within {seconds:g} seconds (limit body_s)"))
