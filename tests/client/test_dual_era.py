"""The matrix of eras: what each kind of client comes to with each kind of server, on stdio and over HTTP (VER-11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from anyport import Client
from anyport.client.targets import Target
from anyport.errors import ConnectError, McpError
from anyport.protocol.types.json import JsonObject
from tests.client.peers import (
    EXAMPLE,
    Posted,
    encoded,
    error,
    http_answer,
    http_peer,
    load_example,
    opened,
    result,
    scripted,
    text_result,
)

Kind = Literal["modern", "legacy", "dual"]
Where = Literal["stdio", "http"]

_NAMED: JsonObject = {"supported": ["2026-07-28"], "requested": "2025-11-25"}

_STDIO: dict[Kind, str] = {
    # VER-09: who knows no handshake says which versions there are.
    "modern": """
for message in messages():
    if message["method"] == "server/discover":
        answer(message, DISCOVERED)
    elif message["method"] == "initialize":
        refuse(message, -32022, "Unsupported protocol version", supported=["2026-07-28"], requested="2025-11-25")
    else:
        assert "io.modelcontextprotocol/protocolVersion" in message["params"]["_meta"]
        answer(message, text("modern"))
""",
    "legacy": """
for message in legacy():
    assert "_meta" not in message.get("params", {})
    answer(message, text("legacy"))
""",
}


async def modern_script(posted: Posted, writer: asyncio.StreamWriter) -> None:
    answer = opened(posted, "modern")
    if answer is None and posted.rpc_method == "initialize":
        answer = http_answer(400, encoded(error(posted, -32022, "Unsupported protocol version", _NAMED)))
    writer.write(answer or http_answer(200, encoded(result(posted, text_result("modern")))))


async def legacy_script(posted: Posted, writer: asyncio.StreamWriter) -> None:
    writer.write(opened(posted, "legacy") or http_answer(200, encoded(result(posted, text_result("legacy")))))


@asynccontextmanager
async def serving(kind: Kind, where: Where, url: str) -> AsyncGenerator[Target]:
    """Serve one kind of server; one of both eras is anyport's own."""
    if where == "stdio":
        yield f"{EXAMPLE}:server" if kind == "dual" else scripted(_STDIO[kind])
    elif kind == "dual":
        yield url
    else:
        async with http_peer(modern_script if kind == "modern" else legacy_script) as peer:
            yield peer.url


# Client, server, and the era that they speak; `None` where they cannot.
CELLS: list[tuple[Kind, Kind, Literal["modern", "legacy"] | None]] = [
    ("modern", "modern", "modern"),
    ("modern", "legacy", None),
    ("dual", "modern", "modern"),
    ("dual", "legacy", "legacy"),
    ("legacy", "modern", None),
    ("legacy", "dual", "legacy"),
    ("legacy", "legacy", "legacy"),
]


# What anyport's own servers are asked, and say.
CALLS: dict[tuple[Kind, Where], tuple[str, dict[str, object], str]] = {
    ("dual", "stdio"): ("echo", {"text": "both"}, "both"),
    ("dual", "http"): ("meta", {"key": "x"}, "None"),
}


@pytest.mark.parametrize("where", ["stdio", "http"])
@pytest.mark.parametrize(("client", "server", "spoken"), CELLS)
async def test_the_matrix(
    client: Kind, server: Kind, spoken: Literal["modern", "legacy"] | None, where: Where, full_url: str
) -> None:
    """VER-09, VER-10, VER-11: where there is no common era, the same error each time, which says why."""
    era = None if client == "dual" else client
    async with serving(server, where, full_url) as target:
        if spoken is not None:
            async with Client(target, era=era, timeout=20) as found:
                assert found.era == spoken
                tool, arguments, expected = CALLS[server, where] if server == "dual" else ("any", {}, spoken)
                assert (await found.call_tool(tool, arguments)).text == expected
            return
        texts: set[str] = set()
        for _ in range(2):
            with pytest.raises((ConnectError, McpError)) as caught:
                await Client(target, era=era, timeout=20).connect()
            texts.add(str(caught.value))
        [text] = texts
        assert ("no modern revision" if client == "modern" else "Unsupported protocol version") in text


@pytest.mark.parametrize("where", ["memory", "stdio", "http"])
async def test_both_eras_at_the_same_time(where: str, full_url: str) -> None:
    """VER-10, META-07, META-09: one server, clients of both eras, many calls of each at once."""
    target: Target = load_example() if where == "memory" else f"{EXAMPLE}:server" if where == "stdio" else full_url
    tool, argument = ("meta", "key") if where == "http" else ("echo", "text")
    async with Client(target, era="modern") as modern, Client(target, era="legacy") as legacy:
        calls = [client.call_tool(tool, {argument: str(number)}) for number in range(20) for client in (modern, legacy)]
        said = [answer.text for answer in await asyncio.gather(*calls)]
        assert said == (["None"] * 40 if where == "http" else [str(number) for number in range(20) for _ in range(2)])
        assert (modern.era, legacy.era) == ("modern", "legacy")
