"""What a resource holds: the contents and the MIME type of each return value (RSC-02)."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from pydantic import BaseModel

from anyport import Audio, Context, File, Image, Server
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Revision
from anyport.protocol.types import EmbeddedResource, ResourceContents
from anyport.protocol.types.json import JsonObject
from tests.server.calling import Heard, ask, make_call
from tests.server.judging import items, read_one, refusal


class Model(BaseModel):
    """A model."""

    a: int = 1


@dataclass
class Record:
    """A dataclass."""

    a: int = 1


class Wire(msgspec.Struct):
    """A struct."""

    a: int = 1


BINARY = base64.b64encode(b"\0\xff").decode()
VALUES: list[tuple[object, JsonObject]] = [
    ("text \u00e9", {"mimeType": "text/plain", "text": "text \u00e9"}),
    ("", {"mimeType": "text/plain", "text": ""}),
    (b"\0\xff", {"mimeType": "application/octet-stream", "blob": BINARY}),
    (b"", {"mimeType": "application/octet-stream", "blob": ""}),
    (bytearray(b"\0\xff"), {"mimeType": "application/octet-stream", "blob": BINARY}),
    ({"a": 1}, {"mimeType": "application/json", "text": '{"a":1}'}),
    ([], {"mimeType": "application/json", "text": "[]"}),
    ([1, "b"], {"mimeType": "application/json", "text": '[1,"b"]'}),
    (3, {"mimeType": "application/json", "text": "3"}),
    (False, {"mimeType": "application/json", "text": "false"}),
    (Model(), {"mimeType": "application/json", "text": '{"a":1}'}),
    (Record(), {"mimeType": "application/json", "text": '{"a":1}'}),
    (Wire(), {"mimeType": "application/json", "text": '{"a":1}'}),
    ([Wire()], {"mimeType": "application/json", "text": '[{"a":1}]'}),
    (Image(b"\0\xff"), {"mimeType": "image/png", "blob": BINARY}),
    (Audio(b"\0\xff"), {"mimeType": "audio/wav", "blob": BINARY}),
    (File(b"x,y", uri="file:///a.csv", mime_type="text/csv"), {"mimeType": "text/csv", "text": "x,y"}),
    (File(b"\0\xff", uri="file:///a"), {"mimeType": "application/octet-stream", "blob": BINARY}),
    (ResourceContents(uri="t://v", text="t", meta={"a": 1}), {"text": "t", "_meta": {"a": 1}}),
    (EmbeddedResource(ResourceContents(uri="t://v", blob=BINARY)), {"blob": BINARY}),
]


@pytest.mark.parametrize("revision", [LATEST_MODERN, LATEST_LEGACY], ids=lambda row: row.name)
@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: type(value).__name__)
async def test_what_a_function_returns(value: object, expected: JsonObject, revision: Revision) -> None:
    """RSC-02: text stays text, bytes are Base64, anything else is its JSON; the MIME type goes with the value."""
    server = Server("test")
    server.resource("t://v", name="value")(lambda: value)
    assert await read_one(server, "t://v", revision) == {"uri": "t://v", **expected}


async def test_several_contents() -> None:
    """A directory may answer with its files: each has its own URI."""
    server = Server("test")
    parts = [ResourceContents(uri="t://v/1", text="1"), File(b"2", uri="t://v/2", mime_type="text/plain"), "3"]
    server.resource("t://v", name="value")(lambda: parts)
    contents = await items(server, "resources/read", params={"uri": "t://v"})
    assert [(part["uri"], part["text"]) for part in contents] == [("t://v/1", "1"), ("t://v/2", "2"), ("t://v", "3")]


@pytest.mark.parametrize(
    ("value", "mime_type", "expected"),
    [
        ("# a", "text/markdown", {"text": "# a"}),
        ({"a": 1}, "application/vnd.shop+json", {"text": '{"a":1}'}),
        (b"PNG", "image/png", {"blob": base64.b64encode(b"PNG").decode()}),
        (b"a,b", "text/csv", {"text": "a,b"}),
        (b"\xff", "text/csv", {"blob": base64.b64encode(b"\xff").decode()}),
    ],
)
async def test_the_declared_mime_type(value: object, mime_type: str, expected: JsonObject) -> None:
    """It is listed and sent; bytes of a text type are sent as text where they are."""
    server = Server("test")
    server.resource("t://v", name="value", mime_type=mime_type)(lambda: value)
    assert (await items(server, "resources/list"))[0]["mimeType"] == mime_type
    assert await read_one(server, "t://v") == {"uri": "t://v", "mimeType": mime_type, **expected}


def _as_text() -> str: ...
def _as_maybe_text() -> str | None: ...
def _as_literal() -> Literal["a", "b"]: ...
def _as_bytes() -> bytes: ...
def _as_dict() -> dict[str, int]: ...
def _as_list() -> list[int]: ...
def _as_model() -> Model: ...
def _as_number() -> int: ...
def _as_image() -> Image: ...
def _as_images() -> list[Image]: ...
def _as_either() -> str | bytes: ...
def _as_object() -> object: ...
def _as_contents() -> list[ResourceContents]: ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: "", "text/plain"),
        (_as_text, "text/plain"),
        (_as_maybe_text, "text/plain"),
        (_as_literal, "text/plain"),
        (_as_bytes, "application/octet-stream"),
        (_as_dict, "application/json"),
        (_as_list, "application/json"),
        (_as_model, "application/json"),
        (_as_number, "application/json"),
        (_as_image, None),
        (_as_images, None),
        (_as_either, None),
        (_as_object, None),
        (_as_contents, None),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_the_listed_mime_type(function: Callable[[], object], expected: str | None) -> None:
    """The annotation says it, and nothing is said where only the value can tell."""
    server = Server("test")
    server.resource("t://v", name="value")(function)
    assert (await items(server, "resources/list"))[0].get("mimeType") == expected


async def test_plain_functions_run_on_threads_and_know_the_call() -> None:
    server, heard, here = Server("test"), Heard(), threading.get_ident()

    @server.resource("t://{where}")
    def place(where: str, ctx: Context) -> str:
        ctx.report_progress(1, message=where)
        return str(threading.get_ident() == here)

    call = make_call("resources/read", {"uri": "t://x"}, meta={"progressToken": "p"})
    result = await ask(server, call, heard)
    assert result["contents"] == [{"uri": "t://x", "mimeType": "text/plain", "text": "False"}]
    assert heard.notifications[0].params == {"progressToken": "p", "progress": 1, "message": "x"}


async def test_media_are_read_off_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, here, seen = Server("test"), threading.get_ident(), list[bool]()
    (tmp_path / "a.png").write_bytes(b"png")
    original = Path.read_bytes

    def read(self: Path) -> bytes:
        seen.append(threading.get_ident() == here)
        return original(self)

    monkeypatch.setattr(Path, "read_bytes", read)

    @server.resource("t://v")
    async def picture() -> Image:
        return Image(path=tmp_path / "a.png")

    assert (await read_one(server, "t://v"))["mimeType"] == "image/png"
    assert seen == [False]


@pytest.mark.parametrize("value", [object(), {"a": object()}, b"".__class__, float])
async def test_a_value_without_json_form(value: object) -> None:
    server = Server("test")
    server.resource("t://v", name="value")(lambda: value)
    assert (await refusal(server, "resources/read", {"uri": "t://v"})).code == -32603
