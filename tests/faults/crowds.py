"""Crowds at an HTTP server: clients that send slowly or read nothing, more calls than it can take, very many streams.

python -m tests.faults.crowds            what `make soak` runs: in full size, about 10 minutes. Linux only.
python -m tests.faults.crowds loris      one of them

Each prints its figures and what was wrong with them; the status is 1 when anything was. `test_crowds.py` runs the same
in a small size with short deadlines, against bounds that a busy machine keeps.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Final

import msgspec

from tests.drivers.asgi import call, initialize, legacy, modern
from tests.drivers.edge import EdgePeer, request_of
from tests.drivers.http_server import HttpProcess, head
from tests.faults.beside import Beside, beside, calling, standing
from tests.faults.standing_crowd import Kind

SERVER: Final = Path(__file__).parent / "servers" / "crowded.py"
ADD: Final = request_of(call("add", {"a": 1, "b": 2}))
AT_ONCE: Final = 200


class Report(msgspec.Struct):
    """What came of a crowd.

    Attributes:
        name: Which.
        figures: What was measured.
        problems: What was wrong with it.
    """

    name: str
    figures: dict[str, float]
    problems: list[str] = []

    def hold(self, name: str, *, value: float, most: float | None = None, least: float | None = None) -> None:
        """Note a figure, and a problem where it is out of its bounds."""
        self.figures[name] = round(value, 3)
        if most is not None and value > most:
            self.problems.append(f"{name} is {value:.3g}, more than {most:g}")
        if least is not None and value < least:
            self.problems.append(f"{name} is {value:.3g}, less than {least:g}")


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncGenerator[EdgePeer]:
    """Connect."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield EdgePeer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def resident(server: HttpProcess) -> int:
    """Return the resident bytes of a server."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text("utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def serve(**limits: float) -> HttpProcess:
    """Start the server with some limits."""
    return HttpProcess(SERVER, json.dumps(limits))


# --- those who send slowly --------------------------------------------------------------------------------------------


async def loris(
    count: int, scale: float, *, slower: float, pairs: int = 1, noise_ms: float = 0.0, late_s: float = 0.0
) -> Report:
    """So many each of heads and bodies that come a byte at a time, and of connections that say nothing.

    Args:
        count: How many of each.
        scale: Part of the usual deadlines.
        slower: What a healthy client's slow calls may become, at most, in times of what they were.
        pairs: Windows of calls with the crowd, and as many without.
        noise_ms: What a slow call may take whatever it was, for machines that do other things too.
        late_s: Seconds after its deadline within which one may be closed, for the same.
    """
    report = Report("loris", {})
    body = head("POST", "/mcp", [("host", "127.0.0.1"), ("content-type", "application/json")], b" " * 100_000)
    kinds = [
        Kind("heads", count, b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ", b"x", scale),
        Kind("bodies", count, body, b"x", scale),
        Kind("silent", count, b""),
    ]
    within = {"heads": 10 * scale, "bodies": 30 * scale, "silent": 75 * scale}
    limits = {"header_s": within["heads"], "body_s": within["bodies"], "keep_alive_s": within["silent"]}
    with serve(**limits) as server:
        # While everybody is there still.
        _hold_times(report, await beside(kinds, server, ADD, seconds=5 * scale, pairs=pairs), slower, noise_ms)
        async with standing(kinds, server.port) as crowd:
            await crowd.gone(within["silent"] * 1.3 + 5)
        for kind, seconds in crowd.took.items():
            report.hold(f"{kind}: closed within", value=seconds or math.inf, most=within[kind] + late_s)
    return report


async def lazy_readers(
    count: int, write_s: float, *, pause: float, slower: float, pairs: int = 1, noise_ms: float = 0.0
) -> Report:
    """So many clients that ask for much and read nothing.

    Args:
        count: How many.
        write_s: Limit of that name.
        pause: Seconds between two events of each stream, 40 KB each.
        slower: As for `loris`.
        pairs: As for `loris`.
        noise_ms: As for `loris`.
    """
    report = Report("lazy readers", {})
    request = request_of(call("stream", {"events": 100_000, "pause": pause}, _meta={"progressToken": 1}))
    # Nothing is read, so nothing tells of the end but that a write fails.
    kinds = [Kind("readers", count, request, b"\r\n", min(write_s / 10, 0.5), reads=False, receives=16 * 1024)]
    with serve(write_s=write_s) as server:
        await calling(server.port, ADD, 0.5)
        idle = resident(server)
        async with standing(kinds, server.port) as crowd:
            await asyncio.sleep(write_s / 3)
            grown = resident(server) - idle
            await crowd.gone(write_s + 6)
        report.hold("KiB of each", value=grown / count / 1024, most=200)
        report.hold("dropped, from the request on, within", value=crowd.took["readers"] or math.inf, most=write_s + 5)
        _hold_times(report, await beside(kinds, server, ADD, seconds=write_s / 6, pairs=pairs), slower, noise_ms)
    return report


def _hold_times(report: Report, times: Beside, slower: float, noise_ms: float) -> None:
    report.hold("p99 ms before", value=times.without * 1e3)
    report.hold("p99 ms during", value=times.beside * 1e3, most=max(times.without * 1e3 * slower, noise_ms))


# --- more than it can take --------------------------------------------------------------------------------------------


async def offered(port: int, rate: float, seconds: float, work_s: float) -> tuple[int, list[float], int]:
    """Offer calls at a rate, whether or not those before are answered.

    Returns:
        How many were answered, how long each refusal took, and how many refusals did not say when to come back.
    """
    request = request_of(call("rest", {"seconds": work_s}))
    answered, refused, rude = 0, list[float](), 0
    idle: list[EdgePeer] = []

    async def one() -> None:
        nonlocal answered, rude
        if idle:
            peer = idle.pop()
        else:
            peer = EdgePeer(*await asyncio.open_connection("127.0.0.1", port))
        began = time.perf_counter()
        peer.send(request)
        answer = await peer.answer()
        if answer.status == 200:
            answered += 1
        else:
            assert answer.status in (429, 503), answer.body
            refused.append(time.perf_counter() - began)
            rude += "retry-after" not in answer.headers
        idle.append(peer)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        sent = 0
        while (now := time.perf_counter() - began) < seconds:
            while sent < now * rate:
                group.create_task(one())
                sent += 1
            await asyncio.sleep(0.005)
    took = time.perf_counter() - began
    for peer in idle:
        peer.writer.close()
    return int(answered * seconds / took), refused, rude


async def overload(seconds: float, *, capacity: int, work_s: float, goodput: float, refusal_s: float) -> Report:
    """Twice as many calls as the limit lets through, for some seconds.

    Args:
        seconds: How long.
        capacity: Limit ``calls_per_address``: what it does at a time.
        work_s: How long each call takes.
        goodput: Part of the calls at the limit that must still be answered above it.
        refusal_s: What most refusals may take.
    """
    report = Report("overload", {})
    peak = capacity / work_s
    with serve(calls_per_address=capacity) as server:
        at_peak, refused, _ = await offered(server.port, peak * 0.9, seconds / 2, work_s)
        before = at_peak / (seconds / 2)
        over, refused, rude = await offered(server.port, peak * 2, seconds, work_s)
        report.hold("calls/s below the limit", value=before)
        report.hold("calls/s at twice the limit", value=over / seconds, least=before * goodput)
        report.hold("refused", value=len(refused), least=1)
        report.hold("refusals without Retry-After", value=rude, most=0)
        report.hold(
            "p90 ms of refusals", value=statistics.quantiles(refused or [0, 0], n=10)[8] * 1e3, most=refusal_s * 1e3
        )
    return report


# --- very many --------------------------------------------------------------------------------------------------------


async def streams(count: int, *, most_kb: float, slower: float) -> Report:
    """So many listen streams, told of a change while somebody calls.

    Args:
        count: How many.
        most_kb: Resident kilobytes that each may take.
        slower: What the slowest call meanwhile may take, in seconds.
    """
    report = Report("streams", {})
    listen = request_of(modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
    change = request_of(call("change"))
    with serve(listens=count, http_connections=count + 100) as server, contextlib.ExitStack() as open_ones:
        opening = asyncio.Semaphore(AT_ONCE)
        peers: list[EdgePeer] = []

        async def open_one() -> None:
            async with opening:
                peer = EdgePeer(*await asyncio.open_connection("127.0.0.1", server.port))
                open_ones.callback(peer.writer.close)
                peer.send(listen)
                assert (await peer.head()).status == 200
                assert b"acknowledged" in await peer.chunk()
                peers.append(peer)

        async def open_some(number: int) -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(number):
                    group.create_task(open_one())

        await open_some(count // 10)
        before = resident(server)
        await open_some(count - count // 10)
        report.hold("KB of each", value=(resident(server) - before) / (count - count // 10) / 1000, most=most_kb)

        async def told(peer: EdgePeer) -> None:
            assert b"list_changed" in await peer.chunk()

        async with connected(server.port) as author:
            calls = asyncio.ensure_future(calling(server.port, ADD, 1 + count / 2000))
            await asyncio.sleep(0.3)
            began = time.perf_counter()
            author.send(change)
            async with asyncio.TaskGroup() as group:
                for peer in peers:
                    group.create_task(told(peer))
            report.hold("all told within", value=time.perf_counter() - began, most=count / 500 + 2)
            report.hold("slowest call meanwhile", value=max(await calls), most=slower)
    return report


async def sessions(count: int, *, most_kb: float) -> Report:
    """So many legacy sessions.

    Args:
        count: How many.
        most_kb: Resident kilobytes that each may take.
    """
    report = Report("sessions", {})
    with serve(sessions=count) as server:
        found: list[str] = []

        async def open_some(number: int) -> None:
            async with connected(server.port) as peer:
                for _ in range(number):
                    answer = await peer.post(initialize())
                    assert answer.status == 200, answer.body
                    found.append(answer.headers["mcp-session-id"])
                    fields = {"mcp-session-id": found[-1], "mcp-protocol-version": "2025-11-25"}
                    assert (await peer.post(legacy("notifications/initialized", request_id=None), fields)).status == 202

        await open_some(count // 10)
        before = resident(server)
        await open_some(count - count // 10)
        report.hold("KB of each", value=(resident(server) - before) / (count - count // 10) / 1000, most=most_kb)
        async with connected(server.port) as peer:
            for session in (found[0], found[-1]):
                fields = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
                assert (await peer.post(legacy("tools/list"), fields)).status == 200
    return report


FULL: Final[dict[str, Callable[[], Coroutine[object, object, Report]]]] = {
    "loris": lambda: loris(1000, 1.0, slower=1.1, pairs=7),
    "readers": lambda: lazy_readers(100, 30.0, pause=0.05, slower=1.05, pairs=7),
    "overload": lambda: overload(120.0, capacity=200, work_s=0.5, goodput=0.9, refusal_s=0.05),
    "streams": lambda: streams(10_000, most_kb=25, slower=0.25),
    "sessions": lambda: sessions(10_000, most_kb=15),
}


def main() -> int:
    """Run crowds and say what came of them."""
    parser = argparse.ArgumentParser(description="Crowds at an HTTP server, in full size.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FULL)}; default: all")
    names = parser.parse_args().names or list(FULL)
    bad = False
    for name in names:
        report = asyncio.run(FULL[name]())
        print(f"{report.name}: " + ", ".join(f"{figure} {value:g}" for figure, value in report.figures.items()))
        for problem in report.problems:
            bad = True
            print(f"  WRONG: {problem}", file=sys.stderr)
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
