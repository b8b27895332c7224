"""A server whose tools work, wait, block, fail and start processes.

python working.py [KEY=SECONDS ...]    each key a limit of the server
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec

from anyport import Context, Limits, Server
from anyport.protocol.limits import DEFAULT_LIMITS

LONG = 60.0
"""Seconds that end with the test that waits for them."""


def tell(text: str) -> None:
    """Tell the test, which reads stderr, how far things are."""
    os.write(2, f"[{text}]\n".encode())


@asynccontextmanager
async def lifespan(_: object) -> AsyncGenerator[None]:
    if "SLOW_START" in os.environ:
        tell("starting")
        await asyncio.sleep(LONG)
    yield
    if "SLOW_END" in os.environ:
        tell("ending")
        await asyncio.sleep(LONG)
    if "FAIL_END" in os.environ:
        raise RuntimeError("the end fails")
    tell("lifespan closed")


def limits() -> Limits:
    chosen = dict(argument.split("=") for argument in sys.argv[1:])
    unpaced = {"progress_per_s": 1_000_000, "logs_per_s": 1_000_000}
    return msgspec.convert({**msgspec.to_builtins(DEFAULT_LIMITS), **unpaced, **chosen}, Limits, strict=False)


server = Server("working", lifespan=lifespan, limits=limits())
cancelled: list[str] = []


@server.tool
async def add(a: int, b: int) -> int:
    return a + b


@server.tool
def add_sync(a: int, b: int) -> int:
    return a + b


@server.tool
async def big(size: int) -> str:
    return "x" * size


@server.tool
async def length(text: str) -> int:
    return len(text)


@server.tool
async def wait(name: str = "") -> str:
    """Wait for ever, or until cancelled."""
    tell(f"waiting {name}")
    try:
        await asyncio.sleep(LONG)
    finally:
        cancelled.append(name)
        tell(f"cancelled {name}")
    return "waited"


@server.tool
async def wait_until(path: str) -> str:
    """Wait until somebody writes to a named pipe."""
    tell("waiting")
    stream = await asyncio.to_thread(open, path, "rb")
    with stream:
        text = stream.read().decode()
    tell(text)
    return text


@server.tool
async def swallow() -> str:
    """Be deaf to the first cancellation."""
    tell("waiting")
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        tell("swallowed")
    return "swallowed"


@server.tool
def wait_sync(ctx: Context) -> str:
    """Block a thread until the call is cancelled."""
    tell("waiting")
    while not ctx.cancelled:
        time.sleep(0.005)  # noqa: TID251 - a plain function has nothing to await
    tell("cancelled")
    return "cancelled"


@server.tool
def block_thread() -> str:
    """Block a thread for good."""
    tell("blocked")
    threading.Event().wait(LONG)
    return "woken"


@server.tool
async def block_loop() -> str:
    """Do what an async tool must not do."""
    tell("blocked")
    time.sleep(LONG)  # noqa: ASYNC251, TID251 - what must not be done
    return "woken"


@server.tool
async def block_loop_in_c() -> str:
    """The same in C code, where Python's signal handlers do not get a turn: a lock that is taken twice."""
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.pthread_mutex_lock(mutex)
    tell("blocked")
    library.pthread_mutex_lock(mutex)
    return "woken"


@server.tool
async def block_own_thread() -> str:
    """Block a thread of the loop's default executor."""
    return await asyncio.to_thread(block_thread)


@server.tool
def print_for_ever() -> str:
    """Keep the lock of stdout busy."""
    tell("printing")
    while True:
        print("x" * 200)


@server.tool
def child(session: bool = False) -> str:
    """Start a process that outlives the call; returns its id."""
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=session)
    return str(process.pid)


@server.tool
def stubborn_child() -> str:
    """The same, deaf to SIGTERM, and with a child of its own."""
    code = (
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process.stdout.readline().strip()


@server.tool
def run_child() -> str:
    """Wait on a thread for a process that never ends."""
    process = subprocess.Popen(["sleep", "60"])
    tell(f"child {process.pid}.")
    return str(process.wait())


@server.tool
async def flood(ctx: Context, count: int, size: int) -> str:
    """Report progress much faster than it is read."""
    for number in range(count):
        await ctx.report_progress(number + 1, count, "x" * size)
    return "reported"


@server.tool
def flood_sync(ctx: Context, count: int, size: int) -> str:
    """The same on a thread."""
    for number in range(count):
        ctx.report_progress(number + 1, count, "x" * size)
    return "reported"


@server.tool
async def say(text: str) -> str:
    """Tell the test something."""
    tell(text)
    return text


Kind = Literal["SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit", "StopIteration", "Odd"]


class Odd(BaseException):
    """Nobody expects it."""


KINDS: dict[Kind, type[BaseException]] = {
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "CancelledError": asyncio.CancelledError,
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "Odd": Odd,
}


@server.tool
async def fail(kind: Kind) -> str:
    raise KINDS[kind]("on purpose")


@server.tool
def fail_sync(kind: Kind) -> str:
    raise KINDS[kind]("on purpose")


if __name__ == "__main__":
    server.run()
    tell("run returned")
