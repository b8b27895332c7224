"""A stdio server that does harm: a typed error in bounded time, no more memory than is allowed, the next call works."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from anyport import Client
from anyport.errors import AnyportError, RemoteProtocolError, ServerExited, Timeout
from anyport.protocol.revisions import Era
from anyport.transports.stdio import child
from tests.client.peers import Reports
from tests.faults.large_times import MOST_TIMES, times_that_64_take_of_16
from tests.requirements import require_linux

HOSTILE: Final = Path(__file__).parent / "servers" / "hostile.py"
WAIT: Final = 30.0
MEBIBYTE: Final = 2**20
MOST_GROWTH: Final = 96 * MEBIBYTE
"""Of the client's peak memory, over all that it is sent: a few times the largest line."""


def client_of(era: Era = "modern") -> Client:
    return Client([sys.executable, "-S", str(HOSTILE), era], era=era, timeout=WAIT)


@contextmanager
def bounded_memory() -> Generator[None]:
    """Check that the most memory which the process has at once grows by no more than it may."""
    require_linux("peak memory in /proc")
    # Forgets the peak of before.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    yield
    assert peak() - before < MOST_GROWTH


def peak() -> int:
    """Return the most bytes of memory that this process has had at once."""
    return 1024 * int(Path("/proc/self/status").read_text("ascii").partition("VmHWM:")[2].split()[0])


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_EOF_S", "_TERMINATE_S", "_SILENT_EXIT_S"):
        monkeypatch.setattr(child, name, 0.1)


@pytest.mark.parametrize("harm", ["junk", "answers_twice", "answers_to_nothing"])
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_harm_that_is_passed_over(harm: str, era: Era) -> None:
    """D08, STDIO-02, RPC-05, CAN-01: the call has its answer, and so has the next one."""
    async with client_of(era) as client:
        for name in (harm, "good", harm):
            assert (await client.call_tool(name)).data == "fine"


@pytest.mark.parametrize(
    ("harm", "error", "seconds"),
    [
        ("invalid_utf_8", RemoteProtocolError, None),
        ("long_line", RemoteProtocolError, None),
        ("endless_progress", Timeout, 0.2),
    ],
)
async def test_harm_to_one_call(harm: str, error: type[AnyportError], seconds: float | None) -> None:
    """D01, D11, D16, D19: it fails, in time; the next one works, on the same connection."""
    with bounded_memory():
        async with client_of() as client:
            for _ in range(2):
                with pytest.raises(error):
                    await client.call_tool(harm, timeout=seconds, on_progress=Reports())
                assert (await client.call_tool("good")).data == "fine"


@pytest.mark.parametrize(
    ("harm", "error", "seconds"),
    [
        ("endless_line", RemoteProtocolError, 10.0),
        ("dies_mid_answer", ServerExited, None),
        ("closes_stdout", ServerExited, None),
        ("closes_everything", ServerExited, None),
        ("never_reads", Timeout, 0.2),
    ],
)
async def test_harm_to_the_connection(harm: str, error: type[AnyportError], seconds: float | None) -> None:
    """D01, D09: every call fails in time, the large one that is never read too; opened again, it works."""
    client, large = client_of(), {"x": "x" * MEBIBYTE}
    for _ in range(2):
        await client.connect()
        calls = [client.call_tool(harm, timeout=seconds), client.call_tool("good", large, timeout=seconds)]
        with bounded_memory():
            found = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), WAIT)
        assert [type(failure) for failure in found] == [error, error]
        await asyncio.wait_for(client.aclose(), WAIT)
    await client.connect()
    assert (await client.call_tool("good")).data == "fine"
    await client.aclose()


async def test_questions_without_end() -> None:
    """RPC-03: so many are answered at a time; those of a server that reads none of the answers do not pile up."""
    async with client_of("legacy") as client:
        with bounded_memory(), pytest.raises(Timeout):
            await client.call_tool("endless_questions", timeout=0.5)
        assert (await client.call_tool("good")).data == "fine"


async def test_a_server_that_never_ends() -> None:
    """STDIO-07, D09: it ignores the end of its input and SIGTERM; closing is bounded, and it is dead after it."""
    client = client_of()
    async with client:
        assert (await client.call_tool("never_ends")).data == "fine"
    async with client:
        assert (await client.call_tool("good")).data == "fine"


# --- how time grows with the length of a line -------------------------------------------------------------------------


@pytest.mark.slow
def test_64_mebibytes_take_four_times_as_long_as_16() -> None:
    """D19: framing, decoding and checking of one line."""
    assert times_that_64_take_of_16("line") <= MOST_TIMES
