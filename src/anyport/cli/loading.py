"""From a Python file to the server that it defines."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from anyport.app import Server
from anyport.cli.parsing import CommandError
from anyport.protocol.errors import AnyportError
from anyport.serving.application import Application
from anyport.serving.run import taken_over

_OWN: Final = str(Path(__file__).resolve().parent.parent)
_NAMED: Final = re.compile(r"(?P<path>.+):(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\Z", re.DOTALL)
_USUAL_NAMES: Final = ("server", "mcp", "app")


class ServerFile:
    """A file that defines a server, as a user names it: ``FILE`` or ``FILE:OBJECT``.

    Args:
        target: What was typed.

    Raises:
        CommandError: There is no such file.
    """

    def __init__(self, target: str) -> None:
        found = None if Path(target).exists() else _NAMED.match(target)
        self.path = Path(found["path"] if found else target)
        self.name = found["name"] if found else None
        if not self.path.exists():
            raise CommandError(f"no such file: {self.path}")
        if not self.path.is_file():
            raise CommandError(f"not a file: {self.path}")
        self._module: ModuleType | None = None
        self._serve: Callable[[Application], None] | None = None
        self._served = False

    def serve(self, serve: Callable[[Application], None]) -> None:
        """Load the file and serve its server.

        A file that calls ``server.run()`` while it is loaded is served right there, so that what it does around
        that call stays around it; but as the command line says, not as the call says.

        Args:
            serve: Serves a server until it is served out.

        Raises:
            CommandError: The file cannot be loaded, or it is not clear which server is meant.
        """
        self._serve = serve
        module = self._load()
        if not self._served:
            serve(self._find(module))

    def _load(self) -> ModuleType:
        folder, name = str(self.path.resolve().parent), self.path.stem
        if name in sys.modules:
            # A file may be called like a module that is imported already, which must stay who it is.
            name = f"{name} of {folder}"
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise CommandError(f"not a Python file: {self.path}")
        sys.path.insert(0, folder)
        sys.argv = [str(self.path)]
        self._module = module = importlib.util.module_from_spec(spec)
        # Where type hints and pickle look the module up.
        sys.modules[name] = module
        try:
            with taken_over(self._take):
                spec.loader.exec_module(module)
        except CommandError:
            raise
        except AnyportError as error:
            raise CommandError(str(error)) from error
        except Exception as error:
            raise CommandError(f"{self.path} cannot be loaded\n{own_traceback(error)}") from error
        return module

    def _take(self, application: Application) -> None:
        """Take what the file itself runs, unless another of its servers was asked for by name."""
        if self._serve is None or (self.name is not None and self._named(self.name) is not application):
            return
        self._served = True
        self._serve(application)

    def _find(self, module: ModuleType) -> Server:
        if self.name is not None:
            return self._check(self.name)
        found = {name: value for name, value in vars(module).items() if isinstance(value, Server)}
        if not found:
            raise CommandError(f"{self.path} defines no Server at module level, such as: server = Server('name')")
        if len({id(value) for value in found.values()}) == 1:
            return next(iter(found.values()))
        usual = next((found[name] for name in _USUAL_NAMES if name in found), None)
        if usual is None:
            names = ", ".join(found)
            raise CommandError(
                f"{self.path} defines several servers ({names}); name one: {self.path}:{next(iter(found))}"
            )
        return usual

    def _check(self, name: str) -> Server:
        value = self._named(name)
        if isinstance(value, Server):
            return value
        if value is None:
            raise CommandError(f"{self.path} defines no {name}")
        raise CommandError(f"{name} in {self.path} is no Server but of type {type(value).__name__}")

    def _named(self, name: str) -> object:
        value: object = self._module
        for part in name.split("."):
            value = getattr(value, part, None)
        return value


def own_traceback(error: BaseException) -> str:
    """Return the traceback of an exception in a user's code, without the frames of anyport and of the importer."""
    shown = traceback.TracebackException.from_exception(error, compact=True)
    _strip(shown)
    lines = shown.format() if shown.stack or shown.__cause__ or shown.__context__ else shown.format_exception_only()
    return "".join(lines).rstrip()


def _strip(shown: traceback.TracebackException) -> None:
    frames = [frame for frame in shown.stack if not frame.filename.startswith((_OWN, "<frozen importlib"))]
    shown.stack = traceback.StackSummary.from_list(frames)
    for linked in (shown.__cause__, shown.__context__):
        if linked is not None:
            _strip(linked)
