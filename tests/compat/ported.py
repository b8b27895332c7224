"""Code that was written for the other libraries, with its imports changed and nothing else."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

SNIPPETS = Path(__file__).with_name("snippets")
_IMPORT = re.compile(r"^(from|import) (?=fastmcp\b|mcp\b)", re.MULTILINE)


def original(name: str) -> Path:
    """Return a snippet as it was written."""
    return SNIPPETS / f"{name}.py"


def ported(name: str, folder: Path) -> Path:
    """Return a snippet with its imports changed; each line of it that is no import is as it was."""
    text = original(name).read_text("utf-8")
    changed = _IMPORT.sub(r"\1 anyport.compat.", text)
    for before, after in zip(text.splitlines(), changed.splitlines(), strict=True):
        assert before == after or after.startswith(("from anyport.compat.", "import anyport.compat."))
    file = folder / f"{name}.py"
    file.write_text(changed, encoding="utf-8")
    return file


def loaded(name: str, folder: Path) -> ModuleType:
    """Return a snippet as a module, its imports changed."""
    file = ported(name, folder)
    spec = importlib.util.spec_from_file_location(f"ported_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where annotations that are texts are looked up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
