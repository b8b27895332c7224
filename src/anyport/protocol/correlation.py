"""Which answer belongs to which request, in both directions.

`Received` holds the requests that the peer has open here; `Sent` those that this side has open at the peer. Neither
knows what it holds: a server keeps its running tasks in one, a client its waiting futures in the other.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from anyport.protocol.errors import Busy, InvalidRequest, LocalProtocolError
from anyport.protocol.jsonrpc import ErrorResponse, RequestId, Response
from anyport.protocol.types.json import JsonObject

T = TypeVar("T")


class Received(Generic[T]):
    """Requests of the peer that are not answered yet, by id (RPC-03).

    Args:
        limit: How many may be open at once.

    Attributes:
        entries: What is kept for each of them.
    """

    __slots__ = ("_limit", "entries")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.entries: dict[RequestId, T] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def admit(self, request_id: RequestId) -> None:
        """Check that a request may be opened.

        Raises:
            InvalidRequest: The id is in use by a request that is not answered yet.
            Busy: The limit ``calls_per_connection`` is reached.
        """
        if request_id in self.entries:
            raise InvalidRequest("This id belongs to a request that is not answered yet")
        if len(self.entries) >= self._limit:
            raise Busy(f"{self._limit} calls are in flight on this connection (limit calls_per_connection)")

    def open(self, request_id: RequestId, value: T) -> None:
        """Remember an admitted request."""
        self.entries[request_id] = value

    def close(self, request_id: RequestId) -> T | None:
        """Forget a request that was answered or given up; returns what was kept for it."""
        return self.entries.pop(request_id, None)

    def cancelled(self, params: JsonObject) -> T | None:
        """Return what ``notifications/cancelled`` refers to; ``None`` where it fits no open request (CAN-01)."""
        request_id = params.get("requestId")
        if isinstance(request_id, bool) or not isinstance(request_id, (int, str)):
            return None
        return self.entries.get(request_id)

    def values(self) -> list[T]:
        """Return what is kept for every open request."""
        return list(self.entries.values())


class Sent(Generic[T]):
    """Requests of this side that wait for an answer, by id.

    Ids count up from 1 and are never used twice (RPC-03), the progress token of a request is its id (PRG-01).
    """

    __slots__ = ("_last_id", "_open")

    def __init__(self) -> None:
        self._last_id = 0
        self._open: dict[RequestId, T] = {}

    def __len__(self) -> int:
        return len(self._open)

    def next_id(self) -> int:
        """Return an id that was never used here."""
        self._last_id += 1
        return self._last_id

    def open(self, request_id: RequestId, value: T) -> None:
        """Remember a request that is about to be sent.

        Raises:
            LocalProtocolError: The id is in use.
        """
        if request_id in self._open:
            raise LocalProtocolError(f"Request id {request_id!r} is in use")
        self._open[request_id] = value

    def match(self, answer: Response | ErrorResponse) -> T | None:
        """Take the request that an answer belongs to; ``None`` for a late or foreign answer, which is ignored."""
        return None if answer.id is None else self._open.pop(answer.id, None)

    def progress(self, params: JsonObject) -> T | None:
        """Return the request that ``notifications/progress`` refers to, or ``None``."""
        token = params.get("progressToken")
        if isinstance(token, bool) or not isinstance(token, (int, str)):
            return None
        return self._open.get(token)

    def ids(self) -> list[RequestId]:
        """Return the id of every request that waits."""
        return list(self._open)

    def forget(self, request_id: RequestId) -> None:
        """Stop waiting for an answer."""
        self._open.pop(request_id, None)

    def drain(self) -> list[T]:
        """Take everything that still waits, for when the peer is gone."""
        waiting = list(self._open.values())
        self._open.clear()
        return waiting
