"""Resources, templates, prompts and completions, as `primitives_fixture.py` declares them, and their lists in pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.interop.checks.peer import (
    Check,
    JsonObject,
    Peer,
    as_list,
    as_object,
    as_objects,
    at,
    expect,
    expect_error,
    expect_true,
    texts,
)

PAGE: Final = 150
SHELF: Final = 320
CACHED: Final = {"ttlMs", "cacheScope"}
NO_RESOURCE: Final = {"legacy": -32002, "modern": -32602}
INNER: Final[JsonObject] = {"uri": "test://inner", "text": "inner", "mimeType": "text/plain"}


async def all_pages(ask: Callable[[str | None], Awaitable[JsonObject]], key: str) -> list[list[JsonObject]]:
    """Follow the cursors of a list to its end."""
    pages: list[list[JsonObject]] = []
    cursor: str | None = None
    while len(pages) < 10:
        result = await ask(cursor)
        pages.append(as_objects(result[key]))
        if "nextCursor" not in result:
            return pages
        cursor = str(result["nextCursor"])
    raise AssertionError("the list has no end")


async def described(peer: Peer) -> None:
    said = await peer.describe()
    capabilities = as_object(said["capabilities"])
    expect_true({"tools", "resources", "prompts", "logging"} <= capabilities.keys(), f"{capabilities}")
    # The oldest revision has completions, but no capability for them.
    expect("completions" in capabilities, str(said["revision"]) != "2024-11-05", "completions is a capability")


# --- resources --------------------------------------------------------------------------------------------------------


async def resources_listed(peer: Peer) -> None:
    pages = await all_pages(peer.list_resources, "resources")
    expect([len(page) for page in pages], [PAGE, PAGE, SHELF + 6 - 2 * PAGE], "lengths of the pages")
    found = {str(entry["uri"]): entry for page in pages for entry in page}
    expect(len(found), SHELF + 6, "different resources")
    expect(list(found)[:3], ["test://note", "test://picture", "test://table"], "the first, in the order given")
    note = found["test://note"]
    wanted = {"name": "note", "title": "A note", "size": 7, "mimeType": "text/plain"}
    expect({key: note[key] for key in wanted}, wanted, "what the note says of itself")
    expect(note["description"], "Say little, for everybody.", "description")
    expect(note["annotations"], {"audience": ["user"], "priority": 0.5}, "annotations")
    expect(at(note, "icons", 0, "src"), "https://example.org/icon.png", "icon")
    expect(at(note, "_meta", "example.org/team"), "shop", "_meta")


async def cursor_is_stable(peer: Peer) -> None:
    first = await peer.list_resources()
    again = await peer.list_resources()
    expect(again["nextCursor"], first["nextCursor"], "the cursor of the same page")
    second = await peer.list_resources(str(first["nextCursor"]))
    expect(await peer.list_resources(str(first["nextCursor"])), second, "the same page, asked for twice")


async def bad_cursors(peer: Peer) -> None:
    for ask in (peer.list_resources, peer.list_templates, peer.list_prompts):
        await expect_error(ask("no such page"), -32602)
    of_resources = str((await peer.list_resources())["nextCursor"])
    await expect_error(peer.list_prompts(of_resources), -32602)


READ: Final[dict[str, list[JsonObject]]] = {
    "test://note": [{"uri": "test://note", "mimeType": "text/plain", "text": "é 🖊 x"}],
    "test://picture": [{"uri": "test://picture", "mimeType": "image/png", "blob": "iVBORwD/"}],
    "test://table": [{"uri": "test://table", "mimeType": "application/json", "text": '{"zwölf":12,"none":null}'}],
    "test://several": [
        {"uri": "test://several/1", "mimeType": "text/plain", "text": "one"},
        {"uri": "test://several/2", "mimeType": "application/octet-stream", "blob": "AAE="},
    ],
    "test://cities/Bern/people/41": [
        {"uri": "test://cities/Bern/people/41", "mimeType": "text/plain", "text": "Bern 42"}
    ],
    "test://cities/Z%C3%BCrich/people/1": [
        {"uri": "test://cities/Z%C3%BCrich/people/1", "mimeType": "text/plain", "text": "Zürich 2"}
    ],
    "test://files/a/b/c.md": [{"uri": "test://files/a/b/c.md", "mimeType": "text/markdown", "text": "file a/b/c.md"}],
    "test://search": [{"uri": "test://search", "mimeType": "text/plain", "text": "'' 3"}],
    "test://search?q=x%20y&limit=9": [
        {"uri": "test://search?q=x%20y&limit=9", "mimeType": "text/plain", "text": "'x y' 9"}
    ],
    "shelf://books/319": [{"uri": "shelf://books/319", "mimeType": "text/plain", "text": "a book"}],
}


async def resources_read(peer: Peer) -> None:
    for uri, contents in READ.items():
        result = await peer.read(uri)
        expect(result["contents"], contents, f"contents of {uri}")
        expect(result.keys() >= CACHED, peer.era == "modern", "cache hints")
    if peer.era == "modern":
        note, table = await peer.read("test://note"), await peer.read("test://table")
        expect((note["ttlMs"], note["cacheScope"]), (60_000, "public"), "hints of the note")
        expect((table["ttlMs"], table["cacheScope"]), (0, "private"), "hints where none were given")


async def resources_missing(peer: Peer) -> None:
    """Unknown, or unknown to the function of the template (RSC-01)."""
    for uri in ("test://nothing", "test://cities/Atlantis/people/1", "test://cities/Bern/people/many", "shelf://books"):
        await expect_error(peer.read(uri), NO_RESOURCE[peer.era])


async def resources_failing(peer: Peer) -> None:
    error = await expect_error(peer.read("test://broken"), -32603)
    expect_true("Traceback" not in error.message, error.message)
    refused = await expect_error(peer.read("test://refused"), 4243)
    expect((refused.message, refused.data), ("not today", {"door": "shut"}), "error of the author's own")


async def resources_from_tools(peer: Peer) -> None:
    expect(texts(await peer.call("read_own_resource", {"uri": "test://note"})), ["é 🖊 x"], "read by a tool")
    content = as_objects((await peer.call("link_to_resource"))["content"])
    expect(content[0]["type"], "resource_link", "type")
    expect((content[0]["uri"], content[0]["name"]), ("test://note", "note"), "link")
    expect(content[1], {"type": "resource", "resource": INNER}, "embedded resource")


async def templates_listed(peer: Peer) -> None:
    (page,) = await all_pages(peer.list_templates, "resourceTemplates")
    wanted = ["test://cities/{city}/people/{number}", "test://files/{+path}", "test://search{?q,limit}"]
    expect([entry["uriTemplate"] for entry in page], wanted, "templates")
    expect((page[0]["name"], page[0]["title"]), ("person", "People"), "name and title")
    expect(page[1]["mimeType"], "text/markdown", "MIME type")


# --- prompts ----------------------------------------------------------------------------------------------------------


async def prompts_listed(peer: Peer) -> None:
    (page,) = await all_pages(peer.list_prompts, "prompts")
    found = {str(entry["name"]): entry for entry in page}
    expect(list(found)[:3], ["review", "rich", "plain"], "names")
    review = found["review"]
    expect((review["title"], review["description"]), ("Review", "Ask for a review.\n\nIn several rounds."), "texts")
    arguments = as_objects(review["arguments"])
    expect([entry["name"] for entry in arguments], ["code", "tone", "rounds", "limits"], "arguments")
    expect([bool(entry.get("required")) for entry in arguments], [True, False, False, False], "required")
    expect((arguments[0]["description"], arguments[0]["title"]), ("What to review", "Code"), "first argument")
    expect(at(review, "icons", 0, "src"), "https://example.org/icon.png", "icon")
    expect(at(review, "_meta", "example.org/team"), "shop", "_meta")


async def prompts_got(peer: Peer) -> None:
    result = await peer.get_prompt("review", {"code": "f(é)", "rounds": "2", "limits": '{"lines": 3}'})
    expect(
        result["messages"],
        [
            {"role": "user", "content": {"type": "text", "text": "kind 2 lines=3: f(é)"}},
            {"role": "assistant", "content": {"type": "text", "text": "Gladly."}},
        ],
        "messages",
    )
    expect((await peer.get_prompt("review", {"code": ""}))["messages"] != [], True, "an empty text is an argument")
    plain = await peer.get_prompt("plain")
    expect(plain["messages"], [{"role": "user", "content": {"type": "text", "text": "Hello"}}], "without arguments")


async def prompt_contents(peer: Peer) -> None:
    messages = as_objects((await peer.get_prompt("rich"))["messages"])
    expect([message["role"] for message in messages], ["user", "user", "assistant"], "roles")
    expect(
        [message["content"] for message in messages],
        [
            {"type": "text", "text": "text ✓"},
            {"type": "image", "data": "AAE=", "mimeType": "image/png"},
            {"type": "resource", "resource": INNER},
        ],
        "content of every kind",
    )


async def prompts_refused(peer: Peer) -> None:
    """PRM-01: unknown, an argument too few, one that does not convert, one of an unknown name."""
    await expect_error(peer.get_prompt("nothing"), -32602)
    missing = await expect_error(peer.get_prompt("review"), -32602)
    expect_true("code" in missing.message, missing.message)
    wrong = await expect_error(peer.get_prompt("review", {"code": "x", "rounds": "0"}), -32602)
    expect_true("rounds" in wrong.message, wrong.message)
    await expect_error(peer.get_prompt("review", {"code": "x", "tone": "loud"}), -32602)
    await expect_error(peer.get_prompt("review", {"code": "x", "other": "y"}), -32602)
    failed = await expect_error(peer.get_prompt("failing"), -32603)
    expect_true("Traceback" not in failed.message, failed.message)


# --- completions ------------------------------------------------------------------------------------------------------


async def completion_of(
    peer: Peer, target: str, argument: str, typed: str, known: dict[str, str] | None = None
) -> JsonObject:
    return as_object((await peer.complete(target, argument, typed, known))["completion"])


async def completed(peer: Peer) -> None:
    people = "test://cities/{city}/people/{number}"
    cities = await completion_of(peer, people, "city", "ber")
    expect(cities["values"], ["Berlin", "Bern", "Bergen"], "cities")
    number = await completion_of(peer, people, "number", "7", {"city": "Bern"})
    expect(number["values"], ["47"], "a function that looks at the other arguments")
    expect((await completion_of(peer, "review", "tone", "s"))["values"], ["strict"], "values of a Literal")
    expect((await completion_of(peer, "review", "code", "f", {"tone": "kind"}))["values"], ["f()", "tone"], "a prompt")
    expect((await completion_of(peer, people, "city", "x"))["values"], [], "nothing fits")


async def completed_many(peer: Peer) -> None:
    """CMP-01: at most 100 values."""
    many = await completion_of(peer, "test://files/{+path}", "path", "é")
    expect(len(as_list(many["values"])), 100, "values")
    expect(at(many, "values", 99), "é99", "the last")
    expect((many.get("total"), many.get("hasMore")), (250, True), "what is left out")


async def completions_refused(peer: Peer) -> None:
    await expect_error(peer.complete("nothing", "code", "", None), -32602)
    await expect_error(peer.complete("test://nothing/{x}", "x", "", None), -32602)
    await expect_error(peer.complete("review", "nothing", "", None), -32602)


PRIMITIVE_CHECKS: Final[dict[str, Check]] = {
    "primitives: capabilities": Check(described),
    "resources: listed in pages": Check(resources_listed),
    "resources: cursors are stable": Check(cursor_is_stable),
    "resources: bad cursors": Check(bad_cursors),
    "resources: read": Check(resources_read),
    "resources: missing": Check(resources_missing),
    "resources: failing": Check(resources_failing),
    "resources: from tools": Check(resources_from_tools),
    "templates: listed": Check(templates_listed),
    "prompts: listed": Check(prompts_listed),
    "prompts: got": Check(prompts_got),
    "prompts: content of every kind": Check(prompt_contents),
    "prompts: refused": Check(prompts_refused),
    "completions": Check(completed),
    "completions: at most 100": Check(completed_many),
    "completions: refused": Check(completions_refused),
}
