"""One virtual environment for each name in the table, made once from its pinned requirements."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

from measure import BenchError

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
BENCH = ROOT / ".bench"
_INSTALL_TIMEOUT = 600.0

# What must agree wherever it is installed, or HTTP rows compare servers, not libraries.
SERVER_STACK = ("uvicorn", "uvloop", "httptools")
_REPORTED = ("anyport", "mcp", "fastmcp", *SERVER_STACK, "msgspec", "pydantic", "pydantic_core")
_VERSIONS = """
import importlib.metadata as m, json, sys
found = {"python": sys.version.split()[0]}
for name in sys.argv[1:]:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


_HERE = {"anyport": ROOT / ".venv", "limits": ROOT / ".venv", "mcp": ROOT / ".interop" / "mcp2"}
"""Environments of the checkout that hold the same, for `--check`."""

_places: dict[str, Path] = {}


def take_those_of_the_checkout() -> None:
    """Use the environments that `make test` has made, instead of making any.

    Raises:
        BenchError: One is missing.
    """
    for place in _HERE.values():
        if not (place / "bin" / "python").is_file():
            msg = f"{place.relative_to(ROOT)} is missing: make venv interop-tools"
            raise BenchError(msg)
    _places.update(_HERE)


def python_of(name: str) -> Path:
    """Return the interpreter of an environment, made or not."""
    return _places.get(name, BENCH / name) / "bin" / "python"


def make(name: str) -> None:
    """Make an environment unless it is there and its requirements are the ones it was made from.

    Args:
        name: The environment; `requirements/<name>.txt` says what goes in.

    Raises:
        BenchError: It could not be installed. The next run tries again.
    """
    if name in _places:
        return
    stamp = BENCH / name / "made-from"
    wanted = _digest(name)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _say(f"making .bench/{name} (once)")
    BENCH.mkdir(exist_ok=True)
    (BENCH / ".gitignore").write_text("*\n")
    shutil.rmtree(BENCH / name, ignore_errors=True)
    _install(name, [sys.executable, "-m", "venv", str(BENCH / name)])
    # From the checkout's root, because `-e .` in a requirements file is taken from where pip runs.
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    _install(name, [*pip, "-r", str(_requirements(name))])
    stamp.write_text(wanted)


def versions(name: str) -> dict[str, str]:
    """Return what the report prints of an environment: distribution to version, and `python`."""
    done = subprocess.run(
        [str(python_of(name)), "-c", _VERSIONS, *_REPORTED], capture_output=True, timeout=60, check=True
    )
    return cast(dict[str, str], json.loads(done.stdout))


def _requirements(name: str) -> Path:
    return HERE / "requirements" / f"{name}.txt"


def _digest(name: str) -> str:
    text = _requirements(name).read_bytes()
    inputs = [sys.version.encode(), text]
    if b"-e ." in text.splitlines():
        inputs += [path.read_bytes() for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt") if path.is_file()]
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()


def _install(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            timeout=_INSTALL_TIMEOUT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        msg = f"environment {name}: not installed within {_INSTALL_TIMEOUT:.0f} s"
        raise BenchError(msg) from late
    if done.returncode:
        msg = f"environment {name}: {' '.join(done.stdout.split()[-60:])}"
        raise BenchError(msg)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
