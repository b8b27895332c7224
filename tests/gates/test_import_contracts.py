"""The import-linter contracts of pyproject.toml refuse what design says they refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

HOUSE = {
    "__init__.py": "def __getattr__(name):\n    from anyport.app import Server\n    return Server\n",
    "__main__.py": "import anyport.cli.main\n",
    "app.py": "import anyport.server.tools, anyport.serving.run\nServer = 1\n",
    "cli/main.py": "import anyport, anyport.client.client\n",
    "client/client.py": "import anyport.transports.http.client\n",
    "protocol/jsonrpc.py": "import msgspec, re, json, base64, collections, enum\n",
    "server/tools.py": "import asyncio, anyport.protocol.jsonrpc\n",
    "serving/run.py": "import uvicorn, anyport.transports.stdio.server\n",
    "stores/memory.py": "",
    "security/guards.py": "import anyport.stores.memory, anyport.protocol.jsonrpc\n",
    "transports/http/client.py": "import anyport.transports.http.endpoint\n",
    "transports/http/endpoint.py": "import anyport.protocol.jsonrpc, anyport.security.guards\n",
    "transports/stdio/server.py": "import anyport.protocol.jsonrpc\n",
    "transports/memory.py": "import anyport.protocol.jsonrpc\n",
}


def build(root: Path, changes: dict[str, str]) -> None:
    """Write a house that is in order, then the changes, with an `__init__` in every room."""
    package = root / "anyport"
    for name, text in {**HOUSE, **changes}.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for folder in (path for path in package.rglob("*") if path.is_dir()):
        (folder / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_house_in_order_passes(tmp_path: Path) -> None:
    build(tmp_path, {})
    done = lint(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "contract"),
    [
        ({"protocol/jsonrpc.py": "import asyncio\n"}, "protocol decides from bytes and state alone"),
        ({"protocol/jsonrpc.py": "import time\n"}, "protocol decides from bytes and state alone"),
        ({"protocol/jsonrpc.py": "import pydantic\n"}, "protocol decides from bytes and state alone"),
        ({"protocol/jsonrpc.py": "from socket import socket\n"}, "protocol decides from bytes and state alone"),
        ({"protocol/legacy.py": "def f():\n    import logging\n"}, "protocol decides from bytes and state alone"),
        ({"protocol/jsonrpc.py": "import anyport.stores.memory\n"}, "Every room imports only from the rooms below it"),
        ({"server/tools.py": "import anyport.transports.memory\n"}, "Every room imports only from the rooms below it"),
        ({"transports/memory.py": "import anyport.server.tools\n"}, "Every room imports only from the rooms below it"),
        ({"serving/run.py": "import anyport.app\n"}, "Every room imports only from the rooms below it"),
        ({"attic/box.py": ""}, "Every room imports only from the rooms below it"),
        ({"transports/memory.py": "import anyport.transports.http.client\n"}, "Transports do not know each other"),
        ({"transports/attic.py": ""}, "Transports do not know each other"),
        ({"protocol/sse.py": "import anyport.protocol.calls\n", "protocol/calls.py": "import anyport.protocol.sse\n"},
         "No import cycle"),
    ],
)  # fmt: skip
def test_a_breach_is_named(tmp_path: Path, changes: dict[str, str], contract: str) -> None:
    build(tmp_path, changes)
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())
