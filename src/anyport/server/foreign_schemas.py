"""Validation against JSON Schemas that were not made from a function's annotations.

The library is imported with this module only when a tool brings its own schema; no reference is ever fetched from the
network (JSC-02).
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Final, Protocol, cast

from anyport.protocol.headers import HeaderParameter, header_parameters
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.declarations import DeclarationError
from anyport.server.signature import AnyFunction

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Problem(Protocol):
    message: str
    instance_path: list[str | int]


class _Validator(Protocol):
    def iter_errors(self, instance: JsonValue) -> Iterator[_Problem]: ...


class ForeignSchema:
    """A schema that an author wrote by hand, ready to validate.

    Args:
        schema: The JSON Schema, 2020-12 unless ``$schema`` says otherwise.

    Raises:
        ValueError: It is no valid schema of its dialect, or it refers to the network.
    """

    def __init__(self, schema: JsonObject) -> None:
        library = importlib.import_module("jsonschema_rs")
        self.schema = schema
        self.headers: tuple[HeaderParameter, ...] = header_parameters(schema)
        self._validator = cast("_Validator", library.validator_for(schema, retriever=_refuse))

    def check(self, value: JsonValue) -> str:
        """Return what is wrong with a value, a ``field: reason`` line each; empty when nothing is."""
        problems = itertools.islice(self._validator.iter_errors(value), 20)
        return "\n".join(f"{_place(problem)}: {problem.message}" for problem in problems)


def compile_schema(function: AnyFunction, schema: JsonObject) -> ForeignSchema:
    """Compile the input schema of a tool.

    Raises:
        DeclarationError: It is not the schema of an object, or not valid.
    """
    if schema.get("type") != "object":
        raise DeclarationError(function, 'input_schema must have "type": "object" (TOOL-02)')
    try:
        return ForeignSchema(schema)
    except ValueError as error:
        raise DeclarationError(function, f"input_schema is not valid: {error}") from error


def _place(problem: _Problem) -> str:
    return ".".join(map(str, problem.instance_path)) or "arguments"


def _refuse(uri: str) -> JsonValue:
    raise ValueError(f"{uri} is not fetched: references must stay inside the schema")
