"""The ways to the full server."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from anyport.client.verdicts import VERDICTS
from tests.client.peers import http_server
from tests.client.ways import FULL, Way

_WAYS = [(where, era) for where in ("memory", "file", "http") for era in ("modern", "legacy")]


@pytest.fixture(autouse=True)
def forget_targets() -> None:
    """Let no test know what another one has found out."""
    VERDICTS.clear()


@pytest.fixture(scope="session", name="full_url")
def serve_full() -> Generator[str]:
    with http_server(f"{FULL}:server") as url:
        yield url


@pytest.fixture(params=[("memory", "modern"), ("http", "legacy")], ids="-".join)
def some(request: pytest.FixtureRequest, full_url: str) -> Way:
    """Two ways that have nothing in common, for tests that take their time."""
    where, era = request.param
    return Way(where, era, full_url)


@pytest.fixture(params=[way for way in _WAYS if way[0] != "file"], ids="-".join)
def near(request: pytest.FixtureRequest, full_url: str) -> Way:
    """The ways that start no process, for what has nothing to do with one."""
    where, era = request.param
    return Way(where, era, full_url)


@pytest.fixture(params=_WAYS, ids="-".join)
def full(request: pytest.FixtureRequest, full_url: str) -> Way:
    where, era = request.param
    return Way(where, era, full_url)
