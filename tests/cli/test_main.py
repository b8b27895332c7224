"""The `anyport` command itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from anyport import __version__
from anyport.cli.main import main
from anyport.cli.parsing import plain


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("-h", "--help", "help"):
        assert main([word]) == 0
        output = capsys.readouterr().out
        for command in ("run", "list", "call"):
            assert f"  anyport {command} " in output


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: anyport COMMAND")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("-V", "--version"):
        assert main([word]) == 0
        assert capsys.readouterr().out == f"anyport {__version__}\n"


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "x.py"]) == 2
    assert capsys.readouterr().err == "anyport: unknown command 'serve'; known are run, list, call, config\n"


@pytest.mark.parametrize("command", ["run", "list", "call"])
def test_help_of_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: anyport {command} ")


@pytest.mark.parametrize("command", ["run", "list", "call"])
def test_an_unknown_option_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "x.py", "y", "--wrong"])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"anyport {command}: ")
    assert error.endswith(f" (see anyport {command} --help)\n")
    assert error.count("\n") == 1


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "anyport", "-V"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"anyport {__version__}\n")


def test_a_terminal_is_not_told_what_to_do() -> None:
    """Names and texts come from servers that nobody here wrote."""
    assert plain("a\x1b[31mb\x07\x9b1m\r\n\tc\x7f") == "a\ufffd[31mb\ufffd\ufffd1m\ufffd\n\tc\ufffd"
