"""Peers over Streamable HTTP: each request is an exchange of its own, in both eras."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import cast

import aiohttp

from anyport import Server
from anyport.protocol.revisions import Revision
from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.behaviour.peers.peer import WAIT, Answer, Asked, Peer, Pending, Raw
from tests.drivers.asgi import Exchange, post, start, usual_headers


class _Sessions(Peer):
    """The part that the session plays, over whatever carries the POST."""

    transport = "http"

    def __init__(self, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__(revision, asked)
        self.session: dict[str, str] = {}

    def keep(self, headers: Mapping[str, str]) -> None:
        """Take the session that an answer opens."""
        if "mcp-session-id" in headers and not self.session:
            self.session["mcp-session-id"] = headers["mcp-session-id"]
            if self.revision.version_header:
                self.session["mcp-protocol-version"] = self.revision.name


class AsgiPeer(_Sessions):
    """The ASGI application in this process, without a socket.

    Args:
        server: The server.
        revision: What is spoken.
        asked: How questions are answered.
    """

    def __init__(self, server: Server, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__(revision, asked)
        self.app = server.asgi()
        self._stack = AsyncExitStack()
        self._exchanges: set[Exchange] = set()

    async def open(self) -> None:
        await self._stack.enter_async_context(self.app.lifespan())
        await super().open()

    def begin(self, message: JsonObject) -> Pending:
        exchange = start(self.app, message, self.session)
        self._exchanges.add(exchange)
        exchange.task.add_done_callback(lambda _: self._exchanges.discard(exchange))
        return _AsgiPending(message["id"], exchange, self)

    async def tell(self, message: JsonObject) -> None:
        answer = await post(self.app, message, self.session)
        assert (answer.status, answer.body) == (202, b""), f"{answer.status} {answer.body!r}"

    async def cancel(self, pending: Pending) -> None:
        assert isinstance(pending, _AsgiPending)
        if self.modern:
            pending.exchange.disconnect()
        else:
            await self.notify("notifications/cancelled", {"requestId": pending.id, "reason": "test"})
        await pending.exchange.done()

    async def raw(self, data: bytes) -> Raw:
        # An era is recognised by the body; where that cannot be read, by the headers.
        fields = {**usual_headers(self.message("tools/list")), "content-type": "application/json", **self.session}
        answer = await post(self.app, data, fields)
        return Raw(answer.json if answer.body else None, answer.status)

    async def aclose(self) -> None:
        for exchange in list(self._exchanges):
            exchange.disconnect()
            exchange.task.cancel()
            await asyncio.wait([exchange.task])
        if self.session:
            assert (await post(self.app, b"", self.session, method="DELETE")).status == 204
        await self._stack.aclose()


class _AsgiPending(Pending):
    """A request whose answer the driver collects."""

    def __init__(self, request_id: JsonValue, exchange: Exchange, peer: AsgiPeer) -> None:
        super().__init__(request_id)
        self.exchange = exchange
        self._peer = peer
        self._asked = 0

    @property
    def ended(self) -> bool:
        return self.exchange.task.done()

    async def answer(self) -> Answer:
        exchange = self.exchange
        await exchange.until(lambda: exchange.complete or exchange.task.done() or self._questions() > self._asked)
        while self._questions() > self._asked:
            await self._reply()
            await exchange.until(lambda: exchange.complete or self._questions() > self._asked)
        await exchange.done()
        self._peer.keep(exchange.headers)
        self.status = exchange.status
        if exchange.headers["content-type"] == "application/json":
            return Answer(exchange.json, [], exchange.status)
        *self.notifications, last = [event for event in exchange.events if not _is_question(event)]
        assert "method" not in last, f"the stream ended with {last}"
        return Answer(last, self.notifications, exchange.status)

    async def heard(self, count: int = 1) -> list[JsonObject]:
        await self.exchange.until(lambda: len(self._told()) >= count or self.exchange.complete)
        assert len(self._told()) >= count, f"only {self.exchange.body!r}"
        return self._told()

    def _told(self) -> list[JsonObject]:
        if not self.exchange.headers.get("content-type", "").startswith("text/event-stream"):
            return []
        return [event for event in self.exchange.events if "method" in event and not _is_question(event)]

    def _questions(self) -> int:
        if not self.exchange.headers.get("content-type", "").startswith("text/event-stream"):
            return 0
        return sum(_is_question(event) for event in self.exchange.events)

    async def _reply(self) -> None:
        question = [event for event in self.exchange.events if _is_question(event)][self._asked]
        self._asked += 1
        answer = self._peer.asked.answers[str(question["method"])](cast("JsonObject", question.get("params", {})))
        await self._peer.tell({"jsonrpc": "2.0", "id": question["id"], "result": answer})


def _is_question(event: JsonObject) -> bool:
    return "method" in event and "id" in event


def _body(message: JsonObject) -> io.BytesIO:
    # A large body as bytes is something that aiohttp warns of.
    return io.BytesIO(json.dumps(message).encode())


class UrlPeer(_Sessions):
    """A server of its own, at an URL.

    Args:
        url: Its endpoint.
        revision: What is spoken.
        asked: How questions are answered.
    """

    def __init__(self, url: str, revision: Revision, asked: Asked | None = None) -> None:
        super().__init__(revision, asked)
        self._url = url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WAIT))
        self._tasks: dict[Pending, asyncio.Task[None]] = {}

    def begin(self, message: JsonObject) -> Pending:
        pending = Pending(message["id"])
        task = self._tasks[pending] = asyncio.create_task(self._exchange(message, pending))
        task.add_done_callback(lambda _: self._tasks.pop(pending))
        task.add_done_callback(pending.end_with)
        return pending

    async def tell(self, message: JsonObject) -> None:
        async with self._http.post(self._url, data=_body(message), headers=self._headers(message)) as answer:
            assert (answer.status, await answer.read()) == (202, b"")

    async def cancel(self, pending: Pending) -> None:
        task = self._tasks[pending]
        if self.modern:
            task.cancel()
        else:
            await self.notify("notifications/cancelled", {"requestId": pending.id, "reason": "test"})
        await asyncio.wait([task], timeout=WAIT)
        assert task.done()

    async def raw(self, data: bytes) -> Raw:
        headers = {**self._headers(self.message("tools/list")), "content-type": "application/json"}
        async with self._http.post(self._url, data=data, headers=headers) as answer:
            body = await answer.read()
            return Raw(json.loads(body) if body else None, answer.status)

    async def aclose(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.session:
            async with self._http.delete(self._url, headers=self.session) as answer:
                assert answer.status == 204
        await self._http.close()

    def _headers(self, message: JsonObject) -> dict[str, str]:
        fields = {**usual_headers(message), **self.session}
        del fields["host"]
        return fields

    async def _exchange(self, message: JsonObject, pending: Pending) -> None:
        async with self._http.post(self._url, data=_body(message), headers=self._headers(message)) as answer:
            self.keep({name.lower(): value for name, value in answer.headers.items()})
            pending.status = answer.status
            if answer.content_type == "application/json":
                pending.take(json.loads(await answer.read()))
                return
            events = EventDecoder()
            async for chunk in answer.content.iter_any():
                for event in events.feed(chunk):
                    if isinstance(event, ServerSentEvent) and event.data:
                        await self._take(json.loads(event.data), pending)

    async def _take(self, message: JsonObject, pending: Pending) -> None:
        if not _is_question(message):
            pending.take(message)
            return
        answer = self.asked.answers[str(message["method"])](cast("JsonObject", message.get("params", {})))
        await self.tell({"jsonrpc": "2.0", "id": message["id"], "result": answer})
