"""One connection: requests are read by httptools, queued in their order, and answered one after the other.

The first of the queue is being answered: an `EdgeExchange` by the endpoint of MCP, an `AsgiRequest` by uvicorn's own
cycle. Reading stops while another waits behind it, and nothing is begun while the client does not read.

An ASGI application cannot say how long a client may take; a connection can. `Phase` names what it waits for, and each
wait has its deadline, which one timer looks after for all connections (`Sweep`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Final, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from anyport.protocol.errors import McpError, RefusedRequest
from anyport.transports.http.edge.asgi import make_asgi_request
from anyport.transports.http.edge.exchange import EdgeExchange
from anyport.transports.http.edge.grounds import Grounds
from anyport.transports.http.edge.heads import NOWHERE, Head, Route
from anyport.transports.http.edge.line import Asked, Fields
from anyport.transports.http.edge.reader import RequestReader
from anyport.transports.http.edge.sweep import ANSWER, IDLE, NEVER, Phase
from anyport.transports.http.edge.trickle import TINY
from anyport.transports.http.fields import CLOSE, too_slow

_LINGER_S: Final = 2.0
"""Seconds that a client which still sends gets to see the answer before the connection ends (RFC 9112, 9.6)."""
_LATER: Final = (*CLOSE, (b"retry-after", b"1"))
_UNSENT: Final = 32 * 1024
"""Bytes that may wait for the client to read before whoever sends has to wait as well."""
_TURNED_AWAY: Final = 256
"""Connections over the limit that may read why at a time."""
_SEPARATORS: Final = 8
"""Bytes of a header field that are neither name nor value, and some more."""


class EdgeConnection(asyncio.Protocol):
    """One connection; see `Line`, which is what its requests see of it.

    Args:
        grounds: What it has in common with others.
    """

    __slots__ = (
        "_acked",
        "_closing",
        "_current",
        "_granted",
        "_grounds",
        "_head_bytes",
        "_phase",
        "_reader",
        "_stuck",
        "_waiting",
        "_written",
        "client",
        "deadline",
        "ending",
        "flow",
        "local",
        "loop",
        "peer",
        "server",
        "steps",
        "transport",
        "wrote",
    )

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self.loop = grounds.loop
        self.steps = grounds.steps
        self._reader = RequestReader(self, grounds.memory)
        self._waiting: deque[Asked] = deque()
        self._current: Asked | None = None
        self._head_bytes = 0
        self._granted = 0.0
        self._phase = IDLE
        self._closing = self.ending = self.wrote = False
        self._written, self._acked, self._stuck = 0, -1, NEVER
        self.deadline = NEVER

    @property
    def root(self) -> str:
        """See `Line.root`."""
        return self._grounds.config.root_path

    def standing(self) -> bytes:
        """See `Line.standing`."""
        return self._grounds.standing()

    def json_head(self) -> bytes:
        """See `Line.json_head`."""
        grounds = self._grounds
        return grounds.json_head if grounds.state.default_headers is grounds.standing_fields else grounds.make_head()

    # --- what the transport tells -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        self.transport = cast("asyncio.Transport", transport)
        # With what a stream has ready besides, a client that stops reading holds less than stream_buffer_bytes.
        self.transport.set_write_buffer_limits(high=_UNSENT)
        self.flow = FlowControl(self.transport)
        self.client, self.server = get_remote_addr(self.transport), get_local_addr(self.transport)
        self.peer = self.client[0] if self.client else None
        # On a Unix socket there is a path and no port: nothing that a browser could name.
        self.local = self.server[0] if self.server and self.server[1] is not None else None
        if len(self._grounds.state.connections) >= self._grounds.most_connections:
            self._turn_away()
            return
        self._grounds.state.connections.add(self)  # pyright: ignore[reportArgumentType] - its own kinds are listed there
        self._grounds.sweep.add(self)
        self._wait(IDLE, self._grounds.limits.keep_alive_s)

    def _turn_away(self) -> None:
        """Refuse a connection over the limit, without a place among the others."""
        self._reader.failed = True
        self._grounds.sweep.add(self)
        if len(self._grounds.sweep) > self._grounds.most_connections + _TURNED_AWAY:
            self.abort()
            return
        self.refuse(
            RefusedRequest(
                503,
                f"There are {self._grounds.most_connections} connections already (limit http_connections, and the files"
                " that the process may open)",
                _LATER,
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who are being answered that nobody listens any more."""
        self._grounds.state.connections.discard(self)
        self._grounds.sweep.discard(self)
        self._grounds.trickles.discard(self)
        if not self._grounds.sweep:
            self._grounds.steps.close()
        self._closing = True
        self._reader.close()
        self.flow.resume_writing()
        if self._current is not None:
            self._current.lost()
        for asked in self._waiting:
            asked.lost()
        self._waiting.clear()
        self._current = None

    def data_received(self, data: bytes) -> None:
        """Read requests, and begin to answer the first."""
        reader = self._reader
        if self._phase is IDLE and not (self._waiting or self._closing or self.flow.write_paused):
            known = reader.recall(data)
            if known is not None:
                # The usual case, to which all of what follows would come: a whole request, and nothing before it.
                self._phase = ANSWER
                self.deadline = NEVER
                self._current = exchange = EdgeExchange(self, known.route, data[len(known.head) :])
                self.steps.start(exchange)
                return
        if reader.failed or self._closing:
            return
        try:
            reader.feed(data)
        except RefusedRequest as error:
            self._give_up(error)
        if self._waiting:
            self._proceed()
        self._look_ahead(len(data))

    def _look_ahead(self, received: int) -> None:
        """Wait for what comes next, with its deadline, after so many bytes."""
        reader, trickles = self._reader, self._grounds.trickles
        if reader.in_head or reader.incoming is not None:
            if received <= TINY:
                trickles.add(self)
            if reader.in_head:
                self._bound_head(received)
            else:
                self._wait_for_body(reader.body_bytes)
            return
        trickles.discard(self)
        if self._current is not None:
            self._phase = ANSWER
            self.deadline = NEVER
        elif self._phase is not IDLE and not self._closing:
            self._wait(IDLE, self._grounds.limits.keep_alive_s)

    def pause_writing(self) -> None:
        """Take note that the client does not read; nor is it heard then, once its request is complete."""
        # That it is gone is noticed all the same, by what is still to be written.
        self.flow.pause_writing()
        if self._reader.incoming is None:
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        self.flow.resume_writing()
        if not self._waiting:
            self.flow.resume_reading()
        elif self._current is None:
            self.loop.call_soon(self._proceed)

    # --- requests -----------------------------------------------------------------------------------------------------

    def route(self, head: Head) -> Route:
        """See `Sink.route`."""
        return self._grounds.route(head)

    def admit(self, route: Route, body: bytes | None = None) -> Asked:
        """See `Sink.admit`."""
        self._head_bytes = 0
        most = self._grounds.limits.pipelined
        if len(self._waiting) >= most:
            raise RefusedRequest(429, f"More than {most} requests wait on one connection (limit pipelined)", _LATER)
        if route.handle is None:
            asked = make_asgi_request(self, self._grounds, route)
        else:
            asked = EdgeExchange(self, route, body)
        self._waiting.append(asked)
        return asked

    def _proceed(self) -> None:
        """Begin the next request, if the one before is answered and the client reads."""
        if self._closing:
            return
        if self._current is None and self._waiting and not self.flow.write_paused:
            if self._phase is IDLE:
                self._phase = ANSWER
                self.deadline = NEVER
            self._current = self._waiting.popleft()
            self._current.begin()
        if self._waiting:
            self.flow.pause_reading()
        elif self.flow.read_paused:
            self.flow.resume_reading()

    def _give_up(self, error: RefusedRequest) -> None:
        """Answer with an error in the turn of the request that comes in, and read nothing after it."""
        reader = self._reader
        reader.failed, reader.in_head = True, False
        incoming, reader.incoming = reader.incoming, None
        if incoming is None:
            refused = EdgeExchange(self, NOWHERE)
            refused.fail(error)
            self._waiting.append(refused)
            self._proceed()
        elif incoming is self._current or incoming in self._waiting:
            incoming.fail(error)
        else:
            # It was answered before it was complete.
            self.close()

    def _bound_head(self, received: int) -> None:
        limits = self._grounds.limits
        self._head_bytes += received
        most = limits.header_bytes + limits.url_bytes + _SEPARATORS * limits.header_fields
        if self._head_bytes > most:
            self._give_up(
                RefusedRequest(431, f"The head is larger than {limits.header_bytes} bytes (limit header_bytes)", CLOSE)
            )
        elif self._phase is not Phase.HEAD:
            self._wait(Phase.HEAD, limits.header_s)

    # --- Line ---------------------------------------------------------------------------------------------------------

    def write(self, data: bytes | memoryview) -> None:
        """See `Line.write`."""
        self._written += len(data)
        self.wrote = True
        self.transport.write(data)

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """See `Line.start`."""
        tasks = self._grounds.state.tasks
        task: asyncio.Task[None] = self.loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    async def client_of(self, fields: Fields) -> str | None:
        """See `Line.client_of`."""
        return await self._grounds.client_of(self.client, fields)

    def answered(self, whole: bytes = b"", *, close: bool) -> None:
        """See `Line.answered`."""
        if whole:
            self._written += len(whole)
            self.wrote = True
            self.transport.write(whole)
        grounds, reader = self._grounds, self._reader
        grounds.state.total_requests += 1
        self._current = None
        if close or self.ending or (reader.failed and not self._waiting):
            self.close()
            return
        if reader.incoming is None and not reader.in_head:
            self._phase = IDLE
            self.deadline = grounds.sweep.now + grounds.idle_s
        if self._waiting:
            self.loop.call_soon(self._proceed)
        elif self.flow.read_paused:
            self.flow.resume_reading()

    def refuse(self, error: McpError) -> None:
        """See `Line.refuse`."""
        EdgeExchange(self, NOWHERE).refuse(error)

    def abort(self) -> None:
        """See `Line.abort`."""
        self._closing = True
        self.transport.abort()

    # --- ends ---------------------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """End after what is being answered, as uvicorn asks for when it stops."""
        self.ending = True
        if self._current is None and not self._waiting:
            self.close()

    def close(self) -> None:
        """End the connection once everything is sent."""
        if self._closing:
            return
        self._closing = True
        reader = self._reader
        if (reader.failed or reader.incoming is not None) and self.transport.can_write_eof():
            # What the client still sends would reset the connection, and the answer could be lost with it.
            self.transport.write_eof()
            self.flow.resume_reading()
            self._wait(Phase.CLOSING, _LINGER_S)
        else:
            self.transport.close()
            self._wait(Phase.CLOSING, self._grounds.limits.write_s)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more; what an ASGI cycle asks its transport."""
        return self._closing or self.transport.is_closing()

    # --- deadlines ----------------------------------------------------------------------------------------------------

    def _wait_for_body(self, received: int) -> None:
        """Wait for the rest of a body: what has come of it gives it time, what is slow does not."""
        limits = self._grounds.limits
        if self._phase is not Phase.BODY:
            self._granted = 0.0
        elif received < self._granted:
            return
        self._granted = received + limits.body_bytes_per_s * limits.body_s
        self._wait(Phase.BODY, limits.body_s)

    def _wait(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self.deadline = self._grounds.sweep.after(seconds)

    def overdue(self, now: float) -> bool:
        """See `Swept.overdue`."""
        if self.deadline > now:
            return self._is_stuck(now)
        self.deadline = NEVER
        limits = self._grounds.limits
        if self._phase is Phase.HEAD:
            self._give_up(
                RefusedRequest(408, f"The head did not come within {limits.header_s:g} seconds (limit header_s)", CLOSE)
            )
        elif self._phase is Phase.BODY:
            self._give_up(too_slow(limits.body_s))
        elif self._phase is Phase.CLOSING:
            self.abort()
        else:
            self.close()
        return True

    def _is_stuck(self, now: float) -> bool:
        """Hang up if nothing of what waits for the client was read for a while (limit ``write_s``)."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            # Not looked at again before something is written, and then from the start.
            self.wrote = False
            self._acked = -1
            return False
        acked = self._written - unsent
        if acked > self._acked:
            self._acked = acked
            self._stuck = now + self._grounds.limits.write_s
        elif now >= self._stuck:
            self.abort()
            return True
        return False
