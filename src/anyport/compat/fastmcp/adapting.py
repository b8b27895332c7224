"""Values of the other libraries, as anyport's functions return and take them.

Content blocks, annotations and icons of `mcp.types` are pydantic models, whoever defines them: they are known by what
they have, so that code may go on importing them from where it likes.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast, get_args, get_origin

import msgspec
from pydantic import BaseModel

from anyport.compat.fastmcp.honesty import NotHonoured
from anyport.protocol.types import GetPromptResult
from anyport.protocol.types.json import JsonObject
from anyport.server.messages import Message, UserMessage
from anyport.server.results import MEDIA
from anyport.server.signature import resolve_hints
from anyport.types import CallToolResult, ContentBlock

AnyFunction = Callable[..., object]
StructT = TypeVar("StructT", bound=msgspec.Struct)

_OPEN: Final[tuple[object, ...]] = (inspect.Parameter.empty, object, Any, list, tuple, dict)
_CONTENT: Final = frozenset({"text", "image", "audio", "resource", "resource_link"})


class ToolResult:
    """A tool's result, content and structure said apart.

    Args:
        content: Text, content blocks, media, or a list of them.
        structured_content: An object.
        meta: ``_meta`` of the result.
        is_error: Whether the tool failed.
    """

    def __init__(
        self,
        content: object = None,
        structured_content: Mapping[str, object] | None = None,
        meta: Mapping[str, object] | None = None,
        is_error: bool = False,
    ) -> None:
        self.content = content
        self.structured_content = structured_content
        self.meta = meta
        self.is_error = is_error


class PromptResult:
    """A prompt's messages, with what it is about.

    Args:
        messages: The messages.
        description: What they are about.
        meta: ``_meta`` of the result.
    """

    def __init__(
        self,
        messages: str | Sequence[Message],
        description: str | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        self.messages = [UserMessage(messages)] if isinstance(messages, str) else list(messages)
        self.description = description
        self.meta = meta

    def to_wire(self) -> GetPromptResult:
        """Return the result of the wire."""
        messages = [message.to_wire() for message in self.messages]
        return GetPromptResult(
            messages=messages, description=self.description, meta=cast("JsonObject | None", self.meta)
        )


def dumped(value: object) -> object:
    """Return a model as the wire has it, and anything else as it is."""
    return value.model_dump(by_alias=True, exclude_none=True, mode="json") if isinstance(value, BaseModel) else value


def struct_of(value: object, kind: type[StructT]) -> StructT | None:
    """Return a model, or a dictionary with the names of the wire, as a type of anyport's.

    Raises:
        NotHonoured: It cannot be one.
    """
    if value is None or isinstance(value, kind):
        return value
    try:
        return msgspec.convert(dumped(value), kind)
    except msgspec.ValidationError as error:
        raise NotHonoured(f"{kind.__name__}: {error}") from None


def is_content(kind: object) -> bool:
    """Whether a class is a content block of `mcp.types`."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return False
    field = kind.model_fields.get("type")
    return field is not None and isinstance(field.default, str) and field.default in _CONTENT


def converted(value: object) -> object:
    """Return what a tool, prompt or resource returned with the other library's parts as anyport's."""
    if isinstance(value, ToolResult):
        return _result(value)
    if isinstance(value, PromptResult):
        return value.to_wire()
    if isinstance(value, BaseModel):
        return _model(value)
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        return [converted(item) for item in items] if any(map(_is_foreign, items)) else items
    return value


def _is_foreign(value: object) -> bool:
    if isinstance(value, BaseModel):
        return _model(value) is not value
    return isinstance(value, (ToolResult, PromptResult))


def _model(value: BaseModel) -> object:
    names = type(value).model_fields
    if is_content(type(value)):
        return msgspec.convert(dumped(value), ContentBlock)
    if "content" in names and names.keys() & {"isError", "is_error"}:
        return msgspec.convert(dumped(value), CallToolResult)
    # A message of a prompt, which is read as the dictionary that it is.
    return dumped(value) if {"role", "content"} <= names.keys() <= {"role", "content", "meta"} else value


def _result(value: ToolResult) -> CallToolResult:
    content = value.content
    items = cast("Sequence[object]", content) if isinstance(content, (list, tuple)) else [content]
    blocks = [_block(converted(item)) for item in items if item is not None]
    structure = value.structured_content
    result = CallToolResult(content=blocks, is_error=value.is_error, meta=cast("JsonObject | None", value.meta))
    if structure is not None:
        result.structured_content = msgspec.Raw(msgspec.json.encode(structure))
        if not blocks:
            result.content = [_block(msgspec.json.encode(structure).decode())]
    return result


def _block(value: object) -> ContentBlock:
    if isinstance(value, MEDIA):
        return value.to_block()
    if isinstance(value, msgspec.Struct):
        return cast("ContentBlock", value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return msgspec.convert({"type": "text", "text": text}, ContentBlock)


def adapted(function: AnyFunction, names: Mapping[str, object], *, on_loop: bool = False) -> AnyFunction:
    """Return a function that returns what anyport knows; the same one, where its annotation says that it does.

    Args:
        function: What was decorated.
        names: Names beside its globals that its annotations may use.
        on_loop: Run it on the event loop, although it is a plain ``def``.
    """
    hints = resolve_hints(function, names)
    given = hints.get("return", inspect.Parameter.empty)
    if not on_loop and not _may_be_foreign(given):
        return function
    made = _awaiting(function) if inspect.iscoroutinefunction(_called(function)) else _calling(function, on_loop)
    made.__annotations__ = hints if not _names_foreign(given) else {key: hints[key] for key in hints if key != "return"}
    return made


def _called(function: AnyFunction) -> AnyFunction:
    return function if inspect.isroutine(function) else type(function).__call__


def _awaiting(function: AnyFunction) -> AnyFunction:
    @functools.wraps(function)
    async def call(**arguments: object) -> object:
        return converted(await cast("Awaitable[object]", function(**arguments)))

    return call


def _calling(function: AnyFunction, on_loop: bool) -> AnyFunction:
    @functools.wraps(function)
    def call(**arguments: object) -> object:
        return converted(function(**arguments))

    @functools.wraps(function)
    async def call_here(**arguments: object) -> object:
        return converted(function(**arguments))

    return call_here if on_loop else call


def _may_be_foreign(annotation: object) -> bool:
    """Whether an annotation leaves open that something of the other library is returned, or says it."""
    return any(annotation is each for each in _OPEN) or _names_foreign(annotation)


def _names_foreign(annotation: Any) -> bool:  # noqa: ANN401 - annotations have no type in common
    if get_origin(annotation) is not None or isinstance(annotation, types.UnionType):
        return any(map(_names_foreign, get_args(annotation)))
    if not isinstance(annotation, type):
        return False
    if issubclass(annotation, (ToolResult, PromptResult, *MEDIA)):
        return True
    kind = cast("type[object]", annotation)
    is_result = issubclass(kind, BaseModel) and kind.__name__ in ("CallToolResult", "PromptMessage")
    return is_result or is_content(kind)
