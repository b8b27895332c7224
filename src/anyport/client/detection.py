"""From a target to an open conversation: which transports come into question, and what became of each.

The specification's steps (2026-07-28, versioning, "Backward Compatibility", and the pages of the bindings): modern
first, then `initialize`, and at a URL that takes neither, the event stream of HTTP+SSE (VER-04 to VER-08, VER-13).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from anyport.client.connect import Options, PinName, Way, make_ways
from anyport.client.conversation import Conversation
from anyport.client.destinations import Command, Destination, Endpoint, SocketAddress
from anyport.client.handshake import Opened, shake_hands
from anyport.client.targets import Target, read_target
from anyport.client.verdicts import VERDICTS, Key, Verdict
from anyport.protocol.errors import (
    MODERN_CODES,
    AnyportError,
    AuthError,
    ConnectError,
    HttpStatusError,
    McpError,
    RemoteProtocolError,
    ServerExited,
    SessionLost,
    Timeout,
)
from anyport.protocol.revisions import Era
from anyport.transports.calling import ClientTransport, Incoming

logger = logging.getLogger("anyport.client")

_NOT_STREAMABLE: Final = frozenset({400, 404, 405})
"""Statuses of a POST that say that a URL may be one of HTTP+SSE (VER-13)."""

_Failure = (ConnectError, HttpStatusError, McpError, RemoteProtocolError, SessionLost, ServerExited)


class Route:
    """The way to one server.

    Args:
        target: What the user pointed at.
        server: Which server of an ``mcpServers`` configuration.
        era: The only era that will do.
        pin: The only transport that will do.
        options: What else was said about the way.
    """

    def __init__(
        self, target: Target, server: str | None, era: Era | None, pin: PinName | None, options: Options
    ) -> None:
        self._target = target
        self._server = server
        self._era: Era | None = era
        self._pin: PinName | None = pin
        self._options = options
        self._destination: Destination | None = None
        self._ways: Sequence[Way] = ()

    async def open(self, new: Callable[[], Conversation], timeout: float | None) -> tuple[Conversation, Opened]:
        """Start a transport for a conversation, and shake hands.

        Args:
            new: Makes a conversation; each try has its own.
            timeout: Seconds for all of it; ``None`` for no limit.

        Returns:
            The conversation, and what its handshake found out.

        Raises:
            AnyportError: See `Client.connect`.
        """
        if self._destination is None:
            self._destination = read_target(self._target, self._server)
            ways = make_ways(self._destination, self._options, self._pin)
            # HTTP+SSE belongs to the legacy era; a server that speaks the modern one there has to be named.
            self._ways = ways[:1] if self._era == "modern" else ways
        timer = asyncio.timeout(timeout)
        try:
            async with timer:
                return await self._remembered(new) or await self._detect(new)
        except TimeoutError:
            if timer.expired():
                raise Timeout(f"No connection to {self._destination.shown} within {timeout:g} s") from None
            raise

    async def _remembered(self, new: Callable[[], Conversation]) -> tuple[Conversation, Opened] | None:
        """Go the way that is known; what is known is forgotten if that fails."""
        key = self._key
        verdict = None if key is None else VERDICTS.recall(key)
        way = None if verdict is None else next((way for way in self._ways if way.name == verdict.way), None)
        if key is None or verdict is None or way is None:
            return None
        try:
            return await self._go(way, new(), verdict.era)
        except _Failure as error:
            if isinstance(error, AuthError):
                raise
            VERDICTS.forget(key)
            if isinstance(error, ConnectError) and error.unsent:
                # Nobody is there, in whatever era.
                raise
            logger.info("%s is no longer reached by %s (%s): %s", self._shown, way.name, verdict.era, error)
            return None

    async def _detect(self, new: Callable[[], Conversation]) -> tuple[Conversation, Opened]:
        errors: list[AnyportError] = []
        for way in self._ways:
            last = way is self._ways[-1]
            try:
                found = await self._go_in_any_era(way, new)
            except _Failure as error:
                errors.append(error)
                if last or not _may_be_sse(error):
                    raise _tell(errors, self._ways) from None
                logger.info("%s: no %s, trying the next transport: %s", self._shown, way.shown, error)
            else:
                if self._key is not None:
                    VERDICTS.remember(self._key, Verdict(way.name, found[1].revision.era))
                return found
        raise AssertionError(self._ways)

    async def _go_in_any_era(self, way: Way, new: Callable[[], Conversation]) -> tuple[Conversation, Opened]:
        """Shake hands, again if the question of the modern era ended the server (VER-05)."""
        conversation = new()
        try:
            return await self._go(way, conversation, self._era)
        except (ServerExited, ConnectError) as error:
            asked = conversation.revision is not None and conversation.revision.modern
            kept = isinstance(self._destination, (Command, SocketAddress))
            if self._era is not None or not asked or not kept or error.unsent:
                raise
            logger.info("%s ended at server/discover, trying the legacy handshake: %s", self._shown, error)
            return await self._go(way, new(), "legacy")

    async def _go(self, way: Way, conversation: Conversation, era: Era | None) -> tuple[Conversation, Opened]:
        transport: ClientTransport = way.transport()
        conversation.transport = transport
        opened = False
        try:
            await transport.start(Incoming(conversation.notified, conversation.asked, conversation.lost))
            found = await shake_hands(conversation, era)
            opened = True
        finally:
            if not opened:
                await transport.aclose()
        conversation.server_name = None if found.server_info is None else found.server_info.name
        return conversation, found

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields of every request, as far as the target is known."""
        own: Mapping[str, str] = self._destination.headers if isinstance(self._destination, Endpoint) else {}
        return {**own, **self._options.headers}

    @property
    def _key(self) -> Key | None:
        fingerprint = None if self._destination is None else self._destination.fingerprint
        return None if fingerprint is None else (fingerprint, self._era, self._pin)

    @property
    def _shown(self) -> str:
        return "" if self._destination is None else self._destination.shown


def _may_be_sse(error: AnyportError) -> bool:
    """Whether what a POST came to says that the URL may be one of HTTP+SSE (VER-13)."""
    if isinstance(error, AuthError):
        return False
    if isinstance(error, McpError):
        # The refusal of a POST may be written as a message; a modern server would not refuse so (VER-06).
        return error.code not in MODERN_CODES
    return isinstance(error, HttpStatusError) and error.status in _NOT_STREAMABLE


def _tell(errors: list[AnyportError], ways: Sequence[Way]) -> AnyportError:
    """Return the error that says all that was tried, where that is more than one thing."""
    first = errors[0]
    if not isinstance(first, HttpStatusError) or len(errors) < 2:
        return first
    tried = [f"{way.shown}: {line}" for way, error in zip(ways, errors, strict=False) for line in _lines(error)]
    return HttpStatusError(first.status, first.body, first.url, tried=tried)


def _lines(error: AnyportError) -> Sequence[str]:
    return error.tried if isinstance(error, HttpStatusError) and error.tried else (str(error),)
