"""`await server.run_async(...)`: served inside a loop that runs already and goes on afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anyport import Server
from anyport.errors import LocalProtocolError
from anyport.serving.run import taken_over
from tests.drivers.asgi import call as http_call
from tests.drivers.asgi import text_of
from tests.drivers.http_server import HttpPeer, HttpProcess
from tests.drivers.stdio import StdioProcess, call, handshake
from tests.requirements import require_linux

SCRIPT = Path(__file__).with_name("waiting_server.py")


def test_on_stdio_until_its_client_leaves() -> None:
    with StdioProcess(SCRIPT, "stdio") as process:
        for message in handshake():
            process.send(message)
        process.answer("hello")
        process.send(call(1, "add", {"a": 1, "b": 2}))
        assert process.answer(1).text == "3"
        ended = process.end()
        assert ended.status == 0
        assert "served out" in ended.stderr


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_over_http_until_a_signal(transport: str) -> None:
    """The signal ends the serving, not the program."""
    require_linux("signals")
    with HttpProcess(SCRIPT, transport) as process:
        if transport == "http":
            with HttpPeer(process.port) as peer:
                assert text_of(peer.post(http_call("add", {"a": 1, "b": 2})).json) == "3"
        ended = process.ended(process.signal(signal.SIGTERM))
        assert ended.status == 0
        assert "served out" in ended.stderr
        assert "Traceback" not in ended.stderr


async def test_until_it_is_cancelled() -> None:
    happened: list[str] = []
    begun = asyncio.Event()

    @asynccontextmanager
    async def live(server: Server) -> AsyncGenerator[None]:
        begun.set()
        yield
        happened.append("end")

    server = Server("cancelled", lifespan=live)
    task = asyncio.create_task(server.run_async("http", port=0))
    async with asyncio.timeout(10):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert happened == ["end"]


async def test_what_it_refuses() -> None:
    """As `run`, and in a file that is being served by the command line."""
    server = Server("refused")
    with pytest.raises(ValueError, match="unknown transport 'pigeon'; known are"):
        await server.run_async("pigeon")
    with pytest.raises(LocalProtocolError, match="The stdio transport has no port"):
        await server.run_async("stdio", port=1)
    with taken_over(lambda _: None), pytest.raises(LocalProtocolError, match="belongs under `if __name__ =="):
        await server.run_async()
