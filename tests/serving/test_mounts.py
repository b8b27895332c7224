"""Mounted in other applications, in-process and under a real uvicorn, with and without lifespan wiring (D03, D12)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Callable

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from anyport import Context
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import WAIT, AsgiCallable, call, legacy, open_session, post
from tests.drivers.edge import QuietServer
from tests.drivers.http_server import HttpPeer
from tests.serving.lives import STATE, Life, Lifespan, make, stop


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


# --- under a real server ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def served(app: AsgiCallable, root_path: str = "") -> AsyncGenerator[int]:
    """Serve an application; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_config=None, root_path=root_path)
        server = QuietServer(config)
        task = asyncio.create_task(server.serve([listening]))
        async with asyncio.timeout(WAIT):
            await server.up.wait()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task


def ask(port: int, path: str) -> tuple[int, str]:
    """Call the tool at a path; return status and body."""
    with HttpPeer(port) as peer:
        answer = peer.post(STATE, path=path)
        return answer.status, answer.body.decode()


@pytest.mark.parametrize(("mount", "paths"), MOUNTS, ids=lambda value: getattr(value, "__name__", ""))
async def test_mounted_under_uvicorn(mount: Callable[[AsgiApp], AsgiCallable], paths: list[str]) -> None:
    life = Life()
    app = make(life).asgi()
    async with served(mount(app)) as port:
        for path in paths:
            status, body = await asyncio.to_thread(ask, port, path)
            assert (status, "mounted: state 1" in body) == (200, True), path
    await stop(app)


@pytest.mark.parametrize("root_path", ["", "/prefix"])
async def test_a_prefix_under_uvicorn(root_path: str) -> None:
    """``--root-path``: what the proxy took off, uvicorn puts in front of the path."""
    life = Life()
    async with served(make(life).asgi(), root_path) as port:
        for path in ("/mcp", "/mcp/"):
            assert (await asyncio.to_thread(ask, port, path))[0] == 200
        assert (await asyncio.to_thread(ask, port, "/other"))[0] == 404
    assert life.entries == ["start", "end"]
