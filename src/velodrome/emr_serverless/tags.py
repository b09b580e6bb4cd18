"""Tags of applications, job runs and sessions, by their ARNs.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from velodrome.awsapi.caller import Caller

from . import checks
from .errors import ResourceNotFoundException
from .sessions.store import Session, SessionStore
from .store import JobRun, Store

_ARN = re.compile(
    r".*:/applications/(?P<application>[0-9a-zA-Z]+)(?:/(?P<kind>jobruns|sessions)/(?P<id>[0-9a-zA-Z]+))?"
)


class Tags:
    """The tags of everything that has an ARN; who calls sees what is of the call's account and region."""

    def __init__(self, store: Store, sessions: SessionStore) -> None:
        self._store = store
        self._sessions = sessions

    def of(self, caller: Caller, arn: str) -> dict[str, str]:
        """A resource's tags."""
        return self._find(caller, arn)[2]

    def add(self, caller: Caller, arn: str, tags: Mapping[str, str]) -> None:
        """Give a resource tags; a key that it has gets the new value."""
        with self._store.transaction():
            table, id, known = self._find(caller, arn)
            changed = {**known, **tags}
            checks.check_tags(changed)
            self._store.set_tags(table, id, changed)

    def remove(self, caller: Caller, arn: str, keys: Iterable[str]) -> None:
        """Take tags from a resource; keys that it does not have change nothing."""
        with self._store.transaction():
            table, id, known = self._find(caller, arn)
            gone = set(keys)
            self._store.set_tags(table, id, {key: value for key, value in known.items() if key not in gone})

    def _find(self, caller: Caller, arn: str) -> tuple[str, str, dict[str, str]]:
        match = _ARN.fullmatch(arn)
        owner = self._store.application(match["application"]) if match is not None else None
        mine = owner is not None and (owner.account, owner.region) == (caller.account, caller.region)
        if match is not None and owner is not None and mine and arn.startswith(owner.arn):
            application, kind, id = match["application"], match["kind"], match["id"]
            run: JobRun | Session | None
            if kind is None:
                return "applications", owner.id, owner.tags
            if kind == "jobruns":
                if (run := self._store.job_run(id)) and run.application_id == application:
                    return "job_runs", run.id, run.tags
            elif (run := self._sessions.get(id)) and run.application_id == application:
                return "sessions", run.id, run.tags
        raise ResourceNotFoundException(f"Resource {arn} does not exist")
