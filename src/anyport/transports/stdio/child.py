"""A child process that speaks on its standard streams: started, always drained, and ended within bounds.

The child leads a process group of its own, so that what it starts in turn is ended with it, and so that a Ctrl-C at
the terminal reaches the parent alone, which ends the child in order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, cast

from anyport.protocol.errors import ConnectError, LocalProtocolError, ServerExited
from anyport.protocol.framing import LineDecoder, LineTooLong

logger = logging.getLogger("anyport.client.stderr")

Environment = Literal["minimal", "inherit"] | Mapping[str, str]
"""What a child sees of the environment; see `child_environment`."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_NEW_GROUP: Final = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
_KILL: Final = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
_TAIL_LINES: Final = 40
_STDERR_LINE: Final = 8 * 1024
# Seconds: for what a dead child wrote last to be read; for a child that closed its streams to leave by itself.
_LAST_WORDS_S: Final = 0.5
_SILENT_EXIT_S: Final = 1.0
# Seconds for each step of the shutdown (STDIO-07): after the end of its input, after SIGTERM, after SIGKILL; and for
# processes that a child left behind to end by themselves.
_EOF_S: Final = 2.0
_TERMINATE_S: Final = 2.0
_KILL_S: Final = 1.0
_ORPHANS_S: Final = 0.3
_ORPHAN_CHECKS: Final = 15

_MINIMAL: Final = (
    (
        "APPDATA COMSPEC HOMEDRIVE HOMEPATH LOCALAPPDATA PATH PATHEXT PROCESSOR_ARCHITECTURE PROGRAMDATA PROGRAMFILES"
        " SYSTEMDRIVE SYSTEMROOT TEMP TMP USERNAME USERPROFILE WINDIR"
    )
    if sys.platform == "win32"
    else "HOME LANG LC_ALL LC_CTYPE LOGNAME PATH SHELL TERM TMPDIR TZ USER"
).split()


def child_environment(wanted: Environment) -> dict[str, str]:
    """Return the environment of a child.

    Args:
        wanted: ``minimal``: what a program needs to run, and none of the parent's secrets. ``inherit``: all that the
            parent has. A mapping: the minimal one and these.

    Raises:
        LocalProtocolError: Another word.
    """
    if wanted == "inherit":
        return dict(os.environ)
    if isinstance(wanted, str) and wanted != "minimal":
        raise LocalProtocolError(f'env must be "minimal", "inherit" or a mapping; it is {wanted!r}')
    # A value that starts with "()" is an exported shell function: code, not a setting.
    found = {name: os.environ[name] for name in _MINIMAL if not os.environ.get(name, "()").startswith("()")}
    return found if wanted == "minimal" else {**found, **wanted}


class Child(asyncio.SubprocessProtocol):
    """One child process.

    Args:
        received: Takes the bytes of its output as they come.
        ended: Told once why no answer can come any more.
    """

    def __init__(self, received: Callable[[bytes], None], ended: Callable[[ServerExited], None]) -> None:
        self._received = received
        self._tell_ended = ended
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._pid = 0
        self._open_pipes = {_STDOUT, _STDERR}
        self._errors = LineDecoder(_STDERR_LINE)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._writable = asyncio.Event()
        self._writable.set()
        self._exited = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._shutdown: asyncio.Task[None] | None = None
        self.exit: ServerExited | None = None

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process.

        Args:
            command: Program and arguments; no shell reads them.
            environment: All of its environment.

        Raises:
            ConnectError: The program cannot be started.
        """
        try:
            await self._loop.subprocess_exec(
                lambda: self,
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=sys.platform != "win32",
                creationflags=_NEW_GROUP,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ConnectError(f"Cannot start {command[0]!r}: {reason}") from error

    async def write(self, data: bytes) -> None:
        """Write to the child's input as soon as it takes what was written before."""
        await self._writable.wait()
        self.write_now(data)

    def write_now(self, data: bytes) -> None:
        """Write to the child's input, whatever still waits there."""
        pipe = self._stdin()
        if pipe is not None and not pipe.is_closing():
            pipe.write(data)

    async def aclose(self) -> None:
        """End the process and its group: end of input, SIGTERM, SIGKILL, each with its time (STDIO-07)."""
        if self._transport is None:
            return
        if self._shutdown is None:
            self._shutdown = self._loop.create_task(self._shut_down())
            # Runs whatever becomes of the task, which a loop that ends may cancel before its first step.
            self._shutdown.add_done_callback(self._kill)
        await asyncio.wait((self._shutdown,))

    # --- events of the loop -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take output, or what the child says on stderr."""
        if fd == _STDOUT:
            self._received(data)
        else:
            self._note(self._errors.feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """A stream has ended; without both its input and its output a child is of no use."""
        if fd == _STDERR:
            self._note(self._errors.close())
        self._open_pipes.discard(fd)
        if self._exited.is_set():
            self._end_if_drained()
        elif fd != _STDERR and self._shutdown is None and self._timer is None:
            self._timer = self._loop.call_later(_SILENT_EXIT_S, self._signal, _KILL)

    def process_exited(self) -> None:
        """The process is dead; what it wrote last may still be in the pipes."""
        self._exited.set()
        self._stop_timer()
        self._timer = self._loop.call_later(_LAST_WORDS_S, self._end)
        self._end_if_drained()

    def pause_writing(self) -> None:
        """The child does not read: hold back what comes next."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The child reads again."""
        self._writable.set()

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end_if_drained(self) -> None:
        if not self._open_pipes:
            self._end()

    def _end(self) -> None:
        self._stop_timer()
        self._writable.set()
        if self.exit is None:
            code = self._transport.get_returncode() if self._transport is not None else None
            self.exit = ServerExited(code, "\n".join(self._tail))
            self._tell_ended(self.exit)

    async def _shut_down(self) -> None:
        self._stop_timer()
        pipe = self._stdin()
        if pipe is not None:
            pipe.close()
        if await self._exits_within(_EOF_S):
            await self._end_orphans()
        else:
            self._signal(signal.SIGTERM)
            await self._exits_within(_TERMINATE_S)
        self._signal(_KILL)
        await self._exits_within(_KILL_S)

    def _kill(self, shutdown: asyncio.Task[None]) -> None:
        self._signal(_KILL)
        self._stop_timer()
        if self._transport is not None:
            self._transport.close()

    async def _exits_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._exited.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _end_orphans(self) -> None:
        """Ask what the child left in its group to end; it cannot be waited for, as it is nobody's child here."""
        for _ in range(_ORPHAN_CHECKS):
            if not self._signal(signal.SIGTERM):
                return
            await asyncio.sleep(_ORPHANS_S / _ORPHAN_CHECKS)

    def _signal(self, number: signal.Signals) -> bool:
        """Send a signal to the group; false where nobody is left in it."""
        try:
            if sys.platform == "win32":
                os.kill(self._pid, number)
            else:
                os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(_STDIN) if self._transport is not None else None
        return cast("asyncio.WriteTransport | None", pipe)

    def _note(self, lines: list[bytes | LineTooLong]) -> None:
        for line in lines:
            text = (line.prefix if isinstance(line, LineTooLong) else line).decode("utf-8", "replace")
            self._tail.append(text)
            logger.info("%s", text)
