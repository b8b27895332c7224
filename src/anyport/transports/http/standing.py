"""GET on a session: the standing stream, which carries changes, and the streams that a client comes back for.

A session has one standing stream at most, and one connection on each of its streams; the newest wins (D24).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from anyport.protocol.changes import Change, Changes
from anyport.protocol.errors import InternalError, RefusedRequest
from anyport.protocol.exchange import Exchange
from anyport.protocol.jsonrpc import encode_notification
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.stores.base import Store
from anyport.transports.http.following import Follower
from anyport.transports.http.kept_streams import STANDING, KeptStream, new_name, read_event_id
from anyport.transports.http.live_session import HttpSession
from anyport.transports.http.sessions import Sessions

_LAST_EVENT: Final = "last-event-id"


class ChangeRecorder:
    """Writes the changes that a session wants to its standing stream, whether its client is there or not.

    It goes on after the client has left, for as long as the stream is kept without it, so that a client that comes
    back in time misses nothing.

    Args:
        session: Whose stream it is; counted as in use here.
        kept: The stream.
        changes: Where changes come from; ``None`` where there are none.
        away_s: Seconds that the client may be away.
        ended: Called once it writes no more.

    Attributes:
        stream: Name of the stream.
    """

    def __init__(
        self, session: HttpSession, kept: KeptStream, changes: Changes | None, away_s: float, ended: Callable[[], None]
    ) -> None:
        self.stream = kept.name
        self._session = session
        self._kept = kept
        self._away_s = away_s
        self._ended = ended
        self._pending: dict[Change, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        session.recorder = self
        session.inbox.join()
        self._detach = None if changes is None else changes.attach(self._take)

    def end(self) -> None:
        """Write no more; what was written stays."""
        if self._is_over:
            return
        self._is_over = True
        self.came_back()
        if self._detach is not None:
            self._detach()
        if self._task is not None:
            self._task.cancel()
        self._session.inbox.leave()
        if self._session.recorder is self:
            self._session.recorder = None
        self._ended()

    def came_back(self) -> None:
        """Take note that the client is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def went_away(self) -> None:
        """Take note that the client is not there any more."""
        if not self._is_over:
            self.came_back()
            self._timer = asyncio.get_running_loop().call_later(self._away_s, self._give_up)

    async def forget(self) -> None:
        """Write no more, and drop what was written: the client has begun anew."""
        self.end()
        await self._kept.forget()

    async def settled(self) -> None:
        """Wait until what was begun is through."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _give_up(self) -> None:
        self.end()
        # A client that comes back later has to learn that it missed something.
        self._task = asyncio.create_task(self._kept.forget())

    def _take(self, change: Change) -> None:
        if self._session.state.wants(change):
            # That something changed is said once, however often it did before that could be said.
            self._pending[change] = None
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._pending and not self._is_over:
            change = next(iter(self._pending))
            del self._pending[change]
            params: JsonObject = {} if change.uri is None else {"uri": change.uri}
            await self._kept.append("message", encode_notification(change.method, params or UNSET))


class SessionStreams:
    """Serves GET within a session.

    Args:
        store: Where streams are kept.
        limits: How long, and how often a silent one gives a sign of life.
        sessions: The sessions.
        changes: Where changes come from.
    """

    def __init__(self, store: Store, limits: Limits, sessions: Sessions, changes: Changes | None) -> None:
        self._store = store
        self._limits = limits
        self._sessions = sessions
        self._changes = changes
        self._recorders: set[ChangeRecorder] = set()
        self._followers: dict[Follower, asyncio.AbstractEventLoop] = {}

    async def serve(self, exchange: Exchange, session: HttpSession) -> None:
        """Open the standing stream of a session, or go on with one of its streams.

        Raises:
            RefusedRequest: HTTP 400: ``Last-Event-ID`` is none of ours, or the revision knows none; 410: it cannot be
                gone on with.
        """
        last = exchange.headers.get(_LAST_EVENT)
        if not last:
            recorder = await self._begin(session)
            await self._follow(exchange, session, recorder.stream, 0)
            return
        found = read_event_id(last) if session.state.revision.resumable else None
        if found is None:
            raise RefusedRequest(400, "Last-Event-ID is the id of no event that this session can have received")
        stream, position = found
        await self._follow(exchange, session, stream, position)

    def drain(self) -> None:
        """End every stream, from any thread: the clients are to come back to another process."""
        for follower, loop in list(self._followers.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(follower.drain)

    async def aclose(self) -> None:
        """End every stream, and wait until what was begun is through."""
        for follower in list(self._followers):
            follower.drain()
        recorders = list(self._recorders)
        for recorder in recorders:
            recorder.end()
        for recorder in recorders:
            await recorder.settled()

    async def _begin(self, session: HttpSession) -> ChangeRecorder:
        """Begin a standing stream anew; the one before ends.

        Raises:
            InternalError: HTTP 500: the store does not take it.
        """
        before = session.recorder
        kept = KeptStream(self._store, session.id, new_name(STANDING))
        if await kept.append("head", b"") is None:
            failure = InternalError("The store of the streams failed; the server's log says why")
            failure.http_status = 500
            raise failure
        recorder = self._record(session, kept)
        if isinstance(before, ChangeRecorder):
            session.take_over(before.stream, "")
            await before.forget()
        return recorder

    def _record(self, session: HttpSession, kept: KeptStream) -> ChangeRecorder:
        before = session.recorder
        if before is not None:
            before.end()
        away_s = min(self._limits.stream_idle_s, self._limits.session_idle_s)
        self._sessions.retain(session)

        def ended() -> None:
            self._sessions.release(session)
            self._recorders.discard(recorder)

        recorder = ChangeRecorder(session, kept, self._changes, away_s, ended)
        self._recorders.add(recorder)
        return recorder

    async def _follow(self, exchange: Exchange, session: HttpSession, stream: str, after: int) -> None:
        follower = Follower(exchange, session, stream, self._store, self._limits)
        await follower.check(after)
        recorder = self._recorder_of(session, stream)
        session.take_over(stream, follower.name)
        session.readers[stream] = follower
        self._followers[follower] = asyncio.get_running_loop()
        try:
            await follower.run()
        finally:
            del self._followers[follower]
            if session.readers.get(stream) is follower:
                del session.readers[stream]
                if recorder is not None:
                    recorder.went_away()

    def _recorder_of(self, session: HttpSession, stream: str) -> ChangeRecorder | None:
        """Return who writes a standing stream from here on: this process, which its client has come to."""
        if not stream.startswith(STANDING):
            return None
        recorder = session.recorder
        if not isinstance(recorder, ChangeRecorder) or recorder.stream != stream:
            recorder = self._record(session, KeptStream(self._store, session.id, stream))
        recorder.came_back()
        return recorder
