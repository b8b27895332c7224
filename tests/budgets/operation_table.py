"""Everything that a client can do, by name, for `tests.budgets.operations`."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Final, cast

from anyport import Ask, Context, Depends, Server
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import LATEST_LEGACY, LATEST_MODERN
from anyport.protocol.types.json import JsonObject
from anyport.server.tools import ToolOptions
from tests.behaviour.fixture import make_server
from tests.behaviour.peers.channel import ChannelPeer
from tests.behaviour.peers.edge import EdgePeer
from tests.behaviour.peers.http import AsgiPeer
from tests.behaviour.peers.memory import MemoryPeer
from tests.behaviour.peers.peer import WAIT, Asked, Peer
from tests.behaviour.peers.socket import SocketPeer
from tests.behaviour.peers.sse import SsePeer
from tests.behaviour.test_questions import call as ask_and_answer
from tests.budgets.growth import Act, Operation
from tests.drivers.asgi import initialize, post, start, usual_headers
from tests.drivers.streams import get

BRIEF: Final = Limits(stream_idle_s=1.0, log_bytes=8192)
"""What is kept for clients that come back is kept on purpose, and would look like a leak."""

REQUESTS: Final[dict[str, tuple[str, JsonObject]]] = {
    "tools/list": ("tools/list", {}),
    "tools/list, second page": ("tools/list", {"cursor": "no such page"}),
    "tools/call": ("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}),
    "tools/call, sync": ("tools/call", {"name": "add_sync", "arguments": {"a": 1, "b": 2}}),
    "tools/call, model": ("tools/call", {"name": "item", "arguments": {"name": "pen"}}),
    "tools/call, media": ("tools/call", {"name": "media", "arguments": {}}),
    "tools/call, context": ("tools/call", {"name": "who", "arguments": {}}),
    "tools/call, logs": ("tools/call", {"name": "logs", "arguments": {}}),
    "tools/call, progress on a thread": ("tools/call", {"name": "progress_sync", "arguments": {}}),
    "tools/call, Depends": ("tools/call", {"name": "supplied", "arguments": {}}),
    "tools/call, Depends that fails": ("tools/call", {"name": "unsupplied", "arguments": {}}),
    "tools/call, unknown": ("tools/call", {"name": "unknown", "arguments": {}}),
    "tools/call, wrong arguments": ("tools/call", {"name": "constrained", "arguments": {"count": 9}}),
    "tools/call, no object": ("tools/call", {"name": "add", "arguments": [1]}),
    "tools/call, ToolError": ("tools/call", {"name": "fails", "arguments": {"text": "x"}}),
    "tools/call, exception": ("tools/call", {"name": "breaks_at_once", "arguments": {}}),
    "tools/call, exception on a thread": ("tools/call", {"name": "breaks", "arguments": {}}),
    "tools/call, McpError": ("tools/call", {"name": "fails_by_protocol", "arguments": {}}),
    "tools/call, SystemExit": ("tools/call", {"name": "leaves", "arguments": {}}),
    "resources/list": ("resources/list", {}),
    "resources/templates/list": ("resources/templates/list", {}),
    "resources/read": ("resources/read", {"uri": "test://note"}),
    "resources/read, bytes": ("resources/read", {"uri": "test://bytes"}),
    "resources/read, template": ("resources/read", {"uri": "test://items/pen"}),
    "resources/read, missing": ("resources/read", {"uri": "test://nothing"}),
    "resources/read, exception": ("resources/read", {"uri": "test://broken"}),
    "prompts/list": ("prompts/list", {}),
    "prompts/get": ("prompts/get", {"name": "review", "arguments": {"code": "x"}}),
    "prompts/get, sync": ("prompts/get", {"name": "hello"}),
    "prompts/get, refused": ("prompts/get", {"name": "review"}),
    "completion/complete": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "tone", "value": ""}},
    ),
    "completion/complete, template": (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "test://items/{name}{?lang}"},
            "argument": {"name": "name", "value": ""},
        },
    ),
    "unknown method": ("no/such", {}),
}
MODERN: Final = {"server/discover": ("server/discover", cast("JsonObject", {}))}
LEGACY: Final[dict[str, tuple[str, JsonObject]]] = {
    "ping": ("ping", {}),
    "logging/setLevel": ("logging/setLevel", {"level": "info"}),
    "resources/subscribe, refused": ("resources/subscribe", {"uri": "test://nothing"}),
}
SLOW: Final[dict[str, tuple[str, JsonObject]]] = {
    "tools/call, timeout": ("tools/call", {"name": "times_out", "arguments": {}}),
}
"""What waits for a clock."""
QUESTIONS: Final = ("ask_user", "ask_model", "ask_roots", "ask_all", "ask_page", "ask_parameter", "ask_again")
NO_MESSAGES: Final = (b"{", b"[]", b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', b'{"jsonrpc":"2.0","id":null}')
LISTS: Final[JsonObject] = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
NOTE: Final = "test://note"
UPDATED: Final = "notifications/resources/updated"
TOGETHER: Final = 50


@functools.cache
def make_operated_server() -> Server:
    """Return the server of the behaviour suite, with a few more tools."""
    server = make_server(BRIEF)

    @server.tool
    async def breaks_at_once() -> int:
        raise ValueError("no")

    @server.tool
    def leaves() -> int:
        raise SystemExit(3)

    @server.tool(timeout=0.001)
    async def times_out() -> int:
        await asyncio.sleep(WAIT)
        return 1

    _add_suppliers(server)
    _add_questions(server)
    return server


def _add_suppliers(server: Server) -> None:
    async def number() -> AsyncGenerator[int]:
        yield 3

    def fail() -> int:
        raise ValueError("not today")

    @server.tool
    async def supplied(value: Annotated[int, Depends(number)]) -> int:
        return value

    @server.tool
    def unsupplied(value: Annotated[int, Depends(fail)]) -> int:
        return value


def _add_questions(server: Server) -> None:
    @server.tool
    async def ask_page(ctx: Context) -> str:
        return (await ctx.elicit_url("Sign in", "https://example.com/in")).action

    @server.tool
    async def ask_parameter(name: Annotated[str, Ask("Who?")]) -> str:
        return name

    @server.tool(resumable=True)
    async def ask_again(ctx: Context) -> str:
        await ctx.once("first", _effect)
        answer = await ctx.elicit("Go on?", str)
        return answer.action


async def _effect() -> str:
    return "done"


def client() -> Asked:
    """Return how the client answers: whatever the server may ask, without taking a note."""
    answers = {"elicitation/create": _fill_in, "sampling/createMessage": _say, "roots/list": _list_roots}
    return Asked({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}, answers)


def _say(params: JsonObject) -> JsonObject:
    return {"role": "assistant", "model": "m", "content": {"type": "text", "text": "four"}}


def _list_roots(params: JsonObject) -> JsonObject:
    return {"roots": [{"uri": "file:///a"}, {"uri": "file:///b"}]}


def _fill_in(params: JsonObject) -> JsonObject:
    wanted = cast("JsonObject", params.get("requestedSchema") or {}).get("properties")
    fields = cast("dict[str, JsonObject]", wanted or {})
    content: JsonObject = {name: 1.5 if field["type"] == "number" else "text" for name, field in fields.items()}
    return {"action": "accept", "content": content} if fields else {"action": "accept"}


def operations_of(peer: Peer, server: Server) -> dict[str, Operation[Peer]]:
    """Return every operation that a peer can do, by name."""
    asked = {**REQUESTS, **(MODERN if peer.modern else LEGACY)}
    found = {name: Operation(_ask(method, params)) for name, (method, params) in asked.items()}
    found |= {name: Operation(_ask(method, params), TOGETHER) for name, (method, params) in SLOW.items()}
    found |= {f"question, {tool}": Operation(functools.partial(_question, tool)) for tool in _askable(peer)}
    found |= {
        "progress": Operation(_progress),
        "notification": Operation(_notify),
        "cancelled call": Operation(_cancel, _leaving_together(peer)),
        "cancelled call on a thread": Operation(functools.partial(_cancel, tool="wait_sync"), TOGETHER),
        "registration": Operation(functools.partial(_register, server)),
    }
    found |= {name: Operation(act, _leaving_together(peer)) for name, act in _watching(peer, server).items()}
    found |= {name: Operation(act) for name, act in _on_the_wire(peer, server).items()}
    return found


def _leaving_together(peer: Peer) -> int:
    """Return how many clients leave at a time: that a connection is closed is noticed late, on purpose."""
    return TOGETHER if isinstance(peer, (AsgiPeer, EdgePeer)) and peer.modern else 1


# --- requests ---------------------------------------------------------------------------------------------------------


def _ask(method: str, params: JsonObject) -> Act[Peer]:
    async def operation(peer: Peer) -> None:
        await peer.request(method, params)

    return operation


def _askable(peer: Peer) -> list[str]:
    """Return the tools that can ask on a revision: a page to open is of the latest ones."""
    return [tool for tool in QUESTIONS if tool != "ask_page" or peer.revision in (LATEST_MODERN, LATEST_LEGACY)]


async def _question(tool: str, peer: Peer) -> None:
    """What a tool asks is asked and answered, and the tool has its result."""
    answer = await ask_and_answer(peer, tool)
    assert "isError" not in answer.result, answer.text


async def _progress(peer: Peer) -> None:
    await peer.call("progress", {"steps": 2}, token=True)


async def _notify(peer: Peer) -> None:
    await peer.notify("notifications/unknown")


async def _cancel(peer: Peer, tool: str = "wait") -> None:
    pending = peer.begin_call(tool, {"key": "cancelled"}, token=True)
    await pending.heard()
    await peer.cancel(pending)


# --- changes ----------------------------------------------------------------------------------------------------------


async def _register(server: Server, peer: Peer) -> None:
    """Tools, prompts and resources come and go, while somebody may be told of it."""
    server.tools.add(_effect, ToolOptions(name="passing"))
    server.tools.remove("passing")
    await asyncio.sleep(0)


def _watching(peer: Peer, server: Server) -> dict[str, Act[Peer]]:
    if peer.modern:
        return {
            "listen, left": functools.partial(_listen, server, False),
            "listen, ended": functools.partial(_listen, server, True),
            "listen, refused": _ask("subscriptions/listen", {"notifications": {"resourceSubscriptions": 7}}),
        }
    if isinstance(peer, AsgiPeer):
        return {"standing stream": functools.partial(_stand, server)}
    if isinstance(peer, EdgePeer):
        # Its peer has no stream beside those of its calls; what carries one is the same endpoint.
        return {}
    return {"subscription": functools.partial(_subscribe, server)}


async def _listen(server: Server, ended: bool, peer: Peer) -> None:
    """A stream of changes is opened, tells of some, and is left, or ended by the server."""
    pending = peer.start("subscriptions/listen", {"notifications": {**LISTS, "resourceSubscriptions": [NOTE]}})
    await pending.heard()
    server.notify_tools_changed()
    server.notify_resource_updated(NOTE)
    await pending.heard(3)
    if ended:
        server.subscriptions.end()
        await pending.answer()
    else:
        await peer.cancel(pending)


async def _subscribe(server: Server, peer: Peer) -> None:
    """A session subscribes, is told of changes, and has heard enough."""
    heard = asyncio.Event()
    wanted = {UPDATED, "notifications/prompts/list_changed"}

    def hear(notification: JsonObject) -> None:
        wanted.discard(str(notification["method"]))
        if not wanted:
            heard.set()

    peer.unclaimed = hear
    await peer.request("resources/subscribe", {"uri": NOTE})
    server.notify_prompts_changed()
    server.notify_resource_updated(NOTE)
    async with asyncio.timeout(WAIT):
        await heard.wait()
    await peer.request("resources/unsubscribe", {"uri": NOTE})


async def _stand(server: Server, peer: Peer) -> None:
    """The same over the stream that GET opens; its client leaves, comes back for what it missed, and leaves."""
    assert isinstance(peer, AsgiPeer)
    await peer.request("resources/subscribe", {"uri": NOTE})
    stream = get(peer.app, peer.session)
    await stream.until(lambda: bool(stream.raw_events))
    server.notify_resource_updated(NOTE)
    await stream.until(lambda: any(event["method"] == UPDATED for event in stream.events))
    stream.disconnect()
    await stream.done()
    again = get(peer.app, peer.session, stream.raw_events[0].id)
    await again.until(lambda: again.status != 0)
    again.disconnect()
    await again.done()
    await peer.request("resources/unsubscribe", {"uri": NOTE})


# --- bytes, connections, sessions -------------------------------------------------------------------------------------


def _on_the_wire(peer: Peer, server: Server) -> dict[str, Act[Peer]]:
    if isinstance(peer, MemoryPeer):
        return {}
    found: dict[str, Act[Peer]] = {"garbage": _garbage, "cancellation of nothing": _cancel_unknown}
    if peer.revision.batches:
        found["batch"] = _batch
    if isinstance(peer, ChannelPeer):
        found["id twice"] = _twice
    if isinstance(peer, AsgiPeer):
        found |= {"disconnect": _disconnect, "refused headers": _refused}
        found |= {} if peer.modern else {"session": _session}
    if isinstance(peer, SocketPeer):
        found["connection"] = lambda _: _come_and_go(SocketPeer(server, peer.revision, place=peer.place))
    if isinstance(peer, SsePeer):
        found["connection"] = lambda _: _come_and_go(SsePeer(server, peer.revision, app=peer.app))
    return found


async def _come_and_go(peer: Peer) -> None:
    await peer.open()
    await peer.aclose()


async def _cancel_unknown(peer: Peer) -> None:
    await peer.notify("notifications/cancelled", {"requestId": "never"})


async def _twice(peer: Peer) -> None:
    """A second request with the id of one in flight is refused; the first is not touched."""
    first = peer.begin_call("wait", {"key": "twice"}, token=True)
    await first.heard()
    second = await peer.request("tools/list", request_id=first.id)
    assert "error" in second.message
    await peer.cancel(first)


async def _garbage(peer: Peer) -> None:
    for data in NO_MESSAGES:
        await peer.raw(data)


async def _batch(peer: Peer) -> None:
    entries = [{**peer.message("ping"), "id": number} for number in range(3)]
    await peer.raw(json.dumps([*entries, peer.message("notifications/unknown")]).encode())


async def _session(peer: Peer) -> None:
    assert isinstance(peer, AsgiPeer)
    answer = await post(peer.app, initialize())
    fields = {"mcp-session-id": answer.headers["mcp-session-id"]}
    assert (await post(peer.app, b"", fields, method="DELETE")).status == 204


async def _disconnect(peer: Peer) -> None:
    """A client that leaves before its request is whole."""
    assert isinstance(peer, AsgiPeer)
    exchange = start(peer.app, b"", usual_headers(peer.message("tools/list")), chunks=[])
    exchange.give(b'{"jsonrpc"', more=True)
    exchange.disconnect()
    await exchange.done()


async def _refused(peer: Peer) -> None:
    """A foreign page, a name of somebody else, a body of another type, a session that is none, another method."""
    assert isinstance(peer, AsgiPeer)
    message = {**peer.message("tools/list"), "id": 1}
    refusals = {
        403: post(peer.app, message, {"origin": "https://evil.example"}),
        421: post(peer.app, message, {"host": "evil.example"}),
        415: post(peer.app, message, {"content-type": "text/plain"}),
        404: post(peer.app, {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"mcp-session-id": "none"}),
        405: post(peer.app, message, method="PUT"),
    }
    for status, answer in refusals.items():
        assert (await answer).status == status
