"""How the decorators of `FastMCP` register functions with an anyport server."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final, TypeVar, cast

import msgspec

from anyport.compat.fastmcp.adapting import AnyFunction, adapted, struct_of
from anyport.compat.fastmcp.honesty import NotHonoured, refuse, warn
from anyport.compat.fastmcp.server.options import COMPONENT_REFUSED, OnDuplicate
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.declarations import DeclarationError, name_of
from anyport.server.functions import description_of
from anyport.server.prompts import PromptOptions, Prompts
from anyport.server.resources import ResourceOptions, Resources
from anyport.server.tools import ToolOptions, Tools
from anyport.types import Annotations, Icon, ToolAnnotations

FunctionT = TypeVar("FunctionT", bound=AnyFunction)
StructT = TypeVar("StructT", bound=msgspec.Struct)

Options = Mapping[str, object]
Names = Mapping[str, object]

_SEVERAL_SEGMENTS: Final = re.compile(r"\{(\w+)\*\}")


class Components:
    """The registering half of `FastMCP`.

    Attributes:
        on_duplicate: What becomes of a second tool, resource or prompt of one name.
    """

    tools: Tools
    resources: Resources
    prompts: Prompts
    on_duplicate: dict[str, OnDuplicate]
    _second_wins: ClassVar[bool] = True

    def _decorate(
        self,
        register: Callable[[AnyFunction, Options, Names], None],
        given: str | FunctionT | None,
        options: Options,
        names: Names,
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Register a function at once, or return what registers the one below the decorator."""

        def decorate(options: Options, function: FunctionT) -> FunctionT:
            register(function, options, names)
            return function

        if given is None or isinstance(given, str):
            named = options if given is None else {**options, "name": given}
            return functools.partial(decorate, named)
        return decorate(options, given)

    def _register_tool(self, function: AnyFunction, options: Options, names: Names) -> None:
        given = dict(options)
        on_loop = given.pop("run_in_thread", True) is False
        structured = given.pop("structured_output", None) is not False
        if "output_schema" in given and given["output_schema"] is None:
            structured = False
        annotations = struct_of(given.pop("annotations", None), ToolAnnotations)
        more = {name: given.pop(name) for name in _OF_TOOLS if name in given}
        common = self._common("tool", function, given)
        if common is None or not self._is_free("tool", cast("str", common["name"]), self.tools.catalogue.entries):
            return
        if more.get("timeout", ...) is None:
            del more["timeout"]
        make = cast("Callable[..., ToolOptions]", ToolOptions)
        found = make(**common, **more, annotations=annotations, structured_output=structured)
        self.tools.add(adapted(function, names, on_loop=on_loop), found, names)

    def _register_resource(self, uri: str) -> Callable[[AnyFunction, Options, Names], None]:
        # What the other library writes with a star is a plus in RFC 6570.
        template = _SEVERAL_SEGMENTS.sub(r"{+\1}", uri)

        def register(function: AnyFunction, options: Options, names: Names) -> None:
            given = dict(options)
            annotations = struct_of(given.pop("annotations", None), Annotations)
            more = {name: given.pop(name) for name in _OF_RESOURCES if name in given}
            common = self._common("resource", function, given)
            taken = {*self.resources.static.entries, *self.resources.templates.entries}
            if common is None or not self._is_free("resource", template, taken):
                return
            more = {name: value for name, value in more.items() if value is not None}
            found = cast("Callable[..., ResourceOptions]", ResourceOptions)(**common, **more, annotations=annotations)
            self.resources.add(template, adapted(function, names), found, names)

        return register

    def _register_prompt(self, function: AnyFunction, options: Options, names: Names) -> None:
        common = self._common("prompt", function, dict(options))
        if common is None or not self._is_free("prompt", cast("str", common["name"]), self.prompts.catalogue.entries):
            return
        found = cast("Callable[..., PromptOptions]", PromptOptions)(**common)
        self.prompts.add(adapted(function, names), found, names)

    def _common(self, kind: str, function: AnyFunction, given: dict[str, object]) -> dict[str, object] | None:
        """Return the options that all kinds have; ``None`` for one that is not to be there."""
        meta = dict(cast("JsonObject", given.pop("meta", None) or {}))
        tags, version = given.pop("tags", None), given.pop("version", None)
        about: JsonObject = {}
        if tags:
            about["tags"] = cast("list[JsonValue]", sorted(cast("Iterable[str]", tags)))
        if version is not None:
            about["version"] = str(version)
        if about:
            meta["fastmcp"] = about
        found: dict[str, object] = {
            "name": given.pop("name", None) or name_of(function),
            "title": given.pop("title", None),
            "description": given.pop("description", None) or description_of(function),
            "icons": self._structs(cast("Sequence[object] | None", given.pop("icons", None)), Icon),
            "meta": meta or None,
        }
        enabled = given.pop("enabled", None)
        refuse(f"{kind} {found['name']!r}", given, COMPONENT_REFUSED)
        return None if enabled is False else found

    def _is_free(self, kind: str, name: str, taken: Iterable[str]) -> bool:
        """Whether a name is to be registered; what has it already is taken out."""
        if name not in taken:
            return True
        what = self.on_duplicate[kind]
        if what == "error":
            return True  # and is refused, with file and line
        if what == "ignore":
            return False
        if what == "warn":
            served = "second" if self._second_wins else "first"
            warn(f"the {kind} {name!r} is registered twice; the {served} one is what is served")
            if not self._second_wins:
                return False
        {"tool": self.tools.remove, "resource": self.resources.remove, "prompt": self.prompts.remove}[kind](name)
        return True

    def _structs(self, values: Sequence[object] | None, kind: type[StructT]) -> list[StructT]:
        return [found for value in values or () if (found := struct_of(value, kind)) is not None]

    def _check_uri(self, uri: object) -> None:
        if not isinstance(uri, str):
            raise DeclarationError(cast("AnyFunction", uri), 'a resource needs its URI: @mcp.resource("data://items")')

    def _check_function(self, method: str, function: object) -> None:
        if not callable(function) or hasattr(function, "parameters"):
            raise NotHonoured(f"{method}: a {type(function).__name__} is not taken here: give the function itself")


_OF_TOOLS: Final = ("timeout", "max_concurrency", "resumable", "input_schema")
_OF_RESOURCES: Final = ("mime_type", "size", "cache_ttl", "cache_scope")
