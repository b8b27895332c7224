"""The messages of prompts, for code written for `fastmcp`."""

from __future__ import annotations

from anyport import AssistantMessage, UserMessage
from anyport import Message as PublicMessage
from anyport.compat.fastmcp.adapting import PromptResult, converted
from anyport.protocol.types import Role


class Message(PublicMessage):
    """One message of a prompt: ``Message("Review this")``, ``Message("I will", role="assistant")``.

    Args:
        content: Text, a content block, or media.
        role: Who says it.
    """

    __slots__ = ()

    def __init__(self, content: object, role: Role = "user") -> None:
        super().__init__(converted(content), role)  # pyright: ignore[reportArgumentType] - it is checked when it is sent


PromptMessage = Message

__all__ = ["AssistantMessage", "Message", "PromptMessage", "PromptResult", "UserMessage"]
