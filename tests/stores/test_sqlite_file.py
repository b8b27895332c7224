"""The file of a SQLite store: its mode, what is accepted as one, what is refused and how it is said (D06)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from anyport.stores.base import StoreError, StoreUnusable
from anyport.stores.sqlite import SqliteStore


def run_sql(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def fill(path: Path) -> None:
    """Make a file with some data in it."""
    store = SqliteStore(path)
    await store.start()
    for number in range(50):
        await store.sessions.create(f"{number}", bytes(3_000), None)
        await store.events.append(f"{number}/1", bytes(3_000))
    await store.aclose()


async def use(path: Path) -> None:
    """Read and write all there is."""
    store = SqliteStore(path)
    try:
        await store.start()
        for number in range(50):
            await store.sessions.get(f"{number}")
            await store.events.read(f"{number}/1", 0)
            await store.sessions.delete(f"{number}")
    finally:
        await store.aclose()


@pytest.mark.parametrize("umask", [0, 0o077])
async def test_a_new_file_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """So are the two beside it, which hold the same data."""
    before = os.umask(umask)
    try:
        store = SqliteStore(tmp_path / "a.db")
        await store.start()
        await store.events.append("s/1", b"event")
        found = modes(tmp_path)
        await store.aclose()
    finally:
        os.umask(before)
    assert found == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


async def test_the_mode_of_a_file_that_is_there_stays(tmp_path: Path) -> None:
    """Somebody chose it."""
    path = tmp_path / "a.db"
    path.touch()
    path.chmod(0o640)
    await fill(path)
    assert modes(tmp_path) == {"a.db": 0o640}


async def test_what_was_written_is_there_the_next_time(tmp_path: Path) -> None:
    await fill(tmp_path / "a.db")
    store = SqliteStore(str(tmp_path / "a.db"))
    await store.start()
    assert await store.sessions.get("7") == bytes(3_000)
    assert await store.events.read("7/1", 0) == [(1, bytes(3_000))]
    await store.aclose()
    assert modes(tmp_path) == {"a.db": 0o600}


async def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / "a.db") for _ in range(8)]
    await asyncio.gather(*(store.start() for store in stores))
    positions = await asyncio.gather(*(store.events.append("s/1", b"event") for store in stores))
    await asyncio.gather(*(store.aclose() for store in stores))
    assert sorted(positions) == list(range(1, 9))


async def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses at once to switch a file to write-ahead logging that somebody else is writing."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        hasty, patient = SqliteStore(path, busy_s=0.05), SqliteStore(path)
        with pytest.raises(StoreUnusable, match="database is locked"):
            await hasty.start()
        starting = asyncio.create_task(patient.start())
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
    await starting
    assert await patient.events.append("s/1", b"event") == 1
    await patient.aclose()


def a_text(path: Path) -> None:
    path.write_text("These are somebody's notes, and long enough to be looked at.\n" * 100)


def a_folder(path: Path) -> None:
    path.mkdir()


def another_application(path: Path) -> None:
    run_sql(path, "CREATE TABLE accounts (name TEXT); INSERT INTO accounts VALUES ('somebody')")


def another_application_with_an_id(path: Path) -> None:
    run_sql(path, "PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE streams (name TEXT)")


def a_newer_version(path: Path) -> None:
    asyncio.run(fill(path))
    run_sql(path, "PRAGMA user_version = 2")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (a_text, "file is not a database"),
        (a_folder, "Is a directory"),
        (another_application, "the file belongs to another application"),
        (another_application_with_an_id, "the file belongs to another application"),
        (a_newer_version, r"a newer anyport wrote this file \(schema 2; this one knows 1\)"),
    ],
)
def test_what_is_no_store_is_refused_and_left_alone(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(StoreUnusable, match=message) as caught:
        asyncio.run(use(path))
    assert str(path) in str(caught.value)
    assert before is None or path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.db"]


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.db"
    with pytest.raises(StoreUnusable, match="No such file or directory") as caught:
        await SqliteStore(path).start()
    assert str(path) in str(caught.value)


async def test_a_store_that_could_not_start_can_be_started_later(tmp_path: Path) -> None:
    """What was asked for meanwhile is refused, not left waiting."""
    store = SqliteStore(tmp_path / "folder" / "a.db")
    starting = asyncio.create_task(store.start())
    await asyncio.sleep(0)
    with pytest.raises(StoreError):
        await store.events.append("s/1", b"event")
    with pytest.raises(StoreUnusable):
        await starting
    (tmp_path / "folder").mkdir()
    await store.start()
    assert await store.events.append("s/1", b"event") == 1
    await store.aclose()


@pytest.mark.parametrize("damage", ["header", "pages", "cut", "tables"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    """When it is opened, or when the damage is come upon; never anything but a StoreError."""
    path = tmp_path / "a.db"
    asyncio.run(fill(path))
    content = path.read_bytes()
    if damage == "header":
        path.write_bytes(b"\xff" * 100 + content[100:])
    elif damage == "pages":
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    elif damage == "cut":
        path.write_bytes(content[:9_000])
    else:
        run_sql(path, "DROP TABLE events")
    with pytest.raises(StoreUnusable) as caught:
        asyncio.run(use(path))
    assert str(path) in str(caught.value)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
