"""The example server as a process of its own, for the scripts that call it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = Path("examples") / "server.py"
START_LIMIT = 20.0
"""Seconds in which the server has to listen; the first start of a fresh machine compiles byte code."""
STOP_LIMIT = 5.0


def run_command(*options: str) -> list[str]:
    """Return the command that serves the example: stdio without options."""
    return [sys.executable, "-m", "anyport", "run", str(ROOT / EXAMPLE), *options]


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def listening(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until `port` accepts connections.

    Args:
        port: On 127.0.0.1.
        process: The server; if it ends, waiting is over.

    Raises:
        RuntimeError: The server ended.
        TimeoutError: Nobody listens after `START_LIMIT` seconds.
    """
    async with asyncio.timeout(START_LIMIT):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with status {process.returncode} before it listened")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


@asynccontextmanager
async def http_example() -> AsyncGenerator[tuple[str, int]]:
    """Serve the example over HTTP for as long as the context lasts.

    Yields:
        The URL of its endpoint and the id of its process.

    Raises:
        RuntimeError: It did not start, or did not end in good order when it was asked to.
    """
    port = free_port()
    process = await asyncio.create_subprocess_exec(*run_command("--http", f"127.0.0.1:{port}"))
    try:
        await listening(port, process)
        yield f"http://127.0.0.1:{port}/mcp", process.pid
        process.terminate()
        async with asyncio.timeout(STOP_LIMIT):
            status = await process.wait()
        if status not in {0, -15, 143}:
            raise RuntimeError(f"the server ended with status {status} after SIGTERM")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
