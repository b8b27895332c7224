"""The calls in flight on a channel: what is known of each, and what it may say before its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from anyport.protocol.calls import Call
from anyport.protocol.errors import McpError
from anyport.protocol.jsonrpc import ResultLike, encode_error, encode_notification
from anyport.protocol.shapes import KnownCall
from anyport.transports.questions import CallQuestions

if TYPE_CHECKING:
    from anyport.transports.callers import Callers

Done = Callable[[bytes | None], None]


class Outlet(Protocol):
    """Where messages go out."""

    @property
    def full(self) -> bool:
        """Whether so much waits for a slow peer that who can wait should wait for `room`."""
        ...

    def write(self, message: bytes, *, last: bool = False) -> None:
        """Send a message, without framing.

        Args:
            message: The message, without line ends.
            last: Nothing follows at once; a transport that gathers messages need not wait for more.
        """
        ...

    async def room(self) -> None:
        """Wait until the peer has taken most of what was written."""
        ...


class Load:
    """Bytes of the requests in flight on one channel, or on several that count together (limit ``bytes_in_flight``)."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0


class OpenCall(Struct, eq=False):
    """A request that is being served, and what its call may say before the result (a `Reply`).

    Attributes:
        call: The call.
        outlet: Where messages go out.
        done: Takes the answer; ``None`` for a call that gets none.
        size: Bytes of the request.
        listens: It is a listen stream that changes are told to.
        cancelled: Nobody waits for the answer any more.
        back_channel: The way to ask the client something; ``None`` where there is none.
        callers: Where the call is counted; ``None`` where it is not.
        task: What serves it; ``None`` as long as it waits for its turn, and when it is served.
    """

    call: Call | KnownCall
    outlet: Outlet
    done: Done
    size: int
    listens: bool = False
    cancelled: bool = False
    back_channel: CallQuestions | None = None
    callers: Callers | None = None
    task: asyncio.Task[None] | None = None

    async def notify(self, method: str, params: ResultLike) -> None:
        """See `Reply.notify`."""
        if self.cancelled:
            return
        self.outlet.write(encode_notification(method, params))
        if self.outlet.full:
            await self.outlet.room()

    async def close_stream(self, retry_s: float) -> None:
        """Do nothing: the channel is shared."""

    def end(self, error: McpError) -> None:
        """Answer the call with an error now, whether or not it can be stopped."""
        done, self.done = self.done, _ignore
        if not self.cancelled:
            done(encode_error(self.call.id, error))
        else:
            done(None)
        self.cancel()

    def cancel(self) -> None:
        """Have nothing more said for the call, and stop it."""
        if self.cancelled:
            return
        self.cancelled = True
        if self.back_channel is not None:
            self.back_channel.cancel()
        if self.task is not None:
            # Not at once: a task that is cancelled before its first step never runs, not even its clean-up.
            self.task.get_loop().call_soon(self.task.cancel)


def _ignore(answer: bytes | None) -> None:
    """Take an answer that comes after its call was given up."""


class Batch:
    """Collects the answers to a JSON-RPC batch, which go out together (2025-03-26).

    Args:
        waiting: How many answers there will be.
        done: Takes all of them.
    """

    def __init__(self, waiting: int, done: Done) -> None:
        self._waiting = waiting
        self._done = done
        self._answers: list[bytes] = []

    def add(self, answer: bytes | None) -> None:
        """Take the answer to one of its requests; ``None`` where it gets none."""
        self._waiting -= 1
        if answer is not None:
            self._answers.append(answer)
        if self._waiting == 0:
            self._done(b"[" + b",".join(self._answers) + b"]" if self._answers else None)


class Alone(Struct, gc=False):
    """A call that came alone, as `Work`.

    Attributes:
        serve: Serves it.
        entry: The call.
    """

    serve: Callable[[OpenCall], Awaitable[None]]
    entry: OpenCall

    def run(self) -> Awaitable[None]:
        """See `Work.run`."""
        self.entry.task = asyncio.current_task()
        return self.serve(self.entry)

    def ended(self, task: asyncio.Task[None] | None) -> None:
        """See `Work.ended`: what there is to say is said by who serves it."""


async def wait_for(entries: Iterable[OpenCall], seconds: float) -> None:
    """Wait for what serves some calls, for so many seconds at most; less long where none of them has begun.

    Args:
        entries: The calls.
        seconds: How long.
    """
    tasks = {entry.task for entry in entries if entry.task is not None}
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    else:
        # Their turn comes with the next one of the loop.
        await asyncio.sleep(0)
