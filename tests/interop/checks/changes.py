"""What a client is told of while it looks on: lists that change, resources that are updated."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import uuid4

from tests.interop.checks.peer import Check, JsonObject, Peer, collect, expect, texts

UPDATED: Final = "notifications/resources/updated"
TOOLS: Final = "notifications/tools/list_changed"
WATCHED: Final = "test://note"


async def updated(peer: Peer) -> None:
    """Legacy `resources/subscribe`, modern `subscriptions/listen`: of what was asked for, and of nothing else.

    Another client may be told things at the same time: the resource is this one's alone, and lists are left aside.
    """
    seen: asyncio.Queue[JsonObject] = asyncio.Queue()
    watched = f"test://files/{uuid4().hex}.md"
    async with peer.watching(watched, seen):
        await peer.call("touch", {"uri": "test://table"})
        expect(texts(await peer.call("touch", {"uri": watched})), ["touched"], "the tool")
        told = (await collect(seen, 1))[0]
        while told == {"method": TOOLS}:
            told = (await collect(seen, 1))[0]
        expect(told, {"method": UPDATED, "uri": watched}, "what was told")
    await peer.call("touch", {"uri": watched})
    await peer.call("no_arguments")
    late = [told for told in _taken(seen) if told != {"method": TOOLS}]
    expect(late, [], "told after it was no longer asked for")


def _taken(seen: asyncio.Queue[JsonObject]) -> list[JsonObject]:
    return [seen.get_nowait() for _ in range(seen.qsize())]


async def tools_changed(peer: Peer) -> None:
    seen: asyncio.Queue[JsonObject] = asyncio.Queue()
    async with peer.watching(WATCHED, seen):
        await peer.call("tell_tools_changed")
        expect(await collect(seen, 1), [{"method": TOOLS}], "what was told")


CHANGE_CHECKS: Final[dict[str, Check]] = {
    "changes: a resource is updated": Check(updated),
    "changes: the tools change": Check(tools_changed),
}
