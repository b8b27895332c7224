"""What a tool call came to, as the caller sees it."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct

from anyport.protocol.errors import RemoteProtocolError
from anyport.protocol.types import CallToolResult, ContentBlock, TextContent
from anyport.protocol.types.json import JsonObject, JsonValue

WRAPPER_KEY: Final = "result"


class ToolResult(Struct, frozen=True, kw_only=True):
    """The result of a tool call.

    Attributes:
        data: What the tool returned: its structured content, without the ``{"result": ...}`` that wraps what is no
            object; where there is none, its text; ``None`` where there is neither.
        structured_content: As it was on the wire; ``None`` where there is none.
        content: What the tool says, as blocks.
        is_error: Whether the tool failed.
        raw: The whole result as it was on the wire.
    """

    data: JsonValue
    structured_content: JsonValue
    content: list[ContentBlock]
    is_error: bool
    raw: JsonObject

    @property
    def text(self) -> str:
        """The text blocks, one after the other, separated by newlines."""
        return join_text(self.content)


def read_result(raw: JsonObject) -> CallToolResult:
    """Read the result of ``tools/call``.

    Raises:
        RemoteProtocolError: It is none.
    """
    try:
        return msgspec.convert(raw, CallToolResult)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"The answer to tools/call is malformed: {error}") from None


def structured(result: CallToolResult) -> JsonValue:
    """Return the structured content of a received result, ``None`` where there is none."""
    value = result.structured_content
    return None if value is UNSET or isinstance(value, (msgspec.UnsetType, Raw)) else value


def may_be_wrapped(value: JsonValue) -> bool:
    """Whether structured content looks like a wrapped value; the tool's output schema decides."""
    return isinstance(value, dict) and value.keys() == {WRAPPER_KEY}


def is_wrapper(schema: JsonObject | None) -> bool:
    """Whether an output schema is that of a value wrapped as ``{"result": value}``."""
    if schema is None:
        return False
    properties = schema.get("properties")
    return (
        isinstance(properties, dict) and properties.keys() == {WRAPPER_KEY} and schema.get("required") == [WRAPPER_KEY]
    )


def join_text(content: list[ContentBlock]) -> str:
    """Return the text blocks of a result, separated by newlines."""
    return "\n".join(block.text for block in content if isinstance(block, TextContent))


def data_of(result: CallToolResult, *, wrapped: bool) -> JsonValue:
    """Return what a tool returned.

    Args:
        result: As received.
        wrapped: Whether the structured content is a wrapped value.
    """
    value = structured(result)
    if isinstance(value, dict) and wrapped:
        return value[WRAPPER_KEY]
    if value is not None:
        return value
    return join_text(result.content) if any(isinstance(block, TextContent) for block in result.content) else None
