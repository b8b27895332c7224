"""The configuration of ruff and pyright refuses what CONTRIBUTING.md says is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUFF = Path(sys.executable).with_name("ruff")
PYRIGHT = Path(sys.executable).with_name("pyright")

BRANCHES = "".join(f"    if n == {n}:\n        n += 1\n" for n in range(11))
STATEMENTS = "".join(f"    x{n} = {n}\n" for n in range(51))


def rules(path: str, text: str) -> set[str]:
    """Return the rules that ruff says `text` breaks, if it stood at `path`."""
    done = subprocess.run(
        [RUFF, "check", "--no-cache", "--output-format=concise", f"--stdin-filename={ROOT / path}", "-"],
        input=text,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in {0, 1}, done.stderr
    return {line.split()[1] for line in done.stdout.splitlines() if line.count(":") > 2}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"def f(n: int) -> None:\n{BRANCHES}", "C901"),
        (f"def f() -> None:\n{STATEMENTS}", "PLR0915"),
        ("def f(a: int, b: int, c: int, d: int, e: int, f: int, g: int) -> None: ...\n", "PLR0917"),
        ("def f() -> None:\n    import json\n", "PLC0415"),
        ("try:\n    pass\nexcept Exception:\n    x = 1\n", "BLE001"),
        ("from typing import Any\n", "TID251"),
        ("from .tools import Tools\n", "TID252"),
        ("def f() -> None: ...\n", "D103"),
        ("class A: ...\n", "D101"),
        ("print()\n", "T201"),
        ("import asyncio\nasyncio.get_event_loop()\n", "TID251"),
        ("import time\ntime.sleep(1)\n", "TID251"),
        ("import time\nasync def f() -> None:\n    time.sleep(1)\n", "ASYNC251"),
        ("x = 1  # noqa\n", "PGH004"),
        ("x = 1  # noqa: F401 - nothing here breaks it\n", "RUF100"),
        ("x = '" + "x" * 120 + "'\n", "E501"),
        ("assert x\n", "S101"),
    ],
)
def test_ruff_refuses_in_src(text: str, rule: str) -> None:
    assert rule in rules("src/anyport/server/tools.py", text)


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("src/anyport/cli/list_tools.py", "print()\n", "T201"),
        ("src/anyport/__init__.py", "def __getattr__(name: str) -> object:\n    import json\n", "PLC0415"),
        ("tests/server/test_tools.py", "def test_it() -> None:\n    assert x\n", "S101"),
        ("tests/server/test_tools.py", "def test_it() -> None: ...\n", "D103"),
    ],
)
def test_ruff_makes_the_exceptions_that_are_named(path: str, text: str, rule: str) -> None:
    assert rule not in rules(path, text)


def test_ruff_refuses_a_sleep_in_a_test() -> None:
    assert "TID251" in rules(
        "tests/server/test_tools.py", "import time\n\n\ndef test_it() -> None:\n    time.sleep(1)\n"
    )


@pytest.mark.parametrize("room", ["src/anyport/server/tools.py", "tests/server/test_tools.py"])
def test_pyright_is_strict(tmp_path: Path, room: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("tests", "scripts", "examples", "src"):
        (tmp_path / name).mkdir()
    file = tmp_path / room
    file.parent.mkdir(parents=True)
    file.write_text("def f(x):\n    return x\n\n\ny: int = 'a'\n", encoding="utf-8")
    done = subprocess.run(
        [PYRIGHT, "--pythonpath", sys.executable],
        cwd=tmp_path,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "reportMissingParameterType" in done.stdout
    assert "reportAssignmentType" in done.stdout
