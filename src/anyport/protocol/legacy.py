"""LegacySession: the handshake of the legacy era as a table.

A legacy peer opens with ``initialize``, confirms with ``notifications/initialized`` and then works (2025-11-25,
lifecycle). The machine below decides from the state and the kind of a message alone what happens to it; whoever drives
it does the rest. On stdio there is one per process, over HTTP one per session.

============  =================  =================================================
state         event              what happens
============  =================  =================================================
``new``       initialize         answered, becomes ``opened``
``new``       ping               answered (a ping is always allowed)
``new``       request            refused: the handshake comes first (LIFE-04)
``opened``    initialized        becomes ``ready``
``opened``    request            served: the confirmation may still be on its way
``ready``     request            served
any           initialize again   refused
any           notification       accepted; unknown ones are ignored (RPC-05)
any           close              becomes ``closed``
``closed``    any request        refused
============  =================  =================================================
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from anyport.protocol.calls import Call, Carrier, check_log_level
from anyport.protocol.changes import Change
from anyport.protocol.errors import Busy, InvalidParams, InvalidRequest, RefusedRequest
from anyport.protocol.jsonrpc import Notification, Request, encode_json
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.revisions import LATEST_LEGACY, Revision, find_revision, negotiate
from anyport.protocol.types import LoggingLevel
from anyport.protocol.types.json import JsonObject

State = Literal["new", "opened", "ready", "closed"]
Event = Literal["initialize", "initialized", "ping", "request", "notification", "close"]
Action = Literal["open", "serve", "accept", "refuse_order", "refuse_again", "refuse_closed"]

TRANSITIONS: Final[dict[tuple[State, Event], tuple[State, Action]]] = {
    ("new", "initialize"): ("opened", "open"),
    ("new", "initialized"): ("new", "accept"),
    ("new", "ping"): ("new", "serve"),
    ("new", "request"): ("new", "refuse_order"),
    ("new", "notification"): ("new", "accept"),
    ("new", "close"): ("closed", "accept"),
    ("opened", "initialize"): ("opened", "refuse_again"),
    ("opened", "initialized"): ("ready", "accept"),
    ("opened", "ping"): ("opened", "serve"),
    ("opened", "request"): ("opened", "serve"),
    ("opened", "notification"): ("opened", "accept"),
    ("opened", "close"): ("closed", "accept"),
    ("ready", "initialize"): ("ready", "refuse_again"),
    ("ready", "initialized"): ("ready", "accept"),
    ("ready", "ping"): ("ready", "serve"),
    ("ready", "request"): ("ready", "serve"),
    ("ready", "notification"): ("ready", "accept"),
    ("ready", "close"): ("closed", "accept"),
    ("closed", "initialize"): ("closed", "refuse_closed"),
    ("closed", "initialized"): ("closed", "accept"),
    ("closed", "ping"): ("closed", "refuse_closed"),
    ("closed", "request"): ("closed", "refuse_closed"),
    ("closed", "notification"): ("closed", "accept"),
    ("closed", "close"): ("closed", "accept"),
}

_NONE: Final[frozenset[str]] = frozenset()

SUBSCRIBES: Final = frozenset({"resources/subscribe", "resources/unsubscribe"})
"""Methods that a session takes note of when they were answered with a result; see `LegacySession.granted`."""
_NOTED: Final = frozenset({"logging/setLevel", *SUBSCRIBES})


class LegacyRow(Struct, frozen=True, omit_defaults=True):
    """A session as it is kept in a store.

    Attributes:
        state: Where the handshake stands.
        revision: Name of what was negotiated.
        capabilities: What the client declared.
        client: ``clientInfo`` of the handshake.
        log_level: What ``logging/setLevel`` asked for.
        subscriptions: URIs of the resources that the client subscribed to.
        principal: Who opened the session.
    """

    state: State
    revision: str
    capabilities: JsonObject = {}
    client: JsonObject | None = None
    log_level: LoggingLevel = "info"
    subscriptions: list[str] = []
    principal: str | None = None


_REFUSALS: Final[dict[Action, str]] = {
    "refuse_order": 'The session is not open: send "initialize" first, or the metadata of a modern request',
    "refuse_again": "The session is open already; a second handshake needs a new session",
    "refuse_closed": "The session is closed",
}

_EVENTS: Final[dict[str, Event]] = {
    "initialize": "initialize",
    "ping": "ping",
    "notifications/initialized": "initialized",
}


class LegacySession:
    """One legacy conversation.

    Attributes:
        state: Where the handshake stands.
        revision: What was negotiated; the newest legacy revision before that.
        client: ``clientInfo`` of the handshake.
        capabilities: What the client declared in the handshake.
        log_level: What ``logging/setLevel`` asked for; ``info`` until then.
        subscriptions: URIs of the resources that the client subscribed to (``resources/subscribe``).
    """

    __slots__ = ("_most", "_room", "capabilities", "client", "log_level", "revision", "state", "subscriptions")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.state: State = "new"
        self.revision: Revision = LATEST_LEGACY
        self.client: JsonObject | None = None
        self.capabilities: JsonObject = {}
        self.log_level: LoggingLevel = "info"
        self.subscriptions: frozenset[str] = _NONE
        self._most = limits.subscriptions_per_session
        self._room = limits.session_bytes

    def row(self, principal: str | None) -> LegacyRow:
        """Return what has to be kept of the session for another process to go on with it."""
        return LegacyRow(
            self.state,
            self.revision.name,
            self.capabilities,
            self.client,
            self.log_level,
            sorted(self.subscriptions),
            principal,
        )

    def restore(self, row: LegacyRow) -> None:
        """Go on with a session that was kept.

        Raises:
            ValueError: It was kept by a version that knows other revisions.
        """
        revision = find_revision(row.revision)
        if revision is None or revision.modern:
            raise ValueError(f"a session of the unknown revision {row.revision!r}")
        self.state, self.revision = row.state, revision
        self.capabilities, self.client, self.log_level = row.capabilities, row.client, row.log_level
        self.subscriptions = frozenset(row.subscriptions)

    def wants(self, change: Change) -> bool:
        """Whether the client is to be told of a change: once it is ready, of lists and of what it subscribed to."""
        if self.state != "ready":
            return False
        return change.uri is None or change.uri in self.subscriptions

    def receive_request(self, request: Request, carrier: Carrier) -> Call:
        """Take a request of the peer and make it self-contained.

        Args:
            request: As received.
            carrier: How it came.

        Returns:
            The call to serve; for ``initialize`` the session is open from here on.

        Raises:
            InvalidRequest: The table refuses it in this state.
            InvalidParams: ``initialize`` lacks a field, ``logging/setLevel`` names no level, a subscription no URI.
            Busy: The limit ``subscriptions_per_session`` is reached.
            RefusedRequest: HTTP 413: more is to be kept than ``session_bytes``.
        """
        event = _EVENTS.get(request.method, "request")
        if event == "initialized":
            raise InvalidRequest("notifications/initialized is a notification; it takes no id")
        state, action = TRANSITIONS[self.state, event]
        if action in _REFUSALS:
            raise InvalidRequest(_REFUSALS[action])
        if action == "open":
            self._open(request.params)
        self.state = state
        if request.method in _NOTED:
            self._note(request)
        meta = request.params.get("_meta")
        return Call(
            method=request.method,
            params=request.params,
            id=request.id,
            revision=self.revision,
            carrier=carrier,
            meta=meta if isinstance(meta, dict) else {},
            client=self.client,
            capabilities=self.capabilities,
            log_level=self.log_level,
        )

    def granted(self, call: Call) -> None:
        """Take note of a subscription, or of its end, that was answered with a result.

        One that is refused leaves nothing behind. Any other call changes nothing.

        Args:
            call: What was answered, of one of the methods in `SUBSCRIBES`.

        Raises:
            Busy: The limit ``subscriptions_per_session`` was reached while the call was served.
        """
        if call.revision.modern:
            return
        if call.method == "resources/subscribe":
            self.subscriptions = self._with(_uri(call.params))
        elif call.method == "resources/unsubscribe":
            self.subscriptions -= {_uri(call.params)}

    def receive_notification(self, notification: Notification) -> None:
        """Take a notification of the peer; one that means nothing to the session changes nothing."""
        event = _EVENTS.get(notification.method)
        self.state, _ = TRANSITIONS[self.state, "initialized" if event == "initialized" else "notification"]

    def close(self) -> None:
        """End the session; every later request is refused."""
        self.state, _ = TRANSITIONS[self.state, "close"]

    def _note(self, request: Request) -> None:
        """Remember what later messages depend on; the request is served nevertheless."""
        if request.method == "logging/setLevel":
            self.log_level = check_log_level(request.params.get("level"))
        elif request.method == "resources/subscribe":
            self._with(_uri(request.params))
        elif request.method == "resources/unsubscribe":
            _uri(request.params)

    def _with(self, uri: str) -> frozenset[str]:
        if len(self.subscriptions) >= self._most and uri not in self.subscriptions:
            raise Busy(f"The session has {self._most} subscriptions (limit subscriptions_per_session)")
        wanted = self.subscriptions | {uri}
        self._check_room(sum(map(len, wanted)), "URIs of the subscriptions")
        return wanted

    def _open(self, params: JsonObject) -> None:
        version, capabilities, client = (params.get(key) for key in ("protocolVersion", "capabilities", "clientInfo"))
        if not isinstance(version, str):
            raise InvalidParams('initialize must have "protocolVersion" as a string')
        if not isinstance(capabilities, dict):
            raise InvalidParams('initialize must have "capabilities" as an object')
        if not isinstance(client, dict):
            raise InvalidParams('initialize must have "clientInfo" as an object')
        # A channel may be idle for ever: what is kept of its handshake has a bound below that of a message.
        self._check_room(len(encode_json((capabilities, client))), "handshake")
        self.revision = negotiate(version)
        self.capabilities = capabilities
        self.client = client

    def _check_room(self, size: int, what: str) -> None:
        if size > self._room:
            raise RefusedRequest(413, f"The {what} would take more than {self._room} bytes (limit session_bytes)")


def _uri(params: JsonObject) -> str:
    uri = params.get("uri")
    if not isinstance(uri, str):
        raise InvalidParams('A subscription must have "uri" as a string')
    return uri
