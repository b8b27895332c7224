"""Every error with a wire form: code, HTTP status, what the peer reads (error map, RPC-08 to RPC-12, VER-01)."""

from __future__ import annotations

import copy
import inspect
import pickle

import msgspec
import pytest
from msgspec import UNSET

from anyport.protocol import errors
from anyport.protocol.errors import (
    MODERN_CODES,
    AnyportError,
    AuthError,
    Busy,
    CallDeclined,
    ConfigError,
    ConnectError,
    Draining,
    ErrorObject,
    HeaderMismatch,
    HttpStatusError,
    InternalError,
    InvalidMeta,
    InvalidOutput,
    InvalidParams,
    InvalidRequest,
    LocalProtocolError,
    McpError,
    MethodNotFound,
    MissingClientCapability,
    ParseError,
    RefusedRequest,
    RemoteProtocolError,
    ServerExited,
    SessionLost,
    Timeout,
    ToolError,
    UnsupportedVersion,
)

WIRE: list[tuple[McpError, int, int]] = [
    (ParseError("x"), -32700, 400),
    (InvalidRequest("x"), -32600, 400),
    (MethodNotFound("x"), -32601, 404),
    (InvalidParams("x"), -32602, 200),
    (InvalidMeta("x"), -32602, 400),
    (InternalError("x"), -32603, 200),
    (HeaderMismatch("x"), -32020, 400),
    (MissingClientCapability({"sampling": {}}), -32021, 400),
    (UnsupportedVersion("1999-01-01", ["2026-07-28"]), -32022, 400),
    (Busy("x"), 429, 429),
    (Draining("x"), 503, 503),
    (RefusedRequest(413, "x"), -32600, 413),
    (McpError(4711, "x"), 4711, 200),
]
LOCAL: list[AnyportError] = [
    ToolError("x"),
    ConnectError("x"),
    Timeout("x"),
    HttpStatusError(502, "body", "http://x/mcp"),
    AuthError(401, "", "http://x/mcp"),
    SessionLost("x"),
    ServerExited(-9, "the end"),
    LocalProtocolError("x"),
    CallDeclined("x"),
    ConfigError("x", file="mcp.json", server="shop", field="env.KEY"),
    RemoteProtocolError("x"),
    InvalidOutput("x", {}),
]
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, AnyportError) and not name.startswith("_")
}


@pytest.mark.parametrize(("error", "code", "status"), WIRE, ids=lambda value: type(value).__name__)
def test_code_and_http_status(error: McpError, code: int, status: int) -> None:
    """The error map, with an integer code and a message in every error (RPC-08)."""
    assert (error.code, error.http_status) == (code, status)
    wire = error.to_wire()
    assert (wire.code, wire.message) == (code, str(error))
    assert wire.message


def test_every_class_is_in_a_table_and_in_the_tree() -> None:
    """The picture in the docstring is the code."""
    shown = {type(error).__name__ for error in (*(row[0] for row in WIRE), *LOCAL)} | {"AnyportError"}
    assert shown == set(CLASSES)
    tree = errors.__doc__ or ""
    assert [name for name in CLASSES if name not in tree] == []


def test_no_code_is_minted_where_the_specification_allocates() -> None:
    """RPC-09 to RPC-12: the reserved range holds only what it defines, our own codes are outside of it."""
    defined = {-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022}
    codes = {error.code for error, _, _ in WIRE}
    assert {code for code in codes if -32768 <= code <= -32000} == defined
    assert not codes & {-32002, -32042}
    assert {-32020, -32021, -32022} == MODERN_CODES


@pytest.mark.parametrize(
    ("data", "wire"),
    [(None, UNSET), ({"a": None}, {"a": None}), ([], []), (0, 0), ("", ""), (False, False)],
)
def test_data_is_left_out_when_there_is_none(data: object, wire: object) -> None:
    shown = McpError(1, "x", data).to_wire()  # pyright: ignore[reportArgumentType] - any JSON value
    assert shown == ErrorObject(1, "x", wire)  # pyright: ignore[reportArgumentType] - any JSON value
    assert ("data" in msgspec.to_builtins(shown)) == (wire is not UNSET)


def test_an_unsupported_version_names_what_is_spoken() -> None:
    """VER-01."""
    wire = UnsupportedVersion("1999-01-01", ("2026-07-28", "2025-11-25")).to_wire()
    assert wire.data == {"supported": ["2026-07-28", "2025-11-25"], "requested": "1999-01-01"}


def test_a_missing_capability_names_what_is_needed() -> None:
    """META-05."""
    error = MissingClientCapability({"sampling": {"tools": {}}, "elicitation": {}})
    assert error.data == {"requiredCapabilities": {"sampling": {"tools": {}}, "elicitation": {}}}
    assert "elicitation, sampling" in error.message


@pytest.mark.parametrize("error", [UnsupportedVersion("x" * 10_000, ["y"]), MethodNotFound("x" * 10_000)])
def test_long_input_is_not_repeated(error: McpError) -> None:
    assert len(msgspec.json.encode(error.to_wire())) < 400


def test_a_refusal_carries_its_own_status_and_fields() -> None:
    error = RefusedRequest(405, "no GET", ((b"allow", b"POST"),))
    assert (error.code, error.http_status, error.headers) == (-32600, 405, ((b"allow", b"POST"),))
    assert (InvalidRequest.http_status, InvalidRequest.headers) == (400, ())


@pytest.mark.parametrize("error", [Busy("x"), Draining("x")])
def test_what_may_succeed_later_says_when(error: McpError) -> None:
    """429 and 503 come with Retry-After, in seconds."""
    fields = dict(error.headers)
    assert fields[b"retry-after"].isdigit()


def test_a_handler_can_choose_code_message_and_data() -> None:
    error = McpError(-7, "no", {"why": "because"})
    assert error.to_wire() == ErrorObject(-7, "no", {"why": "because"})
    assert (str(error), error.request_id) == ("no", None)
    assert isinstance(InvalidParams("x"), McpError)


def test_http_errors_show_the_start_of_the_body() -> None:
    error = HttpStatusError(502, "b" * 10_000, "http://x/mcp")
    assert (error.status, len(error.body)) == (502, 10_000)
    assert str(error) == f"HTTP 502 from http://x/mcp: {'b' * 500}"
    assert str(AuthError(401, "", "http://x/mcp")) == "HTTP 401 from http://x/mcp: (empty body)"
    assert isinstance(AuthError(403, "", "u"), HttpStatusError)


def test_a_dead_server_tells_its_last_words() -> None:
    assert str(ServerExited(1)) == "The server process ended with exit status 1"
    assert str(ServerExited(-9, "out of memory")).endswith("status -9; it said:\nout of memory")
    assert ServerExited(None).code is None


@pytest.mark.parametrize("error", [*(row[0] for row in WIRE), *LOCAL], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", ["copy", "pickle"])
def test_errors_cross_a_process_pool(error: AnyportError, way: str) -> None:
    """An exception that cannot be unpickled breaks the whole pool that a tool works with."""
    if isinstance(error, McpError):
        error.request_id = 7
    twin = copy.copy(error) if way == "copy" else pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin), twin.args, vars(twin)) == (type(error), str(error), error.args, vars(error))


def test_a_subclass_with_a_constructor_of_its_own_crosses_too() -> None:
    twin = pickle.loads(pickle.dumps(Priced("pen", 3)))
    assert (twin.item, twin.count, twin.code, str(twin)) == ("pen", 3, 42, "no 3 of pen")


class Priced(McpError):
    """What an author may derive."""

    def __init__(self, item: str, count: int) -> None:
        super().__init__(42, f"no {count} of {item}")
        self.item = item
        self.count = count
