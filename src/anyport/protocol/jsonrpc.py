"""JSON-RPC 2.0 messages: bytes to ``Request | Notification | Response | ErrorResponse`` and back.

Ids are bounded, and error texts here never repeat what the peer sent. What JSON may be is the business of `json_text`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeGuard

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from anyport.protocol.errors import ErrorObject, InternalError, InvalidRequest, McpError
from anyport.protocol.json_text import decode_json as decode_json
from anyport.protocol.json_text import encode_json as encode_json
from anyport.protocol.json_text import has_no_line_end
from anyport.protocol.limits import DEFAULT_LIMITS, MAX_SAFE_INTEGER, Limits
from anyport.protocol.types import RequestId
from anyport.protocol.types.json import JsonObject, JsonValue

ResultLike = Struct | JsonObject | Raw
"""What a service may return: a typed result, a plain object, or one that is encoded already."""


class Encoded(Struct, frozen=True, gc=False):
    """A result that is encoded already, in two parts that nobody has put together: it may be large.

    Attributes:
        head: Its beginning, from the brace on.
        members: What follows, up to the last brace; like the head without line ends.
    """

    head: bytes
    members: bytes

    def whole(self) -> Raw:
        """Return the result in one piece."""
        return Raw(b"%b%b}" % (self.head, self.members))


class Request(Struct, frozen=True):
    """A request: the peer waits for an answer with the same id."""

    id: RequestId
    method: str
    params: JsonObject


class Notification(Struct, frozen=True):
    """A message that gets no answer."""

    method: str
    params: JsonObject


class Response(Struct, frozen=True):
    """The successful answer to a request."""

    id: RequestId
    result: JsonObject


class ErrorResponse(Struct, frozen=True):
    """The failed answer to a request; ``id`` is ``None`` where the request's id could not be read."""

    id: RequestId | None
    error: ErrorObject


Message = Request | Notification | Response | ErrorResponse


class _RequestOut(Struct):
    jsonrpc: Literal["2.0"]
    id: RequestId | UnsetType
    method: str
    params: ResultLike | UnsetType


class _ResponseOut(Struct):
    jsonrpc: Literal["2.0"]
    id: RequestId
    result: ResultLike


class _ErrorOut(Struct):
    jsonrpc: Literal["2.0"]
    id: RequestId | UnsetType
    error: ErrorObject


_VERSION: Final = "2.0"


# --- decoding ---------------------------------------------------------------------------------------------------------


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """Decode one message.

    Args:
        data: The message, without framing.
        limits: Bounds on nesting and ids.

    Returns:
        The message.

    Raises:
        ParseError: Not JSON, not UTF-8, duplicate keys, non-finite numbers, nested too deep.
        InvalidRequest: JSON, but no JSON-RPC message; ``request_id`` is set where an id could be read.
    """
    value = decode_json(data, limits)
    # What nearly all messages are: these four members and no other, so none that makes it an answer as well.
    if type(value) is dict and len(value) == 4:
        get = value.get
        request_id, method, params = get("id"), get("method"), get("params")
        if (
            type(request_id) is int
            and -MAX_SAFE_INTEGER <= request_id <= MAX_SAFE_INTEGER
            and type(params) is dict
            and type(method) is str
            and method
            and get("jsonrpc") == _VERSION
        ):
            return Request(request_id, method, params)
    return _whole_message(value, limits)


class _Heading(Struct):
    id: int | str
    method: str


_read_heading = msgspec.json.Decoder(_Heading).decode


def glance(data: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[RequestId, str] | None:
    """Return the id and the method of what looks like a request, for a fraction of what `decode` costs.

    What else it says is skipped and checked by nobody: this is for whoever refuses it whatever it says.

    Args:
        data: The message, without framing.
        limits: ``id_chars`` applies.

    Returns:
        Both; ``None`` where this is no request, or nothing that can be read.
    """
    try:
        heading = _read_heading(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (heading.id, heading.method) if _is_id(heading.id, limits) else None


def decode_batch(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Message | list[Message | InvalidRequest]:
    """Decode one message or a JSON-RPC batch (2025-03-26, basic, "Batching"; RPC-16).

    Args:
        data: The message or batch, without framing.
        limits: Bounds on nesting and ids.

    Returns:
        A message, or for a batch a list in which each entry that is no message is the error that answers it.

    Raises:
        ParseError: As for `decode`.
        InvalidRequest: No message, an empty batch, or one with more entries than ``batch_messages``.
    """
    value = decode_json(data, limits)
    if not isinstance(value, list):
        return _whole_message(value, limits)
    if not value:
        raise InvalidRequest("A batch must hold at least one message")
    if len(value) > limits.batch_messages:
        # Two bytes of input would cost an error message of output, some hundred times as long.
        raise InvalidRequest(f"A batch may hold at most {limits.batch_messages} messages (limit batch_messages)")
    return [_classify_entry(entry, limits) for entry in value]


def readable_id(value: JsonValue, limits: Limits = DEFAULT_LIMITS) -> RequestId | None:
    """Return the id of something that should be a request, or ``None`` where it has no valid one (RPC-04).

    The id of a broken answer is one of ours: an error under it would answer a request that the peer has open.
    """
    if not isinstance(value, dict) or ("method" not in value and ("result" in value or "error" in value)):
        return None
    found = value.get("id")
    return found if _is_id(found, limits) else None


def _whole_message(value: JsonValue, limits: Limits) -> Message:
    try:
        return _message_of(value, limits)
    except McpError as error:
        error.request_id = readable_id(value, limits)
        raise


def _classify_entry(value: JsonValue, limits: Limits) -> Message | InvalidRequest:
    try:
        return _message_of(value, limits)
    except InvalidRequest as error:
        error.request_id = readable_id(value, limits)
        return error


def _message_of(value: JsonValue, limits: Limits) -> Message:
    if not isinstance(value, dict):
        what = "a batch, which only revision 2025-03-26 has" if isinstance(value, list) else "no object"
        raise InvalidRequest(f"A message must be one JSON object; this is {what}")
    if value.get("jsonrpc") != _VERSION:
        raise InvalidRequest('"jsonrpc" must be "2.0"')
    if "method" not in value:
        return _answer_of(value, limits)
    method = value["method"]
    if not isinstance(method, str) or not method:
        raise InvalidRequest('"method" must be a non-empty string')
    if "result" in value or "error" in value:
        raise InvalidRequest("A message is either a request or an answer, not both")
    params = value.get("params")
    if params is None:
        params = {}
    elif not isinstance(params, dict):
        raise InvalidRequest('"params" must be an object')
    if "id" not in value:
        return Notification(method, params)
    request_id = value["id"]
    if not _is_id(request_id, limits):
        raise _bad_id(limits)
    return Request(request_id, method, params)


def _answer_of(value: JsonObject, limits: Limits) -> Response | ErrorResponse:
    if ("result" in value) == ("error" in value):
        raise InvalidRequest('A message needs a "method", a "result" or an "error"')
    if "result" in value:
        result = value["result"]
        if not isinstance(result, dict):
            raise InvalidRequest('"result" must be an object')
        return Response(_checked_id(value.get("id"), limits), result)
    request_id = value.get("id")
    return ErrorResponse(None if request_id is None else _checked_id(request_id, limits), _error_of(value["error"]))


def _error_of(value: JsonValue) -> ErrorObject:
    if isinstance(value, dict):
        code, message = value.get("code"), value.get("message")
        if isinstance(code, int) and not isinstance(code, bool) and isinstance(message, str):
            return ErrorObject(code, message, value.get("data", UNSET))
    raise InvalidRequest('"error" must have an integer "code" and a string "message"')


def _is_id(value: JsonValue, limits: Limits) -> TypeGuard[RequestId]:
    if type(value) is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    return isinstance(value, str) and len(value) <= limits.id_chars


def _checked_id(value: JsonValue, limits: Limits) -> RequestId:
    if _is_id(value, limits):
        return value
    raise _bad_id(limits)


def _bad_id(limits: Limits) -> InvalidRequest:
    return InvalidRequest(
        f'"id" must be a string of at most {limits.id_chars} characters (limit id_chars) or an integer within 2^53 - 1'
    )


# --- encoding ---------------------------------------------------------------------------------------------------------


def encode_response(request_id: RequestId, result: ResultLike) -> bytes:
    """Encode the successful answer to a request.

    Args:
        request_id: Id of the request, of the same type as received.
        result: The result; a `msgspec.Raw` or an `Encoded` is written as it is.

    Returns:
        The message, without framing and without a newline byte.

    Raises:
        InternalError: The result has a value that JSON cannot say.
    """
    if type(result) is Encoded:
        if type(request_id) is int:
            return b'{"jsonrpc":"2.0","id":%d,"result":%b%b}}' % (request_id, result.head, result.members)
        result = result.whole()
    elif type(result) is Raw and type(request_id) is int:
        body = bytes(result)
        if has_no_line_end(body):
            return b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (request_id, body)
    return encode_json(_ResponseOut(_VERSION, request_id, result))


def encode_error(request_id: RequestId | None, error: McpError | ErrorObject) -> bytes:
    """Encode the failed answer to a request; the id is left out where it could not be read (RPC-04)."""
    wire = error if isinstance(error, ErrorObject) else error.to_wire()
    try:
        return encode_json(_ErrorOut(_VERSION, UNSET if request_id is None else request_id, wire))
    except InternalError:
        # The details of an error are the author's; the code and the message must reach the peer all the same.
        return encode_json(_ErrorOut(_VERSION, UNSET if request_id is None else request_id, _bare(wire)))


def encode_notification(method: str, params: ResultLike | UnsetType = UNSET) -> bytes:
    """Encode a notification; see `encode_response` for what is raised."""
    if type(params) is Raw:
        body = bytes(params)
        if has_no_line_end(body):
            return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (encode_json(method), body)
    return encode_json(_RequestOut(_VERSION, UNSET, method, params))


def encode_request(request_id: RequestId, method: str, params: ResultLike | UnsetType = UNSET) -> bytes:
    """Encode a request; see `encode_response` for what is raised."""
    return encode_json(_RequestOut(_VERSION, request_id, method, params))


def encode(message: Message) -> bytes:
    """Encode a decoded message again, as a proxy or a test does."""
    match message:
        case Request():
            return encode_request(message.id, message.method, message.params)
        case Notification():
            return encode_notification(message.method, message.params)
        case Response():
            return encode_response(message.id, message.result)
        case ErrorResponse():
            return encode_error(message.id, message.error)


def as_object(result: ResultLike) -> JsonObject:
    """Return what a peer would read of a result, whatever its form.

    Raises:
        TypeError: It is no object.
    """
    if type(result) is Encoded:
        result = result.whole()
    value = decode_json(bytes(result) if isinstance(result, Raw) else encode_json(result))
    if not isinstance(value, dict):
        raise TypeError("a result must be an object")
    return value


def _bare(error: ErrorObject) -> ErrorObject:
    return ErrorObject(error.code, str(error.message).encode("utf-8", "replace").decode())
