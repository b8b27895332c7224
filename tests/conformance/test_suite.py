"""What stands between the official suite and its tests: how findings are judged; and the fixture server on stdio."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from anyport.protocol.types.json import JsonObject
from tests.conformance.suite import SERVER, START_LIMIT, Check, Status, environment, faults, is_vacuous


def finding(status: Status, details: bytes = b"{}") -> Check:
    return Check(id="some-check", status=status, details=msgspec.Raw(details))


@pytest.mark.parametrize(
    ("status", "is_fault"),
    [("SUCCESS", False), ("INFO", False), ("SKIPPED", True), ("WARNING", True), ("FAILURE", True)],
)
def test_only_success_and_information_are_no_fault(status: Status, is_fault: bool) -> None:
    assert bool(faults([finding(status)])) is is_fault


@pytest.mark.parametrize(
    "details",
    [
        b'{"error":{"code":-32602,"message":"Unknown tool: x"}}',
        b'{"error":{"code":-32602,"message":"Unknown prompt: x"}}',
        b'{"promptCount":0,"prompts":[]}',
        b'{"resourceCount": 0, "resources": []}',
        b'{"result": {"completion": {"values": [\n]}}}',
    ],
)
def test_what_is_missing_is_no_success(details: bytes) -> None:
    """Some checks take any error for the one they want, others are content with nothing."""
    assert is_vacuous([finding("SUCCESS", details), finding("SUCCESS")])


def test_a_success_is_wanted() -> None:
    assert is_vacuous([finding("INFO")])
    assert not is_vacuous([finding("SUCCESS", b'{"promptCount": 10, "values": ["a"]}'), finding("INFO")])


def test_the_fixture_serves_stdio_without_arguments() -> None:
    meta: JsonObject = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    request: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    ended = subprocess.run(
        [sys.executable, str(SERVER)],
        input=json.dumps(request) + "\n",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=START_LIMIT,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    answer = json.loads(ended.stdout)
    assert answer["id"] == 1
    # http-header-validation calls the first one.
    assert answer["result"]["tools"][0]["name"] == "test_simple_text"
