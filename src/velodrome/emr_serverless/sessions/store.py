"""Keeps interactive sessions in SQLite, beside applications and job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..database import Database

ENDED = ("FAILED", "TERMINATED")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, application_id TEXT NOT NULL REFERENCES applications (id), request TEXT NOT NULL,
    tags TEXT NOT NULL, state TEXT NOT NULL, state_details TEXT NOT NULL, created_at REAL NOT NULL,
    updated_at REAL NOT NULL, started_at REAL, ended_at REAL, idle_since REAL, process INTEGER, workers TEXT
);
CREATE INDEX IF NOT EXISTS sessions_of_application ON sessions (application_id, created_at DESC);
"""


@dataclass(frozen=True)
class Session:
    """One row per session. Times are seconds since the epoch; `idle_since` is None while it is BUSY and before it has
    started, `process` the id of its server's process while that runs; `workers` are the resources of its driver and
    executors, as `resources.Workers.description` has them, from when they were given."""

    id: str
    application_id: str
    request: dict[str, Any]
    tags: dict[str, str]
    state: str
    state_details: str
    created_at: float
    updated_at: float
    started_at: float | None
    ended_at: float | None
    idle_since: float | None
    process: int | None
    workers: dict[str, Any] | None


class SessionStore:
    """Reads and writes of sessions; the caller says what time it is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.define(_SCHEMA)
        self.transaction = database.transaction
        self.persist = database.persist

    def add(
        self, id: str, application_id: str, request: Mapping[str, Any], tags: Mapping[str, str], now: float
    ) -> None:
        """Store a new session, in SUBMITTED."""
        row: dict[str, Any] = {"id": id, "application_id": application_id, "request": request, "tags": tags}
        row |= {"state": "SUBMITTED", "state_details": "", "created_at": now, "updated_at": now}
        self._database.insert("sessions", row)

    def get(self, id: str) -> Session | None:
        """A session by its id."""
        rows = self._select("WHERE id = ?", (id,))
        return rows[0] if rows else None

    def all(self, application_id: str | None = None) -> list[Session]:
        """All sessions, or those of an application, the newest first."""
        where, values = ("WHERE application_id = ? ", (application_id,)) if application_id else ("", ())
        return self._select(where + "ORDER BY created_at DESC, id", values)

    def move(
        self, id: str, state: str, details: str, now: float, *, unless: Sequence[str] = (), **changes: Any
    ) -> bool:
        """Move a session to a state, unless it is in one of `unless`; whether it was moved. `changes`: columns."""
        columns: dict[str, Any] = {"state": state, "state_details": details, "updated_at": now, **changes}
        if state == "STARTED":
            columns |= {"started_at": now, "idle_since": now}
        elif state in ("BUSY", "IDLE"):
            columns["idle_since"] = now if state == "IDLE" else None
        elif state in ENDED:
            columns |= {"ended_at": now, "process": None}
        where = f"id = ? AND state NOT IN ({', '.join('?' * len(unless))})"
        return self._database.update("sessions", columns, where, (id, *unless))

    def touch(self, id: str, now: float) -> None:
        """Note that an idle session was used."""
        self._database.update("sessions", {"idle_since": now}, "id = ? AND idle_since IS NOT NULL", (id,))

    def set_process(self, id: str, process: int) -> None:
        """Note the process of the session's server."""
        self._database.update("sessions", {"process": process}, "id = ?", (id,))

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Session]:
        return [Session(**row) for row in self._database.rows(f"SELECT * FROM sessions {where}", values)]  # noqa: S608
