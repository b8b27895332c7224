"""What an import costs: the figures of adr/dependencies.md.

    python scripts/import_times.py [--rounds N] [MODULE ...]

Each module is imported in N fresh interpreters, in turn with an interpreter that imports nothing; the median difference
is what it costs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

DEFAULT = (
    "argparse",
    "msgspec",
    "pydantic.type_adapter",
    "msgspec+pydantic.type_adapter",
    "jsonschema_rs",
    "cryptography.hazmat.primitives.ciphers.aead+cryptography.hazmat.primitives.kdf.hkdf",
    "httptools",
    "uvloop",
    "uvicorn",
    "uvicorn+uvloop",
    "anyport.transports.http.client",
    "anyport",
)


def seconds(statement: str) -> float:
    """Return the seconds that a fresh interpreter needs for one statement."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def measure(modules: list[str], rounds: int) -> dict[str, float]:
    """Measure the modules in turn, so that a busy moment of the machine meets all of them.

    Args:
        modules: Their names; several with `+` between them are imported together.
        rounds: Interpreters for each.

    Returns:
        Milliseconds over a bare interpreter, by name.
    """
    samples: dict[str, list[float]] = {name: [] for name in modules}
    for number in range(rounds + 1):
        bare = seconds("pass")
        for name in modules:
            taken = seconds(f"import {name.replace('+', ', ')}") - bare
            if number:  # the first round fills the caches of files and byte code
                samples[name].append(taken)
    return {name: statistics.median(values) * 1000 for name, values in samples.items()}


def main() -> int:
    """Print one line per module."""
    parser = argparse.ArgumentParser(description="What an import costs, in milliseconds over a bare interpreter.")
    parser.add_argument("--rounds", type=int, default=15, help="fresh interpreters for each module (default: 15)")
    parser.add_argument("modules", nargs="*", help="modules; `a+b` imports both (default: what anyport depends on)")
    options = parser.parse_args()
    names: list[str] = options.modules or list(DEFAULT)
    for name, cost in measure(names, options.rounds).items():
        print(f"{name:30} {cost:7.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
