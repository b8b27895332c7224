"""Legacy sessions as rows of a store: their ids, their life, their number.

SES-01, SES-03, SES-05, D11; the limits sessions, sessions_per_principal, session_idle_s.
"""

from __future__ import annotations

import pytest

from anyport.errors import McpError
from anyport.protocol.calls import Carrier
from anyport.protocol.jsonrpc import Request
from anyport.protocol.limits import Limits
from anyport.protocol.types.json import JsonObject
from anyport.stores import MemoryStore, StoreLimits
from anyport.transports.http.live_session import HttpSession
from anyport.transports.http.sessions import KEPT, Sessions
from tests.drivers.asgi import LEGACY

IDLE_S = 100.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class CallInFlight:
    """A call as a session knows it."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Note it."""
        self.cancelled = True


class Registry:
    """Sessions on a store of their own, with a clock.

    Attributes:
        sessions: The sessions.
        store: Where they are.
        clock: What time it is for the store.
    """

    def __init__(self, *, sessions: int = 10, per_principal: int = 3, session_bytes: int = 10_000) -> None:
        self.clock = Clock()
        limits = StoreLimits(
            sessions=sessions,
            sessions_per_owner=per_principal,
            session_idle_s=IDLE_S,
            session_bytes=session_bytes,
        )
        self.store = MemoryStore(limits, clock=self.clock)
        self.sessions = Sessions(self.store, Limits())

    async def __aenter__(self) -> Registry:
        await self.store.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.aclose()

    async def open(self, principal: str | None = None, client: JsonObject | None = None) -> HttpSession:
        """Open a session as ``initialize`` does."""
        session = self.sessions.make(principal)
        session.state.receive_request(
            Request(0, "initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client or {}}),
            Carrier(transport="http"),
        )
        await self.sessions.keep(session)
        return session

    async def knows(self, session: HttpSession, principal: str | None = None) -> bool:
        """Tell whether a session is found, rather than refused with HTTP 404."""
        try:
            found = await self.sessions.find(session.id, principal)
        except McpError as error:
            if error.http_status != 404:
                raise
            return False
        return found is session


# --- the registry -----------------------------------------------------------------------------------------------------


async def test_ids_are_visible_ascii_and_never_the_same() -> None:
    """SES-01."""
    async with Registry(sessions=2000) as registry:
        ids = {(await registry.open()).id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(32 <= len(each) <= 64 for each in ids)
    assert all("\x21" <= char <= "\x7e" for each in ids for char in each)


async def test_a_session_is_found_until_it_ends() -> None:
    async with Registry() as registry:
        session = await registry.open()
        assert await registry.knows(session)
        await registry.sessions.end(session)
        assert not await registry.knows(session)
        await registry.sessions.end(session)


@pytest.mark.parametrize(("idle", "known"), [(IDLE_S - 1, True), (IDLE_S, True), (IDLE_S + 1, False)])
async def test_idle_sessions_end(idle: float, known: bool) -> None:
    """The limit session_idle_s."""
    async with Registry() as registry:
        session = await registry.open()
        registry.clock.now += idle
        assert await registry.knows(session) is known


async def test_use_keeps_a_session() -> None:
    async with Registry() as registry:
        session = await registry.open()
        for _ in range(5):
            registry.clock.now += IDLE_S - 1
            assert await registry.knows(session)


async def test_a_call_in_flight_keeps_a_session() -> None:
    """D11: reaping never cuts an active call; idling begins when it ends."""
    async with Registry(sessions=1) as registry:
        session = await registry.open()
        async with registry.sessions.use(session.id, None) as used:
            assert used is session
            registry.clock.now += 10 * IDLE_S
            with pytest.raises(McpError, match="sessions"):
                await registry.open()
            assert await registry.knows(session)
            registry.clock.now += 10 * IDLE_S
        registry.clock.now += IDLE_S - 1
        assert await registry.knows(session)
        registry.clock.now += IDLE_S + 1
        assert not await registry.knows(session)


async def test_the_limit_in_all() -> None:
    """The limit sessions: one less, as many, one more."""
    async with Registry(sessions=10) as registry:
        opened = [await registry.open() for _ in range(9)]
        opened.append(await registry.open())
        with pytest.raises(McpError, match="limit sessions") as caught:
            await registry.open()
        assert (caught.value.code, caught.value.http_status) == (429, 429)
        await registry.sessions.end(opened[3])
        await registry.open()


async def test_the_limit_of_a_principal() -> None:
    """The limit sessions_per_principal."""
    async with Registry(per_principal=3) as registry:
        opened = [await registry.open("ann") for _ in range(3)]
        with pytest.raises(McpError, match="limit sessions_per_principal") as caught:
            await registry.open("ann")
        assert caught.value.http_status == 429
        await registry.open("bob")
        await registry.sessions.end(opened[0])
        await registry.open("ann")


async def test_a_handshake_that_is_too_large_to_keep() -> None:
    """The limit session_bytes of the store."""
    async with Registry(session_bytes=1000) as registry:
        await registry.open(client={"name": "x" * 500})
        with pytest.raises(McpError, match="limit session_bytes") as caught:
            await registry.open(client={"name": "x" * 1000})
        assert caught.value.http_status == 413


async def test_a_session_belongs_to_its_principal() -> None:
    """SES-05: to anybody else it does not exist."""
    async with Registry() as registry:
        session = await registry.open("ann")
        assert not await registry.knows(session, "bob")
        assert not await registry.knows(session, None)
        assert await registry.knows(session, "ann")


async def test_the_end_cancels_calls_in_flight() -> None:
    async with Registry() as registry:
        session = await registry.open()
        running = CallInFlight()
        session.open.open(1, running)
        await registry.sessions.end(session)
        assert running.cancelled


async def test_what_is_remembered_is_bounded() -> None:
    """A forgotten session is a row like any other."""
    async with Registry(sessions=3000) as registry:
        opened = [await registry.open() for _ in range(KEPT + 10)]
        assert not await registry.knows(opened[0])
        again = await registry.sessions.find(opened[0].id, None)
        assert again.state.state == "opened"
        assert await registry.knows(opened[-1])


async def test_a_row_of_another_version_is_no_session(caplog: pytest.LogCaptureFixture) -> None:
    async with Registry() as registry:
        for row in (b"", b"{}", b"[]", b'{"state":"ready","revision":"2031-01-01"}', b'{"state":"odd","revision":""}'):
            await registry.store.sessions.create(f"s{row!r}", row, None)
            with pytest.raises(McpError, match="unknown or has ended"):
                await registry.sessions.find(f"s{row!r}", None)
    assert "cannot be read" in caplog.text


async def test_a_row_that_was_read_before_a_change_is_not_news() -> None:
    """Two requests at a time: one subscribes, the other had asked the store before."""
    async with Registry() as registry:
        session = await registry.open()
        old = session.row
        asked = session.changes
        session.state.subscriptions = frozenset({"a://b"})
        assert await registry.sessions.save(session)
        assert not await registry.sessions.save(session)
        registry.sessions.settle(session.id, None, old, asked)
        assert session.state.subscriptions == {"a://b"}
        registry.sessions.settle(session.id, None, old, session.changes)
        assert session.state.subscriptions == frozenset()


async def test_a_change_that_cannot_be_kept_is_taken_back() -> None:
    async with Registry(session_bytes=500) as registry:
        session = await registry.open()
        session.state.subscriptions = frozenset({"a://" + "b" * 500})
        with pytest.raises(McpError, match="session_bytes"):
            await registry.sessions.save(session)
        assert session.state.subscriptions == frozenset()
        assert await registry.knows(session)
