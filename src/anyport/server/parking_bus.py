"""Retries that reach another process than the one that holds their call, over the bus of the store that they share.

Each process listens on a topic of its own for *knocks*: a few bytes that name a topic to talk on. Who got the retry
opens a `Pipe` there, waits for the holder to answer, hands it what differs between the call and its retry, and passes
on what comes back: notifications in order, then the result, an error, or the next questions. An end that leaves, dies
or stops listening is noticed by the other one, which ends the call.

The one that got the retry has opened its sealed state before anything is sent, and the holder opens it again, with its
own copy of the call: the bus says nothing that is believed about who calls and with what.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, cast

import msgspec

from anyport.protocol.calls import BackChannel, Call, Reply
from anyport.protocol.errors import InternalError, InvalidParams, McpError
from anyport.protocol.jsonrpc import ResultLike
from anyport.protocol.types import Result
from anyport.server.bus_pipes import CLOSE_S, Pipe, PipeLost, open_pipe
from anyport.server.error_ids import new_error_id
from anyport.server.parking_words import (
    Knock,
    Notice,
    Retry,
    decode_retry,
    decode_said,
    encode_error,
    encode_notice,
    encode_result,
    encode_retry,
    result_of,
)
from anyport.stores.base import Bus, StoreClosed, StoreError, SubscriptionLost
from anyport.stores.memory_bus import MemoryBus

logger = logging.getLogger("anyport.server")

Take = Callable[[str, Callable[[Call], Call], Reply], Awaitable[Result]]

ACK_S = 2.0
"""Seconds in which the holder of a call has to answer."""

STOP_S = 0.5
"""Seconds that a body may take to end when it is cancelled, before its client is answered."""

RETRY_S = 1.0
"""Seconds before a bus is tried again that failed without having delivered anything."""

NOT_REACHED: Final = (
    "The process that waits for this answer cannot be reached any more: send the request again without requestState"
)
BROKEN: Final = (
    "The process that worked on this call was lost: what it did is not known. A new request starts from the beginning"
)
NO_STORE: Final = "The store that the processes of this server share cannot be used now"
STOPPING: Final = "The server is shutting down"


class _BusReply:
    """What a body says to a client of another process.

    Args:
        pipe: Leads there.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.back_channel: BackChannel | None = None

    @property
    def cancelled(self) -> bool:
        return self._pipe.lost.done()

    async def notify(self, method: str, params: ResultLike) -> None:
        if not self.cancelled:
            try:
                await self._pipe.send(encode_notice(method, params))
            except (PipeLost, StoreError) as error:
                # The call is about to be cancelled: nobody hears it any more.
                logger.debug("A notification reached nobody: %s", error)

    async def close_stream(self, retry_s: float) -> None:
        """Do nothing: it is for legacy calls, which wait where their session is."""


class ParkingBus:
    """Brings retries to the processes that hold their calls, and takes those that are for this one.

    Args:
        bus: The bus.
        topic: Name of the server on it.
        take: Takes a retry of a call that is parked here.
        is_secret_known: Whether other processes can open what this one seals.
    """

    def __init__(self, bus: Bus, topic: str, take: Take, is_secret_known: bool) -> None:
        self._bus = bus
        self._topic = topic
        self._take = take
        self._warns = not is_secret_known and not isinstance(bus, MemoryBus)
        self._listening: asyncio.Task[None] | None = None
        self._taking: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Future[None] | None = None

    async def start(self) -> str:
        """Listen; from here on every retry is heard.

        Returns:
            The name of this process from now on.

        Raises:
            StoreError: The bus cannot be used.
        """
        holder, ready = secrets.token_hex(8), asyncio.Event()
        # Of the loop that runs now: what another one had went with it.
        self._taking, self._stopping = set(), asyncio.get_running_loop().create_future()
        listening, waiting = asyncio.create_task(self._listen(holder, ready)), asyncio.create_task(ready.wait())
        try:
            await asyncio.wait((listening, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if not ready.is_set():
                listening.cancel()
        if not ready.is_set():
            await listening
        self._listening = listening
        return holder

    def warn(self) -> None:
        """Say once that answers may reach a process that cannot read them; called when something is asked."""
        if self._warns:
            self._warns = False
            logger.warning(
                "The store is shared and the secret is not: a user's answer that reaches another process than asked"
                " is refused. Set Server(secret=...) or ANYPORT_SECRET to the same value everywhere"
            )

    async def drain(self, seconds: float) -> None:
        """Take no more retries, and end those that were taken.

        Args:
            seconds: How long their bodies may go on before they are cancelled, and their clients told.
        """
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait((listening,))
        stopping = self._stopping
        if self._taking and stopping is not None:
            await asyncio.wait(self._taking, timeout=seconds)
            if not stopping.done():
                stopping.set_result(None)
        if self._taking:
            await asyncio.wait(self._taking, timeout=STOP_S + CLOSE_S)
        for task in self._taking:
            task.cancel()

    # --- the process that got the retry -------------------------------------------------------------------------------

    async def resume(self, holder: str, parked: str, call: Call, reply: Reply) -> Result:
        """Have the process that holds a call take its retry, and answer with what it says.

        Args:
            holder: Name of the process.
            parked: Which of its calls it is.
            call: The retry; its state was opened.
            reply: Gets the notifications.

        Raises:
            InvalidParams: The process does not answer, or does not hold the call any more.
            InternalError: It was lost while it worked, or the store fails.
            McpError: The call ended with this error.
        """
        talk = f"{self._topic}/{secrets.token_hex(8)}"
        try:
            async with open_pipe(self._bus, f"{talk}/asker", f"{talk}/holder") as pipe:
                await self._bus.publish(f"{self._topic}/{holder}", msgspec.json.encode(Knock(talk)))
                await self._until_answered(pipe)
                await pipe.send(encode_retry(parked, call))
                while True:
                    said = decode_said(await pipe.receive())
                    if not isinstance(said, Notice):
                        return result_of(said, call.method)
                    await reply.notify(said.method, said.params)
        except PipeLost as error:
            logger.warning("The process that worked on %s was lost: %s", call.method, error)
            raise InternalError(BROKEN) from error
        except StoreError as error:
            logger.error("A retry of %s cannot be brought to the process that holds it: %s", call.method, error)
            raise InternalError(NO_STORE) from error

    async def _until_answered(self, pipe: Pipe) -> None:
        try:
            async with asyncio.timeout(ACK_S):
                await pipe.receive()
        except TimeoutError:
            logger.debug("The holder of a call did not answer within %g s", ACK_S)
            raise InvalidParams(NOT_REACHED) from None

    # --- the process that holds the call ------------------------------------------------------------------------------

    async def _listen(self, holder: str, ready: asyncio.Event) -> None:
        while True:
            heard = False
            try:
                async with self._bus.subscribe(f"{self._topic}/{holder}") as messages:
                    ready.set()
                    async for message in messages:
                        heard = True
                        self._hear(message)
                return  # the store was closed
            except StoreError as error:
                if not ready.is_set():
                    raise
                if isinstance(error, StoreClosed):
                    return
                # Who knocked in vain is told so after ACK_S.
                logger.warning("Retries in other processes may have been missed: %s", error)
                if not heard or not isinstance(error, SubscriptionLost):
                    await asyncio.sleep(RETRY_S)

    def _hear(self, message: bytes) -> None:
        try:
            knock = msgspec.json.decode(message, type=Knock)
        except msgspec.DecodeError as error:
            logger.warning("A message on the bus is no retry: %s", error)
            return
        stopping = cast("asyncio.Future[None]", self._stopping)
        task = asyncio.create_task(self._admit(knock.talk, stopping))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _admit(self, talk: str, stopping: asyncio.Future[None]) -> None:
        try:
            async with open_pipe(self._bus, f"{talk}/holder", f"{talk}/asker") as pipe:
                await pipe.send(b"")
                retry = decode_retry(await pipe.receive())
                await pipe.send(await self._answer(retry, pipe, stopping))
        except (PipeLost, StoreError, ValueError, msgspec.MsgspecError) as error:
            logger.debug("A call went to another process, which was lost: %s", error)

    async def _answer(self, retry: Retry, pipe: Pipe, stopping: asyncio.Future[None]) -> bytes:
        """Return what a call ends with; the end of the pipe, or of this process, cancels it."""
        body = asyncio.ensure_future(self._take(retry.parked, retry.renewed, _BusReply(pipe)))
        try:
            await asyncio.wait((body, pipe.lost, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not body.done():
                body.cancel()
        if not body.done():
            # One that goes on in spite of that is answered without it.
            await asyncio.wait((body,), timeout=STOP_S)
        if not body.done() or body.cancelled():
            return encode_error(InternalError(STOPPING))
        error = body.exception()
        if error is None:
            return encode_result(body.result())
        if isinstance(error, McpError):
            return encode_error(error)
        error_id = new_error_id()
        logger.error("A call that went on for another process failed (error id %s)", error_id, exc_info=error)
        return encode_error(InternalError(f"Internal error (error id {error_id})"))
