"""``server/discover`` and ``initialize``: who the server is and what it offers, derived from what is registered."""

from __future__ import annotations

from collections.abc import Callable

from anyport.protocol.calls import Call, Reply
from anyport.protocol.revisions import SUPPORTED_NAMES
from anyport.protocol.types import (
    DiscoverResult,
    EmptyResult,
    Implementation,
    InitializeResult,
    ServerCapabilities,
)
from anyport.server.revision_fields import for_revision


class Discovery:
    """Answers the methods that tell about the server.

    Args:
        info: Name, version and the like.
        instructions: How to use the server, for the model.
        capabilities: Derives what the server offers from what is registered at the time.
    """

    def __init__(
        self, info: Implementation, instructions: str | None, capabilities: Callable[[], ServerCapabilities]
    ) -> None:
        self.info = info
        self._instructions = instructions
        self._capabilities = capabilities

    async def discover(self, call: Call, reply: Reply) -> DiscoverResult:
        """Answer ``server/discover`` (VER-03)."""
        return DiscoverResult(
            supported_versions=list(SUPPORTED_NAMES),
            capabilities=self._capabilities(),
            instructions=self._instructions,
        )

    async def initialize(self, call: Call, reply: Reply) -> InitializeResult:
        """Answer ``initialize`` with the revision that the session negotiated (LIFE-02)."""
        return InitializeResult(
            protocol_version=call.revision.name,
            capabilities=for_revision(self._capabilities(), call.revision),
            server_info=for_revision(self.info, call.revision),
            instructions=self._instructions,
        )

    async def ping(self, call: Call, reply: Reply) -> EmptyResult:
        """Answer ``ping`` (LIFE-07)."""
        return EmptyResult()

    async def set_log_level(self, call: Call, reply: Reply) -> EmptyResult:
        """Answer ``logging/setLevel``; the session has noted the level already."""
        return EmptyResult()
