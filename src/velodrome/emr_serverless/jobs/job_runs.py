"""Job runs as the API sees them: submitted, looked at, listed, cancelled; and what a killed service left of them.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/job-states.html
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from velodrome.awsapi.caller import Caller

from .. import checks, processes
from ..applications import ACTIVE_JOB_RUN_STATES, Applications, new_id
from ..credentials import Role, RoleError
from ..dashboards.api import Shown
from ..dashboards.resources import Resource
from ..errors import ResourceNotFoundException, ValidationException
from ..logs import Delivery, DriverLogs
from ..objects import Objects
from ..spark.machine import Machine
from ..store import ENDED, JobRun
from . import attempts, plans
from .attempts import KILLED, Surroundings
from .scheduler import WAITING, Scheduler

log = logging.getLogger(__name__)


class JobRuns:
    """The job runs of all applications."""

    def __init__(
        self, applications: Applications, scheduler: Scheduler, machine: Machine, around: Surroundings
    ) -> None:
        self._applications = applications
        self._scheduler = scheduler
        self._machine = machine
        self._around = around
        self._store = around.store

    def arn(self, run: JobRun) -> str:
        """A job run's ARN."""
        return f"{self._applications.arn(run.application_id)}/jobruns/{run.id}"

    def start(self, caller: Caller, request: Mapping[str, Any]) -> JobRun:
        """Submit a job; the same token gives the same one."""
        checks.check_job_run(request)
        checks.check_tags(request.get("tags", {}))
        application_id = request["applicationId"]
        scope = f"job runs of {application_id}"
        asked = {name: value for name, value in request.items() if name not in ("clientToken", "applicationId", "tags")}
        with self._store.transaction():
            application = self._applications.get(application_id)
            if known := self._applications.known(scope, request):
                return self.get(application_id, known)
            id = new_id()
            plans.plan(id, asked, application, self._machine)
            asked |= {**application.given_to_work, "createdBy": caller.arn}
            self._applications.accept_work(application_id)
            self._store.add_job_run(id, application_id, asked, request.get("tags", {}))
            self._applications.remember(scope, request, id)
        self._scheduler.wake()
        return self.get(application_id, id)

    def get(self, application_id: str, id: str, attempt: int | None = None) -> JobRun:
        """A job run of any state: its last attempt, or the one that is asked for."""
        self._applications.get(application_id)
        run = self._store.job_run(id, attempt)
        if run is None or run.application_id != application_id:
            known = self._store.job_run(id)
            if attempt is not None and known is not None and known.application_id == application_id:
                raise ResourceNotFoundException(f"Attempt {attempt} of job run {id} does not exist")
            raise ResourceNotFoundException(f"Job run {id} does not exist")
        return run

    def list(self, application_id: str, states: Sequence[str] | None) -> Sequence[JobRun]:
        """The job runs of an application, the newest first; those in `states`, grouped by them, if any are given."""
        if states:
            return sorted(self._store.job_runs(application_id, states), key=lambda run: states.index(run.state))
        return self._store.job_runs(application_id)

    def attempts(self, application_id: str, id: str) -> Sequence[JobRun]:
        """All attempts of a job run, the newest first."""
        self.get(application_id, id)
        return self._store.attempts(id)

    def cancel(self, application_id: str, id: str, grace: float | None = None) -> None:
        """End a job; cancelling it again changes nothing."""
        run = self.get(application_id, id)
        if run.state in ("CANCELLING", "CANCELLED"):
            return
        if not self._store.set_job_run_state(run, "CANCELLING", "Job run is being cancelled", unless=ENDED):
            run = self.get(application_id, id)
            raise ValidationException(
                f"Job run {id} must be in one of the following statuses [{', '.join(ACTIVE_JOB_RUN_STATES)}]. "
                f"Current status: {run.state}"
            )
        log.info("job run %s is being cancelled", id)
        self._scheduler.cancel(run, grace)

    def shown(self, application_id: str, id: str, attempt: int | None) -> Shown:
        """A job run's attempt as its dashboard needs it."""
        run = self.get(application_id, id, attempt)
        plan = plans.plan(id, run.request, self._applications.get(application_id), self._machine)
        return Shown(attempts.resource_of(run), run.state, plan.managed_logs)

    def log_file(self, resource: Resource, worker: str, name: str) -> Path | None:
        """A log of an attempt's worker."""
        run = self._store.job_run(resource.id, resource.attempt)
        if run is None or worker != "SPARK_DRIVER" or name not in ("stdout", "stderr"):
            return None
        return self._around.logs / attempts.log_place(run) / worker / name

    def recover(self) -> None:
        """End what a killed service left running, with its logs delivered; what waited goes on waiting.

        A driver's process id may not have been stored yet when the service was killed: its command line has a mark.
        """
        for run in self._store.job_runs(states=ACTIVE_JOB_RUN_STATES):
            if run.state in WAITING:
                continue
            mark = attempts.mark(run)
            leaders = {*processes.find(mark), *([run.process] if run.process is not None else [])}
            # A pre-initialized worker has a mark of its own, but works in the same folder.
            if [leader for leader in leaders if processes.end_orphans(leader, str(self._around.scratch))]:
                log.warning("job run %s: its processes were still there and were killed", run.id)
            try:
                self._around.event_logs.finish(attempts.resource_of(run))
                self._deliver(run)
            except OSError as error:
                log.warning("job run %s: its logs cannot be completed: %s", run.id, error)
            cancelled = run.state == "CANCELLING"
            self._scheduler.end(run, "CANCELLED" if cancelled else "FAILED", KILLED)
        shutil.rmtree(self._around.scratch, ignore_errors=True)

    def _deliver(self, run: JobRun) -> None:
        around = self._around
        logs = DriverLogs(around.logs, attempts.log_place(run))
        logs.note(KILLED)
        try:
            plan = plans.plan(run.id, run.request, self._applications.get(run.application_id), self._machine)
            if plan.log_uri is None:
                return
            role = Role(around.profile_of(run.application_id).region, run.request["executionRoleArn"], run.id)
            further = partial(attempts.further_logs, around, run)
            objects = Objects(role.client("s3"))
            problem = Delivery(logs, objects, plan.log_uri, around.log_interval, further).finish()
        except (RoleError, ValidationException) as error:
            problem = str(error)
        if problem:
            log.warning("job run %s: its logs stay in %s: %s", run.id, logs.folder, problem)
