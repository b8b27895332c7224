"""Conversation: requests with their ids, metadata, time limits and progress, over any transport, in either era.

One conversation lasts from the start of a transport to its end; `anyport.client.connection` opens the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from anyport.client.answers import Answers
from anyport.client.call_options import NO_TERMS, Terms
from anyport.client.progress import Progress
from anyport.client.questions import Questions
from anyport.client.rounds import MAX_ROUNDS, answer_round
from anyport.client.time_limits import Clock
from anyport.protocol.calls import (
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_SUBSCRIPTION_ID,
    META_VERSION,
)
from anyport.protocol.changes import LISTEN
from anyport.protocol.correlation import Sent
from anyport.protocol.errors import (
    AnyportError,
    InternalError,
    LocalProtocolError,
    McpError,
    RemoteProtocolError,
    Timeout,
)
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, RequestId
from anyport.protocol.methods import METHODS
from anyport.protocol.revisions import Revision
from anyport.protocol.types import Implementation
from anyport.protocol.types.json import JsonObject
from anyport.transports.calling import Answer, ClientTransport

logger = logging.getLogger("anyport.client")

_ASKING: Final = frozenset(row.name for row in METHODS if row.asks)


class _Open(Struct):
    """A request that waits for its answer."""

    clock: Clock
    progress: Progress | None


class Listener(Protocol):
    """Takes what the server says by itself; each returns at once."""

    def logged(self, params: JsonObject) -> None:
        """Take a log message."""
        ...

    def changed(self, notification: Notification) -> None:
        """Take the news of a change that belongs to no stream (legacy)."""
        ...

    def noted(self, notification: Notification) -> None:
        """Take the news of any change."""
        ...

    def lost(self, conversation: Conversation, error: AnyportError) -> None:
        """Take that a conversation is over although nobody closed it."""
        ...


class Conversation:
    """What a client says to one server, from the start of its transport to its end.

    Args:
        info: What the client says about itself.
        answers: What it answers when the server asks.
        listener: Takes what the server says by itself.

    Attributes:
        transport: Carries the messages; set before the first one.
        revision: What is spoken; ``None`` until the handshake has found out.
        server_name: What the server calls itself.
        gone: Set when the conversation is over although nobody closed it.
        error: Why it is over.
        held: How many here watch each resource that was subscribed to (legacy).
    """

    transport: ClientTransport

    def __init__(self, info: Implementation, answers: Answers, listener: Listener) -> None:
        self.info: JsonObject = msgspec.to_builtins(info)
        self.revision: Revision | None = None
        self.server_name: str | None = None
        self.gone = asyncio.Event()
        self.error: AnyportError | None = None
        self.held: dict[str, int] = {}
        self._answers = answers
        self._listener = listener
        self._declared = answers.capabilities(modern=True)
        self._sent: Sent[_Open] = Sent()
        self._clocks: dict[int, Clock] = {}
        self._streams: dict[RequestId, Callable[[Notification], None]] = {}
        self._questions = Questions(answers, self._hold_clocks, self._release_clocks)

    @property
    def capabilities(self) -> JsonObject:
        """What is declared in the legacy handshake."""
        return self._answers.capabilities(modern=False)

    # --- requests -----------------------------------------------------------------------------------------------------

    async def request(self, method: str, params: JsonObject, terms: Terms = NO_TERMS) -> JsonObject:
        """Send a request and return its result; what the server asks on the way is answered.

        Args:
            method: JSON-RPC method.
            params: Its parameters, without ``_meta``.
            terms: Times, progress, header fields and more metadata.

        Raises:
            McpError: The answer is an error.
            Timeout: There was no answer in time; the request was cancelled.
            RemoteProtocolError: The result is of a kind that this client did not offer to take, or the server asks
                without end.
            LocalProtocolError: The parameters have no JSON form.
        """
        until = None if terms.most is None else asyncio.get_running_loop().time() + terms.most
        said = params
        for _ in range(MAX_ROUNDS):
            answer = await self.ask(method, said, terms, until)
            if isinstance(answer, ErrorResponse):
                raise McpError.from_wire(answer.error)
            kind = answer.result.get("resultType", "complete")
            if said is not params:
                # CCH-02: what was made from answers of the user is not kept for others.
                answer.result.pop("ttlMs", None)
            if kind == "complete" or self.revision is None or not self.revision.result_type:
                return answer.result
            if kind != "input_required" or method not in _ASKING:
                # RPC-07: no other kind was offered, so none may come.
                raise RemoteProtocolError(
                    f"The answer to {method} is of a kind that was not offered: {str(kind)[:80]!r}"
                )
            # MRTR-06: the answers and the state belong to this request and to the next one of it, to no other.
            said = {**params, **await self._answer_round(method, answer.result, until)}
        raise RemoteProtocolError(f"The server asked {MAX_ROUNDS} times in answer to one {method}")

    async def ask(self, method: str, params: JsonObject, terms: Terms = NO_TERMS, until: float | None = None) -> Answer:
        """Send a request and return its answer, be it a result or an error; see `request`.

        Args:
            method: JSON-RPC method.
            params: Its parameters, without ``_meta``.
            terms: Times, progress, header fields and more metadata.
            until: Time of the loop at which everything ends; ``None`` for no limit.
        """
        request_id = self._sent.next_id()
        progress = None if terms.on_progress is None else Progress(terms.on_progress)
        request = Request(request_id, method, self._with_meta(params, terms, None if progress is None else request_id))
        clock = Clock(terms.timeout, until, resets=terms.resets)
        self._sent.open(request_id, _Open(clock, progress))
        self._clocks[request_id] = clock
        try:
            async with clock:
                answer = self.transport.request(request, terms.sending)
                return await (answer if progress is None else progress.attend(answer))
        except TimeoutError:
            if clock.expired:
                raise Timeout(_late(method, terms)) from None
            raise
        except InternalError as error:
            # Only an encoder raises this one here: an error that the server answers is returned.
            raise LocalProtocolError(f"The parameters of {method} have no JSON form: {error.__cause__}") from error
        finally:
            self._sent.forget(request_id)
            self._clocks.pop(request_id, None)

    async def listen(self, wanted: JsonObject, hear: Callable[[Notification], None]) -> Answer:
        """Hold a stream of changes open (modern) until the server ends it.

        Args:
            wanted: Which notifications.
            hear: Takes each of them, and the acknowledgement; returns at once.
        """
        request_id = self._sent.next_id()
        params = self._with_meta({"notifications": wanted}, NO_TERMS, None)
        self._streams[request_id] = hear
        try:
            return await self.transport.request(Request(request_id, LISTEN, params))
        finally:
            del self._streams[request_id]

    async def notify(self, method: str, params: JsonObject) -> None:
        """Send a notification."""
        await self.transport.notify(Notification(method, params))

    # --- what the server says by itself -------------------------------------------------------------------------------

    def notified(self, notification: Notification) -> None:
        """Take a notification of the server; one that belongs to nothing is ignored (RPC-05)."""
        method, params = notification.method, notification.params
        if method == "notifications/progress":
            self._progressed(params)
        elif method == "notifications/message":
            self._listener.logged(params)
        elif method == "notifications/cancelled":
            self._cancelled(notification)
        else:
            self._changed(notification)

    async def asked(self, request: Request) -> Answer:
        """Answer a request of the server (legacy)."""
        return await self._questions.answer(request, self.server_name)

    def lost(self, error: AnyportError) -> None:
        """Take that the connection is gone."""
        logger.debug("The connection is gone: %s", error)
        if not self.gone.is_set():
            self.error = error
            self.gone.set()
            self._listener.lost(self, error)

    def _progressed(self, params: JsonObject) -> None:
        waiting = self._sent.progress(params)
        if waiting is not None:
            waiting.clock.progressed()
            if waiting.progress is not None:
                waiting.progress.receive(params)

    def _cancelled(self, notification: Notification) -> None:
        """Take that the server ends a stream of changes (SUB-05); its own questions are the transport's."""
        stream = notification.params.get("requestId")
        hear = self._streams.get(stream) if isinstance(stream, (int, str)) else None
        if hear is not None:
            hear(notification)

    def _changed(self, notification: Notification) -> None:
        meta = notification.params.get("_meta")
        stream = meta.get(META_SUBSCRIPTION_ID) if isinstance(meta, dict) else None
        hear = self._streams.get(stream) if isinstance(stream, (int, str)) else None
        self._listener.noted(notification)
        if hear is not None:
            hear(notification)
        elif stream is None:
            self._listener.changed(notification)

    # --- the rest -----------------------------------------------------------------------------------------------------

    async def _answer_round(self, method: str, result: JsonObject, until: float | None) -> JsonObject:
        timer = asyncio.timeout_at(until)
        try:
            async with timer:
                return await answer_round(self._answers, result, self.server_name)
        except TimeoutError:
            if timer.expired():
                raise Timeout(f"The questions of {method} were not answered within max_total") from None
            raise

    def _hold_clocks(self) -> None:
        """Stop the clocks while the user is asked: whose question it is, the legacy era does not say."""
        for clock in self._clocks.values():
            clock.pause()

    def _release_clocks(self) -> None:
        for clock in self._clocks.values():
            clock.resume()

    def _with_meta(self, params: JsonObject, terms: Terms, progress_token: int | None) -> JsonObject:
        meta: JsonObject = dict(terms.meta) if terms.meta else {}
        if self.revision is not None and self.revision.modern:
            meta[META_VERSION] = self.revision.name
            meta[META_CLIENT_INFO] = self.info
            meta[META_CLIENT_CAPABILITIES] = self._declared
            if terms.log_level is not None:
                meta[META_LOG_LEVEL] = terms.log_level
        if progress_token is not None:
            meta["progressToken"] = progress_token
        return {**params, "_meta": meta} if meta else params


def _late(method: str, terms: Terms) -> str:
    if terms.timeout is not None and not terms.resets:
        return f"No answer to {method} within {terms.timeout:g} s"
    seconds = f"{terms.timeout:g} s without progress, or " if terms.timeout is not None else ""
    return f"No answer to {method} within {seconds}{terms.most:g} s in all (max_total)"
