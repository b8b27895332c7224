"""A child process that speaks on its standard streams: started, always drained, and ended within bounds.

The child leads a group of its own, so that what it starts in turn is ended with it, and so that a Ctrl-C at the
terminal reaches the parent alone, which ends the child in order.
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, cast

from anyport.protocol.errors import ConnectError, LocalProtocolError, ServerExited
from anyport.transports.chunks import read_in_chunks
from anyport.transports.stdio.groups import make_group
from anyport.transports.stdio.last_words import LastWords, OnStderr, hint

Environment = Literal["minimal", "inherit"] | Mapping[str, str]
"""What a child sees of the environment; see `child_environment`."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2
# Seconds: for what a dead child wrote last to be read; for a child that closed its streams to leave by itself.
_LAST_WORDS_S: Final = 0.5
_SILENT_EXIT_S: Final = 1.0
# Seconds for each step of the shutdown (STDIO-07): after the end of its input, after it was asked, after it was killed;
# and for processes that a child left behind to end by themselves.
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


class Talk(Protocol):
    """Who talks with a child."""

    @property
    def strayed(self) -> str:
        """The first line of its output that was no message; ``""`` for none."""
        ...

    def feed(self, data: bytes) -> None:
        """Take the next bytes of its output."""
        ...

    def end(self, error: ServerExited) -> None:
        """Take, once, why nothing can come any more."""
        ...


class Child(asyncio.SubprocessProtocol):
    """One child process.

    Args:
        on_stderr: Who takes what it writes to stderr.
    """

    def __init__(self, on_stderr: OnStderr = None) -> None:
        self._talk: Talk | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._group = make_group()
        self._environment: Mapping[str, str] = {}
        self._open_pipes = {_STDOUT, _STDERR}
        self._words = LastWords(on_stderr)
        self._writable = asyncio.Event()
        self._writable.set()
        self._exited = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._shutdown: asyncio.Task[None] | None = None
        self._closed = False
        self._over = asyncio.Event()

    async def start(
        self, command: Sequence[str], environment: Mapping[str, str], talk: Talk, cwd: str | None = None
    ) -> None:
        """Start the process.

        Args:
            command: Program and arguments; no shell reads them.
            environment: All of its environment.
            talk: Takes its output, and is told of its end.
            cwd: Directory that it starts in; ``None`` for this process's own.

        Raises:
            ConnectError: The program cannot be started.
        """
        self._talk = talk
        self._environment = environment
        try:
            await self._loop.subprocess_exec(
                lambda: self,
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=cwd,
                start_new_session=self._group.start_new_session,
                creationflags=self._group.creationflags,
            )
        except (OSError, ValueError) as error:
            reason = _reason(error, command[0], cwd)
            raise ConnectError(f"Cannot start {command[0]!r}: {reason}", unsent=True) from error

    @property
    def full(self) -> bool:
        """Whether the child has not yet read what was written: who can wait should wait for `room`."""
        return not self._writable.is_set()

    async def room(self) -> None:
        """Wait until the child has read most of what was written, or is dead."""
        await self._writable.wait()

    def write(self, data: bytes) -> None:
        """Write to the child's input, whatever still waits there; nothing once it is closed."""
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(data)

    async def aclose(self) -> None:
        """End the process and its group: end of input, SIGTERM, SIGKILL, each with its time (STDIO-07)."""
        if self._transport is None:
            return
        self._closed = True
        shutdown = self._begin_shutdown()
        try:
            await asyncio.wait((shutdown,))
        finally:
            # Not only the caller is cancelled, but everything: the loop ends, and nobody after it reaps the process.
            if shutdown.cancelling():
                await self._reap()

    # --- events of the loop -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._group.adopt(self._transport.get_pid())
        self._stdin = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(_STDIN))
        for descriptor in (_STDOUT, _STDERR):
            _Output.put_before(self._transport.get_pipe_transport(descriptor), self._take_from(descriptor))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take output, or what the child says on stderr."""
        self._take_from(fd)(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """A stream has ended; without both its input and its output a child is of no use."""
        if fd == _STDERR:
            self._words.close()
        self._open_pipes.discard(fd)
        if self._exited.is_set():
            self._end_if_drained()
        elif fd != _STDERR and self._shutdown is None and self._timer is None:
            self._timer = self._loop.call_later(_SILENT_EXIT_S, self._group.kill)

    def process_exited(self) -> None:
        """The process is dead; what it wrote last may still be in the pipes, and what it started may live on."""
        self._exited.set()
        self._stop_timer()
        self._timer = self._loop.call_later(_LAST_WORDS_S, self._end)
        self._end_if_drained()
        # At once: later its number may be that of somebody else's group.
        self._begin_shutdown()

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
        if self._over.is_set() or self._talk is None:
            return
        self._over.set()
        code = self._transport.get_returncode() if self._transport is not None else None
        tail = self._words.tail
        advice = hint(tail, self._environment) if code else ""
        if not advice and self._talk.strayed:
            advice = f"It wrote to stdout, where messages belong: {self._talk.strayed}"
        self._talk.end(ServerExited(code, tail, hint=advice))

    def _begin_shutdown(self) -> asyncio.Task[None]:
        if self._shutdown is None:
            self._shutdown = self._loop.create_task(self._shut_down())
            # Runs whatever becomes of the task, which a loop that ends may cancel before its first step.
            self._shutdown.add_done_callback(self._let_go)
        return self._shutdown

    async def _shut_down(self) -> None:
        try:
            await self._end_in_order()
        except asyncio.CancelledError:
            await self._reap()
            raise

    async def _reap(self) -> None:
        """Kill the process now and wait for it: its loop has to know of its end before it is closed itself."""
        self._group.kill()
        await self._exits_within(_KILL_S)

    async def _end_in_order(self) -> None:
        if not self._exited.is_set():
            self._stop_timer()
        if self._stdin is not None:
            self._stdin.close()
        if await self._exits_within(_EOF_S):
            await self._end_orphans()
        else:
            self._group.ask()
            await self._exits_within(_TERMINATE_S)
        await self._reap()
        if not self._closed:
            # It left by itself: what it said last still counts, and is waited for within bounds.
            await self._over.wait()

    def _let_go(self, shutdown: asyncio.Task[None]) -> None:
        self._group.kill()
        self._group.close()
        self._end()
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
            if not self._group.ask():
                return
            await asyncio.sleep(_ORPHANS_S / _ORPHAN_CHECKS)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take_from(self, descriptor: int) -> Callable[[bytes], None]:
        if descriptor == _STDOUT and self._talk is not None:
            return self._talk.feed
        return self._words.feed


class _Output(asyncio.Protocol):
    """Takes what a pipe has as soon as it is read: asyncio's own protocol hands it over a turn of the loop later."""

    def __init__(self, before: asyncio.Protocol, received: Callable[[bytes], None]) -> None:
        self._before = before
        self._received = received

    @classmethod
    def put_before(cls, pipe: asyncio.BaseTransport | None, received: Callable[[bytes], None]) -> None:
        """Take over a pipe, unless it is closed already."""
        if pipe is not None:
            read_in_chunks(pipe)
            pipe.set_protocol(cls(cast("asyncio.Protocol", pipe.get_protocol()), received))

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._before.connection_lost(exc)


def _reason(error: OSError | ValueError, program: str, cwd: str | None) -> str:
    """Return why a program does not start, in words."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    what = error.strerror or os.strerror(error.errno)
    if cwd is not None and error.filename == cwd:
        return f"its directory {cwd}: {what}"
    if error.errno == errno.ENOENT and Path(program).name == program:
        return f"{what}: it is not on the PATH of its environment"
    if error.errno == errno.ENOENT and Path(cwd or "", program).exists():
        return f"{what}: the file is there, but not the interpreter that its first line names"
    if error.errno == errno.EACCES:
        return f"{what}: it is no file, or not executable"
    if error.errno == errno.ENOEXEC:
        return f"{what}: it is no program of this system, and has no first line that names its interpreter"
    return what
