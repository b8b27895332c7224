"""Resources: declared, listed, read, not found (RSC-01, RSC-02, TOOL-01, CCH-01)."""

from __future__ import annotations

import logging
from enum import Enum

import pytest

from anyport import Context, McpError, Server, ToolError
from anyport.errors import LocalProtocolError
from anyport.protocol.revisions import LATEST_LEGACY, REVISIONS, Revision
from anyport.protocol.types import Annotations, Icon
from anyport.protocol.types.json import JsonObject
from anyport.protocol.uri_templates import MAX_URI
from anyport.server.functions import ErrorDetail
from tests.server.calling import Heard, call_tool, text_of
from tests.server.judging import EVERY, items, judged, read_one, refusal

ICONS = [Icon(src="https://example.com/i.png", mime_type="image/png", sizes=["48x48"], theme="dark")]
HINTS = Annotations(audience=["user"], priority=0.5, last_modified="2026-01-12T15:00:58Z")


class Color(Enum):
    """What a shop paints."""

    RED = "red"
    BLUE = "blue"


async def _echo(rest: str) -> str:
    return rest


def _shop() -> Server:
    server = Server("shop")

    @server.resource("shop://all", title="All", size=7, annotations=HINTS, icons=ICONS, meta={"example.com/a": 1})
    async def everything() -> str:
        """All that there is."""
        return "pen,ink"

    @server.resource("shop://items/{id}{?color}", title="Item", annotations=HINTS, icons=ICONS, meta={"a": 1})
    def item(id: int, color: Color = Color.RED) -> dict[str, object]:  # noqa: A002 - the name of the variable
        """One item."""
        return {"id": id, "color": color}

    return server


# --- lists ------------------------------------------------------------------------------------------------------------


@EVERY
async def test_lists_say_what_the_revision_knows(revision: Revision) -> None:
    """Icons are passed on as they are; older revisions get the fields that they have."""
    (resource,) = await items(_shop(), "resources/list", revision)
    (template,) = await items(_shop(), "resources/templates/list", revision)
    named = {"name", "description", "mimeType", "annotations"}
    named |= set() if revision.lacks("2025-06-18") else {"title", "_meta"}
    named |= set() if revision.lacks("2025-11-25") else {"icons"}
    assert set(resource) == named | {"uri", "size"}
    assert set(template) == named | {"uriTemplate"}
    hints: JsonObject = {"audience": ["user"], "priority": 0.5}
    dated: JsonObject = hints if revision.lacks("2025-06-18") else {**hints, "lastModified": "2026-01-12T15:00:58Z"}
    assert resource["annotations"] == template["annotations"] == dated
    assert (resource["uri"], resource["name"], resource["size"]) == ("shop://all", "everything", 7)
    assert (template["uriTemplate"], template["mimeType"]) == ("shop://items/{id}{?color}", "application/json")


async def test_order_additions_and_removals() -> None:
    """TOOL-01 for resources: the order is that of registration; what goes and comes is at its end."""
    server = _shop()
    for name in ("b", "a"):
        server.resource(f"shop://{name}", name=name)(lambda: "")
    assert [entry["name"] for entry in await items(server, "resources/list")] == ["everything", "b", "a"]
    server.resources.remove("shop://all")
    server.resources.remove("shop://items/{id}{?color}")
    server.resource("shop://all", name="again")(lambda: "")
    assert [entry["name"] for entry in await items(server, "resources/list")] == ["b", "a", "again"]
    assert await items(server, "resources/templates/list") == []
    with pytest.raises(LocalProtocolError, match="shop://nothing"):
        server.resources.remove("shop://nothing")
    assert (await refusal(server, "resources/read", {"uri": "shop://items/1"})).code == -32602


@EVERY
async def test_a_server_without_resources_has_none_of_the_methods(revision: Revision) -> None:
    """RPC-17: no capability, no method; with a template alone both lists are there."""
    server = Server("test")
    for method in ("resources/list", "resources/templates/list", "resources/read"):
        assert (await refusal(server, method, {"uri": "a:b"}, revision)).code == -32601
    server.resource("f://{rest}")(_echo)
    assert await items(server, "resources/list", revision) == []
    assert len(await items(server, "resources/templates/list", revision)) == 1


async def test_capabilities_follow_the_registry() -> None:
    """RSC, S30: declared once there is a resource, and discovery is made anew."""
    server = Server("test")
    assert (await judged(server, "server/discover"))["capabilities"] == {}

    @server.resource("a:b")
    async def one(ctx: Context) -> str:
        await ctx.info("read")
        return ""

    offered = {"subscribe": True, "listChanged": True}
    assert (await judged(server, "server/discover"))["capabilities"] == {"resources": offered, "logging": {}}
    server.resources.remove("a:b")
    assert (await judged(server, "server/discover"))["capabilities"] == {"resources": offered}
    assert await items(server, "resources/list") == []


# --- templates --------------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("shop://items/7", '{"id":7,"color":"red"}'),
        ("shop://items/7?color=blue", '{"id":7,"color":"blue"}'),
        ("shop://items/%37", '{"id":7,"color":"red"}'),
    ],
)
async def test_variables_are_parameters(uri: str, text: str, revision: Revision) -> None:
    """The text of a variable is converted as the annotation says; the contents carry the URI that was read."""
    content = await read_one(_shop(), uri, revision)
    assert (content["uri"], content["text"]) == (uri, text)


@EVERY
@pytest.mark.parametrize(
    "uri",
    [
        "shop://items/x",
        "shop://items/7?color=green",
        "shop://items/7?size=1",
        "shop://items/",
        "shop://items/7/8",
        "shop://items/..%2f7",
        "SHOP://ALL",
        "shop://nothing",
        "test://nonexistent",
    ],
)
async def test_not_found(uri: str, revision: Revision) -> None:
    """RSC-01, RPC-11: -32602 in the modern era and -32002 before, with the URI; never empty contents."""
    error = await refusal(_shop(), "resources/read", {"uri": uri}, revision)
    assert (error.code, error.data) == (-32602 if revision.modern else -32002, {"uri": uri})
    assert error.message.startswith(f"Resource not found: {uri}")


async def test_a_refused_variable_says_why() -> None:
    error = await refusal(_shop(), "resources/read", {"uri": "shop://items/x?color=green"})
    assert "id: Input should be a valid integer" in error.message
    assert "color: Input should be 'red' or 'blue'" in error.message


@EVERY
async def test_a_function_may_find_nothing(revision: Revision) -> None:
    """RSC-01: a function that returns nothing says that there is no such resource."""
    server = Server("test")

    @server.resource("t://{name}")
    async def find(name: str) -> str | None:
        return {"1": "one"}.get(name)

    assert (await read_one(server, "t://1", revision))["text"] == "one"
    error = await refusal(server, "resources/read", {"uri": "t://2"}, revision)
    assert (error.code, error.data) == (revision.not_found_code, {"uri": "t://2"})


async def test_which_of_several_answers() -> None:
    """A static one before templates; these in their order, where the variables convert."""
    server = Server("test")

    @server.resource("t://{number}")
    def first(number: int) -> str:
        return f"number {number}"

    @server.resource("t://{word}")
    def second(word: str) -> str:
        return f"word {word}"

    @server.resource("t://{+rest}")
    def third(rest: str) -> str:
        return f"rest {rest}"

    server.resource("t://5", name="five")(lambda: "five")
    for uri, text in (("t://4", "number 4"), ("t://5", "five"), ("t://x", "word x"), ("t://x/y", "rest x/y")):
        assert (await read_one(server, uri))["text"] == text


async def test_lists_and_mappings_of_variables() -> None:
    server = Server("test")

    @server.resource("t://l{/parts*}")
    def parts(parts: list[str]) -> list[str]:
        return parts

    @server.resource("t://q{?filters*}")
    def query(filters: dict[str, int] | None = None) -> object:
        return {"filters": filters}

    @server.resource("t://n{?ids*}")
    def numbers(ids: list[int]) -> list[int]:
        return ids

    @server.resource("t://a{?any*}")
    def anything(any: object = ()) -> object:  # noqa: A002 - the name of the variable
        return any

    for uri, text in (
        ("t://l/a/b", '["a","b"]'),
        ("t://l/a%2Cb", '["a,b"]'),
        ("t://q?x=1&y=2", '{"filters":{"x":1,"y":2}}'),
        ("t://q", '{"filters":null}'),
        ("t://n?ids=1&ids=2", "[1,2]"),
        ("t://a?any=1", '["1"]'),
        ("t://a", "[]"),
    ):
        assert (await read_one(server, uri))["text"] == text, uri
    assert (await refusal(server, "resources/read", {"uri": "t://n?ids=x"})).code == -32602


# --- URIs -------------------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(
    "uri",
    ["", "no scheme", "/path", "shop", "shop:", "shop://a b", "shop://a\nb", "shop://\0", "shop://%zz", "shop://%",
     "shop://a\\b", "shop://<a>", 'shop://"', "shop://{id}", "1shop://a", "shop://\ud800", ":a", "s\u00e9://a"],
)  # fmt: skip
async def test_what_is_no_uri(uri: str, revision: Revision) -> None:
    """RSC-02: URIs are checked before anything is looked up."""
    server = Server("test")
    server.resource("shop:{+rest}")(_echo)
    error = await refusal(server, "resources/read", {"uri": uri}, revision)
    assert (error.code, error.data) == (-32602, {"uri": uri})


@pytest.mark.parametrize("uri", [None, 5, True, [], {}])
async def test_what_is_no_string(uri: object) -> None:
    assert (await refusal(_shop(), "resources/read", {"uri": uri})).code == -32602
    assert (await refusal(_shop(), "resources/read")).code == -32602


async def test_the_longest_uri() -> None:
    """RSC-02: a URI has a bound, and the refusal names it."""
    server = Server("test")

    @server.resource("t:{+rest}")
    async def measure(rest: str) -> str:
        return str(len(rest))

    for length in (MAX_URI - 1, MAX_URI):
        assert (await read_one(server, "t:" + "x" * (length - 2)))["text"] == str(length - 2)
    error = await refusal(server, "resources/read", {"uri": "t:" + "x" * (MAX_URI - 1)})
    assert (error.code, str(MAX_URI) in error.message, error.data) == (-32602, True, None)


async def test_characters_beyond_ascii_stand_for_their_escapes() -> None:
    server = Server("test")
    server.resource("t://{rest}")(_echo)
    assert (await read_one(server, "t://caf\u00e9"))["text"] == "caf\u00e9"
    assert (await read_one(server, "t://caf%C3%A9"))["text"] == "caf\u00e9"


# --- errors -----------------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(
    ("errors", "shown", "hidden"),
    [
        ("safe", "ValueError: first line", "second line"),
        ("full", "second line", "Traceback"),
        ("masked", "fail", "first"),
    ],
)
async def test_a_function_that_fails(
    errors: ErrorDetail, shown: str, hidden: str, revision: Revision, caplog: pytest.LogCaptureFixture
) -> None:
    """RPC-17, D15: -32603; the peer learns as much as the setting says, the log has it all under the same id."""
    server = Server("test", errors=errors)

    @server.resource("t://v")
    def fail() -> str:
        raise ValueError("first line\nsecond line")

    with caplog.at_level(logging.ERROR, "anyport.server"):
        error = await refusal(server, "resources/read", {"uri": "t://v"}, revision)
    assert (error.code, shown in error.message, hidden in error.message) == (-32603, True, False)
    assert error.message.rsplit("error id ", 1)[1].rstrip(")") in caplog.text
    assert "second line" in caplog.text


async def test_errors_that_say_it_themselves() -> None:
    server = Server("test")

    @server.resource("t://own")
    async def own() -> str:
        raise McpError(4711, "mine", {"a": 1})

    @server.resource("t://told")
    async def told() -> str:
        raise ToolError("The printer is on fire")

    error = await refusal(server, "resources/read", {"uri": "t://own"})
    assert (error.code, error.data) == (4711, {"a": 1})
    error = await refusal(server, "resources/read", {"uri": "t://told"})
    assert (error.code, error.message) == (-32603, "The printer is on fire")


# --- caching ----------------------------------------------------------------------------------------------------------


async def test_what_was_read_may_be_kept_as_long_as_it_says() -> None:
    """CCH-01: a read has the hints of its resource, not those of the lists; nothing is kept unless it says so."""
    server = Server("test", cache_ttl=60, cache_scope="public")
    server.resource("t://kept", name="kept", cache_ttl=0.25, cache_scope="public")(lambda: "")
    server.resource("t://live", name="live")(lambda: "")
    for uri, hints in (("t://kept", (250, "public")), ("t://live", (0, "private"))):
        result = await judged(server, "resources/read", {"uri": uri})
        assert (result["ttlMs"], result["cacheScope"]) == hints
    for method in ("resources/list", "resources/templates/list", "server/discover"):
        result = await judged(server, method)
        assert (result["ttlMs"], result["cacheScope"]) == (60_000, "public")
    for method, params in (("resources/list", {}), ("resources/read", {"uri": "t://kept"})):
        assert not {"ttlMs", "cacheScope"} & set(await judged(server, method, params, LATEST_LEGACY))


@pytest.mark.parametrize("extra", [{"inputResponses": {}}, {"requestState": "x"}])
async def test_an_answered_question_is_not_kept(extra: dict[str, object]) -> None:
    """The result of a retry depends on more than the parameters that identify it."""
    server = Server("test")
    server.resource("t://kept", name="kept", cache_ttl=60, cache_scope="public")(lambda: "")
    result = await judged(server, "resources/read", {"uri": "t://kept", **extra})
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")


# --- from inside a call -----------------------------------------------------------------------------------------------


async def test_a_tool_reads_a_resource() -> None:
    """The resource's function is part of the same call: one progress, and not found as on the wire."""
    server, heard = _shop(), Heard()

    @server.resource("shop://slow")
    async def slow(ctx: Context) -> str:
        await ctx.report_progress(1)
        await ctx.report_progress(3)
        return "slow"

    @server.tool
    async def look(uri: str, ctx: Context) -> str:
        await ctx.report_progress(2)
        return ", ".join(str(part.text) for part in await ctx.read_resource(uri))

    result = await call_tool(server, "look", {"uri": "shop://slow"}, heard=heard, meta={"progressToken": 1})
    assert text_of(result) == "slow"
    assert [notification.params["progress"] for notification in heard.notifications] == [2, 3]
    assert text_of(await call_tool(server, "look", {"uri": "shop://items/3"})) == '{"id":3,"color":"red"}'
    with pytest.raises(McpError) as caught:
        await call_tool(server, "look", {"uri": "shop://nothing"})
    assert (caught.value.code, caught.value.data) == (-32602, {"uri": "shop://nothing"})


async def test_a_thread_cannot_wait_for_a_resource() -> None:
    server = _shop()

    @server.tool
    def look(ctx: Context) -> str:
        return str(ctx.read_resource("shop://all"))

    assert "async def" in text_of(await call_tool(server, "look"))


async def test_older_revisions_read_the_same() -> None:
    """S14: one registration for every revision."""
    server = _shop()
    assert [(await read_one(server, "shop://all", revision))["text"] for revision in REVISIONS] == ["pen,ink"] * 5
