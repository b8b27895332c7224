"""What is neither an argument nor a result: lists, notifications, cancellation, many calls at once, sizes, texts."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

from tests.interop.checks.peer import (
    Check,
    JsonObject,
    Peer,
    Progress,
    as_object,
    as_objects,
    at,
    collect,
    expect,
    expect_error,
    expect_true,
    texts,
)

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
FIELDS_SINCE: Final = {"annotations": "2025-03-26", "title": "2025-06-18", "_meta": "2025-06-18", "icons": "2025-11-25"}
CALLS: Final = 50
MEGABYTE: Final = 1_000_000
TEXTS: Final[dict[str, str]] = {
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇳",
    "combining": "e\u0301 \u0e49\u0e49 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "right to left": "שלום \u202eرحب\u202c",
    "separators": "a\u2028b\u2029c\u0085d\r\ne\nf\tg\x0bh",
    "controls": "\x00\x01\x1b\x7f\ufeff\ufffd",
    "JSON in JSON": '{"a": "\\"\\\\\\u00e9\\ud83d"}',
    "server-sent events in text": "data: x\n\nevent: end\nid: 7\n\n",
    "outside the BMP": "𝕬𐍈\U0010ffff",
}


# --- the list ---------------------------------------------------------------------------------------------------------


async def tools_of(peer: Peer) -> dict[str, JsonObject]:
    return {str(tool["name"]): tool for tool in as_objects((await peer.list_tools())["tools"])}


async def described(peer: Peer) -> None:
    said = await peer.describe()
    expect(said["revision"], MODERN if peer.era == "modern" else LEGACY, "revision")
    expect(at(said, "serverInfo", "name"), "interop", "name")
    expect(at(said, "serverInfo", "version"), "1.2.3", "version")
    expect(at(said, "serverInfo", "title"), "Interop fixture", "title")
    expect(said["instructions"], "Call what you like.", "instructions")


async def all_listed(peer: Peer) -> None:
    names = list(await tools_of(peer))
    expect(names[:3], ["no_arguments", "scalars", "untyped"], "first tools, in the order of registration")
    expect_true("big_image" in names, "a tool is missing")
    expect_true(len(names) > 100, f"only {len(names)} tools")
    expect(list(await tools_of(peer)), names, "names of a second list")


async def schemas_valid(peer: Peer) -> None:
    for name, tool in (await tools_of(peer)).items():
        expect(at(tool, "inputSchema", "type"), "object", f"type of the inputSchema of {name}")
        peer.check_schema(tool["inputSchema"])
        if "outputSchema" in tool:
            expect(at(tool, "outputSchema", "type"), "object", f"type of the outputSchema of {name}")
            peer.check_schema(tool["outputSchema"])


async def schema_details(peer: Peer) -> None:
    tools = await tools_of(peer)
    expect(
        tools["constrained"]["inputSchema"],
        {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 1, "maximum": 10, "description": "how many"},
                "code": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$", "default": "abc"},
                "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.5},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "default": []},
                "even": {"type": "integer", "multipleOf": 2, "description": "an even number", "default": 2},
            },
            "required": ["count"],
            "additionalProperties": False,
        },
        "inputSchema of constrained",
    )
    expect(at(tools["plain_defaults"], "inputSchema", "properties", "c", "default"), "green", "default of an enum")
    expect(at(tools["plain_defaults"], "inputSchema", "properties", "h", "default"), "AP8=", "default of bytes")
    expect_true("required" not in as_object(tools["field_defaults"]["inputSchema"]), "a default is required")
    expect(at(tools["binary"], "inputSchema", "properties", "data", "contentEncoding"), "base64", "bytes")
    shown = as_object(at(tools["context_between"], "inputSchema", "properties"))
    expect(list(shown), ["before", "after"], "parameters without the Context")
    expect(at(tools["region"], "inputSchema", "properties", "where", "x-mcp-header"), "Region", "header")
    expect(at(tools["result_int"], "outputSchema", "properties", "result"), {"type": "integer"}, "wrapped schema")
    expect_true("outputSchema" not in tools["result_str"], "a string has an outputSchema")
    expect_true("outputSchema" not in tools["unstructured_model"], "structured_output=False has an outputSchema")


async def dressed(peer: Peer) -> None:
    tool = (await tools_of(peer))["dressed.up-1"]
    expect(tool["title"], "Dressed up", "title")
    expect(tool["description"], "Say little.\n\nA second paragraph.", "description")
    expect(tool["annotations"], {"title": "Shown", "readOnlyHint": True, "destructiveHint": False}, "annotations")
    expect(at(tool, "icons", 0, "src"), "https://example.org/icon.png", "icon")
    expect(at(tool, "_meta", "example.org/team"), "shop", "_meta")


async def fields_of_revision(peer: Peer) -> None:
    """A field is sent from the revision on that has it."""
    revision = str((await peer.describe())["revision"])
    tool = (await tools_of(peer))["dressed.up-1"]
    for field, since in FIELDS_SINCE.items():
        expect(field in tool, revision >= since, f"{field} is in a tool")
    structured = revision >= FIELDS_SINCE["title"]
    expect("outputSchema" in (await tools_of(peer))["result_int"], structured, "outputSchema is in a tool")
    result = await peer.call("result_int")
    expect("structuredContent" in result, structured, "structuredContent is in a result")
    expect(texts(result), ["3"], "text")


async def bad_cursor(peer: Peer) -> None:
    await expect_error(peer.list_tools("no such page"), -32602)


async def envelope_legacy(peer: Peer) -> None:
    for result in (await peer.list_tools(), await peer.call("result_int")):
        for field in ("resultType", "ttlMs", "cacheScope"):
            expect_true(field not in result, f"{field} in a legacy result")


async def envelope_modern(peer: Peer) -> None:
    listed, called = await peer.list_tools(), await peer.call("result_int")
    for result in (listed, called):
        expect(result["resultType"], "complete", "resultType")
        expect(at(result, "_meta", "io.modelcontextprotocol/serverInfo", "name"), "interop", "serverInfo of a result")
    expect_true({"ttlMs", "cacheScope"} <= listed.keys(), "tools/list is not cacheable")
    expect_true(not {"ttlMs", "cacheScope"} & called.keys(), "tools/call is cacheable")


# --- notifications ----------------------------------------------------------------------------------------------------


async def progress(peer: Peer) -> None:
    seen: asyncio.Queue[Progress] = asyncio.Queue()
    result = await peer.call("progress", {"steps": 5}, on_progress=seen)
    expect(texts(result), ["done"], "text")
    # The oldest revision has no messages in progress, so none is sent.
    told = str((await peer.describe())["revision"]) != "2024-11-05"
    wanted: list[Progress] = [(float(step), 5.0, f"step {step} ✓" if told else None) for step in range(1, 6)]
    expect(await collect(seen, 5), wanted, "progress")
    expect_true(seen.empty(), "progress that does not rise")


async def progress_after_leaving(peer: Peer) -> None:
    """A tool that lets go of its connection: the client comes back with `Last-Event-ID`, where the revision has that.

    Nothing is lost and nothing comes twice (2025-11-25 over HTTP); elsewhere the connection stays.
    """
    seen: asyncio.Queue[Progress] = asyncio.Queue()
    for _ in range(3):
        expect(texts(await peer.call("leave", on_progress=seen)), ["came back"], "the result")
        expect(await collect(seen, 2), [(1.0, None, None), (2.0, None, None)], "progress")
    expect_true(seen.empty(), "progress that came twice")


async def progress_sync(peer: Peer) -> None:
    seen: asyncio.Queue[Progress] = asyncio.Queue()
    result = await peer.call("progress_sync", on_progress=seen)
    expect(texts(result), ["done"], "text")
    expect(await collect(seen, 2), [(0.25, None, None), (0.75, 1.0, None)], "progress")


async def progress_unasked(peer: Peer) -> None:
    expect(texts(await peer.call("progress", {"steps": 3})), ["done"], "text")


async def progress_of_many(peer: Peer) -> None:
    """Each call's progress reaches its own callback."""
    queues: list[asyncio.Queue[Progress]] = [asyncio.Queue() for _ in range(10)]
    await asyncio.gather(*(peer.call("progress", {"steps": n + 1}, on_progress=q) for n, q in enumerate(queues)))
    for number, queue in enumerate(queues):
        seen = await collect(queue, number + 1)
        expect([total for _, total, _ in seen], [float(number + 1)] * (number + 1), "totals")


DEBUG: Final[JsonObject] = {"level": "debug", "data": "a detail"}
INFO: Final[JsonObject] = {"level": "info", "data": {"count": 1, "word": "é"}, "logger": "shop"}
WARNING: Final[JsonObject] = {"level": "warning", "data": "watch out"}
ERROR: Final[JsonObject] = {"level": "error", "data": "broken"}
FROM_THREAD: Final[JsonObject] = {"level": "error", "data": "from a thread"}


async def logs_legacy(peer: Peer) -> None:
    """`logging/setLevel` governs the session; until then it is `info`."""
    await peer.call("logs")
    expect(await collect(peer.logs, 3), [INFO, WARNING, ERROR], "before a level is set")
    expect(await peer.set_log_level("debug"), {}, "answer to setLevel")
    await peer.call("logs")
    expect(await collect(peer.logs, 4), [DEBUG, INFO, WARNING, ERROR], "at debug")
    await peer.set_log_level("error")
    await peer.call("logs")
    await peer.call("logs_sync")
    expect(await collect(peer.logs, 2), [ERROR, FROM_THREAD], "at error")
    await peer.set_log_level("emergency")
    await peer.call("logs")
    await peer.call("no_arguments")
    expect_true(peer.logs.empty(), "log messages below the level")


async def log_level_unknown(peer: Peer) -> None:
    await expect_error(peer.set_log_level("loud"), -32602)


async def logs_modern(peer: Peer) -> None:
    """Only a request that asks for log messages gets them, from its level on (LOG-01)."""
    if not peer.asks_for_logs:
        await peer.call("logs")
        await peer.call("no_arguments")
        expect_true(peer.logs.empty(), "log messages that nobody asked for")
    await peer.call("logs", log_level="debug")
    expect(await collect(peer.logs, 4), [DEBUG, INFO, WARNING, ERROR], "at debug")
    await peer.call("logs", log_level="error")
    await peer.call("logs_sync", log_level="error")
    expect(await collect(peer.logs, 2), [ERROR, FROM_THREAD], "at error")
    if peer.asks_for_logs:
        await peer.call("logs")
        expect(await collect(peer.logs, 4), [DEBUG, INFO, WARNING, ERROR], "a level outlived its request")
    else:
        await peer.call("logs")
        await peer.call("no_arguments")
        expect_true(peer.logs.empty(), "a level outlived its request")


async def who_calls(peer: Peer) -> None:
    said = (await peer.call("who_calls"))["structuredContent"]
    expect(
        said,
        {
            "transport": peer.transport,
            "revision": MODERN if peer.era == "modern" else LEGACY,
            "client": "mcp",
            "in_session": peer.transport == "sse" or (peer.era, peer.transport) == ("legacy", "http"),
            "has_headers": peer.transport != "stdio",
            "state": {"opened for": "interop"},
        },
        "what the Context tells",
    )


async def noisy(peer: Peer) -> None:
    """On stdio, what a tool writes to stdout does not reach the client (STDIO-02)."""
    expect(texts(await peer.call("noisy")), ["quiet"], "text")
    expect(texts(await peer.call("no_arguments")), ["()"], "the call after")


async def ping(peer: Peer) -> None:
    expect(await peer.ping(), {}, "answer to ping")


# --- giving up --------------------------------------------------------------------------------------------------------


async def timed_out(peer: Peer) -> None:
    """A client's time-out fails one call; the answer that comes late disturbs nobody."""
    key = f"late {uuid.uuid4()}"
    await expect_error(peer.call("wait_for", {"key": key}, timeout=0.3), peer.timeout_code)
    expect(texts(await peer.call("release", {"key": key})), ["ok"], "the call after")
    expect(texts(await peer.call("echo", {"text": "still here"})), ["still here"], "the call after that")


async def cancelled(peer: Peer) -> None:
    """A client's cancellation ends the tool, and only that one."""
    key, other = f"cancelled {uuid.uuid4()}", f"kept {uuid.uuid4()}"
    started: asyncio.Queue[Progress] = asyncio.Queue()
    kept = asyncio.create_task(peer.call("wait_for", {"key": other}, on_progress=started))
    await collect(started, 1)
    pending = peer.start("wait_for", {"key": key}, started)
    expect(await collect(started, 1), [(1.0, None, "waiting")], "progress")
    await pending.cancel()
    expect((await peer.call("was_cancelled", {"key": key}))["structuredContent"], {"result": True}, "the tool was told")
    expect(texts(await peer.call("release", {"key": other})), ["ok"], "the call after")
    expect(texts(await kept), ["released"], "the call beside it")


# --- many calls -------------------------------------------------------------------------------------------------------


async def concurrent(peer: Peer) -> None:
    """Fifty calls that wait for each other: they run at once, and each gets its own answer."""
    group = str(uuid.uuid4())
    calls = (peer.call("meet", {"group": group, "party": CALLS, "number": n}) for n in range(CALLS))
    results = await asyncio.gather(*calls)
    expect([at(result, "structuredContent", "result") for result in results], list(range(CALLS)), "answers")


async def concurrent_sync(peer: Peer) -> None:
    """The same for plain functions, which run on threads."""
    group = str(uuid.uuid4())
    calls = (peer.call("meet_sync", {"group": group, "party": 8, "number": n}) for n in range(8))
    results = await asyncio.gather(*calls)
    expect([at(result, "structuredContent", "result") for result in results], list(range(8)), "answers")


async def concurrent_plain(peer: Peer) -> None:
    calls = (peer.call("echo", {"text": f"call {n}"}) for n in range(CALLS))
    answers = [texts(result) for result in await asyncio.gather(*calls)]
    expect(answers, [[f"call {n}"] for n in range(CALLS)], "answers")


# --- texts and sizes --------------------------------------------------------------------------------------------------


async def unicode_texts(peer: Peer) -> None:
    for name, text in TEXTS.items():
        expect(texts(await peer.call("echo", {"text": text})), [text], name)
        expect(texts(await peer.call("echo_after_progress", {"text": text})), [text], f"{name}, on a stream")


async def unicode_keys(peer: Peer) -> None:
    table: JsonObject = {text: text[::-1] for text in TEXTS.values() if "\ufe0f" not in text}
    expect((await peer.call("echo_table", {"table": table}))["structuredContent"], table, "structuredContent")


def much(peer: Peer) -> int:
    """Return how many bytes are much: the SDK's clients of HTTP+SSE take no event above 1 MiB."""
    return MEGABYTE // 3 if peer.transport == "sse" else MEGABYTE


async def big_text(peer: Peer) -> None:
    text = "0123456789" * (much(peer) // 10)
    expect_true(texts(await peer.call("echo", {"text": text})) == [text], "a megabyte came back different")


async def big_text_on_stream(peer: Peer) -> None:
    seen: asyncio.Queue[Progress] = asyncio.Queue()
    text = "0123456789" * (much(peer) // 10)
    result = await peer.call("echo_after_progress", {"text": text}, on_progress=seen)
    expect_true(texts(result) == [text], "a megabyte came back different")
    await collect(seen, 1)


async def big_unicode(peer: Peer) -> None:
    text = "é€🖊" * (much(peer) // 9)
    expect_true(texts(await peer.call("echo", {"text": text})) == [text], "a megabyte of UTF-8 came back different")


async def big_structured(peer: Peer) -> None:
    count = much(peer) * 15 // 100
    result = await peer.call("big_numbers", {"count": count})
    expect_true(at(result, "structuredContent", "result") == list(range(count)), "a megabyte of numbers differs")


async def big_image(peer: Peer) -> None:
    size = much(peer) // 4 * 3
    result = await peer.call("big_image", {"size": size})
    expect_true(at(result, "content", 0, "data") == "A" * (size // 3 * 4), "an image of 750,000 bytes differs")


BEHAVIOUR_CHECKS: Final[dict[str, Check]] = {
    "server: described": Check(described),
    "list: all tools in order": Check(all_listed),
    "list: schemas are valid": Check(schemas_valid),
    "list: schemas say what was declared": Check(schema_details),
    "list: title, annotations, icons, _meta": Check(dressed),
    "list: fields of the revision": Check(fields_of_revision),
    "list: bad cursor": Check(bad_cursor),
    "envelope: legacy": Check(envelope_legacy, ("legacy",)),
    "envelope: modern": Check(envelope_modern, ("modern",)),
    "progress": Check(progress),
    "progress: plain function": Check(progress_sync),
    "progress: the client comes back": Check(progress_after_leaving),
    "progress: nobody asked": Check(progress_unasked),
    "progress: many calls": Check(progress_of_many),
    "log: setLevel": Check(logs_legacy, ("legacy",)),
    "log: unknown level": Check(log_level_unknown, ("legacy",)),
    "log: level of the request": Check(logs_modern, ("modern",)),
    "context: who calls": Check(who_calls),
    "stdout: noisy tool": Check(noisy),
    "ping": Check(ping, ("legacy",)),
    "give up: time-out": Check(timed_out),
    "give up: cancellation": Check(cancelled),
    "concurrent: fifty calls that meet": Check(concurrent),
    "concurrent: eight plain functions that meet": Check(concurrent_sync),
    "concurrent: fifty plain calls": Check(concurrent_plain),
    "text: unicode": Check(unicode_texts),
    "text: unicode keys": Check(unicode_keys),
    "size: 1 MB argument and result": Check(big_text),
    "size: 1 MB on a stream": Check(big_text_on_stream),
    "size: 1 MB of UTF-8": Check(big_unicode),
    "size: 1 MB of structure": Check(big_structured),
    "size: 1 MB image": Check(big_image),
}
