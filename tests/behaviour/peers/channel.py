"""Peers of transports where all messages share one channel: requests and answers meet by their ids."""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import Callable
from typing import cast

from anyport import Server
from anyport.protocol.calls import TransportName
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.duplex import Duplex
from tests.behaviour.peers.peer import WAIT, Asked, Peer, Pending, Raw


class ChannelPeer(Peer):
    """What they have in common; a subclass writes lines and calls `receive` with each line that comes."""

    def __init__(self, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__(revision, asked)
        self._open: dict[tuple[type, JsonValue], list[Pending]] = {}
        self._tokens: dict[JsonValue, Pending] = {}
        self._unclaimed: asyncio.Queue[JsonObject] = asyncio.Queue()

    @abstractmethod
    def write(self, line: bytes) -> None:
        """Send a line, which gets its newline here."""

    def begin(self, message: JsonObject) -> Pending:
        request_id = message["id"]
        pending = Pending(request_id)
        self._open.setdefault((type(request_id), request_id), []).append(pending)
        meta = cast("JsonObject", message["params"]).get("_meta")
        if isinstance(meta, dict) and "progressToken" in meta:
            self._tokens[cast("JsonObject", meta)["progressToken"]] = pending
        self.write(json.dumps(message).encode())
        return pending

    async def tell(self, message: JsonObject) -> None:
        self.write(json.dumps(message).encode())

    async def cancel(self, pending: Pending) -> None:
        await self.notify("notifications/cancelled", {"requestId": pending.id, "reason": "test"})
        # What is read after the answer to a later request cannot belong to the cancelled one.
        await self.request("tools/list")
        if not pending.ended:
            pending.end()
            self._forget(pending)

    async def raw(self, data: bytes) -> Raw:
        self.write(data)
        async with asyncio.timeout(WAIT):
            return Raw(await self._unclaimed.get())

    def receive(self, line: bytes) -> None:
        """Take a message of the server."""
        message = cast("JsonObject", json.loads(line))
        if isinstance(message, list):
            self._unclaimed.put_nowait(message)
        elif "method" not in message:
            request_id = message.get("id")
            waiting = self._open.get((type(request_id), request_id))
            if waiting:
                # A second request with the id of one in flight is refused before the first is answered.
                pending = waiting[-1]
                self._forget(pending)
                pending.take(message)
            else:
                self._unclaimed.put_nowait(message)
        elif "id" in message:
            self._reply(message)
        else:
            self._notice(message)

    def _forget(self, pending: Pending) -> None:
        key = type(pending.id), pending.id
        self._open[key].remove(pending)
        if not self._open[key]:
            del self._open[key]
        for token in [token for token, owner in self._tokens.items() if owner is pending]:
            del self._tokens[token]

    def _notice(self, message: JsonObject) -> None:
        params = cast("JsonObject", message["params"])
        owner = self._tokens.get(params.get("progressToken"))
        if owner is None:
            open_now = [pending for waiting in self._open.values() for pending in waiting]
            owner = open_now[0] if len(open_now) == 1 else None
        if owner is not None:
            owner.take(message)
        else:
            self.unclaimed(message)

    def _reply(self, message: JsonObject) -> None:
        answer = self.asked.answers[str(message["method"])](cast("JsonObject", message.get("params", {})))
        self.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}).encode())


class DuplexPeer(ChannelPeer):
    """A channel in this process: what stdio and sockets have in common, without their pipes.

    Args:
        server: The server.
        revision: What is spoken.
        asked: How questions are answered.
    """

    transport = "stdio"

    def __init__(self, server: Server, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__(revision, asked)
        self._server = server
        name = cast("TransportName", self.transport)
        self.duplex = Duplex(server.service, server.limits, self._Outlet(self), name, server.subscriptions)

    class _Outlet:
        full = False

        def __init__(self, peer: DuplexPeer) -> None:
            self._peer = peer

        def write(self, message: bytes, *, last: bool = False) -> None:
            self._peer.receive(message)

        async def room(self) -> None:
            return

    async def open(self) -> None:
        await self._server.lifespan.start()
        await super().open()

    def write(self, line: bytes) -> None:
        self.duplex.feed(line + b"\n")

    async def aclose(self) -> None:
        await self.duplex.aclose(WAIT)
        await self._server.lifespan.aclose()


class StreamPeer(ChannelPeer):
    """A channel over streams: a process, or a socket.

    Args:
        reader: Where the server's lines come from.
        write: Sends bytes.
        revision: What is spoken.
        asked: How questions are answered.
        first_id: The last id that was used on the channel before.
        transport: Name of the transport.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        write: Callable[[bytes], object],
        revision: Revision,
        asked: Asked | None = None,
        first_id: int = 0,
        *,
        transport: TransportName = "stdio",
    ) -> None:
        super().__init__(revision, asked)
        self._reader = reader
        self._write = write
        self._ids = first_id
        self.transport = transport
        self._task = asyncio.create_task(self._read())

    @property
    def last_id(self) -> int:
        """The last id that was used."""
        return self._ids

    def write(self, line: bytes) -> None:
        self._write(line + b"\n")

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self) -> None:
        while line := await self._reader.readline():
            self.receive(line)
