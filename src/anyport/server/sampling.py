"""Messages of a sampling request: what authors write, what goes on the wire, and that tools and results balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

import msgspec

from anyport.protocol.errors import LocalProtocolError
from anyport.protocol.revisions import Revision
from anyport.protocol.types import (
    PromptMessage,
    SamplingMessage,
    SamplingMessageContentBlock,
    TextContent,
    ToolResultContent,
    ToolUseContent,
)
from anyport.protocol.types.json import JsonObject

T = TypeVar("T")


@runtime_checkable
class Sayable(Protocol):
    """A message as prompts have it: `UserMessage`, `AssistantMessage`."""

    def to_wire(self) -> PromptMessage:
        """Return the message of the wire."""
        ...


SampleMessage: TypeAlias = str | SamplingMessage | PromptMessage | Sayable | JsonObject
"""One message: a text is the user's."""


def sampling_messages(messages: SampleMessage | Sequence[SampleMessage], revision: Revision) -> list[SamplingMessage]:
    """Return the messages of a sampling request in the form that a revision knows.

    Args:
        messages: One message, or the conversation.
        revision: Revision of the request; before 2025-11-25 a message has one block of content, so that one with
            several becomes several.

    Raises:
        LocalProtocolError: A message cannot be sampled from, or tools and their results do not balance (SMP-01).
    """
    single = isinstance(messages, (str, SamplingMessage, PromptMessage, Sayable, dict))
    found = [messages] if single else list(messages)
    made = [_message(message) for message in found]
    _check_balance(made)
    if not revision.lacks("2025-11-25"):
        return made
    return [SamplingMessage(role=each.role, content=block) for each in made for block in blocks_of(each)]


def blocks_of(message: SamplingMessage) -> list[SamplingMessageContentBlock]:
    """Return the content of a message as a list."""
    return message.content if isinstance(message.content, list) else [message.content]


def of_kind(blocks: Sequence[object], kind: type[T]) -> list[T]:
    """Return the blocks of one kind."""
    return [block for block in blocks if isinstance(block, kind)]


def _message(message: SampleMessage) -> SamplingMessage:
    if isinstance(message, SamplingMessage):
        return message
    if isinstance(message, str):
        return SamplingMessage(role="user", content=TextContent(text=message))
    plain = msgspec.to_builtins(message.to_wire() if isinstance(message, Sayable) else message)
    try:
        return msgspec.convert(plain, SamplingMessage)
    except msgspec.ValidationError as error:
        raise LocalProtocolError(f"No model is asked with this message: {error}") from None


def _check_balance(messages: Sequence[SamplingMessage]) -> None:
    """Check that each use of a tool is answered in the next message, and nothing else is (client, "Sampling")."""
    wanted: set[str] = set()
    for message in messages:
        blocks = blocks_of(message)
        results = of_kind(blocks, ToolResultContent)
        if results and (message.role != "user" or len(results) < len(blocks)):
            raise LocalProtocolError("A message with tool results is the user's, and has nothing else in it")
        if {result.tool_use_id for result in results} != wanted or len(results) != len(wanted):
            raise LocalProtocolError("Each tool_use has to be answered by one tool_result, in the message after it")
        uses = of_kind(blocks, ToolUseContent)
        if uses and message.role != "assistant":
            raise LocalProtocolError("Only the assistant uses tools")
        wanted = {use.id for use in uses}
    if wanted:
        raise LocalProtocolError("Each tool_use has to be answered by one tool_result, in the message after it")
