"""How two ends come to know each other: ``initialize``, ``server/discover``, and what ``_meta`` carries (2026-07-28).

The ``_meta`` of a message stays an open object; the types here are for building one and for reading its reserved keys
(``msgspec.to_builtins`` and ``msgspec.convert``).
"""

from msgspec import field

from anyport.protocol.types.capabilities import ClientCapabilities, ServerCapabilities
from anyport.protocol.types.messages import CacheableResult, ProgressToken, RequestId, RequestParams, Result, WireStruct
from anyport.protocol.types.meta import Implementation
from anyport.protocol.types.patterns import LoggingLevel

# --- initialize, until 2025-11-25 -------------------------------------------------------------------------------------


class InitializeRequestParams(RequestParams, kw_only=True):
    """Parameters of ``initialize``, until 2025-11-25 (LIFE-01).

    Attributes:
        protocol_version: Revision that the client wants.
        capabilities: What it can do.
        client_info: What it is.
    """

    protocol_version: str
    capabilities: ClientCapabilities
    client_info: Implementation


class InitializeResult(Result, kw_only=True):
    """Result of ``initialize``, until 2025-11-25 (LIFE-02).

    Attributes:
        protocol_version: Revision that will be spoken.
        capabilities: What the server can do.
        server_info: What it is.
        instructions: How to use it, for a model.
    """

    protocol_version: str
    capabilities: ServerCapabilities
    server_info: Implementation
    instructions: str | None = None


# --- server/discover, from 2026-07-28 ---------------------------------------------------------------------------------


class DiscoverResult(CacheableResult, kw_only=True):
    """Result of ``server/discover``, from 2026-07-28 (VER-03).

    Attributes:
        supported_versions: Revisions that the server speaks.
        capabilities: What it can do.
        instructions: How to use it, for a model.
    """

    supported_versions: list[str]
    capabilities: ServerCapabilities
    instructions: str | None = None


# --- reserved keys of _meta -------------------------------------------------------------------------------------------


class RequestMeta(WireStruct, kw_only=True):
    """Reserved keys in the ``_meta`` of a request (META-01).

    Attributes:
        progress_token: The sender wants progress under this token.
        protocol_version: From 2026-07-28, where it is required: revision of the request.
        client_info: From 2026-07-28: what the client is.
        client_capabilities: From 2026-07-28, where it is required: what the client can do.
        log_level: From 2026-07-28: least severe log message that is wanted; ``None`` for no messages (LOG-01).
    """

    progress_token: ProgressToken | None = None
    protocol_version: str | None = field(name="io.modelcontextprotocol/protocolVersion", default=None)
    client_info: Implementation | None = field(name="io.modelcontextprotocol/clientInfo", default=None)
    client_capabilities: ClientCapabilities | None = field(
        name="io.modelcontextprotocol/clientCapabilities", default=None
    )
    log_level: LoggingLevel | None = field(name="io.modelcontextprotocol/logLevel", default=None)


class NotificationMeta(WireStruct, kw_only=True, gc=False):
    """Reserved keys in the ``_meta`` of a notification, from 2026-07-28 (SUB-03).

    Attributes:
        subscription_id: Id of the ``subscriptions/listen`` request; ``None`` outside its stream.
    """

    subscription_id: RequestId | None = field(name="io.modelcontextprotocol/subscriptionId", default=None)


class ResultMeta(WireStruct, kw_only=True):
    """Reserved keys in the ``_meta`` of a result, from 2026-07-28 (META-03).

    Attributes:
        server_info: What the server is.
    """

    server_info: Implementation | None = field(name="io.modelcontextprotocol/serverInfo", default=None)


class SubscriptionsListenResultMeta(ResultMeta, kw_only=True):
    """Reserved keys in the ``_meta`` of a `SubscriptionsListenResult`, from 2026-07-28 (SUB-03).

    Attributes:
        subscription_id: Id of the ``subscriptions/listen`` request.
    """

    subscription_id: RequestId = field(name="io.modelcontextprotocol/subscriptionId")


# --- data of errors, from 2026-07-28 ----------------------------------------------------------------------------------


class UnsupportedProtocolVersionErrorData(WireStruct, kw_only=True):
    """Data of error -32022, from 2026-07-28 (VER-01).

    Attributes:
        supported: Revisions that the server speaks.
        requested: Revision that the client asked for.
    """

    supported: list[str]
    requested: str


class MissingRequiredClientCapabilityErrorData(WireStruct, kw_only=True):
    """Data of error -32021, from 2026-07-28 (META-05).

    Attributes:
        required_capabilities: What the client would have to declare.
    """

    required_capabilities: ClientCapabilities
