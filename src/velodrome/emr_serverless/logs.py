"""A job's logs: kept for people, delivered to S3 in EMR's layout, and read for what went wrong.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

from .compressed import Compressed
from .credentials import RoleError
from .objects import ObjectError, Objects

log = logging.getLogger(__name__)
_TAIL = 64 * 2**10
_TRACEBACK = "Traceback (most recent call last):"
_JAVA = re.compile(r'^(?:Exception in thread "[^"]*" |Caused by: )?((?:\w+\.)+\w*(?:Exception|Error)\b.*)$')
# What deliveries of one job may send, in the long run.
_BYTES_A_SECOND = 2 * 2**20
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
        """Write a line of the service's own into the driver's stderr; a disk that is full ends no run."""
        try:
            with self.stderr.open("a", encoding="utf-8") as stream:
                stream.write(f"EMR Serverless: {text}\n")
        except OSError as error:
            log.warning("%s: %s (%s)", self.place, text, error)

    def last_exception(self) -> str | None:
        """The exception that the driver ended with: Python's from stdout, where Spark sends it, else Java's."""
        try:
            return _python_exception(_tail(self.stdout)) or _java_exception(_tail(self.stderr))
        except OSError as error:
            return f"the driver's log cannot be read: {error}"


class Delivery:
    """Brings a driver's files to S3: again and again while they grow, and once more at the end.

    Objects of S3 cannot grow, so each is sent whole; what it has of before is neither read nor compressed again, and
    the larger the objects are, the more seldom they are sent. `further` names other files to bring, each with its path
    below the job's place.
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
        self._compressed: dict[str, Compressed] = {}
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
        try:
            problem, _ = self._bring()
        finally:
            for compressed in self._compressed.values():
                compressed.close()
        return problem

    def _repeat(self) -> None:
        failed, pause = None, self._interval
        while not self._ended.wait(pause):
            problem, sent = self._bring()
            pause = max(self._interval, sent / _BYTES_A_SECOND)
            if problem != failed:
                failed = problem
                if problem:
                    log.warning("%s: %s", self._logs.place, problem)

    def _bring(self) -> tuple[str | None, int]:
        """Send what has changed; what went wrong, if something did, and how many bytes were sent."""
        sent = 0
        try:
            files = [(file, f"{_DRIVER}/{file.name}.gz") for file in (self._logs.stdout, self._logs.stderr)]
            for file, name in [*files, *self._further()]:
                state = file.stat()
                mark = (state.st_size, state.st_mtime_ns)
                if self._sent.get(name) == mark:
                    continue
                sent += self._send(file, name)
                self._sent[name] = mark
        except (ObjectError, RoleError, OSError) as error:
            return str(error), sent
        return None, sent

    def _send(self, file: Path, name: str) -> int:
        uri = f"{self._uri}/{name}"
        if not name.endswith(".gz"):
            with file.open("rb") as stream:
                return self._objects.store(uri, stream)
        if name not in self._compressed:
            self._compressed[name] = Compressed(file)
        return self._objects.store(uri, self._compressed[name].grow())


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
