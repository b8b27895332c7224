"""Every error of anyport.

The tree::

    AnyportError
    ├── McpError                    has a wire form: code, message, data, HTTP status
    │   ├── ParseError              -32700
    │   ├── InvalidRequest          -32600
    │   │   └── RefusedRequest      -32600, with the HTTP status of the refusal (403-406, 408, 413, 415, 421, 431)
    │   ├── MethodNotFound          -32601
    │   ├── InvalidParams           -32602
    │   │   └── InvalidMeta         -32602, HTTP 400
    │   ├── InternalError           -32603
    │   ├── HeaderMismatch          -32020
    │   ├── MissingClientCapability -32021
    │   ├── UnsupportedVersion      -32022
    │   ├── Busy                    429
    │   └── Draining                503
    ├── ToolError                   a message to the model: becomes a result with isError
    ├── ConnectError                a client could not reach its server
    ├── Timeout                     an answer did not come in time
    ├── HttpStatusError             an HTTP answer that is no MCP message
    │   └── AuthError               ... with status 401 or 403
    ├── SessionLost                 the server no longer knows the session
    ├── ServerExited                a stdio server ended
    ├── LocalProtocolError          you used anyport against the rules
    │   ├── CallDeclined            the user did not want the call
    │   └── ConfigError             an mcpServers configuration has a mistake
    └── RemoteProtocolError         the peer broke the rules
        └── InvalidOutput           a tool returned something else than it promises

Codes follow the specification's error-code policy (2026-07-28, basic, "Error Codes"): nothing is minted between
-32000 and -32099, and codes of anyport's own are positive, equal to the HTTP status that says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Final

from msgspec import UNSET, Struct, UnsetType

from anyport.protocol.types.json import JsonObject, JsonValue

ENDED: Final = "The server is shutting down; the call was ended before it had a result"
"""What a call is told that had to be ended with the server."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_CLIENT_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
BUSY = 429
DRAINING = 503
RESOURCE_NOT_FOUND = -32002
"""Legacy revisions only; never emitted at 2026-07-28 (RPC-11)."""

MODERN_CODES = frozenset({HEADER_MISMATCH, MISSING_CLIENT_CAPABILITY, UNSUPPORTED_VERSION})
"""Codes that only a modern server emits: a client that sees one does not fall back (VER-06)."""


class ErrorObject(Struct, frozen=True, omit_defaults=True):
    """The ``error`` member of a JSON-RPC error response.

    Attributes:
        code: Integer code.
        message: One line for people.
        data: Anything more; absent when unset.
    """

    code: int
    message: str
    data: JsonValue | UnsetType = UNSET


class AnyportError(Exception):
    """Root of every error that anyport raises on purpose; it can be copied and pickled, as a process pool does."""

    def __reduce__(self) -> tuple[Callable[..., AnyportError], tuple[object, ...]]:
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[AnyportError], args: tuple[object, ...], attributes: dict[str, object]) -> AnyportError:
    """Rebuild an error without its constructor, whose arguments it does not keep."""
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


class McpError(AnyportError):
    """An error with a wire form.

    Raised in a handler it becomes the JSON-RPC error response of that request. A client raises it when the server
    answered with an error.

    Attributes:
        code: JSON-RPC error code.
        http_status: Status of the HTTP answer that carries it in the modern era.
        message: One line for people.
        data: JSON value with details, or ``None``.
        headers: HTTP header fields that go with the answer, such as ``Retry-After``.
        request_id: Id of the request it answers, where a decoder could read one.
    """

    code: int = INTERNAL_ERROR
    http_status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self, code: int, message: str, data: JsonValue = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.request_id: int | str | None = None

    @staticmethod
    def from_wire(error: ErrorObject) -> McpError:
        """Return the exception that says what an error response says."""
        return McpError(error.code, error.message, None if isinstance(error.data, UnsetType) else error.data)

    def to_wire(self) -> ErrorObject:
        """Return the ``error`` member that says this on the wire."""
        return ErrorObject(self.code, self.message, UNSET if self.data is None else self.data)


class _Coded(McpError):
    """An ``McpError`` whose code is a matter of its class."""

    code: ClassVar[int]  # pyright: ignore[reportIncompatibleVariableOverride] - the class fixes what McpError takes

    def __init__(self, message: str, data: JsonValue = None) -> None:
        super().__init__(type(self).code, message, data)


class ParseError(_Coded):
    """The bytes are not JSON, not UTF-8, ambiguous (duplicate keys) or nested too deep."""

    code = PARSE_ERROR
    http_status = 400


class InvalidRequest(_Coded):
    """JSON that is not a JSON-RPC message, or one that the peer may not send now."""

    code = INVALID_REQUEST
    http_status = 400


class RefusedRequest(InvalidRequest):
    """A request refused for how it came: size, origin, host, media type, session.

    Args:
        http_status: Status of the HTTP answer.
        message: Names the cause and the setting that decides.
        headers: Header fields of the answer.
    """

    def __init__(self, http_status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.headers = headers


class MethodNotFound(_Coded):
    """No such method in the revision of the request."""

    code = METHOD_NOT_FOUND
    http_status = 404

    def __init__(self, method: str) -> None:
        super().__init__(f"Method not found: {method[:200]}")


class InvalidParams(_Coded):
    """Parameters that the method refuses: an unknown tool, a bad cursor, a missing argument."""

    code = INVALID_PARAMS


class InvalidMeta(InvalidParams):
    """A modern request without a field that its ``_meta`` must have (META-02)."""

    http_status = 400


class InternalError(_Coded):
    """The server failed; the cause is in its log."""

    code = INTERNAL_ERROR


class HeaderMismatch(_Coded):
    """An ``Mcp-*`` header is missing, malformed or differs from the body (HDR-04)."""

    code = HEADER_MISMATCH
    http_status = 400


class MissingClientCapability(_Coded):
    """The request needs a capability that the client did not declare (META-05)."""

    code = MISSING_CLIENT_CAPABILITY
    http_status = 400

    def __init__(self, required: JsonObject) -> None:
        names = ", ".join(sorted(required))
        super().__init__(
            f"This request needs client capabilities that were not declared: {names}",
            {"requiredCapabilities": required},
        )


class UnsupportedVersion(_Coded):
    """The server does not speak the revision that the request names (VER-01).

    Args:
        requested: What the request names; the answer repeats its first 64 characters.
        supported: What the server speaks.
    """

    code = UNSUPPORTED_VERSION
    http_status = 400

    def __init__(self, requested: str, supported: Iterable[str]) -> None:
        shown = requested[:64]
        super().__init__(f"Unsupported protocol version: {shown}", {"supported": list(supported), "requested": shown})


class Busy(_Coded):
    """A limit on work in flight is reached; the same request may succeed later."""

    code = BUSY
    http_status = 429
    headers = ((b"retry-after", b"1"),)


class Draining(_Coded):
    """The server is shutting down and takes no new requests."""

    code = DRAINING
    http_status = 503
    headers = ((b"retry-after", b"5"),)


class ToolError(AnyportError):
    """A failure that the model should read: raise it in a tool, catch it from ``Client.call_tool``.

    Args:
        message: What went wrong and what to do about it.
    """


class ConnectError(AnyportError):
    """A client could not reach its server; the message lists what was tried.

    Args:
        message: What happened.
        unsent: Whether the server certainly did not begin with the request.

    Attributes:
        unsent: The same.
    """

    def __init__(self, message: str, *, unsent: bool = False) -> None:
        super().__init__(message)
        self.unsent = unsent


class Timeout(AnyportError):
    """No answer within the time allowed."""


class HttpStatusError(AnyportError):
    """An HTTP answer that carries no MCP message.

    Attributes:
        status: HTTP status code.
        body: Start of the body, as text.
        url: What was asked.
        tried: What a client tried to find an MCP server there, with what came back; empty elsewhere.
    """

    def __init__(self, status: int, body: str, url: str, *, tried: Iterable[str] = ()) -> None:
        self.tried = tuple(tried)
        told = f"; tried {'; '.join(self.tried)}" if self.tried else ""
        super().__init__(f"HTTP {status} from {url}: {body[:500] or '(empty body)'}{told}")
        self.status = status
        self.body = body
        self.url = url


class AuthError(HttpStatusError):
    """The server refused the credentials, or wants some (HTTP 401 or 403)."""


class SessionLost(AnyportError):
    """The server ended the session; a new one is needed.

    Args:
        message: What the server said.
        unsent: Whether the server certainly did not begin with the request: a server that refuses its session did not,
            but it may have forgotten the session later.

    Attributes:
        unsent: The same.
    """

    def __init__(self, message: str, *, unsent: bool = True) -> None:
        super().__init__(message)
        self.unsent = unsent


class ServerExited(AnyportError):
    """A stdio server ended while it was needed.

    Attributes:
        code: Exit status of the process; negative for a signal; ``None`` when it is not known.
        stderr_tail: The last lines that it wrote to stderr.
        hint: What may have been wrong and what to do about it; ``""`` where nothing tells.
        unsent: Whether it had ended before the request was written.
    """

    def __init__(self, code: int | None, stderr_tail: str = "", *, unsent: bool = False, hint: str = "") -> None:
        tail = f"; it said:\n{stderr_tail}" if stderr_tail else ""
        more = f"\n{hint}" if hint else ""
        super().__init__(f"The server process ended with exit status {code}{tail}{more}")
        self.code = code
        self.stderr_tail = stderr_tail
        self.hint = hint
        self.unsent = unsent


class LocalProtocolError(AnyportError):
    """anyport was asked to do what the protocol forbids."""


class CallDeclined(LocalProtocolError):
    """A call of a tool that its user, or whoever speaks for the user, did not want; nothing was sent."""


class ConfigError(LocalProtocolError):
    """A configuration of servers has a mistake; the message says where, and repeats no value of it.

    Attributes:
        file: The file, or what it is called that is none.
        server: The server that it is about; ``None`` where it is about the whole.
        field: The field of the server, such as ``env.API_KEY``; ``None`` where it is about the whole.
    """

    def __init__(self, message: str, *, file: str, server: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.server = server
        self.field = field


class RemoteProtocolError(AnyportError):
    """The peer sent what the protocol forbids."""


class InvalidOutput(RemoteProtocolError):
    """A tool returned something else than its ``outputSchema`` promises, or promises what cannot be checked (TOOL-03).

    Attributes:
        result: The result all the same: the tool has run.
    """

    def __init__(self, message: str, result: JsonObject) -> None:
        super().__init__(message)
        self.result = result
