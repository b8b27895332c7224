"""Completions: what the arguments of prompts and the variables of URI templates may be, as they are typed (CMP-01).

An argument that has a list of values (a ``Literal``, an enumeration, a truth value) completes itself; a function that
is registered for an argument takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, cast

import msgspec
from msgspec import Struct

from anyport.protocol.calls import Call, Reply
from anyport.protocol.errors import InvalidParams, LocalProtocolError, MethodNotFound
from anyport.protocol.types import CompleteRequestParams, CompleteResult, Completion, PromptReference
from anyport.protocol.types.json import JsonObject
from anyport.server.context import Surroundings
from anyport.server.declarations import DeclarationError
from anyport.server.functions import Functions
from anyport.server.prompts import Prompts
from anyport.server.resources import Resources
from anyport.server.signature import AnyFunction, Signature, compile_signature
from anyport.server.text_arguments import choices_of, properties_of

MAX_VALUES: Final = 100
"""Most suggestions in one answer (2026-07-28, completion, "Completion Results")."""

Target = Literal["prompt", "template"]
_Key = tuple[Target, str, str]


class RegisteredCompletion(Struct, frozen=True):
    """A function that completes one argument.

    Attributes:
        target: Schema of the arguments that it was registered for: this very object. A prompt that was removed and
            registered anew has another one, and nothing to do with what completed the old one.
        function: What the author wrote.
        signature: Its compiled parameters.
        value: Name of the parameter that takes what was typed.
        others: Name of the one that takes the arguments that are known already; ``None`` where there is none.
    """

    target: JsonObject
    function: AnyFunction
    signature: Signature
    value: str
    others: str | None


class Completions:
    """The completions of a server.

    Args:
        server: What contexts tell of the server.
        functions: Runs what authors wrote.
        prompts: The prompts whose arguments are completed.
        resources: The templates whose variables are completed.

    Attributes:
        mounted: Those of mounted servers.
    """

    def __init__(self, server: Surroundings, functions: Functions, prompts: Prompts, resources: Resources) -> None:
        self._server = server
        self._functions = functions
        self._prompts = prompts
        self._resources = resources
        self._completions: dict[_Key, RegisteredCompletion] = {}
        self._changes = 0
        self.mounted: list[Completions] = []

    @property
    def version(self) -> int:
        """Counts the changes, also of what is mounted."""
        return self._changes + sum(other.version for other in self.mounted)

    @property
    def offered(self) -> bool:
        """Whether anything can be completed: the capability (since 2025-03-26)."""
        return (
            bool(self._completions)
            or any(choices_of(schema, name) for schema in self._schemas() for name in properties_of(schema))
            or any(other.offered for other in self.mounted)
        )

    @property
    def uses_context(self) -> bool:
        """Whether any of their functions can report and log."""
        return any(entry.signature.uses_context for entry in self._completions.values()) or any(
            other.uses_context for other in self.mounted
        )

    def add(self, target: str, argument: str, function: AnyFunction, names: Mapping[str, object] | None = None) -> None:
        """Compile and register a function.

        Args:
            target: Name of a prompt, or a URI template, that is registered already.
            argument: Its argument or variable.
            function: Takes what was typed, and gives suggestions.
            names: Names beside the function's globals that its annotations may use.

        Raises:
            DeclarationError: It cannot work: nothing of that name, no such argument, one that has a completion.
        """
        key, schema = self._key(target, argument, function)
        held = self._completions.get(key)
        if held is not None and held.target is schema:
            raise DeclarationError(function, f"{argument!r} of {target!r} has a completion already")
        self._completions[key] = _compile(schema, function, names or {})
        self._changes += 1

    def remove(self, target: str, argument: str) -> None:
        """Take a function out; the argument completes itself again, where it can.

        Args:
            target: Name of the prompt, or URI template.
            argument: Its argument or variable.

        Raises:
            LocalProtocolError: It has no function.
        """
        found = [key for key in self._completions if key[1:] == (target, argument)]
        if not found:
            raise LocalProtocolError(f"{argument!r} of {target!r} has no completion")
        del self._completions[found[0]]
        self._changes += 1

    async def complete(self, call: Call, reply: Reply) -> CompleteResult:
        """Answer ``completion/complete``: at most `MAX_VALUES` suggestions, none for an argument that has none."""
        if not (self._prompts.version or self._resources.version):
            raise MethodNotFound(call.method)
        request = _request_of(call.params)
        key, schema = self._find(request)
        argument, known = request.argument, request.context.arguments if request.context is not None else None
        entry = None if key is None else self._completions.get(key)
        if entry is None or entry.target is not schema:
            typed = argument.value.casefold()
            choices = choices_of(schema, argument.name)
            return _result([choice for choice in choices if choice.casefold().startswith(typed)])
        arguments: dict[str, object] = {entry.value: argument.value}
        if entry.others is not None:
            arguments[entry.others] = known or {}
        context = self._server.context_type(call, reply, self._server)
        with self._functions.reported("completion", f"of {argument.name}"):
            return _result(await self._functions.run_whole(entry.function, entry.signature, arguments, context))

    def _schemas(self) -> Iterator[JsonObject]:
        yield from (prompt.signature.schema for prompt in self._prompts)
        yield from (entry.reader.signature.schema for entry in self._resources.templates)

    def _key(self, target: str, argument: str, function: AnyFunction) -> tuple[_Key, JsonObject]:
        prompt, template = self._prompts.find(target), self._resources.templates.entries.get(target)
        if prompt is not None:
            kind, schema = "prompt", prompt.signature.schema
        elif template is not None:
            kind, schema = "template", template.reader.signature.schema
        else:
            raise DeclarationError(
                function, f"no prompt or URI template {target!r} is registered yet; declare it first"
            )
        if argument not in properties_of(schema):
            known = ", ".join(properties_of(schema)) or "none"
            raise DeclarationError(function, f"{target!r} has no argument {argument!r}; it has {known}")
        return (kind, target, argument), schema

    def _find(self, request: CompleteRequestParams) -> tuple[_Key | None, JsonObject]:
        """Return where a completion would be registered, and the schema of the arguments."""
        reference, argument = request.ref, request.argument.name
        key: _Key
        if isinstance(reference, PromptReference):
            prompt = self._prompts.find(reference.name)
            if prompt is None:
                raise InvalidParams(f"Unknown prompt: {reference.name[:200]!r}")
            key = ("prompt", reference.name, argument)
            schema = prompt.signature.schema
        elif reference.uri in self._resources.static.entries:
            # Known, but nothing about it is open.
            return None, {}
        else:
            template = self._resources.find_template(reference.uri)
            if template is None:
                raise InvalidParams(f"Unknown resource template: {reference.uri[:200]!r}")
            key = ("template", template.template.template, argument)
            schema = template.reader.signature.schema
        if argument not in properties_of(schema):
            raise InvalidParams(f"Unknown argument: {argument[:200]!r}")
        return key, schema


def _request_of(params: JsonObject) -> CompleteRequestParams:
    wanted = {name: params[name] for name in ("ref", "argument", "context") if name in params}
    try:
        return msgspec.convert(wanted, CompleteRequestParams)
    except msgspec.ValidationError as error:
        raise InvalidParams(str(error)) from None


def _compile(target: JsonObject, function: AnyFunction, names: Mapping[str, object]) -> RegisteredCompletion:
    signature = compile_signature(function, names=names)
    parameters, required = list(properties_of(signature.schema)), signature.schema.get("required")
    if not parameters:
        raise DeclarationError(function, "a completion takes what was typed as its first parameter")
    if isinstance(required, list) and any(name in required for name in parameters[2:]):
        raise DeclarationError(function, "a completion takes what was typed, the other arguments, and nothing else")
    others = parameters[1] if len(parameters) > 1 else None
    return RegisteredCompletion(target, function, signature, parameters[0], others)


def _result(value: object) -> CompleteResult:
    """Make the result, no longer than the specification allows.

    Raises:
        TypeError: The value is no list of strings.
    """
    given = value if isinstance(value, Completion) else None
    values = given.values if given is not None else value
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"a completion returns a list of strings, not {type(values).__name__}")
    texts = [_suggestion(item) for item in cast("Iterable[object]", values)]
    shown = texts[:MAX_VALUES]
    total = given.total if given is not None else None
    claimed = given is not None and given.has_more is True
    if total is None and not claimed:
        total = len(texts)
    more = claimed or len(texts) > len(shown) or (total is not None and total > len(shown))
    return CompleteResult(completion=Completion(values=shown, total=total, has_more=more))


def _suggestion(item: object) -> str:
    if not isinstance(item, str):
        raise TypeError(f"a completion returns a list of strings; it has a {type(item).__name__}")
    return item
