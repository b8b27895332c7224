"""Who may end a call, and what is left of it.

HTTP-10, LEG-06, CAN-01, STDIO-05 (its legacy HTTP twin), D16; a tool that cancels itself; a server that stops.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from tests.drivers.asgi import WAIT, Exchange, call, legacy, open_session, post, start, text_of

LASTING = Limits(first_byte_s=60)


class Scene:
    """A server with tools that last.

    Attributes:
        started: Names of calls that began.
        cancelled: Names of calls that were cancelled.
        told: Whether ``ctx.cancelled`` was set in each of them.
        go: What the tools wait for.
    """

    def __init__(self, limits: Limits = LASTING) -> None:
        server = Server("scene", limits=limits)
        self.started: list[str] = []
        self.cancelled: list[str] = []
        self.told: list[bool] = []
        self.go = asyncio.Event()
        self._changed = asyncio.Event()

        @server.tool
        async def last(name: str, ctx: Context) -> str:
            self._note(self.started, name)
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.told.append(ctx.cancelled)
                self._note(self.cancelled, name)
                raise
            await ctx.report_progress(1)
            return name

        @server.tool
        async def stubborn(name: str) -> str:
            self._note(self.started, name)
            with contextlib.suppress(asyncio.CancelledError):
                await self.go.wait()
            await asyncio.sleep(0)
            self._note(self.cancelled, name)
            return "I do as I please"

        @server.tool
        async def cancel_myself(how: str) -> str:
            if how == "raise":
                raise asyncio.CancelledError
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
            return "unreachable"

        self.app = server.asgi()

    async def until(self, names: list[str], *expected: str) -> None:
        """Wait until a list of names has these."""
        async with asyncio.timeout(WAIT):
            while not set(expected) <= set(names):
                self._changed.clear()
                await self._changed.wait()

    def _note(self, names: list[str], name: str) -> None:
        names.append(name)
        self._changed.set()


def last(name: str, token: int | None = None) -> JsonObject:
    """Return a modern call that lasts, and asks for progress under a token."""
    return call("last", {"name": name}, _meta={} if token is None else {"progressToken": token})


async def begin_legacy(scene: Scene, name: str, request_id: int | str = 1) -> tuple[Exchange, dict[str, str]]:
    """Begin a call that lasts, in a session of its own."""
    session = await open_session(scene.app)
    message = legacy("tools/call", {"name": "last", "arguments": {"name": name}}, request_id=request_id)
    answer = start(scene.app, message, session)
    await scene.until(scene.started, name)
    return answer, session


@pytest.mark.parametrize("tool", ["last", "stubborn"])
async def test_a_modern_client_that_leaves_ends_its_call(tool: str) -> None:
    """HTTP-10: the tool is cancelled and nothing more is sent."""
    scene = Scene()
    answer = start(scene.app, call(tool, {"name": "a"}))
    await scene.until(scene.started, "a")
    answer.disconnect()
    await scene.until(scene.cancelled, "a")
    await answer.done()
    assert answer.status == 0


async def test_leaving_a_stream_ends_its_call() -> None:
    scene = Scene(Limits(first_byte_s=0.01))
    answer = start(scene.app, last("a"))
    await answer.until(lambda: answer.status == 200)
    answer.disconnect()
    await scene.until(scene.cancelled, "a")
    await answer.done()
    assert answer.events == []


async def test_one_client_that_leaves_ends_no_other_call() -> None:
    scene = Scene()
    leaving, staying = start(scene.app, last("a")), start(scene.app, last("b"))
    await scene.until(scene.started, "a", "b")
    leaving.disconnect()
    await scene.until(scene.cancelled, "a")
    scene.go.set()
    await asyncio.gather(leaving.done(), staying.done())
    assert staying.text == "b"
    assert scene.cancelled == ["a"]


async def test_a_call_is_cancelled_soon_after_its_client_left() -> None:
    """A bounded time: the connection is watched from 0.1 s on at the latest."""
    scene = Scene()
    answer = start(scene.app, last("a"))
    await scene.until(scene.started, "a")
    answer.disconnect()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await scene.until(scene.cancelled, "a")
    assert loop.time() - began < 1
    await answer.done()


async def test_a_legacy_client_that_leaves_ends_nothing() -> None:
    """LEG-06."""
    scene = Scene(Limits(first_byte_s=0.01))
    answer, _ = await begin_legacy(scene, "a")
    await answer.until(lambda: answer.status == 200)
    answer.disconnect()
    other = start(scene.app, last("b"))
    await other.until(lambda: other.body.count(b":") >= 3)
    scene.go.set()
    await asyncio.gather(answer.done(), other.done())
    assert scene.cancelled == []


@pytest.mark.parametrize("request_id", [1, "one", 0, ""])
async def test_a_legacy_client_cancels_by_saying_so(request_id: int | str) -> None:
    """CAN-01: the call ends without an answer, and its id is free again."""
    scene = Scene()
    answer, session = await begin_legacy(scene, "a", request_id)
    params: JsonObject = {"requestId": request_id, "reason": "no longer wanted"}
    told = await post(scene.app, legacy("notifications/cancelled", params, request_id=None), session)
    assert (told.status, told.body) == (202, b"")
    await answer.done()
    assert (scene.cancelled, scene.told) == (["a"], [True])
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.events == []
    again = await post(scene.app, legacy("ping", request_id=request_id), session)
    assert again.json == {"jsonrpc": "2.0", "id": request_id, "result": {}}


async def test_cancelling_where_no_stream_is_accepted() -> None:
    scene = Scene()
    session = await open_session(scene.app)
    message = legacy("tools/call", {"name": "last", "arguments": {"name": "a"}})
    answer = start(scene.app, message, session | {"accept": "application/json"})
    await scene.until(scene.started, "a")
    await post(scene.app, legacy("notifications/cancelled", {"requestId": 1}, request_id=None), session)
    await answer.done()
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize("params", [{}, {"requestId": 2}, {"requestId": "1"}, {"requestId": True}, {"requestId": [1]}])
async def test_cancelling_what_is_not_there(params: JsonObject) -> None:
    """CAN-01: late, unknown and malformed ones are ignored."""
    scene = Scene()
    answer, session = await begin_legacy(scene, "a")
    told = await post(scene.app, legacy("notifications/cancelled", params, request_id=None), session)
    assert told.status == 202
    scene.go.set()
    await answer.done()
    assert scene.cancelled == []
    assert answer.text == "a"


async def test_another_session_cannot_cancel() -> None:
    scene = Scene()
    answer, _ = await begin_legacy(scene, "a")
    other = await open_session(scene.app)
    await post(scene.app, legacy("notifications/cancelled", {"requestId": 1}, request_id=None), other)
    scene.go.set()
    await answer.done()
    assert answer.text == "a"


async def test_a_modern_notification_cancels_nothing() -> None:
    """HTTP-10: in the modern era the connection is the way to say it."""
    scene = Scene()
    answer = start(scene.app, last("a"))
    await scene.until(scene.started, "a")
    meta: JsonObject = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    cancel = legacy("notifications/cancelled", {"requestId": 1, "_meta": meta}, request_id=None)
    assert (await post(scene.app, cancel)).status == 202
    scene.go.set()
    assert (await answer.done()).text == "a"


async def test_the_end_of_a_session_ends_its_calls() -> None:
    scene = Scene()
    answer, session = await begin_legacy(scene, "a")
    other = start(scene.app, last("b"))
    await scene.until(scene.started, "b")
    ended = await post(scene.app, b"", session, method="DELETE")
    assert (ended.status, ended.body) == (204, b"")
    await answer.done()
    assert scene.cancelled == ["a"]
    assert answer.events == []
    scene.go.set()
    assert (await other.done()).text == "b"


@pytest.mark.parametrize("how", ["raise", "task"])
async def test_a_tool_that_cancels_itself_is_an_error(how: str) -> None:
    """The client is told, and does not wait for ever."""
    scene = Scene()
    answer = await post(scene.app, call("cancel_myself", {"how": how}))
    assert (answer.status, answer.error_code, answer.json["id"]) == (200, -32603, 1)
    session = await open_session(scene.app)
    old = await post(scene.app, legacy("tools/call", {"name": "cancel_myself", "arguments": {"how": how}}), session)
    assert (old.status, old.error_code, old.json["id"]) == (200, -32603, 1)
    scene.go.set()
    assert (await post(scene.app, last("after"))).text == "after"


async def test_a_server_that_stops_tells_its_clients() -> None:
    """What uvicorn does to calls that outlast the drain."""
    scene = Scene()
    plain, streaming = start(scene.app, last("a")), start(scene.app, last("b"), {"accept": "text/event-stream"})
    await scene.until(scene.started, "a", "b")
    for answer in (plain, streaming):
        answer.task.cancel("shutting down")
        await answer.done()
    assert (plain.status, plain.error_code, plain.json["id"]) == (200, -32603, 1)
    assert [event["id"] for event in streaming.events] == [1]
    assert "error" in streaming.events[0]


async def test_a_message_in_flight_when_the_client_leaves() -> None:
    """A client may leave while its request is still arriving: nobody is told, nothing is kept."""
    scene = Scene()
    answer = start(scene.app, b"", {"content-length": "1000"}, chunks=[])
    answer.give(b'{"jsonrpc":', more=True)
    answer.disconnect()
    await answer.done()
    assert answer.status == 0
    scene.go.set()
    stream = await post(scene.app, last("after", 1))
    assert text_of(stream.events[-1]) == "after"
