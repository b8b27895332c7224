"""From a function to what MCP needs of it: JSON Schema, validator, header parameters, injected names.

Everything is compiled once, when the function is registered. A call costs one pass of pydantic-core over the argument
bytes, which yields the keyword arguments as they are passed on.
"""

from __future__ import annotations

import base64
import copy
import functools
import importlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    NotRequired,
    TypeAlias,
    TypeGuard,
    TypeVar,
    cast,
    get_args,
    get_origin,
)

import pydantic
from msgspec import Struct
from pydantic_core import PydanticSerializationError, PydanticUndefined, ValidationError, to_jsonable_python
from typing_extensions import TypedDict

from anyport.protocol.headers import HeaderParameter, header_parameters
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.context import Context
from anyport.server.declarations import DeclarationError
from anyport.server.markers import Marked, Marker, Supplier, check_marked, marker_of, without_marker

if TYPE_CHECKING:
    # pydantic loads its parts when they are first used, and so a server does: when the first function is registered.
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.fields import FieldInfo
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

AnyFunction = Callable[..., Any]
Annotation: TypeAlias = Any
"""A resolved type annotation: classes, special forms and aliases have no type in common."""
Form = Callable[[str, Annotation], Annotation]
"""Name and annotation of a parameter to the type that its argument is read as."""
RawT = TypeVar("RawT")

CLOSED_CONFIG: Final[ConfigDict] = {"extra": "forbid", "val_json_bytes": "base64", "allow_inf_nan": False}
OPEN_CONFIG: Final[ConfigDict] = {"extra": "allow", "val_json_bytes": "base64", "allow_inf_nan": False}


class Signature(Struct, frozen=True):
    """What a call of a function needs.

    Attributes:
        schema: JSON Schema of the arguments.
        headers: Arguments that HTTP headers mirror.
        context_name: Name of the parameter that receives the `Context`; ``None`` where there is none.
        suppliers: What fills in the marked parameters, in this order; see `anyport.server.markers`.
        bind: Argument bytes to keyword arguments, injected ones apart.
        bind_text: Argument texts by name to the same, for arguments that are strings on the wire.
        is_async: Whether the function is ``async def``.
    """

    schema: JsonObject
    headers: tuple[HeaderParameter, ...]
    context_name: str | None
    suppliers: tuple[Supplier, ...]
    bind: Callable[[bytes], dict[str, object]]
    bind_text: Callable[[dict[str, str]], dict[str, object]]
    is_async: bool

    @property
    def uses_context(self) -> bool:
        """Whether the function, or what fills in its marked parameters, may report, log and ask."""
        return self.context_name is not None or bool(self.suppliers)


def compile_signature(
    function: AnyFunction,
    *,
    names: Mapping[str, object] | None = None,
    accept_extra: bool = False,
    only: Collection[str] | None = None,
    form: Form | None = None,
) -> Signature:
    """Compile the parameters of a function.

    Args:
        function: A plain or ``async def`` function, a method, a partial, or an object with ``__call__``.
        names: Names beside the function's globals that its annotations may use.
        accept_extra: Leave unknown arguments to a ``**`` parameter instead of refusing them.
        only: The parameters that a call can give; others keep their defaults. ``None`` for all.
        form: Says what type an argument is read as, where that is not its annotation.

    Returns:
        The compiled signature.

    Raises:
        DeclarationError: The function cannot be called by name, or an annotation has no JSON Schema.
    """
    hints = resolve_hints(function, names)
    context_name: str | None = None
    fields: dict[str, object] = {}
    defaults: dict[str, JsonValue] = {}
    supplied: dict[str, Callable[[], object]] = {}
    marked: dict[type[Marker], list[Marked]] = {}
    extra = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD and accept_extra:
            extra = True
            continue
        _check_kind(function, parameter)
        annotation = hints.get(parameter.name, Any)
        if is_context(annotation):
            if context_name is not None:
                raise DeclarationError(function, "two parameters are annotated as Context; one is enough")
            context_name = parameter.name
            continue
        check_marked(function, parameter.name, annotation, parameter.default)
        marker = marker_of(annotation, parameter.default)
        if marker is not None:
            default = parameter.empty if parameter.default is marker else parameter.default
            found = Marked(parameter.name, without_marker(annotation), marker, default)
            marked.setdefault(type(marker), []).append(found)
            continue
        if only is not None and parameter.name not in only:
            _check_default(function, parameter)
            continue
        if form is not None:
            annotation = form(parameter.name, annotation)
        fields[parameter.name] = _field(parameter, annotation, defaults, supplied)
    adapter = _adapter(function, fields, extra=extra)
    schema = _input_schema(function, adapter, fields, defaults)
    try:
        headers = header_parameters(schema)
    except ValueError as error:
        raise DeclarationError(function, str(error)) from None
    bind = _binder(adapter.validator.validate_json, supplied)
    texts = cast("Callable[[dict[str, str]], dict[str, object]]", adapter.validator.validate_strings)
    bind_text = _binder(texts, supplied)
    return Signature(
        schema, headers, context_name, _suppliers(function, marked, names or {}), bind, bind_text, _is_async(function)
    )


def resolve_hints(function: AnyFunction, names: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return a function's annotations as types.

    Args:
        function: What was decorated.
        names: Names beside its globals, such as the classes of the function that it is written in.

    Raises:
        DeclarationError: A name in an annotation does not exist.
    """
    try:
        return typing.get_type_hints(_routine_of(function), localns=names, include_extras=True)
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise DeclarationError(function, f"an annotation cannot be resolved: {error}") from error


def _routine_of(function: AnyFunction) -> AnyFunction:
    """Return what has the annotations and the code: behind a partial, or the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = cast("functools.partial[object]", function).func
    return function if inspect.isroutine(function) else type(function).__call__


def _is_async(function: AnyFunction) -> bool:
    routine = _routine_of(function)
    if inspect.isasyncgenfunction(routine) or inspect.isgeneratorfunction(routine):
        raise DeclarationError(function, "a generator has no result; return the value, report progress by the Context")
    return inspect.iscoroutinefunction(routine)


def is_context(annotation: object) -> bool:
    """Whether an annotation asks for the `Context`, also as ``Context | None``."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return any(is_context(option) for option in get_args(annotation))
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Context)


def input_errors(error: ValidationError, schema: JsonObject) -> str:
    """Say what is wrong with arguments, one ``field: reason`` line each, for a model to act on (D15).

    Args:
        error: What pydantic found.
        schema: The input schema; the part that a wrong argument should have met is quoted.

    Returns:
        Lines without URLs and without the values that were sent.
    """
    properties = schema.get("properties")
    lines: list[str] = []
    for found in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
        where = ".".join(str(part) for part in found["loc"]) or "arguments"
        reason = _REASONS.get(found["type"], found["msg"])
        expected = properties.get(str(found["loc"][0])) if found["loc"] and isinstance(properties, dict) else None
        quoted = f" (expected {json.dumps(expected)[:300]})" if expected is not None else ""
        lines.append(f"{where}: {reason}{quoted}")
    return "\n".join(lines)


_REASONS: Final = {"missing": "required", "extra_forbidden": "unknown argument"}


# --- compiling --------------------------------------------------------------------------------------------------------


def _suppliers(
    function: AnyFunction, marked: Mapping[type[Marker], Sequence[Marked]], names: Mapping[str, object]
) -> tuple[Supplier, ...]:
    kinds = sorted(marked, key=lambda kind: kind.order)
    return tuple(kind.compile(function, marked[kind], names) for kind in kinds)


def _check_kind(function: AnyFunction, parameter: inspect.Parameter) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DeclarationError(function, f"*{parameter.name} has no JSON Schema; name each parameter")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise DeclarationError(function, f"{parameter.name} is positional-only; arguments come by name")


def _check_default(function: AnyFunction, parameter: inspect.Parameter) -> None:
    if parameter.default is parameter.empty or is_field(parameter.default):
        raise DeclarationError(function, f"nothing gives {parameter.name} its value")


def _field(
    parameter: inspect.Parameter,
    annotation: object,
    defaults: dict[str, JsonValue],
    supplied: dict[str, Callable[[], object]],
) -> object:
    """Make the typed-dictionary field of a parameter and note its default.

    A default in the signature is Python's to apply; one inside ``Field(...)`` is ours (``supplied``).
    """
    default: Any = parameter.default
    if is_field(default):
        annotation = Annotated[annotation, default]
    info = _declared_field(annotation, default)
    if info is not None and not info.is_required():
        supplied[parameter.name] = lambda: info.get_default(call_default_factory=True, validated_data={})
        if info.default is not PydanticUndefined:
            _note_default(parameter.name, info.default, defaults)
        return NotRequired[_without_default(annotation)]
    if default is parameter.empty or is_field(default):
        return annotation
    _note_default(parameter.name, default, defaults)
    return NotRequired[annotation]


def is_field(value: object) -> TypeGuard[FieldInfo]:
    """Whether a value is what ``Field(...)`` makes."""
    return isinstance(value, importlib.import_module("pydantic.fields").FieldInfo)


def lean_schema() -> type[GenerateJsonSchema]:
    """Return the generator of our JSON Schemas."""
    generator: type[GenerateJsonSchema] = importlib.import_module("anyport.server.lean_schema").LeanSchema
    return generator


def _declared_field(annotation: object, default: object) -> FieldInfo | None:
    if is_field(default):
        return default
    found = [item for item in getattr(annotation, "__metadata__", ()) if is_field(item)]
    return next((item for item in found if not item.is_required()), None)


def _without_default(annotation: object) -> object:
    """Return the annotation with each ``Field`` stripped of its default, which a typed dictionary cannot have."""
    args = get_args(annotation)
    metadata = tuple(_bare_field(item) if is_field(item) else item for item in args[1:])
    return Annotated[(args[0], *metadata)]


def _bare_field(info: FieldInfo) -> FieldInfo:
    bare = copy.copy(info)
    bare.default = PydanticUndefined
    bare.default_factory = None
    return bare


def _note_default(name: str, default: object, defaults: dict[str, JsonValue]) -> None:
    try:
        shown = base64.b64encode(default).decode() if isinstance(default, bytes) else default
        defaults[name] = to_jsonable_python(shown, by_alias=True, bytes_mode="base64")
    except (PydanticSerializationError, ValueError):
        # A default that JSON cannot show still works; the schema just does not tell it.
        return


def _adapter(function: AnyFunction, fields: dict[str, object], *, extra: bool) -> TypeAdapter[dict[str, object]]:
    # A typed dictionary, since any name may be a key of it; its validator yields a plain dict. It is called through a
    # variable because a type checker wants the fields of a typed dictionary in the source.
    make = cast("Callable[..., type[dict[str, object]]]", TypedDict)
    arguments = make("arguments", fields)
    cast("Any", arguments).__pydantic_config__ = OPEN_CONFIG if extra else CLOSED_CONFIG
    try:
        return pydantic.TypeAdapter(arguments)
    except (pydantic.PydanticUndefinedAnnotation, pydantic.PydanticUserError, TypeError) as error:
        raise DeclarationError(function, f"a parameter has no JSON Schema: {_first_line(error)}") from error


def _input_schema(
    function: AnyFunction,
    adapter: TypeAdapter[dict[str, object]],
    names: Iterable[str],
    defaults: dict[str, JsonValue],
) -> JsonObject:
    schema = json_schema(function, adapter, "validation")
    schema.pop("title", None)
    properties = cast("dict[str, JsonObject]", schema.pop("properties", {}))
    # A field with an alias is listed under it, in the place of its name.
    for name, shown in zip(names, properties.values(), strict=True):
        if name in defaults:
            shown["default"] = defaults[name]
    return {"type": "object", "properties": cast("JsonObject", properties), **schema}


def json_schema(function: AnyFunction, adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> JsonObject:
    """Return the JSON Schema of a type adapter.

    Raises:
        DeclarationError: The type has none.
    """
    try:
        return cast("JsonObject", adapter.json_schema(mode=mode, schema_generator=lean_schema()))
    except pydantic.PydanticUserError as error:
        raise DeclarationError(function, f"a type has no JSON Schema: {_first_line(error)}") from error


def _binder(
    validate: Callable[[RawT], dict[str, object]], supplied: dict[str, Callable[[], object]]
) -> Callable[[RawT], dict[str, object]]:
    if not supplied:
        return validate

    def bind(arguments: RawT) -> dict[str, object]:
        bound = validate(arguments)
        for name, default in supplied.items():
            if name not in bound:
                bound[name] = default()
        return bound

    return bind


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
