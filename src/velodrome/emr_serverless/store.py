"""Keeps applications and job runs in SQLite, so that they survive the service."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .database import Database

Row = TypeVar("Row")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS applications (
    id TEXT PRIMARY KEY, client_token TEXT NOT NULL UNIQUE, request TEXT NOT NULL, state TEXT NOT NULL,
    state_details TEXT, created_at REAL NOT NULL, updated_at REAL NOT NULL, active_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS job_runs (
    id TEXT PRIMARY KEY, application_id TEXT NOT NULL REFERENCES applications (id), client_token TEXT NOT NULL,
    request TEXT NOT NULL, state TEXT NOT NULL, state_details TEXT NOT NULL, created_at REAL NOT NULL,
    updated_at REAL NOT NULL, started_at REAL, ended_at REAL, process INTEGER, UNIQUE (application_id, client_token)
);
"""


@dataclass(frozen=True)
class Application:
    """One row per application."""

    id: str
    client_token: str
    request: dict[str, Any]
    state: str
    state_details: str | None
    created_at: float
    updated_at: float
    active_at: float


@dataclass(frozen=True)
class JobRun:
    """One row per job run; `process` is the driver's process id while it runs."""

    id: str
    application_id: str
    client_token: str
    request: dict[str, Any]
    state: str
    state_details: str
    created_at: float
    updated_at: float
    started_at: float | None
    ended_at: float | None
    process: int | None


class Store:
    """Reads and writes of both."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.define(_SCHEMA)
        self.transaction = database.transaction

    def add_application(self, id: str, client_token: str, request: dict[str, Any], state: str) -> None:
        """Store a new application."""
        now = time.time()
        self._database.write(
            "INSERT INTO applications VALUES (?, ?, ?, ?, NULL, ?, ?, ?)",
            (id, client_token, json.dumps(request), state, now, now, now),
        )

    def application(self, id: str) -> Application | None:
        """An application by its id."""
        return _first(self._applications("WHERE id = ?", (id,)))

    def application_of_token(self, client_token: str) -> Application | None:
        """The application that was created with this token."""
        return _first(self._applications("WHERE client_token = ?", (client_token,)))

    def applications(self) -> list[Application]:
        """All applications, the newest first."""
        return self._applications("ORDER BY created_at DESC, id", ())

    def set_application_state(self, id: str, state: str, details: str | None = None) -> None:
        """Move an application to a state."""
        now = time.time()
        self._database.write(
            "UPDATE applications SET state = ?, state_details = ?, updated_at = ?, active_at = ? WHERE id = ?",
            (state, details, now, now, id),
        )

    def add_job_run(self, id: str, application_id: str, token: str, request: dict[str, Any], state: str) -> None:
        """Store a new job run."""
        now = time.time()
        self._database.write(
            "INSERT INTO job_runs VALUES (?, ?, ?, ?, ?, '', ?, ?, NULL, NULL, NULL)",
            (id, application_id, token, json.dumps(request), state, now, now),
        )

    def job_run(self, application_id: str, id: str) -> JobRun | None:
        """A job run by its id."""
        return _first(self._job_runs("WHERE application_id = ? AND id = ?", (application_id, id)))

    def job_run_of_token(self, application_id: str, client_token: str) -> JobRun | None:
        """The job run that was started with this token."""
        return _first(self._job_runs("WHERE application_id = ? AND client_token = ?", (application_id, client_token)))

    def job_runs(self, application_id: str | None = None) -> list[JobRun]:
        """All job runs, or those of an application, the newest first."""
        where, values = ("WHERE application_id = ? ", (application_id,)) if application_id else ("", ())
        return self._job_runs(where + "ORDER BY created_at DESC, id", values)

    def set_job_run_state(
        self, id: str, state: str, details: str, *, unless: Sequence[str] = (), process: int | None = None
    ) -> bool:
        """Move a job run to a state, unless it is in one of `unless`; whether it was moved."""
        now = time.time()
        marks = ", ".join("?" * len(unless))
        with self.transaction():
            moved = self._database.write(
                f"UPDATE job_runs SET state = ?, state_details = ?, updated_at = ?, process = coalesce(?, process)"  # noqa: S608
                f" WHERE id = ? AND state NOT IN ({marks})",
                (state, details, now, process, id, *unless),
            )
            if moved and state == "RUNNING":
                self._database.write("UPDATE job_runs SET started_at = ? WHERE id = ?", (now, id))
            if moved and state in ("SUCCESS", "FAILED", "CANCELLED"):
                self._database.write("UPDATE job_runs SET ended_at = ?, process = NULL WHERE id = ?", (now, id))
        return moved

    def touch_application(self, id: str) -> None:
        """Note that the application is in use; it stops by itself when it was not for long."""
        self._database.write("UPDATE applications SET active_at = ? WHERE id = ?", (time.time(), id))

    def _applications(self, where: str, values: tuple[Any, ...]) -> list[Application]:
        return [Application(**row) for row in self._database.rows(f"SELECT * FROM applications {where}", values)]  # noqa: S608

    def _job_runs(self, where: str, values: tuple[Any, ...]) -> list[JobRun]:
        return [JobRun(**row) for row in self._database.rows(f"SELECT * FROM job_runs {where}", values)]  # noqa: S608


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None
