"""What client and server declare that they can do.

Presence is the meaning: an empty object declares a capability, an absent field denies it. So every field is ``None``
or a value, and a value is always written, however empty.
"""

from anyport.protocol.types.json import JsonObject
from anyport.protocol.types.messages import WireStruct


class RootsCapability(WireStruct, kw_only=True, gc=False):
    """The client has roots; deprecated from 2026-07-28 (SEP-2577).

    Attributes:
        list_changed: Until 2025-11-25: it notifies when they change.
    """

    list_changed: bool = False


class SamplingCapability(WireStruct, kw_only=True):
    """The client samples from a model; deprecated from 2026-07-28 (SEP-2577).

    Attributes:
        context: From 2025-11-25: it honours ``includeContext``.
        tools: From 2025-11-25: it honours ``tools`` and ``toolChoice``.
    """

    context: JsonObject | None = None
    tools: JsonObject | None = None


class ElicitationCapability(WireStruct, kw_only=True):
    """The client asks its user, from 2025-06-18 (client, "Elicitation"; ELI-01).

    Attributes:
        form: From 2025-11-25: it shows forms.
        url: From 2025-11-25: it opens URLs.
    """

    form: JsonObject | None = None
    url: JsonObject | None = None

    @property
    def supports_form(self) -> bool:
        """Whether forms may be sent; an empty declaration means forms, as it did when there was nothing else."""
        return self.form is not None or self.url is None

    @property
    def supports_url(self) -> bool:
        """Whether URLs may be sent."""
        return self.url is not None


class TaskSamplingCapability(WireStruct, kw_only=True):
    """Sampling requests that may become tasks (2025-11-25 only).

    Attributes:
        create_message: ``sampling/createMessage`` may.
    """

    create_message: JsonObject | None = None


class TaskElicitationCapability(WireStruct, kw_only=True):
    """Elicitation requests that may become tasks (2025-11-25 only).

    Attributes:
        create: ``elicitation/create`` may.
    """

    create: JsonObject | None = None


class ClientTaskRequests(WireStruct, kw_only=True):
    """Requests to the client that may become tasks (2025-11-25 only).

    Attributes:
        sampling: Among those of sampling.
        elicitation: Among those of elicitation.
    """

    sampling: TaskSamplingCapability | None = None
    elicitation: TaskElicitationCapability | None = None


class ClientTasksCapability(WireStruct, kw_only=True):
    """The client runs tasks (2025-11-25 only; later an extension).

    Attributes:
        list: It answers ``tasks/list``.
        cancel: It answers ``tasks/cancel``.
        requests: Which requests may become tasks.
    """

    list: JsonObject | None = None
    cancel: JsonObject | None = None
    requests: ClientTaskRequests | None = None


class ClientCapabilities(WireStruct, kw_only=True):
    """What a client can do.

    Attributes:
        experimental: Capabilities outside the specification, by name.
        roots: It has roots.
        sampling: It samples from a model.
        elicitation: From 2025-06-18: it asks its user.
        tasks: 2025-11-25 only: it runs tasks.
        extensions: From 2026-07-28: settings of the extensions it speaks, by extension id (VER-12).
    """

    experimental: dict[str, JsonObject] | None = None
    roots: RootsCapability | None = None
    sampling: SamplingCapability | None = None
    elicitation: ElicitationCapability | None = None
    tasks: ClientTasksCapability | None = None
    extensions: dict[str, JsonObject] | None = None


class PromptsCapability(WireStruct, kw_only=True, gc=False):
    """The server has prompts.

    Attributes:
        list_changed: It notifies when their list changes.
    """

    list_changed: bool = False


class ResourcesCapability(WireStruct, kw_only=True, gc=False):
    """The server has resources.

    Attributes:
        subscribe: It notifies when a subscribed resource changes.
        list_changed: It notifies when their list changes.
    """

    subscribe: bool = False
    list_changed: bool = False


class ToolsCapability(WireStruct, kw_only=True, gc=False):
    """The server has tools.

    Attributes:
        list_changed: It notifies when their list changes.
    """

    list_changed: bool = False


class TaskToolsCapability(WireStruct, kw_only=True):
    """Tool requests that may become tasks (2025-11-25 only).

    Attributes:
        call: ``tools/call`` may.
    """

    call: JsonObject | None = None


class ServerTaskRequests(WireStruct, kw_only=True):
    """Requests to the server that may become tasks (2025-11-25 only).

    Attributes:
        tools: Among those of tools.
    """

    tools: TaskToolsCapability | None = None


class ServerTasksCapability(WireStruct, kw_only=True):
    """The server runs tasks (2025-11-25 only; later an extension).

    Attributes:
        list: It answers ``tasks/list``.
        cancel: It answers ``tasks/cancel``.
        requests: Which requests may become tasks.
    """

    list: JsonObject | None = None
    cancel: JsonObject | None = None
    requests: ServerTaskRequests | None = None


class ServerCapabilities(WireStruct, kw_only=True):
    """What a server can do.

    Attributes:
        experimental: Capabilities outside the specification, by name.
        logging: It sends log messages; deprecated from 2026-07-28 (SEP-2577).
        completions: From 2025-03-26: it completes arguments.
        prompts: It has prompts.
        resources: It has resources.
        tools: It has tools.
        tasks: 2025-11-25 only: it runs tasks.
        extensions: From 2026-07-28: settings of the extensions it speaks, by extension id (VER-12).
    """

    experimental: dict[str, JsonObject] | None = None
    logging: JsonObject | None = None
    completions: JsonObject | None = None
    prompts: PromptsCapability | None = None
    resources: ResourcesCapability | None = None
    tools: ToolsCapability | None = None
    tasks: ServerTasksCapability | None = None
    extensions: dict[str, JsonObject] | None = None
