"""The index: one row a bucket, object version, upload and part, in SQLite; whoever waits commits for all who wait."""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from velodrome.s3.durable.bodies import SMALL_NAME, Bodies, Body

LOG = logging.getLogger(__name__)
FILE = "index.db"
APPLICATION = 0x56453353  # "VE3S"
FORMAT = 1
_SCHEMA = """
CREATE TABLE entry (
    kind TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL,
    place INTEGER NOT NULL, body TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, bucket, name, detail)
) WITHOUT ROWID;
CREATE TABLE small (number INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


class FormatError(RuntimeError):
    """The folder holds something that this release cannot read; the message names it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored thing: kind bucket, object, upload or part. `place` orders the versions of a key."""

    kind: str
    bucket: str
    name: str = ""
    detail: str = ""
    place: int = 0
    body: Body | None = None
    data: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """Rows to remove: those that agree in what is not None."""

    bucket: str
    kind: str | None = None
    name: str | None = None
    detail: str | None = None


Change = Row | Gone


@dataclass(slots=True)
class Ticket:
    """One operation's changes on their way to the disk; `fresh` are the segments that it has made."""

    changes: list[Change]
    buckets: frozenset[str]
    fresh: frozenset[str]
    done: bool = False
    error: Exception | None = None


def _number(name: str) -> int:
    return int(name.removeprefix(SMALL_NAME))


def check_format(folder: Path) -> None:
    """Refuse a folder of another format. Raises FormatError; a folder without an index is fine."""
    file = folder / FILE
    if not file.exists():
        return
    try:
        connection = sqlite3.connect(file)
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise FormatError(
            f"{file} cannot be read ({error}); restore a backup of {folder} or remove the folder"
        ) from None
    if empty and not application and not version:
        return  # its making was cut off before the first commit
    if application != APPLICATION:
        raise FormatError(f"{file} is not an index of S3; VELODROME_HOME names a folder of something else")
    if version != FORMAT:
        raise FormatError(
            f"{folder} is of format {version}, and this release reads format {FORMAT}; "
            "use the release that wrote it, or set VELODROME_HOME to another folder"
        )


class Index:
    """`lock` guards the state that the rows describe: change it and enqueue under it, wait for the commit without."""

    def __init__(self, folder: Path) -> None:
        check_format(folder)
        self.lock = threading.RLock()
        self.on_failure: Callable[[frozenset[str]], None] = lambda buckets: None
        self._queue: list[Ticket] = []
        self._latest: dict[str, Ticket] = {}
        self._committing = threading.Lock()
        self._reading = threading.Lock()
        self._file = folder / FILE
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._writer = self._connect()
        self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")
        self._create()
        with suppress(sqlite3.OperationalError):  # the disk is full; it can wait
            self._writer.execute("PRAGMA incremental_vacuum").fetchall()
        self._reader = self._connect()
        self.bodies = Bodies(folder / "objects", self._small)
        last = self._reader.execute("SELECT MAX(number) FROM small").fetchone()[0]
        self.bodies.small_numbers = itertools.count((last or 0) + 1)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=30)

    def _create(self) -> None:
        if self._writer.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._writer.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
            )

    def _small(self, name: str) -> bytes | None:
        with self._reading:
            found = self._reader.execute("SELECT data FROM small WHERE number = ?", (_number(name),)).fetchone()
        return None if found is None else bytes(found[0])

    def rows(self, kind: str, bucket: str | None = None) -> Iterator[Row]:
        """Committed rows of a kind, of all buckets or one, in the order of their places."""
        where, values = ("", [kind]) if bucket is None else (" AND bucket = ?", [kind, bucket])
        query = "SELECT kind, bucket, name, detail, place, body, data FROM entry WHERE kind = ?"
        with self._reading:
            found = self._reader.execute(f"{query}{where} ORDER BY place", values).fetchall()
        for kind, owner, name, detail, place, body, data in found:
            yield Row(kind, owner, name, detail, place, None if body is None else Body.parse(body), data)

    def enqueue(self, changes: Iterable[Change], buckets: Iterable[str], fresh: Iterable[str]) -> Ticket:
        """Queue what one operation changed. The caller holds `lock`, so that the queue is in the state's order."""
        ticket = Ticket(list(changes), frozenset(buckets), frozenset(fresh))
        self._queue.append(ticket)
        for bucket in ticket.buckets:
            self._latest[bucket] = ticket
        return ticket

    def commit(self, ticket: Ticket) -> None:
        """Return once the ticket is on disk. Raises what kept it from there: then the state is as before it."""
        if not ticket.done:
            removed: set[str] = set()
            with self._committing:
                if not ticket.done:
                    removed = self._commit_queue()
            self.bodies.remove(removed)
        if ticket.error is not None:
            raise ticket.error

    def settle(self, bucket: str | None) -> bool:
        """Wait until what a reader may have seen (of one bucket or of all) is on disk; False: some of it never will."""
        with self.lock:
            latest = self._latest.values() if bucket is None else filter(None, [self._latest.get(bucket)])
            tickets = [ticket for ticket in latest if not ticket.done]
        try:
            for ticket in tickets:
                self.commit(ticket)
        except Exception:  # the log has it and the writer gets it; a reader only has to look again
            return False
        return True

    def undo(self, buckets: Iterable[str]) -> None:
        """Make the state of these buckets again what is on disk, after an operation that failed halfway."""
        with self._committing:
            self.bodies.remove(self._commit_queue())
            with self.lock:
                self.on_failure(frozenset(buckets))

    def _commit_queue(self) -> set[str]:
        """Write what is queued; returns the files that are of no use any more."""
        with self.lock:
            tickets, self._queue = self._queue, []
        try:
            removed = self._write(tickets)
        except Exception as error:
            self._fail(tickets, error)
            return set()
        for ticket in tickets:
            ticket.done = True
            for change in ticket.changes:
                if isinstance(change, Row) and change.body is not None:
                    change.body.settle()
            ticket.changes = []
        return removed

    def _write(self, tickets: list[Ticket]) -> set[str]:
        if any(
            isinstance(change, Row) and change.body and not all(segment.small for segment in change.body.segments)
            for ticket in tickets
            for change in ticket.changes
        ):
            self.bodies.sync_folder()
        removed: set[str] = set()
        run = self._writer.execute
        run("BEGIN IMMEDIATE")
        try:
            for ticket in tickets:
                for change in ticket.changes:
                    removed |= self._remove(change)
                    if isinstance(change, Row):
                        removed -= self._insert(change)
            small = [(_number(name),) for name in removed if name.startswith(SMALL_NAME)]
            self._writer.executemany("DELETE FROM small WHERE number = ?", small)
            run("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                run("ROLLBACK")
            raise
        return removed

    def _remove(self, change: Change) -> set[str]:
        columns = ("kind", "bucket", "name", "detail")
        given = [(column, value) for column in columns if (value := getattr(change, column)) is not None]
        where = " AND ".join(f"{column} = ?" for column, _ in given)
        values = [value for _, value in given]
        found = self._writer.execute(f"SELECT body FROM entry WHERE {where}", values).fetchall()  # noqa: S608 - ours
        if found:
            self._writer.execute(f"DELETE FROM entry WHERE {where}", values)  # noqa: S608 - ours
        return {name for (body,) in found if body is not None for name in Body.parse(body).names()}

    def _insert(self, row: Row) -> set[str]:
        body = None if row.body is None else row.body.dump()
        self._writer.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.kind, row.bucket, row.name, row.detail, row.place, body, row.data),
        )
        if row.body is None:
            return set()
        for segment in row.body.segments:
            if segment.data is not None:
                self._writer.execute(
                    "INSERT OR REPLACE INTO small VALUES (?, ?)", (_number(segment.name), segment.data)
                )
        return row.body.names()

    def _fail(self, tickets: list[Ticket], error: Exception) -> None:
        LOG.error("S3's index could not be written: %s", error)
        with self.lock:
            # What was queued meanwhile was built on what has just failed.
            tickets = tickets + self._queue
            self._queue = []
            try:
                self.on_failure(frozenset(bucket for ticket in tickets for bucket in ticket.buckets))
            except Exception:
                LOG.exception("S3 ends: its index cannot be read, and memory must not differ from it")
                os._exit(70)
            self.bodies.remove(name for ticket in tickets for name in ticket.fresh)
            for ticket in tickets:
                ticket.error = error
                ticket.done = True

    def close(self) -> None:
        """Write what is queued; the write-ahead log goes into the index."""
        with self._committing:
            self.bodies.remove(self._commit_queue())
            with self._reading:
                self._reader.close()
            self._writer.close()
