"""Interactive sessions: their states, from submission to the end of their Spark Connect server.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/spark-connect.html
"""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from velodrome.awsapi.caller import Caller

from .. import checks, processes
from ..applications import Applications, new_id
from ..credentials import Role, RoleError
from ..dashboards.api import Shown
from ..dashboards.resources import SESSION, Resource
from ..errors import ResourceNotFoundException, ValidationException
from ..jobs.attempts import Outcome, Surroundings
from ..jobs.scheduler import Scheduler
from ..logs import Delivery, DriverLogs, place
from ..objects import ObjectError, Objects
from ..spark import parameters, releases
from ..spark.configurations import merge
from ..spark.jvm import MissingInstall
from ..spark.machine import Machine, Share
from ..spark.parameters import SubmitParameters
from ..spark.resources import Workers
from ..spark.workers import workers_of
from ..store import Application
from .connect_server import ConnectServer, why_it_ended
from .store import ENDED, Session, SessionStore
from .tokens import Route, SessionTokens

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
_WAITS = "Waiting for capacity"
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


@dataclass(frozen=True)
class _Plan:
    """What a session is going to be: its Spark settings, its workers on AWS, its share of this machine."""

    submit: SubmitParameters
    workers: Workers
    share: Share


class Sessions:
    """The sessions of all applications; each has a thread that follows its server."""

    def __init__(
        self,
        sessions: SessionStore,
        applications: Applications,
        scheduler: Scheduler,
        machine: Machine,
        around: Surroundings,
        endpoint: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`endpoint` is the proxy's URL."""
        self._sessions = sessions
        self._applications = applications
        self._scheduler = scheduler
        self._machine = machine
        self._around = around
        self._endpoint = endpoint
        self._clock = clock
        self._tokens = SessionTokens(clock)
        # Held while the database is used, never taken while the database's own lock is held.
        self._lock = threading.Lock()
        self._live: dict[str, _Live] = {}
        self._threads: list[threading.Thread] = []
        self._closing = False
        applications.users.append(self.active)

    def arn(self, session: Session) -> str:
        """A session's ARN."""
        return f"{self._applications.arn(session.application_id)}/sessions/{session.id}"

    def start(self, caller: Caller, request: Mapping[str, Any]) -> Session:
        """Submit a session; the same token gives the same one."""
        checks.check_session(request)
        tags = request.get("tags", {})
        checks.check_tags(tags)
        application_id = request["applicationId"]
        scope = f"sessions of {application_id}"
        asked = {name: value for name, value in request.items() if name not in ("clientToken", "applicationId", "tags")}
        with self._sessions.transaction():
            application = self._applications.get(application_id)
            if known := self._applications.known(scope, request):
                return self.get(application_id, known)
            _require_sessions(application)
            plan = self._plan(asked, application)
            self._applications.accept_work(application_id)
            id = new_id()
            asked |= {**application.given_to_work, "createdBy": caller.arn}
            self._sessions.add(id, application_id, asked, tags, self._clock())
            self._applications.remember(scope, request, id)
        session = self.get(application_id, id)
        with self._lock:
            self._live[id] = _Live()
            thread = threading.Thread(target=self._follow, args=(session, plan), name=f"session {id}")
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return session

    def get(self, application_id: str, id: str) -> Session:
        """A session, of any state."""
        self._applications.get(application_id)
        session = self._sessions.get(id)
        if session is None or session.application_id != application_id:
            raise ResourceNotFoundException(f"Session {id} does not exist")
        return session

    def list(self, application_id: str, states: Sequence[str] | None) -> Sequence[Session]:
        """The sessions of an application, the newest first; those in `states`, grouped by them, if any are given."""
        self._applications.get(application_id)
        found = self._sessions.all(application_id)
        if states:
            return sorted((one for one in found if one.state in states), key=lambda one: states.index(one.state))
        return found

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

    def shown(self, application_id: str, id: str) -> Shown:
        """A session as its dashboard needs it."""
        session = self.get(application_id, id)
        monitoring = self._applications.get(application_id).request.get("monitoringConfiguration", {})
        persisted = monitoring.get("managedPersistenceMonitoringConfiguration", {}).get("enabled") is not False
        return Shown(resource_of(session), session.state, persisted)

    def log_file(self, resource: Resource, worker: str, name: str) -> Path | None:
        """A log of a session's worker."""
        session = self._sessions.get(resource.id)
        if session is None or worker != "SPARK_DRIVER" or name not in ("stdout", "stderr"):
            return None
        return self._logs(session).folder / name

    def recover(self) -> None:
        """End what a killed service left: no server goes on by itself, no session is stuck.

        A server's process id may not have been stored yet when the service was killed: its command line has a mark.
        """
        for session in self._sessions.all():
            if session.state in ENDED:
                continue
            mark = f"velodrome.job={session.id}"
            leaders = {*processes.find(mark), *([session.process] if session.process is not None else [])}
            if [leader for leader in leaders if processes.end_orphans(leader, mark)]:
                log.warning("session %s: its processes were still there and were killed", session.id)
            try:
                self._around.hidden(resource_of(session))
                logs = self._logs(session)
                logs.note(_KILLED)
                if problem := self._deliver(session, logs):
                    log.warning("session %s: its logs stay in %s: %s", session.id, logs.folder, problem)
            except OSError as error:
                log.warning("session %s: its logs cannot be completed: %s", session.id, error)
            terminated = session.state == "TERMINATING"
            self._sessions.move(session.id, "TERMINATED" if terminated else "FAILED", _KILLED, self._clock())
            shutil.rmtree(self._around.scratch / session.id, ignore_errors=True)

    def close(self) -> None:
        """End all sessions, since the service ends."""
        self._closing = True
        with self._lock:
            threads = list(self._threads)
            for live in self._live.values():
                live.ending.set()
        for thread in threads:
            thread.join()

    def _plan(self, request: Mapping[str, Any], application: Application) -> _Plan:
        """What a session is going to be. Raises ValidationException for what cannot be."""
        overrides = request.get("configurationOverrides", {})
        merged = merge(application.request.get("runtimeConfiguration", []), overrides.get("runtimeConfiguration", []))
        submit = parameters.of_job("", merged)
        return _Plan(submit, workers_of(submit.settings), self._machine.share(submit.settings))

    def _role(self, session: Session) -> Role:
        return Role(
            self._around.profile_of(session.application_id).region, session.request["executionRoleArn"], session.id
        )

    def _logs(self, session: Session) -> DriverLogs:
        return DriverLogs(self._around.logs, place(session.application_id, "sessions", session.id))

    def _log_uri(self, session: Session) -> str | None:
        """A session's logs go where its application's do; it has no monitoring configuration of its own."""
        monitoring = self._applications.get(session.application_id).request.get("monitoringConfiguration", {})
        uri: str | None = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
        return uri

    def _deliver(self, session: Session, logs: DriverLogs) -> str | None:
        """Bring what a killed service left of a session's logs to S3; why that failed, or None."""
        if (uri := self._log_uri(session)) is None:
            return None
        try:
            objects = Objects(self._role(session).client("s3"))
        except RoleError as error:
            return str(error)
        further = partial(self._around.event_logs.files, resource_of(session))
        return Delivery(logs, objects, uri, self._around.log_interval, further).finish()

    def _follow(self, session: Session, plan: _Plan) -> None:
        """Take a session through its states; whatever happens, it comes to an end."""
        state, details = "FAILED", ""
        try:
            state, details = self._live_through(session, plan)
        except (RoleError, OSError, sqlite3.Error) as error:  # where there is no log to write, or no place for it
            details = f"The session could not be started: {error}"
        except Exception as error:  # the thread's end: a session must not hang
            log.exception("session %s failed inside the service", session.id)
            details = f"EMR Serverless failed: {error}"
        finally:
            self._scheduler.release(session.id)
            with self._lock:
                self._live.pop(session.id, None)
            self._tokens.revoke(session.id)
            self._sessions.persist(lambda: self._ended(session, state, details), lambda: self._closing)

    def _ended(self, session: Session, state: str, details: str) -> None:
        self._sessions.move(session.id, state, details[:_LONGEST_DETAILS], self._clock(), unless=ENDED)
        self._around.store.touch_application(session.application_id)
        log.info("session %s: %s %s", session.id, state, details)

    def _live_through(self, session: Session, plan: _Plan) -> Outcome:
        live, around = self._live[session.id], self._around
        logs = self._logs(session)
        scratch = around.scratch / session.id
        delivery: Delivery | None = None
        try:
            role = self._role(session)
            objects = Objects(role.client("s3"))
            if uri := self._log_uri(session):
                further = partial(around.event_logs.files, resource_of(session))
                delivery = Delivery(logs, objects, uri, around.log_interval, further)
                delivery.start()
            state, details = self._run(session, plan, live, role, objects, logs, scratch)
        except RoleError as error:
            state, details = "FAILED", str(error)
        except (ObjectError, MissingInstall, ValidationException, OSError) as error:
            state, details = "FAILED", f"The session could not be started: {error}"
        finally:
            around.credentials.forget(session.id)
            try:
                around.hidden(resource_of(session))
            except OSError as error:
                log.warning("session %s: its event log cannot be completed: %s", session.id, error)
            shutil.rmtree(scratch, ignore_errors=True)
            self._scheduler.release(session.id)
        if state == "FAILED":
            logs.note(details)
        if delivery is not None and (problem := delivery.finish()):
            log.warning("session %s: %s", session.id, problem)
            logs.note(problem)
        if not self.shown(session.application_id, session.id).persisted:
            around.event_logs.remove(resource_of(session))
        return state, details

    def _run(
        self, session: Session, plan: _Plan, live: _Live, role: Role, objects: Objects, logs: DriverLogs, scratch: Path
    ) -> Outcome:
        if outcome := self._wait_for_room(session, plan, live):
            return outcome
        around = self._around
        spark = releases.find(session.request["releaseLabel"]).install(around.installs)
        server = ConnectServer(
            session.id,
            session.request.get("name", session.id),
            plan.submit,
            spark,
            around.profile_of(session.application_id),
            plan.share,
            scratch,
            around.credentials.environment(session.id, role),
            *around.shown(resource_of(session), spark),
        )
        process = server.launch(objects, logs)
        try:
            self._sessions.set_process(session.id, process.pid)
            if problem := self._wait_for_server(server, process, live):
                return "FAILED", f"{problem}; {why_it_ended(logs)}"
            with self._lock:
                if not live.ending.is_set():
                    live.server, live.idle_since = server, self._clock()
                    self._sessions.move(session.id, "STARTED", "", live.idle_since, unless=_ENDING)
                    log.info("session %s started", session.id)
            with around.memory.limit(process.pid, plan.share.memory) as watched:
                outcome = self._wait_for_end(session, process, live)
            if outcome:
                return outcome
            if watched.used:
                return "FAILED", f"The session's Spark Connect server ended with code 137; {watched.words}"
            ended = f"The session's Spark Connect server ended with code {process.returncode}"
            return "FAILED", f"{ended}; {why_it_ended(logs)}"
        finally:
            processes.end(process.pid, _GRACE_AT_CLOSE if self._closing else _GRACE)
            process.wait()

    def _wait_for_room(self, session: Session, plan: _Plan, live: _Live) -> Outcome | None:
        """Wait until the application has started and has capacity; how the session ends if it does so before."""
        waits = False
        while not live.ending.is_set():
            application = self._applications.get(session.application_id)
            if application.state == "STARTED":
                decision = self._scheduler.admit(session.id, application, plan.workers, plan.share.memory)
                if decision.workers is not None:
                    workers = decision.workers.description()
                    self._sessions.move(session.id, "STARTING", "", self._clock(), unless=_ENDING, workers=workers)
                    return None
                if decision.state == "FAILED":
                    return "FAILED", decision.details
                if not waits:
                    waits = self._sessions.move(session.id, "SUBMITTED", _WAITS, self._clock(), unless=_ENDING)
            live.ending.wait(_TICK)
        return self._ended_by_request()

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

    def _wait_for_end(self, session: Session, process: subprocess.Popen[bytes], live: _Live) -> Outcome | None:
        """Wait until the session is to end, for which reason; None if its server ended by itself."""
        minutes = session.request.get("idleTimeoutMinutes", DEFAULT_IDLE_MINUTES)
        timeout = minutes * self._around.minute
        while not live.ending.wait(_TICK):
            if process.poll() is not None:
                return None
            with self._lock:
                idle = 0.0 if live.idle_since is None else self._clock() - live.idle_since
                expired = bool(minutes) and idle >= timeout
                if expired:
                    live.ending.set()
            if expired:
                details = f"Session was idle for its idle timeout of {minutes} minutes"
                self._sessions.move(session.id, "TERMINATING", details, self._clock(), unless=_ENDING)
                return "TERMINATED", details
        return self._ended_by_request()

    def _ended_by_request(self) -> Outcome:
        return "TERMINATED", _KILLED if self._closing else "Session was terminated"


def resource_of(session: Session) -> Resource:
    """What the session's dashboard and event log belong to."""
    return Resource(session.application_id, SESSION, session.id)


def _require_sessions(application: Application) -> None:
    # https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartSession.html
    if not application.request.get("interactiveConfiguration", {}).get("sessionEnabled"):
        raise ValidationException(
            f"Interactive sessions are not enabled for application {application.id}. "
            "Set sessionEnabled to true in its interactiveConfiguration"
        )
    label = application.request["releaseLabel"]
    if not has_sessions(label):
        raise ValidationException(
            f"Interactive sessions are supported for EMR release 7.13.0 and later. Current release label: {label}"
        )
    if not releases.find(label).has_connect:
        raise ValidationException(
            f"Interactive sessions of release label {label} are not available in Velodrome; "
            f"those of {releases.DEFAULT.label} are"
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


def _wrong_state(session: Session, states: Sequence[str]) -> ValidationException:
    return ValidationException(
        f"Session {session.id} must be in one of the following statuses [{', '.join(states)}]. "
        f"Current status: {session.state}"
    )
