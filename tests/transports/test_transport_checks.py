"""`check_transport` finds what is wrong, and says where."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import pytest

from anyport.client.in_memory import MemoryClient
from anyport.protocol.errors import AnyportError, ConnectError, LocalProtocolError, McpError
from anyport.protocol.jsonrpc import Notification, Request, Response
from anyport.testing import expecting, transport_checks
from anyport.testing.transports import TRANSPORT_CHECKS, TransportHarness, check_transport, make_server
from anyport.transports.calling import PLAIN, Answer, Incoming, Sending


class Late(MemoryClient):
    """An error before the start that does not say that nothing was sent."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        try:
            return await super().request(request, sending)
        except ConnectError as error:
            raise ConnectError(str(error)) from None


class Texts(MemoryClient):
    """Ids become texts."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        return msgspec.structs.replace(await super().request(request, sending), id=str(request.id))


class OneByOne(MemoryClient):
    """A call waits for the one before it."""

    lock: asyncio.Lock

    async def start(self, incoming: Incoming) -> None:
        self.lock = asyncio.Lock()
        await super().start(incoming)

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        async with self.lock:
            return await super().request(request, sending)


class Backwards(MemoryClient):
    """Notifications wait for the answer, and come last first."""

    async def start(self, incoming: Incoming) -> None:
        self.held: list[Notification] = []
        self.incoming = incoming
        await super().start(Incoming(self.held.append, incoming.asked, incoming.lost))

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        answer = await super().request(request, sending)
        while self.held:
            self.incoming.notified(self.held.pop())
        return answer


class Shielded(MemoryClient):
    """A call goes on at the server though nobody waits for it."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        return await asyncio.shield(asyncio.ensure_future(super().request(request, sending)))


class Mute(MemoryClient):
    """What the server asks is answered by somebody else."""

    async def start(self, incoming: Incoming) -> None:
        async def answer(request: Request) -> Answer:
            return Response(request.id, {"roots": []})

        await super().start(Incoming(incoming.notified, answer, incoming.lost))


class Short(MemoryClient):
    """A large result is cut."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        answer = await super().request(request, sending)
        size = len(msgspec.json.encode(answer))
        return Response(request.id, {"content": []}) if size > 100_000 else answer


class Lenient(MemoryClient):
    """What JSON cannot say is sent as something else."""

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        try:
            return await super().request(request, sending)
        except McpError:
            return Response(request.id, {})


class Stuck(MemoryClient):
    """Closing fails nothing that waits."""

    async def aclose(self) -> None:
        return


class Once(MemoryClient):
    """It starts only once."""

    started = False

    async def start(self, incoming: Incoming) -> None:
        if self.started:
            raise LocalProtocolError("started before")
        await super().start(incoming)
        self.started = True


class Broken(MemoryClient):
    """A start that was cancelled cannot be repeated."""

    broken = False

    async def start(self, incoming: Incoming) -> None:
        if self.broken:
            raise LocalProtocolError("a start was cancelled")
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.broken = True
            raise
        await super().start(incoming)


class Silent(MemoryClient):
    """The loss of its connection fails what waits, and is not told."""

    cut: asyncio.Event

    async def start(self, incoming: Incoming) -> None:
        self.cut = asyncio.Event()
        await super().start(incoming)

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        answer = asyncio.ensure_future(super().request(request, sending))
        gone = asyncio.ensure_future(self.cut.wait())
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if answer.done():
            return answer.result()
        answer.cancel()
        raise ConnectError("cut")


FAULTS: dict[type[MemoryClient], str] = {
    Late: "check_before_the_start",
    Texts: "check_answers",
    OneByOne: "check_many_at_once",
    Backwards: "check_notifications",
    Shielded: "check_cancellation",
    Mute: "check_questions",
    Short: "check_large_messages",
    Lenient: "check_what_has_no_json",
    Stuck: "check_closing",
    Once: "check_starting_again",
    Broken: "check_a_start_that_is_given_up",
    Silent: "check_loss",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found(fault: type[MemoryClient], monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, by the check that is about it; a message that says what was expected."""
    monkeypatch.setattr(expecting, "PATIENCE_S", 0.05)
    monkeypatch.setattr(transport_checks, "PATIENCE_S", 0.05)
    made: list[MemoryClient] = []
    server = make_server()

    def make() -> MemoryClient:
        made.append(fault(server))
        return made[-1]

    async def sever() -> None:
        cast("Silent", made[-1]).cut.set()

    harness = TransportHarness(make, sever if fault is Silent else None)
    check = next(each for each in TRANSPORT_CHECKS if getattr(each, "__name__", "") == FAULTS[fault])
    with pytest.raises((AssertionError, AnyportError)) as caught:
        await check(harness, "legacy")
    assert str(caught.value)
    await _end([task for task in asyncio.all_tasks() if task is not asyncio.current_task()])
    for client in made:
        await MemoryClient.aclose(client)


async def _end(tasks: list[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_every_check_has_a_fault() -> None:
    """Or it could pass whatever a transport does."""
    assert [getattr(check, "__name__", "") for check in TRANSPORT_CHECKS] == list(FAULTS.values())


async def test_all_of_it_at_once() -> None:
    """As the author of a transport of their own calls it."""
    server = make_server()
    await check_transport(lambda: MemoryClient(server))


async def test_what_is_wrong_is_named() -> None:
    """The first fault ends the checks, with a note that leads to it."""
    server = make_server()
    with pytest.raises(AssertionError, match=r"^the answer: \('1000'") as caught:
        await check_transport(lambda: Texts(server))
    assert caught.value.__notes__ == ["in check_answers (modern) of anyport.testing.transports"]
