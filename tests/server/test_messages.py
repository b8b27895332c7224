"""The messages of a prompt: every kind of content, from both sides (PRM-01)."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import cast

import pytest

from anyport import AssistantMessage, Audio, File, Image, Message, Server, UserMessage
from anyport.errors import LocalProtocolError
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN, Revision
from anyport.protocol.types import (
    AudioContent,
    GetPromptResult,
    PromptMessage,
    ResourceContents,
    ResourceLink,
    Role,
    TextContent,
)
from anyport.protocol.types.json import JsonObject
from tests.server.judging import EVERY, items, judged, refusal

DATA = base64.b64encode(b"data").decode()
TEXT = TextContent(text="t", meta={"a": 1})
NOBODY = cast("Role", "system")
LINK = ResourceLink(uri="a:b", name="link", title="Link")
CONTENTS = ResourceContents(uri="a:b", text="c")
MESSAGES: list[tuple[object, list[JsonObject]]] = [
    ("t", [{"role": "user", "content": {"type": "text", "text": "t"}}]),
    (TEXT, [{"role": "user", "content": {"type": "text", "text": "t", "_meta": {"a": 1}}}]),
    (Image(b"data"), [{"role": "user", "content": {"type": "image", "data": DATA, "mimeType": "image/png"}}]),
    (Audio(b"data"), [{"role": "user", "content": {"type": "audio", "data": DATA, "mimeType": "audio/wav"}}]),
    (LINK, [{"role": "user", "content": {"type": "resource_link", "uri": "a:b", "name": "link", "title": "Link"}}]),
    (CONTENTS, [{"role": "user", "content": {"type": "resource", "resource": {"uri": "a:b", "text": "c"}}}]),
    (
        File(b"data", uri="a:b"),
        [{
            "role": "user",
            "content": {
                "type": "resource",
                "resource": {"uri": "a:b", "mimeType": "application/octet-stream", "blob": DATA},
            },
        }],
    ),
    (UserMessage("t"), [{"role": "user", "content": {"type": "text", "text": "t"}}]),
    (AssistantMessage(TEXT), [{"role": "assistant", "content": {"type": "text", "text": "t", "_meta": {"a": 1}}}]),
    (Message("t", "assistant"), [{"role": "assistant", "content": {"type": "text", "text": "t"}}]),
    (PromptMessage("assistant", TextContent("t")), [{"role": "assistant", "content": {"type": "text", "text": "t"}}]),
    ({"role": "assistant", "content": "t"}, [{"role": "assistant", "content": {"type": "text", "text": "t"}}]),
    (
        {"role": "user", "content": {"type": "image", "data": DATA, "mimeType": "image/gif"}},
        [{"role": "user", "content": {"type": "image", "data": DATA, "mimeType": "image/gif"}}],
    ),
    (
        ("a", AssistantMessage("b")),
        [
            {"role": "user", "content": {"type": "text", "text": "a"}},
            {"role": "assistant", "content": {"type": "text", "text": "b"}},
        ],
    ),
    ([], []),
]  # fmt: skip


@pytest.mark.parametrize("revision", [LATEST_MODERN, LATEST_LEGACY], ids=lambda row: row.name)
@pytest.mark.parametrize(("value", "expected"), MESSAGES, ids=lambda value: type(value).__name__)
async def test_what_a_function_returns(value: object, expected: list[JsonObject], revision: Revision) -> None:
    """PRM-01: every kind of content, from both sides; who says nothing about the speaker means the user."""
    server = Server("test")
    server.prompt(name="p")(lambda: value)
    assert await items(server, "prompts/get", revision, {"name": "p"}) == expected


@pytest.mark.parametrize("whole", [False, True])
@EVERY
async def test_content_that_a_revision_does_not_know(revision: Revision, whole: bool) -> None:
    """Blocks that are younger than the session are told in words, not sent."""
    own = [UserMessage(Audio(b"x")), AssistantMessage(LINK)]
    server, messages = Server("test"), [message.to_wire() for message in own]
    server.prompt(name="p")(lambda: GetPromptResult(messages=messages) if whole else own)
    found = await items(server, "prompts/get", revision, {"name": "p"})
    assert [message["role"] for message in found] == ["user", "assistant"]
    assert [cast("JsonObject", message["content"])["type"] for message in found] == [
        "text" if revision.lacks("2025-03-26") else "audio",
        "text" if revision.lacks("2025-06-18") else "resource_link",
    ]
    assert isinstance(messages[0].content, AudioContent)


async def test_a_whole_result() -> None:
    """The author's own object stays as it is, whoever asks for it."""
    server, own = Server("test"), GetPromptResult(messages=[PromptMessage("user", TEXT)], description="own")
    server.prompt(name="p", description="declared")(lambda: own)
    for revision in (LATEST_MODERN, LATEST_LEGACY):
        assert (await judged(server, "prompts/get", {"name": "p"}, revision))["description"] == "own"
    assert own.result_type is None
    server.prompt(name="q", description="declared")(lambda: "")
    assert (await judged(server, "prompts/get", {"name": "q"}))["description"] == "declared"


@pytest.mark.parametrize(
    "value",
    [
        None, 5, object(), {"a": 1}, [None], ["a", 3], {"role": "system", "content": "t"}, {"role": "user"},
        {"role": "user", "content": {"type": "nothing"}}, PromptMessage(NOBODY, TEXT),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
async def test_values_that_are_no_messages(value: object, caplog: pytest.LogCaptureFixture) -> None:
    """PRM-01: what a prompt says is checked too; -32603, since the client cannot help it."""
    server = Server("test")
    server.prompt(name="p")(lambda: value)
    error = await refusal(server, "prompts/get", {"name": "p"})
    assert (error.code, "error id" in error.message) == (-32603, True)
    assert "Prompt p failed" in caplog.text


def test_nobody_else_speaks() -> None:
    with pytest.raises(LocalProtocolError, match="system"):
        Message("t", NOBODY)


async def test_files_are_read_off_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, here, seen, original = Server("test"), threading.get_ident(), list[bool](), Path.read_bytes
    (tmp_path / "a.png").write_bytes(b"png")

    def read(self: Path) -> bytes:
        seen.append(threading.get_ident() == here)
        return original(self)

    monkeypatch.setattr(Path, "read_bytes", read)

    @server.prompt
    async def picture() -> list[object]:
        return ["Look", UserMessage(Image(path=tmp_path / "a.png"))]

    assert len(await items(server, "prompts/get", params={"name": "picture"})) == 2
    assert seen == [False]
