"""How every test runs: `async def` tests on a loop of their own, watched for leaks and for callbacks that block.

There is no async fixture on purpose: a test opens what it needs with `async with`, so that set-up, body and clean-up
share one task, and a failure in any of them is the test's own.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager

import pytest

ASYNC_LIMIT = 90.0
"""Seconds for the body of one async test; less than the pytest-timeout of 120 s, so that clean-up still runs."""

CALLBACK_LIMIT = 0.5
"""Seconds of processor time that one callback may take from everything else on the loop."""

BLOCKED_LIMIT = 10.0
"""Seconds by the clock that one callback may take: more than a busy machine makes of the limit above."""

SETTLE_ROUNDS = 20
"""Turns of the loop in which tasks that were cancelled at the end of a test may finish."""


class LoopWatch:
    """What went wrong on the loop during one test, beside the test's own failure."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Record what asyncio would only have logged."""
        self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")

    def on_slow(self, handle: asyncio.Handle, seconds: float) -> None:
        """Record a callback over a limit."""
        self.problems.append(f"a callback kept the loop for {seconds:.2f} s: {handle!r}")


@contextmanager
def timed_callbacks(report: Callable[[asyncio.Handle, float], None]) -> Generator[None]:
    """Call `report` for each callback that takes longer than `CALLBACK_LIMIT` or `BLOCKED_LIMIT`.

    The loop's debug mode does the same, but also records a stack for each handle, which slows every test down.
    """
    original = asyncio.Handle._run  # the one place that every callback passes

    def run(self: asyncio.Handle) -> None:
        worked, started = time.thread_time(), time.perf_counter()
        original(self)
        seconds = time.perf_counter() - started
        if seconds > BLOCKED_LIMIT or time.thread_time() - worked > CALLBACK_LIMIT:
            report(self, seconds)

    asyncio.Handle._run = run
    try:
        yield
    finally:
        asyncio.Handle._run = original


async def run_bounded(body: Coroutine[object, object, None], watch: LoopWatch) -> None:
    """Run `body` for at most `ASYNC_LIMIT` seconds, then look for tasks that it left behind."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(watch.on_exception)
    async with asyncio.timeout(ASYNC_LIMIT):
        await body
    this = asyncio.current_task()
    for _ in range(SETTLE_ROUNDS):
        if asyncio.all_tasks() == {this}:
            return
        await asyncio.sleep(0)
    watch.problems.extend(f"a task was left running: {task!r}" for task in asyncio.all_tasks() if task is not this)


def run_async_test(function: Callable[..., Coroutine[object, object, None]], arguments: dict[str, object]) -> None:
    """Run one `async def` test to its end.

    Args:
        function: The test.
        arguments: The fixtures that it asked for, by name.

    Raises:
        AssertionError: The test passed, but a task leaked, a callback blocked the loop, or an exception was dropped.
    """
    watch = LoopWatch()
    try:
        with timed_callbacks(watch.on_slow), asyncio.Runner(debug=False) as runner:
            runner.run(run_bounded(function(**arguments), watch))
    except BaseException as failure:
        for problem in watch.problems:
            failure.add_note(problem)
        raise
    if watch.problems:
        raise AssertionError("the loop was left in disorder:\n" + "\n".join(watch.problems))


def pytest_configure() -> None:
    """Hear Ctrl-C, and have every process hear it that a test starts: a shell lets jobs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests; leave the others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    run_async_test(pyfuncitem.obj, {name: pyfuncitem.funcargs[name] for name in names})
    return True


def pytest_collection_finish() -> None:
    """Take the collected tests out of garbage collection: a full one would stop a test's loop for half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the machine: a test sets the variables that it is about."""
    tools = "ANYPORT_REQUIRE_TOOLS"
    for name in os.environ:
        if name.startswith(("ANYPORT_", "MCP_")) and name != tools:
            monkeypatch.delenv(name)
    for name in ("TRANSPORT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
