"""Samples of what clients answer, and of what any feature uses: lifecycle, patterns, tasks."""

from __future__ import annotations

import msgspec

from anyport.protocol import types as t
from tests.protocol.type_samples import (
    DATA_META,
    LAST_LEGACY,
    LEGACY_META,
    MODERN,
    Sample,
    cacheable,
    data,
    params,
    result,
)
from tests.protocol.type_samples_server import AUDIO, ICONS, IMAGE, PLAIN_TOOL, TEXT

OPTIONS = [t.EnumOption(const="r", title="Red"), t.EnumOption(const="g", title="Green")]
UNTITLED_ITEMS = t.EnumItems(type="string", enum=["r", "g"])
TITLED_ITEMS = t.EnumItems(any_of=OPTIONS)
FIELDS: dict[str, t.PrimitiveSchemaDefinition] = {
    "name": t.StringSchema(title="Name", description="Yours", min_length=0, max_length=9, format="email"),
    "age": t.IntegerSchema(title="Age", description="In years", minimum=0, maximum=150),
    "size": t.NumberSchema(minimum=0.5, maximum=2),
    "sure": t.BooleanSchema(title="Sure", description="Really", default=False),
    "colour": t.StringSchema(enum=["r", "g"], enum_names=["Red", "Green"]),
}
EMPTY_FORM = t.ElicitRequestedSchema(properties={})
FORM = t.ElicitRequestedSchema(properties=FIELDS, required=["name"])
NEW_FORM = t.ElicitRequestedSchema(
    schema="https://json-schema.org/draft/2020-12/schema",
    properties={
        "name": t.StringSchema(default="Ada"),
        "age": t.IntegerSchema(default=3),
        "size": t.NumberSchema(title="Size", description="In metres", default=1.5),
        "one": t.StringSchema(one_of=OPTIONS, default="r"),
        "some": t.MultiSelectEnumSchema(items=UNTITLED_ITEMS, title="Some", description="Of them"),
        "more": t.MultiSelectEnumSchema(items=TITLED_ITEMS, min_items=0, max_items=2, default=["r"]),
    },
)
OPEN_URL = t.ElicitRequestParams(mode="url", message="Sign in", url="https://example.com/in", elicitation_id="e1")

ELICITATION = [
    *data("StringSchema", t.StringSchema(), FIELDS["name"], since="2025-06-18"),
    *data("StringSchema", t.StringSchema(default=""), since=LAST_LEGACY),
    *data("NumberSchema", t.NumberSchema(), t.IntegerSchema(), FIELDS["age"], FIELDS["size"], since="2025-06-18"),
    *data("NumberSchema", t.NumberSchema(default=0), t.IntegerSchema(default=0), since=LAST_LEGACY),
    *data("BooleanSchema", t.BooleanSchema(), FIELDS["sure"], since="2025-06-18"),
    *data("LegacyTitledEnumSchema", t.StringSchema(enum=[]), FIELDS["colour"], since="2025-06-18"),
    *data("UntitledSingleSelectEnumSchema", t.StringSchema(enum=["r"], default="r"), since=LAST_LEGACY),
    *data("TitledSingleSelectEnumSchema", t.StringSchema(one_of=OPTIONS), since=LAST_LEGACY),
    *data("UntitledMultiSelectEnumSchema", t.MultiSelectEnumSchema(items=UNTITLED_ITEMS), since=LAST_LEGACY),
    *data("TitledMultiSelectEnumSchema", t.MultiSelectEnumSchema(items=TITLED_ITEMS, default=[]), since=LAST_LEGACY),
    *data(
        "ElicitRequestFormParams", t.ElicitRequestParams(message="?", requested_schema=EMPTY_FORM), since="2025-06-18"
    ),
    *data("ElicitRequestFormParams", t.ElicitRequestParams(message="?", requested_schema=FORM), since="2025-06-18"),
    *data(
        "ElicitRequestFormParams",
        t.ElicitRequestParams(mode="form", message="", requested_schema=NEW_FORM),
        since=LAST_LEGACY,
    ),
    *data(
        "ElicitRequestFormParams",
        t.ElicitRequestParams(
            message="", requested_schema=EMPTY_FORM, task=t.TaskMetadata(ttl=0), meta={"progressToken": 1}
        ),
        since=LAST_LEGACY,
        until=LAST_LEGACY,
    ),
    *data("ElicitRequestURLParams", OPEN_URL, since=LAST_LEGACY, until=LAST_LEGACY),
    *data("ElicitRequestURLParams", t.ElicitRequestParams(mode="url", message="", url="https://e.org"), since=MODERN),
    *data("ElicitResult", t.ElicitResult(action="decline"), t.ElicitResult(action="cancel"), since="2025-06-18"),
    *data(
        "ElicitResult", t.ElicitResult(action="accept", content={"n": "Ada", "a": 3, "s": False}), since="2025-06-18"
    ),
    *data("ElicitResult", t.ElicitResult(action="accept", content={"x": 1.5, "some": ["r"]}), since=LAST_LEGACY),
    *data("ElicitResult", t.ElicitResult(action="cancel", meta=DATA_META), since="2025-06-18", until=LAST_LEGACY),
    *data(
        "ElicitationCompleteNotification",
        t.ElicitationCompleteNotificationParams(elicitation_id="e1"),
        since=LAST_LEGACY,
        until=LAST_LEGACY,
        method="notifications/elicitation/complete",
    ),
]

SAMPLING_REQUEST = t.CreateMessageRequestParams(messages=[t.SamplingMessage(role="user", content=TEXT)], max_tokens=1)

SAMPLING_AND_ROOTS = [
    *data("SamplingMessage", t.SamplingMessage(role="user", content=TEXT)),
    *data("SamplingMessage", t.SamplingMessage(role="assistant", content=AUDIO), since="2025-03-26"),
    *data("SamplingMessage", t.SamplingMessage(role="user", content=[TEXT, IMAGE], meta=DATA_META), since=LAST_LEGACY),
    *data(
        "SamplingMessage",
        t.SamplingMessage(role="assistant", content=t.ToolUseContent(id="1", name="add", input={})),
        t.SamplingMessage(role="user", content=[t.ToolResultContent(tool_use_id="1", content=[TEXT])]),
        since=LAST_LEGACY,
    ),
    *data("ModelHint", t.ModelHint(), t.ModelHint(name="sonnet")),
    *data(
        "ModelPreferences",
        t.ModelPreferences(),
        t.ModelPreferences(
            hints=[t.ModelHint(name="a")], cost_priority=0, speed_priority=0.25, intelligence_priority=1.0
        ),
    ),
    *data("ToolChoice", t.ToolChoice(), t.ToolChoice(mode="required"), since=LAST_LEGACY),
    *data(
        "CreateMessageRequestParams",
        SAMPLING_REQUEST,
        t.CreateMessageRequestParams(
            messages=[],
            max_tokens=100,
            system_prompt="",
            model_preferences=t.ModelPreferences(),
            include_context="thisServer",
            temperature=0.7,
            stop_sequences=["."],
            metadata={"a": {"b": 1}},
        ),
    ),
    *data(
        "CreateMessageRequestParams",
        t.CreateMessageRequestParams(
            messages=[], max_tokens=1, tools=[PLAIN_TOOL], tool_choice=t.ToolChoice(mode="none")
        ),
        since=LAST_LEGACY,
    ),
    *data(
        "CreateMessageRequestParams",
        t.CreateMessageRequestParams(messages=[], max_tokens=1, task=t.TaskMetadata(), meta=LEGACY_META),
        since=LAST_LEGACY,
        until=LAST_LEGACY,
    ),
    *data(
        "CreateMessageResult",
        t.CreateMessageResult(role="assistant", content=TEXT, model="m"),
        t.CreateMessageResult(role="assistant", content=IMAGE, model="m", stop_reason="endTurn", meta=DATA_META),
    ),
    *data("CreateMessageResult", t.CreateMessageResult(role="user", content=[], model=""), since=LAST_LEGACY),
    *data("Root", t.Root(uri="file:///a"), t.Root(uri="file:///a", name="a")),
    *data("Root", t.Root(uri="file:///a", meta=DATA_META), since="2025-06-18"),
    *data("ListRootsResult", t.ListRootsResult(roots=[]), t.ListRootsResult(roots=[t.Root(uri="file:///a")])),
    *data("ListRootsResult", t.ListRootsResult(roots=[], meta=DATA_META), until=LAST_LEGACY),
]

ASK_ROOTS = t.ListRootsRequest()
ASK_USER = t.ElicitRequest(params=t.ElicitRequestParams(message="?", requested_schema=FORM))
ASK_MODEL = t.CreateMessageRequest(params=SAMPLING_REQUEST)
WANTED = t.SubscriptionFilter(
    tools_list_changed=True,
    prompts_list_changed=True,
    resources_list_changed=True,
    resource_subscriptions=["file:///a.txt"],
)
STREAM_META: t.JsonObject = {"io.modelcontextprotocol/subscriptionId": "s-1"}

PATTERNS = [
    *params("RequestParams", t.RequestParams()),
    *params("RequestParams", t.RequestParams(meta=LEGACY_META), until=LAST_LEGACY),
    *params("PaginatedRequestParams", t.PaginatedRequestParams(), t.PaginatedRequestParams(cursor="")),
    *params(
        "InputResponseRequestParams",
        t.InputResponseRequestParams(input_responses={"a": {"action": "cancel"}}, request_state="s"),
        since=MODERN,
    ),
    *params(
        "TaskAugmentedRequestParams",
        t.TaskAugmentedRequestParams(task=t.TaskMetadata(ttl=1)),
        since=LAST_LEGACY,
        until=LAST_LEGACY,
    ),
    *data("NotificationParams", t.NotificationParams(), t.NotificationParams(meta=DATA_META)),
    *result("Result", t.EmptyResult(), t.EmptyResult(meta=DATA_META)),
    *cacheable("CacheableResult", t.CacheableResult(), since=MODERN),
    *result("PaginatedResult", t.PaginatedResult(), t.PaginatedResult(next_cursor="2")),
    *data(
        "ProgressNotificationParams",
        t.ProgressNotificationParams(progress_token="t", progress=0),
        t.ProgressNotificationParams(progress_token=2**53 - 1, progress=0.5, total=1.5),
    ),
    *data(
        "ProgressNotificationParams",
        t.ProgressNotificationParams(progress_token=0, progress=1, total=2, message="half", meta=DATA_META),
        since="2025-03-26",
    ),
    *data(
        "CancelledNotificationParams",
        t.CancelledNotificationParams(request_id=0),
        t.CancelledNotificationParams(request_id="a", reason="", meta=DATA_META),
    ),
    *data("CancelledNotificationParams", t.CancelledNotificationParams(), since=LAST_LEGACY, until=LAST_LEGACY),
    *params("SetLevelRequestParams", *(t.SetLevelRequestParams(level=x) for x in t.LOG_LEVELS), until=LAST_LEGACY),
    *data(
        "LoggingMessageNotificationParams",
        t.LoggingMessageNotificationParams(level="debug", data=None),
        t.LoggingMessageNotificationParams(level="emergency", data={"a": [1]}, logger="db", meta=DATA_META),
    ),
    *data("SubscriptionFilter", t.SubscriptionFilter(), WANTED, since=MODERN),
    *data("SubscriptionFilter", t.SubscriptionFilter(resource_subscriptions=[]), since=MODERN),
    *params("SubscriptionsListenRequestParams", t.SubscriptionsListenRequestParams(notifications=WANTED), since=MODERN),
    *data(
        "SubscriptionsAcknowledgedNotificationParams",
        t.SubscriptionsAcknowledgedNotificationParams(notifications=t.SubscriptionFilter()),
        t.SubscriptionsAcknowledgedNotificationParams(notifications=WANTED, meta=STREAM_META),
        since=MODERN,
    ),
    *result("SubscriptionsListenResult", t.SubscriptionsListenResult(meta=STREAM_META), since=MODERN),
    *data("ElicitRequest", ASK_USER, since=MODERN),
    *data("CreateMessageRequest", ASK_MODEL, since=MODERN),
    *data("ListRootsRequest", ASK_ROOTS, since=MODERN),
    *data("ListRootsRequest", t.ListRootsRequest(params=t.RequestParams(meta=DATA_META)), since=MODERN),
    *data(
        "InputRequiredResult",
        t.InputRequiredResult(request_state=""),
        t.InputRequiredResult(input_requests={}),
        t.InputRequiredResult(
            input_requests={"who": ASK_USER, "model": ASK_MODEL, "where": ASK_ROOTS}, request_state="s", meta=DATA_META
        ),
        since=MODERN,
    ),
]

PLAIN_SOFTWARE = t.Implementation(name="shop", version="1.2")
SOFTWARE = t.Implementation(
    name="shop", version="1.2", title="Shop", description="Sells", website_url="https://example.com", icons=ICONS
)
OLD_CLIENT = t.ClientCapabilities(
    experimental={"x": {"y": 1}}, roots=t.RootsCapability(list_changed=True), sampling=t.SamplingCapability()
)
TASKING_CLIENT = t.ClientCapabilities(
    tasks=t.ClientTasksCapability(
        list={},
        cancel={},
        requests=t.ClientTaskRequests(
            sampling=t.TaskSamplingCapability(create_message={}), elicitation=t.TaskElicitationCapability(create={})
        ),
    )
)
NEW_CLIENT = t.ClientCapabilities(
    sampling=t.SamplingCapability(context={}, tools={}),
    elicitation=t.ElicitationCapability(form={}, url={}),
)
OLD_SERVER = t.ServerCapabilities(
    experimental={},
    logging={},
    prompts=t.PromptsCapability(list_changed=True),
    resources=t.ResourcesCapability(subscribe=True, list_changed=True),
    tools=t.ToolsCapability(list_changed=True),
)
TASKING_SERVER = t.ServerCapabilities(
    tasks=t.ServerTasksCapability(
        list={}, cancel={}, requests=t.ServerTaskRequests(tools=t.TaskToolsCapability(call={}))
    )
)
EXTENSIONS: dict[str, t.JsonObject] = {"io.modelcontextprotocol/tasks": {}, "com.example/x": {"level": 3}}

LIFECYCLE = [
    *data("Implementation", PLAIN_SOFTWARE),
    *data("Implementation", t.Implementation(name="shop", version="1", title="Shop"), since="2025-06-18"),
    *data("Implementation", SOFTWARE, since=LAST_LEGACY),
    *data("ClientCapabilities", t.ClientCapabilities(), OLD_CLIENT),
    *data("ClientCapabilities", t.ClientCapabilities(elicitation=t.ElicitationCapability()), since="2025-06-18"),
    *data("ClientCapabilities", NEW_CLIENT, since=LAST_LEGACY),
    *data("ClientCapabilities", TASKING_CLIENT, since=LAST_LEGACY, until=LAST_LEGACY),
    *data("ClientCapabilities", t.ClientCapabilities(extensions=EXTENSIONS), since=MODERN),
    *data("ServerCapabilities", t.ServerCapabilities(), OLD_SERVER),
    *data(
        "ServerCapabilities",
        t.ServerCapabilities(
            prompts=t.PromptsCapability(), resources=t.ResourcesCapability(), tools=t.ToolsCapability()
        ),
    ),
    *data("ServerCapabilities", t.ServerCapabilities(completions={}), since="2025-03-26"),
    *data("ServerCapabilities", TASKING_SERVER, since=LAST_LEGACY, until=LAST_LEGACY),
    *data("ServerCapabilities", t.ServerCapabilities(extensions=EXTENSIONS), since=MODERN),
    *params(
        "InitializeRequestParams",
        t.InitializeRequestParams(
            protocol_version="2025-11-25", capabilities=t.ClientCapabilities(), client_info=PLAIN_SOFTWARE
        ),
        until=LAST_LEGACY,
    ),
    *result(
        "InitializeResult",
        t.InitializeResult(
            protocol_version="2025-11-25", capabilities=t.ServerCapabilities(), server_info=PLAIN_SOFTWARE
        ),
        t.InitializeResult(
            protocol_version="2024-11-05",
            capabilities=OLD_SERVER,
            server_info=PLAIN_SOFTWARE,
            instructions="Buy",
            meta=DATA_META,
        ),
        until=LAST_LEGACY,
    ),
    *cacheable(
        "DiscoverResult",
        t.DiscoverResult(supported_versions=[MODERN], capabilities=t.ServerCapabilities()),
        t.DiscoverResult(supported_versions=[], capabilities=OLD_SERVER, instructions="Buy", meta=DATA_META),
        since=MODERN,
    ),
    *data(
        "RequestMetaObject",
        t.RequestMeta(protocol_version=MODERN, client_capabilities=t.ClientCapabilities()),
        t.RequestMeta(
            progress_token=0,
            protocol_version=MODERN,
            client_info=SOFTWARE,
            client_capabilities=NEW_CLIENT,
            log_level="notice",
        ),
        since=MODERN,
    ),
    *data("NotificationMetaObject", t.NotificationMeta(), t.NotificationMeta(subscription_id=0), since=MODERN),
    *data("ResultMetaObject", t.ResultMeta(), t.ResultMeta(server_info=SOFTWARE), since=MODERN),
    *data("SubscriptionsListenResultMeta", t.SubscriptionsListenResultMeta(subscription_id="s-1"), since=MODERN),
    *data("Data1", t.UnsupportedProtocolVersionErrorData(supported=[], requested="1999-01-01"), since=MODERN),
    *data("Data", t.MissingRequiredClientCapabilityErrorData(required_capabilities=NEW_CLIENT), since=MODERN),
    *data("Data", t.URLElicitationRequiredErrorData(elicitations=[OPEN_URL]), since=LAST_LEGACY, until=LAST_LEGACY),
]

TASK = t.Task(task_id="t1", status="working", created_at="2025-11-25T10:00:00Z", last_updated_at="", ttl=None)

CANCELLED = t.Task(
    task_id="t1",
    status="cancelled",
    created_at="a",
    last_updated_at="b",
    ttl=60_000,
    status_message="By the user",
    poll_interval=0,
)
RELATED: t.Meta = {t.META_RELATED_TASK: {"taskId": "t1"}}


def tasks(spec: str, *values: msgspec.Struct, method: str | None = None) -> list[Sample]:
    """Samples of the one revision that has tasks."""
    return data(spec, *values, since=LAST_LEGACY, until=LAST_LEGACY, method=method)


TASKS = [
    *tasks("TaskMetadata", t.TaskMetadata(), t.TaskMetadata(ttl=0)),
    *tasks("RelatedTaskMetadata", t.RelatedTaskMetadata(task_id="t1")),
    *tasks("Task", TASK, CANCELLED),
    *tasks("CreateTaskResult", t.CreateTaskResult(task=TASK)),
    *tasks("CreateTaskResult", t.CreateTaskResult(task=CANCELLED, meta={t.META_IMMEDIATE_RESPONSE: "wait"})),
    *tasks("GetTaskRequest", t.TaskRequestParams(task_id="t1"), method="tasks/get"),
    *tasks("GetTaskPayloadRequest", t.TaskRequestParams(task_id="t1"), method="tasks/result"),
    *tasks("CancelTaskRequest", t.TaskRequestParams(task_id="t1"), method="tasks/cancel"),
    *tasks("GetTaskResult", t.GetTaskResult(**msgspec.structs.asdict(TASK))),
    *tasks("GetTaskResult", t.GetTaskResult(**msgspec.structs.asdict(CANCELLED), meta=RELATED)),
    *tasks("CancelTaskResult", t.CancelTaskResult(**msgspec.structs.asdict(CANCELLED))),
    *tasks("CancelTaskResult", t.CancelTaskResult(**msgspec.structs.asdict(CANCELLED), meta=RELATED)),
    *tasks("TaskStatusNotificationParams", t.TaskStatusNotificationParams(**msgspec.structs.asdict(TASK))),
    *tasks(
        "TaskStatusNotificationParams", t.TaskStatusNotificationParams(**msgspec.structs.asdict(TASK), meta=RELATED)
    ),
    *tasks("ListTasksResult", t.ListTasksResult(tasks=[])),
    *tasks("ListTasksResult", t.ListTasksResult(tasks=[TASK], next_cursor="2", meta=DATA_META)),
]

CLIENT_SAMPLES: list[Sample] = [*ELICITATION, *SAMPLING_AND_ROOTS, *PATTERNS, *LIFECYCLE, *TASKS]
