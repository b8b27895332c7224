"""Parameters that no argument gives, for code written for `fastmcp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyport import Depends

if TYPE_CHECKING:
    from anyport.compat.fastmcp.server.context import Context


def CurrentContext() -> Context:  # noqa: N802 - the other library's name
    """Return a default for a parameter that is annotated with `Context`: it is filled in by its annotation."""
    return None  # pyright: ignore[reportReturnType] - it is never seen


__all__ = ["CurrentContext", "Depends"]
