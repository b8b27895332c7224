"""Callers with a name: what one principal may have, and what is nobody else's, on every route of HTTP and HTTP+SSE.

SES-05, MRTR-05, RES-04, S05, D11; limits calls_per_principal, sessions_per_principal, listens_per_principal,
parked_per_principal. The name comes from an ASGI application around the server's, as authorization's will.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import cast

import pytest

from anyport import Context, Server
from anyport.protocol.calls import META_CLIENT_CAPABILITIES
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.http.asgi import PRINCIPAL
from tests.drivers.asgi import (
    WAIT,
    AsgiCallable,
    Event,
    Exchange,
    Receive,
    Send,
    call,
    initialize,
    legacy,
    modern,
    open_session,
    post,
    start,
)
from tests.drivers.sse import SseClient
from tests.drivers.streams import get

OFFSETS = pytest.mark.parametrize("offset", [-1, 0, 1])
ASKABLE: JsonObject = {META_CLIENT_CAPABILITIES: {"elicitation": {"form": {}}}}


class As:
    """The application as it is behind somebody who authenticates: every request has a name."""

    def __init__(self, app: AsgiCallable, principal: str) -> None:
        self._app = app
        self._principal = principal

    async def __call__(self, scope: MutableMapping[str, object], receive: Receive, send: Send) -> None:
        await self._app({**scope, PRINCIPAL: self._principal}, receive, send)


class Shop:
    """A server whose tools wait, ask, or say who calls.

    Attributes:
        waiting: How many calls wait.
        go: What they wait for.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        server = Server("principals", limits=limits or Limits())
        self.waiting = 0
        self.go = asyncio.Event()
        self._changed = asyncio.Event()

        @server.tool
        async def wait() -> str:
            self.waiting += 1
            self._changed.set()
            await self.go.wait()
            return "done"

        @server.tool
        async def who(ctx: Context) -> str:
            return str(ctx.principal)

        @server.tool
        async def ask(ctx: Context) -> str:
            return str((await ctx.elicit("Name?", str, key="name")).data)

        self.app = server.asgi(sse=True)
        self.ann, self.bob = As(self.app, "ann"), As(self.app, "bob")

    async def until(self, count: int) -> None:
        """Wait until so many calls wait."""
        async with asyncio.timeout(WAIT):
            while self.waiting < count:
                self._changed.clear()
                await self._changed.wait()


def from_address(number: int) -> dict[str, object]:
    """Return a change of the scope: another address."""
    return {"client": (f"192.0.2.{number}", 1)}


def check_busy(answer: Exchange, limit: str, request_id: object = None) -> None:
    """See that a request was refused because of a limit, which the refusal names."""
    assert (answer.status, answer.error_code, answer.json.get("id")) == (429, 429, request_id)
    assert answer.headers["retry-after"] == "1"
    assert f"limit {limit})" in answer.error_text


async def ask(app: AsgiCallable, request_id: int = 1, **more: JsonValue) -> Exchange:
    """Call the tool that asks."""
    params: JsonObject = {"name": "ask", "_meta": ASKABLE, **more}
    return await post(app, modern("tools/call", params, request_id=request_id))


def state_of(answer: Exchange) -> str:
    """Return the state of a call that asks."""
    result = cast("JsonObject", answer.json["result"])
    assert result["resultType"] == "input_required"
    return cast("str", result["requestState"])


# --- how much ---------------------------------------------------------------------------------------------------------


async def test_the_name_reaches_the_tool() -> None:
    shop = Shop()
    assert (await post(shop.ann, call("who"))).text == "ann"
    assert (await post(shop.app, call("who"))).text == "None"
    session = await open_session(shop.bob)
    assert (await post(shop.bob, legacy("tools/call", {"name": "who"}), session)).text == "bob"


@OFFSETS
async def test_calls_per_principal(offset: int) -> None:
    """From all addresses together; those of others, named or not, are not in the way."""
    limit = 3
    shop = Shop(Limits(calls_per_principal=limit, calls_per_address=1))
    held = [start(shop.ann, call("wait", request_id=n), scope=from_address(n)) for n in range(limit - 1 + offset)]
    await shop.until(len(held))
    last = start(shop.ann, call("wait", request_id="last"))
    if offset > 0:
        check_busy(await last.done(), "calls_per_principal", "last")
        others = [start(shop.bob, call("wait")), start(shop.app, call("wait"))]
        await shop.until(len(held) + 2)
        held += others
    else:
        await shop.until(len(held) + 1)
        held.append(last)
    shop.go.set()
    for each in held:
        assert (await each.done()).text == "done"
    assert (await post(shop.ann, call("wait"))).text == "done"


async def test_a_name_that_looks_like_an_address_is_none() -> None:
    shop = Shop(Limits(calls_per_principal=1, calls_per_address=1))
    named = start(As(shop.app, "127.0.0.1"), call("wait"))
    await shop.until(1)
    unnamed = start(shop.app, call("wait"))
    await shop.until(2)
    shop.go.set()
    assert [(await each.done()).text for each in (named, unnamed)] == ["done", "done"]


@OFFSETS
async def test_calls_in_sessions_count_for_their_principal(offset: int) -> None:
    limit = 3
    shop = Shop(Limits(calls_per_principal=limit))
    sessions = [await open_session(shop.ann) for _ in range(limit - 1 + offset)]
    waiting = legacy("tools/call", {"name": "wait"}, request_id=5)
    held = [start(shop.ann, waiting, session) for session in sessions]
    await shop.until(len(held))
    session = sessions[0] if sessions else await open_session(shop.ann)
    answer = await post(shop.ann, legacy("ping", request_id="last"), session)
    if offset > 0:
        check_busy(answer, "calls_per_principal", "last")
    else:
        assert answer.status == 200
    shop.go.set()
    for each in held:
        await each.done()


@OFFSETS
async def test_calls_over_sse_count_for_their_principal(offset: int) -> None:
    """Together with those over Streamable HTTP; the refusal comes as a message."""
    limit = 3
    shop = Shop(Limits(calls_per_principal=limit))
    client, other = SseClient(shop.ann), SseClient(shop.bob)
    await client.open()
    await other.open()
    held = [start(shop.ann, call("wait"))]
    await shop.until(1)
    for number in range(limit - 2 + offset):
        answer = await client.post(legacy("tools/call", {"name": "wait"}, request_id=f"held {number}"))
        assert answer.status == 202
    await shop.until(limit - 1 + offset)
    said = await client.ask(legacy("ping", request_id="last"))
    assert said["id"] == "last"
    if offset > 0:
        error = cast("JsonObject", said["error"])
        assert error["code"] == 429
        assert "limit calls_per_principal)" in str(error["message"])
        check_busy(await post(shop.ann, call("who")), "calls_per_principal", 1)
        assert "result" in await other.ask(legacy("ping"))
    else:
        assert "result" in said
    shop.go.set()
    for each in held:
        await each.done()
    for _ in range(limit - 2 + offset):
        assert "result" in await client.message()
    assert "result" in await client.ask(legacy("ping"))
    await client.leave()
    await other.leave()


@OFFSETS
async def test_sessions_per_principal(offset: int) -> None:
    limit = 3
    shop = Shop(Limits(sessions_per_principal=limit))
    sessions = [await open_session(shop.ann) for _ in range(limit - 1 + offset)]
    answer = await post(shop.ann, initialize())
    if offset <= 0:
        assert answer.status == 200
        return
    check_busy(answer, "sessions_per_principal", 0)
    await open_session(shop.bob)
    ended = await post(shop.ann, b"", {**sessions[0], "content-type": None}, method="DELETE")
    assert ended.status == 204
    await open_session(shop.ann)


@OFFSETS
async def test_listens_per_principal(offset: int) -> None:
    """Streams have a limit of their own: they are no calls in flight."""
    limit = 3
    shop = Shop(Limits(listens_per_principal=limit, calls_per_principal=1))
    listen = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    streams = [start(shop.ann, listen) for _ in range(limit - 1 + offset)]
    for stream in streams:
        await stream.until(lambda stream=stream: bool(stream.chunks))
    last = start(shop.ann, listen)
    if offset > 0:
        check_busy(await last.done(), "listens_per_principal", 1)
        last = start(shop.bob, listen)
    await last.until(lambda: bool(last.chunks))
    assert last.status == 200
    assert (await post(shop.ann, call("who"))).text == "ann"
    for stream in [*streams, last]:
        stream.disconnect()
        await stream.done()


@OFFSETS
async def test_parked_per_principal(offset: int) -> None:
    limit = 3
    shop = Shop(Limits(parked_per_principal=limit))
    states = [state_of(await ask(shop.ann, n)) for n in range(limit - 1 + offset)]
    last = await ask(shop.ann, 9)
    if offset > 0:
        check_busy(last, "parked_per_principal", 9)
        states.append(state_of(await ask(shop.bob)))
    else:
        states.append(state_of(last))
    answers: JsonObject = {"name": {"action": "accept", "content": {"value": "Ada"}}}
    for number, state in enumerate(states):
        app = shop.bob if offset > 0 and number == len(states) - 1 else shop.ann
        assert (await ask(app, requestState=state, inputResponses=answers)).text == "Ada"


# --- whose ------------------------------------------------------------------------------------------------------------

GET: dict[str, str | None] = {"accept": "text/event-stream", "content-type": None}


@pytest.mark.parametrize("other", ["bob", None])
async def test_the_session_of_another_principal(other: str | None) -> None:
    """SES-05, TOOL-07: unknown on every route, as one that never was; and unharmed."""
    shop = Shop()
    mallory = shop.app if other is None else As(shop.app, other)
    session = await open_session(shop.ann, "2025-03-26")
    batch = b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]'
    tries = [
        await post(mallory, legacy("ping"), session),
        await post(mallory, legacy("notifications/initialized", request_id=None), session),
        await post(mallory, {"jsonrpc": "2.0", "id": 1, "result": {}}, session),
        await post(mallory, batch, session),
        await post(mallory, b"", {**session, **GET}, method="GET"),
        await post(mallory, b"", {**session, **GET, "last-event-id": "s0123456789abcdef-1"}, method="GET"),
        await post(mallory, b"", {**session, "content-type": None}, method="DELETE"),
    ]
    assert [each.status for each in tries] == [404] * len(tries)
    assert (await post(shop.ann, legacy("ping"), session)).status == 200


async def test_a_session_of_nobody_is_not_everybodys() -> None:
    shop = Shop()
    session = await open_session(shop.app)
    assert (await post(shop.ann, legacy("ping"), session)).status == 404
    assert (await post(shop.app, legacy("ping"), session)).status == 200


async def test_the_stream_of_another_principal() -> None:
    """RES-04: knowing the id of an event, and a session of one's own, does not help."""
    shop = Shop()
    async with shop.app.lifespan():
        session, own = await open_session(shop.ann), await open_session(shop.bob)
        standing = get(shop.ann, session)
        await standing.until(lambda: bool(standing.raw_events))
        last = standing.raw_events[0].id
        assert (await get(shop.bob, session, last).done()).status == 404
        assert (await get(shop.bob, own, last).done()).status == 410
        assert not standing.complete
        standing.disconnect()
        await standing.done()


async def test_the_conversation_of_another_principal() -> None:
    """S05: over HTTP+SSE."""
    shop = Shop()
    client = SseClient(shop.ann)
    await client.open()
    path, _, query = client.url.partition("?")
    scope: dict[str, Event | object] = {"query_string": query.encode()}
    for mallory in (shop.bob, shop.app):
        assert (await post(mallory, legacy("ping"), path=path, scope=scope)).status == 404
    assert "result" in await client.ask(legacy("ping"))
    await client.leave()


@pytest.mark.parametrize("other", ["bob", None])
async def test_the_question_of_another_principal(other: str | None) -> None:
    """MRTR-05, TOOL-07: a state is good for the principal that it was given to, and still is after others tried."""
    shop = Shop()
    state = state_of(await ask(shop.ann))
    answers: JsonObject = {"name": {"action": "accept", "content": {"value": "Eve"}}}
    stolen = await ask(shop.app if other is None else As(shop.app, other), requestState=state, inputResponses=answers)
    assert (stolen.status, stolen.error_code) == (200, -32602)
    assert (await ask(shop.ann, requestState=state, inputResponses=answers)).text == "Eve"


async def test_the_header_is_nobodys_name() -> None:
    """What a peer sends names nobody: the name comes from around the server alone."""
    shop = Shop()
    fields = {"anyport.principal": "ann", "x-anyport-principal": "ann"}
    assert (await post(shop.app, call("who"), cast("dict[str, str | None]", fields))).text == "None"
