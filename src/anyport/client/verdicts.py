"""What is known of targets from earlier connections: which transport and which era reach them (VER-08).

One table for the whole process, bounded; an entry goes as soon as it no longer holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, TypeAlias

from msgspec import Struct

from anyport.protocol.revisions import Era

MOST: Final = 1000
"""Targets that are remembered; of more, the one that was needed longest ago is forgotten."""

Key: TypeAlias = tuple[str, Era | None, str | None]
"""Fingerprint of a target, and what its user pinned."""


class Verdict(Struct, frozen=True):
    """What reached a target.

    Attributes:
        way: Name of the transport.
        era: The era that was spoken.
    """

    way: str
    era: Era


class Verdicts:
    """A bounded table of verdicts; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, Verdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, key: Key) -> Verdict | None:
        """Return what is known of a target."""
        with self._lock:
            verdict = self._known.get(key)
            if verdict is not None:
                self._known.move_to_end(key)
            return verdict

    def remember(self, key: Key, verdict: Verdict) -> None:
        """Take what reached a target."""
        with self._lock:
            self._known[key] = verdict
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Take that what is known of a target no longer holds."""
        with self._lock:
            self._known.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()


VERDICTS: Final = Verdicts()
"""Those of this process."""
