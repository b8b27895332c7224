"""`ServerSession`, for annotations: ``Context[ServerSession, AppContext]``."""

from __future__ import annotations

from anyport.compat.fastmcp.server.context import Session as ServerSession

__all__ = ["ServerSession"]
