"""Questions of a real process on its stdio: requests, results, restarts and sudden ends (RPC-13, STDIO-04, META-07)."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import msgspec
import pytest

from anyport.protocol.types.json import JsonObject
from tests.drivers.stdio import Message, StdioProcess, environment, request

COMMAND = [sys.executable, str(Path(__file__).parent / "servers" / "asking.py")]
CAPABILITIES: JsonObject = {"elicitation": {}}
META: JsonObject = {"io.modelcontextprotocol/clientCapabilities": CAPABILITIES}
ADA: JsonObject = {"action": "accept", "content": {"value": "Ada"}}
TOOLS = pytest.mark.parametrize("tool", ["greet", "block"])


def _open(server: StdioProcess) -> None:
    client: JsonObject = {"name": "driver", "version": "1"}
    hello: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "clientInfo": client}
    server.send(request("hello", "initialize", hello, "legacy"))
    server.answer("hello")
    server.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


def _ask(server: StdioProcess, tool: str) -> Message:
    server.send(request("call", "tools/call", {"name": tool}, "legacy"))
    question = server.receive()
    assert question.method == "elicitation/create"
    return question


@TOOLS
def test_a_legacy_client_is_asked_by_a_request(tool: str) -> None:
    with StdioProcess(COMMAND) as server:
        _open(server)
        question = _ask(server, tool)
        server.send(msgspec.json.encode({"jsonrpc": "2.0", "id": question.id, "result": ADA}))
        assert server.answer("call").text == "Hello, Ada"
        assert server.end().status == 0


@TOOLS
def test_a_client_that_leaves_amid_a_question_leaves_no_server(tool: str) -> None:
    """Its process ends by itself, at once."""
    with StdioProcess(COMMAND) as server:
        _open(server)
        _ask(server, tool)
        ended = server.end()
    assert (ended.status, ended.seconds < 2) == (0, True)
    assert "left without an answer" in ended.messages[-1].text


def test_a_modern_client_is_asked_by_a_result_and_a_restart_loses_nothing() -> None:
    """RPC-13, STDIO-04: with ``ANYPORT_SECRET`` the next process goes on where the first was killed."""
    secret = environment(ANYPORT_SECRET="s" * 32)
    call: JsonObject = {"name": "resume", "_meta": META}
    with StdioProcess(COMMAND, env=secret) as server:
        server.send(request(1, "tools/call", call))
        result = server.receive().result
        assert result is not None
        assert (result.result_type, list(result.input_requests)) == ("input_required", ["name"])
        server.signal(signal.SIGKILL)
    with StdioProcess(COMMAND, env=secret) as server:
        server.send(
            request(1, "tools/call", {**call, "requestState": result.request_state, "inputResponses": {"name": ADA}})
        )
        assert server.receive().text == "Hello, Ada"
        assert server.end().status == 0


@TOOLS
def test_a_client_that_leaves_a_parked_call_leaves_no_server(tool: str) -> None:
    with StdioProcess(COMMAND) as server:
        server.send(request(1, "tools/call", {"name": tool, "_meta": META}))
        assert server.receive().result is not None
        ended = server.end()
    assert (ended.status, ended.seconds < 2, ended.messages) == (0, True, [])
