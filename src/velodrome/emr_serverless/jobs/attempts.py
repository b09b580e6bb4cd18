"""Runs one attempt of a job: fetches its files, starts its driver, follows it to its end, delivers its logs."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from velodrome.awsapi.profile import Profile

from .. import processes
from ..credentials import CredentialsEndpoint, Role, RoleError
from ..dashboards.event_logs import EventLogs
from ..dashboards.resources import JOB_RUN, Resource
from ..dashboards.spark_ui import LiveUis
from ..errors import ValidationException
from ..logs import Delivery, DriverLogs, place
from ..memory import MemoryWatch
from ..objects import ObjectError, Objects
from ..spark import releases
from ..spark.executors import ExecutorProcesses, executor_logs
from ..spark.jvm import MissingInstall, SparkInstall
from ..spark.resources import Workers
from ..spark.spark_submit import Submission
from ..store import ENDED, JobRun, Store
from . import plans
from .plans import Plan
from .warm_workers import WarmWorkers, launch

log = logging.getLogger(__name__)
_ENDING = (*ENDED, "CANCELLING")
_LONGEST_DETAILS = 256
_FAILED = "Job failed, please check complete logs in configured logging destination."
KILLED = "EMR Serverless was stopped while the job was running; its processes were ended"
_CANCELLED = "Job run was cancelled"
# 128 and the number of SIGKILL, as containers have it that the kernel ends for their memory.
_KILLED_FOR_MEMORY = 137
_GRACE = 5.0
_GRACE_AT_CLOSE = 1.0
Outcome = tuple[str, str]


class Process(Protocol):
    """A driver's process, as `subprocess.Popen` has it."""

    pid: int
    returncode: int

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""

    def wait(self) -> int:
        """Wait for its end."""


@dataclass(frozen=True)
class Surroundings:
    """What all attempts share: where they find Spark, run and log, and with what clock.

    `minute` and `log_interval` are seconds: how long a minute of a timeout lasts, and between two deliveries of logs.
    """

    store: Store
    profile: Profile
    credentials: CredentialsEndpoint
    installs: Path
    scratch: Path
    logs: Path
    minute: float
    log_interval: float
    event_logs: EventLogs
    live: LiveUis
    warm: WarmWorkers
    executor_processes: bool = False
    memory: MemoryWatch = field(default_factory=MemoryWatch)

    def profile_of(self, application_id: str) -> Profile:
        """The profile in the application's region."""
        application = self.store.application(application_id)
        profile = copy(self.profile)
        profile.region = application.region if application is not None else profile.region
        return profile

    def shown(self, resource: Resource, spark: SparkInstall) -> tuple[dict[str, str], dict[str, str]]:
        """What Spark is to be started with, so that its UI and event log can be shown: settings, and secret ones."""
        logged = self.event_logs.settings(resource)
        if not spark.has_ui_filter:  # a UI that answers everybody must not be; the history server shows the event log
            return logged | {"spark.ui.enabled": "false"}, {}
        settings, secrets = self.live.open(resource)
        return logged | settings, secrets

    def hidden(self, resource: Resource) -> None:
        """Spark has ended: there is no live UI any more, and nothing comes to its event log."""
        self.live.close(resource)
        self.event_logs.finish(resource)


class Attempt:
    """One attempt, in a thread of its own; `ended` is called with its last state and the details."""

    def __init__(
        self,
        run: JobRun,
        plan: Plan,
        workers: Workers,
        around: Surroundings,
        ended: Callable[[Attempt, str, str], None],
    ) -> None:
        self.run = run
        self.plan = plan
        self._workers = workers
        self._around = around
        self._tell_ended = ended
        self._event = threading.Event()
        self._grace = _GRACE
        self._reason: Outcome | None = None
        self._scratch = scratch_of(around, run)
        self._thread = threading.Thread(target=self._follow, name=f"{run.id}/{run.attempt}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def cancel(self, grace: float | None) -> None:
        """End the driver, after `grace` seconds by force."""
        self._end(("CANCELLED", _CANCELLED), _GRACE if grace is None else grace)

    def close(self) -> None:
        """End the driver because the service ends."""
        self._end(("FAILED", KILLED), _GRACE_AT_CLOSE)

    def _end(self, reason: Outcome, grace: float) -> None:
        if self._reason is None:
            self._reason, self._grace = reason, grace
        self._event.set()

    def _follow(self) -> None:
        """Take the attempt through its states; whatever happens, it comes to an end."""
        state, details = "FAILED", ""
        try:
            state, details = self._live()
        except (RoleError, OSError, sqlite3.Error) as error:  # where there is no log to write, or no place for it
            details = f"{_FAILED} {error}"
        except Exception as error:  # the thread's end: a run must not hang in RUNNING
            log.exception("job run %s failed inside the service", self.run.id)
            details = f"EMR Serverless failed: {error}"
        finally:
            self._tell_ended(self, state, details[:_LONGEST_DETAILS])

    def _live(self) -> Outcome:
        run, around = self.run, self._around
        logs = DriverLogs(around.logs, log_place(run))
        delivery: Delivery | None = None
        try:
            region = around.profile_of(run.application_id).region
            role = Role(region, run.request["executionRoleArn"], run.id, run.request.get("executionIamPolicy"))
            objects = Objects(role.client("s3"))
            if self.plan.log_uri:
                further = partial(further_logs, around, run)
                delivery = Delivery(logs, objects, self.plan.log_uri, around.log_interval, further)
                delivery.start()
            state, details = self._run(role, objects, logs)
        except RoleError as error:
            logs.note(str(error))
            state, details = "FAILED", str(error)
        except (ObjectError, MissingInstall, ValidationException, OSError) as error:
            logs.note(str(error))
            state, details = "FAILED", f"{_FAILED} {error}"
        finally:
            around.credentials.forget(_name(run))
            for step in (
                lambda: around.hidden(resource_of(run)),
                lambda: executor_logs(self._scratch, around.logs / log_place(run)),
                lambda: shutil.rmtree(self._scratch, ignore_errors=True),
            ):
                try:
                    step()
                except OSError as error:
                    log.warning("job run %s: %s", run.id, error)
            if delivery is not None and (problem := delivery.finish()):
                log.warning("job run %s: %s", run.id, problem)
                logs.note(problem)
        if not self.plan.managed_logs:
            around.event_logs.remove(resource_of(run))
        return state, details

    def _run(self, role: Role, objects: Objects, logs: DriverLogs) -> Outcome:
        if self._reason is not None:
            return self._reason
        around, run, plan = self._around, self.run, self.plan
        spark = releases.find(run.request["releaseLabel"]).install(around.installs)
        resource = resource_of(run)
        settings, secrets = around.shown(resource, spark)
        executors = self._executors(spark, logs)
        worker = None if executors else around.warm.take(run.application_id, plan.job, plan.share.heap, logs.note)
        try:
            if worker is not None:
                # Known before it runs anything: what a killed service leaves of it can be found.
                around.store.set_job_run_state(run, "SCHEDULED", unless=_ENDING, process=worker.process.pid)
                self._scratch = worker.scratch
            submission = Submission(
                plan.job,
                spark,
                around.profile_of(run.application_id),
                plan.share,
                self._scratch,
                settings=settings,
                secrets=secrets,
                environment=around.credentials.environment(_name(run), role),
                executors=executors,
            )
            command = submission.prepare(objects)
            if self._reason is not None:
                if worker is not None:
                    worker.discard()
                return self._reason
            process = launch(worker, submission, command, logs.stdout, logs.stderr, logs.note)
        except BaseException:
            if worker is not None:
                worker.discard()
            raise
        try:
            around.store.set_job_run_state(run, "RUNNING", unless=_ENDING, process=process.pid)
            # A worker's heap may be larger than the job's: it counts as it is.
            larger = max(0, worker.spec.heap_bytes - plan.share.heap) if worker is not None else 0
            if executors is not None:  # they have heaps of their own
                larger += plan.share.heap
            with around.memory.limit(process.pid, plan.share.memory + larger) as watched:
                outcome = self._wait(process, logs)
            if not watched.used or self._reason is not None:
                return outcome
            logs.note(watched.words)
            return "FAILED", f"{_FAILED} ExitCode: {_KILLED_FOR_MEMORY}. Last few exceptions: {watched.words}"
        finally:
            processes.end(process.pid, 0)  # what the driver may have left
            process.wait()

    def _executors(self, spark: SparkInstall, logs: DriverLogs) -> ExecutorProcesses | None:
        if not self._around.executor_processes:
            return None
        if self.plan.job.submit.archives:
            # A Python of theirs is named by its path in the driver's folder.
            logs.note("executors run in the driver's process: the job has archives")
            return None
        if not spark.has_ui_filter:
            # local-cluster's master and workers have web pages, which would answer everybody.
            logs.note(f"executors run in the driver's process: Spark {spark.version} cannot keep others out")
            return None
        return ExecutorProcesses(spark, self._workers, self.plan.share, self._scratch)

    def _wait(self, process: Process, logs: DriverLogs) -> Outcome:
        minutes = plans.timeout_minutes(self.run.request)
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        if not self._event.wait(minutes * self._around.minute if minutes else None):
            self._end(("CANCELLED", f"Job run exceeded its execution timeout of {minutes} minutes"), _GRACE)
            self._around.store.set_job_run_state(self.run, "CANCELLING", unless=_ENDING)
        if process.poll() is None and self._reason is not None:
            processes.end(process.pid, self._grace)
            process.wait()
            return self._reason
        process.wait()
        if process.returncode == 0:
            return "SUCCESS", ""
        exception = logs.last_exception()
        last = f" Last few exceptions: {exception}" if exception else ""
        return "FAILED", f"{_FAILED} ExitCode: {process.returncode}.{last}"

    def _watch(self, process: Process) -> None:
        process.wait()
        self._event.set()


def log_place(run: JobRun) -> Path:
    """Where an attempt's logs lie; where a retry policy allows several, each has a folder of its own."""
    return place(run.application_id, "jobs", run.id, run.attempt if plans.has_attempts(run.request) else None)


def scratch_of(around: Surroundings, run: JobRun) -> Path:
    """The folder that an attempt works in."""
    return around.scratch / _name(run)


def further_logs(around: Surroundings, run: JobRun) -> list[tuple[Path, str]]:
    """What is delivered beside the driver's logs: the executors', and Spark's event log."""
    executors = executor_logs(scratch_of(around, run), around.logs / log_place(run))
    return [*executors, *around.event_logs.files(resource_of(run))]


def resource_of(run: JobRun) -> Resource:
    """What the attempt's dashboard and event log belong to."""
    return Resource(run.application_id, JOB_RUN, run.id, run.attempt)


def mark(run: JobRun) -> str:
    """What stands in the command line of a job's driver."""
    return f"velodrome.job={run.id}"


def _name(run: JobRun) -> str:
    return f"{run.id}-{run.attempt}"
