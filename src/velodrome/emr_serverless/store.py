"""Keeps applications, job runs and their attempts, and client tokens in SQLite, so that they survive the service."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .database import Database

Row = TypeVar("Row")
# A job run's state is that of its last attempt.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS applications (
    id TEXT PRIMARY KEY, request TEXT NOT NULL, tags TEXT NOT NULL, state TEXT NOT NULL, state_details TEXT,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, active_at REAL NOT NULL, account TEXT, region TEXT
);
CREATE TABLE IF NOT EXISTS job_runs (
    id TEXT PRIMARY KEY, application_id TEXT NOT NULL REFERENCES applications (id), request TEXT NOT NULL,
    tags TEXT NOT NULL, created_at REAL NOT NULL, last_attempt INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS job_runs_of_application ON job_runs (application_id, created_at DESC);
CREATE TABLE IF NOT EXISTS attempts (
    job_run_id TEXT NOT NULL REFERENCES job_runs (id), attempt INTEGER NOT NULL, state TEXT NOT NULL,
    state_details TEXT NOT NULL, attempt_created_at REAL NOT NULL, updated_at REAL NOT NULL, queued_at REAL,
    started_at REAL, ended_at REAL, process INTEGER, ui_port INTEGER, workers TEXT, PRIMARY KEY (job_run_id, attempt)
);
CREATE TABLE IF NOT EXISTS client_tokens (
    scope TEXT NOT NULL, token TEXT NOT NULL, request TEXT NOT NULL, resource TEXT NOT NULL, PRIMARY KEY (scope, token)
);
"""
_JOB_RUNS = """
SELECT job_runs.id, application_id, request, tags, created_at, last_attempt, attempt, state, state_details,
       attempt_created_at, updated_at, queued_at, started_at, ended_at, process, ui_port, workers
FROM job_runs JOIN attempts ON attempts.job_run_id = job_runs.id
"""
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
ENDED = ("SUCCESS", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Application:
    """One row per application."""

    id: str
    request: dict[str, Any]
    tags: dict[str, str]
    state: str
    state_details: str | None
    created_at: float
    updated_at: float
    active_at: float
    account: str
    region: str

    @property
    def arn(self) -> str:
        """Its ARN: it belongs to one account and region, and all of its job runs and sessions with it."""
        return f"{arn_prefix(self.account, self.region)}/applications/{self.id}"

    @property
    def given_to_work(self) -> dict[str, Any]:
        """What job runs and sessions show of the application that they were submitted to, as it was then."""
        return {name: self.request[name] for name in ("releaseLabel", "networkConfiguration") if name in self.request}


@dataclass(frozen=True)
class JobRun:
    """One row per attempt of a job run, with what is the same for all of its attempts.

    `process` is the driver's process id and `ui_port` its Spark UI's port while it runs; `workers` are the resources
    of its driver and executors, as `workers.Workers.description` has them, from when it was scheduled.
    """

    id: str
    application_id: str
    request: dict[str, Any]
    tags: dict[str, str]
    created_at: float
    last_attempt: int
    attempt: int
    state: str
    state_details: str
    attempt_created_at: float
    updated_at: float
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    process: int | None
    ui_port: int | None
    workers: dict[str, Any] | None

    @property
    def mode(self) -> str:
        """BATCH or STREAMING."""
        return str(self.request.get("mode", "BATCH"))


class Store:
    """Reads and writes of them all."""

    def __init__(self, database: Database, account: str, region: str) -> None:
        """`account` and `region` are those of applications that an earlier version kept, which knew but one."""
        self._database = database
        database.define(_SCHEMA)
        database.add_column("applications", "account", account)
        database.add_column("applications", "region", region)
        self.transaction = database.transaction
        self.persist = database.persist

    def resource_of_token(self, scope: str, token: str) -> tuple[str, dict[str, Any]] | None:
        """The id that was made with a client token, and the request that it came with."""
        found = self._database.rows("SELECT * FROM client_tokens WHERE scope = ? AND token = ?", (scope, token))
        return (found[0]["resource"], found[0]["request"]) if found else None

    def remember_token(self, scope: str, token: str, request: Mapping[str, Any], resource: str) -> None:
        """Keep what was made with a client token."""
        row = {"scope": scope, "token": token, "request": request, "resource": resource}
        self._database.insert("client_tokens", row)

    def add_application(
        self, id: str, request: Mapping[str, Any], tags: Mapping[str, str], state: str, account: str, region: str
    ) -> None:
        """Store a new application."""
        now = time.time()
        times = {"created_at": now, "updated_at": now, "active_at": now}
        row: dict[str, Any] = {"id": id, "request": request, "tags": tags, "state": state, "state_details": None}
        self._database.insert("applications", row | times | {"account": account, "region": region})

    def application(self, id: str) -> Application | None:
        """An application by its id."""
        return _first(self._applications("WHERE id = ?", (id,)))

    def applications(self, states: Sequence[str] = ()) -> list[Application]:
        """All applications, or those in these states, the newest first."""
        where, values = _in("state", states)
        return self._applications(f"WHERE {where} ORDER BY created_at DESC, id", values)

    def set_application_state(self, id: str, state: str, details: str | None = None) -> None:
        """Move an application to a state."""
        now = time.time()
        changes = {"state": state, "state_details": details, "updated_at": now, "active_at": now}
        self._database.update("applications", changes, "id = ?", (id,))

    def set_application_request(self, id: str, request: Mapping[str, Any]) -> None:
        """Change what an application is configured with."""
        self._database.update("applications", {"request": request, "updated_at": time.time()}, "id = ?", (id,))

    def touch_application(self, id: str) -> None:
        """Note that the application is in use; it stops by itself when it was not for long."""
        self._database.update("applications", {"active_at": time.time()}, "id = ?", (id,))

    def set_tags(self, table: str, id: str, tags: Mapping[str, str]) -> None:
        """Change the tags of a row of `applications`, `job_runs` or `sessions`."""
        self._database.update(table, {"tags": tags}, "id = ?", (id,))

    def add_job_run(self, id: str, application_id: str, request: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Store a new job run, with its first attempt SUBMITTED."""
        now = time.time()
        row = {"id": id, "application_id": application_id, "request": request, "tags": tags, "created_at": now}
        self._database.insert("job_runs", row | {"last_attempt": 1})
        self._add_attempt(id, 1, "SUBMITTED", now)

    def add_attempt(self, id: str, attempt: int) -> None:
        """Store a further attempt of a job run, PENDING."""
        self._database.update("job_runs", {"last_attempt": attempt}, "id = ?", (id,))
        self._add_attempt(id, attempt, "PENDING", time.time())

    def _add_attempt(self, id: str, attempt: int, state: str, now: float) -> None:
        row = {"job_run_id": id, "attempt": attempt, "state": state, "state_details": ""}
        self._database.insert("attempts", row | {"attempt_created_at": now, "updated_at": now})

    def job_run(self, id: str, attempt: int | None = None) -> JobRun | None:
        """A job run's last attempt, or another one."""
        which, values = ("attempt = last_attempt", (id,)) if attempt is None else ("attempt = ?", (id, attempt))
        return _first(self._job_runs(f"WHERE job_runs.id = ? AND {which}", values))

    def attempts(self, id: str) -> list[JobRun]:
        """All attempts of a job run, the newest first."""
        return self._job_runs("WHERE job_runs.id = ? ORDER BY attempt DESC", (id,))

    def job_runs(self, application_id: str | None = None, states: Sequence[str] = ()) -> list[JobRun]:
        """The last attempts of all job runs, of an application's, or of those in these states, the newest first."""
        where, values = _in("state", states)
        if application_id is not None:
            where, values = f"application_id = ? AND {where}", [application_id, *values]
        return self._job_runs(f"WHERE attempt = last_attempt AND {where} ORDER BY created_at DESC, id", values)

    def count_job_runs(self, application_id: str, states: Sequence[str]) -> list[str]:
        """The ids of an application's job runs in these states."""
        where, values = _in("state", states)
        found = self._database.rows(
            "SELECT id FROM job_runs JOIN attempts ON job_run_id = id AND attempt = last_attempt"  # noqa: S608
            f" WHERE application_id = ? AND {where} ORDER BY created_at",
            [application_id, *values],
        )
        return [row["id"] for row in found]

    def set_job_run_state(
        self, run: JobRun, state: str, details: str = "", *, unless: Iterable[str] = (), **changes: Any
    ) -> bool:
        """Move an attempt to a state, unless it is in one of `unless`; whether it was moved. `changes`: columns."""
        now = time.time()
        unwanted = list(unless)
        columns: dict[str, Any] = {"state": state, "state_details": details, "updated_at": now, **changes}
        if state == "RUNNING":
            columns["started_at"] = now
        if state in ENDED:
            columns |= {"ended_at": now, "process": None, "ui_port": None}
        where = f"job_run_id = ? AND attempt = ? AND state NOT IN ({', '.join('?' * len(unwanted))})"
        return self._database.update("attempts", columns, where, (run.id, run.attempt, *unwanted))

    def _applications(self, where: str, values: Sequence[Any]) -> list[Application]:
        return [Application(**row) for row in self._database.rows(f"SELECT * FROM applications {where}", values)]  # noqa: S608

    def _job_runs(self, where: str, values: Sequence[Any]) -> list[JobRun]:
        return [JobRun(**row) for row in self._database.rows(f"{_JOB_RUNS} {where}", values)]


def arn_prefix(account: str, region: str) -> str:
    """What the ARNs of an account and region begin with.

    >>> arn_prefix("000000000000", "eu-west-1")
    'arn:aws:emr-serverless:eu-west-1:000000000000:'
    """
    partition = next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
    return f"arn:{partition}:emr-serverless:{region}:{account}:"


def _in(column: str, values: Sequence[str]) -> tuple[str, list[Any]]:
    return (f"{column} IN ({', '.join('?' * len(values))})", list(values)) if values else ("TRUE", [])


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def same_request(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two requests ask for the same, as they look when stored."""
    return bool(json.loads(json.dumps(one)) == json.loads(json.dumps(other)))
