"""A job's logs: kept for people, delivered to S3 in EMR's layout, and read for what went wrong.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
"""

from __future__ import annotations

import gzip
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

from .objects import ObjectError, Objects

log = logging.getLogger(__name__)
_TAIL = 64 * 2**10
_TRACEBACK = "Traceback (most recent call last):"
_JAVA = re.compile(r'^(?:Exception in thread "[^"]*" |Caused by: )?((?:\w+\.)+\w*(?:Exception|Error)\b.*)$')
_NAMES = ("stdout", "stderr")
_DRIVER = "SPARK_DRIVER"


def place(application_id: str, kind: str, id: str, attempt: int | None = None) -> Path:
    """Where the logs of a job run (kind `jobs`) or session lie below a log URI; `attempt` where it may have several."""
    folder = Path("applications") / application_id / kind / id
    return folder if attempt is None else folder / "attempts" / str(attempt)


class DriverLogs:
    """The files that one driver writes, in a folder that is laid out as in S3."""

    def __init__(self, root: Path, where: Path) -> None:
        self.place = where
        self.folder = root / where / _DRIVER
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stdout, self.stderr = (self.folder / name for name in _NAMES)
        for file in (self.stdout, self.stderr):
            file.touch()

    def note(self, text: str) -> None:
        """Write a line of the service's own into the driver's stderr."""
        with self.stderr.open("a", encoding="utf-8") as stream:
            stream.write(f"EMR Serverless: {text}\n")

    def last_exception(self) -> str | None:
        """The exception that the driver ended with: Python's from stdout, where Spark sends it, else Java's."""
        return _python_exception(_tail(self.stdout)) or _java_exception(_tail(self.stderr))


class Delivery:
    """Brings a driver's files to S3: again and again while they grow, and once more at the end.

    `further` names other files to bring, each with its path below the job's place.
    """

    def __init__(
        self,
        logs: DriverLogs,
        objects: Objects,
        log_uri: str,
        interval: float,
        further: Callable[[], list[tuple[Path, str]]] = list,
    ) -> None:
        self._logs = logs
        self._objects = objects
        self._uri = f"{log_uri.rstrip('/')}/{logs.place.as_posix()}"
        self._interval = interval
        self._further = further
        self._sent: dict[str, tuple[int, int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=f"logs of {logs.place.name}", daemon=True)

    def start(self) -> None:
        """Begin to refresh what is in S3."""
        self._thread.start()

    def finish(self) -> str | None:
        """Bring all that is there; why that failed, or None."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        return self._bring()

    def _repeat(self) -> None:
        failed = None
        while not self._ended.wait(self._interval):
            if (problem := self._bring()) != failed:
                failed = problem
                if problem:
                    log.warning("%s: %s", self._logs.place, problem)

    def _bring(self) -> str | None:
        files = [(file, f"{_DRIVER}/{file.name}.gz") for file in (self._logs.stdout, self._logs.stderr)]
        try:
            for file, name in [*files, *self._further()]:
                state = file.stat()
                mark = (state.st_size, state.st_mtime_ns)
                if self._sent.get(name) == mark:
                    continue
                data = file.read_bytes()
                self._objects.store(f"{self._uri}/{name}", _compressed(data) if name.endswith(".gz") else data)
                self._sent[name] = mark
        except (ObjectError, OSError) as error:
            return str(error)
        return None


def _compressed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


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
