"""Context: what a handler receives when it asks for it by annotation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

from msgspec import Raw

from anyport.protocol.calls import DONE, Done
from anyport.protocol.changes import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED, Change, resource_updated
from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.jsonrpc import encode_json
from anyport.protocol.types import (
    LoggingLevel,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
    ResourceContents,
)
from anyport.protocol.types.json import JsonValue
from anyport.server.asking import Asking
from anyport.server.audience import running_loop
from anyport.server.call_facts import StateT, Surroundings
from anyport.server.speech import SEVERITY, Speech

_FROM_THREAD_S = 30.0


class _Turn:
    """An awaitable that lets the loop go on with what was begun before."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_TURN = _Turn()


class Context(Asking[StateT]):
    """The call at hand: who called, how to report progress and to log, what the lifespan opened.

    A parameter annotated with it receives it. The methods that send something are awaited in an ``async def`` and just
    called in a plain ``def``: there they return once the message is handed over.
    """

    __slots__ = ()

    def within(self, server: Surroundings) -> Context[Any]:
        """Return the context of the same call for a function of a mounted server.

        Args:
            server: The mounted server.
        """
        context = server.context_type(self._call, self._reply, server)
        # One call says one thing after the other, whoever speaks.
        context.speech = self.speech or self._begin()
        return context

    def read_resource(self, uri: str) -> Awaitable[list[ResourceContents]]:
        """Read one of the server's own resources; to be awaited, so for ``async def`` functions.

        Args:
            uri: URI of the resource.

        Returns:
            Its contents.

        Raises:
            McpError: There is no such resource, or it cannot be read.
            LocalProtocolError: Called from a thread.
        """
        if running_loop() is not self._loop:
            raise LocalProtocolError("read_resource has to be awaited: make the function async def")
        return self._server.resources.contents(uri, self._call, self)

    # --- what goes out ------------------------------------------------------------------------------------------------

    def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Awaitable[None]:
        """Tell the client how far the call is (PRG-01).

        Nothing is sent when the client did not ask for progress, and nothing that does not rise above what was sent
        before. What comes faster than the limit ``progress_per_s`` is held; of that, the last is sent (PRG-02).

        Args:
            progress: How far, in a unit of your choice.
            total: How far it goes; ``None`` when unknown.
            message: What is being done, for people.
        """
        token = self._call.progress_token
        if token is None or self.over:
            return DONE
        if self._call.revision.lacks("2025-03-26"):
            message = None
        params = ProgressNotificationParams(progress_token=token, progress=progress, total=total, message=message)
        speech = self.speech or self._begin()
        if not speech.admits_progress(params):
            return DONE
        return self._send(speech.send_progress(progress, Raw(encode_json(params))))

    def log(self, level: LoggingLevel, data: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message to the client, if it asked for this level (LOG-01).

        What comes faster than the limit ``logs_per_s`` is left out; the client is told how much that was (LOG-02).

        Args:
            level: Severity, from ``debug`` to ``emergency``.
            data: Text or any JSON value. No secrets: it leaves the server (LOG-02).
            logger: Name of the logger.
        """
        least = self._call.log_level
        if least is None or self.over or SEVERITY[level] < SEVERITY[least]:
            return DONE
        # Encoded here, so that a value without a JSON form fails in the tool that made it, not in a transport.
        message = Raw(encode_json(LoggingMessageNotificationParams(level=level, data=data, logger=logger)))
        speech = self.speech or self._begin()
        return self._send(speech.send_log(message)) if speech.admits_log(level) else DONE

    def debug(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``debug``; see `log`."""
        return self.log("debug", text, logger)

    def info(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``info``; see `log`."""
        return self.log("info", text, logger)

    def warning(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``warning``; see `log`."""
        return self.log("warning", text, logger)

    def error(self, text: JsonValue, logger: str | None = None) -> Awaitable[None]:
        """Send a log message of level ``error``; see `log`."""
        return self.log("error", text, logger)

    def notify_tools_changed(self) -> Awaitable[None]:
        """Tell every client that the tools have changed.

        Adding and removing them tells it already; this is for a list that depends on something else.
        """
        return self._publish(TOOLS_CHANGED)

    def notify_prompts_changed(self) -> Awaitable[None]:
        """Tell every client that the prompts have changed; see `notify_tools_changed`."""
        return self._publish(PROMPTS_CHANGED)

    def notify_resources_changed(self) -> Awaitable[None]:
        """Tell every client that the list of resources or of templates has changed; see `notify_tools_changed`."""
        return self._publish(RESOURCES_CHANGED)

    def notify_resource_updated(self, uri: str) -> Awaitable[None]:
        """Tell those who subscribed to a resource that it holds something else now.

        Args:
            uri: Its URI, as clients subscribe to it.
        """
        return self._publish(resource_updated(uri))

    def close_stream(self, retry: float = 1.0) -> Awaitable[None]:
        """Let go of the connection that waits for this call, which goes on: the client comes back for the rest.

        For calls that take long, in the revision 2025-11-25 over HTTP; elsewhere clients cannot come back, and nothing
        happens. What is said after this, the result included, is kept for the client (limit ``stream_idle_s``).

        Args:
            retry: Seconds that the client is told to wait (RES-02).
        """
        message = self._reply.close_stream(retry)
        return message if running_loop() is self._loop else self._send_from_thread(message)

    def _publish(self, change: Change) -> Awaitable[None]:
        self._server.subscriptions.publish(change)
        # In its own turn of the loop the change goes out before the result of the call.
        return _TURN if running_loop() is self._loop else DONE

    def _begin(self) -> Speech:
        self.speech = Speech(self._reply, self._server.limits)
        return self.speech

    def _send(self, message: Coroutine[Any, Any, None]) -> Awaitable[None]:
        return message if running_loop() is self._loop else self._send_from_thread(message)

    def _send_from_thread(self, message: Coroutine[Any, Any, None]) -> Done:
        self._check_thread(message)
        asyncio.run_coroutine_threadsafe(message, self._loop).result(_FROM_THREAD_S)
        return DONE
