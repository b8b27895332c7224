"""What a case of the malformed-input corpus is, and how its tables are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_VERSION
from anyport.protocol.types.json import JsonObject, JsonValue

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
META: Final[JsonObject] = {META_VERSION: MODERN, META_CLIENT_CAPABILITIES: {}}

Place = Literal["modern", "session", "fresh"]
"""Where a message goes: among modern ones, into an open legacy session, or where no session was opened yet."""

Transport = Literal["http", "stdio"]

SILENCE: Final = None
"""As a code: no answer. HTTP says 202, stdio nothing."""

RESULT: Final = 0
"""As a code: a result, since the message is right after all."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One message and what comes back.

    Attributes:
        name: What is wrong with it.
        body: The message; what is not bytes is encoded.
        place: Where it goes.
        code: JSON-RPC code of the answer, `SILENCE` or `RESULT`.
        id: Id of the answer; ``None`` where it must have none.
        status: HTTP status.
        headers: Changes to the header fields of a well-behaved client; ``None`` takes one away.
        on: Transports that the case is about.
        stdio_code: Where stdio answers otherwise; the id as well where that says so.
        stdio_id: See `stdio_code`.
        contains: Part of the error's text, or of the result.
    """

    name: str
    body: JsonValue | bytes
    place: Place = "modern"
    code: int | None
    id: int | str | None = None
    status: int = 400
    headers: Mapping[str, str | None] = {}
    on: tuple[Transport, ...] = ("http", "stdio")
    stdio_code: int | msgspec.UnsetType | None = msgspec.UNSET
    stdio_id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    contains: str = ""

    @property
    def is_about_lines(self) -> bool:
        """Whether the line ends around the message, or in it, are the point: only framing by lines has those."""
        return b"\n" in self.data or b"\r" in self.data or not self.data.strip()

    @property
    def data(self) -> bytes:
        """The message as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()

    def expected_on_stdio(self) -> tuple[int | None, int | str | None]:
        """Return code and id of the answer over stdio."""
        code = self.code if self.stdio_code is msgspec.UNSET else self.stdio_code
        return code, self.id if self.stdio_id is msgspec.UNSET else self.stdio_id


def request(method: str, params: JsonValue = None, **members: JsonValue) -> JsonObject:
    """Return a request with id 7; members replace its own, and a params of ``None`` is left out."""
    message: JsonObject = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params, **members}
    return {name: value for name, value in message.items() if name != "params" or params is not None}


def modern(method: str, params: JsonObject | None = None, **members: JsonValue) -> JsonObject:
    """Return a modern request with id 7."""
    return request(method, {**(params or {}), "_meta": META}, **members)


def tool(name: JsonValue, arguments: JsonValue = None, **params: JsonValue) -> JsonObject:
    """Return a modern call of a tool."""
    given: JsonObject = {"name": name, **params}
    if arguments is not None:
        given["arguments"] = arguments
    return modern("tools/call", given)


def text(json_text: str) -> bytes:
    """Return a modern ``tools/list`` with something put where its params have room: ``, "x": <json_text>``."""
    return b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":%b,"x":%b}}' % (
        msgspec.json.encode(META),
        json_text.encode(),
    )
