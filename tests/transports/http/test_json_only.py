"""The mode without streams, for serverless and simple wrappers (S08)."""

from __future__ import annotations

import asyncio

import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.serving.asgi import AsgiApp
from anyport.serving.plan import make_plan
from anyport.serving.settings import SettingError, Settings, read_settings
from tests.drivers.asgi import call, legacy, open_session, post, start
from tests.drivers.streams import get


def make_app(go: asyncio.Event | None = None) -> AsgiApp:
    """Return an application whose tools talk before they answer."""
    server = Server("plain", limits=Limits(first_byte_s=0.01))

    @server.tool
    async def talk(ctx: Context) -> str:
        await ctx.report_progress(1)
        await ctx.close_stream()
        if go is not None:
            await go.wait()
        return "done"

    return server.asgi(json_only=True)


async def test_every_answer_is_one_json_body() -> None:
    """S08: nothing before the result, however long it takes, in both eras."""
    go = asyncio.Event()
    app = make_app(go)
    async with app.lifespan():
        session = await open_session(app)
        tool: JsonObject = {"name": "talk", "_meta": {"progressToken": 1}}
        calls = [
            start(app, legacy("tools/call", tool), session),
            start(app, call("talk", _meta={"progressToken": 1})),
        ]
        await asyncio.sleep(0)
        go.set()
        for each in calls:
            await each.done()
            assert (each.status, each.headers["content-type"], each.text) == (200, "application/json", "done")


async def test_there_are_no_streams() -> None:
    app = make_app()
    async with app.lifespan():
        session = await open_session(app)
        refused = await get(app, session).done()
        assert (refused.status, refused.headers["allow"]) == (405, "POST, DELETE")
        stream_only = await post(app, legacy("ping"), {**session, "accept": "text/event-stream"})
        assert (stream_only.status, stream_only.error_code) == (406, -32600)
        assert "json_only" in stream_only.error_text
        assert (await post(app, b"", session, method="DELETE")).status == 204


@pytest.mark.parametrize(("text", "given"), [("1", True), ("TRUE", True), ("0", False), ("false", False), ("", None)])
def test_the_setting(text: str, given: bool | None) -> None:
    assert read_settings({"ANYPORT_JSON_ONLY": text}).json_only is given


def test_the_setting_stands_below_the_code() -> None:
    assert make_plan(["http"], {}, Settings(json_only=True)).options == {"json_only": True}
    assert make_plan(["http"], {"json_only": False}, Settings(json_only=True)).options == {"json_only": False}
    with pytest.raises(SettingError, match="ANYPORT_JSON_ONLY: it is 1 or true or 0 or false, not 'yes'"):
        read_settings({"ANYPORT_JSON_ONLY": "yes"})
