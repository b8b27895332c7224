"""Each test that takes `kind` runs on each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.kinds import KIND_NAMES, Kind, KindName


@pytest.fixture(params=KIND_NAMES)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    name: KindName = request.param
    return Kind(name, tmp_path)


@pytest.fixture
def sqlite(tmp_path: Path) -> Kind:
    return Kind("sqlite", tmp_path)


@pytest.fixture
def memory(tmp_path: Path) -> Kind:
    return Kind("memory", tmp_path)
