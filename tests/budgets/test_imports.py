"""What starting a server costs: time, beside the libraries that it cannot do without, and modules it must not load."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import anyport
from anyport.protocol.jsonrpc import encode_request
from anyport.protocol.types.json import JsonObject

SOURCE = Path(anyport.__file__).parent.parent
MOST = 2.5
ROUNDS = 7
TRIES = 3

NOTHING = "pass"
IMPORTED = "import msgspec, pydantic"
MADE = """
from anyport import Server
Server("x")
"""
LIBRARIES = """
import msgspec, pydantic
class Arguments(pydantic.BaseModel):
    item: str
    count: int
"""
SERVER = """
from anyport import Server
server = Server("x")
@server.tool
async def buy(item: str, count: int) -> str:
    return item
"""
ASKING_AND_MOUNTED = frozenset(
    {
        "anyport.server.parking",
        "anyport.server.questions",
        "anyport.server.inputs",
        "anyport.server.forms",
        "anyport.server.sampling",
        "anyport.server.mounting",
        "anyport.server.change_bus",
    }
)
HTTP = frozenset(
    [
        "uvicorn",
        "httptools",
        "aiohttp",
        "h11",
        "httpcore",
        "httpx",
        "http",
        "starlette",
        "granian",
        "websockets",
        "wsproto",
    ]
)
UNUSED = HTTP | {
    "cryptography",
    "jsonschema_rs",
    "jsonschema",
    "mcp",
    "fastmcp",
    "redis",
    "sqlite3",
    "argparse",
    "cyclopts",
    "typer",
    "rich",
}


def run(code: str, *, text: bytes = b"", caches: Path | None = None) -> str:
    """What a fresh interpreter prints; it keeps byte code in ``caches``, if given."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    if caches is not None:
        # Set where this runs, perhaps; without byte code the compiler would be measured.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(caches)
    done = subprocess.run([sys.executable, "-c", code], input=text, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def seconds(code: str, caches: Path) -> float:
    started = time.perf_counter()
    run(code, caches=caches)
    return time.perf_counter() - started


def ratio(libraries: str, server: str, caches: Path) -> float:
    """How much longer a server takes than its libraries, both over a bare interpreter; medians of alternating runs."""
    taken: dict[str, list[float]] = {NOTHING: [], libraries: [], server: []}
    for _ in range(ROUNDS):
        for code, times in taken.items():
            times.append(seconds(code, caches))
    bare, used, whole = (statistics.median(times) for times in taken.values())
    return (whole - bare) / (used - bare)


@pytest.mark.slow
@pytest.mark.parametrize(("libraries", "server"), [(IMPORTED, MADE), (LIBRARIES, SERVER)], ids=["made", "used"])
def test_a_server_starts_in_little_more_than_its_libraries(libraries: str, server: str, tmp_path: Path) -> None:
    """Under 2.5 times the import of msgspec and pydantic; a busy moment of the machine gets another try.

    pydantic imports little until it is used, so a server that was only made is held against the bare import, and one
    that has a tool against libraries that have a model.
    """
    for code in (libraries, server):
        run(code, caches=tmp_path)  # fills the caches of files and byte code
    found: list[float] = []
    while len(found) < TRIES and (not found or found[-1] >= MOST):
        found.append(ratio(libraries, server, tmp_path))
    assert found[-1] < MOST, f"ratios: {found}; `python -X importtime` shows where the time goes"


def test_the_name_alone_loads_nothing() -> None:
    """`import anyport` costs nothing until a name is used."""
    loaded = json.loads(run("import anyport, json, sys\nprint(json.dumps(sorted(sys.modules)))"))
    assert [name for name in loaded if name.partition(".")[0] in {"msgspec", "pydantic", "asyncio", "uvloop"}] == []
    assert [name for name in loaded if name.startswith("anyport")] == ["anyport"]


def test_a_server_loads_nothing_that_it_does_not_use() -> None:
    loaded = json.loads(run(f"{SERVER}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"))
    assert UNUSED.intersection(loaded) == set()
    assert ASKING_AND_MOUNTED.intersection(loaded) == set()
    assert [
        name for name in loaded if name.startswith(("anyport.transports", "anyport.client", "anyport.serving"))
    ] == []


STDIO = """
import sys
from anyport import Context, Server
server = Server("x")
@server.tool
async def loaded(ctx: Context) -> list[str]:
    await ctx.info("here")
    return sorted(sys.modules)
server.run()
"""


def test_a_stdio_server_at_work_loads_no_http() -> None:
    """Asked from within a call, when everything that serves it is there."""
    hello: JsonObject = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    lines = [encode_request(1, "initialize", hello), encode_request(2, "tools/call", {"name": "loaded"})]
    printed = run(STDIO, text=b"\n".join(lines) + b"\n")
    answers = {message.get("id"): message for message in map(json.loads, printed.splitlines())}
    loaded = answers[2]["result"]["structuredContent"]["result"]
    assert "anyport.transports.stdio.server" in loaded
    assert UNUSED.intersection(loaded) == set()
    assert ASKING_AND_MOUNTED.intersection(loaded) == set()
    assert [name for name in loaded if name.startswith(("anyport.transports.http", "anyport.client"))] == []


@pytest.mark.parametrize("name", sorted(anyport.__all__))
def test_every_public_name_is_there(name: str) -> None:
    """The lazy names are found, and `dir` shows them."""
    assert getattr(anyport, name) is not None
    assert name in dir(anyport)


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        anyport.nothing  # noqa: B018 - looking it up is the test
