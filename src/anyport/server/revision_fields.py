"""What a revision knows of what a server lists and says: older peers get nothing that is too young for them."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Final, TypeVar, cast

from msgspec import Struct, structs

from anyport.protocol.revisions import Revision
from anyport.protocol.types import (
    Annotations,
    AudioContent,
    ContentBlock,
    Implementation,
    Prompt,
    PromptArgument,
    Resource,
    ResourceLink,
    ResourceTemplate,
    ServerCapabilities,
    TextContent,
    Tool,
)

StructT = TypeVar("StructT", bound=Struct)

_NAMED: Final = {"title": "2025-06-18", "meta": "2025-06-18", "icons": "2025-11-25"}

_SINCE: Final[Mapping[type[Struct], Mapping[str, str]]] = {
    Tool: {**_NAMED, "annotations": "2025-03-26", "output_schema": "2025-06-18"},
    Resource: _NAMED,
    ResourceTemplate: _NAMED,
    Prompt: _NAMED,
    PromptArgument: {"title": "2025-06-18"},
    Annotations: {"last_modified": "2025-06-18"},
    Implementation: {
        "title": "2025-06-18",
        "description": "2025-11-25",
        "website_url": "2025-11-25",
        "icons": "2025-11-25",
    },
    ServerCapabilities: {"completions": "2025-03-26", "extensions": "2026-07-28"},
}
"""The revision that brought a field in, for each that is younger than its type."""


def for_revision(value: StructT, revision: Revision) -> StructT:
    """Return a definition without the fields that a revision does not know, here and in what it holds.

    Args:
        value: What every revision together would say.
        revision: The revision of the request.

    Returns:
        The same object where nothing is to be left out, else a trimmed copy.
    """
    since = _SINCE.get(type(value), {})
    changes: dict[str, object] = {}
    for field in value.__struct_fields__:
        held = getattr(value, field)
        if held is None:
            continue
        fitting = None if field in since and revision.lacks(since[field]) else _fitting(held, revision)
        if fitting is not held:
            changes[field] = fitting
    return structs.replace(value, **changes) if changes else value


def content_for_revision(content: list[ContentBlock], revision: Revision) -> list[ContentBlock]:
    """Return content with each block that a revision does not know told in words.

    Args:
        content: What a tool returned.
        revision: The revision of the request.
    """
    return [_block_for_revision(block, revision) for block in content]


def _block_for_revision(block: ContentBlock, revision: Revision) -> ContentBlock:
    if isinstance(block, AudioContent) and revision.lacks("2025-03-26"):
        return TextContent(text=f"(sound of type {block.mime_type}, which this client cannot take)")
    if isinstance(block, ResourceLink) and revision.lacks("2025-06-18"):
        return TextContent(text=f"{block.title or block.name}: {block.uri}")
    return block


def _fitting(held: object, revision: Revision) -> object:
    if type(held) in _SINCE:
        return for_revision(cast("Struct", held), revision)
    if isinstance(held, list):
        items = cast("list[object]", held)
        if any(type(item) in _SINCE for item in items):
            fitting = [_fitting(item, revision) for item in items]
            return items if all(map(is_, items, fitting)) else fitting
    return cast("object", held)
