"""Questions during a modern call: the call ends with what it asks, and its retry goes on where it was (MRTR).

A call whose function may ask runs in a task of its own. When the task waits for nothing but answers, the call is
answered with an `InputRequiredResult`. From there on a body is either *parked*, and its task waits for the retry, or
*replayed*: it is unwound, and runs again with the retry, given its answers from ``requestState``. Replayed are `Ask`
parameters, before which nothing of the body has run, and tools declared as resumable.

``requestState`` is sealed and bound to the caller, the method and all parameters. That of a parked call is good once.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec import Struct, structs

from anyport.protocol.calls import BackChannel, Call, Reply
from anyport.protocol.errors import Busy, InternalError, InvalidParams
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.limits import Limits
from anyport.protocol.types import InputRequest, InputRequiredResult, Result
from anyport.protocol.types.json import JsonObject
from anyport.security.sealing import Sealer, Unsealed
from anyport.server.answers import require
from anyport.server.manners import Manner
from anyport.server.questions import Questions, Record
from anyport.server.rounds import Answer

if TYPE_CHECKING:
    from anyport.server.parking_bus import ParkingBus
    from anyport.stores.base import Bus

logger = logging.getLogger("anyport.server")

TURNS: Final = 4
"""Turns of the loop that a body gets after it asked something: others of its tasks may be about to ask too."""

ROUND: Final = ("_meta", "inputResponses", "requestState")
"""Parameters that differ between a call and its retry."""

INVALID_STATE: Final = "requestState is not valid for this request: send the request again without it"
GONE: Final = "The call that asked this is not waiting here any more: send the request again without requestState"


class _State(Struct, array_like=True, omit_defaults=True):
    """What ``requestState`` says.

    Attributes:
        holder: Which process has the call parked; empty for a replay.
        parked: Which call it is.
        turn: How often it has asked.
        record: What a replay needs.
    """

    holder: str = ""
    parked: str = ""
    turn: int = 0
    record: Record | None = None


class _Relay:
    """What a body may say: goes out on the request that drives the call, and nowhere while there is none."""

    def __init__(self, questions: Questions) -> None:
        self.target: Reply | None = None
        self.over = False
        self.back_channel: BackChannel | None = questions

    @property
    def cancelled(self) -> bool:
        target = self.target
        return self.over or (target is not None and target.cancelled)

    async def notify(self, method: str, params: ResultLike) -> None:
        if self.target is not None:
            await self.target.notify(method, params)

    async def close_stream(self, retry_s: float) -> None:
        if self.target is not None:
            await self.target.close_stream(retry_s)


class _Run:
    """A body in a task of its own.

    Args:
        answer: What answers the call.
        call: The call; a copy of it is the body's, and is renewed with each retry.
        replayed: The body is replayed, not parked.
    """

    def __init__(self, answer: Answer, call: Call, *, replayed: bool) -> None:
        self.id = secrets.token_hex(8)
        self.turn = 0
        self.size = 0
        self.call = structs.replace(call)
        self.stirred = asyncio.Event()
        self.questions = Questions(self.stirred.set, replayed=replayed)
        self.relay = _Relay(self.questions)
        self.expiry: asyncio.TimerHandle | None = None
        self._answer = answer
        self._task: asyncio.Task[Result] | None = None

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    @property
    def waits(self) -> bool:
        return bool(self.questions.open) and not self.questions.busy and not self.done

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._body())
        self._task.add_done_callback(self._end)

    def renew(self, call: Call) -> None:
        """Have the body speak on another request from here on."""
        own = self.call
        own.id, own.params, own.meta, own.carrier = call.id, call.params, call.meta, call.carrier
        own.client, own.capabilities, own.log_level = call.client, call.capabilities, call.log_level
        self.stirred.set()

    @contextmanager
    def driven(self, reply: Reply) -> Generator[None]:
        """Let what the body says go out on a request."""
        self.relay.target = reply
        try:
            yield
        finally:
            self.relay.target = None

    async def settle(self) -> None:
        """Let the body go on until it is done, or has asked all that it asks at a time."""
        asked = -1
        while asked < len(self.questions.open) and not self.done:
            asked = len(self.questions.open)
            for _ in range(TURNS):
                await asyncio.sleep(0)

    def outcome(self) -> Result:
        """Return or raise what the body ended with."""
        return cast("asyncio.Task[Result]", self._task).result()

    def cancel(self) -> None:
        """Unwind the body, unless it is done; `stop` also waits until it is through."""
        self.relay.over = True
        self.questions.close()
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.cancel()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _body(self) -> Result:
        return await self._answer(self.call, self.relay)

    def _end(self, task: asyncio.Task[Result]) -> None:
        # Somebody may wait on a thread that the body left behind.
        self.questions.close()
        if not task.cancelled():
            # Whether or not there is still someone to tell.
            task.exception()
        self.stirred.set()


class Parking:
    """Runs the calls that may ask, and keeps those that wait for answers.

    Args:
        limits: ``parked``, ``parked_per_principal``, ``parked_bytes``, ``answer_s`` and ``state_bytes``.
        sealer: Seals ``requestState``.
        bus: Brings a retry to the process that holds the call; ``None`` where there are no others.
        topic: Name of the server on the bus; states are bound to it.
    """

    def __init__(self, limits: Limits, sealer: Sealer, bus: Bus | None = None, topic: str = "parked") -> None:
        self._limits = limits
        self._sealer = sealer
        self._bus = bus
        self._topic = topic
        self._others: ParkingBus | None = None
        self._holder = secrets.token_hex(4)
        self._runs: dict[str, _Run] = {}
        self._of_principal: Counter[str] = Counter()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._runs)

    async def start(self) -> None:
        """Let the other processes reach what is parked here, where there is a bus."""
        if self._bus is None:
            return
        if self._others is None:  # Loaded here: a server on its own has no use for it.
            module = importlib.import_module("anyport.server.parking_bus")
            others: ParkingBus = module.ParkingBus(self._bus, self._topic, self.take, not self._sealer.is_random)
            self._others = others
        # Named now: after a fork, each process has a name of its own.
        self._holder = await self._others.start()

    async def drain(self, seconds: float) -> None:
        """Let calls that go on for other processes finish, for so long; then cancel them."""
        if self._others is not None:
            await self._others.drain(seconds)

    async def aclose(self) -> None:
        """Unwind every parked call, and wait until all are through."""
        await self.drain(0.0)
        runs = list(self._runs.values())
        for run in runs:
            self._release(run)
        if runs:
            await asyncio.wait([asyncio.ensure_future(run.stop()) for run in runs], timeout=self._limits.drain_s)

    def serve(self, answer: Answer, manner: Manner, call: Call, reply: Reply) -> Awaitable[Result]:
        """Serve a call that may ask, or its retry.

        Args:
            answer: What answers its method.
            manner: How what it names asks.
            call: The call.
            reply: What may be said before the result.
        """
        if "requestState" in call.params:
            return self._go_on(answer, manner, call, reply)
        run = _Run(answer, call, replayed=manner == "replayed")
        run.questions.resume(None, _responses(call))
        return self._begin(run, reply)

    async def _begin(self, run: _Run, reply: Reply) -> Result:
        with run.driven(reply):
            run.start()
            return await self._drive(run)

    async def _go_on(self, answer: Answer, manner: Manner, call: Call, reply: Reply) -> Result:
        """Take the retry of a call."""
        state, given = self._open(call), _responses(call)
        if state.record is not None:
            run = _Run(answer, call, replayed=manner == "replayed")
            run.questions.resume(state.record, given)
            return await self._begin(run, reply)
        if state.holder != self._holder and self._others is not None:
            return await self._others.resume(state.holder, state.parked, call, reply)
        return await self._resume(state, given, call, reply)

    async def take(self, parked: str, renewed: Callable[[Call], Call], reply: Reply) -> Result:
        """Take the retry of a call that is parked here, and that came to another process.

        Args:
            parked: Which one it is.
            renewed: Makes the call that comes of the one that is parked: what they have in common was not sent.
            reply: What the body speaks on.
        """
        found = self._runs.get(parked)
        if found is None:
            raise InvalidParams(GONE)
        call = renewed(found.call)
        return await self._resume(self._open(call), _responses(call), call, reply)

    async def _resume(self, state: _State, given: JsonObject, call: Call, reply: Reply) -> Result:
        found = self._runs.get(state.parked) if state.holder == self._holder else None
        if found is None or found.turn != state.turn:
            logger.debug("Refused a state of a call that is not parked: held by %s", state.holder)
            raise InvalidParams(GONE)
        answers = found.questions.check(given)
        # From here on the state is used.
        self._release(found)
        found.renew(call)
        found.questions.deliver(answers)
        with found.driven(reply):
            return await self._drive(found)

    async def _drive(self, run: _Run) -> Result:
        """Wait until a body is done, or waits for answers."""
        try:
            while True:
                await run.stirred.wait()
                run.stirred.clear()
                await run.settle()
                if run.done:
                    return run.outcome()
                if run.questions.failure is not None:
                    await run.stop()
                    raise run.questions.failure
                if run.waits:
                    return await self._suspend(run)
        except asyncio.CancelledError:
            if not run.done:
                await run.stop()
            raise

    async def _suspend(self, run: _Run) -> InputRequiredResult:
        """Answer a call with what it asks."""
        requests = {
            key: msgspec.convert(
                {"method": each.method, "params": each.params}, cast("type[InputRequest]", InputRequest)
            )
            for key, each in run.questions.open.items()
        }
        try:
            for each in run.questions.open.values():
                require(run.call.capabilities, run.call.revision, each.method, each.params)
            replay = run.questions.replayed
            state = self._seal(run.call, _State(record=run.questions.record()) if replay else self._park(run))
        except Exception:
            await run.stop()
            raise
        if run.questions.replayed:
            await run.stop()
        return InputRequiredResult(input_requests=requests, request_state=state)

    # --- parked bodies ------------------------------------------------------------------------------------------------

    def _park(self, run: _Run) -> _State:
        limits, principal = self._limits, run.call.carrier.principal
        if len(self._runs) >= limits.parked:
            raise Busy(f"{limits.parked} calls wait for an answer of their user (limit parked)")
        if principal is not None and self._of_principal[principal] >= limits.parked_per_principal:
            raise Busy(f"{limits.parked_per_principal} of your calls wait for an answer (limit parked_per_principal)")
        size = len(msgspec.json.encode(run.call.params))
        if self._bytes + size > limits.parked_bytes:
            raise Busy(f"The calls that wait for an answer hold {self._bytes} bytes (limit parked_bytes)")
        run.size = size
        self._bytes += size
        if principal is not None:
            self._of_principal[principal] += 1
        run.turn += 1
        self._runs[run.id] = run
        run.expiry = asyncio.get_running_loop().call_later(limits.answer_s, self._expire, run)
        return _State(self._holder, run.id, run.turn)

    def _release(self, run: _Run) -> None:
        if self._runs.pop(run.id, None) is None:
            return
        self._bytes -= run.size
        if run.expiry is not None:
            run.expiry.cancel()
            run.expiry = None
        principal = run.call.carrier.principal
        if principal is not None:
            self._of_principal[principal] -= 1
            if not self._of_principal[principal]:
                del self._of_principal[principal]

    def _expire(self, run: _Run) -> None:
        logger.debug("%s got no answer within %g s (limit answer_s)", run.call.method, self._limits.answer_s)
        self._release(run)
        run.cancel()

    # --- state --------------------------------------------------------------------------------------------------------

    def _seal(self, call: Call, state: _State) -> str:
        if self._others is not None:
            self._others.warn()
        encoded = msgspec.json.encode(state)
        if len(encoded) > self._limits.state_bytes:
            raise InternalError(
                f"The answers and side effects of the call take {len(encoded)} bytes; {self._limits.state_bytes} may"
                " travel with it (limit state_bytes)"
            )
        return self._sealer.seal(encoded, self._bound(call), self._limits.answer_s)

    def _open(self, call: Call) -> _State:
        token = call.params.get("requestState")
        if not isinstance(token, str):
            raise InvalidParams('"requestState" must be a string, as it was sent')
        try:
            return msgspec.json.decode(self._sealer.open(token, self._bound(call)), type=_State)
        except (Unsealed, msgspec.MsgspecError):
            raise InvalidParams(INVALID_STATE) from None

    def _bound(self, call: Call) -> bytes:
        """Return what a state is bound to: the server, who calls, which method, and what with (MRTR-05)."""
        salient = {name: value for name, value in call.params.items() if name not in ROUND}
        bound = [self._topic, call.carrier.principal, call.method, salient]
        return hashlib.sha256(msgspec.json.encode(bound, order="deterministic")).digest()


def _responses(call: Call) -> JsonObject:
    given = call.params.get("inputResponses", {})
    if not isinstance(given, dict):
        raise InvalidParams('"inputResponses" must be an object')
    return given
