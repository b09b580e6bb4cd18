"""What happened, for the views STL_QUERY, SYS_QUERY_HISTORY and their kin: kept in memory, written in batches to files.

Each database reads the same files through foreign tables (catalog/40_history.sql), so a statement costs no write of the
server inside, and no client waits for one. A line is one record; a control character that no field holds separates its
fields, and a line with another number of fields (half a line, after a kill) is not read.

Who calls what: the gateway, on the event loop's thread, `connected`, `refused`, `disconnected`, `begin`, `end`,
`loaded` and, before a statement that reads one of the views (`sql.history_views.reads_history`), `flush`. Every second
a thread of the history's own writes what has come since, from `start()` to `close()`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from velodrome.redshift.history_files import END, SEPARATOR, Journal, clean, replace_file
from velodrome.redshift.masking import masked

log = logging.getLogger("velodrome.redshift")

_INTERVAL_SECONDS = 1.0
_LONGEST_TEXT = 60_000  # of a query: 300 rows of 200 characters in the views of texts
_LONGEST_ERROR = 512
_GAP = 1000  # what a killed gateway may have numbered and not written

FOLDER = "velodrome_history"
KINDS = ("queries", "sessions", "load_files", "load_errors")


class Peer:
    """A client's session: who it is. The gateway keeps it for as long as the session lasts, and sets `transaction` to
    0 whenever the backend is ready outside a transaction (ReadyForQuery 'I')."""

    __slots__ = (
        "application",
        "database",
        "driver",
        "host",
        "label",
        "method",
        "pid",
        "platform",
        "port",
        "protocol",
        "started",
        "tls",
        "transaction",
        "user",
    )

    def __init__(
        self,
        pid: int,
        user: str,
        database: str,
        *,
        host: str = "",
        port: int = 0,
        application: str = "",
        driver: str = "",
        platform: str = "",
        protocol: int = 0,
        tls: str = "",
        method: str = "password",
    ) -> None:
        self.pid, self.user, self.database = pid, user, database
        self.host, self.port, self.application = host, port, application
        self.driver, self.platform, self.protocol = driver, platform, protocol
        self.tls, self.method = tls, method
        self.started = time.time()
        self.transaction = 0
        self.label = "default"  # of SET query_group


class Query:
    """A statement between `begin` and `end`."""

    __slots__ = ("database", "id", "label", "peer", "rows", "started", "text", "transaction")

    def __init__(self, number: int, peer: Peer, text: str, transaction: int) -> None:
        self.id, self.peer, self.text, self.transaction = number, peer, text, transaction
        self.label, self.database = peer.label, peer.database  # which a later USE changes
        self.started = time.time()
        self.rows = 0


@dataclass(frozen=True)
class LoadedFile:
    """A file that a COPY has read."""

    name: str
    rows: int
    size: int
    started: float
    ended: float
    status: int = 1


@dataclass(frozen=True)
class LoadError:
    """A row or file that a COPY could not load: https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_ERRORS.html"""

    file: str
    reason: str
    code: int
    line: int = 0
    column: str = ""
    type: str = ""
    length: str = ""
    position: int = 0
    raw_line: str = ""
    raw_value: str = ""


@dataclass
class Loading:
    """What became of a COPY: its table (`target` is its name as SQL has it), the files it read and what it could not
    load."""

    table: str
    target: str
    format: str = "PARQUET"
    source: str = ""
    files: list[LoadedFile] = field(default_factory=list)
    errors: list[LoadError] = field(default_factory=list)


class History:
    """Records of one warehouse, in a folder that its server inside can read."""

    def __init__(self, data: Path) -> None:
        """`data` is the data folder of the server inside: the records lie in it, readable as its own files are."""
        folder = data / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        state = data.stat()
        self._owner = (state.st_uid, state.st_gid) if os.geteuid() == 0 else None
        if self._owner is not None:
            os.chown(folder, *self._owner)
        self._journals = {kind: Journal(folder, kind, self._owner) for kind in KINDS}
        self._folder = folder
        self._last = self._journals["queries"].last_number() + _GAP
        self._last_transaction = self._last
        # Deques: the event loop's thread appends while the writer's takes.
        self._done: deque[tuple[Query, float, int, str, str, str]] = deque()
        self._lines: deque[tuple[str, str]] = deque()
        self._running: dict[int, Query] = {}
        self._shown = False  # whether the file of running statements has any
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._writer: threading.Thread | None = None
        self._write_running()

    def start(self) -> None:
        self._writer = threading.Thread(target=self._keep_writing, name="history", daemon=True)
        self._writer.start()

    def close(self) -> None:
        self._closing.set()
        if self._writer is not None:
            self._writer.join()
        self.flush()

    def _keep_writing(self) -> None:
        while not self._closing.wait(_INTERVAL_SECONDS):
            try:
                self._write()
                if self._shown:  # to a statement that reads a view of the user's own, none is shown that has ended
                    self._write_running()
            except OSError as error:
                log.error("the history cannot be written: %s", error)

    # -- sessions -----------------------------------------------------------------------------------------------------

    def connected(self, peer: Peer) -> None:
        """The client is logged in, its backend's process is known."""
        self._session(peer, "initiating session", peer.started, 0.0)
        self._session(peer, "authenticated", peer.started, 0.0)
        if peer.application:
            self._session(peer, "set application_name", peer.started, 0.0)

    def refused(self, peer: Peer) -> None:
        """The client could not log in."""
        self._session(peer, "authentication failure", time.time(), 0.0)

    def disconnected(self, peer: Peer) -> None:
        now = time.time()
        self._session(peer, "disconnecting session", now, now - peer.started)
        for number in [query.id for query in self._running.values() if query.peer is peer]:
            self.end(self._running[number], "", "57P01", "terminating connection")

    def _session(self, peer: Peer, event: str, at: float, lasted: float) -> None:
        fields = (
            *(event, _micros(at), peer.pid, peer.user, peer.database, peer.host, peer.port, peer.method),
            *(_micros(lasted), peer.tls, peer.application, peer.driver, peer.platform, peer.protocol),
            *(_micros(peer.started), peer.transaction),
        )
        self._add("sessions", fields)

    # -- statements ---------------------------------------------------------------------------------------------------

    def begin(self, peer: Peer, text: str) -> Query:
        """A statement is sent to the backend; `text` is the client's own."""
        self._last = number = self._last + 1
        transaction = peer.transaction
        if not transaction:
            self._last_transaction = peer.transaction = transaction = self._last_transaction + 1
        query = self._running[number] = Query(number, peer, text, transaction)
        return query

    def end(self, query: Query, tag: str, code: str = "", message: str = "", rows: int = -1) -> None:
        """It is answered: with a tag (CommandComplete's), or with an error's SQLSTATE and message. The rows are those
        of the tag unless given."""
        if self._running.pop(query.id, None) is not None:
            if tag in ("SET", "RESET"):
                query.peer.label = labelled(query.text, query.peer.label)
            self._done.append((query, time.time(), rows, tag, code, message))

    def forget(self, query: Query) -> None:
        """It was never run: an error before it, in the same batch of the extended protocol."""
        self._running.pop(query.id, None)

    def loaded(self, query: Query, loading: Loading) -> None:
        """A COPY has ended, well or not; called before its `end`."""
        who = (query.id, query.peer.user, query.database, query.peer.pid, query.transaction)
        head = (*who, loading.table, loading.target, loading.format, loading.source)
        for file in loading.files:
            times = (_micros(file.started), _micros(file.ended))
            self._add("load_files", (*head, file.name, file.rows, file.size, *times, file.status))
        for error in loading.errors:
            where = (_micros(time.time()), error.file, error.line, error.column, error.type, error.length)
            what = (error.position, error.raw_line[:1024], error.raw_value[:1024], error.code, error.reason[:100])
            self._add("load_errors", (*head, *where, *what))

    def _add(self, kind: str, fields: Iterable[object]) -> None:
        self._lines.append((kind, SEPARATOR.join([*(clean(str(value)) for value in fields), END])))

    # -- writing ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """What came before is in the files when this returns, and what is running now too."""
        try:
            self._write()
            self._write_running()
        except OSError as error:  # a full disk costs the history, not the clients
            log.error("the history cannot be written: %s", error)

    def _write(self) -> None:
        with self._lock:
            done = [self._done.popleft() for _ in range(len(self._done))]
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if done:
                self._journals["queries"].append([_line(*entry) for entry in done])
            for kind in KINDS[1:]:
                found = [line for where, line in lines if where == kind]
                if found:
                    self._journals[kind].append(found)

    def _write_running(self) -> None:
        now = time.time()
        running = list(self._running.values())
        text = "".join(_line(query, now, 0, "", "", "") + "\n" for query in running)
        with self._lock:
            replace_file(self._folder / "running.log", text.encode("ascii"), self._owner)
            self._shown = bool(running)


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)


def _line(query: Query, ended: float, rows: int, tag: str, code: str, message: str) -> str:
    peer = query.peer
    words, counted = split_tag(tag)
    text = masked(query.text[:_LONGEST_TEXT])
    fields = (
        *(str(query.id), clean(peer.user), clean(query.database), str(peer.pid), str(query.transaction)),
        *(clean(query.label),),
        *(str(_micros(query.started)), str(_micros(ended)), str(counted if rows < 0 else rows), words, code),
        *(clean(message[:_LONGEST_ERROR]) if message else "", kind_of(text, words), clean(text), END),
    )
    return SEPARATOR.join(fields)


@lru_cache(maxsize=256)
def split_tag(tag: str) -> tuple[str, int]:
    """('INSERT', 3) of 'INSERT 0 3'."""
    words = tag.split(" ")
    rows = 0
    with contextlib.suppress(ValueError):
        rows = int(words[-1])
    return " ".join(word for word in words if not word.isdigit()), rows


_LABEL = re.compile(r"\s*(?:set(?:\s+session|\s+local)?|reset)\s+query_group\b(?:\s*(?:=|\bto\b)\s*(.+))?", re.I | re.S)


def labelled(text: str, label: str) -> str:
    """The label after SET query_group TO …: https://docs.aws.amazon.com/redshift/latest/dg/r_query_group.html"""
    found = _LABEL.match(text)
    if found is None:
        return label
    value = (found.group(1) or "").strip().rstrip(";").strip()
    return "default" if not value or value.lower() == "default" else value.strip("'\"")[:320]


_FIRST_WORD = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)

# https://docs.aws.amazon.com/redshift/latest/dg/SYS_QUERY_HISTORY.html, column query_type
_KINDS = {
    **dict.fromkeys(("select", "with", "values", "table", "fetch", "explain"), "SELECT"),
    **dict.fromkeys(("insert", "update", "delete", "merge", "copy", "unload"), ""),
    **dict.fromkeys(("create", "alter", "drop", "truncate", "grant", "revoke", "comment", "refresh"), "DDL"),
    **dict.fromkeys(("call", "prepare", "execute", "deallocate", "declare", "close", "analyze", "vacuum"), "UTILITY"),
    **dict.fromkeys(("begin", "start", "commit", "end", "rollback", "abort", "set", "reset", "show"), "UTILITY"),
    **dict.fromkeys(("lock", "use", "cancel", "analyse"), "UTILITY"),
}
_MAKES_TABLE = re.compile(r"create\s+(?:(?:local\s+)?temp(?:orary)?\s+)?table\b", re.IGNORECASE)


def kind_of(text: str, words: str = "") -> str:
    """SELECT, INSERT, UPDATE, DELETE, MERGE, COPY, UNLOAD, DDL, CTAS, UTILITY or OTHER."""
    found = _FIRST_WORD.match(text)
    word = found.group(1).lower() if found else ""
    if word == "create" and words.startswith("SELECT") and _MAKES_TABLE.match(text, found.start(1) if found else 0):
        return "CTAS"
    if word == "with" and words and words not in ("SELECT", "FETCH"):
        return words
    return _KINDS.get(word, "OTHER") or word.upper()


__all__: Sequence[str] = ("History", "LoadError", "LoadedFile", "Loading", "Peer", "Query")
