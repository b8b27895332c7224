"""From a return value to a result: content, structured content, output schema (TOOL-03; ADR 0014)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, cast

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from anyport import Audio, File, Image, Server
from anyport.errors import LocalProtocolError
from anyport.protocol.calls import Call, Reply, Service
from anyport.protocol.jsonrpc import ResultLike, encode_response
from anyport.protocol.revisions import LATEST_LEGACY, REVISIONS, V2025_03_26, Revision
from anyport.protocol.types import CallToolResult, EmbeddedResource, ResourceContents, ResourceLink, TextContent
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.declarations import DeclarationError
from anyport.transports.memory import MemoryReply
from tests.server.calling import call_tool, make_call, text_of, tool_once

ERROR_ID = re.compile(rb"error id [0-9a-f]+")


class Level(Enum):
    LOW = "low"


class Weather(BaseModel):
    city: str
    degrees: float
    raw: bytes = b""


@dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    id: int
    tags: list[str]


class Node(BaseModel):
    value: int
    next: Node | None = None


def _returning(annotation: object, value: object) -> Server:
    server = Server("test")

    async def make():
        return value

    make.__annotations__["return"] = annotation
    server.tool(make)
    return server


STRUCTURED: list[tuple[object, object, JsonValue]] = [
    (int, 3, {"result": 3}),
    (float, 0.5, {"result": 0.5}),
    (bool, False, {"result": False}),
    (Level, Level.LOW, {"result": "low"}),
    (Literal["a", "b"], "b", {"result": "b"}),
    (datetime, datetime(2026, 7, 28, tzinfo=UTC), {"result": "2026-07-28T00:00:00Z"}),
    (list[int], [1, 2], {"result": [1, 2]}),
    (list[str], ["a"], {"result": ["a"]}),
    (list[str | None], ["a", None], {"result": ["a", None]}),
    (list[Annotated[str, "a note"]], ["a"], {"result": ["a"]}),
    (tuple[int, str], (1, "a"), {"result": [1, "a"]}),
    (int | None, None, {"result": None}),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (dict, {"a": [None]}, {"a": [None]}),
    (Weather, Weather(city="Ulm", degrees=3), {"city": "Ulm", "degrees": 3.0, "raw": ""}),
    (Point, Point(1, 2), {"x": 1, "y": 2}),
    (Row, {"id": 1, "tags": ["x"]}, {"id": 1, "tags": ["x"]}),
    (Node, Node(value=1, next=Node(value=2)), {"value": 1, "next": {"value": 2, "next": None}}),
    (list[Point], [Point(1, 2)], {"result": [{"x": 1, "y": 2}]}),
    (Annotated[int, Field(ge=0)], 4, {"result": 4}),
]


@pytest.mark.parametrize(("annotation", "value", "structured"), STRUCTURED, ids=[str(row[0]) for row in STRUCTURED])
def test_values_with_structure(annotation: object, value: object, structured: JsonValue) -> None:
    """TOOL-03: structured content is an object that fits the output schema, with its text beside it."""
    server = _returning(annotation, value)
    result = tool_once(server, "make")
    assert result["structuredContent"] == structured
    (tool,) = server.tools
    schema = tool.definition.output_schema
    assert schema is not None
    assert schema["type"] == "object"
    assert text_of(result)
    if not (isinstance(structured, dict) and isinstance(structured.get("result"), str)):
        shown = json.loads(text_of(result))
        assert structured in (shown, {"result": shown})


UNSTRUCTURED: list[tuple[object, object, list[JsonObject]]] = [
    (str, "plain", [{"type": "text", "text": "plain"}]),
    (object, "free", [{"type": "text", "text": "free"}]),
    (None, None, []),
    (str | None, None, []),
    (Image, Image(b"abc"), [{"type": "image", "data": "YWJj", "mimeType": "image/png"}]),
    (Audio, Audio(b"abc"), [{"type": "audio", "data": "YWJj", "mimeType": "audio/wav"}]),
    (TextContent, TextContent("t"), [{"type": "text", "text": "t"}]),
    (
        ResourceLink,
        ResourceLink(uri="a://b", name="b"),
        [{"type": "resource_link", "uri": "a://b", "name": "b"}],
    ),
    (
        EmbeddedResource,
        EmbeddedResource(resource=ResourceContents(uri="a://b", text="x")),
        [{"type": "resource", "resource": {"uri": "a://b", "text": "x"}}],
    ),
    (
        list[str | Image],
        ["look", Image(b"abc", mime_type="image/webp"), "end"],
        [
            {"type": "text", "text": "look"},
            {"type": "image", "data": "YWJj", "mimeType": "image/webp"},
            {"type": "text", "text": "end"},
        ],
    ),
    (CallToolResult, CallToolResult(content=[TextContent("own")]), [{"type": "text", "text": "own"}]),
]


@pytest.mark.parametrize(("annotation", "value", "content"), UNSTRUCTURED, ids=[str(row[0]) for row in UNSTRUCTURED])
def test_values_without_structure(annotation: object, value: object, content: list[JsonObject]) -> None:
    server = _returning(annotation, value)
    result = tool_once(server, "make")
    assert result["content"] == content
    assert "structuredContent" not in result
    (tool,) = server.tools
    assert tool.definition.output_schema is None


async def _encoded(server: Server, revision: Revision) -> bytes:
    """What a transport would write as the result of the tool."""
    result = await server.service(make_call("tools/call", {"name": "make"}, revision=revision), MemoryReply(None))
    return encode_response(1, result)


async def _pass_on(call: Call, reply: Reply, behind: Service) -> ResultLike:
    return await behind(call, reply)


AWKWARD: list[tuple[object, object]] = [
    (int, 2**70),
    (int, -(2**53)),
    (int, True),
    (int, "no number"),
    (bool, True),
    (float, float("inf")),
    (str, 'a "quoted"\n\u2028 line \x7f'),
    (str, "\ud800"),
    (list[str], ['a "quoted"\n line', "\u00e4"]),
    (Literal["a", "b"], "b"),
    (Weather, {"city": "Ulm"}),
    (int, CallToolResult(content=[TextContent("own")])),
]


SAME = [*(row[:2] for row in (*STRUCTURED, *UNSTRUCTURED)), *AWKWARD]


@pytest.mark.parametrize(("annotation", "value"), SAME, ids=map(str, range(len(SAME))))
async def test_a_result_is_the_same_by_the_short_way(annotation: object, value: object) -> None:
    """Byte for byte: what is encoded in one go, and what middleware could have looked at (ADR 0049)."""
    server = _returning(annotation, value)
    quick = [ERROR_ID.sub(b"", await _encoded(server, revision)) for revision in REVISIONS]
    server.middleware(_pass_on)
    assert quick == [ERROR_ID.sub(b"", await _encoded(server, revision)) for revision in REVISIONS]


def test_without_annotation_an_object_is_structured_all_the_same() -> None:
    server = Server("test")

    @server.tool
    async def point():
        return Point(1, 2)

    result = tool_once(server, "point")
    assert result["structuredContent"] == {"x": 1, "y": 2}
    assert json.loads(text_of(result)) == {"x": 1, "y": 2}


def test_structured_output_can_be_switched_off() -> None:
    server = Server("test")

    @server.tool(structured_output=False)
    async def number() -> int:
        return 3

    (tool,) = server.tools
    assert tool.definition.output_schema is None
    assert tool_once(server, "number")["content"] == [{"type": "text", "text": "3"}]


@dataclass
class Blob:
    data: bytes


@pytest.mark.parametrize(
    ("annotation", "value", "structured"),
    [
        (tuple[bytes, int], (b"\xff", 1), {"result": ["_w==", 1]}),
        (Blob, Blob(b"\xff"), {"data": "_w=="}),
        (list[Blob], [Blob(b"\xff")], {"result": [{"data": "_w=="}]}),
    ],
)
def test_bytes_are_base64_wherever_they_are(annotation: object, value: object, structured: JsonValue) -> None:
    """Bytes leave in the second alphabet of RFC 4648, and the output schema says so."""
    server = _returning(annotation, value)
    assert tool_once(server, "make")["structuredContent"] == structured
    (tool,) = server.tools
    assert "base64url" in json.dumps(tool.definition.output_schema)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have(value: float) -> None:
    """TOOL-03: a schema that says number gets no null."""
    result = tool_once(_returning(float, value), "make")
    assert result["isError"] is True
    assert "finite" in text_of(result)


def test_a_return_annotation_that_cannot_be() -> None:
    """What pydantic refuses to describe is said at the decorator; a class of the author's is text."""

    class Mine:
        def __str__(self) -> str:
            return "mine"

    assert "structuredContent" not in tool_once(_returning(Mine, Mine()), "make")
    with pytest.raises(DeclarationError, match="cannot be resolved"):
        _returning("Missing", 1)


def test_a_result_that_breaks_its_annotation_is_an_error() -> None:
    """TOOL-03: nothing is sent that does not conform to the output schema."""
    result = tool_once(_returning(int, "three"), "make")
    assert result["isError"] is True
    assert "structuredContent" not in result
    assert "annotation" in text_of(result)


def test_a_value_without_json_form_is_an_error() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    assert text_of(tool_once(_returning(object, Odd()), "make")) == '"odd"'
    cycle: list[object] = []
    cycle.append(cycle)
    result = tool_once(_returning(object, cycle), "make")
    assert result["isError"] is True


def test_an_authors_own_result_is_not_written_to() -> None:
    """One result object serves both eras: the modern envelope does not stick to it."""
    shared = CallToolResult(content=[TextContent("same")])
    server = _returning(CallToolResult, shared)
    assert tool_once(server, "make")["resultType"] == "complete"
    assert shared.result_type is None
    assert shared.meta is None


async def test_revisions_without_structured_content() -> None:
    """Nothing that a revision does not know is sent (S31)."""
    server = _returning(int, 3)
    assert "structuredContent" in await call_tool(server, "make", revision=LATEST_LEGACY)
    old = await call_tool(server, "make", revision=V2025_03_26)
    assert old == {"content": [{"type": "text", "text": "3"}]}


async def test_content_that_a_revision_does_not_know() -> None:
    """Blocks that are younger than the session are told in words, not sent."""
    link = ResourceLink(uri="a://b", name="b", title="The b")
    server = _returning(list[Audio | ResourceLink], [Audio(b"x"), link])
    kinds = {
        row.name: [
            block["type"]
            for block in cast("list[JsonObject]", (await call_tool(server, "make", revision=row))["content"])
        ]
        for row in REVISIONS
    }
    assert kinds == {
        "2024-11-05": ["text", "text"],
        "2025-03-26": ["audio", "text"],
        "2025-06-18": ["audio", "resource_link"],
        "2025-11-25": ["audio", "resource_link"],
        "2026-07-28": ["audio", "resource_link"],
    }
    told = await call_tool(server, "make", revision=REVISIONS[0])
    assert "audio/wav" in text_of(told)
    assert cast("list[dict[str, str]]", told["content"])[1]["text"] == "The b: a://b"


def test_files(tmp_path: Path) -> None:
    text, data = tmp_path / "a.json", tmp_path / "b.bin"
    text.write_text('{"ä": 1}', encoding="utf-8")
    data.write_bytes(b"\xff\x00")
    broken = tmp_path / "c.txt"
    broken.write_bytes(b"\xff")
    blocks = [
        cast("list[dict[str, JsonObject]]", tool_once(_returning(File, File(path=path)), "make")["content"])[0][
            "resource"
        ]
        for path in (text, data, broken)
    ]
    assert blocks[0] == {"uri": text.as_uri(), "mimeType": "application/json", "text": '{"ä": 1}'}
    assert blocks[1] == {
        "uri": data.as_uri(),
        "mimeType": "application/octet-stream",
        "blob": base64.b64encode(b"\xff\x00").decode(),
    }
    assert "blob" in blocks[2]


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    result = tool_once(_returning(File, File(path=tmp_path / "gone.txt")), "make")
    assert result["isError"] is True
    assert "FileNotFoundError" in text_of(result)


@pytest.mark.parametrize(
    "make",
    [
        Image,
        lambda: Image(b"x", path="y.png"),
        lambda: Image(path="y.wav"),
        lambda: Audio(b"x", mime_type="image/png"),
        lambda: File(b"x"),
        lambda: Image(path="noextension"),
    ],
)
def test_media_that_cannot_be(make: Callable[[], object]) -> None:
    with pytest.raises(LocalProtocolError):
        make()
