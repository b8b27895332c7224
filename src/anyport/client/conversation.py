"""Conversation: requests with their ids, metadata, time limits and progress, over any transport, in either era."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import msgspec
from msgspec import UnsetType

from anyport.client.progress import Progress, ProgressCallback
from anyport.protocol.calls import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_VERSION
from anyport.protocol.correlation import Sent
from anyport.protocol.errors import (
    METHOD_NOT_FOUND,
    ErrorObject,
    InternalError,
    LocalProtocolError,
    McpError,
    RemoteProtocolError,
    Timeout,
)
from anyport.protocol.headers import HeaderParameter
from anyport.protocol.jsonrpc import ErrorResponse, Notification, Request, Response
from anyport.protocol.revisions import Revision
from anyport.protocol.types import Implementation
from anyport.protocol.types.json import JsonObject

logger = logging.getLogger("anyport.client")

Answer = Response | ErrorResponse


class ClientTransport(Protocol):
    """A client's side of a transport.

    It is made with two callables: one takes each notification of the server, one answers its requests.

    Attributes:
        probe_silence_s: Seconds of silence after which a server counts as legacy; ``None`` for no such rule.
    """

    probe_silence_s: float | None

    async def start(self) -> None:
        """Open what has to be open before the first message."""
        ...

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        ...

    async def request(self, request: Request, mirrored: tuple[HeaderParameter, ...] = ()) -> Answer:
        """Send a request and wait for its answer; cancelled, it is given up at the server too."""
        ...

    async def notify(self, notification: Notification) -> None:
        """Send a notification."""
        ...

    async def aclose(self) -> None:
        """Close everything, within bounds, even if it was never started."""
        ...


class Conversation:
    """What a client says to one server.

    Args:
        info: What the client says about itself.

    Attributes:
        transport: Carries the messages; set before the first one.
        revision: What is spoken; ``None`` until the handshake has found out.
    """

    transport: ClientTransport

    def __init__(self, info: Implementation) -> None:
        self.info: JsonObject = msgspec.to_builtins(info)
        self.capabilities: JsonObject = {}
        self.revision: Revision | None = None
        self._sent: Sent[Progress | None] = Sent()

    async def request(
        self,
        method: str,
        params: JsonObject,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        mirrored: tuple[HeaderParameter, ...] = (),
    ) -> JsonObject:
        """Send a request and return its result.

        Args:
            method: JSON-RPC method.
            params: Its parameters, without ``_meta``.
            timeout: Seconds for the whole; ``None`` for no limit.
            on_progress: Receives progress.
            mirrored: Parameters that HTTP headers mirror.

        Raises:
            McpError: The answer is an error.
            Timeout: There was no answer in time; the request was cancelled.
            RemoteProtocolError: The result is of a kind that this client did not offer to take.
            LocalProtocolError: The parameters have no JSON form.
        """
        answer = await self.ask(method, params, timeout=timeout, on_progress=on_progress, mirrored=mirrored)
        if isinstance(answer, ErrorResponse):
            raise as_exception(answer.error)
        kind = answer.result.get("resultType", "complete")
        if kind != "complete":
            # RPC-07: no other kind was offered, so none may come.
            raise RemoteProtocolError(f"The answer to {method} is of a kind that was not offered: {str(kind)[:80]!r}")
        return answer.result

    async def ask(
        self,
        method: str,
        params: JsonObject,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        mirrored: tuple[HeaderParameter, ...] = (),
    ) -> Answer:
        """Send a request and return its answer, be it a result or an error; see `request`."""
        request_id = self._sent.next_id()
        progress = None if on_progress is None else Progress(on_progress)
        request = Request(request_id, method, self._with_meta(params, None if progress is None else request_id))
        self._sent.open(request_id, progress)
        timer = asyncio.timeout(timeout)
        try:
            async with timer:
                answer = self.transport.request(request, mirrored)
                return await (answer if progress is None else progress.attend(answer))
        except TimeoutError:
            if timer.expired():
                raise Timeout(f"No answer to {method} within {timeout:g} s") from None
            raise
        except InternalError as error:
            # Only an encoder raises this one here: an error that the server answers is returned.
            raise LocalProtocolError(f"The parameters of {method} have no JSON form: {error.__cause__}") from error
        finally:
            self._sent.forget(request_id)

    async def notify(self, method: str, params: JsonObject) -> None:
        """Send a notification."""
        await self.transport.notify(Notification(method, params))

    # --- what the server says by itself -------------------------------------------------------------------------------

    def notified(self, notification: Notification) -> None:
        """Take a notification of the server; one that belongs to nothing is ignored (RPC-05)."""
        if notification.method == "notifications/progress":
            progress = self._sent.progress(notification.params)
            if progress is not None:
                progress.receive(notification.params)
        else:
            logger.debug("Notification of the server: %s", notification.method[:80])

    async def asked(self, request: Request) -> Answer:
        """Answer a request of the server (legacy): a ping; the rest was not declared, so nobody may ask (LIFE-05)."""
        if request.method == "ping":
            return Response(request.id, {})
        return ErrorResponse(
            request.id, ErrorObject(METHOD_NOT_FOUND, f"Not offered by this client: {request.method[:80]}")
        )

    def _with_meta(self, params: JsonObject, progress_token: int | None) -> JsonObject:
        meta: JsonObject = {}
        if self.revision is not None and self.revision.modern:
            meta[META_VERSION] = self.revision.name
            meta[META_CLIENT_INFO] = self.info
            meta[META_CLIENT_CAPABILITIES] = self.capabilities
        if progress_token is not None:
            meta["progressToken"] = progress_token
        return {**params, "_meta": meta} if meta else params


def as_exception(error: ErrorObject) -> McpError:
    """Return the exception that says what an error response says."""
    return McpError(error.code, error.message, None if isinstance(error.data, UnsetType) else error.data)
