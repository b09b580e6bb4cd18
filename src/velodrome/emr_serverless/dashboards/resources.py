"""What has a Spark UI: one attempt of a job run, or a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

JOB_RUN: Literal["jobs"] = "jobs"
SESSION: Literal["sessions"] = "sessions"
Kind = Literal["jobs", "sessions"]
DASHBOARDS = "/_velodrome/dashboards"


@dataclass(frozen=True)
class Resource:
    """One Spark application that the service runs or ran; `kind` is its folder's name in EMR's layout of logs."""

    application_id: str
    kind: Kind
    id: str
    attempt: int = 1

    @property
    def spark_id(self) -> str:
        """The id that Spark itself gets: the job run's, as on AWS, so that `sparkContext.applicationId` and the name of
        the event log hold it. Later attempts add their number: the history server keeps one application an id."""
        return self.id if self.attempt == 1 else f"{self.id}-{self.attempt}"

    @property
    def folder(self) -> Path:
        """The resource's place below a folder with all of them."""
        return Path(self.application_id) / self.kind / self.id / str(self.attempt)

    @property
    def prefix(self) -> str:
        """The path of its dashboard on the service's port."""
        # No part may be "history" or "proxy": Spark's scripts look for these words in the page's address
        # (core/src/main/resources/org/apache/spark/ui/static/utils.js).
        return f"{DASHBOARDS}/{self.folder.as_posix()}"
