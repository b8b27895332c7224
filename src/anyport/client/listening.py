"""Changes of a server, as they are told: one stream of events in both eras, which goes on when the connection heals.

A modern server tells of them on a ``subscriptions/listen`` stream. A legacy one tells everybody of its lists, and of
the resources that were subscribed to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
from msgspec import Struct

from anyport.client.backoff import Backoff
from anyport.client.call_options import Terms
from anyport.client.connection import Connection
from anyport.client.conversation import Conversation
from anyport.protocol.errors import (
    AnyportError,
    ConnectError,
    LocalProtocolError,
    McpError,
    RemoteProtocolError,
    Timeout,
)
from anyport.protocol.jsonrpc import ErrorResponse, Notification
from anyport.protocol.types import SubscriptionFilter
from anyport.protocol.types.json import JsonObject

logger = logging.getLogger("anyport.client")

Kind = Literal["tools", "prompts", "resources", "resource"]

_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_UPDATED: Final = "notifications/resources/updated"
_LISTS: Final[dict[str, Kind]] = {
    "notifications/tools/list_changed": "tools",
    "notifications/prompts/list_changed": "prompts",
    "notifications/resources/list_changed": "resources",
}
_KEPT: Final = 10_000
"""Different resources whose changes wait to be read by a slow reader."""
_LASTING_S: Final = 5.0
"""Seconds after which a stream counts as one that went well."""
_MOST_FAILURES: Final = 10
"""Tries in a row, without a stream that went well, after which the error is the user's."""
_UNWIND_S: Final = 2.0
_GOODBYE_S: Final = 1.0


class ChangeEvent(Struct, frozen=True):
    """Something at the server changed.

    Attributes:
        kind: ``tools``, ``prompts`` or ``resources``: the list of them. ``resource``: what one holds.
        uri: Which resource; it may lie below the one that is watched. ``None`` for a list.
        missed: Nobody knows whether it changed: the connection was gone for a while.
    """

    kind: Kind
    uri: str | None = None
    missed: bool = False


class Wanted(Struct, frozen=True):
    """What is watched.

    Attributes:
        lists: The lists.
        uris: The resources.
    """

    lists: frozenset[Kind]
    uris: tuple[str, ...]

    def events(self) -> list[ChangeEvent]:
        """Return everything that may have changed unseen."""
        lists = [ChangeEvent(kind, missed=True) for kind in sorted(self.lists)]
        return [*lists, *(ChangeEvent("resource", uri, missed=True) for uri in self.uris)]

    def filter(self) -> JsonObject:
        """Return it as ``subscriptions/listen`` says it."""
        return msgspec.to_builtins(
            SubscriptionFilter(
                tools_list_changed="tools" in self.lists,
                prompts_list_changed="prompts" in self.lists,
                resources_list_changed="resources" in self.lists,
                resource_subscriptions=list(self.uris) or None,
            )
        )


class Listening:
    """Events of a server: iterate over it, or enter it first, to be sure that the server tells from then on.

        async for event in client.listen(tools=True): ...

        async with client.listen(resources=["shop://items/1"]) as events:
            async for event in events: ...

    Changes that were not read yet are told once, however often they came.

    Args:
        connection: Leads to the server.
        wanted: What is watched.
        timeout: Seconds that the server may take to grant it; ``None`` for no limit.

    Attributes:
        granted: What the server tells of; `None` before it said so (SUB-06).
    """

    def __init__(self, connection: Connection, wanted: Wanted, timeout: float | None) -> None:
        self._connection = connection
        self._wanted = wanted
        self._timeout = timeout
        self._pending: dict[ChangeEvent, None] = {}
        self._more = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._times = 0
        self.granted: Wanted | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[ChangeEvent]:
        return self._events()

    async def start(self) -> None:
        """Listen, and wait until the server has granted it; does nothing where that is done.

        Raises:
            Timeout: The server did not grant it in time.
            McpError: It refuses.
            LocalProtocolError: The client is not connected.
        """
        if self._task is None:
            _ = self._connection.conversation
            self._task = asyncio.get_running_loop().create_task(self._run())
            # Whoever reads is told of a failure; where nobody does, it is no exception that got lost.
            self._task.add_done_callback(_seen)
            self._connection.closing.add(self)
        ready = asyncio.ensure_future(self._ready.wait())
        try:
            await asyncio.wait((ready, self._task), timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if not self._ready.is_set():
                self._raise_end()
                if self._task.done():
                    raise ConnectError("The client was closed")
                raise Timeout(f"The server did not grant the subscription within {self._timeout:g} s")
        finally:
            ready.cancel()
            if not self._ready.is_set():
                await self.aclose()

    async def aclose(self) -> None:
        """Listen no more; may be called twice, and from any task."""
        self._connection.closing.discard(self)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=_UNWIND_S)
        self._more.set()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _events(self) -> AsyncGenerator[ChangeEvent]:
        try:
            await self.start()
            while True:
                while self._pending:
                    event = next(iter(self._pending))
                    del self._pending[event]
                    yield event
                if self._task is None or self._task.done():
                    self._raise_end()
                    return
                self._more.clear()
                await self._more.wait()
        finally:
            await self.aclose()

    def _raise_end(self) -> None:
        """Raise what ended it, unless it was closed."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    def _tell(self, event: ChangeEvent) -> None:
        if event not in self._pending and len(self._pending) >= _KEPT:
            oldest = next(iter(self._pending))
            del self._pending[oldest]
            logger.warning("More than %d changes wait to be read; the oldest is dropped: %s", _KEPT, oldest)
        self._pending[event] = None
        self._more.set()

    # --- listening ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        backoff, failures = Backoff(), 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                started = loop.time()
                try:
                    ended = await self._listen_once()
                except AnyportError:
                    if self._connection.state == "closed":
                        # Its user's doing, and no failure.
                        return
                    raise
                failures = 0 if loop.time() - started > _LASTING_S else failures + 1
                if failures == 0:
                    backoff.reset()
                if failures > _MOST_FAILURES:
                    raise ended
                logger.info("Listening again after: %s", ended)
                await asyncio.sleep(backoff.next())
        finally:
            self._more.set()

    async def _listen_once(self) -> AnyportError:
        """Listen until the stream or the connection ends, and return why; what will not heal is raised."""
        try:
            conversation = await self._connection.healed()
            modern = conversation.revision is not None and conversation.revision.modern
            ended = await (self._stream(conversation) if modern else self._look_on(conversation))
        except (ConnectError, RemoteProtocolError) as error:
            if self._connection.state == "closed":
                raise ConnectError("The client was closed") from error
            return error
        except AnyportError as error:
            ended = error
        if not self._connection.heals(ended):
            raise ended
        return ended

    async def _stream(self, conversation: Conversation) -> AnyportError:
        answer = await conversation.listen(self._wanted.filter(), self._hear)
        if isinstance(answer, ErrorResponse):
            raise McpError.from_wire(answer.error)
        return ConnectError("The server ended the stream of changes")

    async def _look_on(self, conversation: Conversation) -> AnyportError:
        """Look on in the legacy era, where changes belong to no stream."""
        self._check_declared()
        self._connection.changes.add(self._hear)
        held: list[str] = []
        try:
            for uri in self._wanted.uris:
                held.append(uri)
                await _hold(conversation, uri, self._timeout)
            self._begin(self._wanted)
            await conversation.gone.wait()
            return conversation.error or ConnectError("The connection is gone")
        finally:
            self._connection.changes.discard(self._hear)
            for uri in held:
                if self._connection.state != "closed":
                    await _release(conversation, uri)

    def _check_declared(self) -> None:
        """Check that the server tells of what is watched at all (LIFE-05)."""
        known = self._connection.known.capabilities
        lists: dict[Kind, bool] = {
            "tools": known.tools is not None and known.tools.list_changed,
            "prompts": known.prompts is not None and known.prompts.list_changed,
            "resources": known.resources is not None and known.resources.list_changed,
        }
        silent = sorted(kind for kind in self._wanted.lists if not lists[kind])
        if silent:
            raise LocalProtocolError(f"The server does not declare that it tells of changes of: {', '.join(silent)}")
        if self._wanted.uris and not (known.resources is not None and known.resources.subscribe):
            raise LocalProtocolError("The server does not declare that resources can be subscribed to")

    def _hear(self, notification: Notification) -> None:
        method, params = notification.method, notification.params
        if method == _ACKNOWLEDGED:
            self._begin(_granted(params))
        elif method == _UPDATED:
            uri = params.get("uri")
            if isinstance(uri, str) and self._watches(uri):
                self._tell(ChangeEvent("resource", uri))
        elif method in _LISTS and _LISTS[method] in self._wanted.lists:
            self._tell(ChangeEvent(_LISTS[method]))

    def _watches(self, uri: str) -> bool:
        """Whether a resource is one that is watched, or lies below one."""
        return any(uri == watched or uri.startswith(watched.rstrip("/") + "/") for watched in self._wanted.uris)

    def _begin(self, granted: Wanted) -> None:
        """Take that the server tells from here on (SUB-02, SUB-06)."""
        lacking = sorted(self._wanted.lists - granted.lists) + sorted({*self._wanted.uris} - {*granted.uris})
        if lacking:
            logger.warning("The server does not tell of changes of: %s", ", ".join(lacking)[:500])
        self.granted = granted
        self._times += 1
        if self._times > 1:
            for event in granted.events():
                self._tell(event)
        self._ready.set()


def _seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


async def _hold(conversation: Conversation, uri: str, timeout: float | None) -> None:
    """Subscribe to a resource, unless somebody here does already."""
    holders = conversation.held.get(uri, 0)
    conversation.held[uri] = holders + 1
    if holders == 0:
        await conversation.request("resources/subscribe", {"uri": uri}, Terms(timeout=timeout))


async def _release(conversation: Conversation, uri: str) -> None:
    """Unsubscribe from a resource, once nobody here watches it any more."""
    holders = conversation.held.pop(uri, 0) - 1
    if holders > 0:
        conversation.held[uri] = holders
    elif not conversation.gone.is_set():
        try:
            await conversation.request("resources/unsubscribe", {"uri": uri}, Terms(timeout=_GOODBYE_S))
        except AnyportError as error:
            logger.debug("Not unsubscribed from %s: %s", uri, error)


def _granted(params: JsonObject) -> Wanted:
    try:
        found = msgspec.convert(params.get("notifications"), SubscriptionFilter)
    except msgspec.ValidationError as error:
        logger.warning("The server's acknowledgement of a subscription is malformed: %s", error)
        return Wanted(frozenset(), ())
    lists: dict[Kind, bool] = {
        "tools": found.tools_list_changed,
        "prompts": found.prompts_list_changed,
        "resources": found.resources_list_changed,
    }
    return Wanted(frozenset(kind for kind, given in lists.items() if given), tuple(found.resource_subscriptions or ()))


def read_wanted(*, tools: bool, prompts: bool, resources: bool | Sequence[str], resource_list: bool) -> Wanted:
    """Return what is to be watched.

    Args:
        tools: The list of tools.
        prompts: The list of prompts.
        resources: ``True`` for the list of resources, or the URIs of those to watch.
        resource_list: The list of resources, beside those that are named.

    Raises:
        LocalProtocolError: It is nothing.
    """
    kinds: dict[Kind, bool] = {"tools": tools, "prompts": prompts, "resources": resources is True or resource_list}
    lists: frozenset[Kind] = frozenset(kind for kind, given in kinds.items() if given)
    if isinstance(resources, str):
        raise LocalProtocolError("resources= is True, for their list, or a list of URIs")
    uris = () if isinstance(resources, bool) else tuple(dict.fromkeys(map(str, resources)))
    if not lists and not uris:
        raise LocalProtocolError(
            "Nothing to listen to: say tools=True, prompts=True, resources=True or resources=[uri]"
        )
    return Wanted(lists, uris)
