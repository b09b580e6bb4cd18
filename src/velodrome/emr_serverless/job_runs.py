"""Job runs: their states, from submission to the driver's end.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/job-states.html
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from velodrome.awsapi.profile import Profile

from . import parameters, processes, support, warm_workers
from .applications import ACTIVE_JOB_RUN_STATES, Applications, new_id
from .errors import ConflictException, ResourceNotFoundException, ValidationException
from .jvm import MissingInstall, SparkInstall
from .logs import DriverLogs
from .objects import ObjectError, Objects
from .spark_submit import Job, Machine, Submission
from .store import JobRun, Store
from .warm_workers import WarmWorkers

log = logging.getLogger(__name__)
TERMINAL = ("SUCCESS", "FAILED", "CANCELLED")
_ENDING = (*TERMINAL, "CANCELLING")
_LONGEST_DETAILS = 256
_FAILED = "Job failed, please check complete logs in configured logging destination."
_KILLED = "EMR Serverless was stopped while the job was running; its processes were ended"
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartJobRun.html
DEFAULT_TIMEOUT_MINUTES = 720
_GRACE = 5.0
_GRACE_AT_CLOSE = 1.0


@dataclass(frozen=True)
class Folders:
    """Where jobs find Spark, run, and log."""

    spark_venv: Path
    jars: Path
    scratch: Path
    logs: Path


class JobRuns:
    """The job runs of all applications; each runs in a thread that follows its driver."""

    def __init__(
        self, store: Store, applications: Applications, profile: Profile, folders: Folders, warm: WarmWorkers
    ) -> None:
        self._warm = warm
        self._store = store
        self._applications = applications
        self._profile = profile
        self._folders = folders
        self._machine = Machine.here()
        self._slots = threading.BoundedSemaphore(max(1, self._machine.cores // 2))
        self._cancelled: dict[str, threading.Event] = {}
        self._graces: dict[str, float] = {}
        self._threads: list[threading.Thread] = []
        self._closing = False

    def arn(self, run: JobRun) -> str:
        """A job run's ARN."""
        return f"{self._applications.arn(run.application_id)}/jobruns/{run.id}"

    def start(self, request: Mapping[str, Any]) -> JobRun:
        """Submit a job; the same token gives the same one."""
        support.check_job_run(request)
        application_id, token = request["applicationId"], request["clientToken"]
        asked = {name: value for name, value in request.items() if name not in ("clientToken", "applicationId")}
        with self._store.transaction():
            application = self._applications.get(application_id)
            if known := self._store.job_run_of_token(application_id, token):
                if known.request != asked:
                    raise ConflictException(f"The client token {token} was used with other parameters before")
                return known
            id = new_id()
            job = _job(id, asked, application.request)
            self._applications.accept_job(application_id)
            self._store.add_job_run(id, application_id, token, asked, "SUBMITTED")
        self._cancelled[id] = threading.Event()
        run = self.get(application_id, id)
        thread = threading.Thread(target=self._follow, args=(run, job, _log_uri(asked, application.request)), name=id)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return run

    def get(self, application_id: str, id: str) -> JobRun:
        """A job run, of any state."""
        self._applications.get(application_id)
        run = self._store.job_run(application_id, id)
        if run is None:
            raise ResourceNotFoundException(f"Job run {id} does not exist")
        return run

    def list(self, application_id: str) -> Sequence[JobRun]:
        """The job runs of an application, the newest first."""
        self._applications.get(application_id)
        return self._store.job_runs(application_id)

    def cancel(self, application_id: str, id: str, grace: float | None = None) -> None:
        """End a job; cancelling it again changes nothing."""
        run = self.get(application_id, id)
        if run.state in ("CANCELLING", "CANCELLED"):
            return
        if not self._store.set_job_run_state(id, "CANCELLING", "Job run is being cancelled", unless=TERMINAL):
            run = self.get(application_id, id)
            raise ValidationException(
                f"Job run {id} must be in one of the following statuses [{', '.join(ACTIVE_JOB_RUN_STATES)}]. "
                f"Current status: {run.state}"
            )
        log.info("job run %s is being cancelled", id)
        if grace is not None:
            self._graces[id] = grace
        if event := self._cancelled.get(id):  # gone if the job ended by itself meanwhile
            event.set()

    def recover(self) -> None:
        """End what a killed service left: a job run is never stuck, and its driver never goes on by itself."""
        for run in self._store.job_runs():
            if run.state in TERMINAL:
                continue
            if run.process is not None and processes.end_orphans(run.process, str(self._folders.scratch)):
                log.warning("job run %s: its processes were still there and were killed", run.id)
            cancelled = run.state == "CANCELLING"
            self._store.set_job_run_state(run.id, "CANCELLED" if cancelled else "FAILED", _KILLED)
        shutil.rmtree(self._folders.scratch, ignore_errors=True)

    def close(self) -> None:
        """End all jobs, since the service ends."""
        self._closing = True
        for event in list(self._cancelled.values()):
            event.set()
        for thread in self._threads:
            thread.join()

    def _follow(self, run: JobRun, job: Job, log_uri: str | None) -> None:
        """Take a job run through its states; whatever happens, it comes to an end."""
        logs = DriverLogs(self._folders.logs, run.application_id, run.id)
        scratches = {"job": self._folders.scratch / run.id}
        try:
            self._store.set_job_run_state(run.id, "SCHEDULED", "", unless=_ENDING)
            state, details = self._run(run, job, logs, scratches)
        except (ObjectError, MissingInstall, OSError) as error:
            logs.note(str(error))
            state, details = "FAILED", f"{_FAILED} {error}"
        except Exception as error:  # the thread's end: a run must not hang in RUNNING
            log.exception("job run %s failed inside the service", run.id)
            state, details = "FAILED", f"EMR Serverless failed: {error}"
        finally:
            for scratch in scratches.values():
                shutil.rmtree(scratch, ignore_errors=True)
        if log_uri and not self._closing:
            try:
                logs.deliver(Objects(self._profile.region), log_uri)
            except ObjectError as error:
                log.warning("job run %s: %s", run.id, error)
                logs.note(str(error))
        self._store.set_job_run_state(run.id, state, details[:_LONGEST_DETAILS])
        self._store.touch_application(run.application_id)
        self._cancelled.pop(run.id, None)
        self._graces.pop(run.id, None)
        log.info("job run %s: %s %s", run.id, state, details)

    def _run(self, run: JobRun, job: Job, logs: DriverLogs, scratches: dict[str, Path]) -> tuple[str, str]:
        event = self._cancelled[run.id]
        while not self._slots.acquire(timeout=0.1):
            if event.is_set():
                return self._ended_by_request()
        try:
            if event.is_set():
                return self._ended_by_request()
            spark = SparkInstall(self._folders.spark_venv, self._folders.jars)
            worker = self._warm.take(run.application_id, job, logs.note)
            if worker is not None:
                scratches["job"] = worker.scratch
            submission = Submission(job, spark, self._profile, self._machine, scratches["job"])
            try:
                command = submission.prepare(Objects(self._profile.region))
            except BaseException:
                if worker is not None:
                    worker.end()
                raise
            process = warm_workers.launch(worker, submission, command, logs.stdout, logs.stderr, logs.note)
            self._store.set_job_run_state(run.id, "RUNNING", "", unless=_ENDING, process=process.pid)
            return self._wait(run, process, event, logs)
        finally:
            self._slots.release()

    def _wait(
        self, run: JobRun, process: subprocess.Popen[bytes], event: threading.Event, logs: DriverLogs
    ) -> tuple[str, str]:
        minutes = run.request.get("executionTimeoutMinutes", DEFAULT_TIMEOUT_MINUTES)
        timer = threading.Timer(60 * minutes, event.set) if minutes else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        threading.Thread(target=_tell_end, args=(process, event), daemon=True).start()
        event.wait()
        if timer is not None:
            timer.cancel()
        if process.poll() is None:
            grace = _GRACE_AT_CLOSE if self._closing else self._graces.get(run.id, _GRACE)
            processes.end(process.pid, grace)
            process.wait()
            if self._closing or self.get(run.application_id, run.id).state == "CANCELLING":
                return self._ended_by_request()
            return "CANCELLED", f"Job run exceeded its execution timeout of {minutes} minutes"
        processes.end(process.pid, 0)  # what the driver may have left
        if process.returncode == 0:
            return "SUCCESS", ""
        exception = logs.last_exception()
        last = f" Last few exceptions: {exception}" if exception else ""
        return "FAILED", f"{_FAILED} ExitCode: {process.returncode}.{last}"

    def _ended_by_request(self) -> tuple[str, str]:
        return ("FAILED", _KILLED) if self._closing else ("CANCELLED", "Job run was cancelled")


def _tell_end(process: subprocess.Popen[bytes], event: threading.Event) -> None:
    process.wait()
    event.set()


def _job(id: str, request: Mapping[str, Any], application: Mapping[str, Any]) -> Job:
    driver = request["jobDriver"]["sparkSubmit"]
    entry_point = driver["entryPoint"]
    if not entry_point.removeprefix("local://").startswith(("s3://", "/usr/lib/spark/examples/")):
        raise ValidationException(f"The entry point {entry_point} must start with s3://")
    overrides = request.get("configurationOverrides", {})
    defaults = parameters.spark_defaults(application.get("runtimeConfiguration", []))
    defaults |= parameters.spark_defaults(overrides.get("applicationConfiguration", []))
    submit = parameters.read(driver.get("sparkSubmitParameters", ""), defaults)
    if "spark.driver.memory" in submit.settings:
        parameters.memory_size(submit.settings["spark.driver.memory"])
    return Job(id, request.get("name", id), entry_point, driver.get("entryPointArguments", []), submit)


def _log_uri(request: Mapping[str, Any], application: Mapping[str, Any]) -> str | None:
    for source in (request.get("configurationOverrides", {}), application):
        monitoring = source.get("monitoringConfiguration", {})
        if uri := monitoring.get("s3MonitoringConfiguration", {}).get("logUri"):
            return str(uri)
    return None
