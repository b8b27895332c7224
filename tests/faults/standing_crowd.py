"""A crowd of connections that send a little and read little, in a process of its own.

Arguments: the port of the server; 0 for a sink in this process, which accepts and reads nothing. The first line of
stdin says who stands there (JSON, `Kind`). "up" comes on stdout once all are connected, "gone" once all were hung up
on. When stdin ends, all leave, and stdout has how long each kind took to be hung up on, in seconds, as JSON; ``null``
where somebody was not.

Who is measured beside the crowd is to notice the server, not this: what is sent is spread evenly over the time, on
plain sockets, without a task or a timer for each.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

AT_ONCE: Final = 4
"""Connections made, and bytes sent, in one turn at most: a process that was held up does not make up for it at once."""
TURN_S: Final = 0.001
PATIENCE: Final = 30


class Kind(msgspec.Struct):
    """Some of a crowd.

    Attributes:
        name: Which.
        count: How many.
        first: What each sends when it comes.
        then: What each sends again and again; empty for nothing.
        every_s: Seconds from one to the next.
        reads: Whether they read what comes.
        receives: Bytes that the kernel keeps for each of them; default: megabytes, after a while.
    """

    name: str
    count: int
    first: bytes
    then: bytes = b""
    every_s: float = 1.0
    reads: bool = True
    receives: int | None = None


class Member:
    """One of them."""

    def __init__(self, kind: Kind, address: tuple[str, int], left: Callable[[], None]) -> None:
        self.kind = kind
        self._left = left
        self.socket = socket.socket()
        if kind.receives is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kind.receives)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.socket.setblocking(False)
        self.came = time.perf_counter()
        self.took: float | None = None
        self.send(kind.first)

    def send(self, data: bytes) -> None:
        """Send, or find out that nobody is there."""
        try:
            if data:
                self.socket.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.leave()

    def look(self) -> None:
        """Something has come, or nothing will."""
        try:
            gone = not (self.kind.reads and self.socket.recv(65536))
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self.leave()

    def leave(self) -> None:
        """Take note of the end."""
        self.took = time.perf_counter() - self.came
        self.socket.close()
        self._left()


class Crowd:
    """All of them."""

    def __init__(self, kinds: list[Kind], port: int) -> None:
        self._kinds = kinds
        self._sink = None if port else socket.create_server(("127.0.0.1", 0))
        self._address = self._sink.getsockname() if self._sink else ("127.0.0.1", port)
        self._accepted: list[socket.socket] = []
        self._members: list[Member] = []
        self._by_descriptor: dict[int, Member] = {}
        self._senders: dict[str, list[Member]] = {kind.name: [] for kind in kinds}
        self._sent = dict.fromkeys(self._senders, 0.0)
        self._poll = select.epoll()
        self._expected = sum(kind.count for kind in kinds)

    def stand(self) -> None:
        """Come, and stay until stdin ends."""
        # Mixed: nobody comes in a block of his own kind.
        most = max(kind.count for kind in self._kinds)
        coming = [kind for number in range(most) for kind in self._kinds if number < kind.count]
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        before = time.perf_counter()
        here = False
        while True:
            for kind in coming[:AT_ONCE]:
                self._come(kind)
            del coming[:AT_ONCE]
            if not coming and not here:
                here = True
                print("up", flush=True)
            now = time.perf_counter()
            self._send(now - before)
            before = now
            for descriptor, _ in self._poll.poll(TURN_S):
                if descriptor == sys.stdin.fileno():
                    return
                self._by_descriptor[descriptor].look()

    def took(self) -> dict[str, float | None]:
        """Return after what time the last of each kind was hung up on."""
        took: dict[str, float | None] = {}
        for kind in self._kinds:
            times = [each.took for each in self._members if each.kind is kind]
            done = [each for each in times if each is not None]
            took[kind.name] = max(done) if len(done) == kind.count else None
        return took

    def _leave(self) -> None:
        self._expected -= 1
        if not self._expected:
            print("gone", flush=True)

    def _come(self, kind: Kind) -> None:
        member = Member(kind, self._address, self._leave)
        if self._sink:
            self._accepted.append(self._sink.accept()[0])
        self._members.append(member)
        self._by_descriptor[member.socket.fileno()] = member
        # That the other end is gone is told in any case.
        self._poll.register(member.socket, select.EPOLLIN if kind.reads else 0)
        if kind.then:
            self._senders[kind.name].append(member)

    def _send(self, passed: float) -> None:
        """Let as many send as it is the turn of."""
        for kind in self._kinds:
            senders = self._senders[kind.name]
            first = self._sent[kind.name]
            due = min(first + passed * len(senders) / kind.every_s, first + AT_ONCE) if senders else first
            for number in range(int(first), int(due)):
                member = senders[number % len(senders)]
                if member.took is None:
                    member.send(kind.then)
            self._sent[kind.name] = due


def main() -> None:
    """Stand there."""
    crowd = Crowd(msgspec.json.decode(sys.stdin.buffer.readline(), type=list[Kind]), int(sys.argv[1]))
    crowd.stand()
    sys.stdout.write(msgspec.json.encode(crowd.took()).decode())


if __name__ == "__main__":
    main()
