"""What all parameters and all results share: ``_meta``, cursors, the result envelope (basic, "General fields").

One type stands for all revisions. ``None`` means absent: it is never written, and a ``null`` received for an optional
field reads as absent. A field that must be written where its revision has it, but that other revisions do not have, is
optional here; who builds the message for a revision fills it in.
"""

from typing import Literal, TypeAlias

from msgspec import Raw, Struct, field

from anyport.protocol.types.json import JsonObject, JsonValue

RequestId: TypeAlias = str | int
"""Id of a JSON-RPC request."""

ProgressToken: TypeAlias = str | int
"""Token that ties progress notifications to a request."""

Cursor: TypeAlias = str
"""Opaque position in a paginated list; the empty string is a position too (PAG-01)."""

ResultType: TypeAlias = Literal["complete", "input_required"] | str
"""How a result is to be read (2026-07-28); extensions add values."""

CacheScope: TypeAlias = Literal["public", "private"]
"""Who may share a cached result (2026-07-28)."""

Meta: TypeAlias = JsonObject
"""An object under ``_meta``: open, and kept as received, unknown keys included."""


class WireStruct(Struct, omit_defaults=True, rename="camel"):
    """Parent of every type on the wire: camelCase names, defaults left out, unknown fields ignored."""


class RequestParams(WireStruct, kw_only=True):
    """Parameters that every request may carry.

    Attributes:
        meta: ``_meta`` of the request (`RequestMeta` names its reserved keys); required from 2026-07-28 on. Encoded
            JSON is accepted for sending; what was received is always an object.
    """

    meta: Meta | Raw | None = field(name="_meta", default=None)


class NotificationParams(WireStruct, kw_only=True):
    """Parameters that every notification may carry.

    Attributes:
        meta: ``_meta`` of the notification (`NotificationMeta` names its reserved keys). Encoded JSON is accepted for
            sending.
    """

    meta: Meta | Raw | None = field(name="_meta", default=None)


class Result(WireStruct, kw_only=True):
    """Fields that every result may carry; alone, the empty result.

    Attributes:
        meta: ``_meta`` of the result (`ResultMeta` names its reserved keys). Encoded JSON is accepted for sending.
        result_type: From 2026-07-28, where it is required; ``None`` in older revisions, and read as ``complete``.
    """

    meta: Meta | Raw | None = field(name="_meta", default=None)
    result_type: ResultType | None = None


EmptyResult: TypeAlias = Result
"""Success without data."""


class CacheableResult(Result, kw_only=True):
    """A result that the receiver may keep (2026-07-28, server utilities, "Caching"; CCH-01).

    Attributes:
        ttl_ms: From 2026-07-28, where it is required: milliseconds for which the result is fresh; 0 is stale at once.
        cache_scope: From 2026-07-28, where it is required.
    """

    ttl_ms: int | None = None
    cache_scope: CacheScope | None = None


class PaginatedResult(CacheableResult, kw_only=True):
    """A page of a list (server utilities, "Pagination").

    Attributes:
        next_cursor: Where the next page begins; ``None`` on the last page.
    """

    next_cursor: Cursor | None = None


class PaginatedRequestParams(RequestParams, kw_only=True):
    """Parameters of every request for a list.

    Attributes:
        cursor: Where the page begins; ``None`` for the first page.
    """

    cursor: Cursor | None = None


class InputResponseRequestParams(RequestParams, kw_only=True):
    """Parameters of a request that the server may have asked input for (2026-07-28, basic patterns, "MRTR").

    Attributes:
        input_responses: From 2026-07-28: the client's answers under the keys of ``inputRequests``. Each is a
            `CreateMessageResult`, a `ListRootsResult` or an `ElicitResult`; only the request under the same key tells
            which, and answers nobody asked for are to be ignored, so they are checked one by one and not here.
        request_state: From 2026-07-28: ``requestState`` exactly as the server sent it.
    """

    input_responses: dict[str, JsonValue] | None = None
    request_state: str | None = None
