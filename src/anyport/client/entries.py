"""What a host configuration says of one server: its fields, read and checked, and where they lead."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from anyport.client.commands import startable
from anyport.client.destinations import Command, Endpoint, Pin
from anyport.client.variables import UnknownVariable, Variables, read_env_file
from anyport.protocol.errors import ConfigError, LocalProtocolError
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.protocol.urls import url_problem

logger = logging.getLogger("anyport.client")

_KNOWN: Final = frozenset(
    {"command", "args", "env", "envFile", "cwd", "url", "headers", "type", "transport", "disabled"}
)
_TYPES: Final[Mapping[str, Pin | None]] = {
    "stdio": None,
    "http": "http",
    "streamable-http": "http",
    "streamablehttp": "http",
    "streamable_http": "http",
    "sse": "sse",
}
_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")

Expand: TypeAlias = Callable[[str], str]
"""Fills in the variables of a text, or leaves them; raises `UnknownVariable`."""


class Started(Struct, frozen=True, kw_only=True):
    """A server that its host starts.

    Attributes:
        command: The program.
        args: Its arguments.
        env: Variables that are set; ``None`` for one that is taken away.
        env_file: A file with more variables, which count less.
        cwd: Directory that it starts in.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str | None] = {}
    env_file: str | None = None
    cwd: str | None = None


class Reached(Struct, frozen=True, kw_only=True):
    """A server that is at a URL.

    Attributes:
        url: The URL.
        transport: What it is for, where that is said.
        headers: Header fields of every request.
    """

    url: str
    transport: Pin | None = None
    headers: Mapping[str, str] = {}


class ServerEntry(Struct, frozen=True, kw_only=True):
    """What a configuration says of one server, as it stands there. It may be the target of a `Client`.

    Attributes:
        name: Its name.
        file: Where it stands, for messages.
        fields: What is said; variables are not filled in.
        variables: What they stand for.
        cwd: Where it starts if it does not say; ``None`` for this process's own directory.
    """

    name: str
    file: str
    fields: JsonObject
    variables: Variables
    cwd: str | None = None

    @property
    def disabled(self) -> bool:
        """Whether its host leaves it out."""
        return self.fields.get("disabled") is True

    def read(self, expand: Expand) -> Started | Reached:
        """Return what is said: every field of its type, and those that are needed.

        Args:
            expand: What becomes of variables.

        Raises:
            ConfigError: A field is missing or cannot be, or a variable has no value.
        """
        unknown = sorted(self.fields.keys() - _KNOWN)
        if unknown:
            logger.debug("%s: server %r: ignored %s", self.file, self.name, ", ".join(unknown))
        return _Fields(self, expand).read()

    def resolve(self) -> Command | Endpoint:
        """Return where it leads, with its variables filled in.

        Raises:
            ConfigError: A field is missing or cannot be, or a variable has no value.
        """
        said = self.read(self.variables.expand)
        label = f"{self.name} of {self.file}"
        if isinstance(said, Reached):
            self._check(said)
            return Endpoint(url=said.url, transport=said.transport, headers=said.headers, label=label)
        try:
            words = startable((said.command, *said.args))
        except LocalProtocolError as error:
            raise self.error("args", str(error)) from None
        env = {**self._env_file(said.env_file), **said.env}
        return Command(words=words, env=env, cwd=self._cwd(said.cwd), label=label)

    def error(self, field: str | None, reason: str) -> ConfigError:
        """Return an error about this server.

        Args:
            field: The field that it is about.
            reason: What is wrong, without the value.
        """
        where = f"{self.file}: server {self.name!r}" + (f": {field}" if field else "")
        return ConfigError(f"{where}: {reason}", file=self.file, server=self.name, field=field)

    def _check(self, said: Reached) -> None:
        problem = url_problem(said.url)
        if problem is not None:
            raise self.error("url", problem)
        for name, value in said.headers.items():
            if not _FIELD_VALUE.match(value):
                raise self.error(f"headers.{name}", "it has characters that HTTP does not allow")

    def _env_file(self, name: str | None) -> dict[str, str]:
        if name is None:
            return {}
        path = self.variables.workspace / name
        try:
            return read_env_file(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self.error("envFile", f"{path}: {reason}") from None

    def _cwd(self, name: str | None) -> str | None:
        if name is None:
            return self.cwd
        path = self.variables.workspace / name
        try:
            found = path.is_dir()
        except OSError:
            found = False
        if not found:
            raise self.error("cwd", f"no such directory: {path}")
        return str(path)


class _Fields:
    """Reads the fields of one server."""

    def __init__(self, entry: ServerEntry, expand: Expand) -> None:
        self._entry = entry
        self._fields = entry.fields
        self._expand = expand

    def read(self) -> Started | Reached:
        pin, is_url = self._kind()
        if is_url:
            return Reached(url=self._needed("url"), transport=pin, headers=self._headers())
        return Started(
            command=self._needed("command"),
            args=tuple(self._args()),
            env=self._texts("env"),
            env_file=self._text("envFile"),
            cwd=self._text("cwd"),
        )

    def _kind(self) -> tuple[Pin | None, bool]:
        """Return the transport that is named, and whether the server is at a URL."""
        field = "type" if "type" in self._fields else "transport"
        named = self._text(field)
        if named is None:
            if ("command" in self._fields) == ("url" in self._fields):
                raise self._entry.error(None, 'it needs either "command" or "url"')
            return None, "url" in self._fields
        kind = named.lower()
        if kind not in _TYPES:
            raise self._entry.error(
                field, f"unknown transport {named[:80]!r}; known are stdio, http, streamable-http, sse"
            )
        return _TYPES[kind], kind != "stdio"

    def _headers(self) -> dict[str, str]:
        return {name: value for name, value in self._texts("headers").items() if value is not None}

    def _args(self) -> list[str]:
        given = self._fields.get("args")
        if given is None:
            return []
        if not isinstance(given, list):
            raise self._entry.error("args", f"it is a list of texts, not {kind_of(given)}")
        return [self._expanded(f"args[{place}]", value) for place, value in enumerate(given)]

    def _needed(self, field: str) -> str:
        text = self._text(field)
        if not text:
            raise self._entry.error(field, "it is missing" if text is None else "it is empty")
        return text

    def _text(self, field: str) -> str | None:
        given = self._fields.get(field)
        return None if given is None else self._expanded(field, given)

    def _texts(self, field: str) -> dict[str, str | None]:
        given = self._fields.get(field)
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise self._entry.error(field, f"it maps names to texts, and is {kind_of(given)}")
        return {
            name: None if value is None else self._expanded(f"{field}.{name}", value) for name, value in given.items()
        }

    def _expanded(self, field: str, given: JsonValue) -> str:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            given = str(given)  # as VS Code does with a port
        if not isinstance(given, str):
            raise self._entry.error(field, f"it has to be text, not {kind_of(given)}")
        try:
            return self._expand(given)
        except UnknownVariable as error:
            raise self._entry.error(field, str(error)) from None


def kind_of(value: object) -> str:
    """Return what a JSON value is, and nothing of what it says."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a truth value"
    kind = type(value).__name__
    names = {"str": "text", "int": "a number", "float": "a number", "list": "a list", "dict": "an object"}
    return names.get(kind, kind)
