"""Results that a modern server allows to be kept (2026-07-28, server utilities, "Caching"; CCH-02, CCH-04)."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, cast

from msgspec import Struct

from anyport.protocol.json_text import decode_json, encode_json
from anyport.protocol.jsonrpc import Notification
from anyport.protocol.types.json import JsonObject

MOST_ENTRIES: Final = 1_000
MOST_BYTES: Final = 16 * 2**20
_LONGEST_S: Final = 24 * 3600.0
"""However long a server may allow."""

_STALE: Final[Mapping[str, tuple[str, ...]]] = {
    "notifications/tools/list_changed": ("tools/list",),
    "notifications/prompts/list_changed": ("prompts/list",),
    "notifications/resources/list_changed": ("resources/list", "resources/templates/list"),
}
_UPDATED: Final = "notifications/resources/updated"
_READ: Final = "resources/read"


class _Entry(Struct, frozen=True):
    """A result that is kept.

    Attributes:
        body: The result, encoded: what a caller does to its copy is its own business.
        until: Time of the clock up to which it is fresh.
        uri: Which resource it is of.
    """

    body: bytes
    until: float
    uri: str | None


_Key = tuple[str, bytes, bytes]


class ResponseCache:
    """Keeps results for as long as their server says. It belongs to one server, and may be shared by its clients.

    A result that is ``public`` serves all of them, a ``private`` one those with the same header fields: those are what
    they are authorized by.

    Args:
        clock: Returns the seconds that freshness is measured in.

    Attributes:
        changes: How many changes were noted; what was asked before one of them may be old already.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0
        self.changes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def recall(self, method: str, params: JsonObject, who: bytes) -> JsonObject | None:
        """Return the result of a request, if a fresh one is kept.

        Args:
            method: JSON-RPC method.
            params: Parameters, without ``_meta``.
            who: Digest of what the caller is authorized by; see `digest_of`.
        """
        asked = encode_json(params)
        for context in (who, b""):
            key = (method, asked, context)
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry.until > self._clock():
                self._entries.move_to_end(key)
                return cast(JsonObject, decode_json(entry.body))
            self._drop(key)
        return None

    def keep(self, method: str, params: JsonObject, who: bytes, result: JsonObject) -> None:
        """Keep a result, if its server allows it, in place of the last one."""
        ttl, scope = result.get("ttlMs"), result.get("cacheScope")
        asked = encode_json(params)
        key = (method, asked, b"" if scope == "public" else who)
        for old in [old for old in self._entries if old[:2] == key[:2] and (scope == "public" or old[2] in (b"", who))]:
            self._drop(old)
        # What is no number, or no number of milliseconds to come, is stale at once (CCH-04).
        if (
            isinstance(ttl, bool)
            or not isinstance(ttl, (int, float))
            or not ttl > 0
            or scope not in ("public", "private")
        ):
            return
        body = encode_json(result)
        if len(body) > MOST_BYTES:
            return
        uri = params.get("uri")
        until = self._clock() + min(ttl / 1000, _LONGEST_S)
        self._entries[key] = _Entry(body, until, uri if isinstance(uri, str) else None)
        self._bytes += len(body)
        while len(self._entries) > MOST_ENTRIES or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._entries)))

    def note(self, notification: Notification) -> None:
        """Drop what a notification of the server says has changed."""
        self.changes += 1
        stale = _STALE.get(notification.method)
        if stale is not None:
            for method in stale:
                self.drop(method)
        elif notification.method == _UPDATED:
            uri = notification.params.get("uri")
            for key, entry in list(self._entries.items()):
                if key[0] == _READ and entry.uri is not None and _covers(uri, entry.uri):
                    self._drop(key)

    def drop(self, method: str) -> None:
        """Drop every result of a method, all pages of a list among them."""
        self.changes += 1
        for key in [key for key in self._entries if key[0] == method]:
            self._drop(key)

    def clear(self) -> None:
        """Drop everything."""
        self.changes += 1
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.body)


def _covers(changed: object, uri: str) -> bool:
    """Whether a change concerns a resource: of itself, of what it lies below, or of what lies below it."""
    if not isinstance(changed, str):
        return True
    return uri == changed or uri.startswith(changed.rstrip("/") + "/") or changed.startswith(uri.rstrip("/") + "/")


def digest_of(headers: Mapping[str, str]) -> bytes:
    """Return a digest of header fields, which does not tell what they say; that of none is ``-``."""
    if not headers:
        return b"-"
    fields = sorted((name.lower(), value) for name, value in headers.items())
    return hashlib.sha256(encode_json({"fields": [list(field) for field in fields]})).digest()
