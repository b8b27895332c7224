"""Lists in pages, behind cursors that outlive changes (PAG-01, TOOL-01, CCH-03)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyport import Server
from anyport.errors import InvalidParams, LocalProtocolError
from anyport.protocol.revisions import LATEST_MODERN, Revision
from anyport.protocol.types.json import JsonObject
from anyport.server.pages import PAGE_SIZE, Catalogue
from tests.server.judging import EVERY, judged, refusal

LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
METHODS = pytest.mark.parametrize("method", LISTS)


def _filled(count: int, page_size: int | None = None) -> Server:
    server = Server("test") if page_size is None else Server("test", page_size=page_size)

    async def nothing() -> str:
        return ""

    async def one(x: str) -> str:
        return x

    for number in range(count):
        server.tool(name=f"t{number}")(nothing)
        server.prompt(name=f"p{number}")(nothing)
        server.resource(f"r://{number}", name=f"r{number}")(nothing)
        server.resource(f"f://{number}/{{x}}", name=f"f{number}")(one)
    return server


async def _walk(server: Server, method: str, revision: Revision) -> list[list[str]]:
    """The names on each page, from the first to the last."""
    pages: list[list[str]] = []
    params: dict[str, object] = {}
    while len(pages) < 50:
        result = await judged(server, method, params, revision)
        pages.append([cast("str", entry["name"]) for entry in cast("list[JsonObject]", result[LISTS[method]])])
        if "nextCursor" not in result:
            return pages
        params = {"cursor": result["nextCursor"]}
    raise AssertionError("the list has no end")


@EVERY
@METHODS
async def test_every_entry_on_one_page(method: str, revision: Revision) -> None:
    """PAG-01: each entry once, in the order of registration, on pages of the size that was set."""
    pages = await _walk(_filled(7, 3), method, revision)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name[1:] for page in pages for name in page] == [str(number) for number in range(7)]


@METHODS
@pytest.mark.parametrize(("count", "sizes"), [(2, [2]), (3, [3]), (4, [3, 1])])
async def test_the_page_size_is_a_limit(method: str, count: int, sizes: list[int]) -> None:
    """PAG-01: at the limit the last page has no cursor; one more entry makes one more page."""
    pages = await _walk(_filled(count, 3), method, LATEST_MODERN)
    assert [len(page) for page in pages] == sizes


def test_everything_is_on_one_page_by_default() -> None:
    for count, pages in ((PAGE_SIZE, 1), (PAGE_SIZE + 1, 2)):
        catalogue = Catalogue[int]("numbers")
        for number in range(count):
            catalogue.add(str(number), number)
        assert (catalogue.page().next_cursor is None) is (pages == 1)


@pytest.mark.parametrize("page_size", [0, -1])
def test_a_page_has_room_for_something(page_size: int) -> None:
    with pytest.raises(LocalProtocolError, match="page_size"):
        Server("test", page_size=page_size)


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


BAD: list[object] = [
    "",
    "nope",
    "p2",
    "=",
    "\u00e9",
    "A" * 100_000,
    5,
    True,
    [],
    {},
    _packed("[]"),
    _packed('["tools",2]'),
    _packed('["tools",2,"t2",1]'),
    _packed('["tools","2","t2"]'),
    _packed('["tools",2.0,"t2"]'),
    _packed('["tools",-1,"t2"]'),
    _packed('["tools",7,"t7"]'),
    _packed('["tools",99,"t2"]'),
    _packed('["nothing",2,"t2"]'),
    _packed('["tools", 2, "t2"]'),
    _packed('["tools",2,"t2"]') + "\n",
    _packed('["tools",2,"\\ud800"]'),
]


@METHODS
@pytest.mark.parametrize("cursor", BAD, ids=lambda value: str(value)[:30])
async def test_cursors_that_no_list_has_issued(method: str, cursor: object) -> None:
    """PAG-01: -32602; the empty string is a cursor like any other."""
    error = await refusal(_filled(7, 3), method, {"cursor": cursor})
    assert (error.code, "cursor" in error.message) == (-32602, True)


async def test_a_cursor_belongs_to_its_list() -> None:
    server = _filled(7, 3)
    cursors = {method: (await judged(server, method))["nextCursor"] for method in LISTS}
    for method in LISTS:
        for other, cursor in cursors.items():
            if other != method:
                assert (await refusal(server, method, {"cursor": cursor})).code == -32602


@METHODS
async def test_null_is_no_cursor(method: str) -> None:
    server = _filled(4, 3)
    assert await judged(server, method, {"cursor": None}) == await judged(server, method)


async def test_a_list_that_changes_between_its_pages() -> None:
    """PAG-01: what goes away, even the entry that the cursor names, takes nothing else with it."""
    server = _filled(6, 3)
    first = await judged(server, "tools/list")
    for name in ("t0", "t2", "t4"):
        server.tools.remove(name)

    @server.tool(name="late")
    async def late() -> None: ...

    second = await judged(server, "tools/list", {"cursor": first["nextCursor"]})
    assert [tool["name"] for tool in cast("list[JsonObject]", second["tools"])] == ["t3", "t5", "late"]


@METHODS
async def test_all_pages_have_one_scope(method: str) -> None:
    """CCH-01, CCH-03: the first page comes from what is kept, later ones do not; the hints are the same."""
    server = Server("test", page_size=1, cache_ttl=1.5, cache_scope="public")
    for name in ("a", "b", "c"):

        @server.tool(name=name)
        @server.prompt(name=name)
        @server.resource(f"r://{name}")
        async def nothing() -> str:
            return ""

        @server.resource(f"f://{name}/{{x}}")
        async def one(x: str) -> str:
            return x

    cursor: object = None
    following: object = None
    for _ in range(3):
        for _ in range(2):
            result = await judged(server, method, {} if cursor is None else {"cursor": cursor})
            assert (result["ttlMs"], result["cacheScope"]) == (1500, "public")
            following = result.get("nextCursor")
        cursor = following
    assert cursor is None


# --- properties -------------------------------------------------------------------------------------------------------

Change = tuple[str, int]
CHANGES = st.lists(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 11)), max_size=5), max_size=8)


def _apply(catalogue: Catalogue[str], change: Change) -> str | None:
    """Make a change; the key that was touched."""
    kind, number = change
    key = f"k{number}"
    if kind == "remove":
        catalogue.remove(key)
    elif key not in catalogue:
        catalogue.add(key, key)
    return key


@given(size=st.integers(1, 4), start=st.integers(0, 12), changes=CHANGES)
@settings(max_examples=300, deadline=None)
def test_what_stays_is_seen_once(size: int, start: int, changes: list[list[Change]]) -> None:
    """PAG-01: whatever comes and goes between pages, what was there all the time is seen once, in order."""
    catalogue = Catalogue[str]("keys", size)
    for number in range(start):
        catalogue.add(f"k{number}", f"k{number}")
    untouched = list(catalogue.entries)
    seen: list[str] = []
    cursor: str | None = None
    for number in range(100):
        page = catalogue.page(cursor)
        assert len(page.entries) <= size
        seen += page.entries
        cursor = page.next_cursor
        if cursor is None:
            break
        for change in changes[number] if number < len(changes) else []:
            touched = _apply(catalogue, change)
            untouched = [key for key in untouched if key != touched]
    else:
        raise AssertionError("the list has no end")
    assert [key for key in seen if key in untouched] == untouched


@given(before=st.integers(1, 8), after=st.integers(0, 8), size=st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_a_restart_may_repeat_but_leaves_nothing_out(before: int, after: int, size: int) -> None:
    """PAG-01: a cursor of a process that had other entries before the common ones."""
    old, new = Catalogue[str]("keys", size), Catalogue[str]("keys", size)
    for catalogue, extra in ((old, before), (new, after)):
        for key in [*(f"x{number}" for number in range(extra)), "a", "b", "c", "d", "e"]:
            catalogue.add(key, key)
    seen: list[str] = []
    cursor: str | None = None
    while "b" not in seen:
        page = old.page(cursor)
        seen, cursor = [*seen, *page.entries], page.next_cursor
    while cursor is not None:
        try:
            page = new.page(cursor)
        except InvalidParams:
            # The new process has not issued that many: the client begins again.
            seen, page = [], new.page()
        seen, cursor = [*seen, *page.entries], page.next_cursor
    assert {"a", "b", "c", "d", "e"} <= set(seen)


@given(text=st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_is_a_cursor_by_chance(text: str) -> None:
    catalogue = Catalogue[int]("numbers", 1)
    catalogue.add("a", 1)
    catalogue.add("b", 2)
    attempts: list[Callable[[], object]] = [lambda: catalogue.page(text), lambda: catalogue.page(_packed(repr(text)))]
    for attempt in attempts:
        with pytest.raises(InvalidParams):
            attempt()
