"""Run a server on its transports until the client leaves or a signal ends the process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Final

from anyport.protocol.errors import LocalProtocolError
from anyport.serving.application import Application, RunOptions
from anyport.serving.plan import Plan, make_plan
from anyport.serving.settings import SettingError, check_transport, check_transports, read_settings
from anyport.serving.signals import Heard, end_on_signals
from anyport.transports.stdio.process import ExitTimer, ParentWatch, end_descendants
from anyport.transports.stdio.server import StdioServer
from anyport.transports.stdio.stdout_guard import StdoutGuard

_EXIT_WITHIN_S: Final = 0.6

_instead: Callable[[Application], None] | None = None


def run(application: Application, transport: str | Sequence[str] | None, options: RunOptions) -> None:
    """Serve an application; what is not said here the environment may say (`anyport.serving.settings`).

    Args:
        application: What is served.
        transport: ``stdio`` (the default), ``http`` or ``streamable-http``, ``sse``, ``socket``; or several of them.
        options: See `RunOptions`.

    Raises:
        ValueError: A transport is unknown, or a setting of the environment is none.
        LocalProtocolError: An option does not go with the transports.
    """
    if _instead is not None:
        _instead(application)
        return
    run_on(application, _plan(transport, options))


async def run_async(application: Application, transport: str | Sequence[str] | None, options: RunOptions) -> None:
    """Serve an application as `run` does, in a loop that runs already and goes on afterwards.

    Raises:
        LocalProtocolError: Also where the file that calls this is being served by ``anyport run``, which would have to
            wait for it inside of its own loop; or where several workers are asked for.
    """
    if _instead is not None:
        raise LocalProtocolError('run_async belongs under `if __name__ == "__main__":`, where `anyport run` passes by')
    plan = _plan(transport, options)
    if plan.workers > 1:
        raise LocalProtocolError(
            f"workers={plan.workers} (ANYPORT_WORKERS) goes with run alone: processes are forked before there is an"
            " event loop, and run_async is called in one"
        )
    if plan.is_stdio_alone:
        await serve_stdio(application, StdoutGuard.install(strict=plan.strict_stdout))
    else:
        await importlib.import_module("anyport.serving.several").serve_here(application, plan)


def chosen_transports(transport: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the transports that `run` takes: those that are named, else the environment's, else stdio.

    Raises:
        SettingError: There is no such transport.
    """
    if transport is None:
        return read_settings(os.environ).transports or ("stdio",)
    if isinstance(transport, str):
        return (check_transport(transport),)
    names = check_transports(transport)
    if not names:
        raise SettingError("transport: an empty list; name one at least")
    return names


def _plan(transport: str | Sequence[str] | None, options: RunOptions) -> Plan:
    return make_plan(chosen_transports(transport), options, read_settings(os.environ))


@contextlib.contextmanager
def taken_over(serve: Callable[[Application], None]) -> Generator[None, None, None]:
    """Hand the application of each `run` to somebody else, who has loaded the file that calls it.

    Args:
        serve: Takes the application; `run` returns when it does.
    """
    global _instead
    _instead = serve
    try:
        yield
    finally:
        _instead = None


def run_on(application: Application, plan: Plan) -> None:
    """Serve an application as planned, whatever the environment says; see `run`."""
    if plan.is_stdio_alone:
        run_stdio(application, StdoutGuard.install(strict=plan.strict_stdout))
    elif plan.workers > 1:
        importlib.import_module("anyport.serving.workers").serve(application, plan)
    else:
        # Everything else is loaded here and nowhere before: a stdio server never needs it.
        importlib.import_module("anyport.serving.several").serve(application, plan)


def run_stdio(application: Application, guard: StdoutGuard) -> None:
    """Serve one client on the standard streams; returns when it is served out.

    A signal, or the death of the parent, ends the process instead.
    """
    server = StdioServer(application.service, application.limits, guard, application.subscriptions)
    loops = importlib.import_module("anyport.serving.loops")

    def orphaned() -> None:
        ExitTimer(_EXIT_WITHIN_S, children=True)
        server.stop()

    with (
        ParentWatch(guard.parent, orphaned),
        end_on_signals(server.hurry, _EXIT_WITHIN_S, children=True) as heard,
        contextlib.ExitStack() as closed,
        asyncio.Runner(loop_factory=loops.new_event_loop) as runner,
    ):
        runner.run(_serve_stdio(application, server, heard, closed, own=True))


async def serve_stdio(application: Application, guard: StdoutGuard) -> None:
    """Serve one client on the standard streams, in a loop that runs already and goes on afterwards; see `run_stdio`."""
    server = StdioServer(application.service, application.limits, guard, application.subscriptions)

    def orphaned() -> None:
        ExitTimer(_EXIT_WITHIN_S, children=True)
        server.stop()

    with (
        ParentWatch(guard.parent, orphaned),
        end_on_signals(server.hurry, _EXIT_WITHIN_S, children=True) as heard,
        contextlib.ExitStack() as closed,
    ):
        await _serve_stdio(application, server, heard, closed, own=False)


async def _serve_stdio(
    application: Application, server: StdioServer, heard: Heard, closed: contextlib.ExitStack, *, own: bool
) -> None:
    start = application.lifespan.start
    with heard():
        try:
            await server.serve(_settled(start) if own else start)
        finally:
            # The author's lifespan may never end, nor the author's threads, which the loop waits for when it is closed.
            closed.callback(ExitTimer(application.limits.drain_s, children=True).cancel)
            try:
                await application.lifespan.aclose()
            finally:
                # Also when that fails, as it does where it writes to the stderr of a client that is dead.
                end_descendants()
                if server.stopped:
                    closed.callback(ExitTimer(_EXIT_WITHIN_S, children=True).cancel)


def _settled(start: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Start, and keep the garbage collector off all that is there by then (ADR 0053).

    Garbage that start-up has left is not collected first: the client waits.
    """

    async def settle() -> None:
        await start()
        gc.freeze()

    return settle
