"""What any `ClientTransport` must do."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final, cast

from anyport.protocol.errors import AnyportError
from anyport.protocol.jsonrpc import ErrorResponse, Request
from anyport.protocol.revisions import Era
from anyport.protocol.types.json import JsonObject
from anyport.testing.expecting import PATIENCE_S, equal, refused, true, within
from anyport.testing.transport_harness import ROOT, Side, TransportHarness, text_of
from anyport.transports.calling import ClientTransport, Incoming

_PING: Final = Request(1, "ping", {})
_MANY: Final = 40
_LARGE: Final = 200_000
_STEPS: Final = 20


async def check_before_the_start(harness: TransportHarness, era: Era) -> None:
    """Nothing is sent over a transport that is not open, and closing it is no mistake."""
    transport = harness.make()
    true(isinstance(cast("object", transport), ClientTransport), "being a ClientTransport")
    await within(transport.aclose(), "closing what was never started")
    error = await refused(AnyportError, transport.request(_PING), "a request before the start")
    true(getattr(error, "unsent", False) is True, "unsent of a request before the start")


async def check_answers(harness: TransportHarness, era: Era) -> None:
    """A request gets its own answer, under its id and its id's type; errors of the server are answers, not raised."""
    async with harness.open(era) as side:
        for request_id in (1000, "1000", "text"):
            answer = await within(side.call("echo", {"text": "é\u2028\n"}, request_id=request_id), "a call")
            equal((answer.id, text_of(answer)), (request_id, "é\u2028\n"), "the answer")
        answer = await within(side.call("no such tool"), "a call of no tool")
        equal(type(answer), ErrorResponse, "the answer to a call of no tool")


async def check_many_at_once(harness: TransportHarness, era: Era) -> None:
    """Answers find their requests, in whatever order; one that waits keeps no other waiting."""
    async with harness.open(era) as side:
        key = _key()
        waiting = side.call("wait", {"key": key})
        calls = {f"text {number}": side.call("echo", {"text": f"text {number}"}) for number in range(_MANY)}
        for text, call in calls.items():
            equal(text_of(await within(call, "one call of many")), text, "the answer to one of many")
        true(not waiting.done(), "a call that waits")
        equal(await side.text("release", key=key), key, "the call that ends the waiting")
        equal(text_of(await within(waiting, "the call that waited")), key, "the answer to the call that waited")


async def check_notifications(harness: TransportHarness, era: Era) -> None:
    """Notifications come in order, and before the answer to the request that they belong to."""
    async with harness.open(era) as side:
        call = side.call("steps", {"count": _STEPS}, progress=True)
        call.add_done_callback(lambda _: side.events.append("answer"))
        equal(text_of(await within(call, "a call with progress")), "done", "the answer")
        await asyncio.sleep(0)
        wanted = [f"notifications/progress {number + 1}" for number in range(_STEPS)]
        equal([event.replace(".0", "") for event in side.events], [*wanted, "answer"], "what came in")


async def check_cancellation(harness: TransportHarness, era: Era) -> None:
    """A request that is given up is given up at the server, and nothing else is."""
    async with harness.open(era) as side:
        key, other = _key(), _key()
        given_up, kept = side.call("wait", {"key": key}), side.call("wait", {"key": other})
        for each in (key, other):
            equal(await side.text("began", key=each), each, "the call that sees another begin")
        given_up.cancel()
        await refused(asyncio.CancelledError, given_up, "a call that is given up")
        equal(await side.text("cancelled", key=key), key, "the call that sees the cancellation")
        equal(await side.text("release", key=other), other, "the call after a cancellation")
        equal(text_of(await within(kept, "the call that was kept")), other, "the call that was kept")


async def check_questions(harness: TransportHarness, era: Era) -> None:
    """The server may ask during a call, in the era that has it, and gets the answer."""
    if era == "modern":
        return
    async with harness.open(era) as side:
        answers = [side.call("roots") for _ in range(3)]
        for answer in answers:
            equal(text_of(await within(answer, "a call that asks")), ROOT, "what was answered to the server")


async def check_large_messages(harness: TransportHarness, era: Era) -> None:
    """Messages of some size come through, both ways."""
    text = "0123456789é" * (_LARGE // 11)
    async with harness.open(era) as side:
        true(await side.text("echo", text=text) == text, "a large text that comes back")


async def check_what_has_no_json(harness: TransportHarness, era: Era) -> None:
    """Parameters without a JSON form are the caller's mistake: nothing is sent, nothing is broken."""
    async with harness.open(era) as side:
        odd = cast("JsonObject", {"text": object()})
        await refused(AnyportError, side.call("echo", odd), "a call with an argument that JSON cannot say")
        equal(await side.text("echo", text="next"), "next", "the next call")


async def check_closing(harness: TransportHarness, era: Era) -> None:
    """What waits fails, what comes later fails as unsent, nothing is handed over any more, and no task is left."""
    tasks = asyncio.all_tasks()
    side = Side(harness.make(), era)
    await side.start()
    waiting = side.call("wait", {"key": _key()})
    await side.text("echo", text="x")
    before = list(side.events)
    await within(asyncio.gather(side.transport.aclose(), side.transport.aclose()), "closing, twice at once")
    await refused(AnyportError, waiting, "a call that waits when the transport is closed")
    error = await refused(AnyportError, side.call("echo", {"text": "x"}), "a call after the end")
    true(getattr(error, "unsent", False) is True, "unsent of a call after the end")
    await within(side.transport.aclose(), "closing again")
    # A server in this loop may have something to finish, too.
    if left := asyncio.all_tasks() - tasks:
        _, left = await asyncio.wait(left, timeout=PATIENCE_S)
    equal(left, set[asyncio.Task[object]](), "the tasks after the end")
    equal(side.events, before, "what was handed over after the end")
    equal(side.lost, [], "what was told as lost, though it was closed")


async def check_starting_again(harness: TransportHarness, era: Era) -> None:
    """The same transport can be started again after it was closed, and knows nothing of before."""
    side = Side(harness.make(), era)
    for number in range(3):
        await side.start()
        waiting = side.call("wait", {"key": _key()})
        equal(await side.text("echo", text=f"{number}"), f"{number}", "a call after the start")
        await within(side.transport.aclose(), "closing")
        await refused(AnyportError, waiting, "a call that waits when the transport is closed")
    equal(side.lost, [], "what was told as lost, though it was closed")


async def check_a_start_that_is_given_up(harness: TransportHarness, era: Era) -> None:
    """Wherever a start is cancelled, the transport can be closed and started again."""
    side = Side(harness.make(), era)
    for turns in range(6):
        starting = asyncio.ensure_future(side.transport.start(_nobody()))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await within(asyncio.wait((starting,)), "a start that is cancelled")
        await within(side.transport.aclose(), "closing")
    await side.start()
    equal(await side.text("echo", text="x"), "x", "a call after the start")
    await within(side.transport.aclose(), "closing")


async def check_loss(harness: TransportHarness, era: Era) -> None:
    """A connection that is cut fails what waits, is told once, and can be opened again."""
    if harness.sever is None:
        return
    side = Side(harness.make(), era)
    for _ in range(2):
        side.gone.clear()
        side.lost.clear()
        await side.start()
        key = _key()
        waiting = side.call("wait", {"key": key})
        await side.text("began", key=key)
        await within(harness.sever(), "cutting the connection")
        error = await refused(AnyportError, waiting, "a call whose connection is cut")
        true(not getattr(error, "unsent", False), "a call that may have run")
        if era in harness.remembers:
            await within(side.gone.wait(), "the news of the loss")
            await refused(AnyportError, side.call("echo", {"text": "x"}), "a call after the loss")
        await within(side.transport.aclose(), "closing")
        equal(len(side.lost), int(era in harness.remembers), "how often the loss was told")


CHECKS: Final = (
    check_before_the_start,
    check_answers,
    check_many_at_once,
    check_notifications,
    check_cancellation,
    check_questions,
    check_large_messages,
    check_what_has_no_json,
    check_closing,
    check_starting_again,
    check_a_start_that_is_given_up,
    check_loss,
)


def _key() -> str:
    return uuid.uuid4().hex


def _nobody() -> Incoming:
    async def refuse(request: Request) -> ErrorResponse:
        raise AssertionError("nobody asks before the handshake")

    return Incoming(lambda _: None, refuse, lambda _: None)
