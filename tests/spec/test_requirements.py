"""Every requirement of the specification is held by a test, waits for something that is named, or does not apply."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import cast

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent
_ID = re.compile(r"\b(?!UTF)[A-Z]{2,5}-\d\d\b")


def _requirements() -> dict[str, dict[str, str]]:
    found = tomllib.loads((HERE / "requirements.toml").read_text(encoding="utf-8"))
    return cast("dict[str, dict[str, str]]", found)


def _mentions() -> dict[str, set[str]]:
    """Return the test files that name each id, where they hold tests."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in TESTS.rglob("*.py"):
        relative = file.relative_to(TESTS)
        if "node_modules" in relative.parts or relative.parts[0] == "spec":
            continue
        for requirement in _ID.findall(file.read_text(encoding="utf-8")):
            found[requirement].add(str(relative))
    return found


REQUIREMENTS, MENTIONS = _requirements(), _mentions()


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_requirement_is_accounted_for(requirement: str) -> None:
    row = REQUIREMENTS[requirement]
    reasons = [key for key in ("open", "not_applicable") if row.get(key)]
    held = sorted(MENTIONS.get(requirement, ()))
    if held:
        assert not reasons, f"{requirement} says {reasons}, but {held} hold it"
    else:
        assert len(reasons) == 1, f"no test names {requirement}; write one, or say what it waits for"


def test_no_test_names_a_requirement_that_does_not_exist() -> None:
    unknown = {name: sorted(files) for name, files in MENTIONS.items() if name not in REQUIREMENTS}
    assert unknown == {}


def test_rows_are_complete() -> None:
    for name, row in REQUIREMENTS.items():
        assert _ID.fullmatch(name)
        assert row["text"]
        assert set(row) <= {"level", "text", "open", "not_applicable", "client_half"}


def test_a_client_half_waits_where_the_other_half_is_held() -> None:
    """Of a requirement of clients, or of both sides; it is no way to leave a whole requirement open."""
    for name, row in REQUIREMENTS.items():
        if "client_half" in row:
            assert row["client_half"].strip()
            # A level without a side is of both.
            sides = re.findall(r"\b[MNSX] ?([bcs]?)\b", f"{row['level']} {row['text']}")
            assert {"b", "c", ""} & {*sides}, f"{name} has no half of a client"
            assert MENTIONS.get(name), f"{name}: no test holds the server's half; say `open`"
            assert "open" not in row
