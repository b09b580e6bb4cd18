"""Spark's history server: one JVM, started when somebody looks at an application that has ended, ended in disuse.

It sees only the event logs that were asked for, as links in a folder of its own: it starts as fast with a thousand
jobs behind it as with one.
"""

from __future__ import annotations

import http.client
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from velodrome.settings import write_private

from .. import processes
from ..spark.jvm import SparkInstall
from .spark_ui import bearer, free_port, ui_secret

log = logging.getLogger(__name__)
_HEAP = "512m"
_START_SECONDS = 60.0
_SCAN_SECONDS = 30.0
_POLL = 0.1
_TIMEOUT = 10.0
# Longer than the dashboard waits for a page (dashboard_proxy): none is cut off.
_IDLE_SECONDS = 300.0
_WATCH_SECONDS = 1.0


class HistoryServerError(Exception):
    """The history server does not start, or does not find an application; the message says why."""


class HistoryServer:
    """Starts at the first demand; safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        log_file: Path,
        spark: Callable[[], SparkInstall],
        key: bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is its own, and `key` what its UI asks for; after 300 s of `clock` without a request it ends."""
        self.key = key
        self._folder = folder
        self._links = folder / "logs"
        self._pid_file = folder / "pid"
        self._log_file = log_file
        self._spark = spark
        self._clock = clock
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._shown: set[str] = set()
        self._used = 0.0

    @property
    def process_id(self) -> int | None:
        """The JVM that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def show(self, application: str, event_log: Path) -> int:
        """Let it show the Spark application with this event log; the port on which it does. Raises HistoryServerError.

        Waits until the application can be opened: some seconds when the server has to start.
        """
        with self._lock:
            self._used = self._clock()
            link = self._links / event_log.name
            if not link.is_symlink() or link.readlink() != event_log:
                self._links.mkdir(parents=True, exist_ok=True, mode=0o700)
                link.unlink(missing_ok=True)
                link.symlink_to(event_log)
                self._shown.discard(application)
            if self.process_id is None:
                self._start()
            if application not in self._shown:
                self._await(f"/api/v1/applications/{quote(application)}", _SCAN_SECONDS)
                self._shown.add(application)
            self._used = self._clock()
            return self._port

    def recover(self) -> None:
        """End the one that a killed service left."""
        try:
            process = int(self._pid_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            process = 0
        if process and processes.end_orphans(process, self._mark):
            log.warning("the history server of a service that was killed was still there and was ended")
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """End it."""
        with self._lock:
            self._end()

    @property
    def _mark(self) -> str:
        return f"-Dvelodrome.history={self._folder}"

    def _start(self) -> None:
        spark = self._spark()
        self._links.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        self._shown.clear()
        self._port = free_port()
        started = time.monotonic()
        with self._log_file.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(spark),
                cwd=self._folder,
                env=self._environment(spark),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid), encoding="utf-8")
        try:
            self._await("/api/v1/version", _START_SECONDS)
        except HistoryServerError:
            self._end()
            raise
        log.info("history server started on port %d in %.1f s", self._port, time.monotonic() - started)
        threading.Thread(target=self._watch, args=(self._process,), name="history-server", daemon=True).start()

    def _command(self, spark: SparkInstall) -> list[str]:
        properties = self._folder / "spark.properties"
        settings = {
            "spark.history.provider": "org.apache.spark.deploy.history.FsHistoryProvider",
            # A plain path: FsHistoryProvider does not decode the %20 of a URI.
            "spark.history.fs.logDirectory": f"file:{self._links}",
            "spark.history.fs.update.interval": "1s",
            "spark.history.ui.port": str(self._port),
            # A port that somebody took meanwhile must be an error: on the next one we would not find it.
            "spark.port.maxRetries": "0",
            "spark.history.retainedApplications": "8",
            "spark.ui.filters": "org.apache.spark.ui.JWSFilter",
            **ui_secret(self.key),
        }
        write_private(properties, "".join(f"{name} {value}\n" for name, value in settings.items()))
        return [
            *spark.java_options(),
            *spark.archive_options(),
            f"-Xmx{_HEAP}",
            "-XX:+ExitOnOutOfMemoryError",
            f"-Djava.io.tmpdir={self._folder}",
            self._mark,
            "org.apache.spark.deploy.history.HistoryServer",
            *("--properties-file", str(properties)),
        ]

    def _environment(self, spark: SparkInstall) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "JAVA_HOME": str(spark.java_home),
            "SPARK_HOME": str(spark.home),
            # What a UI binds to: without it, every address of the machine (org.apache.spark.ui.WebUI).
            "SPARK_LOCAL_IP": "127.0.0.1",
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }

    def _await(self, path: str, seconds: float) -> None:
        process, deadline, last = self._process, time.monotonic() + seconds, "no answer"
        while time.monotonic() < deadline:
            if process is None or process.poll() is not None:
                raise HistoryServerError(f"Spark's history server ended by itself; see {self._log_file}")
            try:
                status = self._status(path)
                if status == http.client.OK:
                    return
                last = f"HTTP {status}"
            except OSError as error:
                last = str(error)
            time.sleep(_POLL)
        raise HistoryServerError(f"Spark's history server does not answer {path} ({last}); see {self._log_file}")

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            connection.request("GET", path, headers={"Authorization": bearer(self.key)})
            return connection.getresponse().status
        finally:
            connection.close()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """End the JVM once nobody has used it for a while."""
        while process.poll() is None:
            with self._lock:
                if self._process is process and self._clock() - self._used >= _IDLE_SECONDS:
                    self._end()
                    log.info("history server ended: nobody used it for %.0f s", _IDLE_SECONDS)
                    return
            try:
                process.wait(_WATCH_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            processes.end(process.pid, 0)
            process.wait()
            self._pid_file.unlink(missing_ok=True)
            shutil.rmtree(self._links, ignore_errors=True)
