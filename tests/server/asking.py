"""Calls that ask, as a client of the modern era makes them: a call, what it asks, and its retry with answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest
from msgspec import structs

from anyport import Context, Limits, McpError, Server
from anyport.protocol.calls import Call, Carrier, Reply
from anyport.protocol.revisions import LATEST_MODERN, Revision
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.memory import MemoryReply, as_object
from tests.server.calling import Heard, make_call

ALL: JsonObject = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}, "context": {}}, "roots": {}}
"""What a client declares that can be asked anything."""

NOTHING: JsonObject = {}
ONLY_SAMPLING: JsonObject = {"sampling": {}}
ONLY_ROOTS: JsonObject = {"roots": {}}

SECRET = "s" * 32


def accept(**content: JsonValue) -> JsonObject:
    """The answer of a user who filled a form in."""
    return {"action": "accept", "content": content}


def value(given: JsonValue) -> JsonObject:
    """The answer to a form of one plain type."""
    return accept(value=given)


ACCEPT: JsonObject = {"action": "accept"}
DECLINE: JsonObject = {"action": "decline"}
CANCEL: JsonObject = {"action": "cancel"}
SAID: JsonObject = {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"}


def asking_call(
    name: str,
    arguments: Mapping[str, object] | None = None,
    *,
    method: str = "tools/call",
    capabilities: JsonObject | None = None,
    revision: Revision = LATEST_MODERN,
    principal: str | None = None,
    more: Mapping[str, object] | None = None,
    meta: JsonObject | None = None,
) -> Call:
    """A call of a client that declares capabilities."""
    params: dict[str, object] = {"uri": name} if method == "resources/read" else {"name": name}
    if arguments is not None:
        params["arguments"] = arguments
    carrier = Carrier(transport="memory", principal=principal)
    call = make_call(method, {**params, **(more or {})}, revision=revision, carrier=carrier, meta=meta)
    return structs.replace(call, capabilities=ALL if capabilities is None else capabilities)


async def send(server: Server, call: Call, reply: Reply | None = None) -> JsonObject:
    """The result of a call as its peer would read it."""
    return as_object(await server.service(call, reply or MemoryReply()))


class Client:
    """Calls one tool, and retries it with answers.

    Args:
        server: The server.
        name: The tool, prompt or resource.
        arguments: Its arguments.
        **options: As for `asking_call`.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        arguments: Mapping[str, object] | None = None,
        *,
        method: str = "tools/call",
        capabilities: JsonObject | None = None,
        principal: str | None = None,
    ) -> None:
        self.server = server
        self.name = name
        self.arguments = arguments
        self.method = method
        self.capabilities = capabilities
        self.principal = principal
        self.heard = Heard()
        self.result: JsonObject = {}

    async def call(self, meta: JsonObject | None = None, **more: JsonValue) -> JsonObject:
        """Send the call, with what else its parameters hold."""
        call = asking_call(
            self.name,
            self.arguments,
            method=self.method,
            capabilities=self.capabilities,
            principal=self.principal,
            more=more,
            meta=meta,
        )
        self.result = await send(self.server, call, MemoryReply(self.heard.listen))
        return self.result

    async def answer(self, meta: JsonObject | None = None, **answers: JsonValue) -> JsonObject:
        """Retry with answers, by key."""
        return await self.call(meta, inputResponses=answers, requestState=self.state)

    async def refusal(self, **more: JsonValue) -> McpError:
        """The error that a retry with these parameters meets."""
        with pytest.raises(McpError) as caught:
            await self.call(None, **more)
        return caught.value

    async def refused(self, **answers: JsonValue) -> McpError:
        """The error that a retry with these answers meets."""
        return await self.refusal(inputResponses=answers, requestState=self.state)

    @property
    def state(self) -> str:
        """``requestState`` of the last result."""
        return cast("str", self.result["requestState"])

    @property
    def asked(self) -> dict[str, JsonObject]:
        """What the last result asks: parameters by key."""
        assert self.result["resultType"] == "input_required", self.result
        requests = cast("dict[str, dict[str, JsonObject]]", self.result["inputRequests"])
        return {key: request["params"] for key, request in requests.items()}

    @property
    def text(self) -> str:
        """The text of the last result, which is complete."""
        assert self.result["resultType"] == "complete", self.result
        return cast("list[dict[str, str]]", self.result["content"])[0]["text"]


@asynccontextmanager
async def closing(server: Server) -> AsyncGenerator[Server]:
    """Close what a server has parked at the end."""
    try:
        yield server
    finally:
        await server.rounds.aclose()


class Asker:
    """A server whose tools ask, and what happened in them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.server = Server("asker", limits=limits or Limits())
        self.started = 0
        self.ended = asyncio.Event()
        self.server.tool(self.greet)
        self.server.tool(self.both)
        self.server.tool(self.steps)
        self.server.tool(self.silent)
        self.server.tool(self.blocking)
        self.server.prompt(self.draft)
        self.server.resource("ask://{name}")(self.read)

    async def greet(self, ctx: Context, greeting: str = "Hello") -> str:
        self.started += 1
        try:
            answer = await ctx.elicit("Name?", str, key="name")
            return f"{greeting}, {answer.data}" if answer.accepted else answer.action
        finally:
            self.ended.set()

    async def both(self, ctx: Context) -> str:
        name, town = await asyncio.gather(ctx.elicit("Name?", str, key="name"), ctx.sample("Town?", key="town"))
        return f"{name.data} of {town.text}"

    async def steps(self, ctx: Context) -> str:
        await ctx.report_progress(1)
        first = await ctx.elicit("First?", str)
        await ctx.report_progress(2)
        second = await ctx.elicit("Second?", str)
        return f"{first.data} {second.data} {ctx.request_id} {ctx.meta.get('note')}"

    async def silent(self) -> str:
        return "nothing to ask"

    def blocking(self, ctx: Context) -> str:
        try:
            return f"{ctx.elicit('Number?', int, key='number').data} on {threading.current_thread().name[:7]}"
        finally:
            ctx._loop.call_soon_threadsafe(self.ended.set)  # pyright: ignore[reportPrivateUsage] - the loop of the test

    async def draft(self, ctx: Context, about: str) -> str:
        return f"{about}: {(await ctx.elicit('Tone?', str, key='tone')).data}"

    async def read(self, name: str, ctx: Context) -> str:
        return f"{name}: {(await ctx.elicit('Which?', str, key='which')).data}"
