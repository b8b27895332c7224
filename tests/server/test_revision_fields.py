"""What older revisions are told: definitions without the fields that came later (VER-03, LIFE-02)."""

from __future__ import annotations

import pytest
from msgspec import structs

from anyport import Server
from anyport.protocol.revisions import LATEST_MODERN, LEGACY, Revision
from anyport.protocol.types import (
    Annotations,
    Icon,
    Prompt,
    PromptArgument,
    Resource,
    ServerCapabilities,
    ToolsCapability,
)
from anyport.server.revision_fields import for_revision
from tests.server.judging import judged

ICONS = [Icon(src="https://example.com/i.png")]
RESOURCE = Resource(
    uri="a:b",
    name="n",
    title="t",
    description="d",
    mime_type="text/plain",
    size=1,
    annotations=Annotations(priority=1, last_modified="2026-01-01T00:00:00Z"),
    icons=ICONS,
    meta={"a": 1},
)
PROMPT = Prompt(name="p", arguments=[PromptArgument(name="a", title="t", description="d"), PromptArgument(name="b")])


@pytest.mark.parametrize("value", [RESOURCE, PROMPT, ServerCapabilities(completions={})])
def test_the_newest_revision_knows_everything(value: Resource | Prompt | ServerCapabilities) -> None:
    """Nothing is copied where nothing is left out."""
    assert for_revision(value, LATEST_MODERN) is value


@pytest.mark.parametrize("revision", LEGACY, ids=lambda row: row.name)
def test_fields_go_from_what_is_held_too(revision: Revision) -> None:
    """The original stays as it is."""
    before = structs.asdict(RESOURCE)
    found = for_revision(RESOURCE, revision)
    assert structs.asdict(RESOURCE) == before
    titled, pictured = not revision.lacks("2025-06-18"), not revision.lacks("2025-11-25")
    assert (found.title is not None, found.meta is not None, found.icons is not None) == (titled, titled, pictured)
    assert found.annotations is not None
    assert (found.annotations.priority, found.annotations.last_modified is not None) == (1, titled)
    first, second = for_revision(PROMPT, revision).arguments or []
    assert (first.title is not None, first.description, second) == (titled, "d", PromptArgument(name="b"))


@pytest.mark.parametrize("revision", LEGACY, ids=lambda row: row.name)
def test_capabilities_have_their_time(revision: Revision) -> None:
    found = for_revision(ServerCapabilities(completions={}, tools=ToolsCapability()), revision)
    assert (found.completions is None, found.tools) == (revision.lacks("2025-03-26"), ToolsCapability())


@pytest.mark.parametrize("revision", LEGACY, ids=lambda row: row.name)
async def test_who_the_server_is(revision: Revision) -> None:
    """LIFE-02: ``serverInfo`` in the words of the revision."""
    server = Server("s", version="1", title="T", description="D", website_url="https://example.com", icons=ICONS)
    params = {"protocolVersion": revision.name, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    info = (await judged(server, "initialize", params, revision))["serverInfo"]
    assert isinstance(info, dict)
    expected = {"name", "version"}
    expected |= set() if revision.lacks("2025-06-18") else {"title"}
    expected |= set() if revision.lacks("2025-11-25") else {"description", "websiteUrl", "icons"}
    assert set(info) == expected
