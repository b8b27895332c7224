"""Lists in pages: what a registry holds, in the order of registration, behind cursors that outlive changes (PAG-01).

A cursor names the last entry of its page, by key and by the entry's serial number. So it stays good when entries come
and go: the next page begins after that entry or, once it is gone, after the place where it was. Where key and number
disagree, as after a restart with other entries, the earlier place counts: an entry may then come twice, but none is
left out. Nothing in a cursor is secret or has to be believed: its shape is checked, and it only chooses a place.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from anyport.protocol.errors import InvalidParams, LocalProtocolError
from anyport.protocol.types.json import JsonValue

EntryT = TypeVar("EntryT")

PAGE_SIZE: Final = 1000
"""Entries on a page, unless the server is told otherwise."""


class Page(NamedTuple, Generic[EntryT]):
    """A part of a list.

    Attributes:
        entries: What is on it.
        next_cursor: Where the next page begins; ``None`` on the last one.
    """

    entries: list[EntryT]
    next_cursor: str | None


class _Place(msgspec.Struct, array_like=True, frozen=True):
    """What a cursor says: which list, and the number and the key of the last entry seen."""

    list: str
    serial: int
    key: str


class Catalogue(Generic[EntryT]):
    """Entries by key, in the order in which they were added.

    Args:
        name: Name of the list, which a cursor repeats.
        page_size: Most entries on a page.

    Attributes:
        entries: The entries; to look one up, not to change.
        version: Counts the changes: equal numbers mean an equal list.

    Raises:
        LocalProtocolError: The page size is not positive.
    """

    def __init__(self, name: str, page_size: int = PAGE_SIZE) -> None:
        if page_size < 1:
            raise LocalProtocolError(f"page_size must be at least 1; it is {page_size}")
        self._name = name
        self._size = page_size
        self._serials: dict[str, int] = {}
        self._next_serial = 0
        self.entries: dict[str, EntryT] = {}
        self.version = 0

    def __iter__(self) -> Iterator[EntryT]:
        return iter(self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def add(self, key: str, entry: EntryT) -> None:
        """Put an entry at the end; its key must be free."""
        self.entries[key] = entry
        self._serials[key] = self._next_serial
        self._next_serial += 1
        self.version += 1

    def remove(self, key: str) -> bool:
        """Take an entry out and tell whether it was there."""
        if key not in self.entries:
            return False
        del self.entries[key], self._serials[key]
        self.version += 1
        return True

    def page(self, cursor: JsonValue = None) -> Page[EntryT]:
        """Return a page.

        Args:
            cursor: ``cursor`` of the request; ``None`` for the first page. The empty string is a cursor, and no list
                has issued it.

        Raises:
            InvalidParams: The list has not issued this cursor.
        """
        start = 0 if cursor is None else self._after(self._decode(cursor))
        keys = list(islice(self.entries, start, start + self._size))
        more = start + len(keys) < len(self.entries)
        return Page([self.entries[key] for key in keys], self._encode(keys[-1]) if more else None)

    def _after(self, place: _Place) -> int:
        serial = min(place.serial, self._serials.get(place.key, place.serial))
        # In the order of registration, so ascending.
        return bisect_right(list(self._serials.values()), serial)

    def _encode(self, key: str) -> str:
        return _pack(_Place(self._name, self._serials[key], key))

    def _decode(self, cursor: JsonValue) -> _Place:
        try:
            if isinstance(cursor, str):
                data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
                place = msgspec.json.decode(data, type=_Place)
                if place.list == self._name and 0 <= place.serial < self._next_serial and _pack(place) == cursor:
                    return place
        except (binascii.Error, UnicodeError, msgspec.DecodeError):
            pass
        raise InvalidParams("Unknown cursor: begin again without one")


def _pack(place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()
