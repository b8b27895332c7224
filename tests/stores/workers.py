"""Processes that share a store with a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PROGRAM = Path(__file__).parent / "programs" / "work.py"
SOURCE = Path(__file__).parent.parent.parent / "src"

PATIENCE_S = 20.0
"""Seconds within which a worker ends when it should."""


class Worker:
    """One `programs/work.py`, killed at the end at the latest."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(path), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        assert self.process.stdout is not None
        self.output: IO[str] = self.process.stdout

    def line(self) -> str:
        """Wait for the next line (pytest's own limit bounds it)."""
        line = self.output.readline()
        assert line.endswith("\n"), f"the worker ended with {self.process.wait(PATIENCE_S)}"
        return line.rstrip("\n")

    def lines(self) -> list[str]:
        """Wait for the end and return what is left; half a line says nothing."""
        rest = self.output.read()
        self.process.wait(PATIENCE_S)
        return rest.split("\n")[:-1]

    def kill(self) -> None:
        """End it as the kernel would when memory is short."""
        self.process.kill()


@contextmanager
def working(path: Path, *arguments: str) -> Generator[Worker]:
    worker = Worker(path, *arguments)
    try:
        yield worker
    finally:
        worker.kill()
        worker.process.wait(PATIENCE_S)
        worker.output.close()
