"""What all requests of a client have in common: options, what the server declared, and lists on several pages."""

from __future__ import annotations

import logging
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec import UnsetType

from anyport.client.cache import ResponseCache, digest_of
from anyport.client.call_options import CallOptions, Defaults, Terms
from anyport.client.connection import Connection
from anyport.protocol.errors import INVALID_PARAMS, LocalProtocolError, McpError, RemoteProtocolError
from anyport.protocol.types.json import JsonObject, JsonValue

logger = logging.getLogger("anyport.client")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MAX_PAGES: Final = 1000
MAX_ENTRIES: Final = 100_000

_CAPABILITIES: Final = {
    "tools": "tools",
    "resources": "resources",
    "prompts": "prompts",
    "completion": "completions",
    "logging": "logging",
}
"""Start of a method to the capability that a server declares for it."""


class Page(list[T]):
    """Entries of a list: all of them, or one page.

    Attributes:
        next_cursor: Where the next page begins; ``None`` where there is none.
    """

    next_cursor: str | None = None


class Read(Protocol[T_co]):
    """Reads an entry of a list."""

    def __call__(self, entry: JsonValue) -> T_co:
        """Return the entry.

        Raises:
            ValueError: It is none.
        """
        ...


class Requests:
    """Sends the requests of a client.

    Args:
        connection: Carries them.
        defaults: What the client says about all of them.
        cache: Keeps results; ``None`` for none.
    """

    def __init__(self, connection: Connection, defaults: Defaults, cache: ResponseCache | None = None) -> None:
        self._connection = connection
        self._defaults = defaults
        self._cache = cache
        if cache is not None:
            connection.noting.append(cache.note)

    async def _request(self, method: str, params: JsonObject, options: CallOptions) -> JsonObject:
        self._require(method)
        return await self._connection.request(method, params, self._defaults.terms(options))

    async def _kept(self, method: str, params: JsonObject, terms: Terms) -> JsonObject:
        """Return the result of a request that changes nothing: one that is kept, if there is a fresh one."""
        cache = self._cache
        if cache is None or terms.meta or not self._connection.known.revision.modern:
            return await self._connection.request(method, params, terms)
        headers = self._connection.headers
        who = digest_of({**headers, **terms.sending.headers} if terms.sending.headers else headers)
        kept = cache.recall(method, params, who)
        if kept is not None:
            return kept
        changes = cache.changes
        result = await self._connection.request(method, params, terms)
        if changes == cache.changes:
            cache.keep(method, params, who, result)
        return result

    def _declares(self, method: str) -> bool:
        """Whether the server declared what a method belongs to (LIFE-05, S31)."""
        known = self._connection.known
        name = _CAPABILITIES.get(method.partition("/")[0])
        if name is None or (name == "completions" and known.revision.lacks("2025-03-26")):
            return True
        return getattr(known.capabilities, name) is not None

    def _require(self, method: str) -> None:
        if not self._declares(method):
            known = self._connection.known
            who = repr(known.server_info.name) if known.server_info is not None else "it"
            raise LocalProtocolError(
                f"{method} is not sent: the server ({who[:100]}) does not declare"
                f" {_CAPABILITIES[method.partition('/')[0]]!r}"
            )

    async def _list(
        self, method: str, key: str, read: Read[T], cursor: str | UnsetType | None, options: CallOptions
    ) -> Page[T]:
        """Return the entries of a list: of one page, or without a cursor of all of them (PAG-01).

        An entry that breaks the rules is left out, with a warning that says why. A server that does not declare what
        the list is of has nothing to list, and is not asked (S31).
        """
        found: Page[T] = Page()
        terms = self._defaults.terms(options)
        if not self._declares(method):
            logger.debug("%s is not sent, as the server does not declare it", method)
            return found
        if not isinstance(cursor, UnsetType):
            entries, found.next_cursor = await self._page(method, key, cursor, terms)
            found.extend(_readable(entries, read, key))
            return found
        seen: set[str] = set()
        at: str | None = None
        for _ in range(MAX_PAGES):
            entries, at = await self._page(method, key, at, terms)
            found.extend(_readable(entries, read, key))
            if at is None:
                return found
            if at in seen or len(found) > MAX_ENTRIES:
                break
            seen.add(at)
        raise RemoteProtocolError(f"The pages of {method} do not end")

    async def _page(
        self, method: str, key: str, cursor: str | None, terms: Terms
    ) -> tuple[list[JsonValue], str | None]:
        params: JsonObject = {} if cursor is None else {"cursor": cursor}
        try:
            result = await self._kept(method, params, terms)
        except McpError as error:
            if self._cache is not None and cursor is not None and error.code == INVALID_PARAMS:
                # CCH-04: a cursor that is none any more means that the pages before it are old, too.
                self._cache.drop(method)
            raise
        entries, following = result.get(key), result.get("nextCursor")
        if not isinstance(entries, list):
            raise RemoteProtocolError(f"The answer to {method} has no list of {key}")
        if following is not None and not isinstance(following, str):
            raise RemoteProtocolError(f"The answer to {method} has a nextCursor that is no text")
        return entries, following


def _readable(entries: list[JsonValue], read: Read[T], key: str) -> Page[T]:
    found: Page[T] = Page()
    for entry in entries:
        try:
            found.append(read(entry))
        except ValueError as error:
            name = entry.get("name") if isinstance(entry, dict) else None
            logger.warning("Left out the %s %r: %s", key.removesuffix("s"), str(name)[:200], error)
    return found


def reader(kind: type[T]) -> Read[T]:
    """Return what reads an entry as one of the protocol's types."""

    def read(entry: JsonValue) -> T:
        return msgspec.convert(entry, kind)

    return read
