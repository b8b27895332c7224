"""`anyport list` and `anyport call`: every kind of target, values, output and exit status (D01)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from anyport.cli.schemas import Parameter, parameters, read_value
from anyport.protocol.types.json import JsonObject, JsonValue
from tests.client.peers import EXAMPLE, http_server, run_command, scripted
from tests.requirements import require_linux

LIMIT_S = 60.0
FILE = f"{EXAMPLE}:server"


@pytest.fixture(scope="module", name="url")
def serve_url() -> Generator[str]:
    with http_server(FILE) as url:
        yield url


def anyport(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "anyport", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)


def printed(*arguments: str, **variables: str) -> str:
    """Return what the command prints when all is well."""
    done = anyport(*arguments, **variables)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refused(*arguments: str) -> str:
    """Return what the command says when something cannot be done."""
    done = anyport(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done
    return done.stderr.rstrip("\n")


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", [None, "legacy", "modern"])
@pytest.mark.parametrize("kind", ["url", "file", "command"])
def test_every_kind_of_target(kind: str, era: str | None, url: str) -> None:
    options = [] if era is None else ["--era", era]
    paths = f"--env=PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
    spoken = "2025-11-25" if era == "legacy" else "2026-07-28"
    if kind == "command":
        rest = [paths, "--", *run_command(FILE)]
        listed, called = printed("list", *options, *rest), printed("call", "add", "a=1", *options, "b=2", *rest)
    else:
        target = url if kind == "url" else FILE
        listed, called = printed("list", target, *options), printed("call", target, "add", "a=1", "b=2", *options)
    assert re.match(rf"example 1\.2, MCP {spoken}: \d+ tools\n\nadd  Add two numbers\.\n", listed)
    assert called == "3\n"


PRINTER = scripted("""
for message in modern():
    answer(message, {"tools": [
        {"name": "plain", "inputSchema": {"type": "object"}},
        {"name": "full", "description": "First line.\\nSecond \\u001b[31mline.", "inputSchema": {"type": "object",
            "properties": {
                "id": {"type": "integer", "description": "which"},
                "kind": {"enum": ["a", "b"], "default": "a", "description": "of\\u001b[31m it"},
                "names": {"type": "array", "items": {"type": "string"}, "default": None},
                "free": {}},
            "required": ["id"]}}]})
""")


def test_what_list_prints() -> None:
    """Tools with their parameters, aligned; control characters of a server do not reach a terminal."""
    assert printed("list", "--", *PRINTER) == (
        "A server without a name, MCP 2026-07-28: 2 tools\n"
        "\n"
        "plain\n"
        "\n"
        "full  First line.\n"
        "  id     integer          required  which\n"
        '  kind   "a" | "b"        = "a"     of\ufffd[31m it\n'
        "  names  array of string  = null\n"
        "  free   any\n"
    )


def test_list_as_json() -> None:
    listed = json.loads(printed("list", "--json", "--", *PRINTER))
    assert [tool["name"] for tool in listed["tools"]] == ["plain", "full"]
    assert listed["tools"][1]["inputSchema"]["required"] == ["id"]


def test_a_server_without_tools() -> None:
    assert printed("list", f"{EXAMPLE}:other") == "other 0.0.0, MCP 2026-07-28: 0 tools\n"
    assert json.loads(printed("list", f"{EXAMPLE}:other", "--json")) == {"tools": []}


# --- results ----------------------------------------------------------------------------------------------------------


def test_results(url: str) -> None:
    """Text as it is; a result as JSON, whole."""
    assert printed("call", url, "echo", "text=5") == "5\n"
    assert printed("call", url, "echo", "text=a=b c", "--transport", "streamable-http") == "a=b c\n"
    assert printed("call", url, "point", "x=1", "y=2") == '{"x":1,"y":2}\n'
    raw = json.loads(printed("call", url, "point", "x=1", "y=2", "--json"))
    assert raw["structuredContent"] == {"x": 1, "y": 2}
    assert raw["content"][0]["type"] == "text"


def test_a_tool_that_fails(url: str) -> None:
    """Status 1, and the reason on stderr; with --json the whole result."""
    done = anyport("call", url, "fail", "reason=out of ink")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "fail: out of ink\n")
    done = anyport("call", url, "fail", "reason=out of ink", "--json")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["isError"]) == (1, "", True)
    done = anyport("call", url, "add", "a=x", "b=1")
    assert done.returncode == 1
    assert "a: " in done.stderr


def test_content_that_is_no_text() -> None:
    blocks = [
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "shop://1", "name": "one"},
        {"type": "resource", "resource": {"uri": "shop://2", "text": "two"}},
        {"type": "resource", "resource": {"uri": "shop://3", "blob": "AAAA"}},
    ]
    server = scripted(f"""
for message in modern():
    if message["method"] == "tools/list":
        answer(message, {{"tools": [{{"name": name, "inputSchema": {{}}}} for name in ("show", "data")]}})
    elif message["params"]["name"] == "show":
        answer(message, {{"content": {blocks!r}}})
    else:
        answer(message, {{"content": [], "structuredContent": [1, 2]}})
""")
    assert printed("call", "show", "--", *server).splitlines() == [
        "[image: image/png, 3 bytes]",
        "[audio: audio/wav, 3 bytes]",
        "[resource: shop://1]",
        "two",
        "[resource: shop://3]",
    ]
    assert printed("call", "data", "--", *server) == "[1,2]\n"


def test_text_that_no_terminal_can_show() -> None:
    server = scripted("""
for message in modern():
    if message["method"] == "tools/list":
        answer(message, {"tools": [{"name": "show", "inputSchema": {}}]})
    else:
        answer(message, text("caf\\u00e9"))
""")
    assert printed("call", "show", "--", *server, PYTHONIOENCODING="ascii") == "caf\\xe9\n"


def test_ctrl_c(tmp_path: Path) -> None:
    """Status 130, no traceback, and the server that was started is gone."""
    require_linux("pidfd")
    note = tmp_path / "pid"
    os.mkfifo(note)
    server = scripted(f"""
for message in modern():
    if message["method"] == "tools/list":
        answer(message, {{"tools": [{{"name": "hang", "inputSchema": {{}}}}]}})
    else:
        open({str(note)!r}, "w").write(str(os.getpid()))
""")
    command = [sys.executable, "-m", "anyport", "call", "hang", "--era", "modern", "--", *server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        pid = int(note.read_text())
        process.send_signal(signal.SIGINT)
        assert (*process.communicate(timeout=LIMIT_S), process.returncode) == ("", "", 130)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_output_that_nobody_reads() -> None:
    command = [sys.executable, "-m", "anyport", "list", FILE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(LIMIT_S) == 141


# --- values -----------------------------------------------------------------------------------------------------------

SCHEMA: JsonObject = {
    "type": "object",
    "$defs": {"Name": {"type": "string"}, "Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}]}},
    "properties": {
        "text": {"type": "string"},
        "number": {"type": "number"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "either": {"type": ["string", "integer"]},
        "amount": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "named": {"$ref": "#/$defs/Name"},
        "kind": {"enum": ["1", "2"]},
        "fixed": {"const": 1},
        "mixed": {"enum": [1, "x", True, None, 1.5, [], {}]},
        "loop": {"$ref": "#/$defs/Loop"},
        "far": {"$ref": "https://example.com/schema"},
        "odd": True,
    },
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "5", "5"),
        ("text", '"quoted"', '"quoted"'),
        ("text", "null", "null"),
        ("text", "", ""),
        ("number", "5", 5),
        ("number", "1.5", 1.5),
        ("number", "many", "many"),
        ("number", "", ""),
        ("maybe", "null", None),
        ("maybe", "5", "5"),
        ("maybe", "word", "word"),
        ("either", "5", 5),
        ("either", "5.5", "5.5"),
        ("either", "true", "true"),
        ("amount", "5", 5),
        ("amount", '"5"', '"5"'),
        ("named", "5", "5"),
        ("kind", "1", "1"),
        ("fixed", "1", 1),
        ("mixed", "true", True),
        ("mixed", "x", "x"),
        ("loop", "5", 5),
        ("far", "[1]", [1]),
        ("odd", '{"a": 1}', {"a": 1}),
        ("unknown", '{"a": {"b": []}}', {"a": {"b": []}}),
        ("unknown", "NaN", "NaN"),
        ("unknown", "{'a': 1}", "{'a': 1}"),
        ("unknown", "1 2", "1 2"),
    ],
)
def test_how_a_value_is_read(name: str, text: str, value: JsonValue) -> None:
    """JSON where it is JSON and the schema does not want a string."""
    found = read_value(text, name, SCHEMA)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "schema", [{}, {"properties": []}, {"properties": {"x": None}}, {"properties": {"x": {"type": 7}}}]
)
def test_a_schema_that_says_nothing(schema: JsonObject) -> None:
    assert read_value("5", "x", schema) == 5
    assert [parameter.type for parameter in parameters(schema)] in ([], ["any"])


def test_parameters_for_people() -> None:
    shown = {parameter.name: parameter.type for parameter in parameters(SCHEMA)}
    assert shown["maybe"] == "string | null"
    assert shown["either"] == "string | integer"
    assert shown["kind"] == '"1" | "2"'
    assert shown["mixed"] == '1 | "x" | true | null | 1.5 | [] | ...'
    assert (shown["loop"], shown["far"], shown["odd"]) == ("any", "any", "any")
    schema: JsonObject = {
        "properties": {"a": {"type": "integer", "default": 0, "description": " x\ny"}},
        "required": ["b"],
    }
    assert parameters(schema) == [Parameter("a", "integer", required=False, default="0", description="x")]


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_what_cannot_be_called(url: str) -> None:
    """One line that names the cause, status 2."""
    assert refused("call", url, "ad") == "anyport call: the server has no tool 'ad'; did you mean add?"
    assert refused("call", url, "zzz").startswith("anyport call: the server has no tool 'zzz'; known are add, point,")
    assert refused("call", f"{EXAMPLE}:other", "x") == "anyport call: the server has no tool 'x'; known are none"
    assert refused("call", url, "add", "a") == "anyport call: 'a' is not KEY=VALUE"
    assert refused("call", url, "add", "=1") == "anyport call: '=1' is not KEY=VALUE"
    assert refused("call", url, "add", "a=1", "a=2") == "anyport call: a is given twice"
    assert "transport='stdio' does not lead to" in refused("call", url, "add", "--transport", "stdio")
    assert refused("call", url).startswith("anyport call: the following arguments are required: TOOL")
    assert refused("call", "--", "server") == (
        "anyport call: the following arguments are required: TOOL (see anyport call --help)"
    )


def test_a_target_that_is_none() -> None:
    assert refused("list") == "anyport list: the following arguments are required: TARGET (see anyport list --help)"
    assert refused("list", "server").startswith(
        'anyport list: Cannot tell what \'server\' is: a package is started by "npx server" or "uvx server"; '
    )
    assert refused("list", "server").endswith("; on the command line, a command goes after --")
    assert refused("list", "nowhere.py") == "anyport list: No such file: nowhere.py"
    assert refused("list", "--") == "anyport list: A command needs at least the name of a program"
    assert refused("list", "--", "anyport-no-such-program").startswith(
        "anyport list: Cannot start 'anyport-no-such-program': No such file or directory"
    )
    assert refused("list", "ftp://x/").startswith("anyport list: Cannot tell what 'ftp://x/' is")


def test_a_server_of_a_configuration(tmp_path: Path) -> None:
    """S25: the file is a target; with several servers, one is named."""
    program, *arguments = run_command(FILE, "--stdio")
    entry = {"command": program, "args": arguments}
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"mcpServers": {"one": entry, "two": entry}}))
    assert "add" in printed("list", str(file), "--server", "two")
    assert printed("call", "--server", "one", str(file), "add", "a=1", "b=2") == "3\n"
    assert refused("list", str(file)).startswith(f"anyport list: {file}: it has several servers (one, two): choose one")
    assert refused("list", FILE, "--server", "x").startswith("anyport list: server= goes with an mcpServers file")


def test_a_server_that_cannot_be_reached() -> None:
    assert refused("list", "http://127.0.0.1:1/mcp").startswith(
        "anyport list: Cannot connect to http://127.0.0.1:1/mcp: "
    )
    assert json.loads(refused("list", "--json", "http://127.0.0.1:1/mcp"))["error"].startswith("Cannot connect to")


def test_a_server_that_dies() -> None:
    """D01: its exit status, and what it said last."""
    assert refused("list", "--", *scripted("say('no \\033[31mkey'); sys.exit(3)")) == (
        "anyport list: The server process ended with exit status 3; it said:\nno \ufffd[31mkey"
    )


def test_a_server_that_never_answers() -> None:
    began = refused("list", "--timeout", "0.5", "--", *scripted("time.sleep(60)"))
    assert began.startswith("anyport list: No connection to ")
    assert began.endswith(" within 0.5 s")


def test_options_that_cannot_be() -> None:
    assert refused("list", "x.py", "--era", "old").startswith("anyport list: argument --era: invalid choice: 'old'")
    assert refused("list", "x.py", "--timeout", "0") == (
        "anyport list: A timeout must be a positive number of seconds; it is 0.0"
    )
    assert refused("list", FILE, "--header", "X: y") == (
        "anyport list: headers= goes with an http or https URL, not with this target"
    )
    assert refused("list", "http://x/", "--header", "X") == "anyport list: --header 'X' is not 'NAME: VALUE'"
    assert refused("list", FILE, "--env", "ANYPORT_NO_SUCH") == (
        "anyport list: --env ANYPORT_NO_SUCH: there is no such variable to pass on"
    )


def test_headers_and_variables(url: str) -> None:
    assert printed("call", url, "sent_header", "name=x-token", "--header", "X-Token: a:b") == "a:b\n"
    call = ("call", FILE, "environment", "name=SHOP_KEY")
    assert printed(*call, SHOP_KEY="k") == "-\n"
    assert printed(*call, "--env", "SHOP_KEY", SHOP_KEY="k") == "k\n"
    assert printed(*call, "--env", "SHOP_KEY=other", SHOP_KEY="k") == "other\n"
