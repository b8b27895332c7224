"""How an author's function is run, and what a peer learns when it fails."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Final, Literal, cast

from msgspec import structs

from anyport.protocol.errors import InternalError, LocalProtocolError, McpError, ToolError
from anyport.server.context import Context
from anyport.server.error_ids import new_error_id
from anyport.server.signature import AnyFunction, Signature
from anyport.server.threads import ThreadPool, Turn

logger = logging.getLogger("anyport.server")

_PLAIN: Final = frozenset({str, int, float, bool, dict, list, type(None)})
"""Types of what functions return most, of which nobody has to ask whether they can be awaited."""

ErrorDetail = Literal["safe", "full", "masked"]
"""How much of an exception reaches the peer: its type and first line, all of its text, or nothing."""


class Functions:
    """Runs what authors wrote: ``async def`` on the event loop, plain ``def`` on a thread.

    Args:
        pool: Where plain functions run.
        errors: How much of an exception reaches the peer.
    """

    def __init__(self, pool: ThreadPool, errors: ErrorDetail) -> None:
        self.pool = pool
        self.errors: ErrorDetail = errors
        self._apart: set[asyncio.Task[object]] = set()

    async def run(
        self, function: AnyFunction, signature: Signature, arguments: dict[str, object], context: Context
    ) -> object:
        """Call a function and return what it returns.

        Args:
            function: What the author wrote.
            signature: Its compiled parameters.
            arguments: Keyword arguments, injected ones apart.
            context: For the parameter that asks for one, and for what fills in the marked parameters.
        """
        if signature.suppliers:
            if signature.is_async:
                return await self._run_supplied(function, signature, arguments, context)
            return await self.run_apart(function, signature, arguments, context)
        if signature.context_name is not None:
            arguments = {**arguments, signature.context_name: context}
        # As `start` does it; to call that would be one too many for the hop budget (tests/budgets/test_hops.py).
        if signature.is_async:
            return cast("object", await function(**arguments))
        return await self.run_on_thread(function, arguments)

    def start(self, function: AnyFunction, signature: Signature, arguments: dict[str, object]) -> Awaitable[object]:
        """Call a function that takes nothing but arguments; what is returned is to be awaited at once, as `run` is."""
        if signature.is_async:
            begun: Awaitable[object] = function(**arguments)
            return begun
        return self.run_on_thread(function, arguments)

    async def run_on_thread(self, function: AnyFunction, arguments: dict[str, object]) -> object:
        """Call a plain function that takes nothing but arguments, and await what it returns where that is awaitable.

        Args:
            function: What the author wrote, a plain ``def``.
            arguments: All of its keyword arguments.
        """
        value = await self.pool.run(functools.partial(function, **arguments))
        if type(value) not in _PLAIN and inspect.isawaitable(value):
            return cast("object", await value)
        return cast("object", value)

    async def run_whole(
        self, function: AnyFunction, signature: Signature, arguments: dict[str, object], context: Context
    ) -> object:
        """Do as `run`, for the function that the call is for: its context is over with it."""
        try:
            return await self.run(function, signature, arguments, context)
        finally:
            context.over = True
            if context.speech is not None:
                await context.speech.end()

    async def run_apart(
        self,
        function: AnyFunction,
        signature: Signature,
        arguments: dict[str, object],
        context: Context,
        through: Callable[[], None] | None = None,
    ) -> object:
        """Call a plain function in a task of its own, which a caller that is cancelled leaves behind.

        A thread cannot be interrupted: what it uses stays open until it is through. Before it has begun, the task is
        cancelled with its caller.

        Args:
            function: What the author wrote, a plain ``def``.
            signature: Its compiled parameters.
            arguments: Keyword arguments, injected ones apart.
            context: As for `run`.
            through: Called once, when the thread is through or was never begun.
        """
        turn = Turn()
        whole = self._run_supplied(functools.partial(_in_turn, turn, function), signature, arguments, context)
        task = asyncio.get_running_loop().create_task(whole)
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)
        if through is not None:
            task.add_done_callback(lambda _: through())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_report_late)
                if turn.take():
                    task.cancel()
                    await asyncio.wait((task,))
            raise
        finally:
            # An error's traceback has this frame.
            del task

    async def _run_supplied(
        self, function: AnyFunction, signature: Signature, arguments: dict[str, object], context: Context
    ) -> object:
        async with AsyncExitStack() as stack:
            for supply in signature.suppliers:
                arguments = {**arguments, **await supply(context, arguments, stack)}
            return await self.run(function, structs.replace(signature, suppliers=()), arguments, context)

    @contextmanager
    def reported(self, kind: str, name: str) -> Generator[None]:
        """Turn what goes wrong inside into an error with a wire form: -32603 with an id that the log has too (RPC-17).

        Args:
            kind: What fails, such as ``prompt``.
            name: Which one, for the log.

        Raises:
            McpError: As raised inside.
            InternalError: Anything else was raised inside; of a `ToolError` it has the text.
        """
        try:
            yield
        except McpError:
            raise
        except ToolError as error:
            raise InternalError(str(error)) from error
        except Exception as error:
            raise InternalError(self.describe(kind, name, error)) from error

    def describe(self, kind: str, name: str, error: Exception) -> str:
        """Log an exception and return what a peer may know of it: as much as the setting says, and the id in the log.

        Args:
            kind: What failed, such as ``tool``.
            name: Which one, for the log.
            error: The exception.
        """
        error_id = new_error_id()
        logger.error("%s %s failed (error id %s)", kind.capitalize(), name, error_id, exc_info=error)
        if self.errors == "masked":
            return f"The {kind} failed (error id {error_id})"
        text = str(error) if self.errors == "full" else str(error).split("\n", 1)[0][:500]
        return f"{type(error).__name__}: {text} (error id {error_id})"


def _in_turn(turn: Turn, function: AnyFunction, **arguments: object) -> object:
    if not turn.take():
        raise LocalProtocolError("the call was given up before its function ran")
    return function(**arguments)


def _report_late(task: asyncio.Task[object]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.warning("A function failed after its call was given up", exc_info=error)


def description_of(function: AnyFunction) -> str | None:
    """Return the docstring of a function (of the one behind a partial), or ``None``."""
    return inspect.getdoc(getattr(function, "func", function))
