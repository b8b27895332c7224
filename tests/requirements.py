"""What a test needs beside the development environment, and what happens where it is missing.

`make test` and CI install everything and set `ANYPORT_REQUIRE_TOOLS=1`: a missing tool is a failure there. Elsewhere
the test is skipped, and its reason names the command that installs the tool.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, TypeAlias

import pytest

ROOT = Path(__file__).resolve().parent.parent
BINARIES = ROOT / "tests" / "conformance" / "node_modules" / ".bin"
Environment: TypeAlias = Literal["mcp1", "mcp2", "fastmcp4"]


@dataclass(frozen=True, slots=True)
class Conformance:
    """The official suite as a command: `[*suite.command, "server", "--url", ...]`."""

    node: Path
    script: Path

    @property
    def command(self) -> list[str]:
        """The program and the arguments that come before the suite's own."""
        return [str(self.node), str(self.script)]


def tools_are_required(environment: dict[str, str] | None = None) -> bool:
    """Tell whether a missing tool is a failure here.

    Args:
        environment: Default: the variables of this process.
    """
    variables = os.environ if environment is None else environment
    return variables.get("CI", "").lower() == "true" or variables.get("ANYPORT_REQUIRE_TOOLS") == "1"


def missing(tool: str, remedy: str) -> NoReturn:
    """End the test that calls this: failed where tools are required, skipped elsewhere.

    Args:
        tool: What is missing.
        remedy: The command that installs it.
    """
    reason = f"{tool} is not installed: {remedy}"
    if tools_are_required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_conformance() -> Conformance:
    """Return the official conformance suite and the Node 22 that runs it; end the test if it is missing."""
    tool = Conformance(node=BINARIES / "node", script=BINARIES / "conformance")
    if not (tool.node.exists() and tool.script.exists()):
        missing("the conformance suite", "make conformance-tools")
    return tool


def interop_python(name: Environment) -> Path:
    """Return the interpreter of an environment that has another SDK; end the test if it is missing.

    Args:
        name: `mcp1` has the newest `mcp` 1.x, `mcp2` has `mcp` 2.3.0, `fastmcp4` has `fastmcp` 4.1.2.
    """
    python = ROOT / ".interop" / name / "bin" / "python"
    if not python.exists():
        missing(f"the environment .interop/{name}", "make interop-tools")
    return python


def npm_server(name: str) -> list[str]:
    """Return the command of a server from npm, on Node 22; end the test if either is missing.

    Args:
        name: The last part of `@modelcontextprotocol/server-NAME`: `everything`, `filesystem` or `memory`.
    """
    node = require_conformance().node
    script = ROOT / "tests" / "interop" / "npm" / "node_modules" / ".bin" / f"mcp-server-{name}"
    if not script.exists():
        missing("the servers from npm", "make interop-tools")
    return [str(node), str(script)]


def require_nginx() -> Path:
    """Return nginx; end the test if it is missing."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        missing("nginx", "make nginx-tools, or apt-get install nginx-light")
    return Path(found)


def require_linux(why: str) -> None:
    """Skip the test on other systems: what it looks at (`/proc`, signals, sessions) is Linux's.

    Args:
        why: What the test looks at.
    """
    if sys.platform != "linux":
        pytest.skip(f"{why}: Linux only")
