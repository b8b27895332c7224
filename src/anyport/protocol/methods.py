"""The methods table: who sends what, in which revisions, with which parameters and result.

One row per method and direction. Everything that must know a method asks this table: the server for what a revision
has, the header mirror for what goes into ``Mcp-Name``, the client's cache for what may be kept.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from anyport.protocol import types
from anyport.protocol.revisions import (
    REVISIONS,
    V2024_11_05,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
    Revision,
)

Direction = Literal["to_server", "to_client"]

_IN: Final[Direction] = "to_server"
_OUT: Final[Direction] = "to_client"


class Method(Struct, frozen=True):
    """One method in one direction.

    Attributes:
        name: Method on the wire.
        direction: Who receives it.
        params: Type of the parameters; ``None`` when there are none beyond ``_meta``.
        result: Type of the result; ``None`` for a notification.
        since: First revision that has it.
        until: Last revision that has it.
        header_field: Parameter that ``Mcp-Name`` mirrors (HDR-03).
        cacheable: The result carries ``ttlMs`` and ``cacheScope`` (CCH-01).
        asks: The result may be ``input_required`` (MRTR-01).
    """

    name: str
    direction: Direction
    params: type[Struct] | None = None
    result: type[Struct] | None = None
    since: Revision = V2024_11_05
    until: Revision = V2026_07_28
    header_field: str | None = None
    cacheable: bool = False
    asks: bool = False

    @property
    def notification(self) -> bool:
        """Whether it gets no answer."""
        return self.result is None

    def exists_in(self, revision: Revision) -> bool:
        """Whether a revision has it."""
        return self.since.index <= revision.index <= self.until.index


def _rows() -> tuple[Method, ...]:
    request, empty = types.RequestParams, types.EmptyResult
    return (
        # --- lifecycle and discovery
        Method("initialize", _IN, types.InitializeRequestParams, types.InitializeResult, until=V2025_11_25),
        Method("notifications/initialized", _IN, types.NotificationParams, until=V2025_11_25),
        Method("ping", _IN, request, empty, until=V2025_11_25),
        Method("ping", _OUT, request, empty, until=V2025_11_25),
        Method("server/discover", _IN, request, types.DiscoverResult, since=V2026_07_28, cacheable=True),
        # --- tools
        Method("tools/list", _IN, types.PaginatedRequestParams, types.ListToolsResult, cacheable=True),
        Method("tools/call", _IN, types.CallToolRequestParams, types.CallToolResult, header_field="name", asks=True),
        # --- resources
        Method("resources/list", _IN, types.PaginatedRequestParams, types.ListResourcesResult, cacheable=True),
        Method(
            "resources/templates/list",
            _IN,
            types.PaginatedRequestParams,
            types.ListResourceTemplatesResult,
            cacheable=True,
        ),
        Method(
            "resources/read",
            _IN,
            types.ReadResourceRequestParams,
            types.ReadResourceResult,
            header_field="uri",
            cacheable=True,
            asks=True,
        ),
        Method("resources/subscribe", _IN, types.SubscribeRequestParams, empty, until=V2025_11_25),
        Method("resources/unsubscribe", _IN, types.UnsubscribeRequestParams, empty, until=V2025_11_25),
        # --- prompts and completion
        Method("prompts/list", _IN, types.PaginatedRequestParams, types.ListPromptsResult, cacheable=True),
        Method("prompts/get", _IN, types.GetPromptRequestParams, types.GetPromptResult, header_field="name", asks=True),
        Method("completion/complete", _IN, types.CompleteRequestParams, types.CompleteResult),
        # --- logging, progress, cancellation
        Method("logging/setLevel", _IN, types.SetLevelRequestParams, empty, until=V2025_11_25),
        Method("notifications/message", _OUT, types.LoggingMessageNotificationParams),
        Method("notifications/progress", _OUT, types.ProgressNotificationParams),
        Method("notifications/progress", _IN, types.ProgressNotificationParams, until=V2025_11_25),
        Method("notifications/cancelled", _IN, types.CancelledNotificationParams),
        Method("notifications/cancelled", _OUT, types.CancelledNotificationParams),
        # --- changes
        Method(
            "subscriptions/listen",
            _IN,
            types.SubscriptionsListenRequestParams,
            types.SubscriptionsListenResult,
            since=V2026_07_28,
        ),
        Method(
            "notifications/subscriptions/acknowledged",
            _OUT,
            types.SubscriptionsAcknowledgedNotificationParams,
            since=V2026_07_28,
        ),
        Method("notifications/tools/list_changed", _OUT, types.NotificationParams),
        Method("notifications/prompts/list_changed", _OUT, types.NotificationParams),
        Method("notifications/resources/list_changed", _OUT, types.NotificationParams),
        Method("notifications/resources/updated", _OUT, types.ResourceUpdatedNotificationParams),
        # --- what a server asks a client; in the modern era the same methods travel inside a result
        Method(
            "sampling/createMessage",
            _OUT,
            types.CreateMessageRequestParams,
            types.CreateMessageResult,
            until=V2025_11_25,
        ),
        Method(
            "elicitation/create",
            _OUT,
            types.ElicitRequestParams,
            types.ElicitResult,
            since=V2025_06_18,
            until=V2025_11_25,
        ),
        Method(
            "notifications/elicitation/complete",
            _OUT,
            types.ElicitationCompleteNotificationParams,
            since=V2025_11_25,
            until=V2025_11_25,
        ),
        Method("roots/list", _OUT, request, types.ListRootsResult, until=V2025_11_25),
        Method("notifications/roots/list_changed", _IN, types.NotificationParams, until=V2025_11_25),
        *_tasks(_IN),
        *_tasks(_OUT),
    )


def _tasks(direction: Direction) -> tuple[Method, ...]:
    """Return tasks as 2025-11-25 alone has them: either side may ask the other about those that it started there."""
    only = V2025_11_25
    page = types.PaginatedRequestParams
    return (
        Method("tasks/get", direction, types.TaskRequestParams, types.GetTaskResult, since=only, until=only),
        Method("tasks/list", direction, page, types.ListTasksResult, since=only, until=only),
        Method("tasks/cancel", direction, types.TaskRequestParams, types.CancelTaskResult, since=only, until=only),
        Method("tasks/result", direction, types.TaskRequestParams, types.Result, since=only, until=only),
        Method("notifications/tasks/status", direction, types.TaskStatusNotificationParams, since=only, until=only),
    )


METHODS = _rows()

NAME_FIELDS = {row.name: row.header_field for row in METHODS if row.header_field is not None}
"""Method to the parameter that ``Mcp-Name`` mirrors."""

_BY_REVISION = {
    (direction, revision.name): {
        row.name: row for row in METHODS if row.direction == direction and row.exists_in(revision)
    }
    for direction in ("to_server", "to_client")
    for revision in REVISIONS
}


def methods_of(revision: Revision, direction: Direction) -> dict[str, Method]:
    """Return the methods that a revision has in one direction, by name."""
    return _BY_REVISION[direction, revision.name]
