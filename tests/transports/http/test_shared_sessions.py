"""Legacy sessions that several processes share through a store: any of them serves any request (S11, D06).

Two applications on one SQLite file stand for two processes; tests/faults has real ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from anyport import Context, Server
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.serving.asgi import AsgiApp
from anyport.stores import MemoryStore, SqliteStore, StoreLimits
from anyport.stores.base import Store, StoreUnusable
from tests.drivers.asgi import call, initialize, legacy, open_session, post, start
from tests.serving.lives import Life, stop


def make_app(store: Store | None, limits: Limits | None = None, life: Life | None = None) -> AsgiApp:
    """Return an application whose tool tells what it knows of its session."""
    server = Server("shared", store=store, secret="s" * 32, limits=limits or Limits(), lifespan=life)

    @server.tool
    async def tell(ctx: Context) -> str:
        client = ctx.client or {}
        return f"{client.get('name')} {ctx.revision} {ctx.session_id}"

    return server.asgi()


@asynccontextmanager
async def two_apps(path: Path) -> AsyncGenerator[tuple[AsgiApp, AsgiApp]]:
    """Serve twice from one file."""
    first, second = (make_app(SqliteStore(path / "a.db")) for _ in range(2))
    async with first.lifespan(), second.lifespan():
        yield first, second


TELL = legacy("tools/call", {"name": "tell"})


async def test_a_session_of_one_process_is_served_by_another(tmp_path: Path) -> None:
    """S11: no sticky sessions."""
    async with two_apps(tmp_path) as (first, second):
        session = await open_session(first, "2025-06-18")
        expected = f"test 2025-06-18 {session['mcp-session-id']}"
        for app in (second, first, second):
            assert (await post(app, TELL, session)).text == expected
        # What one process changes the other sees.
        assert (await post(second, legacy("logging/setLevel", {"level": "error"}), session)).status == 200
        assert (await post(first, b"", session, method="DELETE")).status == 204
        for app in (second, first):
            assert (await post(app, TELL, session)).status == 404


async def test_sessions_survive_a_restart(tmp_path: Path) -> None:
    """D06."""
    async with two_apps(tmp_path) as (first, _):
        session = await open_session(first)
    async with two_apps(tmp_path) as (first, second):
        assert (await post(first, TELL, session)).status == 200
        assert (await post(second, TELL, session)).status == 200


async def test_the_store_starts_with_the_first_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """D03: without wiring; the warning is for authors who have something to end."""
    app = make_app(SqliteStore(tmp_path / "a.db"))
    with caplog.at_level(logging.WARNING):
        answers = [start(app, initialize()) for _ in range(5)]
        for answer in answers:
            assert (await answer.done()).status == 200
    assert caplog.records == []
    await stop(app)


async def test_the_store_lives_around_the_lifespan() -> None:
    life = Life()
    store = MemoryStore()
    app = make_app(store, life=life)
    async with app.lifespan():
        await store.sessions.create("a", b"{}", None)
        assert life.entries == ["start"]
    assert life.entries == ["start", "end"]
    assert not store.sessions.is_open


async def test_an_explicit_store_keeps_its_own_limits() -> None:
    app = make_app(MemoryStore(StoreLimits(sessions=1)), Limits(sessions=5))
    async with app.lifespan():
        await open_session(app)
        refused = await post(app, initialize())
    assert (refused.status, refused.error_code) == (429, 429)


class BrokenSessions:
    """Sessions on a medium that went away."""

    async def create(self, session_id: str, row: bytes, owner: str | None) -> None:
        """Fail."""
        raise StoreUnusable("the disk is gone")

    async def get(self, session_id: str) -> bytes | None:
        """Fail."""
        raise StoreUnusable("the disk is gone")

    async def update(self, session_id: str, row: bytes) -> bool:
        """Fail."""
        raise StoreUnusable("the disk is gone")

    async def delete(self, session_id: str) -> bool:
        """Fail."""
        raise StoreUnusable("the disk is gone")

    @asynccontextmanager
    async def hold(self, session_id: str) -> AsyncGenerator[None]:
        """Fail."""
        await self.get(session_id)
        yield


class BrokenStore:
    """A store whose sessions fail."""

    def __init__(self) -> None:
        self._sound = MemoryStore()
        self.sessions = BrokenSessions()
        self.events = self._sound.events
        self.bus = self._sound.bus

    async def start(self) -> None:
        """Start the rest."""
        await self._sound.start()

    async def aclose(self) -> None:
        """Close the rest."""
        await self._sound.aclose()


async def test_a_store_that_fails_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns nothing of the disk, the log does; modern calls need no store."""
    app = make_app(BrokenStore())
    async with app.lifespan():
        session = {"mcp-session-id": "x"}
        for message, fields, method in (
            (initialize(), {}, "POST"),
            (TELL, session, "POST"),
            (legacy("notifications/initialized", request_id=None), session, "POST"),
            (b"", session, "DELETE"),
        ):
            answer = await post(app, message, fields, method=method)
            assert (answer.status, answer.error_code) == (500, -32603)
            assert "disk" not in answer.error_text
            assert answer.json.get("id") == (message.get("id") if isinstance(message, dict) else None)
    assert "the disk is gone" in caplog.text


async def test_changes_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """Requests of one session overtake each other on their way to the store; none takes another's change back."""
    async with two_apps(tmp_path) as (first, _):
        session = await open_session(first)
        levels = ["debug", "error", "info", "warning"] * 5
        requests = [
            start(first, legacy("logging/setLevel", {"level": level}, request_id=number), session)
            for number, level in enumerate(levels)
        ]
        await asyncio.gather(*(each.done() for each in requests))
        assert all("result" in each.json for each in requests), [each.body for each in requests]


async def test_what_clients_share_outlives_their_sessions() -> None:
    """S12: one pool for all clients of a process, open before the first session and after the last."""
    events: list[str] = []

    @asynccontextmanager
    async def open_pool(server: Server) -> AsyncGenerator[list[str]]:
        events.append("open")
        yield events
        events.append("closed")

    server = Server("pool", lifespan=open_pool)

    @server.tool
    async def take(name: str, ctx: Context) -> int:
        ctx.state.append(name)
        return id(ctx.state)

    app = server.asgi()
    async with app.lifespan():
        pools: set[str] = set()
        for name in ("one", "two"):
            session = await open_session(app)
            tool: JsonObject = {"name": "take", "arguments": {"name": name}}
            pools.add((await post(app, legacy("tools/call", tool), session)).text)
            assert (await post(app, b"", session, method="DELETE")).status == 204
        pools.add((await post(app, call("take", {"name": "none"}))).text)
        assert len(pools) == 1
        assert events == ["open", "one", "two", "none"]
    assert events == ["open", "one", "two", "none", "closed"]
