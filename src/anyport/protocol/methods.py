"""The methods table: who sends what, in which revisions, with which parameters and result.

One row per method and direction. Everything that must know a method asks this table: the server for what a revision
has, the header mirror for what goes into ``Mcp-Name``, the client's cache for what may be kept.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from anyport.protocol import types
from anyport.protocol.revisions import (
    REVISIONS,
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
    Revision,
)

Direction = Literal["to_server", "to_client"]


class Method(Struct, frozen=True, kw_only=True):
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
    to_server: Direction = "to_server"
    to_client: Direction = "to_client"
    request, empty = types.RequestParams, types.EmptyResult
    return (
        # --- lifecycle and discovery
        Method(name="initialize", direction=to_server, params=types.InitializeRequestParams, result=types.InitializeResult, until=V2025_11_25),
        Method(name="notifications/initialized", direction=to_server, params=types.NotificationParams, until=V2025_11_25),
        Method(name="ping", direction=to_server, params=request, result=empty, until=V2025_11_25),
        Method(name="ping", direction=to_client, params=request, result=empty, until=V2025_11_25),
        Method(name="server/discover", direction=to_server, params=request, result=types.DiscoverResult, since=V2026_07_28, cacheable=True),
        # --- tools
        Method(name="tools/list", direction=to_server, params=types.PaginatedRequestParams, result=types.ListToolsResult, cacheable=True),
        Method(name="tools/call", direction=to_server, params=types.CallToolRequestParams, result=types.CallToolResult, header_field="name", asks=True),
        # --- resources
        Method(name="resources/list", direction=to_server, params=types.PaginatedRequestParams, result=types.ListResourcesResult, cacheable=True),
        Method(name="resources/templates/list", direction=to_server, params=types.PaginatedRequestParams, result=types.ListResourceTemplatesResult, cacheable=True),
        Method(name="resources/read", direction=to_server, params=types.ReadResourceRequestParams, result=types.ReadResourceResult, header_field="uri", cacheable=True, asks=True),
        Method(name="resources/subscribe", direction=to_server, params=types.SubscribeRequestParams, result=empty, until=V2025_11_25),
        Method(name="resources/unsubscribe", direction=to_server, params=types.UnsubscribeRequestParams, result=empty, until=V2025_11_25),
        # --- prompts and completion
        Method(name="prompts/list", direction=to_server, params=types.PaginatedRequestParams, result=types.ListPromptsResult, cacheable=True),
        Method(name="prompts/get", direction=to_server, params=types.GetPromptRequestParams, result=types.GetPromptResult, header_field="name", asks=True),
        Method(name="completion/complete", direction=to_server, params=types.CompleteRequestParams, result=types.CompleteResult),
        # --- logging, progress, cancellation
        Method(name="logging/setLevel", direction=to_server, params=types.SetLevelRequestParams, result=empty, until=V2025_11_25),
        Method(name="notifications/message", direction=to_client, params=types.LoggingMessageNotificationParams),
        Method(name="notifications/progress", direction=to_client, params=types.ProgressNotificationParams),
        Method(name="notifications/progress", direction=to_server, params=types.ProgressNotificationParams, until=V2025_11_25),
        Method(name="notifications/cancelled", direction=to_server, params=types.CancelledNotificationParams),
        Method(name="notifications/cancelled", direction=to_client, params=types.CancelledNotificationParams),
        # --- changes
        Method(name="subscriptions/listen", direction=to_server, params=types.SubscriptionsListenRequestParams, result=types.SubscriptionsListenResult, since=V2026_07_28),
        Method(name="notifications/subscriptions/acknowledged", direction=to_client, params=types.SubscriptionsAcknowledgedNotificationParams, since=V2026_07_28),
        Method(name="notifications/tools/list_changed", direction=to_client, params=types.NotificationParams),
        Method(name="notifications/prompts/list_changed", direction=to_client, params=types.NotificationParams),
        Method(name="notifications/resources/list_changed", direction=to_client, params=types.NotificationParams),
        Method(name="notifications/resources/updated", direction=to_client, params=types.ResourceUpdatedNotificationParams),
        # --- what a server asks a client; in the modern era the same methods travel inside a result
        Method(name="sampling/createMessage", direction=to_client, params=types.CreateMessageRequestParams, result=types.CreateMessageResult, until=V2025_11_25),
        Method(name="elicitation/create", direction=to_client, params=types.ElicitRequestParams, result=types.ElicitResult, since=V2025_06_18, until=V2025_11_25),
        Method(name="notifications/elicitation/complete", direction=to_client, params=types.ElicitationCompleteNotificationParams, since=V2025_11_25, until=V2025_11_25),
        Method(name="roots/list", direction=to_client, params=request, result=types.ListRootsResult, until=V2025_11_25),
        Method(name="notifications/roots/list_changed", direction=to_server, params=types.NotificationParams, until=V2025_11_25),
        # --- tasks as 2025-11-25 has them
        Method(name="tasks/get", direction=to_server, params=types.TaskRequestParams, result=types.GetTaskResult, since=V2025_11_25, until=V2025_11_25),
        Method(name="tasks/list", direction=to_server, params=types.PaginatedRequestParams, result=types.ListTasksResult, since=V2025_11_25, until=V2025_11_25),
        Method(name="tasks/cancel", direction=to_server, params=types.TaskRequestParams, result=types.CancelTaskResult, since=V2025_11_25, until=V2025_11_25),
        Method(name="tasks/result", direction=to_server, params=types.TaskRequestParams, result=types.Result, since=V2025_11_25, until=V2025_11_25),
        Method(name="notifications/tasks/status", direction=to_client, params=types.TaskStatusNotificationParams, since=V2025_11_25, until=V2025_11_25),
    )  # fmt: skip


METHODS = _rows()

NAME_FIELDS = {row.name: row.header_field for row in METHODS if row.header_field is not None}
"""Method to the parameter that ``Mcp-Name`` mirrors."""

_BY_REVISION = {
    (direction, revision.name): {row.name: row for row in METHODS if row.direction == direction and row.exists_in(revision)}
    for direction in ("to_server", "to_client")
    for revision in REVISIONS
}


def methods_of(revision: Revision, direction: Direction) -> dict[str, Method]:
    """Return the methods that a revision has in one direction, by name."""
    return _BY_REVISION[direction, revision.name]
