"""The way async tests are run fails a test that leaves the loop in disorder."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests import conftest
from tests.conftest import run_async_test


async def wait_forever() -> None:
    await asyncio.Event().wait()


async def test_an_async_test_runs_with_its_fixtures(tmp_path: object) -> None:
    assert asyncio.get_running_loop().is_running()
    assert tmp_path is not None


def test_a_failure_is_the_tests_own() -> None:
    async def test() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_async_test(test, {})


def test_a_skip_stays_a_skip() -> None:
    async def test() -> None:
        pytest.skip("not here")

    with pytest.raises(pytest.skip.Exception, match="not here"):
        run_async_test(test, {})


def test_a_task_left_running_fails() -> None:
    kept: list[asyncio.Task[None]] = []

    async def test() -> None:
        kept.append(asyncio.create_task(wait_forever()))

    with pytest.raises(AssertionError, match="a task was left running"):
        run_async_test(test, {})
    assert kept[0].cancelled()


def test_a_task_that_ends_at_once_when_cancelled_is_no_leak() -> None:
    async def test() -> None:
        task = asyncio.create_task(wait_forever())
        await asyncio.sleep(0)
        task.cancel()

    run_async_test(test, {})


def test_a_callback_that_blocks_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "BLOCKED_LIMIT", 0.02)

    async def test() -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 0.05)  # noqa: TID251 - blocking is what this test is about
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="kept the loop for"):
        run_async_test(test, {})


def test_an_exception_that_nobody_saw_fails() -> None:
    def broken() -> None:
        raise ValueError("dropped")

    async def test() -> None:
        asyncio.get_running_loop().call_soon(broken)
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="dropped"):
        run_async_test(test, {})


def test_a_test_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "ASYNC_LIMIT", 0.02)
    with pytest.raises(TimeoutError):
        run_async_test(wait_forever, {})


def test_what_the_loop_saw_is_added_to_a_failure() -> None:
    def broken() -> None:
        raise ValueError("dropped")

    async def test() -> None:
        asyncio.get_running_loop().call_soon(broken)
        await asyncio.sleep(0)
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        run_async_test(test, {})
    assert "dropped" in caught.value.__notes__[0]
