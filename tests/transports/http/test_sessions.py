"""Legacy sessions: their ids, their life, their number.

SES-01, SES-02, SES-03, SES-04, SES-05, LEG-04, LEG-08, LIFE-01, LIFE-02, D11, S06; the limits
sessions, sessions_per_principal, session_idle_s.
"""

from __future__ import annotations

import asyncio

import pytest

from anyport import Context, Server
from anyport.errors import McpError
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.transports.http.sessions import HttpSession, Sessions
from tests.drivers.asgi import LEGACY, MODERN, initialize, legacy, open_session, post, start

IDLE_S = 100.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class CallInFlight:
    """A call as a session knows it."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Note it."""
        self.cancelled = True


def make(*, sessions: int = 10, per_principal: int = 3) -> tuple[Sessions, Clock]:
    """Return a registry with small limits, and its clock."""
    clock = Clock()
    limits = Limits(sessions=sessions, sessions_per_principal=per_principal, session_idle_s=IDLE_S)
    return Sessions(limits, clock), clock


def is_known(sessions: Sessions, session: HttpSession, principal: str | None = None) -> bool:
    """Tell whether a session is found, rather than refused with HTTP 404."""
    try:
        return sessions.find(session.id, principal) is session
    except McpError as error:
        if error.http_status != 404:
            raise
        return False


# --- the registry -----------------------------------------------------------------------------------------------------


def test_ids_are_visible_ascii_and_never_the_same() -> None:
    """SES-01."""
    sessions, _ = make(sessions=2000)
    ids = {sessions.open(None).id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(32 <= len(each) <= 64 for each in ids)
    assert all("\x21" <= char <= "\x7e" for each in ids for char in each)


def test_a_session_is_found_until_it_ends() -> None:
    sessions, _ = make()
    session = sessions.open(None)
    assert is_known(sessions, session)
    sessions.end(session)
    assert not is_known(sessions, session)
    sessions.end(session)
    assert len(sessions) == 0


@pytest.mark.parametrize(("idle", "known"), [(IDLE_S - 1, True), (IDLE_S, True), (IDLE_S + 1, False)])
def test_idle_sessions_end(idle: float, known: bool) -> None:
    sessions, clock = make()
    session = sessions.open(None)
    clock.now += idle
    assert is_known(sessions, session) is known
    assert len(sessions) == int(known)


def test_use_keeps_a_session() -> None:
    sessions, clock = make()
    session = sessions.open(None)
    for _ in range(5):
        clock.now += IDLE_S - 1
        assert is_known(sessions, session)


def test_a_call_in_flight_keeps_a_session() -> None:
    """D11: reaping never cuts an active call; idling begins when it ends."""
    sessions, clock = make(sessions=1)
    session = sessions.open(None)
    session.open.open(1, CallInFlight())
    clock.now += 10 * IDLE_S
    with pytest.raises(McpError, match="sessions"):
        sessions.open(None)
    assert is_known(sessions, session)
    clock.now += 10 * IDLE_S
    session.open.close(1)
    sessions.touch(session)
    clock.now += IDLE_S - 1
    assert is_known(sessions, session)
    clock.now += IDLE_S + 1
    assert not is_known(sessions, session)


def test_opening_clears_idle_sessions_away() -> None:
    sessions, clock = make(sessions=20)
    kept = sessions.open(None)
    for _ in range(10):
        sessions.open(None)
    clock.now += IDLE_S
    sessions.touch(kept)
    clock.now += 1
    sessions.open(None)
    assert len(sessions) == 2
    assert is_known(sessions, kept)


def test_the_limit_in_all() -> None:
    sessions, _ = make(sessions=10)
    opened = [sessions.open(None) for _ in range(9)]
    opened.append(sessions.open(None))
    with pytest.raises(McpError, match="limit sessions") as caught:
        sessions.open(None)
    assert (caught.value.code, caught.value.http_status) == (429, 429)
    sessions.end(opened[3])
    sessions.open(None)


def test_the_limit_of_a_principal() -> None:
    sessions, _ = make(per_principal=3)
    opened = [sessions.open("ann") for _ in range(3)]
    with pytest.raises(McpError, match="sessions_per_principal") as caught:
        sessions.open("ann")
    assert caught.value.http_status == 429
    sessions.open("bob")
    sessions.end(opened[0])
    sessions.open("ann")


def test_a_session_belongs_to_its_principal() -> None:
    """SES-05: to anybody else it does not exist."""
    sessions, _ = make()
    session = sessions.open("ann")
    assert not is_known(sessions, session, "bob")
    assert not is_known(sessions, session, None)
    assert is_known(sessions, session, "ann")


def test_the_end_cancels_calls_in_flight() -> None:
    sessions, _ = make()
    session = sessions.open(None)
    running = CallInFlight()
    session.open.open(1, running)
    sessions.end(session)
    assert running.cancelled


# --- over the endpoint ------------------------------------------------------------------------------------------------


def make_server(limits: Limits | None = None) -> Server:
    """Return a server with a tool that tells its session."""
    server = Server("sessions", limits=limits or Limits())

    @server.tool
    async def session(ctx: Context) -> str:
        return f"{ctx.session_id} {ctx.revision}"

    return server


SESSION_CALL = legacy("tools/call", {"name": "session"})


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_the_life_of_a_session(version: str) -> None:
    """SES-01 to SES-04, LIFE-01, LIFE-02."""
    app = make_server().asgi()
    session = await open_session(app, version)
    answer = await post(app, SESSION_CALL, session)
    assert answer.text == f"{session['mcp-session-id']} {version}"
    assert "mcp-session-id" not in answer.headers
    ended = await post(app, b"", session, method="DELETE")
    assert (ended.status, ended.body) == (204, b"")
    for message in (
        SESSION_CALL,
        legacy("ping"),
        legacy("notifications/initialized", request_id=None),
        initialize(version),
    ):
        gone = await post(app, message, session)
        assert (gone.status, gone.error_code, gone.json.get("id")) == (404, -32600, message.get("id"))
    again = await post(app, b"", session, method="DELETE")
    assert again.status == 404


@pytest.mark.parametrize(
    ("asked", "given"), [(MODERN, LEGACY), ("2099-01-01", LEGACY), ("", LEGACY), ("x" * 9999, LEGACY)]
)
async def test_a_version_that_no_session_has(asked: str, given: str) -> None:
    answer = await post(make_server().asgi(), initialize(asked))
    result = answer.json["result"]
    assert isinstance(result, dict)
    assert result["protocolVersion"] == given


@pytest.mark.parametrize(
    ("version", "status"),
    [(None, 200), ("2024-11-05", 200), (LEGACY, 200), (MODERN, 400), ("2025-13-99", 400), ("", 400), ("1", 400)],
)
async def test_the_version_header_within_a_session(version: str | None, status: int) -> None:
    """LEG-08: what is missing is assumed, what is unknown is refused, at every kind of message."""
    app = make_server().asgi()
    session = await open_session(app)
    fields = {**session, "mcp-protocol-version": version}
    assert (await post(app, legacy("ping"), fields)).status == status
    notified = await post(app, legacy("notifications/initialized", request_id=None), fields)
    assert notified.status == (202 if status == 200 else 400)
    assert (await post(app, b"", fields, method="DELETE")).status == (204 if status == 200 else 400)


@pytest.mark.parametrize("session_id", ["", " ", "made-up", "../../etc", "\xe9", "x" * 4000])
async def test_sessions_that_nobody_opened(session_id: str) -> None:
    app = make_server().asgi()
    answer = await post(app, SESSION_CALL, {"mcp-session-id": session_id})
    assert (answer.status, answer.error_code, answer.json["id"]) == (404, -32600, 1)
    assert (await post(app, b"", {"mcp-session-id": session_id}, method="DELETE")).status == 404


async def test_delete_needs_a_session() -> None:
    answer = await post(make_server().asgi(), b"", method="DELETE")
    assert (answer.status, answer.error_code) == (400, -32600)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"protocolVersion": 1, "capabilities": {}, "clientInfo": {}},
        {"protocolVersion": LEGACY, "clientInfo": {}},
        {"protocolVersion": LEGACY, "capabilities": [], "clientInfo": {}},
        {"protocolVersion": LEGACY, "capabilities": {}},
        {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": "me"},
    ],
)
async def test_a_handshake_that_fails_opens_nothing(params: JsonObject) -> None:
    app = make_server(Limits(sessions=1)).asgi()
    answer = await post(app, legacy("initialize", params, request_id="i"))
    assert (answer.status, answer.error_code, answer.json["id"]) == (200, -32602, "i")
    assert "mcp-session-id" not in answer.headers
    await open_session(app)


async def test_a_second_handshake_is_refused() -> None:
    app = make_server().asgi()
    session = await open_session(app)
    answer = await post(app, initialize(), session)
    assert (answer.status, answer.error_code, answer.json["id"]) == (400, -32600, 0)
    assert (await post(app, legacy("ping"), session)).status == 200


async def test_an_id_that_is_in_use() -> None:
    """RPC-03: the second request is refused, the first goes on."""
    server = make_server()
    go, inside = asyncio.Event(), asyncio.Event()

    @server.tool
    async def wait() -> str:
        inside.set()
        await go.wait()
        return "done"

    app = server.asgi()
    session, other = await open_session(app), await open_session(app)
    first = start(app, legacy("tools/call", {"name": "wait"}), session)
    async with asyncio.timeout(10):
        await inside.wait()
    second = await post(app, legacy("ping"), session)
    assert (second.status, second.error_code, second.json["id"]) == (400, -32600, 1)
    assert (await post(app, legacy("ping"), other)).status == 200
    go.set()
    assert (await first.done()).text == "done"
    assert (await post(app, legacy("ping"), session)).status == 200


async def test_the_limit_of_sessions_is_an_answer() -> None:
    app = make_server(Limits(sessions=2)).asgi()
    sessions = [await open_session(app), await open_session(app)]
    refused = await post(app, initialize())
    assert (refused.status, refused.error_code, refused.json["id"]) == (429, 429, 0)
    assert refused.headers["retry-after"] == "1"
    assert "limit sessions" in refused.error_text
    await post(app, b"", sessions[0], method="DELETE")
    await open_session(app)


async def test_a_draining_server_takes_no_new_requests() -> None:
    """D10: what ends a call is still welcome."""
    app = make_server().asgi()
    session = await open_session(app)
    app.endpoint.draining = True
    for message, fields in ((initialize(), {}), (legacy("ping"), session)):
        answer = await post(app, message, fields)
        assert (answer.status, answer.error_code, answer.json["id"]) == (503, 503, message["id"])
        assert answer.headers["retry-after"] == "5"
    cancelled = await post(app, legacy("notifications/cancelled", {"requestId": 1}, request_id=None), session)
    assert cancelled.status == 202
