"""Results of every kind, as the tools of `result_tools.py` return them; clients check them against `outputSchema`."""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from typing import Final

from tests.interop.checks.peer import Check, JsonObject, Peer, at, expect, expect_error, expect_true, texts

TOOLS_FILE: Final = Path(__file__).resolve().parent.parent / "result_tools.py"
PART: Final[JsonObject] = {"id": 1, "label": None}

# Structured content, with its JSON text beside it.
OBJECTS: Final[dict[str, JsonObject]] = {
    "result_dict": {"one": 1, "zwölf": 12},
    "result_dict_of_lists": {"all": [PART]},
    "result_dict_int_keys": {"1": "one"},
    "result_any_dict": {"a": [1, None, {"b": 2.5}]},
    "result_model": {"name": "w", "parts": [PART], "made": "2026-07-28T12:30:00Z", "by": "hand"},
    "result_model_from_dict": {"id": 5, "label": "five"},
    "result_alias": {"unitPrice": 1.5, "doubled": 3.0},
    "result_recursive": {"value": 1, "next": {"value": 2, "next": None}},
    "result_generic": {"content": {"id": 9, "label": None}},
    "result_dataclass": {"stops": [{"x": 1, "y": 0.5}], "mood": "good"},
    "result_typed_dict": {"id": 1, "tags": ["new"]},
    "result_model_bytes": {"data": "inner"},
    "result_unannotated_dict": {"moment": "2026-07-28T12:30:00Z", "mood": "good"},
    "result_unannotated_nan": {"mean": None, "peak": None},
    "result_unannotated_model": {"id": 3, "label": None},
}

# What is not an object goes out as {"result": value}, and the value alone as text.
WRAPPED: Final[dict[str, object]] = {
    "result_int": 3,
    "result_float": 2.5,
    "result_bool": True,
    "result_annotated": 7,
    "result_optional_none": None,
    "result_optional_model": PART,
    "result_union": {"x": 1, "y": 2.0},
    "result_list": [1, 2, 3],
    "result_list_str": ["a", "b"],
    "result_list_model": [PART, {"id": 2, "label": "two"}],
    "result_list_typed_dict": [{"id": 1, "tags": ["new"]}],
    "result_empty_list": [],
    "result_tuple": [1, "one"],
    "result_set": [5],
    "result_bare_list": [1, "two"],
    "result_named_tuple": [1, 9],
    "result_enum": "bad",
    "result_datetime": "2026-07-28T12:30:00Z",
    "result_date": "2026-07-28",
    "result_timedelta": "PT1H30M",
    "result_uuid": "12345678-1234-5678-1234-567812345678",
    "result_decimal": "10.20",
}

PLAIN_TEXTS: Final[dict[str, list[object]]] = {
    "result_str": ["plain \u2028 text"],
    "result_none": [],
    "result_bytes": [base64.b64encode(b"\x00\xffbytes").decode()],
    "result_unannotated_int": ["4"],
    "result_unannotated_alias": ['[{"unitPrice":1.5,"doubled":3.0}]'],
    "unstructured_model": ['{"name":"w","parts":[{"id":1,"label":null}],"made":"2026-07-28T12:30:00Z","by":"hand"}'],
}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image_of(data: bytes, mime_type: str = "image/png") -> JsonObject:
    return {"type": "image", "data": encoded(data), "mimeType": mime_type}


def text_of(text: str) -> JsonObject:
    return {"type": "text", "text": text}


BLOCKS: Final[dict[str, list[JsonObject]]] = {
    "image": [{**image_of(b"\x89PNG fake"), "annotations": {"audience": ["user"], "priority": 0.5}}],
    "image_webp": [image_of(b"RIFF", "image/webp")],
    "audio": [{"type": "audio", "data": encoded(b"RIFF....WAVE"), "mimeType": "audio/wav"}],
    "file_text": [{"type": "resource", "resource": {"uri": "report://1", "mimeType": "text/csv", "text": "naïve,€\n"}}],
    "file_binary": [
        {
            "type": "resource",
            "resource": {"uri": "blob://1", "mimeType": "application/octet-stream", "blob": encoded(b"\x00\x01\xfe")},
        }
    ],
    "file_from_path": [
        {
            "type": "resource",
            "resource": {
                "uri": TOOLS_FILE.as_uri(),
                "mimeType": "text/x-python",
                "text": TOOLS_FILE.read_text("utf-8"),
            },
        }
    ],
    "resource_link": [
        {
            "type": "resource_link",
            "uri": "shop://items/1",
            "name": "item 1",
            "title": "The first",
            "mimeType": "application/json",
            "size": 12,
        }
    ],
    "embedded_resource": [
        {"type": "resource", "resource": {"uri": "memo://1", "mimeType": "text/plain", "text": "remember"}}
    ],
    "mixed_content": [
        text_of("first"),
        image_of(b"one"),
        text_of("second"),
        {"type": "audio", "data": encoded(b"two"), "mimeType": "audio/mpeg"},
        {"type": "resource", "resource": {"uri": "memo://2", "mimeType": "text/plain", "text": "three"}},
        {"type": "resource_link", "uri": "memo://3", "name": "third"},
    ],
    "images_and_data": [image_of(b"one"), text_of('{"page":1}')],
    "untyped_mixed": [
        text_of("text"),
        image_of(b"one"),
        text_of("3"),
        text_of("null"),
        text_of('{"id":1,"label":null}'),
    ],
}


async def objects(tool: str, wanted: JsonObject, peer: Peer) -> None:
    result = await peer.call(tool)
    expect_true(not result.get("isError"), f"isError is set: {result['content']}")
    expect(result.get("structuredContent"), wanted, "structuredContent")
    (text,) = texts(result)
    expect(json.loads(str(text)), wanted, "JSON of the text")


async def wrapped(tool: str, wanted: object, peer: Peer) -> None:
    result = await peer.call(tool)
    expect_true(not result.get("isError"), f"isError is set: {result['content']}")
    expect(result.get("structuredContent"), {"result": wanted}, "structuredContent")
    (text,) = texts(result)
    expect(json.loads(str(text)), wanted, "JSON of the text")


async def literal(peer: Peer) -> None:
    """A string goes out as it is, not as JSON, even where it has a schema."""
    result = await peer.call("result_literal")
    expect(result.get("structuredContent"), {"result": "yes"}, "structuredContent")
    expect(texts(result), ["yes"], "text")


async def plain(tool: str, wanted: list[object], peer: Peer) -> None:
    result = await peer.call(tool)
    expect(texts(result), wanted, "text")
    expect_true(not result.get("isError"), "isError is set")
    expect_true("structuredContent" not in result, "structured content where none is declared")


async def blocks(tool: str, wanted: list[JsonObject], peer: Peer) -> None:
    result = await peer.call(tool)
    expect(result["content"], wanted, "content")
    expect_true(not result.get("isError"), "isError is set")
    expect_true("structuredContent" not in result, "structured content where none is declared")


async def by_hand(peer: Peer) -> None:
    result = await peer.call("by_hand")
    expect(result["content"], [{**text_of("made by hand"), "_meta": {"example.org/shade": "blue"}}], "content")
    expect(result["structuredContent"], {"answer": 42, "nothing": None}, "structuredContent")
    expect(at(result, "_meta", "example.org/cost"), 3, "the author's _meta")


async def by_hand_twice(peer: Peer) -> None:
    """What the envelope adds to a result does not stay in the author's object, nor does one call see another's."""
    expect(await peer.call("by_hand"), await peer.call("by_hand"), "second result")


async def by_hand_failed(peer: Peer) -> None:
    result = await peer.call("by_hand_failed")
    expect(result["isError"], True, "isError")
    expect(texts(result), ["no luck"], "text")


async def by_hand_for_model(peer: Peer) -> None:
    result = await peer.call("by_hand_for_model")
    expect(result["structuredContent"], PART, "structuredContent")
    expect(texts(result), ["short", "summary"], "texts")


async def wrong_result(peer: Peer) -> None:
    """A tool that breaks its own return annotation fails; the client never sees data against the schema."""
    result = await peer.call("result_wrong")
    expect(result["isError"], True, "isError")
    expect_true("structuredContent" not in result, "structured content with an error")
    text = str(texts(result)[0])
    expect_true("id: " in text and "http" not in text, f"the text does not name the field alone: {text!r}")


async def tool_error(peer: Peer) -> None:
    result = await peer.call("fails_plainly")
    expect(result["isError"], True, "isError")
    expect(texts(result), ["no pens left 🖊"], "text")


async def tool_error_with_schema(peer: Peer) -> None:
    result = await peer.call("fails_plainly_async")
    expect(result["isError"], True, "isError")
    expect(texts(result), ["no ink left"], "text")


async def exception(peer: Peer) -> None:
    result = await peer.call("fails_by_accident")
    expect(result["isError"], True, "isError")
    expect_true(str(texts(result)[0]).startswith("KeyError: 'b'"), f"text is {texts(result)}")


async def exception_async(peer: Peer) -> None:
    result = await peer.call("fails_by_accident_async")
    expect(result["isError"], True, "isError")
    text = str(texts(result)[0])
    expect_true(text.startswith("ValueError: first line"), f"text is {text!r}")
    expect_true("secret" not in text and "Traceback" not in text, f"text tells too much: {text!r}")


async def protocol_error(peer: Peer) -> None:
    error = await expect_error(peer.call("fails_by_protocol"), 4242)
    expect((error.message, error.data), ("out of paper", {"tray": 2}), "message and data")


async def unknown_tool(peer: Peer) -> None:
    error = await expect_error(peer.call("no_such_tool", {"a": 1}), -32602)
    expect_true("no_such_tool" in error.message, f"the message does not name the tool: {error.message!r}")


RESULT_CHECKS: Final[dict[str, Check]] = {
    **{f"result: {tool}": Check(functools.partial(objects, tool, wanted)) for tool, wanted in OBJECTS.items()},
    **{f"result: {tool}": Check(functools.partial(wrapped, tool, wanted)) for tool, wanted in WRAPPED.items()},
    **{f"result: {tool}": Check(functools.partial(plain, tool, wanted)) for tool, wanted in PLAIN_TEXTS.items()},
    **{f"result: {tool}": Check(functools.partial(blocks, tool, wanted)) for tool, wanted in BLOCKS.items()},
    "result: result_literal": Check(literal),
    "result: by_hand": Check(by_hand),
    "result: by_hand, twice": Check(by_hand_twice),
    "result: by_hand_failed": Check(by_hand_failed),
    "result: by_hand_for_model": Check(by_hand_for_model),
    "result: against its annotation": Check(wrong_result),
    "error: ToolError": Check(tool_error),
    "error: ToolError of an async tool with a schema": Check(tool_error_with_schema),
    "error: exception": Check(exception),
    "error: exception of an async tool, one line alone": Check(exception_async),
    "error: McpError of the author's own": Check(protocol_error),
    "error: unknown tool": Check(unknown_tool),
}
