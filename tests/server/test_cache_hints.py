"""How long and by whom results may be kept (CCH-01, CCH-03)."""

from __future__ import annotations

import pytest

from anyport import Server
from anyport.errors import LocalProtocolError
from anyport.protocol.limits import MAX_SAFE_INTEGER
from anyport.protocol.methods import METHODS
from anyport.protocol.revisions import LEGACY, Revision
from anyport.protocol.types import CacheScope
from anyport.server.cache_hints import CacheHints, cache_hints
from tests.server.judging import judged

CACHEABLE = sorted(row.name for row in METHODS if row.cacheable)


def _server(ttl: float = 0.0, scope: CacheScope = "private") -> Server:
    server = Server("test", cache_ttl=ttl, cache_scope=scope)

    @server.tool
    @server.prompt
    @server.resource("t://v", cache_ttl=ttl, cache_scope=scope)
    async def one() -> str:
        return ""

    return server


def _params(method: str) -> dict[str, str]:
    return {"uri": "t://v"} if method == "resources/read" else {}


def test_the_results_that_may_be_kept() -> None:
    """CCH-01: these six."""
    lists = {"prompts/list", "resources/list", "resources/templates/list", "tools/list"}
    assert set(CACHEABLE) == lists | {"resources/read", "server/discover"}


@pytest.mark.parametrize("method", CACHEABLE)
async def test_hints_on_each(method: str) -> None:
    """CCH-01: stale at once and private, unless the server says otherwise."""
    result = await judged(_server(), method, _params(method))
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
    result = await judged(_server(0.0015, "public"), method, _params(method))
    assert (result["ttlMs"], result["cacheScope"]) == (2, "public")


@pytest.mark.parametrize("revision", LEGACY, ids=lambda row: row.name)
@pytest.mark.parametrize("method", [name for name in CACHEABLE if name != "server/discover"])
async def test_older_revisions_have_none(method: str, revision: Revision) -> None:
    result = await judged(_server(5, "public"), method, _params(method), revision)
    assert not {"ttlMs", "cacheScope"} & set(result)


async def test_other_results_have_none() -> None:
    """CCH-01: what a tool or a prompt answers is not to be kept."""
    for method in ("tools/call", "prompts/get"):
        assert not {"ttlMs", "cacheScope"} & set(await judged(_server(5, "public"), method, {"name": "one"}))


@pytest.mark.parametrize(("seconds", "ms"), [(0, 0), (0.0004, 0), (0.001, 1), (60, 60_000), (1.5, 1500)])
def test_seconds_become_milliseconds(seconds: float, ms: int) -> None:
    assert cache_hints(seconds, "public") == CacheHints(ms, "public")


@pytest.mark.parametrize("ttl", [-1, -0.001, float("nan"), float("inf"), MAX_SAFE_INTEGER])
def test_times_that_cannot_be(ttl: float) -> None:
    """CCH-01: a time to live is at least 0, and a number that JSON peers agree on."""
    with pytest.raises(LocalProtocolError, match="cache_ttl"):
        Server("test", cache_ttl=ttl)


@pytest.mark.parametrize("scope", ["", "shared", "PUBLIC"])
def test_scopes_that_cannot_be(scope: CacheScope) -> None:
    with pytest.raises(LocalProtocolError, match="cache_scope"):
        Server("test", cache_scope=scope)
