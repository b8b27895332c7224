"""Samples of what servers offer: content, tools, resources, prompts, completion."""

from __future__ import annotations

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

ICONS = [
    t.Icon(src="https://example.com/a.png"),
    t.Icon(src="data:image/svg+xml;base64,PHN2Zy8+", mime_type="image/svg+xml", sizes=["48x48", "any"], theme="dark"),
]
OLD_NOTES = t.Annotations(audience=["user", "assistant"], priority=0.5)
NOTES = t.Annotations(audience=["user"], priority=1, last_modified="2025-01-12T15:00:58Z")

TEXT = t.TextContent("hello \u2028 w\u00f6rld")
IMAGE = t.ImageContent("aGVsbG8=", "image/png")
AUDIO = t.AudioContent("aGVsbG8=", "audio/wav")
LINK = t.ResourceLink(uri="file:///a.txt", name="a")
PLAIN_TEXT = t.ResourceContents(uri="file:///a.txt", text="")
PLAIN_BLOB = t.ResourceContents(uri="file:///a.bin", blob="AAE=")
FULL_TEXT = t.ResourceContents(uri="file:///a.txt", mime_type="text/plain", text="a", meta=DATA_META)
EMBEDDED = t.EmbeddedResource(PLAIN_TEXT)

CONTENT = [
    *data("Annotations", t.Annotations(), OLD_NOTES, since="2025-03-26"),
    *data("Annotations", NOTES, since="2025-06-18"),
    *data("Icon", *ICONS, since=LAST_LEGACY),
    *data("TextContent", TEXT, t.TextContent("", OLD_NOTES)),
    *data("TextContent", t.TextContent("a", NOTES, DATA_META), since="2025-06-18"),
    *data("ImageContent", IMAGE, t.ImageContent("", "image/png", OLD_NOTES)),
    *data("ImageContent", t.ImageContent("", "image/png", NOTES, DATA_META), since="2025-06-18"),
    *data("AudioContent", AUDIO, t.AudioContent("", "audio/wav", OLD_NOTES), since="2025-03-26"),
    *data("AudioContent", t.AudioContent("", "audio/wav", NOTES, DATA_META), since="2025-06-18"),
    *data("TextResourceContents", PLAIN_TEXT, t.ResourceContents(uri="a:b", mime_type="text/plain", text="a")),
    *data("TextResourceContents", FULL_TEXT, since="2025-06-18"),
    *data("BlobResourceContents", PLAIN_BLOB, t.ResourceContents(uri="a:b", mime_type="image/png", blob="")),
    *data("BlobResourceContents", t.ResourceContents(uri="a:b", blob="", meta=DATA_META), since="2025-06-18"),
    *data("EmbeddedResource", EMBEDDED, t.EmbeddedResource(PLAIN_BLOB, OLD_NOTES)),
    *data("EmbeddedResource", t.EmbeddedResource(FULL_TEXT, NOTES, DATA_META), since="2025-06-18"),
    *data("ResourceLink", LINK, since="2025-06-18"),
    *data(
        "ResourceLink",
        t.ResourceLink(uri="a:b", name="a", title="A", description="", mime_type="a/b", size=0, icons=ICONS),
        since=LAST_LEGACY,
    ),
    *data("ToolUseContent", t.ToolUseContent(id="u1", name="add", input={}), since=LAST_LEGACY),
    *data(
        "ToolUseContent",
        t.ToolUseContent(id="u1", name="add", input={"a": [1, 2.5, None]}, meta=DATA_META),
        since=LAST_LEGACY,
    ),
    *data(
        "ToolResultContent",
        t.ToolResultContent(tool_use_id="u1", content=[]),
        t.ToolResultContent(
            tool_use_id="u1",
            content=[TEXT, IMAGE, AUDIO, LINK, EMBEDDED],
            structured_content={"sum": 3},
            is_error=True,
            meta=DATA_META,
        ),
        since=LAST_LEGACY,
    ),
    *data(
        "ToolResultContent",
        t.ToolResultContent(tool_use_id="u1", content=[], structured_content=None),
        since=MODERN,
    ),
]

OBJECT_SCHEMA: t.JsonObject = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FREE_SCHEMA: t.JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"n": {"type": "number"}},
    "properties": {"a": {"$ref": "#/$defs/n", "x-mcp-header": "A"}},
    "oneOf": [{"required": ["a"]}, {"maxProperties": 0}],
    "additionalProperties": False,
}
PLAIN_TOOL = t.Tool(name="add", input_schema={"type": "object"})
HINTS = t.ToolAnnotations(
    title="Add", read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
TITLED_TOOL = t.Tool(
    name="add",
    title="Add",
    description="Adds",
    input_schema=OBJECT_SCHEMA,
    output_schema=OBJECT_SCHEMA,
    annotations=HINTS,
    meta=DATA_META,
)
RICH_TOOL = t.Tool(
    name="add", input_schema=FREE_SCHEMA, output_schema={"type": "array", "items": {"type": "string"}}, icons=ICONS
)

TOOLS = [
    *data("ToolAnnotations", t.ToolAnnotations(), HINTS, since="2025-03-26"),
    *data("ToolExecution", t.ToolExecution(), since=LAST_LEGACY, until=LAST_LEGACY),
    *data("ToolExecution", t.ToolExecution(task_support="optional"), since=LAST_LEGACY, until=LAST_LEGACY),
    *data("Tool", PLAIN_TOOL, t.Tool(name="add", description="", input_schema=OBJECT_SCHEMA)),
    *data("Tool", t.Tool(name="add", input_schema=OBJECT_SCHEMA, annotations=HINTS), since="2025-03-26"),
    *data("Tool", TITLED_TOOL, since="2025-06-18"),
    *data(
        "Tool",
        t.Tool(
            name="add",
            input_schema={"type": "object"},
            icons=ICONS,
            execution=t.ToolExecution(task_support="required"),
        ),
        since=LAST_LEGACY,
        until=LAST_LEGACY,
    ),
    *data("Tool", RICH_TOOL, since=MODERN),
    *cacheable("ListToolsResult", t.ListToolsResult(tools=[])),
    *cacheable("ListToolsResult", t.ListToolsResult(tools=[PLAIN_TOOL], next_cursor="", meta=DATA_META)),
    *params("CallToolRequestParams", t.CallToolRequestParams(name="add")),
    *params(
        "CallToolRequestParams",
        t.CallToolRequestParams(name="add", arguments={}),
        t.CallToolRequestParams(name="add", arguments={"a": 1, "b": [None, {"c": "\u00e9"}], "c": -1.5e300}),
    ),
    *params("CallToolRequestParams", t.CallToolRequestParams(name="add", meta=LEGACY_META), until=LAST_LEGACY),
    *params(
        "CallToolRequestParams",
        t.CallToolRequestParams(name="add", task=t.TaskMetadata()),
        t.CallToolRequestParams(name="add", task=t.TaskMetadata(ttl=60_000)),
        since=LAST_LEGACY,
        until=LAST_LEGACY,
    ),
    *params(
        "CallToolRequestParams",
        t.CallToolRequestParams(
            name="add",
            input_responses={"who": {"action": "accept", "content": {"name": "Ada"}}},
            request_state="sealed",
        ),
        since=MODERN,
    ),
    *result(
        "CallToolResult",
        t.CallToolResult(content=[]),
        t.CallToolResult(content=[TEXT, IMAGE, EMBEDDED], is_error=True, meta=DATA_META),
    ),
    *result("CallToolResult", t.CallToolResult(content=[AUDIO]), since="2025-03-26"),
    *result("CallToolResult", t.CallToolResult(content=[LINK], structured_content={"a": None}), since="2025-06-18"),
    *result(
        "CallToolResult",
        t.CallToolResult(content=[], structured_content=None),
        t.CallToolResult(content=[], structured_content=[1, "two", False]),
        t.CallToolResult(content=[], structured_content=0),
        since=MODERN,
    ),
]

PLAIN_RESOURCE = t.Resource(uri="file:///a.txt", name="a")
PLAIN_TEMPLATE = t.ResourceTemplate(uri_template="file:///{path}", name="files")

RESOURCES = [
    *data(
        "Resource",
        PLAIN_RESOURCE,
        t.Resource(uri="a:b", name="a", description="A", mime_type="text/plain", size=2**53 - 1, annotations=OLD_NOTES),
    ),
    *data("Resource", t.Resource(uri="a:b", name="a", title="A", meta=DATA_META), since="2025-06-18"),
    *data("Resource", t.Resource(uri="a:b", name="a", icons=ICONS), since=LAST_LEGACY),
    *data(
        "ResourceTemplate",
        PLAIN_TEMPLATE,
        t.ResourceTemplate(
            uri_template="a:{b}", name="a", description="A", mime_type="text/plain", annotations=OLD_NOTES
        ),
    ),
    *data(
        "ResourceTemplate", t.ResourceTemplate(uri_template="a:{b}", name="a", title="A", meta={}), since="2025-06-18"
    ),
    *data("ResourceTemplate", t.ResourceTemplate(uri_template="a:{b}", name="a", icons=ICONS), since=LAST_LEGACY),
    *cacheable("ListResourcesResult", t.ListResourcesResult(resources=[])),
    *cacheable("ListResourcesResult", t.ListResourcesResult(resources=[PLAIN_RESOURCE], next_cursor="2", meta={})),
    *cacheable("ListResourceTemplatesResult", t.ListResourceTemplatesResult(resource_templates=[])),
    *cacheable(
        "ListResourceTemplatesResult",
        t.ListResourceTemplatesResult(resource_templates=[PLAIN_TEMPLATE], next_cursor="2", meta={}),
    ),
    *params("ReadResourceRequestParams", t.ReadResourceRequestParams(uri="file:///a.txt")),
    *params(
        "ReadResourceRequestParams",
        t.ReadResourceRequestParams(uri="a:b", request_state="", input_responses={}),
        since=MODERN,
    ),
    *cacheable(
        "ReadResourceResult",
        t.ReadResourceResult(contents=[]),
        t.ReadResourceResult(contents=[PLAIN_TEXT, PLAIN_BLOB], meta=DATA_META),
    ),
    *params("SubscribeRequestParams", t.SubscribeRequestParams(uri="a:b"), until=LAST_LEGACY),
    *params("UnsubscribeRequestParams", t.UnsubscribeRequestParams(uri="a:b"), until=LAST_LEGACY),
    *params("ResourceRequestParams", t.ReadResourceRequestParams(uri="a:b")),
    *data(
        "ResourceUpdatedNotificationParams",
        t.ResourceUpdatedNotificationParams(uri="a:b"),
        t.ResourceUpdatedNotificationParams(uri="a:b", meta=DATA_META),
    ),
]

PLAIN_PROMPT = t.Prompt(name="greet")
ARGUMENTS = [t.PromptArgument(name="who"), t.PromptArgument(name="how", description="How", required=True)]

PROMPTS = [
    *data("PromptArgument", *ARGUMENTS),
    *data("PromptArgument", t.PromptArgument(name="who", title="Who"), since="2025-06-18"),
    *data("Prompt", PLAIN_PROMPT, t.Prompt(name="greet", description="Greets", arguments=ARGUMENTS)),
    *data("Prompt", t.Prompt(name="greet", title="Greet", arguments=[], meta=DATA_META), since="2025-06-18"),
    *data("Prompt", t.Prompt(name="greet", icons=ICONS), since=LAST_LEGACY),
    *data("PromptMessage", t.PromptMessage("user", TEXT), t.PromptMessage("assistant", EMBEDDED)),
    *data("PromptMessage", t.PromptMessage("user", LINK), since="2025-06-18"),
    *cacheable("ListPromptsResult", t.ListPromptsResult(prompts=[])),
    *cacheable("ListPromptsResult", t.ListPromptsResult(prompts=[PLAIN_PROMPT], next_cursor="2", meta={})),
    *params(
        "GetPromptRequestParams",
        t.GetPromptRequestParams(name="greet"),
        t.GetPromptRequestParams(name="greet", arguments={"who": "Ada"}),
    ),
    *params(
        "GetPromptRequestParams",
        t.GetPromptRequestParams(name="greet", input_responses={"r": {"roots": []}}, request_state="s"),
        since=MODERN,
    ),
    *result(
        "GetPromptResult",
        t.GetPromptResult(messages=[]),
        t.GetPromptResult(messages=[t.PromptMessage("user", IMAGE)], description="Greets", meta=DATA_META),
    ),
]

COMPLETION = [
    *data("PromptReference", t.PromptReference(name="greet")),
    *data("PromptReference", t.PromptReference(name="greet", title="Greet"), since="2025-06-18"),
    *data("ResourceTemplateReference", t.ResourceTemplateReference(uri="file:///{path}")),
    *params(
        "CompleteRequestParams",
        t.CompleteRequestParams(
            ref=t.PromptReference(name="greet"), argument=t.CompletionArgument(name="who", value="A")
        ),
        t.CompleteRequestParams(
            ref=t.ResourceTemplateReference(uri="a:{b}"), argument=t.CompletionArgument(name="b", value="")
        ),
    ),
    *params(
        "CompleteRequestParams",
        *(
            t.CompleteRequestParams(
                ref=t.PromptReference(name="greet"),
                argument=t.CompletionArgument(name="who", value="A"),
                context=context,
            )
            for context in (t.CompletionContext(), t.CompletionContext(arguments={"how": "well"}))
        ),
        since="2025-06-18",
    ),
    *result(
        "CompleteResult",
        t.CompleteResult(completion=t.Completion(values=[])),
        t.CompleteResult(completion=t.Completion(values=["Ada"], total=0, has_more=False), meta=DATA_META),
    ),
]

SERVER_SAMPLES: list[Sample] = [*CONTENT, *TOOLS, *RESOURCES, *PROMPTS, *COMPLETION]
