"""The peer of a server in the same process, through the client's own side of that transport."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec

from anyport import Server
from anyport.client.in_memory import MemoryClient
from anyport.protocol.jsonrpc import (
    ErrorResponse,
    Notification,
    Request,
    Response,
)
from anyport.protocol.revisions import Revision
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.calling import Incoming
from tests.behaviour.peers.peer import Asked, Peer, Pending, Raw


class MemoryPeer(Peer):
    """Messages are objects here; there are no bytes that could be wrong.

    Args:
        server: The server.
        revision: What is spoken.
        asked: How questions are answered.
    """

    transport = "memory"

    def __init__(self, server: Server, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__(revision, asked)
        self._client = MemoryClient(server)
        self._open: dict[Pending, asyncio.Task[None]] = {}
        self._tokens: dict[JsonValue, Pending] = {}

    async def open(self) -> None:
        await self._client.start(Incoming(self._take, self._answer, lambda error: None))
        await super().open()

    def begin(self, message: JsonObject) -> Pending:
        pending = Pending(message["id"])
        params = cast("JsonObject", message["params"])
        meta = params.get("_meta")
        if isinstance(meta, dict) and "progressToken" in meta:
            self._tokens[cast("JsonObject", meta)["progressToken"]] = pending
        request = Request(cast("int | str", message["id"]), str(message["method"]), params)
        task = self._open[pending] = asyncio.create_task(self._serve(request, pending))
        task.add_done_callback(pending.end_with)
        return pending

    async def tell(self, message: JsonObject) -> None:
        await self._client.notify(Notification(str(message["method"]), cast("JsonObject", message["params"])))

    async def cancel(self, pending: Pending) -> None:
        task = self._open[pending]
        task.cancel()
        await asyncio.wait([task])

    async def raw(self, data: bytes) -> Raw:
        raise NotImplementedError("no bytes are sent in memory")

    async def aclose(self) -> None:
        for task in list(self._open.values()):
            task.cancel()
            await asyncio.wait([task])
        await self._client.aclose()

    async def _serve(self, request: Request, pending: Pending) -> None:
        try:
            pending.take(_plain(await self._client.request(request)))
        finally:
            del self._open[pending]
            for token in [token for token, owner in self._tokens.items() if owner is pending]:
                del self._tokens[token]

    async def _answer(self, question: Request) -> Response:
        return Response(question.id, self.asked.answers[question.method](question.params))

    def _take(self, notification: Notification) -> None:
        message: JsonObject = {"jsonrpc": "2.0", "method": notification.method, "params": notification.params}
        owner = self._tokens.get(notification.params.get("progressToken"))
        if owner is None and len(self._open) == 1:
            (owner,) = self._open
        if owner is not None:
            owner.take(message)
        else:
            self.unclaimed(message)


def _plain(answer: Response | ErrorResponse) -> JsonObject:
    if isinstance(answer, Response):
        return {"jsonrpc": "2.0", "id": answer.id, "result": answer.result}
    error = cast("JsonObject", msgspec.to_builtins(answer.error))
    return {"jsonrpc": "2.0", "id": answer.id, "error": error}
