"""Prompts: the registry, ``prompts/list`` and ``prompts/get``."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from pydantic_core import ValidationError

from anyport.protocol.calls import Call, Reply
from anyport.protocol.changes import PROMPTS_CHANGED
from anyport.protocol.errors import InvalidParams, LocalProtocolError, MethodNotFound
from anyport.protocol.revisions import Revision
from anyport.protocol.types import GetPromptResult, Icon, ListPromptsResult, Prompt, PromptArgument, PromptMessage
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.server.context import Surroundings
from anyport.server.declarations import DeclarationError, name_of
from anyport.server.functions import Functions, description_of
from anyport.server.manners import Manner, manner_of
from anyport.server.messages import messages_of
from anyport.server.pages import PAGE_SIZE, Catalogue
from anyport.server.revision_fields import content_for_revision, for_revision
from anyport.server.signature import AnyFunction, Signature, compile_signature, input_errors
from anyport.server.text_arguments import describe, properties_of, text_form


class PromptOptions(Struct, frozen=True, kw_only=True):
    """What a declaration may say about a prompt; see `anyport.Server.prompt`."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    icons: Sequence[Icon] = ()
    meta: JsonObject | None = None


class RegisteredPrompt(Struct, frozen=True):
    """A prompt with everything about it compiled.

    Attributes:
        definition: What ``prompts/list`` says.
        function: What the author wrote.
        signature: Its compiled parameters.
    """

    definition: Prompt
    function: AnyFunction
    signature: Signature


class Prompts:
    """The prompts of a server, in the order of their registration.

    Args:
        server: What contexts tell of the server.
        functions: Runs what authors wrote.
        page_size: Most entries on a page of the list.
    """

    def __init__(self, server: Surroundings, functions: Functions, page_size: int = PAGE_SIZE) -> None:
        self._server = server
        self._functions = functions
        changed = functools.partial(server.subscriptions.publish, PROMPTS_CHANGED)
        self._prompts = Catalogue[RegisteredPrompt]("prompts", page_size, changed)

    def __iter__(self) -> Iterator[RegisteredPrompt]:
        return iter(self._prompts)

    @property
    def version(self) -> int:
        """Counts the changes, also of mounted prompts; 0 for a server that never had a prompt."""
        return self._prompts.whole_version

    @property
    def uses_context(self) -> bool:
        """Whether any of their functions can report and log."""
        return any(prompt.signature.uses_context for prompt in self._prompts.whole())

    def add(self, function: AnyFunction, options: PromptOptions, names: Mapping[str, object] | None = None) -> None:
        """Compile and register a function.

        Args:
            function: The prompt.
            options: What the declaration says.
            names: Names beside the function's globals that its annotations may use.

        Raises:
            DeclarationError: It cannot work: a name that is taken or empty, a parameter that text cannot give.
        """
        name = options.name if options.name is not None else name_of(function)
        if not name or not name.isprintable():
            raise DeclarationError(function, f"prompt name {name!r} must be one line of text")
        if self._prompts.is_taken(name):
            raise DeclarationError(function, f"a prompt named {name!r} exists already")
        self._prompts.add(name, _compile(name, function, options, names or {}))

    def remove(self, name: str) -> None:
        """Take a prompt out.

        Raises:
            LocalProtocolError: There is none of that name.
        """
        if not self._prompts.remove(name):
            raise LocalProtocolError(f"No prompt is named {name!r}")

    def find(self, name: str) -> RegisteredPrompt | None:
        """Return a prompt by name, or ``None``."""
        return self._prompts.entries.get(name)

    @property
    def catalogue(self) -> Catalogue[RegisteredPrompt]:
        """The list, for another one to have it grafted on."""
        return self._prompts

    async def list(self, call: Call, reply: Reply) -> ListPromptsResult:
        """Answer ``prompts/list``, in the form that the revision knows."""
        self._check_offered(call)
        entries, cursor = self._prompts.page(call.params.get("cursor"))
        return ListPromptsResult(
            prompts=[for_revision(prompt.definition, call.revision) for prompt in entries], next_cursor=cursor
        )

    async def get(self, call: Call, reply: Reply) -> GetPromptResult:
        """Answer ``prompts/get``: look the prompt up, bind the arguments, run it, make its messages (PRM-01)."""
        self._check_offered(call)
        prompt = self._find(call.params.get("name"))
        arguments = _bind(prompt, call.params.get("arguments"))
        context = self._server.context_type(call, reply, self._server)
        with self._functions.reported("prompt", prompt.definition.name):
            value = await self._functions.run_whole(prompt.function, prompt.signature, arguments, context)
            if isinstance(value, GetPromptResult):
                # The rest is filled in for one revision: the author's own object stays as it is.
                result = copy.copy(value)
            else:
                messages = await messages_of(value, self._functions.pool)
                result = GetPromptResult(messages=messages, description=prompt.definition.description)
        result.messages = _for_revision(result.messages, call.revision)
        return result

    def manner(self, params: JsonObject) -> Manner:
        """Return how the prompt that a call names asks."""
        name = params.get("name")
        prompt = self.find(name) if isinstance(name, str) else None
        return "silent" if prompt is None else manner_of(prompt.signature)

    def _check_offered(self, call: Call) -> None:
        # Without the capability there is no such method (2026-07-28, prompts, "Capabilities").
        if not self.version:
            raise MethodNotFound(call.method)

    def _find(self, name: JsonValue) -> RegisteredPrompt:
        prompt = self.find(name) if isinstance(name, str) else None
        if prompt is None:
            shown = repr(name[:200]) if isinstance(name, str) else "(no name given)"
            raise InvalidParams(f"Unknown prompt: {shown}")
        return prompt


def _bind(prompt: RegisteredPrompt, arguments: JsonValue) -> dict[str, object]:
    """Check the arguments of a call and return them as keyword arguments."""
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        raise InvalidParams('"arguments" must be an object')
    texts = {name: value for name, value in arguments.items() if isinstance(value, str)}
    if len(texts) < len(arguments):
        wrong = [name for name in arguments if name not in texts][:20]
        raise InvalidParams("\n".join(f"{name[:200]}: must be a string" for name in wrong))
    try:
        return prompt.signature.bind_text(texts)
    except ValidationError as error:
        raise InvalidParams(input_errors(error, prompt.signature.schema)) from None


def _for_revision(messages: list[PromptMessage], revision: Revision) -> list[PromptMessage]:
    return [
        PromptMessage(message.role, content)
        for message in messages
        for content in content_for_revision([message.content], revision)
    ]


def _compile(name: str, function: AnyFunction, options: PromptOptions, names: Mapping[str, object]) -> RegisteredPrompt:
    signature = compile_signature(function, names=names, form=text_form)
    definition = Prompt(
        name=name,
        title=options.title,
        description=options.description if options.description is not None else description_of(function),
        arguments=_arguments(signature.schema) or None,
        icons=[*options.icons] or None,
        meta=options.meta,
    )
    return RegisteredPrompt(definition, function, signature)


def _arguments(schema: JsonObject) -> list[PromptArgument]:
    required = schema.get("required")
    wanted = required if isinstance(required, list) else []
    return [
        PromptArgument(
            name=name,
            title=title if isinstance(title := argument.get("title"), str) else None,
            description=describe(argument, schema),
            required=name in wanted,
        )
        for name, argument in properties_of(schema).items()
    ]
