"""Run a command and show its output only if it fails: a gate that passes has nothing to say."""

from __future__ import annotations

import subprocess
import sys


def main(command: list[str]) -> int:
    """Run `command`; print what it printed if its exit status is not 0.

    Args:
        command: The program and its arguments.

    Returns:
        The exit status of the command.
    """
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stdout.buffer.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
