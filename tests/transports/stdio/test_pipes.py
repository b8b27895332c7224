"""Reading in chunks and writing without blocking, on descriptors of the test's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anyport.transports.stdio.pipes import InputPipe, OutputPipe

MEBIBYTE = 2**20


@contextmanager
def pipe() -> Generator[tuple[int, int]]:
    """Yield the two ends; what is still open is closed."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            try:
                os.close(end)
            except OSError:
                continue


def nothing() -> None:
    return


class Events:
    """What an `OutputPipe` told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, text: str) -> Callable[[], None]:
        return lambda: self.told.append(text)

    def output(self, descriptor: int) -> OutputPipe:
        return OutputPipe(descriptor, self.tell("full"), self.tell("roomy"), self.tell("gone"))


# --- in ---------------------------------------------------------------------------------------------------------------


async def test_what_somebody_else_has_read_is_no_input() -> None:
    """Ready, and yet there is nothing: neither bytes nor the end."""
    with pipe() as (taken, given):
        os.set_blocking(taken, False)
        twin = os.dup(taken)
        got, ended = list[bytes](), asyncio.Event()
        pipes = InputPipe(taken), InputPipe(twin)
        for each in pipes:
            each.start(got.append, ended.set)
        os.write(given, b"one line\n")
        for _ in range(5):
            await asyncio.sleep(0)
        assert got == [b"one line\n"]
        assert not ended.is_set()
        for each in pipes:
            each.stop()
        os.close(twin)


async def test_a_paused_pipe_is_not_read() -> None:
    """Its end is known all the same, and what is in it comes later."""
    with pipe() as (taken, given):
        got, ended = list[bytes](), asyncio.Event()
        source = InputPipe(taken)
        source.start(got.append, ended.set)
        source.pause()
        os.write(given, b"later\n")
        await asyncio.sleep(0)
        assert not source.ended()
        os.close(given)
        assert source.ended()
        assert got == []
        source.resume()
        await asyncio.wait_for(ended.wait(), 5)
        assert got == [b"later\n"]


async def test_a_file_is_read_one_chunk_at_a_time(tmp_path: Path) -> None:
    """Where a thread reads, it waits until a chunk is served, and as long as reading is paused."""
    path, content = tmp_path / "input", os.urandom(3 * MEBIBYTE)
    path.write_bytes(content)
    got, order, ended = list[bytes](), list[str](), asyncio.Event()
    with path.open("rb") as file:
        source = InputPipe(file.fileno())

        def resume() -> None:
            order.append("resume")
            source.resume()

        def feed(data: bytes) -> None:
            got.append(data)
            order.append("chunk")
            source.pause()
            asyncio.get_running_loop().call_later(0.001, resume)

        source.start(feed, ended.set)
        await asyncio.wait_for(ended.wait(), 10)
    assert b"".join(got) == content
    assert len(got) > 1
    assert order == ["chunk", "resume"] * len(got)


# --- out --------------------------------------------------------------------------------------------------------------


async def test_one_turn_of_the_loop_is_one_write() -> None:
    """D19: messages that are answered together leave together; the last one does not wait."""
    with pipe() as (taken, given):
        output = Events().output(given)
        output.write(b"1")
        output.write(b"2")
        output.write(b"3", last=True)
        assert os.read(taken, 100) == b"1\n2\n3\n"
        output.write(b"4")
        await asyncio.sleep(0)
        assert os.read(taken, 100) == b"4\n"
        output.close()


@pytest.mark.parametrize("size", [10, 70_000, 3 * MEBIBYTE])
async def test_a_slow_reader_gets_everything_in_order(size: int) -> None:
    """STDIO-01: above 1 MiB it is told, below 256 KiB again; nothing is lost, doubled or reordered."""
    messages = [bytes([97 + number]) * size for number in range(20)]
    whole = b"".join(message + b"\n" for message in messages)
    with pipe() as (taken, given):
        events, got = Events(), bytearray()
        output = events.output(given)
        for message in messages:
            output.write(message)
        assert output.full is (len(whole) > 64 * 1024)
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def read() -> None:
            got.extend(os.read(taken, 50_000))
            if len(got) == len(whole):
                done.set()

        loop.add_reader(taken, read)
        await asyncio.wait_for(output.drain(10), 10)
        await asyncio.wait_for(done.wait(), 10)
        loop.remove_reader(taken)
        assert got == whole
        assert events.told == (["full", "roomy"] if len(whole) > MEBIBYTE else [])
        output.close()


async def test_who_waits_for_room_gives_others_a_turn() -> None:
    """D11: also where there is room; and waits until there is."""
    with pipe() as (taken, given):
        output, order = Events().output(given), list[str]()
        asyncio.get_running_loop().call_soon(order.append, "other")
        await output.room()
        assert order == ["other"]
        output.write(b"x" * 2 * MEBIBYTE)
        waiting = asyncio.create_task(output.room())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        asyncio.get_running_loop().add_reader(taken, os.read, taken, MEBIBYTE)
        await asyncio.wait_for(waiting, 10)
        asyncio.get_running_loop().remove_reader(taken)
        output.close()


async def test_a_reader_that_leaves_is_noticed_without_writing() -> None:
    """D07: once, and what is written afterwards goes nowhere."""
    with pipe() as (taken, given):
        events = Events()
        output = events.output(given)
        os.close(taken)
        for _ in range(5):
            await asyncio.sleep(0)
        assert events.told == ["gone"]
        output.write(b"x")
        await output.drain(1)
        output.close()
        assert events.told == ["gone"]


async def test_a_file_takes_everything_at_once(tmp_path: Path) -> None:
    """A regular file cannot be waited for, and need not be."""
    path = tmp_path / "output"
    with path.open("wb") as file:
        events = Events()
        output = events.output(file.fileno())
        output.write(b"x" * 2 * MEBIBYTE)
        await output.drain(1)
        output.look()
        output.close()
    assert path.read_bytes() == b"x" * 2 * MEBIBYTE + b"\n"
    assert events.told[-1:] != ["gone"]
