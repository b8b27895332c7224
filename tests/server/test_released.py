"""What a call held is free as soon as it is answered, without the help of the garbage collector (D11)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import weakref
from collections.abc import Callable, Generator
from typing import Annotated

import pytest

from anyport import Depends, McpError, Server, ToolError
from anyport.server.threads import ThreadPool
from tests.server.calling import ask, make_call

TURNS = 1000
"""Milliseconds for what happens at once, on a thread too."""
FAILURES: list[Exception | None] = [
    None,
    ValueError("x"),
    ToolError("x"),
    McpError(4242, "x"),
    StopIteration(),
]


class Held:
    """Something in the frame of an author's function, with all that its caller held."""


@pytest.fixture
def uncollected() -> Generator[None]:
    """No cycle is freed meanwhile; what ran before has left none."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Watched:
    """A server whose functions hold something, and fail as they are told.

    Attributes:
        seen: References to what they held.
    """

    def __init__(self, failure: Exception | None) -> None:
        self.seen: list[weakref.ref[Held]] = []
        self._failure = type(failure), failure.args if failure is not None else ()
        self.server = server = Server("watched")

        @server.tool
        def plain(text: str) -> str:
            return self._end(Held())

        @server.tool
        async def coroutine(text: str) -> str:
            return self._end(Held())

        @server.tool
        def supplied(text: str, number: Annotated[int, Depends(lambda: 3)]) -> str:
            return self._end(Held())

        @server.tool(timeout=10, max_concurrency=2)
        def bounded(text: str) -> str:
            return self._end(Held())

        @server.resource("test://plain")
        def resource() -> str:
            return self._end(Held())

        @server.resource("test://of/{name}")
        async def template(name: str) -> str:
            return self._end(Held())

        @server.prompt
        def prompt(text: str) -> str:
            return self._end(Held())

    def _end(self, held: Held) -> str:
        self.seen.append(weakref.ref(held))
        kind, arguments = self._failure
        if issubclass(kind, Exception):
            raise kind(*arguments)
        return "fine"


def tool(name: str) -> tuple[str, dict[str, object]]:
    """Return the method and parameters of a tool's call."""
    return "tools/call", {"name": name, "arguments": {"text": "x"}}


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize(
    ("method", "params"),
    [
        tool("plain"),
        tool("coroutine"),
        tool("supplied"),
        tool("bounded"),
        ("resources/read", {"uri": "test://plain"}),
        ("resources/read", {"uri": "test://of/x"}),
        ("prompts/get", {"name": "prompt", "arguments": {"text": "x"}}),
    ],
    ids=["plain", "coroutine", "supplied", "bounded", "resource", "template", "prompt"],
)
async def test_the_frame_of_a_function(
    method: str, params: dict[str, object], failure: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """With its arguments and its exception."""
    watched = Watched(failure)
    logging.getLogger("anyport.server").addFilter(drop)
    try:
        await answered(watched.server, method, params)
    finally:
        logging.getLogger("anyport.server").removeFilter(drop)
    assert len(watched.seen) == 1
    assert await is_free(watched.seen[0])
    assert not caplog.records


def drop(record: logging.LogRecord) -> bool:
    """Refuse a record, which pytest would keep with its exception."""
    return False


async def answered(server: Server, method: str, params: dict[str, object]) -> None:
    """Call a method, as a transport does: whatever comes of it is an answer."""
    with contextlib.suppress(McpError):
        await ask(server, make_call(method, params))


async def is_free(held: weakref.ref[Held]) -> bool:
    """Tell whether something is free, as soon as its thread is through with the job."""
    for _ in range(TURNS):
        if held() is None:
            return True
        await asyncio.sleep(0.001)
    return False


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("fails", [False, True])
async def test_the_job_of_a_thread(fails: bool) -> None:
    """An idle thread holds nothing of its last job."""
    pool = ThreadPool(1, 1)

    def make_job(held: Held) -> Callable[[], Held]:
        def job() -> Held:
            if fails:
                raise ValueError(held)
            return held

        return job

    async def run() -> weakref.ref[Held]:
        held = Held()
        seen = weakref.ref(held)
        try:
            await pool.run(make_job(held))
        except ValueError:
            assert fails
        return seen

    assert await is_free(await run())
