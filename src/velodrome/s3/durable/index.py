"""The index: one row a bucket, object version, upload and part, in SQLite; whoever waits commits for all who wait."""

from __future__ import annotations

import itertools
import json
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from velodrome.s3.durable.bodies import SMALL_NAME, Bodies, Body
from velodrome.s3.durable.schema import FILE, bring_forward, check_format, listed

LOG = logging.getLogger(__name__)
READERS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One stored thing: kind bucket, object, upload or part. `place` orders the versions of a key.

    An object's name is its key, its detail the version, `null` where the bucket has none.
    """

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
Run = Callable[..., sqlite3.Cursor]


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


class Index:
    """`lock` guards the state that the rows describe: change it and enqueue under it, wait for the commit without."""

    def __init__(self, folder: Path) -> None:
        check_format(folder)
        self.lock = threading.RLock()
        self.on_failure: Callable[[frozenset[str]], None] = lambda buckets: None
        self._queue: list[Ticket] = []
        self._latest: dict[str, Ticket] = {}
        # What is queued of a key, by version: the state's lock guards it.
        self._pending: dict[tuple[str, str], dict[str, tuple[Change, Ticket]]] = {}
        self._committing = threading.Lock()
        self._file = folder / FILE
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._writer = self._connect()
        self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")
        bring_forward(self._writer)
        with suppress(sqlite3.OperationalError):  # the disk is full; it can wait
            self._writer.execute("PRAGMA incremental_vacuum").fetchall()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for _ in range(READERS):
            self._readers.put(self._connect())
        self.bodies = Bodies(folder / "objects", self._small)
        with self.reading() as run:
            last_small = run("SELECT MAX(number) FROM small").fetchone()[0]
            last_place = run("SELECT MAX(place) FROM object").fetchone()[0]
        self.bodies.small_numbers = itertools.count((last_small or 0) + 1)
        self.places = itertools.count((last_place or 0) + 1)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=30)

    @contextmanager
    def reading(self) -> Iterator[Run]:
        """What runs queries on one state of the disk: nothing that is not committed, nothing committed meanwhile."""
        connection = self._readers.get()
        try:
            connection.execute("BEGIN")
            try:
                yield connection.execute
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._readers.put(connection)

    def _small(self, name: str) -> bytes | None:
        with self.reading() as run:
            found = run("SELECT data FROM small WHERE number = ?", (_number(name),)).fetchone()
        return None if found is None else bytes(found[0])

    def rows(self, kind: str, bucket: str | None = None) -> Iterator[Row]:
        """Committed rows of a kind other than object, of all buckets or one, in the order of their places."""
        where, values = ("", [kind]) if bucket is None else (" AND bucket = ?", [kind, bucket])
        query = "SELECT kind, bucket, name, detail, place, body, data FROM entry WHERE kind = ?"
        with self.reading() as run:
            found = run(f"{query}{where} ORDER BY place", values).fetchall()
        for kind, owner, name, detail, place, body, data in found:
            yield Row(kind, owner, name, detail, place, None if body is None else Body.parse(body), data)

    def object(self, bucket: str, key: str, version: str | None, but: Collection[str] = ()) -> Row | None:
        """A committed version of a key, the latest if none is named, other than those in `but`."""
        query = "SELECT place, version, body, data FROM object WHERE bucket = ? AND key = ?"
        with self.reading() as run:
            if version is not None:
                found = run(f"{query} AND version = ?", (bucket, key, version))
            else:
                found = run(f"{query} ORDER BY place DESC", (bucket, key))
            for place, name, body, data in found:
                if name not in but:
                    parsed = None if body is None else Body.parse(body)
                    return Row("object", bucket, key, name, place, parsed, data)
        return None

    def queued_object(self, bucket: str, key: str, version: str | None, but: Collection[str] = ()) -> Row | None:
        """As `object`, with what is queued; the caller holds `lock`."""
        queued = {name: change for name, (change, _) in self._pending.get((bucket, key), {}).items()}
        if version is not None:
            if version in queued:
                change = queued[version]
                return change if isinstance(change, Row) else None
            return self.object(bucket, key, version)
        rows = [change for change in queued.values() if isinstance(change, Row) and change.detail not in but]
        if committed := self.object(bucket, key, None, queued.keys() | set(but)):
            rows.append(committed)
        return max(rows, key=lambda row: row.place, default=None)

    def has_objects(self, bucket: str) -> bool:
        """Whether there is a version or a delete marker, with what is queued; the caller holds `lock`."""
        queued = {
            (key, version): change
            for (owner, key), versions in self._pending.items()
            if owner == bucket
            for version, (change, _) in versions.items()
        }
        if any(isinstance(change, Row) for change in queued.values()):
            return True
        with self.reading() as run:
            found = run("SELECT key, version FROM object INDEXED BY history WHERE bucket = ?", (bucket,))
            return any((key, version) not in queued for key, version in found)

    def known_files(self, names: Collection[str]) -> set[str]:
        """Those of the names that a row has as a body's file."""
        marks = ", ".join("?" * len(names))
        with self.reading() as run:
            return {name for (name,) in run(f"SELECT name FROM file WHERE name IN ({marks})", tuple(names))}  # noqa: S608

    def missing_files(self, found: int) -> list[str]:
        """The body files that rows have and the folder has not, of which it has `found`."""
        with self.reading() as run:
            if found == run("SELECT COUNT(*) FROM file").fetchone()[0]:
                return []
            return [name for (name,) in run("SELECT name FROM file") if not (self.bodies.folder / name).exists()]

    def enqueue(self, changes: Iterable[Change], buckets: Iterable[str], fresh: Iterable[str]) -> Ticket:
        """Queue what one operation changed. The caller holds `lock`, so that the queue is in the state's order."""
        ticket = Ticket(list(changes), frozenset(buckets), frozenset(fresh))
        self._queue.append(ticket)
        for change in ticket.changes:
            if change.kind != "object":
                self._latest[change.bucket] = ticket
            elif change.name is not None and change.detail is not None:
                self._pending.setdefault((change.bucket, change.name), {})[change.detail] = (change, ticket)
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
        with self.lock:
            for ticket in tickets:
                self._forget(ticket)
        for ticket in tickets:
            ticket.done = True
            for change in ticket.changes:
                if isinstance(change, Row) and change.body is not None:
                    change.body.settle()
            ticket.changes = []
        return removed

    def _forget(self, ticket: Ticket) -> None:
        """It is on disk: what is pending of its keys is what came later."""
        for change in ticket.changes:
            if change.kind != "object" or (versions := self._pending.get((change.bucket, change.name or ""))) is None:
                continue
            if change.detail in versions and versions[change.detail][1] is ticket:
                del versions[change.detail]
            if not versions:
                del self._pending[change.bucket, change.name or ""]

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
                    gone = self._remove(change)
                    added = self._insert(change) if isinstance(change, Row) else set()
                    removed = (removed | gone) - added
            small = [(_number(name),) for name in removed if name.startswith(SMALL_NAME)]
            self._writer.executemany("DELETE FROM small WHERE number = ?", small)
            files = [(name,) for name in removed if not name.startswith(SMALL_NAME)]
            self._writer.executemany("DELETE FROM file WHERE name = ?", files)
            run("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                run("ROLLBACK")
            raise
        return removed

    def _remove(self, change: Change) -> set[str]:
        """Take away what a change replaces or removes; returns its bodies' names."""
        names: set[str] = set()
        if change.kind in (None, "object"):
            names |= self._remove_objects(change)
        if change.kind != "object":
            columns = ("kind", "bucket", "name", "detail")
            names |= self._delete("entry", {column: getattr(change, column) for column in columns})
        return names

    def _remove_objects(self, change: Change) -> set[str]:
        bucket, key, version = change.bucket, change.name, change.detail
        if change.kind is None or key is None or version is None:
            return self._delete("object", {"bucket": bucket, "key": key if change.kind else None})
        names = self._delete("object", {"bucket": bucket, "key": key, "version": version})
        if isinstance(change, Gone) and (top := self._top(bucket, key)) is not None:
            self._writer.execute("UPDATE object SET latest = 1 WHERE place = ? AND latest = 0", (top,))
        return names

    def _delete(self, table: str, like: dict[str, str | None]) -> set[str]:
        given = {column: value for column, value in like.items() if value is not None}
        where, values = " AND ".join(f"{column} = ?" for column in given), tuple(given.values())
        found = self._writer.execute(f"SELECT body FROM {table} WHERE {where}", values).fetchall()  # noqa: S608 - ours
        if found:
            self._writer.execute(f"DELETE FROM {table} WHERE {where}", values)  # noqa: S608 - ours
        return {name for (body,) in found if body is not None for name in Body.parse(body).names()}

    def _top(self, bucket: str, key: str) -> int | None:
        query = "SELECT place FROM object WHERE bucket = ? AND key = ? ORDER BY place DESC LIMIT 1"
        found = self._writer.execute(query, (bucket, key)).fetchone()
        return None if found is None else int(found[0])

    def _insert(self, row: Row) -> set[str]:
        body = None if row.body is None else row.body.dump()
        run = self._writer.execute
        if row.kind == "object":
            top = self._top(row.bucket, row.name)
            latest = top is None or top < row.place
            if top is not None and latest:
                run("UPDATE object SET latest = 0 WHERE place = ?", (top,))
            shown = listed(json.loads(row.data))
            run(
                "INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (row.place, row.bucket, row.name, row.detail, int(latest), *shown, body, row.data),
            )
        else:
            run(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
                (row.kind, row.bucket, row.name, row.detail, row.place, body, row.data),
            )
        if row.body is None:
            return set()
        for segment in row.body.segments:
            if segment.data is not None:
                run("INSERT OR REPLACE INTO small VALUES (?, ?)", (_number(segment.name), segment.data))
            elif not segment.small:
                run("INSERT OR IGNORE INTO file VALUES (?)", (segment.name,))
        return row.body.names()

    def _fail(self, tickets: list[Ticket], error: Exception) -> None:
        LOG.error("S3's index could not be written: %s", error)
        with self.lock:
            # What was queued meanwhile was built on what has just failed.
            tickets = tickets + self._queue
            self._queue = []
            self._pending.clear()
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
            closed = [self._readers.get() for _ in range(READERS)]
            for reader in closed:
                reader.close()
                self._readers.put(reader)  # whoever still asks is told so
            self._writer.close()
