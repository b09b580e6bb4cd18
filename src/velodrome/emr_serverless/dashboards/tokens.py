"""The tokens of dashboard URLs, in SQLite: whose each is, and until when. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..database import Database
from .resources import Resource

# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_GetDashboardForJobRun.html
SECONDS = 3600
_SCHEMA = """
CREATE TABLE IF NOT EXISTS dashboard_tokens (
    hash TEXT PRIMARY KEY, application_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    attempt INTEGER NOT NULL, expires_at REAL NOT NULL
);
"""


@dataclass(frozen=True)
class Grant:
    """What a token opens, and for how many seconds more."""

    resource: Resource
    seconds: float


class DashboardTokens:
    """Any number of tokens may be good for a resource at once."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        database.define(_SCHEMA)

    def make(self, resource: Resource) -> str:
        """A new token, good for one hour; those that have expired are forgotten."""
        token, now = secrets.token_urlsafe(32), self._clock()
        values = (resource.application_id, resource.kind, resource.id, resource.attempt, now + SECONDS)
        with self._database.transaction():
            self._database.write("DELETE FROM dashboard_tokens WHERE expires_at <= ?", (now,))
            self._database.write("INSERT INTO dashboard_tokens VALUES (?, ?, ?, ?, ?, ?)", (_hash(token), *values))
        return token

    def grant(self, token: str) -> Grant | None:
        """What the token opens; None if it is unknown or has expired."""
        now = self._clock()
        rows = self._database.rows(
            "SELECT application_id, kind, id, attempt, expires_at FROM dashboard_tokens"
            " WHERE hash = ? AND expires_at > ?",
            (_hash(token), now),
        )
        for row in rows:
            expires_at = row.pop("expires_at")
            return Grant(Resource(**row), expires_at - now)
        return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
