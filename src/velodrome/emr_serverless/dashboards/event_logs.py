"""Spark's event logs: where a job writes them, what is delivered of them, how long they are kept.

On AWS they lie in "managed storage", from which the history server shows an application that has ended, for 30 days;
and at the job's logUri, in `applications/ID/jobs/ID/sparklogs/eventlog_v2_ID/`:
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/rotating-logs.html
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .resources import Resource

_DAYS_KEPT = 30
_SWEEP_SECONDS = 3600.0
# A laptop's disk is smaller than AWS's: beyond this many bytes in all, the oldest go first.
_LARGEST = 4 * 2**30
# https://spark.apache.org/docs/4.0.2/configuration.html (spark.eventLog.*); Spark's own default of 128m is its part's.
_PART = "64m"
_LOG = "eventlog_v2_"
_STATUS = "appstatus_"
_EVENTS = "events_"
_OPEN = ".inprogress"


class EventLogs:
    """The event logs of all job runs and sessions, below one folder."""

    def __init__(self, root: Path, days: float = _DAYS_KEPT, largest: int = _LARGEST) -> None:
        """`largest` is in bytes."""
        self._root = root
        self._seconds = days * 86400
        self._largest = largest
        self._active: set[Resource] = set()
        self._lock = threading.Lock()
        self._swept = time.monotonic()

    def folder(self, resource: Resource) -> Path:
        """Where the resource's Spark writes; it holds one folder `eventlog_v2_ID` when Spark has begun."""
        return self._root / resource.folder

    def settings(self, resource: Resource) -> dict[str, str]:
        """Make the folder; the settings with which Spark writes its event log there."""
        self._active.add(resource)
        folder = self.folder(resource)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": folder.as_uri(),
            "spark.eventLog.rolling.enabled": "true",
            "spark.eventLog.rolling.maxFileSize": _PART,
            "spark.eventLog.compress": "false",
            # The only way to the id of an application that runs in local mode (LocalSchedulerBackend). On AWS it is
            # the job run's id too.
            "spark.test.appId": resource.spark_id,
            # The same where executors are processes: the pattern of local-cluster's master, without time and number,
            # by which two jobs that start within a second would be one to the history server.
            "spark.deploy.appIdPattern": resource.spark_id,
        }

    def log(self, resource: Resource) -> Path | None:
        """The newest event log of the resource; None if it has made no Spark application."""
        logs = [path for path in self.folder(resource).glob(f"{_LOG}*") if path.is_dir()]
        return max(logs, key=lambda path: path.stat().st_mtime, default=None)

    def application_id(self, resource: Resource) -> str | None:
        """The id by which the history server knows the resource."""
        log = self.log(resource)
        return log.name.removeprefix(_LOG) if log else None

    def finish(self, resource: Resource) -> None:
        """Complete the logs, when Spark has ended; it could not do so itself when it was killed."""
        for status in self.folder(resource).glob(f"{_LOG}*/{_STATUS}*{_OPEN}"):
            _write_end(status.parent)
            status.replace(status.with_name(status.name.removesuffix(_OPEN)))
        self._active.discard(resource)
        if time.monotonic() - self._swept > _SWEEP_SECONDS:
            self.sweep()

    def files(self, resource: Resource) -> list[tuple[Path, str]]:
        """What belongs to the job's logUri, each file with its path below the job's place there (logs.Delivery).

        The part that Spark is writing is among them; a part that it has closed never changes again. The mark of an
        open log is not: Spark renames it in the end, and the old name would stay in S3.
        """
        folder = self.folder(resource)
        # Hadoop keeps checksums of local files beside them, in hidden ones.
        found = [path for path in sorted(folder.glob(f"{_LOG}*/[!.]*")) if path.is_file() and path.suffix != _OPEN]
        return [(path, f"sparklogs/{path.relative_to(folder).as_posix()}") for path in found]

    def remove(self, resource: Resource) -> None:
        """Forget a resource, such as a job whose logs may not be kept."""
        shutil.rmtree(self.folder(resource), ignore_errors=True)
        _remove_empty(self.folder(resource).parent, self._root)

    def sweep(self, now: float | None = None) -> int:
        """Remove logs that are too old, then the oldest while all of them are too large; how many were removed.

        Those that Spark is writing stay. Done at the service's start, and at the end of a job every hour.
        """
        with self._lock:
            self._swept = time.monotonic()
            kept = {self.folder(resource) for resource in list(self._active)}
            logs = [(*_age_and_size(path), path) for path in self._all() if path not in kept]
            oldest = (time.time() if now is None else now) - self._seconds
            total = sum(size for _, size, _ in logs)
            removed = 0
            for changed, size, path in sorted(logs, key=lambda log: log[0]):
                if changed >= oldest and total <= self._largest:
                    break
                shutil.rmtree(path, ignore_errors=True)
                _remove_empty(path.parent, self._root)
                total -= size
                removed += 1
            return removed

    def _all(self) -> Iterator[Path]:
        return (path for path in self._root.glob("*/*/*/*") if path.is_dir())


def _write_end(log: Path) -> None:
    """End a log as Spark does. Without the last event, the history server shows an application that still runs; and
    half a line, which a killed Spark leaves, it forgives in open logs alone (ReplayListenerBus)."""
    parts = sorted(log.glob(f"{_EVENTS}*"), key=lambda path: int(path.name.split("_")[1]))
    if not parts:
        return
    with parts[-1].open("r+b") as stream:
        content = stream.read()
        lines = content[: content.rfind(b"\n") + 1]
        stream.truncate(len(lines))
        last = lines[lines.rfind(b"\n", 0, -1) + 1 :]
        if b'"SparkListenerApplicationEnd"' not in last:
            end = {"Event": "SparkListenerApplicationEnd", "Timestamp": int(1000 * parts[-1].stat().st_mtime)}
            stream.seek(len(lines))
            # Without blanks: FsHistoryProvider looks for the text `{"Event":"SparkListenerApplicationEnd"`.
            stream.write(json.dumps(end, separators=(",", ":")).encode() + b"\n")


def _age_and_size(folder: Path) -> tuple[float, int]:
    changed, size = 0.0, 0
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # Spark renames its files, and a job's log may be removed, while we look
            status = path.stat()
            changed, size = max(changed, status.st_mtime), size + (status.st_size if path.is_file() else 0)
    return changed, size


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root:
        try:
            folder.rmdir()
        except OSError:  # something else is in it, or it has gone
            return
        folder = folder.parent
