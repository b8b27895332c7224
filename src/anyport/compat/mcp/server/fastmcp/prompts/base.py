"""The messages of prompts."""

from __future__ import annotations

from anyport.compat.fastmcp.prompts import Message as FastMessage


class Message(FastMessage):
    """One message of a prompt."""

    __slots__ = ()


class UserMessage(Message):
    """A message that the user says.

    Args:
        content: Text, a content block, or media.
    """

    __slots__ = ()

    def __init__(self, content: object) -> None:
        super().__init__(content, "user")


class AssistantMessage(Message):
    """A message that the assistant says.

    Args:
        content: Text, a content block, or media.
    """

    __slots__ = ()

    def __init__(self, content: object) -> None:
        super().__init__(content, "assistant")


__all__ = ["AssistantMessage", "Message", "UserMessage"]
