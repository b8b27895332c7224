"""scripts/check_limits.py finds each thing that it is there for, and nothing in a file that is in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_limits import BroadExcept, check, main

LONG = "x = 1\n" * 401
CAREFUL = '''"""A module."""


def careful() -> int:
    """Catch what can happen, and clean up after the rest."""
    try:
        return int("1")
    except ValueError:
        return 0
    except BaseException:
        print("cleaning up")
        raise
'''
SWALLOWS = "class A:\n    def f(self):\n        try:\n            pass\n        except Exception:\n            pass\n"


def findings(root: Path, path: str, text: str, *entries: BroadExcept) -> list[str]:
    """Write one file and return what is found, without the path and line."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return [message for _, _, message in check(root, entries)]


@pytest.mark.parametrize(
    ("path", "text", "part"),
    [
        ("src/anyport/server/tools.py", LONG, "the limit is 400"),
        ("tests/server/test_tools.py", LONG, "the limit is 400"),
        ("src/anyport/server/utils.py", "", "'utils'"),
        ("src/anyport/core/tools.py", "", "'core'"),
        ("src/anyport/stores/sqlite/base.py", "", "'base'"),
        ("tests/server/helpers.py", "", "'helpers'"),
        ("src/anyport/server/tools.py", "class ToolManager: ...\n", "class ToolManager"),
        ("src/anyport/server/tools.py", "class ToolBase: ...\n", "class ToolBase"),
        ("src/anyport/server/tools.py", "class CallMixin(Tool): ...\n", "class CallMixin"),
        ("src/anyport/server/tools.py", SWALLOWS, "broad except in A.f"),
        ("src/anyport/server/tools.py", "try:\n    pass\nexcept:\n    pass\n", "broad except in the module"),
        ("src/anyport/server/tools.py", "try:\n    pass\nexcept (OSError, Exception):\n    x = 1\n", "broad except"),
        ("src/anyport/server/tools.py", "try:\n    pass\nexcept* BaseException:\n    x = 1\n", "broad except"),
        ("src/anyport/server/tools.py", 'old = v < "2025-06-18"\n', "a revision is compared"),
        ("src/anyport/server/tools.py", 'old = v in ("2025-03-26", "2025-06-18")\n', "a revision is compared"),
        ("src/anyport/server/tools.py", "x = 1  # noqa\n", "names no rule"),
        ("src/anyport/server/tools.py", "x = 1  # noqa: E501\n", "gives no reason"),
        ("src/anyport/server/tools.py", "x = 1  # noqa: E501, F401 - why\n", "gives no reason"),
        ("src/anyport/server/tools.py", "x = 1  # type: ignore\n", "names no rule"),
        ("src/anyport/server/tools.py", "x = 1  # type: ignore[attr-defined]\n", "gives no reason"),
        ("tests/server/test_tools.py", "x = 1  # pyright: ignore\n", "names no rule"),
        ("tests/server/test_tools.py", "x = 1  # pyright: ignore[reportX, reportY]\n", "gives no reason"),
        ("src/anyport/server/tools.py", "# ruff: noqa: E501\n", "whole file"),
        ("src/anyport/server/tools.py", "# pyright: basic\n", "whole file"),
        ("src/anyport/server/tools.py", "# pyright: reportUnknownMemberType=false\n", "whole file"),
        ("README.md", "cd /home/somebody/checkout\n", "somebody's machine"),
        (".ci/run", "cd /root/checkout\n", "somebody's machine"),
        ("adr/0001-a.md", "open C:\\Users\\somebody\n", "somebody's machine"),
    ],
)
def test_finds(tmp_path: Path, path: str, text: str, part: str) -> None:
    found = findings(tmp_path, path, text)
    assert len(found) == 1, found
    assert part in found[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/anyport/server/tools.py", "x = 1\n" * 400),
        ("src/anyport/protocol/types.py", LONG),
        ("src/anyport/protocol/types/content.py", LONG),
        ("src/anyport/stores/base.py", ""),
        ("src/anyport/server/tools.py", "class ToolBase(abc.ABC): ...\n"),
        ("src/anyport/server/tools.py", "class JsonLines(logging.Handler): ...\n"),
        ("tests/http/test_peer.py", "class PeerHandler(http.server.BaseHTTPRequestHandler): ...\n"),
        ("src/anyport/server/tools.py", CAREFUL),
        ("tests/server/test_tools.py", SWALLOWS),
        ("src/anyport/protocol/revisions.py", 'old = v < "2025-06-18"\n'),
        ("src/anyport/server/tools.py", 'default = "2025-06-18"\n'),
        ("tests/server/test_tools.py", 'assert v == "2025-06-18"\n'),
        ("src/anyport/server/tools.py", "x = 1  # noqa: E501 - a table reads better\n"),
        ("src/anyport/server/tools.py", "x = 1  # type: ignore[attr-defined]  # a documented hook\n"),
        ("src/anyport/server/tools.py", "x = 1  # pyright: ignore[reportX, reportY] - a documented hook\n"),
        ("src/anyport/server/tools.py", 'x = "# noqa"\n'),
        ("README.md", "file:///home/user/notes, /usr/bin, https://example.com/root/x, ./work/x\n"),
        ("node_modules/x/utils.py", LONG),
        (".venv/utils.py", LONG),
        (".git", "gitdir: /home/somebody/checkout/.git/worktrees/x\n"),
    ],
)
def test_finds_nothing(tmp_path: Path, path: str, text: str) -> None:
    assert findings(tmp_path, path, text) == []


def test_the_checkout_itself_is_a_path_of_a_machine(tmp_path: Path) -> None:
    assert findings(tmp_path, "README.md", f"cd {tmp_path.resolve()}\n") == ["a path of somebody's machine"]


def test_a_listed_broad_except_is_allowed(tmp_path: Path) -> None:
    entry = BroadExcept("src/anyport/a.py::A.f", "2026-01-31", "user code may raise anything")
    assert findings(tmp_path, "src/anyport/a.py", SWALLOWS, entry) == []


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ([BroadExcept("src/anyport/a.py::A.f", "soon", "user code")], "needs a date and a reason"),
        ([BroadExcept("src/anyport/a.py::A.f", "2026-01-31", "")], "needs a date and a reason"),
        (
            [
                BroadExcept("src/anyport/a.py::A.f", "2026-01-31", "user code"),
                BroadExcept("src/anyport/a.py::A.g", "2026-01-31", "gone"),
            ],
            "remove the row",
        ),
        ([BroadExcept("src/anyport/a.py::A.f", "2026-01-31", "user code")] * 4, "the limit is 3"),
    ],
)
def test_the_list_of_exceptions_is_kept_in_order(tmp_path: Path, entries: list[BroadExcept], part: str) -> None:
    found = findings(tmp_path, "src/anyport/a.py", SWALLOWS, *entries)
    assert len(found) == 1, found
    assert part in found[0]


def test_the_command_prints_what_it_finds_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)], ()) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "utils.py").write_text("", encoding="utf-8")
    assert main([str(tmp_path)], ()) == 1
    assert capsys.readouterr().out.startswith("utils.py:1: ")
