"""Whether a tool returned what its ``outputSchema`` promises (TOOL-03): checked in bounded time, without the network.

The schema is a stranger's. Patterns run on an engine without backtracking where they can, and with a bound on it where
they cannot. References must stay inside the schema (JSC-02). What a check may cost at most is worked out beforehand
from the schema and the value, since a check that runs cannot be interrupted (JSC-03).
"""

from __future__ import annotations

import importlib
import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, Protocol, cast

from anyport.client.schema_costs import Costs, TooComplex, size_of
from anyport.protocol.json_text import encode_json
from anyport.protocol.types.json import JsonObject, JsonValue

MOST_STEPS: Final = 1_000_000
"""Schemas that a value may be held against, each time counted: about 50 ms."""
_KEPT: Final = 256
"""Schemas that are kept ready."""
_BACKTRACKS: Final = 10_000
_PATTERN_BYTES: Final = 2**20
_SHOWN: Final = 5
_DIALECTS: Final = ("https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema")
_OLD_DIALECTS: Final = "http://json-schema.org/draft-0"


class _Problem(Protocol):
    message: str
    instance_path: list[str | int]


class _Validator(Protocol):
    def iter_errors(self, instance: JsonValue) -> Iterator[_Problem]: ...


class OutputSchema:
    """The output schema of a tool, ready to check.

    Args:
        schema: The schema, 2020-12 unless ``$schema`` says otherwise (JSC-01).

    Raises:
        ValueError: It is no valid schema, of an unknown dialect, too large, or refers to what is not in it.
    """

    def __init__(self, schema: JsonObject) -> None:
        dialect = schema.get("$schema", _DIALECTS[0])
        if not isinstance(dialect, str) or not (dialect.rstrip("#") in _DIALECTS or dialect.startswith(_OLD_DIALECTS)):
            raise ValueError(f"the dialect {str(dialect)[:100]!r} is not known")
        self._costs = Costs(schema)
        self._validator = _compile(schema)

    def check(self, value: JsonValue) -> str:
        """Return what is wrong with a value; empty when nothing is.

        Raises:
            ValueError: Checking it would take too long.
        """
        size, depth = size_of(value)
        if size * self._costs.at(depth) > MOST_STEPS:
            raise TooComplex("checking the value could take too long")
        problems = itertools.islice(self._validator.iter_errors(value), _SHOWN)
        return "; ".join(f"{_place(problem)}: {problem.message.splitlines()[0][:200]}" for problem in problems)


class OutputSchemas:
    """The output schemas that were used last, ready to check."""

    def __init__(self) -> None:
        self._ready: OrderedDict[bytes, OutputSchema] = OrderedDict()

    def ready(self, schema: JsonObject) -> OutputSchema:
        """Return a schema, ready to check.

        Raises:
            ValueError: See `OutputSchema`.
        """
        key = encode_json(schema)
        found = self._ready.get(key)
        if found is None:
            found = self._ready[key] = OutputSchema(schema)
            if len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        self._ready.move_to_end(key)
        return found


def _compile(schema: JsonObject) -> _Validator:
    library = importlib.import_module("jsonschema_rs")
    linear = library.RegexOptions(size_limit=_PATTERN_BYTES)
    try:
        found = library.validator_for(schema, retriever=_refuse, pattern_options=linear)
    except ValueError:
        # Look-around and back-references, or a real mistake, which is found once more.
        bounded = library.FancyRegexOptions(backtrack_limit=_BACKTRACKS, size_limit=_PATTERN_BYTES)
        found = library.validator_for(schema, retriever=_refuse, pattern_options=bounded)
    return cast("_Validator", found)


def _place(problem: _Problem) -> str:
    return ".".join(map(str, problem.instance_path)) or "the value"


def _refuse(uri: str) -> JsonValue:
    raise ValueError(f"{uri[:200]} is not fetched: references must stay inside the schema")
