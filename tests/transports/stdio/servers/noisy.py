"""A server that writes to stdout in every way there is.

python noisy.py [plain | named | strict | no stderr]
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

from anyport import Server

server = Server("noisy")
libc = ctypes.CDLL(None)

print("printed at import", end="")
atexit.register(print, "printed at exit", end="")
libc.puts(b"put by C at import")


@server.tool
def by_print() -> str:
    print("printed by a plain tool")
    return "done"


@server.tool
async def by_print_async() -> str:
    print("printed by an async tool", end="")
    return "done"


@server.tool
def by_thread() -> str:
    thread = threading.Thread(target=print, args=("printed by a thread",))
    thread.start()
    thread.join()
    return "done"


@server.tool
def by_descriptor() -> str:
    os.write(1, b"written to 1\n")
    Path("/dev/stdout").write_bytes(b"written to a path\n")
    return "done"


@server.tool
def by_buffer() -> str:
    sys.stdout.buffer.write(b"written to the buffer\n")
    print("printed to the original", file=sys.__stdout__)
    return "done"


@server.tool
def by_c(flush: bool) -> str:
    libc.printf(b"put by C in a call, flushed: %d\n", int(flush))
    if flush:
        libc.fflush(None)
    return "done"


@server.tool
def by_child() -> str:
    subprocess.run(["echo", "echoed by a child"], check=True)
    return "done"


@server.tool
async def by_async_child() -> str:
    child = await asyncio.create_subprocess_exec("echo", "echoed by an async child")
    return str(await child.wait())


@server.tool
def by_fork() -> str:
    child = multiprocessing.get_context("fork").Process(target=print, args=("printed by a fork",))
    child.start()
    child.join(10)
    return str(child.exitcode)


@server.tool
def by_logging() -> str:
    handler = logging.StreamHandler(sys.stdout)
    handler.emit(logging.makeLogRecord({"msg": "logged to stdout"}))
    return "done"


@server.tool
async def by_the_megabyte(count: int) -> str:
    """Write more than a pipe holds, on the loop."""
    for number in range(count):
        print(f"{number:07}".ljust(99, "x"))
        logging.getLogger("noisy").warning("%s", f"{number:07}".ljust(99, "y"))
    return "done"


@server.tool
def descriptors_of_child() -> str:
    """Which descriptors a child gets, and what it can read."""
    code = "import os,sys; print(sorted(map(int, os.listdir('/proc/self/fd'))), repr(sys.stdin.read()))"
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@server.tool
def descriptors_of_fork() -> str:
    """What a fork without an exec has open."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=lambda: theirs.send(links()))
    child.start()
    child.join(10)
    return str(ours.recv())


def links() -> list[str]:
    folder = Path("/proc/self/fd")
    return [str(entry.readlink()) for entry in folder.iterdir() if entry.exists()]


@server.tool
def where(descriptor: int) -> str:
    """What a descriptor leads to."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@server.tool
def ask_user() -> str:
    return input("what now? ")


@server.tool
def reconfigure() -> str:
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr] - every stdout has it
    return f"{sys.stdout.encoding} {sys.stdout.isatty()} {sys.stdout.fileno()} {sys.stdout.name}"


if __name__ == "__main__":
    mode = sys.argv[1] if len(sys.argv) > 1 else "plain"
    if mode == "plain":
        server.run()
    elif mode == "named":
        server.run(transport="stdio")
    elif mode == "no stderr":
        sys.stderr.close()
        server.run()
    else:
        server.run(strict_stdout=True)
