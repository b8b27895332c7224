"""The results that a `ClientSession` returns, with the names of the wire."""

from __future__ import annotations

from pydantic import Field

from anyport.compat.mcp.types import (
    BlobResourceContents,
    CallToolResult,
    Model,
    Prompt,
    Resource,
    ResourceTemplate,
    TextResourceContents,
    Tool,
)
from anyport.protocol.types.json import JsonObject


class EmptyResult(Model):
    """Success without data."""


class Implementation(Model):
    """What a program says about itself."""

    name: str
    version: str


class InitializeResult(Model):
    """What a session begins with."""

    protocolVersion: str
    capabilities: Model
    serverInfo: Implementation
    instructions: str | None = None


class ListToolsResult(Model):
    """A page of the tools."""

    tools: list[Tool]
    nextCursor: str | None = None


class ListResourcesResult(Model):
    """A page of the resources."""

    resources: list[Resource]
    nextCursor: str | None = None


class ListResourceTemplatesResult(Model):
    """A page of the resource templates."""

    resourceTemplates: list[ResourceTemplate]
    nextCursor: str | None = None


class ListPromptsResult(Model):
    """A page of the prompts."""

    prompts: list[Prompt]
    nextCursor: str | None = None


class ReadResourceResult(Model):
    """The contents of a resource."""

    contents: list[TextResourceContents | BlobResourceContents]


class Completion(Model):
    """Suggestions."""

    values: list[str]
    total: int | None = None
    hasMore: bool | None = None


class CompleteResult(Model):
    """The answer to a completion."""

    completion: Completion = Field()


def read_call(raw: JsonObject) -> CallToolResult:
    """Return the result of a tool; structured content that is no object is wrapped, as `mcp` knows nothing else."""
    value = raw.get("structuredContent")
    if value is not None and not isinstance(value, dict):
        raw = {**raw, "structuredContent": {"result": value}}
    return CallToolResult.model_validate(raw)
