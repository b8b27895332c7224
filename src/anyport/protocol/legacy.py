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

from anyport.protocol.calls import Call, Carrier, check_log_level
from anyport.protocol.errors import InvalidParams, InvalidRequest
from anyport.protocol.jsonrpc import Notification, Request
from anyport.protocol.revisions import LATEST_LEGACY, Revision, negotiate
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
    """

    __slots__ = ("capabilities", "client", "log_level", "revision", "state")

    def __init__(self) -> None:
        self.state: State = "new"
        self.revision: Revision = LATEST_LEGACY
        self.client: JsonObject | None = None
        self.capabilities: JsonObject = {}
        self.log_level: LoggingLevel = "info"

    def receive_request(self, request: Request, carrier: Carrier) -> Call:
        """Take a request of the peer and make it self-contained.

        Args:
            request: As received.
            carrier: How it came.

        Returns:
            The call to serve; for ``initialize`` the session is open from here on.

        Raises:
            InvalidRequest: The table refuses it in this state.
            InvalidParams: ``initialize`` lacks a field, or ``logging/setLevel`` names no level.
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
        if request.method == "logging/setLevel":
            self.log_level = check_log_level(request.params.get("level"))
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

    def receive_notification(self, notification: Notification) -> None:
        """Take a notification of the peer; one that means nothing to the session changes nothing."""
        event = _EVENTS.get(notification.method)
        self.state, _ = TRANSITIONS[self.state, "initialized" if event == "initialized" else "notification"]

    def close(self) -> None:
        """End the session; every later request is refused."""
        self.state, _ = TRANSITIONS[self.state, "close"]

    def _open(self, params: JsonObject) -> None:
        version, capabilities, client = (params.get(key) for key in ("protocolVersion", "capabilities", "clientInfo"))
        if not isinstance(version, str):
            raise InvalidParams('initialize must have "protocolVersion" as a string')
        if not isinstance(capabilities, dict):
            raise InvalidParams('initialize must have "capabilities" as an object')
        if not isinstance(client, dict):
            raise InvalidParams('initialize must have "clientInfo" as an object')
        self.revision = negotiate(version)
        self.capabilities = capabilities
        self.client = client
