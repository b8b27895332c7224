"""The table of contestants: who is measured, from which environment, by which server file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["subject", "peer", "limit"]
Ability = Literal[
    "http",
    "http-tools",
    "http-many",
    "legacy",
    "listen",
    "stdio",
    "big-stdio",
    "sessions",
    "import",
    "client",
    "workers",
]
Serve = Literal["uvicorn", "script"]


@dataclass(frozen=True)
class Contestant:
    """One line of the table.

    Attributes:
        name: What the report and `--contestants` call it.
        role: `subject` is what this project makes, `peer` another library, `limit` the least that a server can cost.
        environment: The environment it runs in: `requirements/<environment>.txt`, made under `.bench/<environment>`.
        server: Its file in `servers/`, without `.py`: `app()` returns an ASGI application (`app_sse()` one that may
            answer with event streams), as a script it serves stdio.
        abilities: The rows that it can take part in (`Row.needs`).
        client: The file in `clients/` that calls a server, without `.py`; `""` where it has no client.
        imports: The code whose time the import row measures.
        env: Environment variables for its servers; `FASTMCP_...` settings have no other way in.
        note: What it runs and with which settings; printed under the results.
        serve: Who serves HTTP: stock uvicorn, or the file itself as a script that is given the port.
    """

    name: str
    role: Role
    environment: str
    server: str
    abilities: frozenset[Ability]
    client: str = ""
    imports: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    serve: Serve = "uvicorn"


_ALL: frozenset[Ability] = frozenset({"http", "http-tools", "stdio", "sessions", "import"})
_MORE: frozenset[Ability] = _ALL | {"legacy", "big-stdio"}

CONTESTANTS = (
    Contestant(
        name="anyport",
        role="subject",
        environment="anyport",
        server="anyport_server",
        client="anyport_client",
        abilities=_MORE | {"http-many", "listen", "client"},
        imports="import anyport; anyport.Server('bench')",
        note="the checkout; `server.asgi()`, `server.run()`, `Client(target)`, every option at its default",
    ),
    Contestant(
        name="anyport edge",
        role="subject",
        environment="anyport",
        server="anyport_edge",
        abilities=frozenset({"http", "http-tools", "legacy", "listen"}),
        note="the same, by `server.run(\"http\")`: anyport's own connections under uvicorn's server",
        serve="script",
    ),
    Contestant(
        name="anyport 1000 tools",
        role="subject",
        environment="anyport",
        server="anyport_many",
        abilities=frozenset({"http-many"}),
        note="`anyport` with 999 tools more",
    ),
    Contestant(
        name="anyport 1 worker",
        role="subject",
        environment="anyport",
        server="anyport_workers",
        abilities=frozenset({"workers"}),
        env={"ANYPORT_WORKERS": "1"},
        note='`server.run("http")` with a tool that computes for half a millisecond or so',
        serve="script",
    ),
    Contestant(
        name="anyport 2 workers",
        role="subject",
        environment="anyport",
        server="anyport_workers",
        abilities=frozenset({"workers"}),
        env={"ANYPORT_WORKERS": "2"},
        note="the same with `workers=2`",
        serve="script",
    ),
    Contestant(
        name="mcp",
        role="peer",
        environment="mcp",
        server="mcp_sdk",
        client="mcp_client",
        abilities=_MORE | {"client"},
        imports="from mcp.server.mcpserver import MCPServer; MCPServer('bench')",
        note=(
            "`streamable_http_app(json_response=True)`, its fastest for modern requests;"
            " `stateless_http` touches legacy requests alone; `Client(target)`"
        ),
    ),
    Contestant(
        name="fastmcp",
        role="peer",
        environment="fastmcp",
        server="fastmcp_sdk",
        abilities=_ALL,
        imports="from fastmcp import FastMCP; FastMCP('bench')",
        env={"FASTMCP_LOG_LEVEL": "WARNING", "FASTMCP_CHECK_FOR_UPDATES": "off"},
        note="`http_app(json_response=True)`, for the same reason; no banner, no look for updates, log level warning",
    ),
    Contestant(
        name="limit: asgi",
        role="limit",
        environment="limits",
        server="limit_asgi",
        abilities=frozenset({"http"}),
        note="uvicorn and a constant reply",
    ),
    Contestant(
        name="limit: asgi+codec",
        role="limit",
        environment="limits",
        server="limit_asgi_codec",
        abilities=frozenset({"http", "import"}),
        imports="import msgspec, pydantic",
        note=(
            "uvicorn; msgspec decodes and encodes, pydantic-core validates, the tool is awaited;"
            " its import row is `import msgspec, pydantic`"
        ),
    ),
    Contestant(
        name="limit: protocol",
        role="limit",
        environment="limits",
        server="limit_protocol",
        abilities=frozenset({"http"}),
        note="the same work in a bare `asyncio.Protocol` with httptools and uvloop: no uvicorn, no deadlines",
        serve="script",
    ),
    Contestant(
        name="limit: stdio blocking",
        role="limit",
        environment="limits",
        server="limit_stdio",
        abilities=frozenset({"stdio"}),
        note="`os.read`, the same work, `os.write`; no event loop, so no tool could wait for anything",
    ),
    Contestant(
        name="limit: stdio uvloop",
        role="limit",
        environment="limits",
        server="limit_stdio_uvloop",
        abilities=frozenset({"stdio"}),
        note="the same on asyncio with uvloop, a task for each call, the answers of one pass of the loop in one write",
    ),
)
