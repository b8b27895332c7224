"""JSON until the handler speaks, an event stream from then on.

HTTP-07, HTTP-08, HTTP-09, HTTP-11, LEG-05, LEG-07, LOG-01, PRG-01, D12, D16, D24.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import cast

import pytest

from anyport import Context, Server
from anyport.protocol.calls import META_LOG_LEVEL
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import (
    AsgiCallable,
    Event,
    Exchange,
    Receive,
    Send,
    call,
    legacy,
    modern,
    open_session,
    post,
    start,
    text_of,
)

JSON_ONLY = {"accept": "application/json"}
STREAM_ONLY = {"accept": "text/event-stream"}
PROGRESS: JsonObject = {"progressToken": "t"}
SOON = Limits(first_byte_s=0.02)
"""A silence that is broken at once: what is waited for is the sign of life, not the time."""


class Stage:
    """A server whose tools wait for the test.

    Attributes:
        app: The application.
        inside: Set once a tool runs.
        go: What a tool waits for.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        server = Server("stage", limits=limits or Limits())
        self.inside = asyncio.Event()
        self.go = asyncio.Event()
        self.strays: list[asyncio.Task[None]] = []

        @server.tool
        async def wait() -> str:
            self.inside.set()
            await self.go.wait()
            return "done"

        @server.tool
        async def steps(count: int, ctx: Context) -> str:
            for number in range(count):
                await ctx.report_progress(number, count)
            self.inside.set()
            await self.go.wait()
            return "done"

        register_talkers(server)

        @server.tool
        async def leave_a_stray(ctx: Context) -> str:
            self.strays.append(asyncio.create_task(tell(ctx, 5, self.go)))
            return "done"

        self.app: AsgiApp = server.asgi()


def register_talkers(server: Server) -> None:
    """Add the tools that wait for nothing."""

    @server.tool
    async def talk(ctx: Context) -> str:
        await ctx.debug("a detail")
        await ctx.info("some news")
        await ctx.warning({"deep": [1, "é\n"]})
        return "done"

    @server.tool
    async def fail_late(ctx: Context) -> str:
        await ctx.report_progress(1)
        raise ValueError("too late for a status")

    @server.tool
    async def many_at_once(ctx: Context) -> str:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(tell(ctx, number))
        return "done"

    @server.tool
    def in_a_thread(ctx: Context) -> str:
        for number in range(3):
            ctx.report_progress(number)
        return "done"


async def tell(ctx: Context, number: int, after: asyncio.Event | None = None) -> None:
    """Report progress, once something has happened."""
    if after is not None:
        await after.wait()
    await ctx.report_progress(number)


def is_stream(answer: Exchange) -> bool:
    """Tell whether an answer has every header of a stream."""
    return answer.status == 200 and answer.headers == {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
    }


def methods_of(answer: Exchange) -> list[object]:
    """Return the methods of the messages of a stream; ``None`` for an answer."""
    return [event.get("method") for event in answer.events]


async def test_progress_turns_the_answer_into_a_stream() -> None:
    stage = Stage()
    answer = start(stage.app, call("steps", {"count": 3}, _meta=PROGRESS))
    await answer.until(lambda: len(answer.events) == 3)
    assert is_stream(answer)
    assert not answer.complete
    stage.go.set()
    await answer.done()
    assert methods_of(answer) == ["notifications/progress"] * 3 + [None]
    params = [cast("JsonObject", event["params"]) for event in answer.events[:3]]
    assert [(each["progress"], each["total"], each["progressToken"]) for each in params] == [
        (0, 3, "t"),
        (1, 3, "t"),
        (2, 3, "t"),
    ]
    assert answer.events[-1]["id"] == 1
    assert answer.complete


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_one_endpoint_answers_as_the_call_needs(era: str) -> None:
    """S07, S32: the same path and header fields; a quick call is JSON, progress is a stream."""
    stage = Stage()
    stage.go.set()
    fields = await open_session(stage.app) if era == "legacy" else None
    make = legacy if era == "legacy" else modern
    quick = await post(stage.app, make("tools/list"), fields)
    assert (quick.status, quick.headers["content-type"]) == (200, "application/json")
    assert "tools" in cast("JsonObject", quick.json["result"])
    talks: JsonObject = {"name": "steps", "arguments": {"count": 3}, "_meta": PROGRESS}
    answer = await post(stage.app, make("tools/call", talks, request_id=2), fields)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert methods_of(answer) == ["notifications/progress"] * 3 + [None]
    assert answer.events[-1]["id"] == 2
    again = await post(stage.app, make("tools/call", {**talks, "_meta": {}}, request_id=3), fields)
    assert (again.headers["content-type"], again.json["id"]) == ("application/json", 3)


async def test_progress_that_nobody_asked_for_leaves_it_json() -> None:
    stage = Stage()
    stage.go.set()
    answer = await post(stage.app, call("steps", {"count": 3}))
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == "done"


async def test_log_messages_ride_the_stream_of_their_call() -> None:
    """LOG-01: the level that the request asks for, and no message without."""
    stage = Stage()
    answer = await post(stage.app, call("talk", _meta={META_LOG_LEVEL: "info"}))
    assert is_stream(answer)
    levels = [cast("JsonObject", event["params"])["level"] for event in answer.events[:-1]]
    assert levels == ["info", "warning"]
    assert cast("JsonObject", answer.events[1]["params"])["data"] == {"deep": [1, "é\n"]}
    assert (await post(stage.app, call("talk"))).headers["content-type"] == "application/json"


async def test_each_call_has_its_own_stream() -> None:
    """LEG-07: nothing is broadcast."""
    stage = Stage()
    stage.go.set()
    session = await open_session(stage.app)
    calls = [
        start(
            stage.app,
            legacy(
                "tools/call", {"name": "steps", "arguments": {"count": 2}, "_meta": {"progressToken": n}}, request_id=n
            ),
            session,
        )
        for n in range(10)
    ]
    for number, answer in enumerate(calls):
        await answer.done()
        assert [cast("JsonObject", event["params"])["progressToken"] for event in answer.events[:-1]] == [number] * 2
        assert answer.events[-1]["id"] == number


async def test_an_error_after_the_first_event_travels_in_the_stream() -> None:
    answer = await post(Stage().app, call("fail_late", _meta=PROGRESS))
    assert is_stream(answer)
    assert cast("JsonObject", answer.events[-1]["result"])["isError"] is True


async def test_progress_from_many_tasks_stays_whole() -> None:
    answer = await post(Stage().app, call("many_at_once", _meta=PROGRESS))
    assert methods_of(answer)[-1] is None
    assert text_of(answer.events[-1]) == "done"


async def test_progress_from_a_thread() -> None:
    answer = await post(Stage().app, call("in_a_thread", _meta=PROGRESS))
    assert methods_of(answer) == ["notifications/progress"] * 3 + [None]


async def test_what_comes_after_the_answer_is_dropped() -> None:
    """A task that the tool left behind cannot write into a finished exchange."""
    stage = Stage()
    answer = await post(stage.app, call("leave_a_stray", _meta=PROGRESS))
    assert answer.headers["content-type"] == "application/json"
    stage.go.set()
    await asyncio.gather(*stage.strays)
    assert answer.text == "done"


@pytest.mark.parametrize("tool", ["wait", "steps"])
async def test_silence_is_broken_by_a_comment(tool: str) -> None:
    """HTTP-09: a sign of life for proxies, which clients ignore."""
    stage = Stage(SOON)
    arguments: JsonObject = {"count": 0} if tool == "steps" else {}
    answer = start(stage.app, call(tool, arguments, _meta=PROGRESS))
    await answer.until(lambda: answer.body.count(b":") >= 2)
    assert is_stream(answer)
    assert answer.events == []
    assert all(line.startswith(b":") for line in answer.body.splitlines() if line)
    stage.go.set()
    await answer.done()
    assert [text_of(event) for event in answer.events] == ["done"]


async def test_a_quick_call_starts_no_task() -> None:
    """D19: neither a watcher nor a timer of its own."""
    stage = Stage()
    seen: list[set[asyncio.Task[object]]] = []
    server = Server("quick")

    @server.tool
    async def look() -> str:
        await asyncio.sleep(0)
        seen.append(set(asyncio.all_tasks()))
        return "done"

    before = asyncio.all_tasks()
    answer = await post(server.asgi(), call("look"))
    assert answer.text == "done"
    assert seen == [before | {answer.task}]
    assert stage.strays == []


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/json, text/event-stream",
        "application/*;q=0.5, text/*",
        "text/event-stream, application/json;q=0.1",
    ],
)
async def test_accept_that_allows_both(accept: str | None) -> None:
    stage = Stage()
    stage.go.set()
    assert (await post(stage.app, call("wait"), {"accept": accept})).headers["content-type"] == "application/json"
    assert is_stream(await post(stage.app, call("steps", {"count": 1}, _meta=PROGRESS), {"accept": accept}))


@pytest.mark.parametrize(
    "accept",
    ["application/json", "application/*", "application/json, text/event-stream;q=0", "image/png, Application/JSON"],
)
async def test_accept_that_allows_json_alone(accept: str) -> None:
    """Notifications have no way then, and are dropped."""
    stage = Stage()
    stage.go.set()
    answer = await post(stage.app, call("steps", {"count": 3}, _meta=PROGRESS), {"accept": accept})
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == "done"


async def test_json_alone_waits_in_silence() -> None:
    stage = Stage(SOON)
    quick = start(stage.app, call("wait", request_id=1), JSON_ONLY)
    other = start(stage.app, call("wait", request_id=2))
    await other.until(lambda: other.body.count(b":") >= 3)
    assert quick.status == 0
    stage.go.set()
    assert (await quick.done()).text == "done"
    await other.done()


@pytest.mark.parametrize("accept", ["text/event-stream", "text/*", "application/json;q=0, */*;q=0.1"])
async def test_accept_that_allows_a_stream_alone(accept: str) -> None:
    stage = Stage()
    stage.go.set()
    answer = await post(stage.app, call("wait"), {"accept": accept})
    assert is_stream(answer)
    assert [text_of(event) for event in answer.events] == ["done"]


async def test_a_refusal_keeps_its_status_where_only_a_stream_is_wanted() -> None:
    """HTTP-11 has no exception for Accept; errors are JSON."""
    stage = Stage()
    answer = await post(stage.app, {**call("wait"), "method": "no/such"}, STREAM_ONLY | {"mcp-method": "no/such"})
    assert (answer.status, answer.error_code) == (404, -32601)


@pytest.mark.parametrize("accept", ["", "text/html", "application/xml, image/*", "*/*;q=0", "application/json;q=0.000"])
async def test_accept_that_allows_neither(accept: str) -> None:
    answer = await post(Stage().app, call("wait"), {"accept": accept})
    assert (answer.status, answer.error_code, answer.json.get("id")) == (406, -32600, None)


def slow_pipe(app: AsgiApp, gate: asyncio.Event) -> AsgiCallable:
    """Stand between the application and the driver, and take nothing until the test lets it."""

    async def serve(scope: MutableMapping[str, object], receive: Receive, send: Send) -> None:
        async def give(event: Event) -> None:
            if event["type"] == "http.response.body" and event.get("body"):
                await gate.wait()
            await send(event)

        await app(scope, receive, give)

    return serve


async def test_a_reader_who_never_reads_is_given_up() -> None:
    """Limit write_s: a modern call ends with its reader."""
    stage = Stage(Limits(write_s=0.05))
    answer = start(slow_pipe(stage.app, asyncio.Event()), call("steps", {"count": 3}, _meta=PROGRESS))
    await answer.done()
    assert not stage.go.is_set()
    assert not answer.complete


async def test_a_slow_reader_gets_everything_in_order() -> None:
    stage = Stage(Limits(first_byte_s=0.01))
    gate = asyncio.Event()
    answer = start(slow_pipe(stage.app, gate), call("many_at_once", _meta=PROGRESS))
    await answer.until(lambda: answer.status == 200)
    gate.set()
    await answer.done()
    assert text_of(answer.events[-1]) == "done"
    assert answer.complete
