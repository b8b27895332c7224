"""How an author's function is run, and what a peer learns when it fails."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, cast

from anyport.protocol.errors import InternalError, McpError, ToolError
from anyport.server.context import Context
from anyport.server.error_ids import new_error_id
from anyport.server.signature import AnyFunction, Signature
from anyport.server.threads import ThreadPool

logger = logging.getLogger("anyport.server")

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

    async def run(
        self, function: AnyFunction, signature: Signature, arguments: dict[str, object], context: Context
    ) -> object:
        """Call a function and return what it returns.

        Args:
            function: What the author wrote.
            signature: Its compiled parameters.
            arguments: Keyword arguments, injected ones apart.
            context: For the parameter that asks for one.
        """
        if signature.context_name is not None:
            arguments = {**arguments, signature.context_name: context}
        if signature.is_async:
            return cast("object", await function(**arguments))
        value = await self.pool.run(functools.partial(function, **arguments))
        return cast("object", await value if inspect.isawaitable(value) else value)

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


def description_of(function: AnyFunction) -> str | None:
    """Return the docstring of a function (of the one behind a partial), or ``None``."""
    return inspect.getdoc(getattr(function, "func", function))
