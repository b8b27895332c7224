"""How a function asks in the modern era, where a call ends with its questions."""

from __future__ import annotations

from typing import Literal, TypeAlias

from anyport.server.signature import Signature

Manner: TypeAlias = Literal["silent", "parked", "replayed"]
"""Not at all; or it waits where it is for the retry of the call; or it runs again with it, given its answers."""


def manner_of(signature: Signature, resumable: bool = False) -> Manner:
    """Return how a function asks.

    Args:
        signature: Its compiled parameters.
        resumable: Whether the author says that it may run again.
    """
    if not signature.uses_context:
        return "silent"
    return "replayed" if resumable else "parked"
