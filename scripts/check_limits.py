"""The limits that no linter has: sizes, names, broad excepts, reasons, paths of a machine.

    python scripts/check_limits.py [ROOT]

Prints one line `path:line: what is wrong` for each finding and ends with status 1 if there is any. The limits are never
raised; an exception is a row of `BROAD_EXCEPTS`, with its date and reason, or a comment with a reason beside the line.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_LINES = 400
LONG_FILES = ("src/anyport/protocol/types.py", "src/anyport/protocol/types/")
"""Prefixes of files that may be longer: every type of every revision, one after the other."""

FORBIDDEN_MODULES = frozenset(
    {"util", "utils", "common", "shared", "core", "base", "helper", "helpers", "lowlevel", "misc"}
)
ALLOWED_MODULES = frozenset({"src/anyport/stores/base.py", "src/anyport/compat/mcp/server/fastmcp/prompts/base.py"})
"""The contract of the stores has no other name that it could have; a path of `mcp` is mirrored."""

FORBIDDEN_SUFFIXES = ("Manager", "Helper", "Util", "Utils", "Impl", "Mixin", "Handler", "Base")

MAX_BROAD_EXCEPTS = 3
REVISION = re.compile(r"20\d\d-\d\d-\d\d")
REVISIONS_MODULE = "src/anyport/protocol/revisions.py"

# A suppression, and the reason that has to follow it on the same line.
SUPPRESSION = re.compile(
    r"#\s*(?P<what>noqa|type:\s*ignore|pyright:\s*ignore)"
    r"(?P<codes>\s*:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*|\s*\[[^\]]*\])?(?P<rest>.*)",
    re.IGNORECASE,
)
WHOLE_FILE = re.compile(r"#\s*(ruff|flake8):\s*noqa|#\s*pyright:\s*(basic|standard|strict|report\w+\s*=)|#\s*mypy:")
MIN_REASON_WORDS = 2

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root/|work/|tmp/w/|home/(?!user\b)\w|Users/\w)|\b[A-Z]:\\+Users\\")
TEXT_SUFFIXES = frozenset(
    {".cfg", ".ini", ".js", ".json", ".lua", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
)
SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "build", "dist"})


@dataclass(frozen=True, slots=True)
class BroadExcept:
    """One place that may catch `Exception` or more and carry on.

    Attributes:
        place: `path::qualified.name` of the function.
        date: When it was allowed.
        reason: Why nothing narrower will do.
    """

    place: str
    date: str
    reason: str


BROAD_EXCEPTS: tuple[BroadExcept, ...] = (
    BroadExcept(
        "src/anyport/server/tools.py::Tools.call_encoded",
        "2026-11-21",
        "a tool may raise anything: the model is told, the log has the traceback",
    ),
    BroadExcept(
        "src/anyport/server/tools.py::Tools._answer",
        "2026-11-30",
        "the same, where a call is answered that nobody needs to see",
    ),
    BroadExcept(
        "src/anyport/server/threads.py::_Job.work",
        "2026-11-21",
        "whatever is raised in a thread belongs to the call that waits for it in another",
    ),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file of the project.

    Attributes:
        path: Relative to the root, with forward slashes.
        text: What it says.
        tree: The same, parsed.
    """

    path: str
    text: str
    tree: ast.Module

    @property
    def is_product(self) -> bool:
        """Tell whether users get it."""
        return self.path.startswith("src/")


Finding = tuple[str, int, str]
Check = Callable[[Source], Iterator[Finding]]


def check_size(source: Source) -> Iterator[Finding]:
    """A file under `MAX_LINES` lines."""
    lines = source.text.count("\n")
    if lines > MAX_LINES and not source.path.startswith(LONG_FILES):
        yield source.path, lines, f"{lines} lines; the limit is {MAX_LINES}: it holds more than one thing"


def check_module_name(source: Source) -> Iterator[Finding]:
    """A name that says what is inside."""
    if source.path in ALLOWED_MODULES:
        return
    path = PurePosixPath(source.path)
    for name in (*path.parent.parts, path.stem):
        if name in FORBIDDEN_MODULES:
            yield source.path, 1, f"a module called {name!r} says nothing about what is in it"


def check_class_names(source: Source) -> Iterator[Finding]:
    """No class named after what it is not; an abstract base class may end in Base."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ClassDef) or not node.name.endswith(FORBIDDEN_SUFFIXES):
            continue
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        if node.name.endswith("Base") and bases & {"ABC", "Protocol"}:
            continue
        # http.server and logging name their own classes so; a subclass is one of them.
        if not any(base.endswith(FORBIDDEN_SUFFIXES) for base in bases):
            yield source.path, node.lineno, f"class {node.name}: the ending says nothing about what it is"


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Yield every except clause with the qualified name of the function around it."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}" if prefix else node.name
        if isinstance(node, ast.ExceptHandler):
            yield name, node
        yield from functions(node, name)


def is_broad(clause: ast.ExceptHandler) -> bool:
    """Tell whether a clause catches `Exception` or more and does not raise at its end."""
    if clause.type is None:
        caught = {"BaseException"}
    else:
        parts = clause.type.elts if isinstance(clause.type, ast.Tuple) else [clause.type]
        caught = {ast.unparse(part).rpartition(".")[2] for part in parts}
    if not caught & {"Exception", "BaseException", "BaseExceptionGroup", "ExceptionGroup"}:
        return False
    return not isinstance(clause.body[-1], ast.Raise)


def check_broad_excepts(source: Source, entries: tuple[BroadExcept, ...]) -> Iterator[Finding]:
    """A broad `except` only where the list of exceptions has it."""
    if not source.is_product:
        return
    allowed = {entry.place for entry in entries}
    for name, clause in functions(source.tree):
        if is_broad(clause) and f"{source.path}::{name}" not in allowed:
            yield source.path, clause.lineno, f"broad except in {name or 'the module'}: catch what can happen"


def check_versions(source: Source) -> Iterator[Finding]:
    """Revisions are compared in one module; elsewhere a property of the row is asked."""
    if not source.is_product or source.path == REVISIONS_MODULE:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Compare):
            continue
        values = [side.value for side in ast.walk(node) if isinstance(side, ast.Constant)]
        if any(isinstance(value, str) and REVISION.fullmatch(value) for value in values):
            yield source.path, node.lineno, "a revision is compared here: give revisions.py a column instead"


def check_suppressions(source: Source) -> Iterator[Finding]:
    """A suppression names its rule and gives its reason on the line."""
    lines = iter(source.text.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(lines, "")):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if WHOLE_FILE.search(token.string):
            yield source.path, line, "a rule is switched off for a whole file: pyproject.toml is the place for that"
            continue
        found = SUPPRESSION.search(token.string)
        if not found:
            continue
        if not found["codes"]:
            yield source.path, line, f"{found['what']} names no rule"
        elif len(re.findall(r"\w+", found["rest"])) < MIN_REASON_WORDS:
            yield source.path, line, f"{found['what']} gives no reason: add ` - why`"


CHECKS: tuple[Check, ...] = (
    check_size,
    check_module_name,
    check_class_names,
    check_versions,
    check_suppressions,
)


def check_exceptions(root: Path, entries: tuple[BroadExcept, ...]) -> Iterator[Finding]:
    """The list of exceptions is short, dated, reasoned and about places that exist."""
    here = "scripts/check_limits.py"
    if len(entries) > MAX_BROAD_EXCEPTS:
        yield here, 1, f"{len(entries)} broad excepts are listed; the limit is {MAX_BROAD_EXCEPTS}"
    for entry in entries:
        path, _, name = entry.place.partition("::")
        if not REVISION.fullmatch(entry.date) or not entry.reason:
            yield here, 1, f"{entry.place} needs a date and a reason"
        file = root / path
        present = file.exists() and any(
            is_broad(clause) and place == name for place, clause in functions(ast.parse(file.read_text("utf-8")))
        )
        if not present:
            yield here, 1, f"{entry.place} has no broad except any more: remove the row"


def project_files(root: Path) -> Iterator[Path]:
    """Yield every file that belongs to the project, sorted; what is hidden or installed does not."""
    for path in sorted(root.iterdir()):
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS and (not path.name.startswith(".") or path.name == ".ci"):
                yield from project_files(path)
        elif path.is_file() and path.name != ".git":  # a file in a linked work tree: where its repository is
            yield path


def check_paths(root: Path, path: Path) -> Iterator[Finding]:
    """No text of the project knows the machine that it was written on."""
    name = path.relative_to(root).as_posix()
    if path.suffix not in TEXT_SUFFIXES or name in {"scripts/check_limits.py", "tests/gates/test_check_limits.py"}:
        return
    checkout = str(root.resolve())
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        if MACHINE_PATH.search(line) or (len(checkout) > len("/src/app") and checkout in line):
            yield name, number, "a path of somebody's machine"


def check(root: Path, entries: tuple[BroadExcept, ...]) -> list[Finding]:
    """Run every check.

    Args:
        root: The checkout.
        entries: The broad excepts that are allowed.

    Returns:
        Path, line and message of each finding, in the order of the files.
    """
    findings: list[Finding] = []
    for path in project_files(root):
        findings.extend(check_paths(root, path))
        if path.suffix != ".py":
            continue
        text = path.read_text("utf-8")
        source = Source(path.relative_to(root).as_posix(), text, ast.parse(text))
        for each in CHECKS:
            findings.extend(each(source))
        findings.extend(check_broad_excepts(source, entries))
    findings.extend(check_exceptions(root, entries))
    return findings


def main(arguments: list[str], entries: tuple[BroadExcept, ...] = BROAD_EXCEPTS) -> int:
    """Check a checkout and print what was found.

    Args:
        arguments: The checkout; default: the one that this script is in.
        entries: The broad excepts that are allowed.

    Returns:
        1 if there is a finding, else 0.
    """
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    findings = check(root, entries)
    for path, line, message in findings:
        print(f"{path}:{line}: {message}")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
