"""Limit: asyncio with uvloop over fds 0 and 1, one task for each call, as a server needs whose tools may wait."""

from __future__ import annotations

import asyncio
import os

import codec
import uvloop

_CHUNK = 1 << 16


class Loop:
    """Reads chunks, starts a task for each line, writes all answers of one pass of the loop at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._out: list[bytes] = []
        self.ended = self._loop.create_future()
        self._loop.add_reader(0, self._read)

    def _read(self) -> None:
        chunk = os.read(0, _CHUNK)
        if not chunk:
            self._loop.remove_reader(0)
            self.ended.set_result(None)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            # The loop's queue holds the task until its first wait, and this tool has none.
            _ = self._loop.create_task(self._answer(line))

    async def _answer(self, line: bytes) -> None:
        self._out.append(await codec.answer(line) + b"\n")
        if len(self._out) == 1:
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        out = b"".join(self._out)
        self._out.clear()
        while out:
            out = out[os.write(1, out) :]


async def main() -> None:
    """Serve until the end of input."""
    await Loop().ended


if __name__ == "__main__":
    uvloop.run(main())
