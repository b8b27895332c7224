"""What two processes say to each other about a call that is parked in one of them."""

from __future__ import annotations

import json
from typing import Final, TypeVar, cast

import msgspec
from msgspec import Struct, structs

from anyport.protocol.calls import Call
from anyport.protocol.errors import InternalError, McpError
from anyport.protocol.jsonrpc import RequestId, ResultLike, encode_json
from anyport.protocol.types import (
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    LoggingLevel,
    ReadResourceResult,
    Result,
)
from anyport.protocol.types.json import JsonObject, JsonValue

_RESULTS: Final[dict[str, type[Result]]] = {
    "tools/call": CallToolResult,
    "prompts/get": GetPromptResult,
    "resources/read": ReadResourceResult,
}
_KindT = TypeVar("_KindT")
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Header fields that are not written to a store."""


class Knock(Struct, frozen=True, array_like=True):
    """Asks a process to take a retry.

    Attributes:
        talk: Where to talk about it; each end has a topic below.
    """

    talk: str


class Retry(Struct, frozen=True, array_like=True):
    """What differs between a call and its retry.

    Attributes:
        parked: Which call it is.
        id: Id of the request.
        round: The parameters that differ, other than ``_meta``.
        meta: ``_meta``.
        client: ``clientInfo``.
        capabilities: What the client declares.
        log_level: Least severe level of log notifications.
        principal: Who calls.
        headers: HTTP header fields, without credentials.
    """

    parked: str
    id: RequestId
    round: JsonObject
    meta: JsonObject
    client: JsonObject | None
    capabilities: JsonObject
    log_level: LoggingLevel | None
    principal: str | None
    headers: dict[str, str] | None

    def renewed(self, call: Call) -> Call:
        """Return a call as it comes again."""
        params = {name: value for name, value in call.params.items() if name not in ("inputResponses", "requestState")}
        return structs.replace(
            call,
            id=self.id,
            params={**params, **self.round, "_meta": self.meta},
            meta=self.meta,
            client=self.client,
            capabilities=self.capabilities,
            log_level=self.log_level,
            carrier=structs.replace(call.carrier, principal=self.principal, headers=self.headers),
        )


class Notice(Struct, frozen=True, array_like=True, tag="notice"):
    """A notification of the body.

    Attributes:
        method: Its method.
        params: Its parameters.
    """

    method: str
    params: JsonObject


class Outcome(Struct, frozen=True, array_like=True, tag="result"):
    """The result of a call.

    Attributes:
        result: The result.
        asks: Whether it is the next questions, and not the result of the method.
    """

    result: JsonObject
    asks: bool


class Failure(Struct, frozen=True, array_like=True, tag="error"):
    """The error that a call ended with; the attributes are those of `McpError`."""

    code: int
    message: str
    data: JsonValue
    http_status: int
    headers: list[tuple[str, str]]


Said = Notice | Outcome | Failure
_SAID: Final = cast("type[Said]", Said)


def encode_retry(parked: str, call: Call) -> bytes:
    """Encode the retry of the call that is parked under an id."""
    headers = call.carrier.headers
    retry = Retry(
        parked=parked,
        id=call.id,
        round={name: call.params[name] for name in ("inputResponses", "requestState") if name in call.params},
        meta=call.meta,
        client=call.client,
        capabilities=call.capabilities,
        log_level=call.log_level,
        principal=call.carrier.principal,
        headers=None if headers is None else {k: v for k, v in headers.items() if k not in _CREDENTIALS},
    )
    return encode_json(retry)


def decode_retry(data: bytes) -> Retry:
    """Decode what `encode_retry` encoded.

    Raises:
        ValueError: It is something else.
    """
    return _decode(data, Retry)


def encode_notice(method: str, params: ResultLike) -> bytes:
    """Encode a notification."""
    return _encode("notice", method, params)


def encode_result(result: Result) -> bytes:
    """Encode a result; one that has no JSON form becomes the error that it is."""
    try:
        return _encode("result", result, isinstance(result, InputRequiredResult))
    except InternalError as error:
        return encode_error(error)


def encode_error(error: McpError) -> bytes:
    """Encode an error."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in error.headers]
    try:
        return _encode("error", error.code, error.message, error.data, error.http_status, headers)
    except InternalError:
        # The details are the author's; the code and the message must reach the peer all the same.
        return _encode("error", error.code, error.message, None, error.http_status, headers)


def result_of(said: Outcome | Failure, method: str) -> Result:
    """Return what a call of a method ended with.

    Raises:
        McpError: It was this error.
    """
    if isinstance(said, Outcome):
        return msgspec.convert(said.result, InputRequiredResult if said.asks else _RESULTS[method])
    error = McpError(said.code, said.message, said.data)
    error.http_status = said.http_status
    error.headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in said.headers)
    raise error


def _encode(*parts: object) -> bytes:
    return encode_json(parts)


def decode_said(data: bytes) -> Said:
    """Decode a notification, result or error.

    Raises:
        ValueError: It is none.
    """
    return _decode(data, _SAID)


def _decode(data: bytes, kind: type[_KindT]) -> _KindT:
    try:
        plain = msgspec.json.decode(data)
    except msgspec.DecodeError:
        # Lone surrogates, which are in some texts: the slower decoder takes them.
        plain = json.loads(data)
    return msgspec.convert(plain, kind)
