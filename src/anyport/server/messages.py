"""The messages of a prompt: what authors write, and what goes on the wire."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.types import (
    ContentBlock,
    EmbeddedResource,
    PromptMessage,
    ResourceContents,
    Role,
    TextContent,
)
from anyport.server.content import Media
from anyport.server.results import BLOCKS, MEDIA
from anyport.server.threads import ThreadPool

_ROLES: Final = ("user", "assistant")

Sayable: TypeAlias = str | Media | ResourceContents | ContentBlock
"""What a message may say: text, media, the contents of a resource, or a content block of the wire."""


class Message:
    """One message of a prompt.

    Args:
        content: What is said: text, media, a resource's contents, or a content block of the wire.
        role: Who says it: ``user`` or ``assistant``.

    Raises:
        LocalProtocolError: Nobody else can speak in a prompt.
    """

    __slots__ = ("content", "role")

    def __init__(self, content: Sayable, role: Role = "user") -> None:
        if role not in _ROLES:
            raise LocalProtocolError(f"a prompt has messages of user and assistant, not of {role!r}")
        self.content = content
        self.role: Role = role

    def to_wire(self) -> PromptMessage:
        """Return the message of the wire; raises `OSError` when a file that media name cannot be read."""
        return PromptMessage(self.role, _block(self.content))


class UserMessage(Message):
    """A message that the user says: ``UserMessage("Review this")``.

    Args:
        content: What is said.
    """

    __slots__ = ()

    def __init__(self, content: Sayable) -> None:
        super().__init__(content, "user")


class AssistantMessage(Message):
    """A message that the assistant says: ``AssistantMessage("I will look for bugs first")``.

    Args:
        content: What is said.
    """

    __slots__ = ()

    def __init__(self, content: Sayable) -> None:
        super().__init__(content, "assistant")


async def messages_of(value: object, pool: ThreadPool) -> list[PromptMessage]:
    """Make the messages of a prompt from what its function returned.

    Args:
        value: Text, content, media or a message, or a list of them; the user says what has no role.
        pool: Where files are read.

    Raises:
        TypeError: The value, or one in the list, is none of these.
        OSError: A file that media name cannot be read.
    """
    items = cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else [value]
    encode = functools.partial(_messages, items)
    return await pool.run(encode) if any(map(_may_be_file, items)) else encode()


def _messages(items: Sequence[object]) -> list[PromptMessage]:
    return [_message(item) for item in items]


def _may_be_file(item: object) -> bool:
    return isinstance(item.content if isinstance(item, Message) else item, MEDIA)


def _message(item: object) -> PromptMessage:
    if isinstance(item, PromptMessage):
        return Message(item.content, item.role).to_wire()
    if isinstance(item, Message):
        return item.to_wire()
    if isinstance(item, dict):
        return _of_dict(cast("dict[str, object]", item))
    return PromptMessage("user", _block(item))


def _of_dict(item: dict[str, object]) -> PromptMessage:
    content = item.get("content")
    if isinstance(content, str):
        item = {**item, "content": {"type": "text", "text": content}}
    return msgspec.convert(item, PromptMessage)


def _block(content: object) -> ContentBlock:
    if isinstance(content, str):
        return TextContent(text=content)
    if isinstance(content, MEDIA):
        return content.to_block()
    if isinstance(content, BLOCKS):
        return content
    if isinstance(content, ResourceContents):
        return EmbeddedResource(resource=content)
    raise TypeError(f"a prompt returns text, content, media or messages, not {type(content).__name__}")
