"""Tags of applications, job runs and sessions, by their ARNs.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from . import checks
from .errors import ResourceNotFoundException
from .sessions.store import Session, SessionStore
from .store import JobRun, Store

_ARN = re.compile(
    r".*:/applications/(?P<application>[0-9a-zA-Z]+)(?:/(?P<kind>jobruns|sessions)/(?P<id>[0-9a-zA-Z]+))?"
)


class Tags:
    """The tags of everything that has an ARN under `prefix`, which ends before the resource's path."""

    def __init__(self, store: Store, sessions: SessionStore, prefix: str) -> None:
        self._store = store
        self._sessions = sessions
        self._prefix = prefix

    def of(self, arn: str) -> dict[str, str]:
        """A resource's tags."""
        return self._find(arn)[2]

    def add(self, arn: str, tags: Mapping[str, str]) -> None:
        """Give a resource tags; a key that it has gets the new value."""
        with self._store.transaction():
            table, id, known = self._find(arn)
            changed = {**known, **tags}
            checks.check_tags(changed)
            self._store.set_tags(table, id, changed)

    def remove(self, arn: str, keys: Iterable[str]) -> None:
        """Take tags from a resource; keys that it does not have change nothing."""
        with self._store.transaction():
            table, id, known = self._find(arn)
            gone = set(keys)
            self._store.set_tags(table, id, {key: value for key, value in known.items() if key not in gone})

    def _find(self, arn: str) -> tuple[str, str, dict[str, str]]:
        match = _ARN.fullmatch(arn)
        if match is not None and arn.startswith(self._prefix):
            application, kind, id = match["application"], match["kind"], match["id"]
            run: JobRun | Session | None
            if kind is None:
                if found := self._store.application(application):
                    return "applications", found.id, found.tags
            elif kind == "jobruns":
                if (run := self._store.job_run(id)) and run.application_id == application:
                    return "job_runs", run.id, run.tags
            elif (run := self._sessions.get(id)) and run.application_id == application:
                return "sessions", run.id, run.tags
        raise ResourceNotFoundException(f"Resource {arn} does not exist")
