"""What is at the other end of a client's channel of lines: says what a test wants it to, byte by byte."""

from __future__ import annotations

import asyncio
import json

from anyport.protocol.jsonrpc import Notification, Request, RequestId
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.transports.calling import Answer, Incoming
from anyport.transports.lines import LineChannel

WAIT = 30.0


class LineServer:
    """What is at the other end of a channel: keeps what is written, and says what a test wants it to.

    Attributes:
        channel: The channel.
        told: Notifications that were handed over.
        questions: Requests that were handed over; each is answered when `answers` says so.
        lost: Why the connection was said to be gone.
        chunks: Number of messages in each write.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.written: list[JsonObject] = []
        self.chunks: list[int] = []
        self.told: list[Notification] = []
        self.questions: list[Request] = []
        self.answers: dict[RequestId, asyncio.Future[Answer]] = {}
        self.lost: list[Exception] = []
        self._room = asyncio.Event()
        self._room.set()
        self.channel = LineChannel(Incoming(self.told.append, self._asked, self.lost.append), limits or Limits(), self)

    async def _asked(self, request: Request) -> Answer:
        self.questions.append(request)
        self.answers[request.id] = asyncio.get_running_loop().create_future()
        return await self.answers[request.id]

    @property
    def full(self) -> bool:
        return not self._room.is_set()

    def write(self, data: bytes) -> None:
        self.chunks.append(data.count(b"\n"))
        self.written += [json.loads(line) for line in data.splitlines()]

    async def room(self) -> None:
        await self._room.wait()

    def read_nothing(self) -> None:
        self._room.clear()

    def read_on(self) -> None:
        self._room.set()

    def say(self, *messages: JsonValue) -> None:
        for message in messages:
            whole = {"jsonrpc": "2.0", **message} if isinstance(message, dict) else message
            self.channel.feed(json.dumps(whole).encode() + b"\n")

    def begin(self, *ids: RequestId, method: str = "tools/call") -> list[asyncio.Task[Answer]]:
        return [asyncio.create_task(self.channel.request(Request(number, method, {}))) for number in ids]


async def turn() -> None:
    """Let everything happen that is due."""
    for _ in range(3):
        await asyncio.sleep(0)


async def end_of(task: asyncio.Task[Answer]) -> Answer:
    async with asyncio.timeout(WAIT):
        return await task
