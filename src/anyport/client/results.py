"""What a tool call came to, as the caller sees it."""

from __future__ import annotations

import importlib
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct

from anyport.protocol.errors import RemoteProtocolError
from anyport.protocol.types import CallToolResult, ContentBlock, TextContent
from anyport.protocol.types.json import JsonObject, JsonValue

DataT_co = TypeVar("DataT_co", covariant=True)
T = TypeVar("T")

WRAPPER_KEY: Final = "result"


class ToolResult(Struct, Generic[DataT_co], frozen=True, kw_only=True):
    """The result of a tool call.

    Attributes:
        data: What the tool returned, of the type that was asked for, else as JSON: its structured content, without the
            ``{"result": ...}`` that wraps what is no object; where there is none, its text; ``None`` where there is
            neither.
        structured_content: As it was on the wire; ``None`` where there is none.
        content: What the tool says, as blocks.
        is_error: Whether the tool failed.
        raw: The whole result as it was on the wire.
    """

    data: DataT_co
    structured_content: JsonValue
    content: list[ContentBlock]
    is_error: bool
    raw: JsonObject

    @property
    def text(self) -> str:
        """The text blocks, one after the other, separated by newlines."""
        return join_text(self.content)


def convert_data(result: ToolResult[JsonValue], kind: type[T], name: str) -> ToolResult[T]:
    """Return a result whose data is of a type.

    Args:
        result: As it came.
        kind: The type.
        name: Name of the tool.

    Raises:
        RemoteProtocolError: The data cannot be read so.
    """
    # pydantic knows every annotation; a client that asks for no types does without it.
    pydantic = importlib.import_module("pydantic")
    try:
        data: T = pydantic.TypeAdapter(kind).validate_python(result.data)
    except ValueError as error:
        raise RemoteProtocolError(f"What {name!r} returned cannot be read as {kind!r}: {error}") from None
    return ToolResult(
        data=data,
        structured_content=result.structured_content,
        content=result.content,
        is_error=result.is_error,
        raw=result.raw,
    )


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
