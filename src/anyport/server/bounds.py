"""Bounds of one tool: how long a call may take, and how many run at a time."""

from __future__ import annotations

import asyncio
import math

from anyport.protocol.errors import Busy, ToolError
from anyport.server.context import Context
from anyport.server.declarations import DeclarationError
from anyport.server.functions import Functions
from anyport.server.signature import AnyFunction, Signature


class Bounds:
    """Runs a tool within its bounds.

    Args:
        name: Name of the tool, for messages.
        timeout: Seconds that a call may take; ``None`` for no limit.
        setting: What set them, for messages.
        most: Calls that may run at a time; ``None`` for no limit.
    """

    def __init__(self, name: str, timeout: float | None, setting: str, most: int | None) -> None:
        self._name = name
        self._timeout = timeout
        self._setting = setting
        self._most = most
        self._running = 0

    async def run(
        self,
        functions: Functions,
        function: AnyFunction,
        signature: Signature,
        arguments: dict[str, object],
        context: Context,
    ) -> object:
        """Run the tool; see `Functions.run`.

        Raises:
            ToolError: It took too long. An ``async def`` is cancelled; a thread goes on and reads ``ctx.cancelled``.
            Busy: As many run as may.
        """
        if self._most is not None and self._running >= self._most:
            raise Busy(f"{self._running} calls of {self._name} are running (its max_concurrency)")
        self._running += 1
        # A thread that its caller has left still runs, and counts.
        apart = self._most is not None and not signature.is_async
        timer = asyncio.timeout(self._timeout)
        try:
            async with timer:
                if apart:
                    return await functions.run_apart(function, signature, arguments, context, self._through)
                return await functions.run(function, signature, arguments, context)
        except TimeoutError:
            if timer.expired():
                raise ToolError(f"{self._name} took longer than {self._timeout:g} s ({self._setting})") from None
            raise
        finally:
            if not apart:
                self._through()

    def _through(self) -> None:
        self._running -= 1


def make_bounds(
    function: AnyFunction, name: str, timeout: float | None, most: int | None, *, inherited: bool
) -> Bounds | None:
    """Return the bounds of a tool, or ``None`` where it has none.

    Args:
        function: The tool, for error messages.
        name: Its name.
        timeout: Seconds for a call; ``None`` for no limit.
        most: Calls at a time; ``None`` for no limit.
        inherited: The timeout is the server's.

    Raises:
        DeclarationError: One of them is not positive.
    """
    if timeout is not None:
        check_timeout(function, timeout)
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):  # pyright: ignore[reportUnnecessaryIsInstance] - authors may not check types
        raise DeclarationError(function, f"max_concurrency must be a whole number from 1 on; it is {most!r}")
    if timeout is None and most is None:
        return None
    setting = "tool_timeout of the server" if inherited else "timeout of the tool"
    return Bounds(name, timeout, setting, most)


def check_timeout(function: AnyFunction, seconds: float) -> None:
    """Check a number of seconds.

    Raises:
        DeclarationError: It is not positive and finite.
    """
    if not 0 < seconds < math.inf:
        raise DeclarationError(function, f"timeout must be seconds above 0; it is {seconds!r}")
