"""`stdio_client` of `mcp`: the way to a server that is started."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TextIO

from msgspec import structs
from pydantic import BaseModel, Field

from anyport.client.commands import read_command
from anyport.compat.mcp.client.ends import End, both_ends
from anyport.transports.stdio.child import child_environment


class StdioServerParameters(BaseModel):
    """How a server is started.

    Attributes:
        command: The program.
        args: Its arguments.
        env: Variables beside those that a program needs to run.
        cwd: Directory that it starts in.
    """

    command: str
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] | None = None
    cwd: str | Path | None = None


def get_default_environment() -> dict[str, str]:
    """Return the environment that a server gets without further words."""
    return child_environment("minimal")


def stdio_client(
    server: StdioServerParameters, errlog: TextIO | None = None
) -> AbstractAsyncContextManager[tuple[End, End]]:
    """Lead to a server that is started; to be entered with ``async with``, for ``(read, write)``.

    Args:
        server: How it is started.
        errlog: Who takes what it writes to stderr; default: the logger ``anyport.client.stderr``.
    """
    cwd = None if server.cwd is None else os.fspath(server.cwd)
    command = structs.replace(read_command([server.command, *server.args]), cwd=cwd, env=server.env or {})
    return both_ends(command, {"transport": "stdio", "on_stderr": errlog})
