"""Legacy HTTP sessions: what ``initialize`` opens and ``DELETE`` ends (2025-11-25, transports, sessions).

A session is a row in the store, so every process that shares the store serves every request of it. What a process
knows of a session beside its row (its calls in flight there) lives in an `HttpSession`, for as long as it is in use and
a little longer: the next request need not decode the row again.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

from anyport.protocol.errors import Busy, InternalError, McpError, RefusedRequest
from anyport.protocol.jsonrpc import Message, encode
from anyport.protocol.limits import Limits
from anyport.stores.base import Store, StoreError, StoreFull
from anyport.transports.http.inbox import Changed, Ended, Forwarded, Note
from anyport.transports.http.live_session import HttpSession

logger = logging.getLogger("anyport.transports")

KEPT: Final = 1024
"""Sessions that are remembered although nothing of theirs is in flight."""

_encode_row = msgspec.json.Encoder().encode
_LIMIT_NAMES: Final = {"sessions_per_owner": "sessions_per_principal"}


class Use:
    """The use of a session; a class, as a generator would cost every request several times as much.

    Args:
        sessions: Those of the process.
        hold: Keeps the session from expiring.
        session_id: Which one.
        principal: Who asks.
    """

    __slots__ = ("_hold", "_id", "_principal", "_session", "_sessions")

    def __init__(
        self,
        sessions: Sessions,
        hold: AbstractAsyncContextManager[bytes | None],
        session_id: str,
        principal: str | None,
    ) -> None:
        self._sessions = sessions
        self._hold = hold
        self._id = session_id
        self._principal = principal
        self._session: HttpSession | None = None

    async def __aenter__(self) -> HttpSession:
        sessions = self._sessions
        known = sessions.known.get(self._id)
        changes = -1 if known is None else known.changes
        try:
            row = await self._hold.__aenter__()
        except StoreError as error:
            raise refusal_of(error) from error
        try:
            self._session = session = sessions.settle(self._id, self._principal, row, changes)
        finally:
            if self._session is None:
                await self.__aexit__()
        sessions.retain(session)
        return session

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            self._sessions.release(self._session)
        try:
            await self._hold.__aexit__(None, None, None)
        except StoreError as error:
            # The request has its answer already; the session may expire a little early.
            logger.warning("The end of a session's use could not be noted: %s", error)


class Sessions:
    """The legacy sessions of everybody who shares a store.

    Args:
        store: Where their rows are.
        limits: Of each session.

    Attributes:
        known: Sessions that this process knows, in the order of their last use.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self.known: OrderedDict[str, HttpSession] = OrderedDict()
        self._in_use = 0

    def make(self, principal: str | None) -> HttpSession:
        """Return a new session, which nobody finds before it is kept."""
        return HttpSession(secrets.token_urlsafe(24), principal, self._limits, self._store.bus)

    async def keep(self, session: HttpSession) -> None:
        """Open a session that was made.

        Raises:
            Busy: There are too many, in all or of this principal.
            RefusedRequest: HTTP 413: its handshake is too large to be kept.
        """
        session.row = _encode_row(session.state.row(session.principal))
        try:
            await self._store.sessions.create(session.id, session.row, session.principal)
        except StoreError as error:
            raise refusal_of(error) from error
        self._rest(session)

    def use(self, session_id: str, principal: str | None) -> Use:
        """Use a session of this principal for as long as the block takes: it cannot expire meanwhile (D11).

        Raises:
            RefusedRequest: HTTP 404: it is unknown, ended, idle for too long, or somebody else's (SES-03).
        """
        return Use(self, self._store.sessions.hold(session_id), session_id, principal)

    async def find(self, session_id: str, principal: str | None) -> HttpSession:
        """Return a session of this principal, for a message that is done with at once.

        Raises:
            RefusedRequest: HTTP 404, as for `use`.
        """
        known = self.known.get(session_id)
        changes = -1 if known is None else known.changes
        try:
            row = await self._store.sessions.get(session_id)
        except StoreError as error:
            raise refusal_of(error) from error
        session = self.settle(session_id, principal, row, changes)
        if not session.uses:
            self._rest(session)
        return session

    async def save(self, session: HttpSession) -> bool:
        """Write a session down, if what is kept of it has changed.

        Returns:
            Whether it had.

        Raises:
            Busy: It has become too large; it is what it was.
            RefusedRequest: HTTP 404: it has ended meanwhile.
        """
        row = _encode_row(session.state.row(session.principal))
        if row == session.row:
            return False
        before, session.row = session.row, row
        session.changes += 1
        try:
            is_known = await self._store.sessions.update(session.id, row)
        except StoreError as error:
            session.load(before)
            session.changes += 1
            raise refusal_of(error) from error
        if not is_known:
            self.forget(session)
            raise _unknown()
        await self._tell(session, Changed(row, session.token))
        return True

    async def end(self, session: HttpSession) -> None:
        """End a session, its streams and its calls in flight here."""
        self.forget(session)
        try:
            await self._store.sessions.delete(session.id)
        except StoreError as error:
            raise refusal_of(error) from error
        await self._tell(session, Ended())

    async def pass_on(self, session: HttpSession, message: Message) -> None:
        """Bring a message of the client to the process that it means something to."""
        if not session.receive(message):
            await self._tell(session, Forwarded(encode(message)))

    def retain(self, session: HttpSession) -> None:
        """Count a use; a session that is in use is not forgotten."""
        if not session.uses:
            self.known[session.id] = session
            self._in_use += 1
        session.uses += 1

    def release(self, session: HttpSession) -> None:
        """End a use."""
        session.uses -= 1
        # It may have ended meanwhile, and an equal id is another session.
        if not session.uses and self.known.get(session.id) is session:
            self._in_use -= 1
            self.known.move_to_end(session.id)
            if len(self.known) - self._in_use > KEPT:
                self._forget_oldest()

    def forget(self, session: HttpSession) -> None:
        """Let go of a session that has ended; its calls in flight here are cancelled."""
        if self.known.get(session.id) is session:
            del self.known[session.id]
            self._in_use -= session.uses > 0
        session.close()

    async def _tell(self, session: HttpSession, note: Note) -> None:
        try:
            await session.tell(note)
        except StoreError as error:
            logger.warning("Other processes do not hear of a session: %s", error)

    def settle(self, session_id: str, principal: str | None, row: bytes | None, changes: int) -> HttpSession:
        """Bring what is known here in line with a row.

        Args:
            session_id: Whose row it is.
            principal: Who asks.
            row: What the store has; ``None`` where it has none.
            changes: `HttpSession.changes` when the store was asked, -1 for a session that was not known here then; what
                has changed since is newer than the row.

        Raises:
            RefusedRequest: HTTP 404, as for `use`.
        """
        session = self.known.get(session_id)
        if session is not None and session.row == row and session.principal == principal:
            return session
        if row is None:
            if session is not None:
                self.forget(session)
            raise _unknown()
        is_new = session is None
        if session is None:
            session = HttpSession(session_id, None, self._limits, self._store.bus)
        if is_new or (session.changes == changes and session.row != row):
            try:
                session.load(row)
            except ValueError as error:
                logger.warning("A session cannot be read and counts as ended: %s", error)
                raise _unknown() from error
        if session.principal != principal:
            raise _unknown()
        return session

    def _rest(self, session: HttpSession) -> None:
        """Remember a session that is not in use, as the one that was used last."""
        self.known[session.id] = session
        self.known.move_to_end(session.id)
        if len(self.known) - self._in_use > KEPT:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self.known) - self._in_use > KEPT:
            _, oldest = self.known.popitem(last=False)
            if oldest.uses:
                self.known[oldest.id] = oldest


def refusal_of(error: StoreError) -> McpError:
    """Return what a client is told of a store that says no."""
    if not isinstance(error, StoreFull):
        logger.error("The store of the sessions failed: %s", error)
        failure = InternalError("The store of the sessions failed; the server's log says why")
        failure.http_status = 500
        return failure
    if error.limit == "session_bytes":
        return RefusedRequest(413, str(error))
    limit = _LIMIT_NAMES.get(error.limit, error.limit)
    return Busy(str(error).replace(f"(limit {error.limit})", f"(limit {limit})").replace("owner", "principal"))


def _unknown() -> RefusedRequest:
    return RefusedRequest(404, "This session is unknown or has ended; send initialize without a session id")
