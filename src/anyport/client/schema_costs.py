"""What checking a value against a schema can cost at most: how many schemas one place of the value is held against.

A few hundred bytes of references that each refer twice to the next say 2^100 checks. Counted with a memory, the sum
takes as many steps as there are schemas, times the depth of the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from anyport.protocol.types.json import JsonObject, JsonValue

MOST_SCHEMAS: Final = 10_000
MOST_DEPTH: Final = 64
ENOUGH: Final = 10**9
"""Where counting stops."""

# Keywords whose schemas look at the same value, at the values inside it, or are only kept for references.
_SAME: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_SAME_NAMED: Final = frozenset({"dependentSchemas", "dependencies"})
_INSIDE: Final = frozenset(
    {
        "items",
        "prefixItems",
        "contains",
        "additionalItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_INSIDE_NAMED: Final = frozenset({"properties", "patternProperties"})
_KEPT_NAMED: Final = frozenset({"$defs", "definitions"})
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


class TooComplex(ValueError):
    """A schema that has no bound, or a value for which its bound is too high."""


class Costs:
    """What a schema costs at most, by the depth of the value.

    Args:
        schema: The schema.

    Raises:
        ValueError: It is too large, or a reference leads nowhere in it.
    """

    def __init__(self, schema: JsonObject) -> None:
        self._root = schema
        self._anchors: dict[str, JsonValue] = {}
        self._known: dict[tuple[int, int], int] = {}
        self._count = 0
        self._index(schema, 0)

    def at(self, depth: int) -> int:
        """Return how many schemas any place of a value is held against, for a value of a depth.

        Raises:
            TooComplex: A schema refers to itself without end.
        """
        try:
            return self._cost(self._root, min(depth, MOST_DEPTH), frozenset())
        except RecursionError:
            raise TooComplex("its references lead too far") from None

    def _index(self, node: JsonValue, depth: int) -> None:
        """Count the schemas, and note what references may name."""
        if not isinstance(node, dict):
            return
        self._count += 1
        if self._count > MOST_SCHEMAS or depth > MOST_DEPTH:
            raise TooComplex(
                f"it has more than {MOST_SCHEMAS} schemas, or more than {MOST_DEPTH} of them in each other"
            )
        for keyword in ("$anchor", "$dynamicAnchor"):
            name = node.get(keyword)
            if isinstance(name, str):
                self._anchors[f"#{name}"] = node
        identifier = node.get("$id")
        if isinstance(identifier, str):
            self._anchors[identifier] = node
        for child, _ in _children(node, kept=True):
            self._index(child, depth + 1)

    def _cost(self, node: JsonValue, depth: int, open_here: frozenset[int]) -> int:
        if not isinstance(node, dict):
            return 1
        key = (id(node), depth)
        if key in self._known:
            return self._known[key]
        if id(node) in open_here:
            raise TooComplex("it refers to itself without end")
        here = open_here | {id(node)}
        total = 1
        for reference in _REFERENCES:
            target = node.get(reference)
            if isinstance(target, str):
                total += self._cost(self._find(target), depth, here)
        for child, inside in _children(node, kept=False):
            if not inside:
                total += self._cost(child, depth, here)
            elif depth > 0:
                total += self._cost(child, depth - 1, frozenset())
        self._known[key] = min(total, ENOUGH)
        return self._known[key]

    def _find(self, reference: str) -> JsonValue:
        if reference in self._anchors:
            return self._anchors[reference]
        if not reference.startswith("#") or (len(reference) > 1 and reference[1] != "/"):
            raise ValueError(f"the reference {reference[:100]!r} is not fetched, and leads nowhere inside the schema")
        node: JsonValue = self._root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and name in node:
                node = node[name]
            elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            else:
                raise ValueError(f"the reference {reference[:100]!r} leads nowhere")
        return node


def _children(node: JsonObject, *, kept: bool) -> Iterator[tuple[JsonValue, bool]]:
    """Return the schemas of a schema, and whether each looks at what is inside the value."""
    for keyword, value in node.items():
        if keyword in _SAME or keyword in _INSIDE:
            inside = keyword in _INSIDE
            for child in value if isinstance(value, list) else [value]:
                yield child, inside
        elif isinstance(value, dict):
            named = keyword in _SAME_NAMED or keyword in _INSIDE_NAMED
            if named or (kept and keyword in _KEPT_NAMED):
                for child in value.values():
                    yield child, keyword in _INSIDE_NAMED


def size_of(value: JsonValue) -> tuple[int, int]:
    """Return how large a value is (places, and characters in units of 64), and how deep."""
    size, deepest = 0, 0
    waiting: list[tuple[JsonValue, int]] = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        deepest = max(deepest, depth)
        size += 1
        if isinstance(part, str):
            size += len(part) // 64
        elif isinstance(part, list):
            waiting.extend((child, depth + 1) for child in part)
        elif isinstance(part, dict):
            size += sum(map(len, part)) // 64
            waiting.extend((child, depth + 1) for child in part.values())
    return size, deepest
