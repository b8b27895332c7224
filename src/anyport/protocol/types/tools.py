"""Tools: listed, and called (server, "Tools")."""

from typing import Literal

from msgspec import UNSET, Raw, UnsetType, field

from anyport.protocol.types.content import ContentBlock
from anyport.protocol.types.json import JsonObject, JsonValue
from anyport.protocol.types.messages import (
    InputResponseRequestParams,
    Meta,
    PaginatedResult,
    Result,
    WireStruct,
)
from anyport.protocol.types.meta import Icon
from anyport.protocol.types.tasks import TaskMetadata


class ToolAnnotations(WireStruct, kw_only=True, gc=False):
    """Hints about a tool, from 2025-03-26; not to be trusted (TOOL-06). ``None`` leaves the default.

    Attributes:
        title: Name for people.
        read_only_hint: It changes nothing; default false.
        destructive_hint: It may destroy; default true.
        idempotent_hint: A second call with the same arguments changes nothing more; default false.
        open_world_hint: It reaches beyond a closed domain; default true.
    """

    title: str | None = None
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None
    open_world_hint: bool | None = None


class ToolExecution(WireStruct, kw_only=True, gc=False):
    """How a tool runs (2025-11-25 only).

    Attributes:
        task_support: Whether it can run as a task; ``None`` means forbidden.
    """

    task_support: Literal["forbidden", "optional", "required"] | None = None


class Tool(WireStruct, kw_only=True):
    """A tool.

    Attributes:
        name: Name for programs.
        title: From 2025-06-18: name for people.
        description: What it does.
        input_schema: JSON Schema of the arguments, of type ``object``; until 2025-11-25 with the keywords ``type``,
            ``properties`` and ``required`` at its root, then with any.
        output_schema: From 2025-06-18: JSON Schema of ``structured_content``; of type ``object`` until 2025-11-25.
        annotations: From 2025-03-26: hints.
        execution: 2025-11-25 only: how it runs.
        icons: From 2025-11-25.
        meta: From 2025-06-18: ``_meta``.
    """

    name: str
    title: str | None = None
    description: str | None = None
    input_schema: JsonObject
    output_schema: JsonObject | None = None
    annotations: ToolAnnotations | None = None
    execution: ToolExecution | None = None
    icons: list[Icon] | None = None
    meta: Meta | None = field(name="_meta", default=None)


class ListToolsResult(PaginatedResult, kw_only=True):
    """Result of ``tools/list``.

    Attributes:
        tools: One page of them.
    """

    tools: list[Tool]


class CallToolRequestParams(InputResponseRequestParams, kw_only=True):
    """Parameters of ``tools/call``.

    Attributes:
        name: Name of the tool.
        arguments: Arguments by name; ``None`` for none.
        task: 2025-11-25 only: given, the answer is a `CreateTaskResult`.
    """

    name: str
    arguments: JsonObject | None = None
    task: TaskMetadata | None = None


class CallToolResult(Result, kw_only=True):
    """Result of ``tools/call``.

    Attributes:
        content: What the tool says.
        structured_content: From 2025-06-18: the result as JSON; an object until 2025-11-25, then any value, ``null``
            too. Encoded JSON is accepted for sending.
        is_error: Whether the tool failed (TOOL-05).
    """

    content: list[ContentBlock]
    structured_content: JsonValue | Raw | UnsetType = UNSET
    is_error: bool = False
