"""Arguments of every kind, and what the tool of `argument_tools.py` shows of them; then arguments that are wrong."""

from __future__ import annotations

import functools
from typing import Final

from tests.interop.checks.peer import Check, JsonObject, Peer, expect, expect_true, texts

ID: Final = "12345678-1234-5678-1234-567812345678"
ITEM: Final[JsonObject] = {"name": "pen", "price": "1.50"}
ITEM_SHOWN: Final = "Item(name='pen', price=Decimal('1.50'), tags=[])"
ORDER: Final[JsonObject] = {
    "id": ID,
    "placed": "2026-07-28T12:30:00Z",
    "items": [ITEM, {"name": "ink", "price": 7, "tags": ["blue", "wet"]}],
    "where": {"door": {"x": 1, "y": 2}, "gate": {"x": 3}},
}

ACCEPTED: Final[dict[str, tuple[str, JsonObject | None, str]]] = {
    "no_arguments, member left out": ("no_arguments", None, "()"),
    "no_arguments, empty object": ("no_arguments", {}, "()"),
    "scalars": (
        "scalars",
        {"whole": -7, "fraction": 2.5, "flag": True, "text": "it's"},
        '(-7, 2.5, True, "it\'s")',
    ),
    "scalars, whole number for a float": (
        "scalars",
        {"whole": 2**53, "fraction": 3, "flag": False, "text": ""},
        "(9007199254740992, 3.0, False, '')",
    ),
    "integer beyond 64 bits": (
        "scalars",
        {"whole": 10**30, "fraction": 1e300, "flag": False, "text": "x"},
        f"({10**30}, 1e+300, False, 'x')",
    ),
    "untyped, object": ("untyped", {"value": {"a": [1, None, "x"]}}, "{'a': [1, None, 'x']}"),
    "untyped, null": ("untyped", {"value": None}, "None"),
    "constrained, defaults": ("constrained", {"count": 1}, "(1, 'abc', 0.5, [], 2)"),
    "constrained, at the limits": (
        "constrained",
        {"count": 10, "code": "abcd", "ratio": 0.99, "tags": ["a", "b"], "even": -4},
        "(10, 'abcd', 0.99, ['a', 'b'], -4)",
    ),
    "plain_defaults, none given": (
        "plain_defaults",
        None,
        (
            "(3, None, <Colour.GREEN: 'green'>, Decimal('1.50'), datetime.date(2026, 7, 28), Point(x=1, y=2), (1, 2), "
            "b'\\x00\\xff')"
        ),
    ),
    "plain_defaults, all given": (
        "plain_defaults",
        {"a": 4, "b": "b", "c": "red", "d": "2", "e": "2020-02-29", "f": {"x": 9}, "g": [3], "h": "AQI="},
        "(4, 'b', <Colour.RED: 'red'>, Decimal('2'), datetime.date(2020, 2, 29), Point(x=9, y=0), (3,), b'\\x01\\x02')",
    ),
    "field_defaults, none given": ("field_defaults", {}, "(3, [1, 2], [], None, 7)"),
    "field_defaults, again, since a factory makes a new list": ("field_defaults", {}, "(3, [1, 2], [], None, 7)"),
    "field_defaults, all given": (
        "field_defaults",
        {"a": 0, "b": [], "c": ["c"], "d": 5, "e": 8},
        "(0, [], ['c'], 5, 8)",
    ),
    "keyword_only": ("keyword_only", {"second": 2, "first": 1}, "(1, 2, 3)"),
    "literals": ("literals", {"word": "on", "mixed": "two"}, "('on', 'two')"),
    "literals, integer, not true": ("literals", {"word": "off", "mixed": 1}, "('off', 1)"),
    "literals, null": ("literals", {"word": "off", "mixed": None}, "('off', None)"),
    "enums": (
        "enums",
        {"colour": "red", "size": 2, "colours": ["green", "red"]},
        "(<Colour.RED: 'red'>, <Size.LARGE: 2>, [<Colour.GREEN: 'green'>, <Colour.RED: 'red'>])",
    ),
    "dataclasses": (
        "dataclasses",
        {"point": {"x": 1}, "line": {"start": {"x": 1, "y": 2}, "end": {"x": 3}, "labels": ["l"]}},
        "(Point(x=1, y=0), Line(start=Point(x=1, y=2), end=Point(x=3, y=0), labels=['l']))",
    ),
    "typed_dicts": (
        "typed_dicts",
        {"address": {"street": "Main"}, "options": {"depth": 2}},
        "({'street': 'Main'}, {'depth': 2})",
    ),
    "models, nested": (
        "models",
        {"order": ORDER},
        (
            f"Order(id=UUID('{ID}'), placed=datetime.datetime(2026, 7, 28, 12, 30, tzinfo=TzInfo(0)), "
            f"items=[{ITEM_SHOWN}, Item(name='ink', price=Decimal('7'), tags=['blue', 'wet'])], note=None, "
            "where={'door': Point(x=1, y=2), 'gate': Point(x=3, y=0)})"
        ),
    ),
    "aliased field": ("aliased", {"contact": {"postCode": "SW1"}}, "(Contact(post_code='SW1'), 'nobody')"),
    "aliased parameter": (
        "aliased",
        {"contact": {"postCode": "SW1"}, "fullName": "Ann"},
        "(Contact(post_code='SW1'), 'Ann')",
    ),
    "discriminated union": ("discriminated", {"pet": {"kind": "dog", "good": True}}, "Dog(kind='dog', good=True)"),
    "recursive model": (
        "recursive",
        {"tree": {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}},
        "Tree(value=1, children=[Tree(value=2, children=[Tree(value=3, children=[])])])",
    ),
    "generic model of named tuples": (
        "generic",
        {"page": {"items": [[1, "one"]], "next": "2"}},
        "Page[Pair](items=[Pair(left=1, right='one')], next='2')",
    ),
    "times": (
        "times",
        {"moment": "2026-07-28T12:30:00.25+02:00", "day": "2026-07-28", "hour": "08:05:30", "span": "P1DT2H"},
        (
            "('2026-07-28T12:30:00.250000+02:00', datetime.date(2026, 7, 28), datetime.time(8, 5, 30), "
            "datetime.timedelta(days=1, seconds=7200))"
        ),
    ),
    "identifiers": (
        "identifiers",
        {"key": ID, "user": 12, "path": "a/b.txt", "address": "10.0.0.1"},
        f"(UUID('{ID}'), 12, PurePosixPath('a/b.txt'), IPv4Address('10.0.0.1'))",
    ),
    "decimal as text keeps its digits": (
        "decimals",
        {"amount": "0.1000000000000000000000001", "limited": "12.34"},
        "(Decimal('0.1000000000000000000000001'), Decimal('12.34'))",
    ),
    "decimal as number": ("decimals", {"amount": 0.1}, "(Decimal('0.1'), Decimal('0'))"),
    "bytes as base64": ("binary", {"data": "AP8gaGk=", "parts": ["", "AQ=="]}, "(b'\\x00\\xff hi', [b'', b'\\x01'])"),
    "unions, first": ("unions", {"value": 5}, "(5, 0.5, None)"),
    "unions, second": ("unions", {"value": "5", "old": [1, 2]}, "('5', [1, 2], None)"),
    "unions, model": ("unions", {"value": 1, "models": ITEM}, f"(1, 0.5, {ITEM_SHOWN})"),
    "unions, dataclass": ("unions", {"value": 1, "models": {"x": 4}}, "(1, 0.5, Point(x=4, y=0))"),
    "optionals, given": ("optionals", {"number": 1, "text": "t"}, "(1, 't')"),
    "optionals, null is not the default": ("optionals", {"number": None, "text": None}, "(None, None)"),
    "optionals, left out": ("optionals", {"number": None}, "(None, 'unset')"),
    "collections": (
        "collections",
        {
            "numbers": [1, 2],
            "table": {"a": 1, "ü": 2.5},
            "unique": [3, 1, 3],
            "frozen": ["b", "a", "b"],
            "pair": [1, "one"],
            "many": [4, 5, 6],
        },
        "([1, 2], {'a': 1.0, 'ü': 2.5}, [1, 3], 'set', ['a', 'b'], (1, 'one'), (4, 5, 6))",
    ),
    "collections, empty": (
        "collections",
        {"numbers": [], "table": {}, "unique": [], "frozen": [], "pair": [0, ""]},
        "([], {}, [], 'set', [], (0, ''), ())",
    ),
    "abstract_collections": (
        "abstract_collections",
        {"names": ["a"], "ages": {"a": 1}, "by_id": {"7": "seven"}},
        "(['a'], {'a': 1}, {7: 'seven'})",
    ),
    "bare_collections": (
        "bare_collections",
        {"some": [1, "a", None, [True]], "table": {"k": {"n": 0.5}}},
        "([1, 'a', None, [True]], {'k': {'n': 0.5}})",
    ),
    "nested": (
        "nested",
        {
            "deep": {"a": [[1, {"x": 2}], [3, {"x": 4, "y": 5}]], "b": None},
            "lines": [{"l": {"start": {"x": 0}, "end": {"x": 1}}}],
            "maybe": [None, ITEM],
        },
        (
            "({'a': [(1, Point(x=2, y=0)), (3, Point(x=4, y=5))], 'b': None}, "
            "[{'l': Line(start=Point(x=0, y=0), end=Point(x=1, y=0), labels=[])}], "
            f"[None, {ITEM_SHOWN}])"
        ),
    ),
    "odd parameter names": (
        "odd_names",
        {"schema": 1, "copy": 2, "json": 3, "model_config": 4, "self": 5, "_hidden": 6},
        "(1, 2, 3, 4, 5, 6)",
    ),
    "Context between parameters": ("context_between", {"before": 1, "after": 3}, "(1, 'Context', 3)"),
    "async def": ("async_tool", {"item": ITEM}, ITEM_SHOWN),
    "bound method": ("method", {"step": 2}, "12"),
    "callable object": ("callable_object", {"step": 2}, "8"),
    "schema of the author's own": ("own_schema", {"size": "m", "depth": 3}, "m3"),
    "argument mirrored by a header": ("region", {"where": "eu-1", "count": 2}, "eu-1 x2"),
    "argument mirrored by a header, not ASCII": ("region", {"where": " Zürich 🏔 "}, " Zürich 🏔  x1"),
    "tool name with a dot and a dash": ("dressed.up-1", {}, "dressed"),
}

REFUSED: Final[dict[str, tuple[str, JsonObject | None, list[str]]]] = {
    "missing": ("scalars", {"whole": 1, "fraction": 1, "flag": True}, ["text: required"]),
    "all missing": ("scalars", None, ["whole: required", "fraction: required", "flag: required", "text: required"]),
    "unknown": ("constrained", {"count": 1, "colour": "red"}, ["colour: unknown"]),
    "any to a tool without parameters": ("no_arguments", {"x": 1}, ["x: unknown"]),
    "wrong type": ("scalars", {"whole": "many", "fraction": 1, "flag": True, "text": "x"}, ["whole: "]),
    "fraction for an integer": ("scalars", {"whole": 1.5, "fraction": 1, "flag": True, "text": "x"}, ["whole: "]),
    "null for a string": ("scalars", {"whole": 1, "fraction": 1, "flag": True, "text": None}, ["text: "]),
    "constraints": (
        "constrained",
        {"count": 11, "code": "TOOLONG", "ratio": 1, "tags": ["a", "b", "c"], "even": 3},
        ["count: ", "code: ", "ratio: ", "tags: ", "even: "],
    ),
    "literal": ("literals", {"word": "perhaps"}, ["word: "]),
    "enum": ("enums", {"colour": "blue", "size": 9}, ["colour: ", "size: "]),
    "nested model": (
        "models",
        {"order": {**ORDER, "id": "no", "items": [ITEM, {"name": "", "price": 1}]}},
        ["order.id: ", "order.items.1.name: "],
    ),
    "nested dataclass": (
        "dataclasses",
        {"point": {"x": 1}, "line": {"start": {"x": 1}, "end": {}}},
        ["line.end.x: required"],
    ),
    "typed dictionary": (
        "typed_dicts",
        {"address": {"number": 1}, "options": {"depth": -1}},
        ["address.street: required", "options.depth: "],
    ),
    "times": (
        "times",
        {"moment": "soon", "day": "2026-02-30", "hour": "25:00", "span": "long"},
        ["moment: ", "day: ", "hour: ", "span: "],
    ),
    "not base64": ("binary", {"data": "*"}, ["data: "]),
    "tuple too short": (
        "collections",
        {"numbers": [], "table": {}, "unique": [], "frozen": [], "pair": [1]},
        ["pair.1: required"],
    ),
    "discriminator": ("discriminated", {"pet": {"kind": "fish"}}, ["pet: "]),
    "async def": ("async_tool", {"item": {"price": 1}}, ["item.name: required"]),
    "schema of the author's own": ("own_schema", {"size": "xl"}, ["size: "]),
}


async def accepted(tool: str, arguments: JsonObject | None, shown: str, peer: Peer) -> None:
    result = await peer.call(tool, arguments)
    expect(texts(result), [shown], "text")
    expect_true(not result.get("isError"), "isError is set")
    expect_true("structuredContent" not in result, "a string has structured content")


async def refused(tool: str, arguments: JsonObject | None, starts: list[str], peer: Peer) -> None:
    """Every line names a field and a reason, in the order of the parameters (D15)."""
    result = await peer.call(tool, arguments)
    expect(result.get("isError"), True, "isError")
    (text,) = texts(result)
    lines = str(text).split("\n")
    expect(len(lines), len(starts), f"number of lines of {lines}")
    for line, start in zip(lines, starts, strict=True):
        expect_true(line.startswith(start) and line != start, f"{line!r} does not start with {start!r}")
        expect_true("pydantic" not in line.lower() and "http" not in line, f"{line!r} talks of the library")


ARGUMENT_CHECKS: Final[dict[str, Check]] = {
    **{f"argument: {name}": Check(functools.partial(accepted, *case)) for name, case in ACCEPTED.items()},
    **{f"wrong argument: {name}": Check(functools.partial(refused, *case)) for name, case in REFUSED.items()},
}
