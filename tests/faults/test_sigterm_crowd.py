"""SIGTERM while a thousand clients listen and a hundred wait for answers: each hears the end, whole and in time.

D10, D07, D11, SUB-04, SUB-05.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, cast

import pytest

from anyport.protocol.sse import EventDecoder, ServerSentEvent
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.drivers.asgi import call as http_call
from tests.drivers.asgi import initialize, legacy, modern, usual_headers
from tests.drivers.http_server import HttpAnswer, HttpProcess, head
from tests.drivers.stdio import PATIENCE, StdioProcess, request
from tests.faults.test_sigterm import FINISHES, SERVED, STUBBORN, STUCK, STUCK_SYNC, code_of, orderly
from tests.serving.test_several import given, ports

LISTENS: Final = 1000
STANDING: Final = 20
DRAIN_S: Final = 2.0
MARGIN_S: Final = 2.5
"""Seconds for the steps after the drain: answers for calls that were given up, streams, connections, the lifespan."""
AT_ONCE: Final = 100
"""Connections that the test opens at a time: fewer than wait at the door of a server."""
MIX: Final = [FINISHES, STUCK, STUCK_SYNC, STUBBORN]
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
LISTEN: Final[JsonObject] = {"notifications": {"toolsListChanged": True}}


class Wire:
    """One HTTP connection, on which one request is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._said = bytearray()

    @classmethod
    async def send(
        cls, port: int, message: JsonObject | None, fields: dict[str, str] | None = None, *, answer: bytes = b""
    ) -> Wire:
        """Connect, send a message (or GET, where there is none), and wait until the answer has some bytes in it."""
        body = b"" if message is None else json.dumps(message).encode()
        headers = {**usual_headers(message), **(fields or {})}
        method = "GET" if message is None else "POST"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        wire = cls(reader, writer)
        writer.write(head(method, "/mcp", headers.items(), body) + body)
        while answer not in wire._said:
            data = await reader.read(1 << 16)
            assert data, bytes(wire._said)
            wire._said += data
        return wire

    async def answer(self) -> HttpAnswer:
        """Wait until the server closes the connection; fails unless the answer was whole by then."""
        self._said += await self._reader.read()
        self._writer.close()
        await self._writer.wait_closed()
        start, _, rest = bytes(self._said).partition(b"\r\n\r\n")
        lines = start.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body = unchunked(rest) if "transfer-encoding" in fields else rest
        assert len(body) == int(fields.get("content-length", len(body))), self._said
        return HttpAnswer(int(lines[0].split(" ")[1]), fields, body)


def unchunked(data: bytes) -> bytes:
    """Put the chunks of a body together; fails unless it was ended as it should."""
    found = b""
    while True:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n", f"the body broke off: {data[-200:]!r}"
        if length == 0:
            assert rest == b"\r\n"
            return found
        found, data = found + rest[:length], rest[length + 2 :]


def events(answer: HttpAnswer) -> list[JsonObject]:
    """Return the messages of an event stream."""
    found = [event for event in EventDecoder().feed(answer.body) if isinstance(event, ServerSentEvent) and event.data]
    return [cast("JsonObject", json.loads(event.data)) for event in found]


def last_of(answer: HttpAnswer) -> JsonObject:
    """Return the message that an answer ends with."""
    return events(answer)[-1] if answer.headers["content-type"] == "text/event-stream" else answer.json


@contextmanager
def open_files(count: int) -> Generator[None]:
    """Allow this process, and those that it starts, so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def listen(port: int, count: int) -> list[Wire]:
    """Open listen streams, all acknowledged."""
    found: list[Wire] = []
    while len(found) < count:
        found += await asyncio.gather(
            *(
                Wire.send(
                    port,
                    modern("subscriptions/listen", LISTEN, request_id=f"listen {number}"),
                    answer=ACKNOWLEDGED.encode(),
                )
                for number in range(len(found), min(count, len(found) + AT_ONCE))
            )
        )
    return found


async def open_session(port: int) -> dict[str, str]:
    """Open a legacy session whose client can be asked; return its header fields."""
    message = initialize()
    cast("JsonObject", message["params"])["capabilities"] = {"elicitation": {}}
    close = {"connection": "close"}
    answer = await (await Wire.send(port, message, close)).answer()
    session = {"mcp-session-id": answer.headers["mcp-session-id"]}
    confirmed = legacy("notifications/initialized", request_id=None)
    assert (await (await Wire.send(port, confirmed, {**session, **close})).answer()).status == 202
    return session


async def ask(port: int, request_id: int) -> Wire:
    """Call a tool that waits for its user, in a session of its own, up to the question."""
    message = legacy("tools/call", {"name": "ask", "arguments": {}}, request_id=request_id)
    return await Wire.send(port, message, await open_session(port), answer=b"elicitation/create")


def check_listens(answers: list[HttpAnswer]) -> None:
    for number, answer in enumerate(answers):
        assert answer.status == 200
        first, last = events(answer)
        assert first["method"] == ACKNOWLEDGED
        assert last["id"] == f"listen {number}"
        assert cast("JsonObject", last["result"])["resultType"] == "complete"


@pytest.mark.slow
async def test_a_thousand_listen_and_a_hundred_wait() -> None:
    """Calls that end in time, hang, block a thread, hear nothing, or wait for a user; standing streams beside them."""
    limits: JsonObject = {"drain_s": DRAIN_S, "calls_per_address": 4 * LISTENS}
    options = json.dumps({"on": "http", "run": {"port": 0}, "limits": limits})
    with open_files(4 * LISTENS), HttpProcess(SERVED, options) as server:
        port = server.port
        listens = await listen(port, LISTENS)
        standing = [
            await Wire.send(port, None, {**await open_session(port), "accept": "text/event-stream"}, answer=b"\r\n\r\n")
            for _ in range(STANDING)
        ]
        calls = [
            await Wire.send(port, http_call(*MIX[number % 4], request_id=number), {"accept": "text/event-stream"})
            if number % 5
            else await ask(port, number)
            for number in range(100)
        ]
        await asyncio.to_thread(server.says, "[began]", len(calls))
        watch = server.signal(signal.SIGTERM)
        ending = asyncio.create_task(asyncio.to_thread(server.ended, watch))
        check_listens(await asyncio.gather(*(wire.answer() for wire in listens)))
        for answer in await asyncio.gather(*(wire.answer() for wire in standing)):
            assert (answer.status, events(answer)) == (200, [])
        found: dict[JsonValue, JsonValue] = {}
        for number, answer in enumerate(await asyncio.gather(*(wire.answer() for wire in calls))):
            last = last_of(answer)
            assert last["id"] == number
            found[number] = code_of(last)
        end = await ending
    expected = {number: 0 if number % 5 and MIX[number % 4] is FINISHES else -32603 for number in range(100)}
    assert found == expected
    assert end.status == 0
    assert end.seconds < DRAIN_S + MARGIN_S
    orderly(end.stderr)


def test_listening_over_stdio_alone() -> None:
    """SUB-05: a signal ends the process within a second (D07), and every listen has its result before that."""
    with StdioProcess(SERVED, "{}") as server:
        for number in range(100):
            server.send(request(number, "subscriptions/listen", LISTEN))
        for _ in range(100):
            assert server.receive().method == ACKNOWLEDGED
        end = server.signal(signal.SIGTERM)
    results = [message for message in end.messages if message.id is not None]
    assert {message.id for message in results} == set(range(100))
    assert all(message.result is not None and message.result.result_type == "complete" for message in results)
    assert end.status == 0
    assert end.seconds < 1
    orderly(end.stderr)


async def test_listening_on_stdio_and_http_at_once() -> None:
    """One signal, one end, for the clients of both."""
    with StdioProcess(SERVED, given(["stdio", "http"], drain_s=DRAIN_S, port=0)) as server:
        server.says("/mcp\n")
        port = ports(server.stderr)["/mcp"]
        server.send(*(request(number, "subscriptions/listen", LISTEN) for number in range(50)))
        for _ in range(50):
            assert server.receive().method == ACKNOWLEDGED
        listens = await listen(port, 50)
        ending = asyncio.create_task(asyncio.to_thread(server.signal, signal.SIGTERM, PATIENCE))
        check_listens(await asyncio.gather(*(wire.answer() for wire in listens)))
        end = await ending
    assert {message.id for message in end.messages if message.result is not None} == set(range(50))
    assert end.status == 0
    assert end.seconds < DRAIN_S
    orderly(end.stderr)
