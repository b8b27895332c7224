"""Lists in pages: what a registry holds, in the order of registration, behind cursors that outlive changes (PAG-01).

A cursor names the last entry of its page, by key and by the entry's serial number. So it stays good when entries come
and go: the next page begins after that entry or, once it is gone, after the place where it was. Where key and number
disagree, as after a restart with other entries, the earlier place counts: an entry may then come twice, but none is
left out. Nothing in a cursor is secret or has to be believed: its shape is checked, and it only chooses a place.

A list may have others grafted on, those of mounted servers: their entries follow its own, in the order of grafting, and
a cursor names the part that its entry is in.
"""

from __future__ import annotations

import base64
import binascii
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

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


class Keys(Protocol):
    """How the keys of a grafted list read here."""

    def outer(self, key: str, /) -> str:
        """Return the key here of an entry there."""
        ...

    def inner(self, key: str, /) -> str | None:
        """Return the key there of an entry here; ``None`` for a key that none of its entries can have."""
        ...


class _Branch(NamedTuple, Generic[EntryT]):
    """A list that is grafted on another, and how its entries read there."""

    catalogue: Catalogue[EntryT]
    keys: Keys
    entry: Callable[[EntryT], EntryT]


class _Part(NamedTuple, Generic[EntryT]):
    """A list with no other in it, as a whole list sees it; ``name`` is what a cursor calls it."""

    name: str
    catalogue: Catalogue[EntryT]
    entry: Callable[[EntryT], EntryT]


class Catalogue(Generic[EntryT]):
    """Entries by key, in the order in which they were added.

    Args:
        name: Name of the list, which a cursor repeats.
        page_size: Most entries on a page.

    Attributes:
        entries: The entries of its own; to look one up, not to change.
        version: Counts its own changes.

    Raises:
        LocalProtocolError: The page size is not positive.
    """

    def __init__(self, name: str, page_size: int = PAGE_SIZE, changed: Callable[[], None] | None = None) -> None:
        if page_size < 1:
            raise LocalProtocolError(f"page_size must be at least 1; it is {page_size}")
        self._name = name
        self._size = page_size
        self._changed = changed
        self._lock = threading.Lock()
        self._serials: dict[str, int] = {}
        self._next_serial = 0
        self.entries: dict[str, EntryT] = {}
        self.version = 0
        self._branches: list[_Branch[EntryT]] = []
        self._stems: list[tuple[Catalogue[EntryT], Keys]] = []

    def __iter__(self) -> Iterator[EntryT]:
        # A copy: entries may come and go meanwhile, also from another thread.
        return iter([*self.entries.values()])

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def add(self, key: str, entry: EntryT) -> None:
        """Put an entry at the end; its key must be free."""
        with self._lock:
            self.entries[key] = entry
            self._serials[key] = self._next_serial
            self._next_serial += 1
            self.version += 1
        self._tell()

    def remove(self, key: str) -> bool:
        """Take an entry out and tell whether it was there."""
        with self._lock:
            if key not in self.entries:
                return False
            del self.entries[key], self._serials[key]
            self.version += 1
        self._tell()
        return True

    # --- with what is grafted on --------------------------------------------------------------------------------------

    @property
    def whole_version(self) -> int:
        """Counts the changes, also of what is grafted on: equal numbers mean an equal list."""
        version = self.version
        for branch in self._branches:
            version += branch.catalogue.whole_version
        return version

    def graft(self, other: Catalogue[EntryT], keys: Keys, entry: Callable[[EntryT], EntryT]) -> None:
        """Show the entries of another list after those that are there, whatever they are at the time.

        Args:
            other: The other list.
            keys: How its keys read here.
            entry: How its entries read here.
        """
        self._branches.append(_Branch(other, keys, entry))
        other._stems.append((self, keys))

    def whole(self) -> Iterator[EntryT]:
        """Return all entries, in order."""
        for part in self._parts(self._name):
            yield from map(part.entry, part.catalogue)

    def whole_keys(self) -> Iterator[str]:
        """Return the keys of all entries, in order."""
        yield from list(self.entries)
        for branch in self._branches:
            yield from map(branch.keys.outer, branch.catalogue.whole_keys())

    def holds(self, key: str) -> bool:
        """Whether an entry has a key, here or in what is grafted on."""
        if key in self.entries:
            return True
        for branch in self._branches:
            inner = branch.keys.inner(key)
            if inner is not None and branch.catalogue.holds(inner):
                return True
        return False

    def is_taken(self, key: str) -> bool:
        """Whether an entry with a key would collide, here or in a list that this one is grafted on."""
        return self.holds(key) or any(stem.is_taken(keys.outer(key)) for stem, keys in self._stems)

    def page(self, cursor: JsonValue = None) -> Page[EntryT]:
        """Return a page.

        Args:
            cursor: ``cursor`` of the request; ``None`` for the first page. The empty string is a cursor, and no list
                has issued it.

        Raises:
            InvalidParams: The list has not issued this cursor.
        """
        parts = list(self._parts(self._name))
        place = None if cursor is None else self._decode(cursor, parts)
        found: list[EntryT] = []
        last: _Place | None = None
        for part in parts:
            if place is not None and part.name != place.list:
                continue
            for seen, entry in part.catalogue.after(part.name, place, self._size + 1 - len(found)):
                if len(found) == self._size:
                    return Page(found, None if last is None else _pack(last))
                found.append(part.entry(entry))
                last = seen
            place = None
        return Page(found, None)

    def after(self, name: str, place: _Place | None, most: int) -> list[tuple[_Place, EntryT]]:
        """Return entries of its own with their places.

        Args:
            name: What a cursor calls this list.
            place: After which one they begin; ``None`` for the first.
            most: How many at most.
        """
        with self._lock:
            start = 0 if place is None else self._after(place)
            chosen = list(islice(self.entries.items(), start, start + most))
            return [(_Place(name, self._serials[key], key), entry) for key, entry in chosen]

    def _parts(self, name: str) -> Iterator[_Part[EntryT]]:
        yield _Part(name, self, _as_it_is)
        for number, branch in enumerate(self._branches):
            for part in branch.catalogue._parts(f"{name}/{number}"):
                yield _Part(part.name, part.catalogue, _both(part.entry, branch.entry))

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _after(self, place: _Place) -> int:
        serial = min(place.serial, self._serials.get(place.key, place.serial))
        # In the order of registration, so ascending.
        return bisect_right(list(self._serials.values()), serial)

    def _decode(self, cursor: JsonValue, parts: Sequence[_Part[EntryT]]) -> _Place:
        try:
            if isinstance(cursor, str):
                data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
                place = msgspec.json.decode(data, type=_Place)
                issuer = next((part.catalogue for part in parts if part.name == place.list), None)
                if issuer is not None and 0 <= place.serial < issuer._next_serial and _pack(place) == cursor:
                    return place
        except (binascii.Error, UnicodeError, msgspec.DecodeError):
            pass
        raise InvalidParams("Unknown cursor: begin again without one")


def _as_it_is(entry: EntryT) -> EntryT:
    return entry


def _both(inner: Callable[[EntryT], EntryT], outer: Callable[[EntryT], EntryT]) -> Callable[[EntryT], EntryT]:
    return lambda entry: outer(inner(entry))


def _pack(place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()
