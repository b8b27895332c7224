"""Servers for `fastmcp` and `mcp` inside other applications, wired as those libraries want it (S24, D03)."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from anyport.compat.fastmcp import CompatWarning, FastMCP, NotHonoured
from anyport.compat.mcp.server.fastmcp import FastMCP as Mcp1
from anyport.protocol.types.json import JsonValue
from tests.drivers.asgi import AsgiCallable, call, post
from tests.serving.lives import Lifespan


def len_of(text: str) -> int:
    """How long a text is."""
    return len(text)


async def used(app: AsgiCallable, path: str) -> JsonValue:
    """Start an application, call the tool in it, and end it."""
    lifespan = Lifespan(app)
    assert (await lifespan.tell("startup"))["type"] == "lifespan.startup.complete"
    answer = await post(app, call("len_of", {"text": "abc"}), path=path)
    assert (await lifespan.tell("shutdown"))["type"] == "lifespan.shutdown.complete"
    return answer.text


async def test_by_its_lifespan() -> None:
    """`Starlette(routes=[Mount("/x", mcp_app)], lifespan=mcp_app.lifespan)`."""
    inner = FastMCP("s", tools=[len_of]).http_app(path="/mcp")
    assert await used(Starlette(routes=[Mount("/x", inner)], lifespan=inner.lifespan), "/x/mcp") == "3"


async def test_by_its_session_manager() -> None:
    """`async with mcp.session_manager.run()`, as `mcp` has it."""
    server = Mcp1("s", json_response=True)
    server.tool()(len_of)
    with pytest.raises(NotHonoured, match=r"session_manager: call streamable_http_app\(\) first"):
        _ = server.session_manager
    inner = server.streamable_http_app()
    app = Starlette(routes=[Mount("/", inner)], lifespan=lambda _: server.session_manager.run())
    assert await used(app, "/mcp") == "3"


def test_of_the_older_transport() -> None:
    app = Mcp1("s", sse_path="/events").sse_app(mount_path="/under")
    assert app.paths == ["/events"]
    assert app.sse is not None
    app = FastMCP("s").http_app(path="/x", transport="sse")
    assert app.paths == ["/x"]


def test_sessions_are_not_switched_off() -> None:
    with pytest.warns(CompatWarning, match="stateless_http makes no difference"):
        FastMCP("s").http_app(None, transport="http", stateless_http=True)
    with pytest.warns(CompatWarning, match="stateless_http makes no difference"):
        Mcp1("s", stateless_http=True).streamable_http_app()
