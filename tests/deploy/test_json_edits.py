"""A member put into a JSON text: everything else stays, character for character."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyport.client.jsonc import NotJson, read_json
from anyport.deploy.json_edits import NotEditable, set_member
from anyport.protocol.types.json import JsonObject, JsonValue

NEW: JsonObject = {"command": "x"}


def put(text: str, name: str = "new", value: JsonValue = "v") -> str:
    return set_member(text, ("servers", name), value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "servers": {\n    "new": "v"\n  }\n}\n'),
        (" \n", '{\n  "servers": {\n    "new": "v"\n  }\n}\n'),
        ("{}", '{\n  "servers": {\n    "new": "v"\n  }\n}'),
        ('{"a": 1}', '{"a": 1, "servers": {"new": "v"}}'),
        ('{"servers": {"a": 1}}', '{"servers": {"a": 1, "new": "v"}}'),
        ('{"servers": {"a": 1,},}', '{"servers": {"a": 1, "new": "v",},}'),
        (
            '{\n\t"a": 1.50, // why\n\t"servers": {}\n}\n',
            '{\n\t"a": 1.50, // why\n\t"servers": {\n\t\t"new": "v"\n\t}\n}\n',
        ),
        (
            '{\n    "servers": {\n        "a": 1\n    },\n    "z": []\n}',
            '{\n    "servers": {\n        "a": 1,\n        "new": "v"\n    },\n    "z": []\n}',
        ),
        (
            '{\n  "servers": {\n    "a": 1 // a\n    // the end\n  }\n}',
            '{\n  "servers": {\n    "a": 1, // a\n    // the end\n    "new": "v"\n  }\n}',
        ),
        (
            '{\n  "servers": {\n    "a": 1, /* a } */\n  },\n}',
            '{\n  "servers": {\n    "a": 1, /* a } */\n    "new": "v"\n  },\n}',
        ),
        (
            '{\r\n  "servers": {\r\n    "a": 1\r\n  }\r\n}\r\n',
            '{\r\n  "servers": {\r\n    "a": 1,\r\n    "new": "v"\r\n  }\r\n}\r\n',
        ),
        ('\ufeff{"servers": {"a": "}"}}', '\ufeff{"servers": {"a": "}", "new": "v"}}'),
        ('{"servers": {"new": {"a": [1, "]"]}, "b": 2}}', '{"servers": {"new": "v", "b": 2}}'),
        ('{"servers": {"n\\u0065w": 1}}', '{"servers": {"n\\u0065w": "v"}}'),
        ('{"servers": {"new": 1, "new": 2}}', '{"servers": {"new": 1, "new": "v"}}'),
    ],
)
def test_where_a_member_goes(before: str, after: str) -> None:
    assert put(before) == after


def test_a_value_is_laid_out_like_the_rest() -> None:
    before = '{\n    "servers": {\n        "a": {\n            "x": 1\n        }\n    }\n}'
    value: JsonObject = {"command": "x", "args": ["é"]}
    shown = (
        '"new": {\n            "command": "x",\n            "args": [\n                "é"\n            ]\n        }'
    )
    assert put(before, value=value) == before.replace("        }\n    }", f"        }},\n        {shown}\n    }}")
    replaced = put(before, "a", {"y": 2})
    assert replaced == before.replace('"x": 1', '"y": 2')


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[]", NotEditable, "it is no JSON object"),
        ("3", NotEditable, "it is no JSON object"),
        ('{"servers": []}', NotEditable, "'servers' in it is no object"),
        ('{"servers": "x"}', NotEditable, "'servers' in it is no object"),
        ("{", NotJson, "no JSON"),
        ("{a: 1}", NotJson, "no JSON"),
        ('{"a": [}', NotJson, "no JSON"),
        ("{,}", NotJson, "no JSON"),
    ],
)
def test_texts_that_cannot_be_edited(text: str, error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        put(text)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["servers", "new", "//", "{"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
BLANKS = ("", "", " ", "\n", "\t", "// } ,\n", '/* " { */', "\r\n  ")


def written(value: JsonValue, draw: random.Random) -> str:
    """Write JSON in any of the ways in which people do: blanks and comments everywhere, commas at ends."""

    def blank() -> str:
        return draw.choice(BLANKS)

    def enclosed(first: str, parts: list[str], last: str) -> str:
        comma = draw.choice(["", ","]) if parts else ""
        return f"{first}{blank()}{f'{blank()},{blank()}'.join(parts)}{blank()}{comma}{blank()}{last}"

    if isinstance(value, dict):
        members = [f"{json.dumps(name)}{blank()}:{blank()}{written(each, draw)}" for name, each in value.items()]
        return enclosed("{", members, "}")
    if isinstance(value, list):
        return enclosed("[", [written(each, draw) for each in value], "]")
    return json.dumps(value, ensure_ascii=draw.choice([True, False]))


@given(OBJECTS, OBJECTS, NAMES, VALUES, st.randoms())
def test_any_text_keeps_what_is_around(
    whole: JsonObject, servers: JsonObject, name: str, value: JsonValue, draw: random.Random
) -> None:
    """The value is there, everything else means the same, and what was there is there still."""
    if draw.choice([True, False]):
        whole["servers"] = servers
    elif not isinstance(whole.get("servers"), dict):
        whole.pop("servers", None)
    text = f"{draw.choice(BLANKS)}{written(whole, draw)}{draw.choice(BLANKS)}"
    assert read_json(text) == whole
    edited = put(text, name, value)
    held = whole.get("servers", {})
    assert isinstance(held, dict)
    assert read_json(edited) == {**whole, "servers": {**held, name: value}}
    assert read_json(put(edited, name, value)) == read_json(edited)
    if name not in held:
        # What was there is there still, in its order: only something was added.
        rest = iter(edited)
        assert all(letter in rest for letter in text if not letter.isspace())
