"""Subscriptions: who wants to know of changes, in both eras, and what tells them.

Authors and registries publish changes, from any thread and at any time. Modern clients hold a ``subscriptions/listen``
call open, which reports them until it ends (2026-07-28, basic patterns, "Subscriptions"); the transports of legacy
sessions attach a listener. Each is told of what the server promised to it, and of nothing else.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from anyport.protocol.calls import META_SUBSCRIPTION_ID, Call, Carrier, Reply
from anyport.protocol.changes import (
    LISTS_CHANGED,
    PROMPTS_CHANGED,
    RESOURCES_CHANGED,
    TOOLS_CHANGED,
    Change,
    ChangeMethod,
    resource_updated,
)
from anyport.protocol.errors import Busy, InvalidParams, McpError
from anyport.protocol.limits import Limits
from anyport.protocol.types import (
    EmptyResult,
    ServerCapabilities,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenResult,
)
from anyport.protocol.types.json import JsonObject
from anyport.server.audience import Attached, Audience, Listen, running_loop

if TYPE_CHECKING:
    from anyport.server.change_bus import ChangeBus
    from anyport.stores.base import Bus

_BREATH: Final = 50
"""URIs that are looked up before others get their turn on the loop."""


class Subscriptions:
    """The changes of a server, and everybody who is told of them.

    Args:
        limits: Bounds on listen streams.
        capabilities: What the server offers at the time; only what it declares is granted and told.
        check: Raises `McpError` for a URI that cannot be subscribed to.
        bus: Carries changes to and from the other processes of the server; ``None`` where there are none.
        topic: Name of the server on the bus.
    """

    def __init__(
        self,
        limits: Limits,
        capabilities: Callable[[], ServerCapabilities],
        check: Callable[[str, Call], None],
        bus: Bus | None = None,
        topic: str = "changes",
    ) -> None:
        self._limits = limits
        self._capabilities = capabilities
        self._check = check
        self._bus = bus
        self._topic = topic
        self._relay: ChangeBus | None = None
        self._lock = threading.RLock()
        self._audiences: dict[asyncio.AbstractEventLoop, Audience] = {}
        self._onward: list[Callable[[Change], None]] = []

    # --- what is told -------------------------------------------------------------------------------------------------

    def publish(self, change: Change) -> None:
        """Tell everybody of a change, here and in the other processes; from any thread, and at any time.

        The same change several times in one turn of the loop is told once. Nobody hears of what happened before.

        Args:
            change: What changed; a client that asks at once finds it so.
        """
        if self._relay is not None:
            self._relay.send(change)
        self._spread(change)
        for publish in self._onward:
            publish(change)

    def pass_on(self, publish: Callable[[Change], None]) -> None:
        """Tell a server that this one is mounted in of each change.

        Args:
            publish: Called as `publish` is.
        """
        self._onward.append(publish)

    def end(self, carrier: Carrier | None = None) -> None:
        """End listen streams with their result; see `anyport.protocol.changes.Changes.end`."""
        for audience in self._present():
            try:
                audience.end(carrier)
            except RuntimeError:
                continue  # its loop has ended in this moment, and its streams with it

    def attach(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Tell a listener of changes; see `anyport.protocol.changes.Changes.attach`.

        It is told of the kinds that the server offers now: those were declared to its client.
        """
        audience = self._audience()
        attached = Attached(listener, _methods_of(self._capabilities()))
        audience.attach(attached)

        def detach() -> None:
            audience.detach(attached)
            self._tidy()

        return detach

    def share(self, bus: Bus) -> None:
        """Exchange changes over a bus from the next start on."""
        self._bus = bus

    async def start(self) -> None:
        """Begin to exchange changes with the other processes, where there is a bus.

        Raises:
            StoreError: The bus cannot be used.
        """
        if self._bus is not None and self._relay is None:
            # Loaded here: a server on its own has no use for it.
            module = importlib.import_module("anyport.server.change_bus")
            relay: ChangeBus = module.ChangeBus(self._bus, self._topic, self._spread, self._spread_everything)
            await relay.start()
            self._relay = relay

    async def aclose(self) -> None:
        """Exchange no more changes with other processes, once those that were published are sent."""
        relay, self._relay = self._relay, None
        if relay is not None:
            await relay.aclose()

    def _spread(self, change: Change) -> None:
        for audience in self._present():
            try:
                audience.post(change)
            except RuntimeError:
                continue  # its loop has ended in this moment, and its listeners with it

    def _spread_everything(self) -> None:
        """Say that anything may have changed: nobody knows what was missed."""
        watched = {change for audience in self._present() for change in audience.watched}
        for change in dict.fromkeys((*LISTS_CHANGED, *watched)):
            self._spread(change)

    # --- who is told --------------------------------------------------------------------------------------------------

    async def listen(self, call: Call, reply: Reply) -> SubscriptionsListenResult:
        """Answer ``subscriptions/listen``: acknowledge, then report changes until the server ends it.

        Raises:
            InvalidParams: The filter is malformed, or has more resources than ``subscriptions_per_session``.
            Busy: The limit ``listens`` or ``listens_per_principal`` is reached.
        """
        listen = Listen(call.carrier)
        meta: JsonObject = {META_SUBSCRIPTION_ID: call.id}
        asked = self._read_filter(call)
        audience = self._admit(call.carrier.principal)
        audience.enter(listen)
        try:
            await reply.notify(
                "notifications/subscriptions/acknowledged", await self._accept(asked, call, audience, listen)
            )
            # A stream may be idle for days: it holds on to as little as it can.
            del asked
            while (change := await listen.next()) is not None:
                await reply.notify(change.method, change.params(meta))
        finally:
            audience.leave(listen)
            self._tidy()
        return SubscriptionsListenResult(meta=meta)

    async def subscribe(self, call: Call, reply: Reply) -> EmptyResult:
        """Answer the legacy ``resources/subscribe``; the session notes the URI if this returns.

        Raises:
            McpError: There is no such resource.
        """
        uri = call.params.get("uri")
        if not isinstance(uri, str):
            raise InvalidParams('"uri" must be a string')
        self._check(uri, call)
        return EmptyResult()

    async def unsubscribe(self, call: Call, reply: Reply) -> EmptyResult:
        """Answer the legacy ``resources/unsubscribe``, also for a resource that is gone by now."""
        return EmptyResult()

    def _read_filter(self, call: Call) -> SubscriptionFilter:
        try:
            asked = msgspec.convert(call.params.get("notifications"), SubscriptionFilter)
        except msgspec.ValidationError as error:
            raise InvalidParams(f'"notifications" must say what is wanted: {error}') from None
        most = self._limits.subscriptions_per_session
        if len(asked.resource_subscriptions or ()) > most:
            raise InvalidParams(f"A listen stream may have {most} resources (limit subscriptions_per_session)")
        return asked

    def _admit(self, principal: str | None) -> Audience:
        present, limits = self._present(), self._limits
        if sum(audience.listens for audience in present) >= limits.listens:
            raise Busy(f"{limits.listens} listen streams are open (limit listens)")
        own = 0 if principal is None else sum(audience.listens_of(principal) for audience in present)
        if own >= limits.listens_per_principal:
            raise Busy(f"{own} listen streams of this principal are open (limit listens_per_principal)")
        return self._audience()

    async def _accept(
        self, asked: SubscriptionFilter, call: Call, audience: Audience, listen: Listen
    ) -> SubscriptionsAcknowledgedNotificationParams:
        """Grant what can be granted; nothing is missed from here on, though nothing is sent before the answer (SUB-02).

        Returns:
            The acknowledgement.
        """
        granted = await self._grant(asked, call)
        audience.grant(listen, _changes_of(granted))
        return SubscriptionsAcknowledgedNotificationParams(meta={META_SUBSCRIPTION_ID: call.id}, notifications=granted)

    async def _grant(self, asked: SubscriptionFilter, call: Call) -> SubscriptionFilter:
        """Return what is granted of a filter: what the server declares, and resources that exist (SUB-01)."""
        offered = _methods_of(self._capabilities())
        uris: list[str] = []
        if resource_updated("").method in offered:
            for number, uri in enumerate(dict.fromkeys(asked.resource_subscriptions or ()), 1):
                if self._exists(uri, call):
                    uris.append(uri)
                if number % _BREATH == 0:
                    await asyncio.sleep(0)
        return SubscriptionFilter(
            tools_list_changed=asked.tools_list_changed and TOOLS_CHANGED.method in offered,
            prompts_list_changed=asked.prompts_list_changed and PROMPTS_CHANGED.method in offered,
            resources_list_changed=asked.resources_list_changed and RESOURCES_CHANGED.method in offered,
            resource_subscriptions=uris or None,
        )

    def _exists(self, uri: str, call: Call) -> bool:
        try:
            self._check(uri, call)
        except McpError:
            return False
        return True

    def _audience(self) -> Audience:
        """Return the audience of the running loop."""
        loop = asyncio.get_running_loop()
        self._tidy(keep=loop)
        with self._lock:
            return self._audiences.setdefault(loop, Audience(loop))

    def _present(self) -> list[Audience]:
        if not self._audiences:
            return []
        with self._lock:
            return list(self._audiences.values())

    def _tidy(self, keep: asyncio.AbstractEventLoop | None = None) -> None:
        """Forget audiences whose loop has ended, and that of the running loop when nobody is left in it."""
        here = running_loop()
        with self._lock:
            for loop, audience in [*self._audiences.items()]:
                if loop is not keep and (audience.is_over or (loop is here and not len(audience))):
                    del self._audiences[loop]


def _methods_of(capabilities: ServerCapabilities) -> frozenset[ChangeMethod]:
    """Return the notifications that a declaration promises (S31)."""
    tools, prompts, resources = capabilities.tools, capabilities.prompts, capabilities.resources
    promised: dict[ChangeMethod, bool] = {
        TOOLS_CHANGED.method: tools is not None and tools.list_changed,
        PROMPTS_CHANGED.method: prompts is not None and prompts.list_changed,
        RESOURCES_CHANGED.method: resources is not None and resources.list_changed,
        resource_updated("").method: resources is not None and resources.subscribe,
    }
    return frozenset(method for method, is_promised in promised.items() if is_promised)


def _changes_of(granted: SubscriptionFilter) -> tuple[Change, ...]:
    lists = {
        TOOLS_CHANGED: granted.tools_list_changed,
        PROMPTS_CHANGED: granted.prompts_list_changed,
        RESOURCES_CHANGED: granted.resources_list_changed,
    }
    updates = map(resource_updated, granted.resource_subscriptions or ())
    return (*(change for change, is_granted in lists.items() if is_granted), *updates)
