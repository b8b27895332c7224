"""How lenient decoding is, what encoding leaves out, and what the types say about themselves."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest

from anyport.protocol import types as t

STRUCTS: list[type[msgspec.Struct]] = [
    kind for name in t.__all__ if isinstance(kind := getattr(t, name), type) and issubclass(kind, msgspec.Struct)
]


def encode(value: msgspec.Struct) -> object:
    """The JSON that a value becomes."""
    return json.loads(msgspec.json.encode(value))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        {"type": "video", "data": "", "mimeType": "video/mp4"},
        {"type": None},
        {"text": "no type"},
        {"type": "tool_use", "id": "1", "name": "a", "input": {}},
    ],
)
def test_unknown_content_is_refused(block: t.JsonObject) -> None:
    """A block of no known type, or of a type that has no place there, is a ValidationError from bytes and objects."""
    with pytest.raises(msgspec.ValidationError, match="content"):
        msgspec.json.decode(json.dumps({"content": [block]}), type=t.CallToolResult)
    with pytest.raises(msgspec.ValidationError, match="content"):
        msgspec.convert({"content": [block]}, t.CallToolResult)


@pytest.mark.parametrize(
    ("kind", "message", "problem"),
    [
        (t.CallToolResult, {}, "content"),
        (t.CallToolRequestParams, {"arguments": {}}, "name"),
        (t.CallToolRequestParams, {"name": "a", "arguments": []}, "arguments"),
        (t.CallToolRequestParams, {"name": "a", "_meta": 1}, "_meta"),
        (t.GetPromptRequestParams, {"name": "a", "arguments": {"n": 1}}, "arguments"),
        (t.SetLevelRequestParams, {"level": "loud"}, "level"),
        (t.Task, {"taskId": "t", "status": "working", "createdAt": "", "lastUpdatedAt": ""}, "ttl"),
        (t.LoggingMessageNotificationParams, {"level": "info"}, "data"),
        (t.SubscriptionsListenResult, {"resultType": "complete"}, "_meta"),
        (t.ResourceContents, {"uri": "a:b"}, "`text` or `blob`"),
        (t.InputRequiredResult, {"resultType": "input_required"}, "`inputRequests` or `requestState`"),
        (t.InputRequiredResult, {"inputRequests": {"a": {"method": "tools/call", "params": {}}}}, "method"),
        (t.ElicitRequestParams, {"message": "?"}, "requestedSchema"),
        (t.ElicitRequestParams, {"message": "?", "mode": "url"}, "needs `url`"),
        (t.ElicitRequestParams, {"message": "?", "mode": "voice", "url": "a:b"}, "mode"),
        (t.ElicitRequestedSchema, {"properties": {"a": {"type": "object", "properties": {}}}}, "type"),
        (t.ElicitRequestedSchema, {"type": "array", "properties": {}}, "type"),
        (t.EnumItems, {"type": "string"}, "`enum` or `anyOf`"),
        (t.ElicitResult, {"action": "accept", "content": {"a": {}}}, "content"),
        (t.CompleteRequestParams, {"ref": {"type": "ref/tool", "name": "a"}, "argument": {}}, "ref"),
    ],
)
def test_wrong_shapes_are_refused(kind: type[msgspec.Struct], message: t.JsonObject, problem: str) -> None:
    """Missing required fields and wrong types name the field (RPC-17, MRTR-02, ELI-01, SUB-03)."""
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(message, kind)
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.json.decode(json.dumps(message), type=kind)


def test_a_value_without_its_essence_cannot_be_built() -> None:
    """The same rules hold for our own side."""
    with pytest.raises(ValueError, match="text"):
        t.ResourceContents(uri="a:b")
    with pytest.raises(ValueError, match="requestState"):
        t.InputRequiredResult()
    with pytest.raises(ValueError, match="requestedSchema"):
        t.ElicitRequestParams(message="?")


# --- what is let through ----------------------------------------------------------------------------------------------


def test_unknown_fields_are_ignored() -> None:
    """Later revisions and extensions may add fields anywhere; `_meta` alone keeps what it does not know."""
    message = {
        "content": [{"type": "text", "text": "a", "colour": "red"}],
        "later": {"deep": [1]},
        "_meta": {"example.com/unknown": {"a": None}},
    }
    decoded = msgspec.json.decode(json.dumps(message), type=t.CallToolResult)
    assert decoded == t.CallToolResult(content=[t.TextContent("a")], meta={"example.com/unknown": {"a": None}})
    assert encode(decoded) == {
        "content": [{"type": "text", "text": "a"}],
        "_meta": {"example.com/unknown": {"a": None}},
    }


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ({"name": "a", "arguments": None, "_meta": None, "task": None}, t.CallToolRequestParams(name="a")),
        ({"uri": "a:b", "text": "", "blob": None, "mimeType": None}, t.ResourceContents(uri="a:b", text="")),
        (
            {"sampling": None, "elicitation": {"form": None}},
            t.ClientCapabilities(elicitation=t.ElicitationCapability()),
        ),
        ({"tools": [], "nextCursor": None, "ttlMs": None, "cacheScope": None}, t.ListToolsResult(tools=[])),
        (
            {"mode": None, "url": None, "message": "", "requestedSchema": {"properties": {}, "required": None}},
            t.ElicitRequestParams(message="", requested_schema=t.ElicitRequestedSchema(properties={})),
        ),
    ],
)
def test_null_for_an_optional_field_reads_as_absent(message: t.JsonObject, value: msgspec.Struct) -> None:
    """No revision allows it, but peers send it; it is not written again."""
    decoded = msgspec.convert(message, type(value))
    assert decoded == value
    assert "null" not in msgspec.json.encode(decoded).decode()


def test_null_for_a_flag_or_a_required_field_is_refused() -> None:
    """Only what can be absent can be null."""
    messages: list[t.JsonObject] = [{"content": [], "isError": None}, {"content": None}]
    for message in messages:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(message, t.CallToolResult)


@pytest.mark.parametrize(
    ("message", "kind", "key"),
    [
        ({"content": [], "structuredContent": None}, t.CallToolResult, "structuredContent"),
        ({"toolUseId": "", "content": [], "structuredContent": None}, t.ToolResultContent, "structuredContent"),
        ({"level": "info", "data": None}, t.LoggingMessageNotificationParams, "data"),
        (
            {"taskId": "", "status": "working", "createdAt": "", "lastUpdatedAt": "", "ttl": None},
            t.Task,
            "ttl",
        ),
    ],
)
def test_null_with_a_meaning_is_kept(message: t.JsonObject, kind: type[msgspec.Struct], key: str) -> None:
    """Structured content, log data and an unlimited lifetime may be null (TOOL-03, TSK-08)."""
    again = encode(msgspec.json.decode(json.dumps(message), type=kind))
    assert isinstance(again, dict)
    assert again[key] is None
    assert key in again


def test_absent_structured_content_is_unset() -> None:
    """Absent and null are told apart."""
    assert msgspec.json.decode(b'{"content":[]}', type=t.CallToolResult).structured_content is msgspec.UNSET


def test_answers_to_input_requests_are_not_judged_together() -> None:
    """One malformed or unasked answer must not hide the others (MRTR-07)."""
    message = {"name": "a", "inputResponses": {"asked": {"action": "accept"}, "unasked": 7}, "requestState": ""}
    decoded = msgspec.convert(message, t.CallToolRequestParams)
    assert decoded.request_state == ""
    assert decoded.input_responses is not None
    answer = msgspec.convert(decoded.input_responses["asked"], t.ElicitResult)
    assert answer == t.ElicitResult(action="accept")


def test_ranges_are_not_checked() -> None:
    """A shape may be right and a number out of range: a negative ttl means stale (CCH-04), not a broken list."""
    assert msgspec.convert({"tools": [], "ttlMs": -1}, t.ListToolsResult).ttl_ms == -1


# --- what is written --------------------------------------------------------------------------------------------------


def test_unset_fields_are_left_out() -> None:
    """Nothing but required fields and what was set; an explicit false reads and is left out."""
    assert encode(t.CallToolResult(content=[])) == {"content": []}
    assert encode(msgspec.convert({"content": [], "isError": False}, t.CallToolResult)) == {"content": []}
    assert encode(t.EmptyResult()) == {}


def test_empty_values_are_written() -> None:
    """An empty object or list is not an absent one; a ttl of 0 is not an absent one."""
    capabilities = t.ServerCapabilities(logging={}, tools=t.ToolsCapability(), extensions={}, experimental={})
    assert encode(capabilities) == {"logging": {}, "tools": {}, "extensions": {}, "experimental": {}}
    assert encode(t.ListToolsResult(tools=[], ttl_ms=0, next_cursor="")) == {"tools": [], "ttlMs": 0, "nextCursor": ""}


def test_encoded_json_is_passed_through() -> None:
    """Raw JSON goes out byte for byte, in structured content and in `_meta`."""
    raw = msgspec.Raw(b'{"b": [1.0, null]}')
    result = t.CallToolResult(content=[], structured_content=raw, meta=raw, result_type="complete")
    assert msgspec.json.encode(result) == (
        b'{"_meta":{"b": [1.0, null]},"resultType":"complete","content":[],"structuredContent":{"b": [1.0, null]}}'
    )
    listen = t.SubscriptionsListenRequestParams(meta=raw, notifications=t.SubscriptionFilter())
    assert msgspec.json.encode(listen) == b'{"_meta":{"b": [1.0, null]},"notifications":{}}'


def test_numbers_keep_their_kind() -> None:
    """A whole number of progress is not turned into a float."""
    data = b'{"progressToken":1,"progress":50,"total":100.5}'
    assert msgspec.json.encode(msgspec.json.decode(data, type=t.ProgressNotificationParams)) == data


def test_an_input_required_result_says_so() -> None:
    """`resultType` stands on the wire without being asked for (RPC-06, MRTR-02)."""
    assert encode(t.InputRequiredResult(request_state="s")) == {"resultType": "input_required", "requestState": "s"}


# --- what the types say -----------------------------------------------------------------------------------------------


def test_blocks_tell_their_type() -> None:
    """`type` and `method` can be read, and are what is written."""
    blocks: list[t.ContentBlock | t.SamplingMessageContentBlock | t.InputRequest | t.PrimitiveSchemaDefinition] = [
        t.TextContent(""),
        t.ImageContent("", "a/b"),
        t.AudioContent("", "a/b"),
        t.ResourceLink(uri="a:b", name="a"),
        t.EmbeddedResource(t.ResourceContents(uri="a:b", text="")),
        t.ToolUseContent(id="", name="", input={}),
        t.ToolResultContent(tool_use_id="", content=[]),
        t.StringSchema(),
        t.NumberSchema(),
        t.IntegerSchema(),
        t.BooleanSchema(),
        t.MultiSelectEnumSchema(items=t.EnumItems(type="string", enum=[])),
        t.ElicitRequest(params=t.ElicitRequestParams(mode="url", message="", url="a:b")),
        t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=[], max_tokens=1)),
        t.ListRootsRequest(),
    ]
    for block in blocks:
        key = block.__struct_config__.tag_field
        assert key in {"type", "method"}
        wire = encode(block)
        assert isinstance(wire, dict)
        assert wire[key] == getattr(block, key)


@pytest.mark.parametrize(
    ("declared", "form", "url"),
    [({}, True, False), ({"form": {}}, True, False), ({"url": {}}, False, True), ({"form": {}, "url": {}}, True, True)],
)
def test_an_empty_elicitation_capability_means_forms(declared: t.JsonObject, form: bool, url: bool) -> None:
    """The declaration of 2025-06-18 goes on meaning what it meant (ELI-01)."""
    capability = msgspec.convert(declared, t.ElicitationCapability)
    assert (capability.supports_form, capability.supports_url) == (form, url)


def test_log_levels_are_in_order() -> None:
    """Every level once, the least severe first, as RFC 5424 ranks them (LOG-01)."""
    assert get_args(t.LoggingLevel) == t.LOG_LEVELS
    assert t.LOG_LEVELS[0] == "debug"
    assert t.LOG_LEVELS.index("warning") < t.LOG_LEVELS.index("error") < t.LOG_LEVELS.index("critical")
    assert t.LOG_LEVELS[-1] == "emergency"


def test_untracked_types_hold_no_containers() -> None:
    """The garbage collector may skip only what cannot be part of a cycle."""
    untracked = [kind for kind in STRUCTS if not kind.__struct_config__.gc]
    assert t.ToolAnnotations in untracked
    for kind in untracked:
        for info in msgspec.structs.fields(kind):
            union = get_args(info.type) or (info.type,)
            leaves = {leaf for member in union for leaf in (get_args(member) or (member,)) if not isinstance(leaf, str)}
            assert leaves <= {str, int, float, bool, type(None)}, (kind, info.name)


def test_all_is_complete() -> None:
    """Every type of the folder is exported from it."""
    exported = set(STRUCTS)
    inside = {kind for kind in _descendants(t.WireStruct) if kind.__module__.startswith(t.__name__)}
    assert inside <= exported


def _descendants(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    children = set(kind.__subclasses__())
    return children.union(*(_descendants(child) for child in children))
