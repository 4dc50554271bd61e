"""The SQLite file: what has been acknowledged, committed before the answer leaves, held by one process."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

DATABASE_NAME = "store.sqlite3"
LOCK_NAME = "store.lock"

ItemChange = tuple[str, str, bytes | None]
"""Table name, key text, item image as DynamoDB JSON; None deletes the item."""
DefinitionChange = tuple[str, dict[str, Any] | None]
"""Name and definition of a table or queue; None deletes it (a table with all its items)."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tables (name TEXT PRIMARY KEY, definition TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS items (tbl TEXT NOT NULL, key TEXT NOT NULL, image BLOB NOT NULL, PRIMARY KEY (tbl, key));
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, definition TEXT NOT NULL);
"""


class DataDirectoryHeld(Exception):
    """Another process has the data directory open."""


class JournalError(Exception):
    """A commit failed; SQLite holds what it held before."""


class Journal:
    """State, not a log: one row per item, table and queue. Opening takes the directory's lock until `close`.

    Raises DataDirectoryHeld when another process has it, sqlite3.Error when the file cannot be read.
    """

    def __init__(self, directory: Path):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = _hold(directory / LOCK_NAME)
        self._path = directory / DATABASE_NAME
        # SQLite gives its -wal and -shm files the mode of the database, so the mode is set before it first opens it.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._guard = threading.Lock()
        self._connection = self._connect()
        self._connection.executescript(_SCHEMA)
        _sync_directory(directory)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def table_definitions(self) -> dict[str, dict[str, Any]]:
        return {
            name: json.loads(text) for name, text in self._connection.execute("SELECT name, definition FROM tables")
        }

    def queue_definitions(self) -> dict[str, dict[str, Any]]:
        return {
            name: json.loads(text) for name, text in self._connection.execute("SELECT name, definition FROM queues")
        }

    def images(self, table: str) -> Iterator[bytes]:
        """Every item of one table, as DynamoDB JSON."""
        for (image,) in self._connection.execute("SELECT image FROM items WHERE tbl = ?", (table,)):
            yield image

    def commit(
        self,
        *,
        items: Iterable[ItemChange] = (),
        tables: Iterable[DefinitionChange] = (),
        queues: Iterable[DefinitionChange] = (),
    ) -> None:
        """Write everything in one transaction and return once it is on disk. Raises JournalError, changing nothing."""
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._write_definitions("tables", tables)
                self._write_definitions("queues", queues)
                self._write_items(items)
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._abandon()
                raise JournalError(str(error)) from error

    def _write_definitions(self, relation: str, changes: Iterable[DefinitionChange]) -> None:
        for name, definition in changes:
            if definition is None:
                self._connection.execute(f"DELETE FROM {relation} WHERE name = ?", (name,))  # noqa: S608
                if relation == "tables":
                    self._connection.execute("DELETE FROM items WHERE tbl = ?", (name,))
            else:
                text = json.dumps(definition)
                self._connection.execute(f"INSERT OR REPLACE INTO {relation} VALUES (?, ?)", (name, text))  # noqa: S608

    def _write_items(self, changes: Iterable[ItemChange]) -> None:
        for table, key, image in changes:
            if image is None:
                self._connection.execute("DELETE FROM items WHERE tbl = ? AND key = ?", (table, key))
            else:
                self._connection.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (table, key, image))

    def _abandon(self) -> None:
        """Leave the failed transaction; a connection that cannot roll back is replaced, which rolls back as well."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._connection.close()
            self._connection = self._connect()

    def close(self) -> None:
        with self._guard:
            self._connection.close()
            os.close(self._lock_file)


def _hold(path: Path) -> int:
    """Take the lock and note our pid in it; the kernel lets go of it however this process ends."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DataDirectoryHeld(f"{path.parent} is already held by the store process with pid {holder}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _sync_directory(directory: Path) -> None:
    """Make the names of freshly created files durable; SQLite syncs their contents only."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
