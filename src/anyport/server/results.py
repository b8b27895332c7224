"""From what a tool returns to a ``tools/call`` result: content blocks, and structured content with its schema."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import types
import typing
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_origin

import msgspec
import pydantic
from msgspec import UNSET, Raw, Struct
from pydantic_core import PydanticSerializationError, ValidationError, to_json

from anyport.protocol.errors import ToolError
from anyport.protocol.limits import MAX_SAFE_INTEGER
from anyport.protocol.types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from anyport.protocol.types.json import JsonObject
from anyport.server.content import Audio, File, Image
from anyport.server.declarations import DeclarationError
from anyport.server.signature import Annotation, AnyFunction, json_schema

if TYPE_CHECKING:
    from pydantic import ConfigDict, TypeAdapter

BLOCKS: Final = (TextContent, ImageContent, AudioContent, EmbeddedResource, ResourceLink)
MEDIA: Final = (Image, Audio, File)
_UNSTRUCTURED: Final = (*BLOCKS, *MEDIA, CallToolResult, str, bytes, type(None))
_CONFIG: Final[ConfigDict] = {"ser_json_bytes": "base64", "val_json_bytes": "base64", "allow_inf_nan": False}
_PREFIX: Final = len(b'{"result":')
_TEXT: Final = b'"content":[{"type":"text","text":'
_encode_text = msgspec.json.Encoder().encode


class Output(Struct, frozen=True):
    """How the return value of a function becomes a result.

    Attributes:
        schema: ``outputSchema`` of the tool; ``None`` for content without structure.
        encode: Return value to result.
        members: Return value to the members of the same result in encoded form, without braces; ``None`` for a value
            that `encode` has to look at.
    """

    schema: JsonObject | None
    encode: Callable[[object], CallToolResult]
    members: Callable[[object], bytes | None]


def compile_output(
    function: AnyFunction,
    annotation: Annotation,
    *,
    structured: bool = True,
) -> Output:
    """Compile the return annotation of a tool (TOOL-03).

    A value with structure has an ``outputSchema``; it is checked against its annotation and sent as
    ``structuredContent``, with its JSON text beside it. What is not an object is sent as ``{"result": value}``, since
    legacy revisions know objects only. Text, content blocks and media have no schema.

    Args:
        function: The tool.
        annotation: Its return annotation; `inspect.Parameter.empty` or ``Any`` for none.
        structured: When false, make no schema and send content alone.

    Returns:
        The compiled output.

    Raises:
        DeclarationError: The annotation names a type that does not exist.
    """
    if not structured:
        return Output(None, _encode_unstructured, _text_members)
    if not _has_structure(annotation):
        return Output(None, encode_any, _text_members)
    adapter = _adapter(function, annotation)
    if adapter is None:
        return Output(None, encode_any, _text_members)
    whole = json_schema(function, adapter, "serialization")
    whole.pop("title", None)
    inner = _inner_schema(whole)
    wrapped = inner is None
    write = _writer(adapter)
    members = _members(write, wrapped=wrapped)
    return Output(
        inner or whole, _encoder(write, wrapped=wrapped), _integer_members(members) if annotation is int else members
    )


def encode_any(value: object) -> CallToolResult:
    """Make a result from a value that has no declared structure."""
    if isinstance(value, CallToolResult):
        # The envelope is filled in later, for one revision: the author's own object stays as it is.
        return copy.copy(value)
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        if any(isinstance(item, (*BLOCKS, *MEDIA)) for item in items):
            return CallToolResult(content=[_block(item) for item in items])
    if value is None:
        return CallToolResult(content=[])
    return _of_value(cast("object", value))


def _of_value(value: object) -> CallToolResult:
    result = CallToolResult(content=[_block(value)])
    if _is_record(value) and not isinstance(value, (*BLOCKS, *MEDIA)):
        result.structured_content = Raw(_to_json(value))
    return result


def _encode_unstructured(value: object) -> CallToolResult:
    result = encode_any(value)
    if not isinstance(value, CallToolResult):
        result.structured_content = UNSET
    return result


def failed(message: str) -> CallToolResult:
    """Make the result of a tool that failed (TOOL-05)."""
    return CallToolResult(content=[TextContent(text=message)], is_error=True)


def _writer(adapter: TypeAdapter[Any]) -> Callable[[object], bytes]:
    """Return what checks a value against its annotation and writes it as ``{"result": value}``."""
    validate, dump = adapter.validator.validate_python, adapter.serializer.to_json

    def write(value: object) -> bytes:
        try:
            # By alias, as the schema names the fields.
            return dump(validate({"result": value}), by_alias=True)
        except (ValidationError, PydanticSerializationError) as error:
            raise ToolError(f"The tool returned what its annotation does not allow: {_reasons(error)}") from error

    return write


def _encoder(write: Callable[[object], bytes], *, wrapped: bool) -> Callable[[object], CallToolResult]:
    def encode(value: object) -> CallToolResult:
        if isinstance(value, CallToolResult):
            return copy.copy(value)
        whole = write(value)
        inner = whole[_PREFIX:-1]
        shown = value if isinstance(value, str) else inner.decode()
        return CallToolResult(content=[TextContent(text=shown)], structured_content=Raw(whole if wrapped else inner))

    return encode


def _members(write: Callable[[object], bytes], *, wrapped: bool) -> Callable[[object], bytes | None]:
    def members(value: object) -> bytes | None:
        if isinstance(value, (CallToolResult, str)):
            return None
        whole = write(value)
        inner = whole[_PREFIX:-1]
        return b'%b%b}],"structuredContent":%b' % (_TEXT, _encode_text(inner.decode()), whole if wrapped else inner)

    return members


def _integer_members(other: Callable[[object], bytes | None]) -> Callable[[object], bytes | None]:
    """Write what is annotated as ``int`` and is one: nothing is left to check, and there is one way to write it."""

    def members(value: object) -> bytes | None:
        if type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return b'%b"%d"}],"structuredContent":{"result":%d}' % (_TEXT, value, value)
        return other(value)

    return members


def _text_members(value: object) -> bytes | None:
    if type(value) is not str:
        return None
    try:
        return b"%b%b}]" % (_TEXT, _encode_text(value))
    except UnicodeEncodeError:
        # It has a lone surrogate, which is written as an escape.
        return None


def _reasons(error: ValidationError | PydanticSerializationError) -> str:
    """Say what is wrong with a value, without the value and without pydantic's links."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False, include_context=False, include_input=False)[:20]
    return "; ".join(f"{'.'.join(map(str, each['loc'][1:])) or 'the value'}: {each['msg']}" for each in found)


# --- annotations ------------------------------------------------------------------------------------------------------


def _has_structure(annotation: Annotation) -> bool:
    if annotation is Any or annotation is None or annotation is object:
        return False
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return all(_has_structure(option) for option in get_args(annotation) if option is not type(None)) and any(
            option is not type(None) for option in get_args(annotation)
        )
    if origin is typing.Annotated:
        return _has_structure(get_args(annotation)[0])
    if origin in (list, tuple) and get_args(annotation):
        return all(_may_nest(option) for option in get_args(annotation) if option is not Ellipsis)
    return not (isinstance(annotation, type) and issubclass(annotation, _UNSTRUCTURED) and annotation in _UNSTRUCTURED)


def _may_nest(annotation: Annotation) -> bool:
    """Whether a type may stand in a structured list: strings may, content blocks and media may not."""
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return all(map(_may_nest, get_args(annotation)))
    if origin is typing.Annotated:
        return _may_nest(get_args(annotation)[0])
    return annotation in (str, bytes, type(None)) or annotation is Any or _has_structure(annotation)


def _adapter(function: AnyFunction, annotation: Annotation) -> TypeAdapter[Any] | None:
    """Return an adapter for ``{"result": value}``, or ``None`` for a type that has no schema: it goes out as text.

    The dataclass around the value carries the configuration: dataclasses and typed dictionaries take theirs from what
    is around them, and pydantic has no other place for it that holds for every type.
    """
    holder = dataclasses.make_dataclass("output", [("result", annotation)])
    cast("Any", holder).__pydantic_config__ = _CONFIG
    try:
        return pydantic.TypeAdapter(holder)
    except pydantic.PydanticUndefinedAnnotation as error:
        raise DeclarationError(function, f"the return annotation cannot be resolved: {error}") from error
    except pydantic.PydanticSchemaGenerationError:
        return None
    except (pydantic.PydanticUserError, TypeError) as error:
        raise DeclarationError(function, f"the return annotation has no JSON Schema: {error}") from error


def _inner_schema(whole: JsonObject) -> JsonObject | None:
    """Return the schema of the value itself where that is an object, with the definitions that it needs."""
    definitions = dict(cast("dict[str, JsonObject]", whole.get("$defs", {})))
    inner = cast("dict[str, JsonObject]", whole["properties"])["result"]
    reference = inner.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/$defs/")
        inner = definitions.pop(name)
        if reference in json.dumps([inner, definitions]):
            definitions[name] = inner
    if inner.get("type") != "object":
        return None
    return {**inner, "$defs": cast("JsonObject", definitions)} if definitions else inner


# --- values -----------------------------------------------------------------------------------------------------------


def _block(value: object) -> ContentBlock:
    if isinstance(value, BLOCKS):
        return value
    if isinstance(value, MEDIA):
        return value.to_block()
    if isinstance(value, bytes):
        return TextContent(text=base64.b64encode(value).decode())
    return TextContent(text=value if isinstance(value, str) else _to_json(value).decode())


def _is_record(value: object) -> bool:
    return isinstance(value, (dict, pydantic.BaseModel, Struct)) or hasattr(value, "__dataclass_fields__")


def _fallback(value: object) -> object:
    return msgspec.to_builtins(value) if isinstance(value, Struct) else str(value)


def _to_json(value: object) -> bytes:
    try:
        # JSON has no NaN and no infinity; pydantic would write them as words that no parser takes.
        return to_json(value, bytes_mode="base64", inf_nan_mode="null", fallback=_fallback)
    except (PydanticSerializationError, ValueError) as error:
        raise ToolError(f"The tool returned a value without a JSON form: {error}") from error
