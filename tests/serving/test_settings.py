"""Settings from the environment (S15)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from anyport import Server
from anyport.serving.settings import TRANSPORTS, SettingError, Settings, read_settings


def test_an_empty_environment_says_nothing() -> None:
    assert read_settings({}) == Settings()
    assert read_settings({"MCP_PORT": " ", "TRANSPORT": "", "ANYPORT_ALLOWED_HOSTS": ","}) == Settings()


def test_everything_at_once() -> None:
    settings = read_settings(
        {
            "ANYPORT_TRANSPORT": "HTTP",
            "ANYPORT_HOST": "0.0.0.0",
            "ANYPORT_PORT": "65535",
            "ANYPORT_PATH": "/v1",
            "ANYPORT_ALLOWED_HOSTS": "a.example, *.b.example,",
            "ANYPORT_ALLOWED_ORIGINS": "https://a.example",
        }
    )
    assert settings == Settings(
        ("http",),
        "0.0.0.0",
        65535,
        "/v1",
        allowed_hosts=("a.example", "*.b.example"),
        allowed_origins=("https://a.example",),
    )


@pytest.mark.parametrize("first", range(3))
def test_which_name_of_a_transport_counts(first: int) -> None:
    """S15: MCP_TRANSPORT, then TRANSPORT, then ANYPORT_TRANSPORT."""
    names = ["MCP_TRANSPORT", "TRANSPORT", "ANYPORT_TRANSPORT"][first:]
    environment = dict(zip(names, ["http", "stdio", "stdio"], strict=False))
    assert read_settings(environment).transports == ("http",)


def test_the_common_names_count_before_our_own() -> None:
    """S15, S17: what a platform sets for every MCP server is not undone by what an image was built with."""
    found = read_settings({"ANYPORT_HOST": "a", "MCP_HOST": "b", "ANYPORT_PORT": "1", "MCP_PORT": "2"})
    assert (found.host, found.port) == ("b", 2)
    found = read_settings({"ANYPORT_HOST": "a", "MCP_HOST": "", "ANYPORT_PORT": "1"})
    assert (found.host, found.port) == ("a", 1)


def test_an_argument_counts_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """S15: what is refused is what the argument says, not what the environment does."""
    monkeypatch.setenv("MCP_TRANSPORT", "carrier")
    with pytest.raises(ValueError, match="transport: unknown transport 'pigeon'"):
        Server("s").run("pigeon")


@pytest.mark.parametrize("name", ["ANYPORT_TRANSPORT", "MCP_TRANSPORT", "TRANSPORT"])
def test_an_unknown_transport(name: str) -> None:
    """S15: a ValueError that names the variable and lists the known ones."""
    with pytest.raises(ValueError, match=f"{name}: unknown transport 'carrier-pigeon'; known are stdio, http, stream"):
        read_settings({name: "carrier-pigeon"})


@pytest.mark.parametrize("text", ["-1", "65536", "http", "1.5", "٣", "9" * 5000, "0x10", "1_0"])
def test_a_port_that_is_none(text: str) -> None:
    with pytest.raises(SettingError, match="MCP_PORT: a port is a number from 0 to 65535"):
        read_settings({"MCP_PORT": text})


@pytest.mark.parametrize("transport", ["carrier", ""])
def test_run_refuses_a_transport_that_is_none(transport: str) -> None:
    """S15: a ValueError that lists the known ones."""
    with pytest.raises(ValueError, match="known are stdio, http, streamable-http, sse, socket"):
        Server("s").run(transport)


def test_run_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_TRANSPORT", "carrier")
    with pytest.raises(ValueError, match="MCP_TRANSPORT: unknown transport 'carrier'"):
        Server("s").run()


@pytest.mark.parametrize("variable", ["ANYPORT_TRANSPORT", "MCP_TRANSPORT", "TRANSPORT"])
def test_run_serves_what_the_environment_says(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S15: `server.run()` and nothing more, on HTTP because the environment says so."""
    for name, value in ((variable, "streamable-http"), ("MCP_PORT", "0"), ("ANYPORT_PATH", "/v1")):
        monkeypatch.setenv(name, value)
    code = "from anyport import Server\nServer('settled').run()"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
        process.wait(10)
    assert line.startswith("anyport: settled serves MCP at http://127.0.0.1:")
    assert line.endswith("/v1\n")


def test_what_can_be_run_on() -> None:
    assert TRANSPORTS == ("stdio", "http", "streamable-http", "sse", "socket")
