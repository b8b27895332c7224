"""Prompts: listed, and filled in (server, "Prompts")."""

from msgspec import field

from anyport.protocol.types.content import ContentBlock
from anyport.protocol.types.messages import (
    InputResponseRequestParams,
    Meta,
    PaginatedResult,
    Result,
    WireStruct,
)
from anyport.protocol.types.meta import Icon, Role


class PromptArgument(WireStruct, kw_only=True, gc=False):
    """An argument of a prompt.

    Attributes:
        name: Name for programs.
        title: From 2025-06-18: name for people.
        description: What it is for.
        required: Whether it must be given.
    """

    name: str
    title: str | None = None
    description: str | None = None
    required: bool = False


class Prompt(WireStruct, kw_only=True):
    """A prompt, or a template of prompts.

    Attributes:
        name: Name for programs.
        title: From 2025-06-18: name for people.
        description: What it is for.
        arguments: What it can be filled in with.
        icons: From 2025-11-25.
        meta: From 2025-06-18: ``_meta``.
    """

    name: str
    title: str | None = None
    description: str | None = None
    arguments: list[PromptArgument] | None = None
    icons: list[Icon] | None = None
    meta: Meta | None = field(name="_meta", default=None)


class PromptMessage(WireStruct):
    """One message of a prompt.

    Attributes:
        role: Who speaks.
        content: What is said.
    """

    role: Role
    content: ContentBlock


class ListPromptsResult(PaginatedResult, kw_only=True):
    """Result of ``prompts/list``.

    Attributes:
        prompts: One page of them.
    """

    prompts: list[Prompt]


class GetPromptRequestParams(InputResponseRequestParams, kw_only=True):
    """Parameters of ``prompts/get``.

    Attributes:
        name: Name of the prompt.
        arguments: What to fill in, by argument name.
    """

    name: str
    arguments: dict[str, str] | None = None


class GetPromptResult(Result, kw_only=True):
    """Result of ``prompts/get``.

    Attributes:
        messages: The prompt.
        description: What it is for.
    """

    messages: list[PromptMessage]
    description: str | None = None
