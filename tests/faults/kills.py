"""Kills the client of a stdio server with -9, in six states, and looks for what it leaves. Linux only.

python -m tests.faults.kills --cycles 200
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from tests.drivers.stdio import environment, is_gone, kill

WORKING: Final = Path(__file__).parent.parent / "transports" / "stdio" / "servers" / "working.py"
CLIENT: Final = Path(__file__).with_name("killed_client.py")
STATES: Final = ("before the handshake", "idle", "async call", "sync call", "child process", "large result")
LIMIT_S: Final = 2.0
AT_ONCE: Final = 3


class Death(msgspec.Struct):
    """One client that was killed.

    Attributes:
        state: What the server was at.
        seconds: From the kill to the end of the server and of all below it; at most a little over the limit.
        left: Processes that outlived the limit.
    """

    state: str
    seconds: float
    left: list[int]


def descendants(pid: int) -> list[int]:
    """Return the processes below a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        children = (task / "children").read_text("utf-8").split()
        found += [int(child) for child in children]
    return found + [below for child in found for below in descendants(child)]


def die(state: str) -> Death:
    """Start a client and its server, bring the server into a state, kill the client."""
    with subprocess.Popen(
        [sys.executable, "-S", str(CLIENT), state, sys.executable, str(WORKING)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as client:
        assert client.stdout is not None
        line = client.stdout.readline()
        assert line, f"the client did not get the server into the state {state!r}"
        server, *told = [int(pid) for pid in line.split()]
        below = {server, *told, *descendants(server)}
        began = time.monotonic()
        client.kill()
        left = [pid for pid in below if not is_gone(pid, began + LIMIT_S - time.monotonic())]
        seconds = time.monotonic() - began
    for pid in left:
        kill(pid)
    return Death(state, seconds, left)


def deaths(cycles: int) -> list[Death]:
    """Kill so many clients, some at once, the states in turn."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(die, [STATES[number % len(STATES)] for number in range(cycles)]))


def main() -> int:
    """Kill clients and say what they left; the status tells whether that was anything."""
    parser = argparse.ArgumentParser(description="Kill clients of a stdio server; look for what they leave.")
    parser.add_argument("--cycles", type=int, default=200, help="default: 200")
    found = deaths(parser.parse_args().cycles)
    for state in STATES:
        times = sorted(death.seconds for death in found if death.state == state)
        left = sum(bool(death.left) for death in found if death.state == state)
        print(f"{state}: {len(times)} killed, {left} left something, at most {max(times, default=0.0):.2f} s")
    bad = [death for death in found if death.left]
    print(f"{len(found) - len(bad)} of {len(found)} left nothing after {LIMIT_S:g} s")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
