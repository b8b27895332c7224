"""A channel without a transport: what goes out is kept, and a service does what the method says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from anyport.protocol.calls import Call, Reply
from anyport.protocol.errors import InvalidParams
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import DEFAULT_LIMITS, Limits
from anyport.protocol.types.json import JsonObject
from anyport.transports.duplex import Duplex
from tests.drivers.stdio import Error


class Answer(msgspec.Struct):
    """A message that went out, as far as these tests look at it."""

    id: int | str | None = None
    method: str | None = None
    result: JsonObject | None = None
    error: Error | None = None


class Wire:
    """An outlet that keeps what goes out, and a service that is told what to do by the method it is called with."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.lines: list[bytes] = []
        self.lasts: list[bool] = []
        self.full = False
        self.roomy = asyncio.Event()
        self.gate = asyncio.Event()
        self.started: list[int | str] = []
        self.replies: list[Reply] = []
        self.duplex = Duplex(self.serve, limits, self, "stdio")
        self.methods: dict[str, Callable[[Call, Reply], Awaitable[ResultLike]]] = {
            "wait": self.wait,
            "tell": self.tell,
            "deaf": self.deaf,
            "fail": self.fail,
            "break": self.broken,
            "exit": self.leave,
        }

    def write(self, message: bytes, *, last: bool = False) -> None:
        self.lines.append(message)
        self.lasts.append(last)

    async def room(self) -> None:
        await self.roomy.wait()

    def feed(self, *messages: bytes) -> None:
        self.duplex.feed(b"".join(message + b"\n" for message in messages))

    async def settle(self) -> list[Answer]:
        """Let everything that can go on go on; return and forget what was written."""
        for _ in range(10):
            await asyncio.sleep(0)
        lines, self.lines = self.lines, []
        return [msgspec.json.decode(line, type=Answer) for line in lines]

    async def serve(self, call: Call, reply: Reply) -> ResultLike:
        self.started.append(call.id)
        self.replies.append(reply)
        method = self.methods.get(call.method)
        return {"method": call.method, "revision": call.revision.name} if method is None else await method(call, reply)

    async def wait(self, call: Call, reply: Reply) -> ResultLike:
        await self.gate.wait()
        return {}

    async def tell(self, call: Call, reply: Reply) -> ResultLike:
        for number in range(3):
            await reply.notify("notifications/progress", {"progressToken": 1, "progress": number})
        return {}

    async def deaf(self, call: Call, reply: Reply) -> ResultLike:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            await reply.notify("notifications/message", {"level": "info", "data": "too late"})
        return {}

    async def fail(self, call: Call, reply: Reply) -> ResultLike:
        raise InvalidParams("no", {"field": "a"})

    async def broken(self, call: Call, reply: Reply) -> ResultLike:
        raise ValueError("a service that is no server")

    async def leave(self, call: Call, reply: Reply) -> ResultLike:
        raise SystemExit(3)


def codes(answers: list[Answer]) -> list[tuple[int | str | None, int]]:
    return [(answer.id, 0 if answer.error is None else answer.error.code) for answer in answers]
