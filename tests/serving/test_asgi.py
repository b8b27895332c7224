"""The ASGI application by itself and mounted: it starts itself, in both slash forms, below any prefix.

D03, D12, S06; the life of a lifespan.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager

import pytest

from anyport import Server
from anyport.errors import LocalProtocolError
from anyport.serving.asgi import AsgiApp
from tests.drivers.asgi import (
    WAIT,
    Event,
    post,
    start,
)
from tests.serving.lives import STATE, Life, Lifespan, make, stop

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
    assert (await post(app, STATE)).text == "mounted: state 2"
    await stop(app)


async def test_requests_that_come_while_it_ends() -> None:
    """D10: they are told to come back, and start nothing."""
    ending, go = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow(server: object) -> AsyncGenerator[None]:
        yield
        ending.set()
        await go.wait()

    app = Server("ends", lifespan=slow).asgi()
    lifespan = Lifespan(app)
    await lifespan.tell("startup")
    told = asyncio.ensure_future(lifespan.tell("shutdown"))
    async with asyncio.timeout(WAIT):
        await ending.wait()
    answer = await post(app, STATE)
    assert (answer.status, answer.error_code, answer.json["id"]) == (503, 503, 1)
    assert answer.headers["retry-after"] == "5"
    go.set()
    assert (await told)["type"] == "lifespan.shutdown.complete"
    await lifespan.task


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


async def test_a_server_in_a_hurry() -> None:
    """It cancels what waits for the shutdown: no reason for a traceback."""
    app = make(Life()).asgi()
    lifespan = Lifespan(app)
    await lifespan.tell("startup")
    lifespan.task.cancel()
    await lifespan.task
    await stop(app)


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
