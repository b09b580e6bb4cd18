"""The SQLite file that EMR Serverless's state is kept in: one connection, transactions, rows."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
# Columns of these names hold JSON.
_JSON = ("request", "tags", "workers")
# Changes with the tables. A file of another layout is begun anew: what it describes are runs of a laptop.
_LAYOUT = 2
# Given up when the disk is full, so that how runs ended can be noted even then.
_RESERVE_BYTES = 2**20
_AGAIN_SECONDS = 1.0
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class Database:
    """All reads and writes; safe to use from several threads."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._reserve = file.with_name("reserve")
        self._keep_reserve()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may lose the last moments, one of the service loses nothing: no wait for the disk.
        # https://www.sqlite.org/pragma.html#pragma_synchronous
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._forget_other_layouts()
        self._connection.execute("PRAGMA foreign_keys = ON")

    def _forget_other_layouts(self) -> None:
        if self._connection.execute("PRAGMA user_version").fetchone()[0] == _LAYOUT:
            return
        for (table,) in self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            log.warning("the table %s of an earlier version is removed", table)
            self._connection.execute(f'DROP TABLE "{table}"')
        self._connection.execute(f"PRAGMA user_version = {_LAYOUT}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done inside is seen by others, and kept, as a whole or not at all."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._give_room(error)
                if self._connection.in_transaction:  # SQLite may have rolled it back itself
                    self._connection.execute("ROLLBACK")
                raise

    def define(self, tables: str) -> None:
        """Make tables that are not there yet."""
        with self._lock:
            self._connection.executescript(tables)

    def add_column(self, table: str, column: str, value: str) -> None:
        """Give a column of text that an earlier version's table lacks, with this value in all of its rows."""
        with self.transaction():
            if column not in {row["name"] for row in self.rows(f"PRAGMA table_info({table})")}:
                self.write(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
                self.write(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608  names are ours

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What a query finds; columns with JSON are read."""
        with self._lock:
            rows = [dict(row) for row in self._connection.execute(sql, values)]
        for row in rows:
            for name in _JSON:
                if row.get(name) is not None:
                    row[name] = json.loads(row[name])
        return rows

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row; columns with JSON are written as it."""
        values = [json.dumps(value) if name in _JSON else value for name, value in row.items()]
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self.write(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608  names are ours

    def update(self, table: str, changes: Mapping[str, Any], where: str, values: Sequence[Any]) -> bool:
        """Change columns of the rows that `where` names; whether there were any."""
        written = [json.dumps(value) if name in _JSON else value for name, value in changes.items()]
        assignments = ", ".join(f"{name} = ?" for name in changes)
        return self.write(f"UPDATE {table} SET {assignments} WHERE {where}", (*written, *values))  # noqa: S608

    def write(self, sql: str, values: Sequence[Any] = ()) -> bool:
        """Run a statement; whether it changed a row."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).rowcount > 0
            except sqlite3.Error as error:
                self._give_room(error)
                raise

    def persist(self, write: Callable[[], None], give_up: Callable[[], bool]) -> None:
        """Do what has to be written however long it takes, such as while the disk is full, or until it is given up."""
        told = ""
        while True:
            try:
                write()
                break
            except sqlite3.Error as error:
                if told != str(error):
                    told = str(error)
                    log.warning("the state cannot be written, which is tried again: %s", error)
                if give_up():
                    return
                time.sleep(_AGAIN_SECONDS)
        self._keep_reserve()

    def _give_room(self, error: BaseException) -> None:
        # The low byte is the kind of an error: https://www.sqlite.org/rescode.html
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _FULL:
            self._reserve.unlink(missing_ok=True)

    def _keep_reserve(self) -> None:
        if self._reserve.is_file():
            return
        try:
            self._reserve.write_bytes(bytes(_RESERVE_BYTES))
        except OSError as error:
            log.warning("%s cannot be kept free: %s", self._reserve, error)
            self._reserve.unlink(missing_ok=True)

    def answers(self) -> bool:
        """Whether the file can be read."""
        return bool(self.rows("SELECT 1"))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
