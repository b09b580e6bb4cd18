"""Keeps interactive sessions in SQLite, beside applications and job runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .database import Database

ENDED = ("FAILED", "TERMINATED")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, application_id TEXT NOT NULL REFERENCES applications (id), client_token TEXT NOT NULL,
    request TEXT NOT NULL, tags TEXT NOT NULL, state TEXT NOT NULL, state_details TEXT NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, started_at REAL, ended_at REAL, idle_since REAL,
    process INTEGER, UNIQUE (application_id, client_token)
);
"""


@dataclass(frozen=True)
class Session:
    """One row per session. Times are seconds since the epoch; `idle_since` is None while it is BUSY and before it has
    started, `process` the id of its server's process while that runs."""

    id: str
    application_id: str
    client_token: str
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


class SessionStore:
    """Reads and writes of sessions; the caller says what time it is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.define(_SCHEMA)
        self.transaction = database.transaction

    def add(
        self, id: str, application_id: str, token: str, request: dict[str, Any], tags: dict[str, str], now: float
    ) -> None:
        """Store a new session, in SUBMITTED."""
        self._database.write(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, 'SUBMITTED', '', ?, ?, NULL, NULL, NULL, NULL)",
            (id, application_id, token, json.dumps(request), json.dumps(tags), now, now),
        )

    def get(self, application_id: str, id: str) -> Session | None:
        """A session by its id."""
        return self._first("WHERE application_id = ? AND id = ?", (application_id, id))

    def of_token(self, application_id: str, client_token: str) -> Session | None:
        """The session that was started with this token."""
        return self._first("WHERE application_id = ? AND client_token = ?", (application_id, client_token))

    def all(self, application_id: str | None = None) -> list[Session]:
        """All sessions, or those of an application, the newest first."""
        where, values = ("WHERE application_id = ? ", (application_id,)) if application_id else ("", ())
        return self._select(where + "ORDER BY created_at DESC, id", values)

    def move(self, id: str, state: str, details: str, now: float, *, unless: Sequence[str] = ()) -> bool:
        """Move a session to a state, unless it is in one of `unless`; whether it was moved."""
        marks = ", ".join("?" * len(unless))
        columns: str = ""
        values: list[float | None] = []
        if state == "STARTED":
            columns, values = ", started_at = ?, idle_since = ?", [now, now]
        elif state in ("BUSY", "IDLE"):
            columns, values = ", idle_since = ?", [now if state == "IDLE" else None]
        elif state in ENDED:
            columns, values = ", ended_at = ?, process = NULL", [now]
        return self._database.write(
            f"UPDATE sessions SET state = ?, state_details = ?, updated_at = ?{columns}"  # noqa: S608
            f" WHERE id = ? AND state NOT IN ({marks})",
            (state, details, now, *values, id, *unless),
        )

    def touch(self, id: str, now: float) -> None:
        """Note that an idle session was used."""
        self._database.write("UPDATE sessions SET idle_since = ? WHERE id = ? AND idle_since IS NOT NULL", (now, id))

    def set_process(self, id: str, process: int) -> None:
        """Note the process of the session's server."""
        self._database.write("UPDATE sessions SET process = ? WHERE id = ?", (process, id))

    def set_tags(self, id: str, tags: dict[str, str]) -> None:
        """Exchange a session's tags."""
        self._database.write("UPDATE sessions SET tags = ? WHERE id = ?", (json.dumps(tags), id))

    def _first(self, where: str, values: tuple[Any, ...]) -> Session | None:
        rows = self._select(where, values)
        return rows[0] if rows else None

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Session]:
        return [Session(**row) for row in self._database.rows(f"SELECT * FROM sessions {where}", values)]  # noqa: S608
