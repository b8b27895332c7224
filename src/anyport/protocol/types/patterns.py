"""What any feature may use: progress, cancellation, subscriptions, input requests, completion, logging."""

from typing import ClassVar, Final, Literal, TypeAlias

from msgspec import Raw, field

from anyport.protocol.types.client import InputRequest
from anyport.protocol.types.json import JsonValue
from anyport.protocol.types.messages import (
    Meta,
    NotificationParams,
    ProgressToken,
    RequestId,
    RequestParams,
    Result,
    WireStruct,
)

# --- progress and cancellation ----------------------------------------------------------------------------------------


class ProgressNotificationParams(NotificationParams, kw_only=True):
    """Parameters of ``notifications/progress`` (basic patterns, "Progress"; PRG-01).

    Attributes:
        progress_token: Token of the request.
        progress: How far it is; grows with every notification.
        total: Where it will end, if known.
        message: From 2025-03-26: the state in words.
    """

    progress_token: ProgressToken
    progress: float | int
    total: float | int | None = None
    message: str | None = None


class CancelledNotificationParams(NotificationParams, kw_only=True):
    """Parameters of ``notifications/cancelled`` (basic patterns, "Cancellation"; CAN-01).

    Attributes:
        request_id: Which request; optional in 2025-11-25, where tasks have a request of their own, else required.
        reason: Why, for logs and people.
    """

    request_id: RequestId | None = None
    reason: str | None = None


# --- subscriptions (2026-07-28) ---------------------------------------------------------------------------------------


class SubscriptionFilter(WireStruct, kw_only=True):
    """Which notifications are wanted, or granted (2026-07-28; SUB-01).

    Attributes:
        tools_list_changed: The list of tools changed.
        prompts_list_changed: The list of prompts changed.
        resources_list_changed: The list of resources changed.
        resource_subscriptions: URIs of resources; one of them changed.
    """

    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: list[str] | None = None


class SubscriptionsListenRequestParams(RequestParams, kw_only=True):
    """Parameters of ``subscriptions/listen`` (2026-07-28).

    Attributes:
        notifications: What is wanted.
    """

    notifications: SubscriptionFilter


class SubscriptionsAcknowledgedNotificationParams(NotificationParams, kw_only=True):
    """Parameters of ``notifications/subscriptions/acknowledged`` (2026-07-28; SUB-02).

    Attributes:
        notifications: What is granted.
    """

    notifications: SubscriptionFilter


class SubscriptionsListenResult(Result, kw_only=True):
    """Result of ``subscriptions/listen``: the server ended it in order (2026-07-28; SUB-04).

    Attributes:
        meta: ``_meta``, required here: a `SubscriptionsListenResultMeta`.
    """

    meta: Meta | Raw = field(name="_meta")  # pyright: ignore[reportIncompatibleVariableOverride]  # only here required


# --- input requests (2026-07-28) --------------------------------------------------------------------------------------


class InputRequiredResult(Result, kw_only=True):
    """The server needs answers before it can go on (2026-07-28, basic patterns, "MRTR").

    Attributes:
        input_requests: What it asks, under keys of its choice.
        request_state: What to send back unread with the answers.

    Raises:
        ValueError: Neither ``input_requests`` nor ``request_state`` is given (MRTR-02).
    """

    input_requests: dict[str, InputRequest] | None = None
    request_state: str | None = None

    def __post_init__(self) -> None:
        if self.input_requests is None and self.request_state is None:
            raise ValueError("An input_required result needs `inputRequests` or `requestState`")
        # A default of the field would be left out on the wire, where this result type must stand.
        if self.result_type is None:
            self.result_type = "input_required"


# --- completion -------------------------------------------------------------------------------------------------------


class PromptReference(WireStruct, kw_only=True, tag_field="type", tag="ref/prompt", gc=False):
    """The prompt whose argument is completed.

    Attributes:
        name: Name of the prompt.
        title: From 2025-06-18: name for people.
    """

    type: ClassVar[Literal["ref/prompt"]] = "ref/prompt"
    name: str
    title: str | None = None


class ResourceTemplateReference(WireStruct, kw_only=True, tag_field="type", tag="ref/resource", gc=False):
    """The resource template whose variable is completed; called ``ResourceReference`` until 2025-03-26.

    Attributes:
        uri: The URI template, or a URI.
    """

    type: ClassVar[Literal["ref/resource"]] = "ref/resource"
    uri: str


class CompletionArgument(WireStruct, kw_only=True, gc=False):
    """What is being completed.

    Attributes:
        name: Name of the argument or variable.
        value: What has been typed.
    """

    name: str
    value: str


class CompletionContext(WireStruct, kw_only=True):
    """What is known besides, from 2025-06-18.

    Attributes:
        arguments: Arguments or variables that have their value.
    """

    arguments: dict[str, str] | None = None


class CompleteRequestParams(RequestParams, kw_only=True):
    """Parameters of ``completion/complete`` (server utilities, "Completion").

    Attributes:
        ref: Prompt or template.
        argument: What is being completed.
        context: From 2025-06-18: what is known besides.
    """

    ref: PromptReference | ResourceTemplateReference
    argument: CompletionArgument
    context: CompletionContext | None = None


class Completion(WireStruct, kw_only=True):
    """Suggestions.

    Attributes:
        values: The best of them, 100 at most (CMP-01; not checked here).
        total: How many there are, if known.
        has_more: Whether there are more, if known.
    """

    values: list[str]
    total: int | None = None
    has_more: bool | None = None


class CompleteResult(Result, kw_only=True):
    """Result of ``completion/complete``.

    Attributes:
        completion: The suggestions.
    """

    completion: Completion


# --- logging ----------------------------------------------------------------------------------------------------------

LoggingLevel: TypeAlias = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
"""Severity of a log message, as in RFC 5424."""

LOG_LEVELS: Final[tuple[LoggingLevel, ...]] = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)
"""Every level, the least severe first."""


class SetLevelRequestParams(RequestParams, kw_only=True):
    """Parameters of ``logging/setLevel``, until 2025-11-25.

    Attributes:
        level: Least severe level that is wanted.
    """

    level: LoggingLevel


class LoggingMessageNotificationParams(NotificationParams, kw_only=True):
    """Parameters of ``notifications/message``; deprecated from 2026-07-28 (SEP-2577).

    Attributes:
        level: Severity.
        data: What is logged: any value, ``null`` too. Encoded JSON is accepted for sending.
        logger: Who logs.
    """

    level: LoggingLevel
    data: JsonValue | Raw
    logger: str | None = None
