"""The handshake: which era the server speaks, and who it is."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from msgspec import Struct

from anyport.client.conversation import Conversation
from anyport.protocol.calls import META_SERVER_INFO
from anyport.protocol.eras import probe_era
from anyport.protocol.errors import (
    AuthError,
    ConnectError,
    HttpStatusError,
    McpError,
    RemoteProtocolError,
)
from anyport.protocol.jsonrpc import ErrorResponse, Response
from anyport.protocol.revisions import LATEST_LEGACY, SUPPORTED_NAMES, Era, Revision, find_revision
from anyport.protocol.types import DiscoverResult, Implementation, InitializeResult, ServerCapabilities
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.calling import Answer

T = TypeVar("T")


class Opened(Struct, frozen=True):
    """What the handshake found out.

    Attributes:
        revision: What is spoken from here on.
        server_info: What the server says about itself; ``None`` where a modern one says nothing.
        capabilities: What it offers.
        instructions: How to use it, for a model.
    """

    revision: Revision
    server_info: Implementation | None
    capabilities: ServerCapabilities
    instructions: str | None


class _Probe:
    """Asks for ``server/discover`` as long as era detection wants it (VER-04 to VER-07).

    Attributes:
        outcome: What came back last, in words.
        silent: Whether nothing came back.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.outcome = ""
        self.silent = False

    async def run(self) -> Opened | None:
        """Return what a modern server says, or ``None`` for a legacy one.

        Raises:
            McpError: The server is modern and refuses ``server/discover``.
            RemoteProtocolError: The server is modern, and no revision is spoken on both sides.
        """
        steps = probe_era()
        revision = next(steps)
        while True:
            answer = await self._ask(revision)
            try:
                revision = steps.send(answer)
            except StopIteration as stop:
                return self._opened(stop.value, answer)

    async def _ask(self, revision: Revision) -> Answer | None:
        self._conversation.revision = revision
        self._conversation.transport.settle(revision)
        self.silent = False
        timer = asyncio.timeout(self._conversation.transport.probe_silence_s)
        try:
            async with timer:
                answer = await self._conversation.ask("server/discover", {})
        except TimeoutError:
            if not timer.expired():
                raise
            self.silent = True
            self.outcome = "no answer"
            return None
        except AuthError:
            raise
        except (HttpStatusError, RemoteProtocolError) as error:
            self.outcome = str(error)
            return None
        self.outcome = (
            f"error {answer.error.code}: {answer.error.message}" if isinstance(answer, ErrorResponse) else "a result"
        )
        return answer

    def _opened(self, revision: Revision | None, answer: Answer | None) -> Opened | None:
        if revision is None or answer is None:
            return None
        if isinstance(answer, ErrorResponse):
            raise McpError.from_wire(answer.error)
        found = read_as(answer.result, DiscoverResult, "server/discover")
        return Opened(revision, _server_info(answer), found.capabilities, found.instructions)


async def shake_hands(conversation: Conversation, era: Era | None) -> Opened:
    """Find out what the server speaks, and open a session where its era has one.

    Args:
        conversation: Knows the transport; its revision is set here.
        era: The only era that will do; ``None`` for whichever the server speaks, the modern one first.

    Returns:
        What was found out.

    Raises:
        ConnectError: The server does not speak the era, or none of the revisions that anyport knows.
        McpError: The server refuses.
    """
    if era == "legacy":
        return await _initialize(conversation)
    probe = _Probe(conversation)
    opened = await probe.run()
    if opened is not None:
        return opened
    if era == "modern":
        raise ConnectError(f"The server speaks no modern revision (era='modern'): server/discover: {probe.outcome}")
    try:
        return await _initialize(conversation)
    except McpError:
        # A modern server that was still starting when it was probed refuses `initialize` once it is there (VER-09).
        opened = await probe.run() if probe.silent else None
        if opened is None:
            raise
        return opened
    except AuthError:
        raise
    except HttpStatusError as error:
        tried = (f"server/discover: {probe.outcome}", f"initialize: {error}")
        raise HttpStatusError(error.status, error.body, error.url, tried=tried) from error


async def _initialize(conversation: Conversation) -> Opened:
    """Open a legacy session (LIFE-01 to LIFE-03)."""
    conversation.revision = None
    conversation.transport.settle(None)
    params: JsonObject = {
        "protocolVersion": LATEST_LEGACY.name,
        "capabilities": conversation.capabilities,
        "clientInfo": conversation.info,
    }
    found = read_as(await conversation.request("initialize", params), InitializeResult, "initialize")
    revision = find_revision(found.protocol_version)
    if revision is None or revision.modern:
        raise ConnectError(
            f"The server wants to speak {found.protocol_version[:64]!r} after the handshake;"
            f" anyport speaks {', '.join(SUPPORTED_NAMES)}"
        )
    conversation.revision = revision
    conversation.transport.settle(revision)
    await conversation.notify("notifications/initialized", {})
    return Opened(revision, found.server_info, found.capabilities, found.instructions)


def read_as(value: JsonValue, kind: type[T], method: str) -> T:
    """Read part of an answer as one of the protocol's types.

    Raises:
        RemoteProtocolError: It is none.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"The answer to {method} is malformed: {error}") from None


def _server_info(answer: Response) -> Implementation | None:
    meta = answer.result.get("_meta")
    info = meta.get(META_SERVER_INFO) if isinstance(meta, dict) else None
    try:
        return None if info is None else msgspec.convert(info, Implementation)
    except msgspec.ValidationError:
        # For display only (META-04): nothing depends on it.
        return None
