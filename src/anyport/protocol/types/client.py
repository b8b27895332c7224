"""What a server asks of a client: elicitation, sampling, roots (client; the last two deprecated from 2026-07-28).

Until 2025-11-25 these are requests from server to client. In 2026-07-28 they travel inside an `InputRequiredResult`,
as the pairs of method and parameters that end this module.
"""

from typing import ClassVar, Literal, TypeAlias

from msgspec import field

from anyport.protocol.types.content import SamplingMessageContentBlock
from anyport.protocol.types.json import JsonObject
from anyport.protocol.types.messages import Meta, NotificationParams, RequestParams, Result, WireStruct
from anyport.protocol.types.meta import Role
from anyport.protocol.types.tasks import TaskAugmentedRequestParams
from anyport.protocol.types.tools import Tool

# --- elicitation: the restricted schema -------------------------------------------------------------------------------


class EnumOption(WireStruct, kw_only=True, gc=False):
    """A choice with a name for people, from 2025-11-25.

    Attributes:
        const: The value.
        title: Its name.
    """

    const: str
    title: str


class StringSchema(WireStruct, kw_only=True, tag_field="type", tag="string"):
    """A text, or one of several texts.

    The specification's ``StringSchema`` and, with choices, its ``UntitledSingleSelectEnumSchema`` (`enum`),
    ``TitledSingleSelectEnumSchema`` (`one_of`) and ``LegacyTitledEnumSchema`` (`enum` and `enum_names`): one type,
    because only the presence of the choices tells them apart on the wire.

    Attributes:
        title: Name for people.
        description: What to enter.
        min_length: Fewest characters.
        max_length: Most characters.
        format: Kind of text.
        enum: The choices.
        enum_names: Names of the choices, in their order; what `one_of` replaces.
        one_of: From 2025-11-25: the choices with their names.
        default: From 2025-11-25: what is filled in.
    """

    type: ClassVar[Literal["string"]] = "string"
    title: str | None = None
    description: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    format: Literal["email", "uri", "date", "date-time"] | None = None
    enum: list[str] | None = None
    enum_names: list[str] | None = None
    one_of: list[EnumOption] | None = None
    default: str | None = None


class NumberSchema(WireStruct, kw_only=True, tag_field="type", tag="number", gc=False):
    """A number.

    Attributes:
        title: Name for people.
        description: What to enter.
        minimum: Least value.
        maximum: Greatest value.
        default: From 2025-11-25: what is filled in.
    """

    type: ClassVar[Literal["number"]] = "number"
    title: str | None = None
    description: str | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    default: float | int | None = None


class IntegerSchema(WireStruct, kw_only=True, tag_field="type", tag="integer", gc=False):
    """A whole number: the specification's ``NumberSchema`` with type ``integer``.

    Attributes:
        title: Name for people.
        description: What to enter.
        minimum: Least value.
        maximum: Greatest value.
        default: From 2025-11-25: what is filled in.
    """

    type: ClassVar[Literal["integer"]] = "integer"
    title: str | None = None
    description: str | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    default: float | int | None = None


class BooleanSchema(WireStruct, kw_only=True, tag_field="type", tag="boolean", gc=False):
    """Yes or no.

    Attributes:
        title: Name for people.
        description: What to decide.
        default: What is filled in.
    """

    type: ClassVar[Literal["boolean"]] = "boolean"
    title: str | None = None
    description: str | None = None
    default: bool | None = None


class EnumItems(WireStruct, kw_only=True):
    """The choices of a `MultiSelectEnumSchema`, from 2025-11-25: with names or without.

    Attributes:
        type: ``string`` beside `enum`, where it is required.
        enum: The choices.
        any_of: The choices with their names.

    Raises:
        ValueError: Neither ``enum`` nor ``any_of`` is given.
    """

    type: Literal["string"] | None = None
    enum: list[str] | None = None
    any_of: list[EnumOption] | None = None

    def __post_init__(self) -> None:
        if self.enum is None and self.any_of is None:
            raise ValueError("The items of a multiple choice need `enum` or `anyOf`")


class MultiSelectEnumSchema(WireStruct, kw_only=True, tag_field="type", tag="array"):
    """Any number of several texts, from 2025-11-25.

    The specification's ``UntitledMultiSelectEnumSchema`` and ``TitledMultiSelectEnumSchema``.

    Attributes:
        title: Name for people.
        description: What to choose.
        items: The choices.
        min_items: Fewest choices to make.
        max_items: Most choices to make.
        default: What is chosen already.
    """

    type: ClassVar[Literal["array"]] = "array"
    title: str | None = None
    description: str | None = None
    items: EnumItems
    min_items: int | None = None
    max_items: int | None = None
    default: list[str] | None = None


PrimitiveSchemaDefinition: TypeAlias = (
    StringSchema | NumberSchema | IntegerSchema | BooleanSchema | MultiSelectEnumSchema
)
"""A field of a form; ``type`` tells them apart."""


class ElicitRequestedSchema(WireStruct, kw_only=True, tag_field="type", tag="object"):
    """The schema of a form: one level of named fields.

    Attributes:
        schema: From 2025-11-25: ``$schema``.
        properties: The fields by name.
        required: Names of the fields that must be filled in.
    """

    type: ClassVar[Literal["object"]] = "object"
    schema: str | None = field(name="$schema", default=None)
    properties: dict[str, PrimitiveSchemaDefinition]
    required: list[str] | None = None


# --- elicitation ------------------------------------------------------------------------------------------------------

ElicitAction: TypeAlias = Literal["accept", "decline", "cancel"]
"""What the user did: answered, refused, or left without choosing."""

ElicitValue: TypeAlias = str | int | float | bool | list[str]
"""What a field of a form may hold; lists from 2025-11-25."""


class ElicitRequestParams(TaskAugmentedRequestParams, kw_only=True):
    """Parameters of ``elicitation/create``, from 2025-06-18.

    The specification's ``ElicitRequestFormParams`` and ``ElicitRequestURLParams``: one type, because an absent
    ``mode`` means a form (ELI-01).

    Attributes:
        mode: From 2025-11-25; ``None`` means ``form``.
        message: What to tell the user.
        requested_schema: The form; with mode ``form``.
        url: From 2025-11-25: what to open; with mode ``url``.
        elicitation_id: 2025-11-25 only: with mode ``url``, where it is required.

    Raises:
        ValueError: The schema of a form, or the URL of mode ``url``, is missing.
    """

    mode: Literal["form", "url"] | None = None
    message: str
    requested_schema: ElicitRequestedSchema | None = None
    url: str | None = None
    elicitation_id: str | None = None

    def __post_init__(self) -> None:
        if self.mode == "url":
            if self.url is None:
                raise ValueError("Elicitation in mode `url` needs `url`")
        elif self.requested_schema is None:
            raise ValueError("Elicitation in mode `form` needs `requestedSchema`")


class ElicitResult(Result, kw_only=True):
    """Result of ``elicitation/create``.

    Attributes:
        action: What the user did.
        content: What the user filled in, by field; only when a form was accepted.
    """

    action: ElicitAction
    content: dict[str, ElicitValue] | None = None


class ElicitationCompleteNotificationParams(NotificationParams, kw_only=True):
    """Parameters of ``notifications/elicitation/complete`` (2025-11-25 only; ELI-06).

    Attributes:
        elicitation_id: Which elicitation is over.
    """

    elicitation_id: str


class URLElicitationRequiredErrorData(WireStruct, kw_only=True):
    """Data of error -32042 (2025-11-25 only; ELI-06).

    Attributes:
        elicitations: What the user must do before the request can succeed, each in mode ``url``.
    """

    elicitations: list[ElicitRequestParams]


# --- sampling ---------------------------------------------------------------------------------------------------------


class SamplingMessage(WireStruct, kw_only=True):
    """A message to or from a model.

    Attributes:
        role: Who speaks.
        content: What is said: one block, or from 2025-11-25 several.
        meta: From 2025-11-25: ``_meta``.
    """

    role: Role
    content: SamplingMessageContentBlock | list[SamplingMessageContentBlock]
    meta: Meta | None = field(name="_meta", default=None)


class ModelHint(WireStruct, kw_only=True, gc=False):
    """Which model would be good.

    Attributes:
        name: Part of a model's name.
    """

    name: str | None = None


class ModelPreferences(WireStruct, kw_only=True):
    """Which kind of model would be good. Priorities go from 0 to 1.

    Attributes:
        hints: Models, the best first.
        cost_priority: How much the price counts.
        speed_priority: How much the latency counts.
        intelligence_priority: How much the ability counts.
    """

    hints: list[ModelHint] | None = None
    cost_priority: float | int | None = None
    speed_priority: float | int | None = None
    intelligence_priority: float | int | None = None


class ToolChoice(WireStruct, kw_only=True, gc=False):
    """Whether the model may use tools, from 2025-11-25.

    Attributes:
        mode: ``None`` means ``auto``.
    """

    mode: Literal["auto", "required", "none"] | None = None


class CreateMessageRequestParams(TaskAugmentedRequestParams, kw_only=True):
    """Parameters of ``sampling/createMessage``.

    Attributes:
        messages: The conversation.
        max_tokens: Most tokens to sample.
        system_prompt: What to tell the model first.
        model_preferences: Which model would be good.
        include_context: Whose context to add; ``None`` means ``none``.
        temperature: Temperature of the sampling.
        stop_sequences: Texts that end the sampling.
        metadata: What to hand to the provider.
        tools: From 2025-11-25: tools that the model may use.
        tool_choice: From 2025-11-25: whether it may or must.
    """

    messages: list[SamplingMessage]
    max_tokens: int
    system_prompt: str | None = None
    model_preferences: ModelPreferences | None = None
    include_context: Literal["none", "thisServer", "allServers"] | None = None
    temperature: float | int | None = None
    stop_sequences: list[str] | None = None
    metadata: JsonObject | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


class CreateMessageResult(Result, kw_only=True):
    """Result of ``sampling/createMessage``.

    Attributes:
        role: Who speaks.
        content: What is said: one block, or from 2025-11-25 several.
        model: Name of the model.
        stop_reason: Why it ended: ``endTurn``, ``stopSequence``, ``maxTokens``, ``toolUse`` or the provider's own.
    """

    role: Role
    content: SamplingMessageContentBlock | list[SamplingMessageContentBlock]
    model: str
    stop_reason: str | None = None


# --- roots ------------------------------------------------------------------------------------------------------------


class Root(WireStruct, kw_only=True):
    """A directory or file that the server may work on.

    Attributes:
        uri: ``file:`` URI (ROOT-01).
        name: Name for people.
        meta: From 2025-06-18: ``_meta``.
    """

    uri: str
    name: str | None = None
    meta: Meta | None = field(name="_meta", default=None)


class ListRootsResult(Result, kw_only=True):
    """Result of ``roots/list``.

    Attributes:
        roots: All of them.
    """

    roots: list[Root]


# --- the same three as data, in 2026-07-28 ----------------------------------------------------------------------------


class ElicitRequest(WireStruct, kw_only=True, tag_field="method", tag="elicitation/create"):
    """The wish to ask the user.

    Attributes:
        params: What to ask.
    """

    method: ClassVar[Literal["elicitation/create"]] = "elicitation/create"
    params: ElicitRequestParams


class CreateMessageRequest(WireStruct, kw_only=True, tag_field="method", tag="sampling/createMessage"):
    """The wish to sample from a model.

    Attributes:
        params: What to sample.
    """

    method: ClassVar[Literal["sampling/createMessage"]] = "sampling/createMessage"
    params: CreateMessageRequestParams


class ListRootsRequest(WireStruct, kw_only=True, tag_field="method", tag="roots/list"):
    """The wish to know the roots.

    Attributes:
        params: Nothing but ``_meta``.
    """

    method: ClassVar[Literal["roots/list"]] = "roots/list"
    params: RequestParams | None = None


InputRequest: TypeAlias = ElicitRequest | CreateMessageRequest | ListRootsRequest
"""What a server may ask for (MRTR-02)."""

InputResponse: TypeAlias = ElicitResult | CreateMessageResult | ListRootsResult
"""What a client answers; the request tells which."""
