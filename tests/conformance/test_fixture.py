"""What the fixture answers, to the letter: the suite looks for the parts alone, and takes an empty list for a list."""

from __future__ import annotations

import base64

import pytest

from anyport.protocol.revisions import LATEST_LEGACY, Revision
from anyport.protocol.types.json import JsonObject
from anyport.transports.memory import MemoryBackChannel, MemoryReply
from tests.conformance.asking import ENUMS
from tests.conformance.server import PNG, server, updates
from tests.server.asking import asking_call, send
from tests.server.calling import call_tool, text_of
from tests.server.judging import EVERY, items, judged, read_one
from tests.server.listening import ACKNOWLEDGED, TOOLS, UPDATED, listening
from tests.server.listening import PROMPTS as PROMPTS_CHANGED

IMAGE = base64.b64encode(PNG).decode()

READ: dict[str, JsonObject] = {
    "test://static-text": {
        "mimeType": "text/plain",
        "text": "This is the content of the static text resource.",
    },
    "test://static-binary": {"mimeType": "image/png", "blob": IMAGE},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched resource content."},
    "test://template/123/data": {
        "mimeType": "application/json",
        "text": '{"id":"123","templateTest":true,"data":"Data for ID: 123"}',
    },
}
PROMPTS: dict[str, tuple[JsonObject, list[JsonObject]]] = {
    "test_simple_prompt": ({}, [{"type": "text", "text": "This is a simple prompt for testing."}]),
    "test_prompt_with_arguments": (
        {"arg1": "hello", "arg2": "world"},
        [{"type": "text", "text": "Prompt with arguments: arg1='hello', arg2='world'"}],
    ),
    "test_prompt_with_embedded_resource": (
        {"resourceUri": "test://example-resource"},
        [
            {
                "type": "resource",
                "resource": {
                    "uri": "test://example-resource",
                    "mimeType": "text/plain",
                    "text": "Embedded resource content for testing.",
                },
            },
            {"type": "text", "text": "Please process the embedded resource above."},
        ],
    ),
    "test_prompt_with_image": (
        {},
        [
            {"type": "image", "data": IMAGE, "mimeType": "image/png"},
            {"type": "text", "text": "Please analyze the image above."},
        ],
    ),
}


@EVERY
@pytest.mark.parametrize("uri", READ)
async def test_resources_hold_what_the_suite_describes(revision: Revision, uri: str) -> None:
    assert await read_one(server, uri, revision) == {"uri": uri, **READ[uri]}


@EVERY
@pytest.mark.parametrize("name", PROMPTS)
async def test_prompts_say_what_the_suite_describes(revision: Revision, name: str) -> None:
    arguments, said = PROMPTS[name]
    messages = await items(server, "prompts/get", revision, {"name": name, "arguments": arguments})
    assert messages == [{"role": "user", "content": content} for content in said]


@EVERY
async def test_lists_name_all_of_it_with_its_type(revision: Revision) -> None:
    resources = await items(server, "resources/list", revision)
    templates = await items(server, "resources/templates/list", revision)
    types = {entry["uri"]: entry["mimeType"] for entry in resources}
    types |= {entry["uriTemplate"]: entry["mimeType"] for entry in templates}
    assert types == {uri.replace("123", "{id}"): contents["mimeType"] for uri, contents in READ.items()}
    prompts = await items(server, "prompts/list", revision)
    assert {str(entry["name"]) for entry in prompts} >= set(PROMPTS)
    assert all(entry["description"] for entry in (*resources, *templates, *prompts))


@EVERY
async def test_arguments_are_required_and_described(revision: Revision) -> None:
    arguments = {entry["name"]: entry.get("arguments") for entry in await items(server, "prompts/list", revision)}
    assert arguments["test_prompt_with_arguments"] == [
        {"name": "arg1", "description": "First test argument", "required": True},
        {"name": "arg2", "description": "Second test argument", "required": True},
    ]
    assert arguments["test_prompt_with_embedded_resource"] == [
        {"name": "resourceUri", "description": "URI of the resource to embed", "required": True}
    ]


@EVERY
@pytest.mark.parametrize("argument", ["arg1", "arg2"])
async def test_the_arguments_complete(revision: Revision, argument: str) -> None:
    """An empty answer would do for the suite."""
    params: JsonObject = {
        "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
        "argument": {"name": argument, "value": "par"},
    }
    result = await judged(server, "completion/complete", params, revision)
    assert result["completion"] == {"values": ["paris", "park", "party"], "total": 3, "hasMore": False}


@EVERY
async def test_the_triggers_change_what_they_name(revision: Revision) -> None:
    """The suite looks at no update of a resource, and at lists in one era alone."""
    wanted = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourceSubscriptions": ["test://watched-resource"],
    }
    async with listening(server, wanted) as stream:
        before = await items(server, "tools/list", revision)
        for tool in ("test_trigger_tool_change", "test_trigger_prompt_change", "update_watched_resource"):
            result = await call_tool(server, tool, revision=revision)
        assert await stream.until_count(4) == [ACKNOWLEDGED, TOOLS, PROMPTS_CHANGED, UPDATED]
        assert await items(server, "tools/list", revision) == before
    try:
        assert (await read_one(server, "test://watched-resource", revision))["text"] == text_of(result)
    finally:
        updates.clear()


ASKED: dict[str, tuple[JsonObject, str, JsonObject, str]] = {
    "test_sampling": (
        {"prompt": "Hi"},
        "sampling/createMessage",
        {"role": "assistant", "content": {"type": "text", "text": "Ho"}, "model": "m"},
        "LLM response: Ho",
    ),
    "test_elicitation": (
        {"message": "Who?"},
        "elicitation/create",
        {"action": "accept", "content": {"username": "a", "email": "b"}},
        "User response: accept {'username': 'a', 'email': 'b'}",
    ),
    "test_elicitation_sep1034_defaults": (
        {},
        "elicitation/create",
        {"action": "decline"},
        "Elicitation completed: action=decline, content=None",
    ),
    "test_elicitation_sep1330_enums": (
        {},
        "elicitation/create",
        {"action": "cancel"},
        "Elicitation completed: action=cancel, content=None",
    ),
}


@pytest.mark.parametrize("name", ASKED)
async def test_what_a_legacy_client_is_asked(name: str) -> None:
    """SEP-1034, SEP-1330: the fields as the suite describes them."""
    arguments, wanted, answer, said = ASKED[name]
    asked: list[tuple[str, JsonObject]] = []

    async def answerer(method: str, params: JsonObject) -> JsonObject:
        asked.append((method, params))
        return answer

    reply = MemoryReply()
    reply.back_channel = MemoryBackChannel(answerer, 5)
    call = asking_call(name, arguments, revision=LATEST_LEGACY)
    assert text_of(await send(server, call, reply)) == said
    ((method, params),) = asked
    assert method == wanted
    schema = params.get("requestedSchema")
    if name.endswith("defaults") and isinstance(schema, dict):
        status: JsonObject = {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"}
        assert schema["properties"] == {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": status,
            "verified": {"type": "boolean", "default": True},
        }
    if name.endswith("enums"):
        assert schema == ENUMS
