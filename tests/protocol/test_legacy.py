"""LegacySession: the whole table, the handshake, every order of messages (LIFE-01 to LIFE-05, VER-10, RPC-05)."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anyport.protocol.calls import Call, Carrier
from anyport.protocol.errors import Busy, InvalidParams, InvalidRequest
from anyport.protocol.jsonrpc import Notification, Request
from anyport.protocol.legacy import TRANSITIONS, Action, Event, LegacySession, State
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.revisions import LATEST_LEGACY
from anyport.protocol.types import LOG_LEVELS
from anyport.protocol.types.json import JsonObject, JsonValue

CARRIER = Carrier(transport="stdio")
HELLO: JsonObject = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"roots": {"listChanged": True}},
    "clientInfo": {"name": "c", "version": "1"},
}
STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[Event, ...] = get_args(Event)
REQUESTS: dict[Event, Request] = {
    "initialize": Request(1, "initialize", HELLO),
    "ping": Request(1, "ping", {}),
    "request": Request(1, "tools/list", {}),
}
NOTIFICATIONS: dict[Event, Notification] = {
    "initialized": Notification("notifications/initialized", {}),
    "notification": Notification("notifications/roots/list_changed", {}),
}


def session_in(state: State, limits: Limits = DEFAULT_LIMITS) -> LegacySession:
    session = LegacySession(limits)
    if state in {"opened", "ready"}:
        session.receive_request(REQUESTS["initialize"], CARRIER)
    if state == "ready":
        session.receive_notification(NOTIFICATIONS["initialized"])
    if state == "closed":
        session.close()
    assert session.state == state
    return session


def hello(**changes: JsonValue) -> Request:
    return Request(1, "initialize", {**HELLO, **changes})


def farewell(*names: str) -> Request:
    return Request(1, "initialize", {name: value for name, value in HELLO.items() if name not in names})


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_pair_is_in_the_table() -> None:
    assert set(TRANSITIONS) == {(state, event) for state in STATES for event in EVENTS}
    assert {state for state, _ in TRANSITIONS.values()} == set(STATES)
    assert {action for _, action in TRANSITIONS.values()} == set(get_args(Action))


def test_what_the_table_may_never_say() -> None:
    """One way in, one way out, no way back; a notification is never refused (RPC-05)."""
    for (state, event), (then, action) in TRANSITIONS.items():
        assert STATES.index(then) >= STATES.index(state)
        assert (action == "open") == ((state, event) == ("new", "initialize"))
        assert (then == "closed") == (state == "closed" or event == "close")
        if event in {"initialized", "notification", "close"}:
            assert action == "accept"
        elif state == "closed":
            assert action == "refuse_closed"


@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS))
def test_the_session_follows_the_table(state: State, event: Event) -> None:
    """LIFE-01, LIFE-04."""
    session = session_in(state)
    then, action = TRANSITIONS[state, event]
    if event == "close":
        session.close()
    elif event in NOTIFICATIONS:
        session.receive_notification(NOTIFICATIONS[event])
    elif action.startswith("refuse"):
        with pytest.raises(InvalidRequest) as caught:
            session.receive_request(REQUESTS[event], CARRIER)
        assert caught.value.code == -32600
    else:
        call = session.receive_request(REQUESTS[event], CARRIER)
        assert (call.method, call.id) == (REQUESTS[event].method, 1)
    assert session.state == then


def test_each_refusal_says_why() -> None:
    with pytest.raises(InvalidRequest, match='send "initialize" first'):
        session_in("new").receive_request(REQUESTS["request"], CARRIER)
    with pytest.raises(InvalidRequest, match="open already"):
        session_in("ready").receive_request(REQUESTS["initialize"], CARRIER)
    with pytest.raises(InvalidRequest, match="closed"):
        session_in("closed").receive_request(REQUESTS["ping"], CARRIER)


# --- the handshake ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested", "chosen"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("", "2025-11-25"),
    ],
)
def test_the_revision_of_the_session(requested: str, chosen: str) -> None:
    """LIFE-02, LIFE-05: of the answer to the handshake and of everything after it."""
    session = LegacySession()
    call = session.receive_request(hello(protocolVersion=requested), CARRIER)
    assert (call.revision.name, session.revision.name) == (chosen, chosen)
    assert session.receive_request(REQUESTS["request"], CARRIER).revision.name == chosen


def test_what_the_handshake_said_is_in_every_call() -> None:
    session = session_in("ready")
    carrier = Carrier(transport="http", session_id="s")
    call = session.receive_request(Request("a", "tools/call", {"name": "x", "_meta": {"progressToken": 5}}), carrier)
    assert call == Call(
        method="tools/call",
        params={"name": "x", "_meta": {"progressToken": 5}},
        id="a",
        revision=session.revision,
        carrier=carrier,
        meta={"progressToken": 5},
        client={"name": "c", "version": "1"},
        capabilities={"roots": {"listChanged": True}},
        log_level="info",
    )


@pytest.mark.parametrize("meta", [None, [], "x", 1])
def test_metadata_that_is_no_object_reads_as_none(meta: JsonValue) -> None:
    assert session_in("ready").receive_request(Request(1, "ping", {"_meta": meta}), CARRIER).meta == {}


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (farewell("protocolVersion"), "protocolVersion"),
        (farewell("capabilities"), "capabilities"),
        (farewell("clientInfo"), "clientInfo"),
        (farewell("protocolVersion", "capabilities", "clientInfo"), "protocolVersion"),
        (hello(protocolVersion=None), "protocolVersion"),
        (hello(protocolVersion=20250618), "protocolVersion"),
        (hello(capabilities=None), "capabilities"),
        (hello(capabilities=[]), "capabilities"),
        (hello(clientInfo="c"), "clientInfo"),
        (hello(clientInfo=None), "clientInfo"),
    ],
)
def test_a_handshake_that_lacks_a_field_opens_nothing(request_: Request, named: str) -> None:
    """-32602; the client may try again, and nothing of the failed try stays."""
    session = LegacySession()
    with pytest.raises(InvalidParams, match=named):
        session.receive_request(request_, CARRIER)
    assert (session.state, session.client, session.capabilities) == ("new", None, {})
    assert session.revision is LATEST_LEGACY
    session.receive_request(hello(), CARRIER)
    assert session.state == "opened"


def test_a_second_handshake_changes_nothing() -> None:
    session = session_in("ready")
    with pytest.raises(InvalidRequest):
        session.receive_request(hello(protocolVersion="2024-11-05", capabilities={}, clientInfo={}), CARRIER)
    assert session.revision.name == "2025-06-18"
    assert session.client == {"name": "c", "version": "1"}
    assert session.capabilities == {"roots": {"listChanged": True}}


@pytest.mark.parametrize("state", STATES)
def test_the_confirmation_is_no_request(state: State) -> None:
    session = session_in(state)
    with pytest.raises(InvalidRequest, match="takes no id"):
        session.receive_request(Request(1, "notifications/initialized", {}), CARRIER)
    assert session.state == state


@pytest.mark.parametrize("method", ["initialize", "ping", "tools/list", "unknown", ""])
@pytest.mark.parametrize("state", STATES)
def test_a_request_sent_as_notification_does_nothing(state: State, method: str) -> None:
    """RPC-05: no answer, no effect."""
    session = session_in(state)
    session.receive_notification(Notification(method, HELLO))
    assert session.state == state


# --- the log level ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LOG_LEVELS)
def test_the_log_level_is_the_sessions(level: str) -> None:
    session = session_in("ready")
    call = session.receive_request(Request(1, "logging/setLevel", {"level": level}), CARRIER)
    assert (call.log_level, session.log_level) == (level, level)
    assert session.receive_request(REQUESTS["ping"], CARRIER).log_level == level


@pytest.mark.parametrize("params", [{}, {"level": None}, {"level": "loud"}, {"level": 3}, {"level": ["info"]}])
def test_a_level_that_there_is_not_changes_nothing(params: JsonObject) -> None:
    """LOG-01."""
    session = session_in("ready")
    with pytest.raises(InvalidParams, match="known are debug"):
        session.receive_request(Request(1, "logging/setLevel", params), CARRIER)
    assert (session.log_level, session.state) == ("info", "ready")


def test_a_level_before_the_handshake_changes_nothing() -> None:
    session = LegacySession()
    with pytest.raises(InvalidRequest):
        session.receive_request(Request(1, "logging/setLevel", {"level": "debug"}), CARRIER)
    assert session.log_level == "info"


# --- subscriptions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
def test_a_subscription_counts_once_it_is_granted(method: str) -> None:
    """RSC-01: what is refused is answered with an error, and leaves nothing behind."""
    session = session_in("ready")
    session.granted(session.receive_request(Request(1, "resources/subscribe", {"uri": "test://1"}), CARRIER))
    call = session.receive_request(Request(2, method, {"uri": "test://2"}), CARRIER)
    assert session.subscriptions == {"test://1"}
    session.granted(call)
    assert session.subscriptions == ({"test://1", "test://2"} if method == "resources/subscribe" else {"test://1"})


def test_subscriptions_that_are_granted_at_once_keep_to_the_limit() -> None:
    session = session_in("ready", Limits(subscriptions_per_session=1))
    calls = [
        session.receive_request(Request(number, "resources/subscribe", {"uri": f"test://{number}"}), CARRIER)
        for number in range(2)
    ]
    session.granted(calls[0])
    with pytest.raises(Busy, match="limit subscriptions_per_session"):
        session.granted(calls[1])
    assert session.subscriptions == {"test://0"}


# --- every order ------------------------------------------------------------------------------------------------------

VERSIONS = st.sampled_from(["2024-11-05", "2025-03-26", "2025-11-25", "2026-07-28", "x"])


class HandshakeMachine(RuleBasedStateMachine):
    """Sends anything in any order, beside a model that knows three facts: opened, confirmed, closed."""

    @initialize()
    def start(self) -> None:
        self.session = LegacySession()
        self.opened_with: str | None = None
        self.confirmed = False
        self.closed = False
        self.level = "info"

    def ask(self, request: Request, allowed: bool) -> None:
        before = self.session.state
        if allowed:
            call = self.session.receive_request(request, CARRIER)
            assert call.revision is self.session.revision
            assert call.params is request.params
        else:
            with pytest.raises(InvalidRequest):
                self.session.receive_request(request, CARRIER)
            assert self.session.state == before

    @rule(version=VERSIONS)
    def handshake(self, version: str) -> None:
        allowed = self.opened_with is None and not self.closed
        self.ask(hello(protocolVersion=version), allowed)
        if allowed:
            self.opened_with = version

    @rule(missing=st.sampled_from(["protocolVersion", "capabilities", "clientInfo"]))
    def broken_handshake(self, missing: str) -> None:
        with pytest.raises((InvalidParams, InvalidRequest)):
            self.session.receive_request(farewell(missing), CARRIER)

    @rule()
    def confirmation(self) -> None:
        self.session.receive_notification(NOTIFICATIONS["initialized"])
        self.confirmed = self.confirmed or self.opened_with is not None

    @rule(method=st.sampled_from(["notifications/cancelled", "initialize", "x"]))
    def notification(self, method: str) -> None:
        self.session.receive_notification(Notification(method, HELLO))

    @rule(method=st.sampled_from(["tools/list", "unknown", "server/discover"]))
    def question(self, method: str) -> None:
        self.ask(Request(1, method, {}), self.opened_with is not None and not self.closed)

    @rule()
    def ping(self) -> None:
        self.ask(REQUESTS["ping"], not self.closed)

    @rule(level=st.sampled_from(LOG_LEVELS))
    def log_level(self, level: str) -> None:
        allowed = self.opened_with is not None and not self.closed
        self.ask(Request(1, "logging/setLevel", {"level": level}), allowed)
        if allowed:
            self.level = level

    @precondition(lambda self: self.opened_with is not None)
    @rule()
    def end(self) -> None:
        self.session.close()
        self.closed = True

    @invariant()
    def the_model_agrees(self) -> None:
        if self.closed:
            expected = "closed"
        elif self.opened_with is None:
            expected = "new"
        else:
            expected = "ready" if self.confirmed else "opened"
        assert self.session.state == expected
        assert self.session.log_level == self.level
        known = {"2024-11-05", "2025-03-26", "2025-11-25"}
        negotiated = self.opened_with if self.opened_with in known else "2025-11-25"
        assert self.session.revision.name == negotiated
        assert (self.session.client is None) == (self.opened_with is None)


TestEveryOrder = HandshakeMachine.TestCase
TestEveryOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
