"""The stdio client: newline-framed messages with a child process (2026-07-28, stdio).

What is said on the lines is the channel's business; this starts the process, and ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anyport.protocol.errors import ConnectError, LocalProtocolError
from anyport.protocol.jsonrpc import Notification, Request
from anyport.protocol.limits import Limits
from anyport.protocol.revisions import Revision
from anyport.transports.calling import PLAIN, Answer, Incoming, Sending
from anyport.transports.lines import LineChannel
from anyport.transports.stdio.child import Child
from anyport.transports.stdio.last_words import OnStderr, checked_sink


class StdioClient:
    """A client's side of one server process.

    Args:
        command: Program and arguments of the server.
        environment: Its environment.
        limits: ``line_bytes`` and the bounds on messages apply to what the server sends.
        cwd: Directory that it starts in; ``None`` for this process's own.
        on_stderr: Who takes what it writes to stderr; see `OnStderr`.

    Attributes:
        probe_silence_s: Seconds of silence after which a server counts as legacy (VER-05).

    Raises:
        LocalProtocolError: `on_stderr` is nothing that takes lines.
    """

    probe_silence_s: float | None = 2.0

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        limits: Limits,
        *,
        cwd: str | None = None,
        on_stderr: OnStderr = None,
    ) -> None:
        self._command = command
        self._cwd = cwd
        self._environment = environment
        self._limits = limits
        self._on_stderr: OnStderr = checked_sink(on_stderr)
        self._child: Child | None = None
        self._channel: LineChannel | None = None

    async def start(self, incoming: Incoming) -> None:
        """Start the server; see `ClientTransport.start`.

        Raises:
            ConnectError: The program cannot be started.
            LocalProtocolError: It was started before, and not closed since.
        """
        if self._child is not None:
            raise LocalProtocolError("The transport is open: await aclose() before it is started again")
        child = Child(self._on_stderr)
        channel = LineChannel(incoming, self._limits, child)
        self._child, self._channel = child, channel
        try:
            await child.start(self._command, self._environment, channel, self._cwd)
        except ConnectError:
            self._child = self._channel = None
            raise

    def settle(self, revision: Revision | None) -> None:
        """Take the revision that is spoken from here on; ``None`` for the legacy handshake, which has none."""
        self._open().settle(revision)

    async def request(self, request: Request, sending: Sending = PLAIN) -> Answer:
        """Send a request and wait for its answer; given up, it is cancelled at the server too (STDIO-05).

        Args:
            request: The request.
            sending: Not used: this transport has no headers.

        Raises:
            ServerExited: The process ended before it answered.
            RemoteProtocolError: The answer is no message.
            ConnectError: The client was closed.
        """
        return await self._open().request(request)

    async def notify(self, notification: Notification) -> None:
        """Send a notification.

        Raises:
            ServerExited: The process has ended.
            ConnectError: The client was closed.
        """
        await self._open().notify(notification)

    async def aclose(self) -> None:
        """End the server in order; requests that still wait fail. Called twice at once, both wait for the end."""
        child, channel = self._child, self._channel
        if child is None or channel is None:
            return
        try:
            await channel.aclose()
        finally:
            await self._end(child)

    async def _end(self, child: Child) -> None:
        try:
            await child.aclose()
        finally:
            # Also where the caller is cancelled: the child ends by itself from here on.
            if self._child is child:
                self._child = self._channel = None

    def _open(self) -> LineChannel:
        if self._channel is None:
            raise ConnectError("The client was closed", unsent=True)
        return self._channel
