"""What the files of the project say about each other is true: versions, pins, dependencies, targets."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import cast

import pytest

ROOT = Path(__file__).resolve().parents[2]


def table(*path: str) -> dict[str, object]:
    """Return one table of pyproject.toml."""
    found: object = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for name in path:
        found = cast("dict[str, object]", found)[name]
    return cast("dict[str, object]", found)


def names(requirements: object) -> list[str]:
    """Return the normalised names of requirement lines."""
    lines = cast("list[str]", requirements)
    return [re.split(r"[\s\[<>=!~;]", line)[0].lower().replace("_", "-") for line in lines]


def pins(file: str) -> dict[str, str]:
    """Return name and version of each line of a requirements file; every line has to be an exact pin."""
    lines = [line for line in (ROOT / file).read_text("utf-8").splitlines() if not line.startswith("#")]
    found = {line.partition("==")[0].lower().replace("_", "-"): line.partition("==")[2] for line in lines}
    assert lines
    assert all(re.fullmatch(r"[\w.]+", version) for version in found.values()), found
    return found


def test_every_dependency_is_pinned_by_the_constraints() -> None:
    pinned = pins("constraints.txt")
    wanted = [*names(table("project")["dependencies"]), *names(table("dependency-groups")["dev"]), "hatchling", "pip"]
    assert [name for name in wanted if name not in pinned] == []


def test_every_runtime_dependency_has_its_line() -> None:
    text = (ROOT / "adr" / "dependencies.md").read_text("utf-8")
    rows = {line.split("|")[1].strip(" `").lower() for line in text.splitlines() if line.startswith("| ")}
    assert [name for name in names(table("project")["dependencies"]) if name not in rows] == []


def test_the_other_sdk_stays_out_of_the_development_environment() -> None:
    assert "mcp" not in pins("constraints.txt")
    assert pins("tests/interop/requirements-mcp2.txt")["mcp"] == "2.3.0"
    assert pins("tests/interop/requirements-mcp1.txt")["mcp"].startswith("1.")
    assert pins("tests/interop/requirements-fastmcp4.txt")["fastmcp"].startswith("4.")


def test_the_node_tools_are_exact_and_know_no_registry() -> None:
    package = json.loads((ROOT / "tests/conformance/package.json").read_text("utf-8"))
    wanted = {**package["dependencies"], **package["optionalDependencies"]}
    lock_text = (ROOT / "tests/conformance/package-lock.json").read_text("utf-8")
    lock = json.loads(lock_text)["packages"]
    assert all(lock[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert all("integrity" in entry for path, entry in lock.items() if path)
    assert '"resolved"' not in lock_text


def test_the_python_versions_agree() -> None:
    classifiers = cast("list[str]", table("project")["classifiers"])
    versions = [found[1] for line in classifiers if (found := re.search(r":: (3\.\d+)$", line))]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert table("project")["requires-python"] == f">={versions[0]}"
    assert table("tool", "pyright")["pythonVersion"] == versions[0]


def test_the_changelog_has_the_version() -> None:
    assert f"## {table('project')['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_records_of_decisions_are_numbered_without_gaps_and_have_their_parts() -> None:
    records = sorted((ROOT / "adr").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text("utf-8")
        missing = [part for part in ("## Context", "## Decision", "## Consequences") if part not in text]
        assert missing == [], path.name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_make_targets_that_a_text_names_exist(name: str) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / name).read_text("utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize("path", [".ci/run", "scripts/make-venv", "scripts/make-lock"])
def test_scripts_can_be_run(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)


def test_the_package_is_typed() -> None:
    assert (ROOT / "src/anyport/py.typed").exists()
