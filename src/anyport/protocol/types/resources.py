"""Resources: listed, read, subscribed to (server, "Resources")."""

from msgspec import field

from anyport.protocol.types.messages import (
    CacheableResult,
    InputResponseRequestParams,
    Meta,
    NotificationParams,
    PaginatedResult,
    RequestParams,
    WireStruct,
)
from anyport.protocol.types.meta import Annotations, Icon


class Resource(WireStruct, kw_only=True):
    """A resource that can be read.

    Attributes:
        uri: URI of the resource.
        name: Name for programs.
        title: From 2025-06-18: name for people.
        description: What it represents.
        mime_type: MIME type, if known.
        size: Bytes before any encoding, if known.
        annotations: How a client may use it.
        icons: From 2025-11-25.
        meta: From 2025-06-18: ``_meta``.
    """

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None
    annotations: Annotations | None = None
    icons: list[Icon] | None = None
    meta: Meta | None = field(name="_meta", default=None)


class ResourceTemplate(WireStruct, kw_only=True):
    """A family of resources under one URI template.

    Attributes:
        uri_template: RFC 6570 template.
        name: Name for programs.
        title: From 2025-06-18: name for people.
        description: What it is for.
        mime_type: MIME type of every resource of the family, if they share one.
        annotations: How a client may use them.
        icons: From 2025-11-25.
        meta: From 2025-06-18: ``_meta``.
    """

    uri_template: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None
    annotations: Annotations | None = None
    icons: list[Icon] | None = None
    meta: Meta | None = field(name="_meta", default=None)


class ResourceContents(WireStruct, kw_only=True):
    """Contents of a resource: the specification's ``TextResourceContents`` and ``BlobResourceContents``.

    One type for both, because only the presence of ``text`` or ``blob`` tells them apart on the wire.

    Attributes:
        uri: URI of the resource.
        mime_type: MIME type, if known.
        text: The contents, if they are text.
        blob: The contents in base64, if they are not.
        meta: From 2025-06-18: ``_meta``.

    Raises:
        ValueError: Neither ``text`` nor ``blob`` is given.
    """

    uri: str
    mime_type: str | None = None
    text: str | None = None
    blob: str | None = None
    meta: Meta | None = field(name="_meta", default=None)

    def __post_init__(self) -> None:
        if self.text is None and self.blob is None:
            raise ValueError("Resource contents need `text` or `blob`")


class ListResourcesResult(PaginatedResult, kw_only=True):
    """Result of ``resources/list``.

    Attributes:
        resources: One page of them.
    """

    resources: list[Resource]


class ListResourceTemplatesResult(PaginatedResult, kw_only=True):
    """Result of ``resources/templates/list``.

    Attributes:
        resource_templates: One page of them.
    """

    resource_templates: list[ResourceTemplate]


class ReadResourceRequestParams(InputResponseRequestParams, kw_only=True):
    """Parameters of ``resources/read``.

    Attributes:
        uri: URI of the resource.
    """

    uri: str


class ReadResourceResult(CacheableResult, kw_only=True):
    """Result of ``resources/read``.

    Attributes:
        contents: The resource, or its parts.
    """

    contents: list[ResourceContents]


class SubscribeRequestParams(RequestParams, kw_only=True):
    """Parameters of ``resources/subscribe``, until 2025-11-25.

    Attributes:
        uri: URI of the resource.
    """

    uri: str


class UnsubscribeRequestParams(RequestParams, kw_only=True):
    """Parameters of ``resources/unsubscribe``, until 2025-11-25.

    Attributes:
        uri: URI of the resource.
    """

    uri: str


class ResourceUpdatedNotificationParams(NotificationParams, kw_only=True):
    """Parameters of ``notifications/resources/updated``.

    Attributes:
        uri: URI of the resource that changed; it may lie below the one subscribed to.
    """

    uri: str
