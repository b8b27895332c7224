"""The texts of host configuration files: JSON with comments, variables, environment files, whatever stands in them."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from anyport.client.jsonc import NotJson, read_json
from anyport.client.targets import read_target
from anyport.client.variables import UnknownVariable, Variables, read_env_file
from anyport.errors import ConfigError
from anyport.protocol.types.json import JsonObject, JsonValue

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(0, 2))
def test_comments_and_commas_change_nothing(value: JsonValue, indent: int) -> None:
    """Between any two lines, and whatever stands in a text."""
    lines = json.dumps(value, indent=indent).split("\n")
    assert read_json("\n".join(lines)) == value
    commented = "/* , } ] */ " + ' // ] } , "\n/* " */'.join(lines) + "\n// the end"
    assert read_json(commented) == value
    if isinstance(value, (list, dict)) and value:
        text = json.dumps(value)
        assert read_json(f"{text[:-1]} , /* */ {text[-1]}") == value


@given(st.text())
def test_any_text_is_json_or_is_not(text: str) -> None:
    try:
        read_json(text)
    except NotJson as error:
        told = str(error)
        assert told.startswith("no JSON: ")


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_fields_are_read_or_refused(fields: JsonObject) -> None:
    """Nothing but a ConfigError, whatever stands where."""
    for key in ("command", "args", "env", "url", "type", "headers", "cwd", "envFile"):
        for value in list(fields.values())[:2]:
            whole: dict[str, object] = {"mcpServers": {"shop": {"command": "x", **fields, key: value}}}
            try:
                read_target(whole)
            except ConfigError as error:
                assert error.server == "shop"  # noqa: PT017 - some raise, some do not


@given(st.text(), st.text(), st.sampled_from(["${A}", "${env:A}", "${B:-%s}", "${A:-x}"]))
def test_variables_are_filled_in_once(before: str, value: str, notation: str) -> None:
    """What a variable holds is not looked through again, and a dollar alone means nothing."""
    before = before.replace("${", "")
    value = value.replace("}", "") if "%s" in notation else value
    variables = Variables(environment={"A": value}, workspace=Path())
    assert variables.expand(f"{before} {notation.replace('%s', value)}$") == f"{before} {value}$"


@given(st.text())
def test_any_text_is_expanded_or_refused(text: str) -> None:
    variables = Variables(environment={}, workspace=Path())
    for each in (text, f"${{{text}}}"):
        try:
            variables.expand(each)
        except UnknownVariable:
            assert "${" in each


@given(
    st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text("abc #=$\\xe9\t", max_size=8))
)
def test_environment_files(variables: dict[str, str]) -> None:
    text = "\r\n".join(f"  export {name} = '{value}'" for name, value in variables.items())
    assert read_env_file(text) == variables
