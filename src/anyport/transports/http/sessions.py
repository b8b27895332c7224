"""Legacy HTTP sessions: what ``initialize`` opens and ``DELETE`` ends (2025-11-25, transports, sessions)."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from anyport.protocol.correlation import Received
from anyport.protocol.errors import Busy, RefusedRequest
from anyport.protocol.jsonrpc import Notification
from anyport.protocol.legacy import LegacySession
from anyport.protocol.limits import Limits


class Cancellable(Protocol):
    """A call in flight, as far as a session knows it."""

    def cancel(self) -> None:
        """Give the call up."""
        ...


class HttpSession:
    """One legacy conversation over HTTP.

    Attributes:
        id: Its unguessable name (SES-01).
        principal: Who opened it; nobody else may use it (SES-05).
        state: The handshake.
        open: Calls in flight.
        used: Time of the last use, on the monotonic clock.
    """

    __slots__ = ("id", "open", "principal", "state", "used")

    def __init__(self, principal: str | None, limits: Limits) -> None:
        self.id = secrets.token_urlsafe(24)
        self.principal = principal
        self.state = LegacySession()
        self.open: Received[Cancellable] = Received(limits.calls_per_connection)
        self.used = 0.0

    def take(self, notification: Notification) -> None:
        """Take a notification of the client; one that cancels ends the call it names, if that is still open."""
        if notification.method == "notifications/cancelled":
            call = self.open.cancelled(notification.params)
            if call is not None:
                call.cancel()
        else:
            self.state.receive_notification(notification)


class Sessions:
    """The legacy sessions of one process.

    Args:
        limits: How many there may be, and how long they may idle.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        # In the order of use, so that the idle ones are at the front.
        self._sessions: dict[str, HttpSession] = {}
        self._of_principal: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, principal: str | None) -> HttpSession:
        """Open a session.

        Raises:
            Busy: There are too many, in all or of this principal.
        """
        self._reap()
        if len(self._sessions) >= self._limits.sessions:
            raise Busy(f"{len(self._sessions)} sessions are open (limit sessions)")
        if principal is not None and self._of_principal[principal] >= self._limits.sessions_per_principal:
            raise Busy(
                f"{self._of_principal[principal]} sessions of this principal are open (limit sessions_per_principal)"
            )
        session = HttpSession(principal, self._limits)
        session.used = self._clock()
        self._sessions[session.id] = session
        if principal is not None:
            self._of_principal[principal] += 1
        return session

    def find(self, session_id: str, principal: str | None) -> HttpSession:
        """Return a session of this principal and note that it is in use.

        Raises:
            RefusedRequest: HTTP 404: it is unknown, ended, idle for too long, or somebody else's (SES-03).
        """
        session = self._sessions.get(session_id)
        if session is not None and self._is_idle(session):
            self.end(session)
            session = None
        if session is None or session.principal != principal:
            raise RefusedRequest(404, "This session is unknown or has ended; send initialize without a session id")
        self.touch(session)
        return session

    def touch(self, session: HttpSession) -> None:
        """Note that a session is in use; one that has ended stays ended."""
        if self._sessions.pop(session.id, None) is not None:
            self._sessions[session.id] = session
            session.used = self._clock()

    def end(self, session: HttpSession) -> None:
        """End a session; its calls in flight are cancelled."""
        if self._sessions.pop(session.id, None) is None:
            return
        if session.principal is not None:
            self._of_principal[session.principal] -= 1
            if not self._of_principal[session.principal]:
                del self._of_principal[session.principal]
        session.state.close()
        for call in session.open.values():
            call.cancel()

    def _is_idle(self, session: HttpSession) -> bool:
        return not len(session.open) and self._clock() - session.used > self._limits.session_idle_s

    def _reap(self) -> None:
        idle: list[HttpSession] = []
        for session in self._sessions.values():
            if self._clock() - session.used <= self._limits.session_idle_s:
                break
            if self._is_idle(session):
                idle.append(session)
        for session in idle:
            self.end(session)
