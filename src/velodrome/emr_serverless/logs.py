"""A job's logs: kept for people, delivered to S3 in EMR's layout, and read for what went wrong.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from .objects import Objects

_TAIL = 64 * 2**10
_TRACEBACK = "Traceback (most recent call last):"
_JAVA = re.compile(r'^(?:Exception in thread "[^"]*" |Caused by: )?((?:\w+\.)+\w*(?:Exception|Error)\b.*)$')
_NAMES = ("stdout", "stderr")


class DriverLogs:
    """The files that one driver writes."""

    def __init__(self, root: Path, application_id: str, job_run_id: str) -> None:
        self._place = Path("applications") / application_id / "jobs" / job_run_id / "SPARK_DRIVER"
        self.folder = root / self._place
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stdout, self.stderr = (self.folder / name for name in _NAMES)
        for file in (self.stdout, self.stderr):
            file.touch()

    def note(self, text: str) -> None:
        """Write a line of the service's own into the driver's stderr."""
        with self.stderr.open("a", encoding="utf-8") as stream:
            stream.write(f"EMR Serverless: {text}\n")

    def deliver(self, objects: Objects, log_uri: str) -> None:
        """Put both files, compressed, where the job's monitoring configuration says."""
        for file in (self.stdout, self.stderr):
            uri = f"{log_uri.rstrip('/')}/{self._place.as_posix()}/{file.name}.gz"
            objects.store(uri, gzip.compress(file.read_bytes(), mtime=0))

    def last_exception(self) -> str | None:
        """The exception that the driver ended with: Python's from stdout, where Spark sends it, else Java's."""
        return _python_exception(_tail(self.stdout)) or _java_exception(_tail(self.stderr))


def _python_exception(text: str) -> str | None:
    start = text.rfind(_TRACEBACK)
    if start < 0:
        return None
    lines = text[start + len(_TRACEBACK) :].splitlines()[1:]
    for number, line in enumerate(lines):
        if line and not line[0].isspace():
            # Py4J says only that a call failed; Java's own words are in the next line.
            cause = lines[number + 1] if number + 1 < len(lines) and line.endswith(".") else ""
            return f"{line} {cause.lstrip(': ')}".strip() if cause.startswith(":") else line.strip()
    return None


def _java_exception(text: str) -> str | None:
    found = [match.group(1) for line in text.splitlines() if (match := _JAVA.match(line))]
    return found[-1].strip() if found else None


def _tail(file: Path) -> str:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _TAIL))
        return stream.read().decode(errors="replace")
