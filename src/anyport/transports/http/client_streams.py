"""Event streams as a client of Streamable HTTP reads them, and comes back for them (RES-01 to RES-04).

A legacy server may close a stream at any time, in the middle of a call too, and does so on purpose where it would
rather be asked again later. The client then asks for what follows the last event that it has, after the time that the
server wants.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Final

from anyport.protocol.errors import AnyportError, ConnectError, RemoteProtocolError
from anyport.protocol.jsonrpc import Request
from anyport.protocol.sse import EventDecoder, EventTooLarge
from anyport.transports.calling import Answer
from anyport.transports.http.client_conversation import Conversation
from anyport.transports.http11.connection import Answer as HttpAnswer
from anyport.transports.http11.events import Events
from anyport.transports.http11.site import read_error

logger = logging.getLogger("anyport.client")

_RETRY_S: Final = 1.0
"""Seconds until a stream is asked for again, where the server says nothing."""
_LEAST_RETRY_S: Final = 0.1
_MOST_RETRY_S: Final = 300.0
_LASTING_S: Final = 5.0
"""Seconds after which a standing stream that said nothing was no failure."""
_FAILURES: Final = 5
"""Times in a row that a call's stream is asked for in vain."""
_STREAM_END_S: Final = 0.05
"""Seconds for a stream to end after its answer."""


async def read_call(conversation: Conversation, answer: HttpAnswer, request: Request) -> Answer:
    """Read the answer to a request from a stream, and from those that resume it.

    Args:
        conversation: Whose stream it is.
        answer: The stream; it is left.
        request: The request.

    Raises:
        ConnectError: The stream broke, and could not be resumed.
        RemoteProtocolError: The stream ended without an answer, or has something in it that is no message.
        SessionLost: The server forgot the session meanwhile.
    """
    decoder = EventDecoder(conversation.limits.event_bytes)
    while True:
        failure: AnyportError
        try:
            found = await _read_answer(conversation, Events(answer, decoder), request)
            if found is not None:
                await _read_end(answer)
                return found
            failure = RemoteProtocolError(f"The server ended the stream without an answer to {request.method}")
        except ConnectError as error:
            failure = error
        finally:
            answer.leave()
        decoder.close()
        if conversation.modern or not decoder.last_event_id:
            # HTTP-12: a stream that is gone is gone.
            raise failure
        answer = await _resume(conversation, decoder, failure)


async def _read_answer(conversation: Conversation, events: Events, request: Request) -> Answer | None:
    while (event := await events.next()) is not None:
        if isinstance(event, EventTooLarge):
            raise RemoteProtocolError(f"The server sent an event of more than {event.limit} bytes (limit event_bytes)")
        # The first event of a resumable stream has an id and nothing else (RES-01).
        found = conversation.take(event.data, request) if event.event == "message" and event.data else None
        if found is not None:
            return found
    return None


async def _resume(conversation: Conversation, decoder: EventDecoder, broken: AnyportError) -> HttpAnswer:
    """Ask for what follows the last event, until the server gives it or there is no hope.

    Raises:
        ConnectError: There is none.
        SessionLost: The server forgot the session meanwhile.
    """
    why = ""
    for failed in range(_FAILURES):
        await _wait(conversation, _delay(decoder, failed))
        try:
            answer = await conversation.follow(decoder.last_event_id)
        except ConnectError as error:
            why = str(error)
            continue
        if is_stream(answer):
            return answer
        body = await read_error(answer)
        if answer.status == 404 and conversation.in_session:
            raise conversation.unknown_session(answer.status, body, unsent=False) from broken
        why = f"HTTP {answer.status}"
        if not _may_come_later(answer):
            break
    raise ConnectError(f"{broken}; the stream could not be resumed: {why}") from broken


class StandingStream:
    """The stream on which a legacy server says what belongs to no call, for as long as the client is open (LEG-01).

    Args:
        conversation: Whose stream it is.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._decoder = EventDecoder(conversation.limits.event_bytes)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        failed = 0
        with contextlib.suppress(ConnectError):
            while True:
                opened = await self._open()
                if opened is False:
                    return
                failed = 0 if opened else failed + 1
                await _wait(self._conversation, _delay(self._decoder, max(failed - 1, 0)))

    async def _open(self) -> bool | None:
        """Read the stream to its end; false where there will never be one, ``None`` where there may be one later."""
        conversation = self._conversation
        try:
            answer = await conversation.follow(self._decoder.last_event_id)
        except ConnectError as error:
            logger.debug("The standing stream could not be opened: %s", error)
            return None
        except AnyportError as error:
            conversation.inbox.tell("standing", "There is no standing stream: %s", error)
            return False
        if not is_stream(answer):
            return await self._refused(answer)
        loop = asyncio.get_running_loop()
        opened, events = loop.time(), Events(answer, self._decoder)
        try:
            brought = await self._read(events)
        finally:
            answer.leave()
        self._decoder.close()
        # One that ends at once, again and again, is asked for less and less often.
        return True if brought or loop.time() - opened > _LASTING_S else None

    async def _read(self, events: Events) -> int:
        """Read to the end of the stream; returns the number of its events."""
        brought, inbox = 0, self._conversation.inbox
        while True:
            try:
                event = await events.next()
            except AnyportError as error:
                logger.debug("The standing stream broke: %s", error)
                return brought
            if event is None:
                return brought
            brought += 1
            if isinstance(event, EventTooLarge):
                inbox.tell("large", "Skipped an event of more than %d bytes (limit event_bytes)", event.limit)
            elif event.event == "message" and event.data:
                try:
                    self._conversation.take(event.data, None)
                except RemoteProtocolError as error:
                    inbox.tell("junk", "Skipped an event of the server: %s", error)

    async def _refused(self, answer: HttpAnswer) -> bool | None:
        conversation = self._conversation
        body = await read_error(answer)
        if answer.status == 404 and conversation.in_session:
            # SES-03: nobody may be waiting for an answer that would say so.
            conversation.unknown_session(answer.status, body, unsent=True)
            return False
        if _may_come_later(answer):
            return None
        if answer.status != 405:
            # 405 is how a server says that it has none (LEG-01).
            logger.debug("There is no standing stream: HTTP %d", answer.status)
        return False


def is_stream(answer: HttpAnswer) -> bool:
    """Whether an answer is an event stream."""
    return answer.status == 200 and answer.content_type == "text/event-stream"


def _may_come_later(answer: HttpAnswer) -> bool:
    """Whether a refusal says that the server is busy, or has not noticed yet that the stream before has ended (409)."""
    return answer.status >= 500 or answer.status in (408, 409, 425, 429)


def _delay(decoder: EventDecoder, failed: int) -> float:
    """Return the seconds to wait: what the server wants, within bounds, and longer the more often it was in vain."""
    wanted = _RETRY_S if decoder.retry is None else decoder.retry / 1000
    wanted = min(max(wanted, _LEAST_RETRY_S), _MOST_RETRY_S)
    if failed == 0:
        return wanted
    # Clients of a server that restarts must not all come back at once.
    return min(max(wanted, _RETRY_S) * 2**failed * random.uniform(0.75, 1.25), _MOST_RETRY_S)


async def _wait(conversation: Conversation, seconds: float) -> None:
    """Wait, unless the client is closed.

    Raises:
        ConnectError: It is.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await conversation.closing.wait()
    if conversation.closing.is_set():
        raise ConnectError("The client was closed")


async def _read_end(answer: HttpAnswer) -> None:
    """Read the end of a stream whose answer is here, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError, AnyportError):
        # Mostly it is here too, and there is nothing to wait for.
        async with contextlib.nullcontext() if answer.complete else asyncio.timeout(_STREAM_END_S):
            while await answer.piece():
                pass
