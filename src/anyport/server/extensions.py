"""Extensions of the protocol: what a server declares, and the methods that come with it (2026-07-28; VER-12).

Revisions before that have no way to declare one: there an extension does not exist, and the server keeps to the core.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from anyport.protocol.calls import Call, Reply, Service
from anyport.protocol.errors import InvalidRequest, LocalProtocolError, McpError, MissingClientCapability
from anyport.protocol.jsonrpc import ResultLike, encode_json
from anyport.protocol.methods import METHODS
from anyport.protocol.types.json import JsonObject
from anyport.server.declarations import DeclarationError

_LABEL: Final = r"[A-Za-z](?:[A-Za-z0-9\-]*[A-Za-z0-9])?"
# The rules of `_meta` keys, with a prefix that must be there (basic, "_meta").
_ID: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*/[A-Za-z0-9](?:[A-Za-z0-9._\-]*[A-Za-z0-9])?\Z")
_CORE: Final = frozenset(method.name for method in METHODS)


class Extensions:
    """The extensions of a server.

    Args:
        extend: Adds a method to those that the server answers.

    Attributes:
        mounted: Those of mounted servers.
    """

    def __init__(self, extend: Callable[[str, Service], None]) -> None:
        self._extend = extend
        self._settings: dict[str, JsonObject] = {}
        self._methods: set[str] = set()
        self.mounted: list[Extensions] = []

    @property
    def version(self) -> int:
        """Counts the changes, also of what is mounted."""
        return len(self._settings) + sum(other.version for other in self.mounted)

    @property
    def settings(self) -> dict[str, JsonObject]:
        """What is declared, by extension; our own settings come before those of mounted servers."""
        declared: dict[str, JsonObject] = {}
        for other in self.mounted:
            declared = {**other.settings, **declared}
        return {**declared, **self._settings}

    def has_method(self, method: str) -> bool:
        """Whether a method is one of an extension, here or in what is mounted."""
        return method in self._methods or any(other.has_method(method) for other in self.mounted)

    def add(self, name: str, settings: JsonObject, methods: Mapping[str, Service]) -> None:
        """Declare an extension.

        Args:
            name: Its id.
            settings: What is declared about it.
            methods: What answers its methods.

        Raises:
            LocalProtocolError: The id cannot be one or is there, the settings have no JSON form, a method is taken.
            DeclarationError: What answers a method is no ``async def`` of two arguments.
        """
        if not _ID.match(name):
            raise LocalProtocolError(f"{name!r} is no id of an extension: a prefix, a slash, a name (io.example/thing)")
        if name in self._settings:
            raise LocalProtocolError(f"the extension {name} is declared already")
        try:
            encode_json(settings)
        except (McpError, msgspec.MsgspecError, TypeError, ValueError) as error:
            raise LocalProtocolError(f"the settings of {name} have no JSON form: {error}") from None
        for method, function in methods.items():
            if method in _CORE or method in self._methods or not method.isprintable() or not method:
                raise LocalProtocolError(f"{method!r} is a method of the protocol, or of another extension, or no name")
            _check(function)
        self._settings[name] = settings
        for method, function in methods.items():
            self._methods.add(method)
            self._extend(method, _guarded(name, function))


def client_settings(call: Call, name: str) -> JsonObject | None:
    """Return what the client of a call declares about an extension; ``None`` where it does not speak it.

    Args:
        call: The call.
        name: Id of the extension.
    """
    declared = call.capabilities.get("extensions")
    settings = declared.get(name) if isinstance(declared, dict) else None
    return settings if isinstance(settings, dict) else None


def require_extension(call: Call, name: str) -> JsonObject:
    """Return what the client declares about an extension that a call cannot do without.

    Raises:
        MissingClientCapability: It does not speak the extension (META-05).
        InvalidRequest: The same, in a revision that has no such error.
    """
    settings = client_settings(call, name)
    if settings is None:
        if call.revision.modern:
            raise MissingClientCapability({"extensions": {name: {}}})
        raise InvalidRequest(f"This needs a client that speaks the extension {name}")
    return settings


def _guarded(name: str, function: Service) -> Service:
    async def answer(call: Call, reply: Reply) -> ResultLike:
        require_extension(call, name)
        return await function(call, reply)

    return answer


def _check(function: Service) -> None:
    routine = function if inspect.isroutine(function) else type(function).__call__
    if not inspect.iscoroutinefunction(routine):
        raise DeclarationError(function, "a method is an async def: async def method(call, reply)")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        raise DeclarationError(function, "a method takes two arguments: call, reply") from None
