"""Event streams that a client can come back for: what is written down, and under which ids (RES-01 to RES-04).

An event is in the log before it is sent. Its id says which stream of the session it belongs to and where in it:
``c3f9a0d2e7b16584-12``. The name of a stream is made up for it, so that no two of a session are alike, in whichever
process they are begun; a log entry is one byte for its kind and then the message.
"""

from __future__ import annotations

import logging
import os
import re
from typing import Final, Literal

from anyport.stores.base import Store, StoreError

logger = logging.getLogger("anyport.transports")

Kind = Literal["head", "message", "last", "end"]
"""What an entry is: the beginning of a stream; a message; its last one; the end of a stream that has none.

The beginning of a call's stream holds the id of the call, or the ids of a batch, as JSON: whoever finds that its
process has died answers it.
"""

CALL: Final = "c"
"""First letter of the names of calls' streams."""
STANDING: Final = "s"
"""First letter of the names of standing streams, which ``GET`` opens."""

_MARKS: Final[dict[Kind, bytes]] = {"head": b"h", "message": b"m", "last": b"l", "end": b"e"}
_KINDS: Final[dict[bytes, Kind]] = {mark: kind for kind, mark in _MARKS.items()}
_FINAL: Final = frozenset({"last", "end"})
_EVENT_ID: Final = re.compile(r"([cs][0-9a-f]{16})-([1-9][0-9]{0,14})", re.ASCII)


def new_name(letter: str) -> str:
    """Return the name of a new stream."""
    return letter + os.urandom(8).hex()


def event_id(name: str, position: int) -> str:
    """Return the id of an event (RES-03)."""
    return f"{name}-{position}"


def read_event_id(text: str) -> tuple[str, int] | None:
    """Return the stream and the position that an event id names; ``None`` for what is no id of ours."""
    found = _EVENT_ID.fullmatch(text)
    return None if found is None else (found[1], int(found[2]))


def entry(kind: Kind, message: bytes) -> bytes:
    """Return a log entry."""
    return _MARKS[kind] + message


def read_entry(kept: bytes) -> tuple[Kind, bytes]:
    """Return what a log entry is, and its message."""
    return _KINDS[kept[:1]], kept[1:]


def log_key(session_id: str, name: str) -> str:
    """Return what the log and the bus call a stream."""
    return f"{session_id}/{name}"


class KeptStream:
    """The writing end of a stream.

    Args:
        store: Its log keeps the events, its bus wakes who follows them.
        session_id: Whose stream it is.
        name: Its name.

    Attributes:
        name: The name.
        failed: An event could not be kept, or the stream ended without its writer; nothing is kept any more.
    """

    __slots__ = ("_key", "_store", "failed", "name")

    def __init__(self, store: Store, session_id: str, name: str) -> None:
        self._store = store
        self._key = log_key(session_id, name)
        self.name = name
        self.failed = False

    async def append(self, kind: Kind, message: bytes) -> str | None:
        """Keep an event.

        Returns:
            Its id; ``None`` where it is not kept: the log says why, once.
        """
        if self.failed:
            return None
        try:
            position = await self._store.events.append(self._key, entry(kind, message), final=kind in _FINAL)
        except StoreError as error:
            self.failed = True
            logger.warning("The events of a stream are not kept any more; a client that left cannot resume: %s", error)
            return None
        if kind != "head":
            # Nobody can follow a stream of which nothing was said yet.
            await self.wake()
        return event_id(self.name, position)

    async def wake(self) -> None:
        """Have whoever follows the stream look at the log, and know that its writer lives."""
        try:
            await self._store.bus.publish(self._key, b"")
        except StoreError as error:
            logger.warning("Who follows a stream elsewhere may learn late of an event: %s", error)

    async def forget(self) -> None:
        """Drop what was kept."""
        try:
            await self._store.events.forget(self._key)
        except StoreError as error:
            logger.warning("The events of a stream that is over could not be dropped: %s", error)
