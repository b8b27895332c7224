"""The ASGI application by itself and mounted: it starts itself, in both slash forms, below any prefix.

D03, D12, S06; the life of a lifespan.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from anyport import Context, Server
from anyport.errors import LocalProtocolError
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import (
    WAIT,
    AsgiCallable,
    Event,
    call,
    legacy,
    open_session,
    post,
    start,
)


class Life:
    """A lifespan that keeps count.

    Attributes:
        entries: What it did.
        failures: How many starts fail before one works.
    """

    def __init__(self, failures: int = 0) -> None:
        self.entries: list[str] = []
        self.failures = failures

    @asynccontextmanager
    async def __call__(self, server: object) -> AsyncGenerator[str]:
        """Open something."""
        self.entries.append("start")
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        yield f"state {self.entries.count('start')}"
        self.entries.append("end")


def make(life: Life | None = None, name: str = "mounted") -> Server:
    """Return a server whose tool tells what the lifespan yielded."""
    server = Server(name, lifespan=life)

    @server.tool
    async def state(ctx: Context) -> str:
        return f"{name}: {ctx.state}"

    return server


async def stop(app: AsgiApp) -> None:
    """End a lifespan that no server of HTTP ends."""
    async with app.lifespan():
        pass


class Lifespan:
    """The side of an HTTP server that tells of start-up and shutdown.

    Attributes:
        said: What the application answered.
    """

    def __init__(self, app: AsgiCallable) -> None:
        self.said: list[Event] = []
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._changed = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(app))

    async def _run(self, app: AsgiCallable) -> None:
        await app({"type": "lifespan", "state": {}}, self._events.get, self._take)

    async def _take(self, event: Event) -> None:
        self.said.append(event)
        self._changed.set()

    async def tell(self, what: str) -> Event:
        """Tell of an event and return the answer."""
        count = len(self.said)
        self._events.put_nowait({"type": f"lifespan.{what}"})
        async with asyncio.timeout(WAIT):
            while len(self.said) == count:
                self._changed.clear()
                await self._changed.wait()
        return self.said[-1]


STATE = call("state")


# --- alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_both_slash_forms(path: str) -> None:
    """D12: never a redirect."""
    assert (await post(make().asgi(), STATE, path=path)).text == "mounted: None"


@pytest.mark.parametrize(
    ("setting", "served", "missing"),
    [
        ("/v1", ["/v1", "/v1/"], ["/mcp", "/", "/v1/mcp"]),
        ("/v1/", ["/v1", "/v1/"], ["/mcp"]),
        ("/", ["/", ""], ["/mcp"]),
        ("/a/b", ["/a/b", "/a/b/"], ["/a", "/b"]),
    ],
)
async def test_any_path(setting: str, served: list[str], missing: list[str]) -> None:
    app = make().asgi(path=setting)
    for path in served:
        assert (await post(app, STATE, path=path)).status == 200, path
    for path in missing:
        assert (await post(app, STATE, path=path)).status == 404, path


@pytest.mark.parametrize("path", ["", "mcp", "http://localhost/mcp"])
def test_a_path_is_absolute(path: str) -> None:
    with pytest.raises(LocalProtocolError, match="slash"):
        make().asgi(path=path)


@pytest.mark.parametrize("root", ["/prefix", "/prefix/", "/a/b"])
async def test_behind_a_prefix(root: str) -> None:
    """D12: a proxy took the prefix off and told the server (root_path), which put it back into the path."""
    app = make().asgi()
    for path in ("/mcp", "/mcp/"):
        assert (await post(app, STATE, path=root.rstrip("/") + path, scope={"root_path": root})).status == 200
        assert (await post(app, STATE, path=path, scope={"root_path": root})).status == 200
    assert (await post(app, STATE, path="/elsewhere/mcp", scope={"root_path": root})).status == 404
    assert (await post(app, STATE, path=f"{root.rstrip('/')}x/mcp", scope={"root_path": root})).status == 404


async def test_a_websocket_is_refused_politely() -> None:
    said: list[Event] = []
    heard: list[str] = []

    async def receive() -> MutableMapping[str, object]:
        heard.append("connect")
        return {"type": "websocket.connect"}

    async def send(event: Event) -> None:
        said.append(event)

    await make().asgi()({"type": "websocket", "path": "/mcp", "headers": []}, receive, send)
    assert heard == ["connect"]
    assert [event["type"] for event in said] == ["websocket.close"]


# --- the lifespan -----------------------------------------------------------------------------------------------------


async def test_it_starts_with_the_first_request_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """D03: no wiring needed; a warning tells what is missing without it."""
    life = Life()
    app = make(life).asgi()
    with caplog.at_level(logging.WARNING):
        answers = [start(app, STATE) for _ in range(10)]
        for answer in answers:
            assert (await answer.done()).text == "mounted: state 1"
        assert (await post(app, STATE)).text == "mounted: state 1"
    assert life.entries == ["start"]
    assert len([record for record in caplog.records if "lifespan" in record.message]) == 1
    await stop(app)
    assert life.entries == ["start", "end"]


async def test_nothing_to_start_is_nothing_to_say(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert (await post(make().asgi(), STATE)).text == "mounted: None"
    assert caplog.records == []


async def test_a_server_that_tells_of_start_and_end(caplog: pytest.LogCaptureFixture) -> None:
    life = Life()
    app = make(life).asgi()
    lifespan = Lifespan(app)
    with caplog.at_level(logging.WARNING):
        assert (await lifespan.tell("startup"))["type"] == "lifespan.startup.complete"
        assert life.entries == ["start"]
        assert (await post(app, STATE)).text == "mounted: state 1"
        assert (await lifespan.tell("shutdown"))["type"] == "lifespan.shutdown.complete"
        await lifespan.task
    assert life.entries == ["start", "end"]
    assert caplog.records == []
    assert (await post(app, STATE)).status == 503


async def test_it_can_be_started_again() -> None:
    """D03: no "run() once"."""
    life = Life()
    app = make(life).asgi()
    for count in (1, 2, 3):
        async with app.lifespan():
            assert (await post(app, STATE)).text == f"mounted: state {count}"
    assert life.entries == ["start", "end"] * 3


async def test_a_start_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a 500 in the protocol's form, the server of HTTP the traceback."""
    life = Life(failures=2)
    app = make(life).asgi()
    for _ in range(2):
        answer = start(app, STATE)
        with pytest.raises(ConnectionError, match="database"):
            await answer.done()
        assert (answer.status, answer.error_code) == (500, -32603)
        assert "database" not in answer.error_text
    assert (await post(app, STATE)).text == "mounted: state 3"
    await stop(app)


async def test_a_start_that_fails_for_many_fails_for_each() -> None:
    life = Life(failures=1)
    app = make(life).asgi()
    answers = [start(app, STATE) for _ in range(5)]
    for answer in answers:
        with pytest.raises(ConnectionError, match="database"):
            await answer.done()
        assert answer.status == 500
    assert life.entries == ["start"]
    assert (await post(app, STATE)).text == "mounted: state 2"
    await stop(app)


async def test_a_start_that_fails_before_serving(caplog: pytest.LogCaptureFixture) -> None:
    life = Life(failures=1)
    lifespan = Lifespan(make(life).asgi())
    said = await lifespan.tell("startup")
    assert said == {"type": "lifespan.startup.failed", "message": "ConnectionError: the database is away"}
    with pytest.raises(ConnectionError):
        await lifespan.task
    assert "the database is away" in caplog.text


async def test_an_end_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def fail(server: object) -> AsyncGenerator[None]:
        yield
        raise ConnectionError("half closed")

    lifespan = Lifespan(Server("ends", lifespan=fail).asgi())
    await lifespan.tell("startup")
    assert (await lifespan.tell("shutdown"))["type"] == "lifespan.shutdown.failed"
    with pytest.raises(ConnectionError):
        await lifespan.task
    assert "half closed" in caplog.text


def test_one_application_on_one_loop_after_the_other() -> None:
    """A test client brings a new loop for each request; the lifespan of the last one is gone with its loop."""
    life = Life()
    app = make(life).asgi()
    for count in (1, 2):
        text = asyncio.run(_once(app))
        assert text == f"mounted: state {count}"


async def _once(app: AsgiApp) -> str:
    return (await post(app, STATE)).text


# --- mounted ----------------------------------------------------------------------------------------------------------


def in_starlette_at_root(app: AsgiApp) -> AsgiCallable:
    return Starlette(routes=[Route("/health", health), Mount("/", app=app)])


def in_starlette_below(app: AsgiApp) -> AsgiCallable:
    return Starlette(routes=[Route("/health", health), Mount("/api", app=app)])


def in_starlette_at_its_own_path(app: AsgiApp) -> AsgiCallable:
    return Starlette(routes=[Route("/health", health), Mount("/mcp", app=app)])


def in_starlette_as_a_route(app: AsgiApp) -> AsgiCallable:
    return Starlette(routes=[Route("/health", health), Route("/mcp", endpoint=app)])


def in_fastapi(app: AsgiApp) -> AsgiCallable:
    outer = FastAPI()
    outer.add_api_route("/health", lambda: "ok")
    outer.mount("/", app)
    return outer


def in_fastapi_below(app: AsgiApp) -> AsgiCallable:
    outer = FastAPI()
    outer.add_api_route("/health", lambda: "ok")
    outer.mount("/api", app)
    return outer


def two_levels_down(app: AsgiApp) -> AsgiCallable:
    return Starlette(routes=[Route("/health", health), Mount("/a", app=Starlette(routes=[Mount("/b", app=app)]))])


def behind_middleware(app: AsgiApp) -> AsgiCallable:
    return Starlette(routes=[Route("/health", health), Mount("/", app=app)], middleware=[Middleware(GZipMiddleware)])


async def health(request: object) -> PlainTextResponse:
    """Answer for the outer application."""
    return PlainTextResponse("ok")


MOUNTS: list[tuple[Callable[[AsgiApp], AsgiCallable], list[str]]] = [
    (in_starlette_at_root, ["/mcp", "/mcp/"]),
    (in_starlette_below, ["/api/mcp", "/api/mcp/", "/api/"]),
    (in_starlette_at_its_own_path, ["/mcp/"]),
    (in_starlette_as_a_route, ["/mcp"]),
    (in_fastapi, ["/mcp", "/mcp/"]),
    (in_fastapi_below, ["/api/mcp", "/api/mcp/"]),
    (two_levels_down, ["/a/b/mcp", "/a/b/mcp/"]),
    (behind_middleware, ["/mcp", "/mcp/"]),
]


@pytest.mark.parametrize(("mount", "paths"), MOUNTS, ids=lambda value: getattr(value, "__name__", ""))
async def test_mounted(mount: Callable[[AsgiApp], AsgiCallable], paths: list[str]) -> None:
    """D03: no wiring, both slash forms wherever the outer application hands them on, the rest of it untouched."""
    life = Life()
    app = make(life).asgi()
    outer = mount(app)
    for path in paths:
        assert (await post(outer, STATE, path=path)).text == "mounted: state 1", path
    session = await open_session(lambda scope, receive, send: outer({**scope, "path": paths[0]}, receive, send))
    answer = await post(outer, legacy("tools/call", {"name": "state"}), session, path=paths[0])
    assert answer.text == "mounted: state 1"
    assert (await post(outer, b"", method="GET", path="/health")).body in (b"ok", b'"ok"')
    assert life.entries == ["start"]
    await stop(app)


@pytest.mark.parametrize("framework", [Starlette, FastAPI])
async def test_lifespan_wiring(framework: type[Starlette], caplog: pytest.LogCaptureFixture) -> None:
    """``lifespan=app.lifespan``: the server starts and ends with the outer application, and warns of nothing."""
    life = Life()
    app = make(life).asgi()
    outer = framework(lifespan=app.lifespan)
    outer.mount("/", app)
    with caplog.at_level(logging.WARNING):
        lifespan = Lifespan(outer)
        assert (await lifespan.tell("startup"))["type"] == "lifespan.startup.complete"
        assert life.entries == ["start"]
        assert (await post(outer, STATE)).text == "mounted: state 1"
        assert (await lifespan.tell("shutdown"))["type"] == "lifespan.shutdown.complete"
        await lifespan.task
    assert life.entries == ["start", "end"]
    assert caplog.records == []


async def test_two_servers_in_one_application() -> None:
    first, second = Life(), Life()
    apps = make(first, "one").asgi(), make(second, "two").asgi()
    outer = Starlette(routes=[Mount("/one", app=apps[0]), Mount("/two", app=apps[1])])
    assert (await post(outer, STATE, path="/one/mcp")).text == "one: state 1"
    assert second.entries == []
    assert (await post(outer, STATE, path="/two/mcp")).text == "two: state 1"
    session = await open_session(lambda scope, receive, send: outer({**scope, "path": "/one/mcp"}, receive, send))
    assert (await post(outer, legacy("ping"), session, path="/two/mcp")).status == 404
    for app in apps:
        await stop(app)


async def test_one_server_mounted_twice() -> None:
    """Two endpoints, one lifespan."""
    life = Life()
    server = make(life)
    apps = server.asgi(), server.asgi(path="/v2")
    outer = Starlette(routes=[Mount("/a", app=apps[0]), Mount("/b", app=apps[1])])
    assert (await post(outer, STATE, path="/a/mcp")).text == "mounted: state 1"
    assert (await post(outer, STATE, path="/b/v2")).text == "mounted: state 1"
    assert life.entries == ["start"]
    await stop(apps[0])


async def test_a_stream_goes_through_the_outer_application() -> None:
    server = make()

    @server.tool
    async def step(ctx: Context) -> str:
        await ctx.report_progress(1)
        return "done"

    outer = in_starlette_below(server.asgi())
    answer = await post(outer, call("step", _meta={"progressToken": 1}), path="/api/mcp")
    assert answer.headers["content-type"] == "text/event-stream"
    assert [event.get("method") for event in answer.events] == ["notifications/progress", None]
