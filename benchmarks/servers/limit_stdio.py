"""Limit: a plain blocking loop over fds 0 and 1. It has no event loop: a tool that awaited anything could not run."""

from __future__ import annotations

import os
from contextlib import suppress

import codec

_CHUNK = 1 << 16


async def serve() -> None:
    """Answer lines until the end of input; all answers to one chunk leave in one write."""
    rest = b""
    while chunk := os.read(0, _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        out = b"".join([await codec.answer(line) + b"\n" for line in lines])
        while out:
            out = out[os.write(1, out) :]


if __name__ == "__main__":
    # Nothing in it waits, so one step runs the coroutine to its end.
    with suppress(StopIteration):
        serve().send(None)
