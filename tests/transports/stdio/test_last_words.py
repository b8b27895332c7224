"""What a child says on stderr: who takes it, what is kept of it, and what it tells of a missing variable (D23)."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from pathlib import Path
from typing import cast

import pytest

from anyport import Client
from anyport.errors import LocalProtocolError, ServerExited
from anyport.protocol.limits import DEFAULT_LIMITS
from anyport.transports.stdio.child import child_environment
from anyport.transports.stdio.client import StdioClient
from anyport.transports.stdio.last_words import LastWords, OnStderr, hint, missing_variable
from tests.client.peers import scripted

WAIT = 30.0


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("KeyError: 'SHOP_TOKEN'", "SHOP_TOKEN"),
        ("KeyError: 'TOKEN'", "TOKEN"),
        ("SHOP_TOKEN is not set", "SHOP_TOKEN"),
        ("Error: SHOP_TOKEN environment variable is required", "SHOP_TOKEN"),
        ('ValueError: "SHOP_TOKEN" must be set', "SHOP_TOKEN"),
        ("$SHOP_TOKEN was not provided", "SHOP_TOKEN"),
        ("Missing required environment variable: SHOP_TOKEN", "SHOP_TOKEN"),
        ("Missing environment variables: SHOP_TOKEN, SHOP_URL", "SHOP_TOKEN"),
        ("please set the SHOP_TOKEN variable", "SHOP_TOKEN"),
        ("Environment variable `SHOP_TOKEN` not found", "SHOP_TOKEN"),
        ("server.sh: line 3: SHOP_TOKEN: unbound variable", "SHOP_TOKEN"),
        ("sh: 1: SHOP_TOKEN: parameter not set", "SHOP_TOKEN"),
        ("Error: SHOP_TOKEN missing", "SHOP_TOKEN"),
        ("first line\nKeyError: 'SHOP_TOKEN'\nlast line", "SHOP_TOKEN"),
        ("KeyError: 'price'", None),
        ("JSON is not defined", None),
        ("HTTP is required", None),
        ("KeyError: 'GIVEN_ONE'", None),
        ("GIVEN_ONE is not set", None),
        ("the SHOP_TOKEN was accepted", None),
        ("", None),
    ],
)
def test_the_variable_that_a_program_died_of(line: str, name: str | None) -> None:
    """D23: as programs in Python, JavaScript and shell say it; what was given is not missing."""
    assert missing_variable(line, {"GIVEN_ONE": "x"}) == name


def test_the_hint_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    found = hint("SHOP_TOKEN is not set", {})
    assert found == (
        'SHOP_TOKEN is set in this process but was not passed on: say env={"SHOP_TOKEN": ...}, or env="inherit" for all'
    )
    monkeypatch.delenv("SHOP_TOKEN")
    assert hint("SHOP_TOKEN is not set", {}) == (
        'SHOP_TOKEN is not in the environment that the server was given: say env={"SHOP_TOKEN": ...}'
    )
    assert not hint("out of paper", {})


@pytest.mark.parametrize("body", ["os.environ['SHOP_TOKEN']", "say('SHOP_TOKEN is not set'); sys.exit(2)"])
async def test_a_server_that_dies_of_a_missing_variable(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """D23: the error names the variable and the setting; with the variable the server starts."""
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    with pytest.raises(ServerExited, match=r'was not passed on: say env=\{"SHOP_TOKEN": \.\.\.\}') as caught:
        await Client(scripted(body)).connect()
    assert caught.value.code in (1, 2)
    assert caught.value.hint in str(caught.value)
    assert "SHOP_TOKEN" in caught.value.stderr_tail
    assert "secret" not in str(caught.value)


async def test_a_server_that_ends_well_gets_no_hint() -> None:
    with pytest.raises(ServerExited) as caught:
        await Client(scripted("say('SHOP_TOKEN is not set')")).connect()
    assert (caught.value.code, caught.value.hint) == (0, "")


# --- who takes it -----------------------------------------------------------------------------------------------------

TALKS = """
for message in modern():
    say("one")
    say("caf\\u00e9")
    answer(message, text("fine"))
"""


async def talk_to(on_stderr: OnStderr) -> None:
    """Have a server say two lines on stderr."""
    transport = StdioClient(scripted(TALKS), child_environment("minimal"), DEFAULT_LIMITS, on_stderr=on_stderr)
    async with Client(transport) as client:
        assert (await client.call_tool("any", timeout=WAIT)).data == "fine"


async def test_stderr_to_a_function() -> None:
    lines: list[str] = []
    await talk_to(lines.append)
    assert lines == ["one", "café"]
    async with Client(scripted(TALKS), on_stderr=lines.append) as client:
        await client.call_tool("any")
    assert lines == ["one", "café"] * 2
    with pytest.raises(LocalProtocolError, match="on_stderr= goes with a server that anyport starts"):
        await Client("unix:/x", on_stderr=lines.append).connect()


async def test_stderr_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "shop.server"):
        await talk_to(logging.getLogger("shop.server"))
    assert [(record.name, record.message) for record in caplog.records] == [
        ("shop.server", "one"),
        ("shop.server", "café"),
    ]


async def test_stderr_to_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as file:
        await talk_to(file)
    assert (tmp_path / "log").read_text("utf-8") == "one\ncafé\n"


async def test_a_file_that_takes_nothing_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """D23: the child is drained all the same; said once."""
    file = io.StringIO()
    file.close()
    await talk_to(file)
    assert [record.message for record in caplog.records] == [
        "Cannot write what the server says on stderr any more: I/O operation on closed file"
    ]
    await talk_to(cast("OnStderr", io.BytesIO()))
    assert "a bytes-like object is required" in caplog.text


async def test_what_takes_no_lines_is_refused_at_once() -> None:
    with pytest.raises(
        LocalProtocolError, match="on_stderr takes a function, a logger or an open file, not a PosixPath"
    ):
        await Client(scripted(TALKS), on_stderr=cast("OnStderr", Path("log"))).connect()


async def test_a_function_that_raises() -> None:
    """D23: what it raises is the loop's to report; nothing is lost, and the next line comes."""
    reported: list[object] = []
    lines: list[str] = []

    def refuse(line: str) -> None:
        lines.append(line)
        raise ValueError(line)

    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reported.append(context.get("exception")))
    try:
        await talk_to(refuse)
    finally:
        loop.set_exception_handler(before)
    assert lines == ["one", "café"]
    assert [str(error) for error in reported] == lines


async def test_a_process_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """D23: as under pythonw; the child's stderr is a pipe of its own in any case."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "__stderr__", None)
    await talk_to(sys.stderr)


def test_the_tail_is_bounded() -> None:
    """D11: whatever is said, however long the lines are."""

    async def check() -> LastWords:
        return LastWords()

    words = asyncio.run(check())
    for number in range(1000):
        words.feed(f"{number} ".encode() + b"x" * 1000)
        words.feed(b"y" * 100_000 + b"\n")
    words.feed(b"the end")
    words.close()
    lines = words.tail.split("\n")
    assert len(lines) == 40
    assert lines[-1] == "the end"
    assert lines[0].startswith("961 xxx")
    assert lines[0].endswith(" [...]")
    assert len(words.tail) < 50_000


def test_variables_of_this_process_are_not_in_the_hint() -> None:
    """Only the name that the program itself said is repeated."""
    text = hint("KeyError: 'SHOP_TOKEN'", {})
    assert not [value for value in os.environ.values() if len(value) > 8 and value in text]
