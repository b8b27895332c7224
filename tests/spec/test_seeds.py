"""Every row of what anyport was asked to be is held by a test, or waits for something that is named."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent
_ID = re.compile(r"\bS\d\d\b")


def _rows() -> dict[str, dict[str, str]]:
    found = tomllib.loads((HERE / "seeds.toml").read_text(encoding="utf-8"))
    return cast("dict[str, dict[str, str]]", found)


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for file in TESTS.rglob("test_*.py"):
        relative = file.relative_to(TESTS)
        if "node_modules" not in relative.parts and relative.parts[0] != "spec":
            yield str(relative), ast.parse(file.read_text(encoding="utf-8"))


def _holders() -> dict[str, set[str]]:
    """Return the tests whose own docstrings name each row: that of a module is a summary and proves nothing."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file, module in _sources():
        for node in ast.walk(module):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                for row in _ID.findall(ast.get_docstring(node) or ""):
                    found[row].add(f"{file}::{node.name}")
    return found


ROWS, HOLDERS = _rows(), _holders()


@pytest.mark.parametrize("row", ROWS)
def test_row_is_accounted_for(row: str) -> None:
    held = sorted(HOLDERS.get(row, ()))
    if held:
        assert "open" not in ROWS[row], f"{row} is open, but {held} hold it"
    else:
        assert ROWS[row].get("open"), f"no test names {row} in its docstring; write one, or say what it waits for"


def test_no_test_names_a_row_that_does_not_exist() -> None:
    named = {row for _, module in _sources() for row in _ID.findall(ast.get_docstring(module) or "")}
    assert {*HOLDERS, *named} - {*ROWS} == set()


def test_rows_are_complete() -> None:
    for name, row in ROWS.items():
        assert _ID.fullmatch(name)
        assert row["text"]
        assert {*row} <= {"text", "open"}
