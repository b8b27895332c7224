"""The file of a SQLite store: made, checked and opened."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from anyport.stores.base import StoreUnusable

APPLICATION: Final = 0x616E7970
"""``PRAGMA application_id`` of our files ("anyp"): what tells them from other applications'."""

SCHEMA_VERSION: Final = 1
"""``PRAGMA user_version``: raised with every change that an older anyport would not understand."""

RETRY_S: Final = 0.01
"""Seconds between two tries to open a file that another process is just opening."""

CHECKPOINT_PAGES: Final = 4000
"""Pages in the write-ahead log (16 MiB) at which a commit moves them to the file: that waits for the disk."""

_SCHEMA: Final = (
    # Ids, names and topics are blobs: a peer may send text that is no valid UTF-8 (see `key`).
    "CREATE TABLE sessions (id BLOB PRIMARY KEY, owner BLOB, row BLOB NOT NULL, used REAL NOT NULL)",
    "CREATE INDEX sessions_by_use ON sessions (used)",
    "CREATE INDEX sessions_by_owner ON sessions (owner) WHERE owner IS NOT NULL",
    # Of a stream the events first to last are kept; none if first = last + 1.
    """CREATE TABLE streams (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, first INTEGER NOT NULL,
        last INTEGER NOT NULL, bytes INTEGER NOT NULL, ended INTEGER NOT NULL, used REAL NOT NULL)""",
    "CREATE INDEX streams_by_use ON streams (used) WHERE first <= last",
    """CREATE TABLE events (stream INTEGER NOT NULL, position INTEGER NOT NULL, event BLOB NOT NULL,
        PRIMARY KEY (stream, position)) WITHOUT ROWID""",
    # AUTOINCREMENT: ids rise in the order of the commits and are never used twice, so that a gap means a lost message.
    """CREATE TABLE bus (id INTEGER PRIMARY KEY AUTOINCREMENT, topic BLOB NOT NULL, message BLOB NOT NULL,
        sent REAL NOT NULL)""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def key(text: str) -> bytes:
    """Return what stands for an id, name or topic in the file: any string has one, no two have the same."""
    return text.encode("utf-8", "surrogatepass")


def text(key: bytes) -> str:
    """Return what `key` was made from."""
    return key.decode("utf-8", "surrogatepass")


def open_file(path: Path, busy_s: float) -> sqlite3.Connection:
    """Open the file of a store; a new one is readable by its owner alone.

    Write-ahead logging with ``synchronous=NORMAL``: what was committed is with the operating system and survives the
    end of every process; a power cut may cost the last commits, never the consistency of the file.

    Args:
        path: The file; its folder exists, on a disk of this machine.
        busy_s: Seconds to wait for another process that writes.

    Returns:
        A connection for the calling thread, without implicit transactions.

    Raises:
        StoreUnusable: The file cannot be opened, is not SQLite, is somebody else's or a newer version's.
    """
    give_up = time.monotonic() + busy_s
    while True:
        try:
            return _try_to_open(path, busy_s)
        except (OSError, sqlite3.Error) as error:
            if not _is_busy(error) or time.monotonic() >= give_up:
                raise StoreUnusable(f"{path}: {error}") from error
        # SQLite does not wait by itself for another process that switches the same file to write-ahead logging.
        threading.Event().wait(RETRY_S)


def _is_busy(error: OSError | sqlite3.Error) -> bool:
    # The lower byte is the kind of error, the rest its variant.
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _try_to_open(path: Path, busy_s: float) -> sqlite3.Connection:
    # SQLite gives its -wal and -shm files the mode of this one.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        _prepare(connection, path)
    except (sqlite3.Error, StoreUnusable):
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Looked at before anything is changed: a foreign file stays as it is.
    _check_origin(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreUnusable(f"{path}: write-ahead logging does not work on this file system")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables meanwhile.
        if _check_origin(connection, path):
            for statement in _SCHEMA:
                connection.execute(statement)


def _check_origin(connection: sqlite3.Connection, path: Path) -> bool:
    tables, application, version = connection.execute(
        "SELECT (SELECT count(*) FROM sqlite_master), application_id, user_version"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if not tables and not version:
        return True
    if application != APPLICATION:
        raise StoreUnusable(f"{path}: the file belongs to another application")
    if version > SCHEMA_VERSION:
        raise StoreUnusable(
            f"{path}: a newer anyport wrote this file (schema {version}; this one knows {SCHEMA_VERSION})"
        )
    return False
