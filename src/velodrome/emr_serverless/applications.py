"""Applications: their states, and what is allowed in each.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/application-states.html
Nothing has to be provisioned here, so that a state in between (CREATING, STARTING, STOPPING) lasts no longer than the
request that causes it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import support
from .errors import ConflictException, ResourceNotFoundException, ValidationException
from .parameters import memory_size
from .store import Application, Store
from .warm_jvm import WorkerSpec
from .warm_workers import WarmWorkers

log = logging.getLogger(__name__)
ACTIVE_JOB_RUN_STATES = ("SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING", "CANCELLING")
_SETTLED = {"CREATING": "CREATED", "STARTING": "STARTED", "STOPPING": "STOPPED"}
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_AutoStopConfig.html
_IDLE_MINUTES = 15


class Applications:
    """The applications of one account and region."""

    def __init__(
        self, store: Store, region: str, account: str, warm: WarmWorkers, spec: Callable[[int], WorkerSpec]
    ) -> None:
        self._warm, self._spec = warm, spec
        self._store = store
        self._region = region
        self._account = account

    def arn(self, id: str) -> str:
        """An application's ARN."""
        return f"arn:aws:emr-serverless:{self._region}:{self._account}:/applications/{id}"

    def create(self, parameters: Mapping[str, Any]) -> Application:
        """Make an application; the same token gives the same one."""
        support.check_application(parameters)
        request = {name: value for name, value in parameters.items() if name != "clientToken"}
        token = parameters["clientToken"]
        with self._store.transaction():
            if known := self._store.application_of_token(token):
                if known.request != request:
                    raise ConflictException(f"The client token {token} was used with other parameters before")
                return known
            id = new_id()
            self._store.add_application(id, token, request, "CREATING")
        self._store.set_application_state(id, "CREATED")
        log.info("application %s created", id)
        return self.get(id)

    def get(self, id: str) -> Application:
        """An application, of any state."""
        application = self._store.application(id)
        if application is None:
            raise ResourceNotFoundException(f"Application {id} does not exist")
        return self._stopped_if_idle(application)

    def list(self, states: Sequence[str] | None) -> Sequence[Application]:
        """Applications in these states; without any, all that are not terminated."""
        applications = [self._stopped_if_idle(application) for application in self._store.applications()]
        return [one for one in applications if (one.state in states if states else one.state != "TERMINATED")]

    def start(self, id: str) -> None:
        """Let the application accept jobs; nothing changes when it does already."""
        with self._store.transaction():
            application = self.get(id)
            if application.state == "STARTED":
                return
            _require(application, ("CREATED", "STOPPED"))
            self._store.set_application_state(id, "STARTING")
        self._store.set_application_state(id, "STARTED")
        self._start_workers(application)
        log.info("application %s started", id)

    def stop(self, id: str) -> None:
        """Stop the application; refused while it has jobs."""
        with self._store.transaction():
            application = self.get(id)
            if application.state == "STOPPED":
                return
            _require(application, ("CREATED", "STARTED"))
            if active := self._active_job_runs(id):
                raise ValidationException(
                    f"Application {id} cannot be stopped while job runs are active: {', '.join(active)}. "
                    "All scheduled and running jobs must be completed or cancelled before stopping an application."
                )
            self._store.set_application_state(id, "STOPPING")
        self._warm.stop(id)
        self._store.set_application_state(id, "STOPPED")
        log.info("application %s stopped", id)

    def delete(self, id: str) -> None:
        """Terminate the application; it must be stopped before."""
        with self._store.transaction():
            _require(self.get(id), ("CREATED", "STOPPED"))
            self._store.set_application_state(id, "TERMINATED")
        log.info("application %s terminated", id)

    def accept_job(self, id: str) -> None:
        """Make sure that the application runs jobs; starts it if it may start by itself."""
        with self._store.transaction():
            application = self.get(id)
            if application.state == "TERMINATED":
                raise ResourceNotFoundException(f"Application {id} does not exist")
            automatic = application.request.get("autoStartConfiguration", {}).get("enabled", True)
            if application.state != "STARTED" and not automatic:
                raise ValidationException(
                    f"Application {id} must be in one of the following statuses [STARTED]. "
                    f"Current status: {application.state}"
                )
            self.start(id)
            self._store.touch_application(id)

    def recover(self) -> None:
        """End the states in which a killed service left its applications."""
        for application in self._store.applications():
            if settled := _SETTLED.get(application.state):
                self._store.set_application_state(application.id, settled)
            if settled == "STARTED" or application.state == "STARTED":
                self._start_workers(application)

    def _start_workers(self, application: Application) -> None:
        for name, capacity in application.request.get("initialCapacity", {}).items():
            if name.upper() == "DRIVER":
                memory = memory_size(capacity.get("workerConfiguration", {}).get("memory", "1g").replace(" ", ""))
                self._warm.start(application.id, int(capacity["workerCount"]), self._spec(memory))

    def _active_job_runs(self, id: str) -> Sequence[str]:
        return [run.id for run in self._store.job_runs(id) if run.state in ACTIVE_JOB_RUN_STATES]

    def _stopped_if_idle(self, application: Application) -> Application:
        # Looked at when somebody looks: no clock has to run for it.
        if application.state != "STARTED":
            return application
        stop = application.request.get("autoStopConfiguration", {})
        idle = time.time() - application.active_at
        if not stop.get("enabled", True) or idle < 60 * stop.get("idleTimeoutMinutes", _IDLE_MINUTES):
            return application
        with self._store.transaction():
            if self._active_job_runs(application.id):
                self._store.touch_application(application.id)
                return application
            details = "AUTO_STOPPING: The application was idle for the configured time"
            self._store.set_application_state(application.id, "STOPPED", details)
        self._warm.stop(application.id)
        return replace(application, state="STOPPED", state_details=details, updated_at=time.time())


def new_id() -> str:
    """An id of the form that EMR Serverless gives."""
    return "00" + "".join(secrets.choice(_ALPHABET) for _ in range(14))


def _require(application: Application, states: tuple[str, ...]) -> None:
    if application.state not in states:
        raise ValidationException(
            f"Application {application.id} must be in one of the following statuses [{', '.join(states)}]. "
            f"Current status: {application.state}"
        )
