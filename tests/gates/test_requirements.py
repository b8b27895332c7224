"""A missing tool fails the test where tools are required, and skips it elsewhere, with the command that installs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import requirements


@pytest.mark.parametrize(
    ("variables", "required"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": "false"}, False),
        ({"ANYPORT_REQUIRE_TOOLS": "1"}, True),
        ({"ANYPORT_REQUIRE_TOOLS": "0"}, False),
    ],
)
def test_who_requires_tools(variables: dict[str, str], required: bool) -> None:
    assert requirements.tools_are_required(variables) is required


def test_a_missing_tool_fails_where_tools_are_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "ROOT", tmp_path)
    monkeypatch.setenv("ANYPORT_REQUIRE_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match="make interop-tools"):
        requirements.interop_python("mcp2")


def test_a_missing_tool_skips_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "BINARIES", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("ANYPORT_REQUIRE_TOOLS", "0")
    with pytest.raises(pytest.skip.Exception, match="make conformance-tools"):
        requirements.require_conformance()


@pytest.mark.needs_node
def test_the_conformance_suite_is_here() -> None:
    assert requirements.require_conformance().command[0].endswith("node")


@pytest.mark.needs_interop
@pytest.mark.parametrize("name", ["mcp1", "mcp2", "fastmcp4"])
def test_the_other_environments_are_here(name: requirements.Environment) -> None:
    assert requirements.interop_python(name).exists()


@pytest.mark.needs_interop
@pytest.mark.parametrize("name", ["everything", "filesystem", "memory"])
def test_the_servers_from_npm_are_here(name: str) -> None:
    assert requirements.npm_server(name)
