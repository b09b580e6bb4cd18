"""Interactive sessions: their states, from submission to the end of their Spark Connect server.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/spark-connect.html
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from velodrome.awsapi.errors import AwsError
from velodrome.awsapi.profile import Profile

from . import parameters, processes
from .applications import Applications, new_id
from .connect_server import ConnectServer, last_error
from .errors import ConflictException, ResourceNotFoundException, ValidationException
from .job_runs import Folders
from .jvm import MissingInstall, SparkInstall
from .objects import ObjectError, Objects
from .session_store import ENDED, Session, SessionStore
from .session_tokens import Route, SessionTokens
from .spark_submit import Machine
from .store import Store

log = logging.getLogger(__name__)
READY = ("STARTED", "IDLE", "BUSY")
ACTIVE = ("SUBMITTED", "STARTING", *READY, "TERMINATING")
_ENDING = ("TERMINATING", *ENDED)
# Where the request names none.
DEFAULT_IDLE_MINUTES = 60
_FIRST_RELEASE = (7, 13, 0)
_LONGEST_DETAILS = 1024
_SECONDS_TO_START = 180
_TICK = 0.2  # seconds between two looks at a server and at the clock
_GRACE = 5.0
_GRACE_AT_CLOSE = 1.0
_KILLED = "EMR Serverless was stopped while the session was active; its processes were ended"
# While one of these calls runs, a session is BUSY: they carry a query's results.
_WORK = ("ExecutePlan", "ReattachExecute")


@dataclass
class _Live:
    """A session whose thread runs. `idle_since` is None while a query runs; `ending` asks the thread to end it."""

    ending: threading.Event = field(default_factory=threading.Event)
    server: ConnectServer | None = None
    queries: int = 0
    idle_since: float | None = None


class Sessions:
    """The sessions of all applications; each has a thread that follows its server."""

    def __init__(
        self,
        store: Store,
        sessions: SessionStore,
        applications: Applications,
        profile: Profile,
        folders: Folders,
        endpoint: str,
        *,
        environment: Callable[[str], Mapping[str, str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`endpoint` is the proxy's URL; `environment` gives what a server gets for its execution role's ARN."""
        self._store = store
        self._sessions = sessions
        self._applications = applications
        self._profile = profile
        self._folders = folders
        self._endpoint = endpoint
        self._environment = environment or (lambda _: {})
        self._clock = clock
        self._tokens = SessionTokens(clock)
        self._machine = Machine.here()
        # Held while the database is used, never taken while the database's own lock is held.
        self._lock = threading.Lock()
        self._live: dict[str, _Live] = {}
        self._threads: list[threading.Thread] = []
        self._closing = False

    def arn(self, session: Session) -> str:
        """A session's ARN."""
        return f"{self._applications.arn(session.application_id)}/sessions/{session.id}"

    def release(self, application_id: str) -> str:
        """The release label of an application's sessions."""
        return str(self._applications.get(application_id).request["releaseLabel"])

    def start(self, request: Mapping[str, Any]) -> Session:
        """Submit a session; the same token gives the same one."""
        application_id, token = request["applicationId"], request["clientToken"]
        asked = {name: value for name, value in request.items() if name not in ("clientToken", "applicationId")}
        with self._sessions.transaction():
            application = self._applications.get(application_id)
            if known := self._sessions.of_token(application_id, token):
                if known.request != asked:
                    raise ConflictException(f"The client token {token} was used with other parameters before")
                return known
            _require_sessions(application_id, application.request)
            submit = parameters.read("", _spark_defaults(application.request, asked))
            if "spark.driver.memory" in submit.settings:
                parameters.memory_size(submit.settings["spark.driver.memory"])
            self._applications.accept_job(application_id)
            id = new_id()
            self._sessions.add(id, application_id, token, asked, asked.get("tags", {}), self._clock())
        session = self.get(application_id, id)
        with self._lock:
            self._live[id] = _Live()
            thread = threading.Thread(target=self._follow, args=(session, submit), name=f"session-{id}")
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return session

    def get(self, application_id: str, id: str) -> Session:
        """A session, of any state."""
        self._applications.get(application_id)
        session = self._sessions.get(application_id, id)
        if session is None:
            raise ResourceNotFoundException(f"Session {id} does not exist")
        return session

    def list(self, application_id: str) -> Sequence[Session]:
        """The sessions of an application, the newest first."""
        self._applications.get(application_id)
        return self._sessions.all(application_id)

    def active(self, application_id: str) -> Sequence[str]:
        """Ids of an application's sessions that have not ended: it does not stop while there are any."""
        return [session.id for session in self._sessions.all(application_id) if session.state not in ENDED]

    def terminate(self, application_id: str, id: str) -> None:
        """End a session; ending it again changes nothing."""
        session = self.get(application_id, id)
        if session.state in ("TERMINATING", "TERMINATED"):
            return
        if not self._sessions.move(id, "TERMINATING", "Session is being terminated", self._clock(), unless=ENDED):
            raise _wrong_state(self.get(application_id, id), ACTIVE)
        log.info("session %s is being terminated", id)
        self._tokens.revoke(id)
        if live := self._live.get(id):  # gone if its server ended by itself meanwhile
            live.ending.set()

    def endpoint(self, application_id: str, id: str) -> tuple[str, str, float]:
        """URL, a new token for it, and when that expires (seconds since the epoch)."""
        session = self.get(application_id, id)
        if session.state not in READY:
            raise _wrong_state(session, READY)
        token, expires_at = self._tokens.issue(id)
        return self._endpoint, token, expires_at

    def route(self, token: str) -> Route | None:
        """Where the calls of this token go; None if it is unknown or has expired, or its session has ended."""
        id = self._tokens.session_of(token)
        live = self._live.get(id) if id else None
        if id is None or live is None or live.server is None or live.ending.is_set():
            return None
        return Route(id, live.server.port, live.server.token)

    def is_live(self, id: str) -> bool:
        """Whether a session's thread still follows it."""
        return id in self._live

    def call_begins(self, id: str, method: str) -> None:
        """A client's call begins; `method` is its last name (ExecutePlan)."""
        with self._lock:
            live = self._live.get(id)
            if live is None:
                return
            if method in _WORK:
                live.queries += 1
                if live.queries == 1:
                    live.idle_since = None
                    self._sessions.move(id, "BUSY", "", self._clock(), unless=_ENDING)
            elif live.idle_since is not None:
                live.idle_since = self._clock()  # stored when the call ends

    def call_ends(self, id: str, method: str) -> None:
        """The call ended, in whatever way."""
        with self._lock:
            live = self._live.get(id)
            if live is None:
                return
            if method in _WORK:
                live.queries -= 1
                if live.queries == 0:
                    live.idle_since = self._clock()
                    self._sessions.move(id, "IDLE", "", live.idle_since, unless=_ENDING)
            elif live.idle_since is not None:
                live.idle_since = self._clock()
                self._sessions.touch(id, live.idle_since)

    def recover(self) -> None:
        """End what a killed service left: no server goes on by itself, no session is stuck."""
        for session in self._sessions.all():
            if session.state in ENDED:
                continue
            mark = f"velodrome.job={session.id}"
            process = session.process if session.process is not None else processes.marked(mark)
            if process is not None and processes.end_orphans(process, mark):
                log.warning("session %s: its processes were still there and were killed", session.id)
            terminated = session.state == "TERMINATING"
            self._sessions.move(session.id, "TERMINATED" if terminated else "FAILED", _KILLED, self._clock())
            shutil.rmtree(self._folders.scratch / session.id, ignore_errors=True)

    def close(self) -> None:
        """End all sessions, since the service ends."""
        self._closing = True
        with self._lock:
            threads = list(self._threads)
            for live in self._live.values():
                live.ending.set()
        for thread in threads:
            thread.join()

    def _follow(self, session: Session, submit: parameters.SubmitParameters) -> None:
        """Take a session through its states; whatever happens, it comes to an end."""
        live = self._live[session.id]
        scratch = self._folders.scratch / session.id
        try:
            state, details = self._run(session, submit, live)
        except (AwsError, ObjectError, MissingInstall, OSError) as error:
            state, details = "FAILED", f"The session could not be started: {error}"
        except Exception as error:  # the thread's end: a session must not hang
            log.exception("session %s failed inside the service", session.id)
            state, details = "FAILED", f"EMR Serverless failed: {error}"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        with self._lock:
            self._live.pop(session.id, None)
        self._tokens.revoke(session.id)
        self._sessions.move(session.id, state, details[:_LONGEST_DETAILS], self._clock(), unless=ENDED)
        self._store.touch_application(session.application_id)
        log.info("session %s: %s %s", session.id, state, details)

    def _run(self, session: Session, submit: parameters.SubmitParameters, live: _Live) -> tuple[str, str]:
        self._sessions.move(session.id, "STARTING", "", self._clock(), unless=_ENDING)
        if live.ending.is_set():
            return self._ended_by_request()
        server = ConnectServer(
            session.id,
            session.request.get("name", session.id),
            submit,
            SparkInstall(self._folders.spark_venv, self._folders.jars),
            self._profile,
            self._machine,
            self._folders.scratch / session.id,
            environment=self._environment(session.request["executionRoleArn"]),
        )
        logs = self._folders.logs / "applications" / session.application_id / "sessions" / session.id / "SPARK_DRIVER"
        process = server.launch(Objects(self._profile.region), logs)
        try:
            self._sessions.set_process(session.id, process.pid)
            if problem := self._wait_for_server(server, process, live):
                return "FAILED", f"{problem}; {last_error(logs / 'stderr') or 'its log is empty'}"
            if not live.ending.is_set():
                with self._lock:
                    live.server, live.idle_since = server, self._clock()
                    self._sessions.move(session.id, "STARTED", "", live.idle_since, unless=_ENDING)
                log.info("session %s started", session.id)
            return self._wait_for_end(session, process, live) or (
                "FAILED",
                f"The session's Spark Connect server ended with code {process.returncode}; "
                f"{last_error(logs / 'stderr') or 'its log is empty'}",
            )
        finally:
            processes.end(process.pid, _GRACE_AT_CLOSE if self._closing else _GRACE)
            process.wait()

    def _wait_for_server(self, server: ConnectServer, process: subprocess.Popen[bytes], live: _Live) -> str | None:
        """Wait until the server listens or the session is to end; what went wrong, if something did."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not server.listens():
            if process.poll() is not None:
                return f"The session's Spark Connect server did not start: it ended with code {process.returncode}"
            if time.monotonic() > deadline:
                return f"The session's Spark Connect server did not start within {_SECONDS_TO_START} seconds"
            if live.ending.wait(_TICK / 4):
                return None
        return None

    def _wait_for_end(self, session: Session, process: subprocess.Popen[bytes], live: _Live) -> tuple[str, str] | None:
        """Wait until the session is to end, for which reason; None if its server ended by itself."""
        minutes = session.request.get("idleTimeoutMinutes", DEFAULT_IDLE_MINUTES)
        while not live.ending.wait(_TICK):
            if process.poll() is not None:
                return None
            with self._lock:
                idle = 0.0 if live.idle_since is None else self._clock() - live.idle_since
                expired = bool(minutes) and idle >= 60 * minutes
                if expired:
                    live.ending.set()
            if expired:
                details = f"Session was idle for its idle timeout of {minutes} minutes"
                self._sessions.move(session.id, "TERMINATING", details, self._clock(), unless=_ENDING)
                return "TERMINATED", details
        return self._ended_by_request()

    def _ended_by_request(self) -> tuple[str, str]:
        return "TERMINATED", _KILLED if self._closing else "Session was terminated"


def _require_sessions(application_id: str, application: Mapping[str, Any]) -> None:
    # https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartSession.html
    if not application.get("interactiveConfiguration", {}).get("sessionEnabled"):
        raise ValidationException(
            f"Interactive sessions are not enabled for application {application_id}. "
            "Set sessionEnabled to true in its interactiveConfiguration"
        )
    label = application["releaseLabel"]
    if not has_sessions(label):
        raise ValidationException(
            f"Interactive sessions are supported for EMR release 7.13.0 and later. Current release label: {label}"
        )


def has_sessions(label: str) -> bool:
    """Whether a release has sessions.

    >>> [has_sessions(label) for label in ("emr-7.12.0", "emr-7.13.0", "emr-spark-8.0.0")]
    [False, True, True]
    """
    if label.startswith("emr-spark-"):
        return True
    match = re.fullmatch(r"emr-(\d+)\.(\d+)\.(\d+)(?:-.*)?", label)
    return match is not None and tuple(map(int, match.groups())) >= _FIRST_RELEASE


def _spark_defaults(application: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, str]:
    """The application's spark-defaults, over them the session's own."""
    own = request.get("configurationOverrides", {}).get("runtimeConfiguration", [])
    for configuration in own:
        if configuration["classification"] != "spark-defaults" or configuration.get("configurations"):
            raise ValidationException(
                f"The classification {configuration['classification']} is not available in Velodrome; "
                "a session takes spark-defaults without configurations inside"
            )
    return parameters.spark_defaults(application.get("runtimeConfiguration", [])) | parameters.spark_defaults(own)


def _wrong_state(session: Session, states: Sequence[str]) -> ValidationException:
    return ValidationException(
        f"Session {session.id} must be in one of the following statuses [{', '.join(states)}]. "
        f"Current status: {session.state}"
    )
