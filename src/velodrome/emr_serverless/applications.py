"""Applications: their states, and what is allowed in each.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/application-states.html
Only pre-initialized workers have to be provisioned here: without any, a state in between (CREATING, STARTING, STOPPING)
lasts no longer than the request that causes it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from velodrome.awsapi.caller import Caller

from . import checks
from .errors import ConflictException, ResourceNotFoundException, ValidationException
from .spark import releases
from .store import Application, Store, same_request

log = logging.getLogger(__name__)
ACTIVE_JOB_RUN_STATES = ("SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING", "CANCELLING")
_SETTLED = {"CREATING": "CREATED", "STARTING": "STARTED", "STOPPING": "STOPPED"}
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_AutoStopConfig.html
_IDLE_MINUTES = 15


class PreInitialized(Protocol):
    """Starts and ends an application's pre-initialized workers."""

    def start(self, application: Application, ready: Callable[[], None]) -> None:
        """Start them in the background; `ready` is called when all run."""

    def stop(self, application_id: str) -> None:
        """End them."""


class Installer(Protocol):
    """Installs releases in the background."""

    @property
    def possible(self) -> bool:
        """Whether it can."""

    def begin(self, label: str, tell: Callable[[str], None], ended: Callable[[str | None], None]) -> None:
        """Install a release; `tell` hears what is done, `ended` once why that failed, or None."""


class NoWorkers:
    """Applications without pre-initialized workers: they are started at once."""

    def start(self, application: Application, ready: Callable[[], None]) -> None:
        """Nothing has to be started."""
        ready()

    def stop(self, application_id: str) -> None:
        """Nothing has to be ended."""


class Applications:
    """The applications of all accounts and regions; who calls sees those of the call's own."""

    def __init__(
        self,
        store: Store,
        installs: Path,
        workers: PreInitialized,
        installer: Installer | None = None,
    ) -> None:
        """`installs` is the folder with the releases' Sparks; without an `installer` there are no others."""
        self._store = store
        self._installs = installs
        self._workers = workers
        self._installer = installer
        # Who else keeps an application from being stopped; each names what is active.
        self.users: list[Callable[[str], Sequence[str]]] = [self._active_job_runs]

    def arn(self, id: str) -> str:
        """An application's ARN."""
        return self.get(id).arn

    def create(self, caller: Caller, parameters: Mapping[str, Any]) -> Application:
        """Make an application; the same token gives the same one."""
        checks.check_application(parameters)
        ready = self._has(parameters["releaseLabel"])
        checks.check_tags(parameters.get("tags", {}))
        request = {name: value for name, value in parameters.items() if name not in ("clientToken", "tags")}
        with self._store.transaction():
            scope = f"applications of {caller.account} in {caller.region}"
            if known := self.known(scope, parameters):
                return self.get(known)
            id = new_id()
            tags = parameters.get("tags", {})
            self._store.add_application(id, request, tags, "CREATING", caller.account, caller.region)
            self.remember(scope, parameters, id)
        if ready:
            self._store.set_application_state(id, "CREATED")
            log.info("application %s created", id)
        else:
            self._install(id, parameters["releaseLabel"])
        return self.get(id)

    def _has(self, label: str) -> bool:
        """Whether a release is installed. Raises ValidationException if it is not and cannot be."""
        release = releases.find(label)
        if release.installed(self._installs) or self._installer is None or not self._installer.possible:
            release.install(self._installs)
            return True
        return False

    def _install(self, id: str, label: str) -> None:
        """Have a release installed for an application, which is CREATING meanwhile."""

        def tell(text: str) -> None:
            with self._store.transaction():
                if self.get(id).state == "CREATING":
                    self._store.set_application_state(id, "CREATING", f"{label} is being installed: {text}")

        def ended(problem: str | None) -> None:
            with self._store.transaction():
                if self.get(id).state == "CREATING":
                    if problem is None:
                        self._store.set_application_state(id, "CREATED")
                    else:
                        details = f"Release label {label} could not be installed: {problem}"
                        self._store.set_application_state(id, "TERMINATED", details)
            log.info("application %s: release %s: %s", id, label, problem or "installed")

        if self._installer is None:
            raise ValidationException(f"Release label {label} is not installed in Velodrome")
        tell("waiting")
        self._installer.begin(label, tell, ended)

    def known(self, scope: str, parameters: Mapping[str, Any]) -> str | None:
        """What was made with the request's client token, if this request is the one that it came with."""
        token = parameters["clientToken"]
        if (known := self._store.resource_of_token(scope, token)) is None:
            return None
        resource, request = known
        if not same_request(request, parameters):
            raise ConflictException(f"The client token {token} was used with other parameters before")
        return resource

    def remember(self, scope: str, parameters: Mapping[str, Any], resource: str) -> None:
        """Keep what was made with the request's client token."""
        self._store.remember_token(scope, parameters["clientToken"], parameters, resource)

    def get(self, id: str) -> Application:
        """An application, of any state."""
        application = self._store.application(id)
        if application is None:
            raise ResourceNotFoundException(f"Application {id} does not exist")
        return application

    def owned(self, caller: Caller, id: str) -> Application:
        """An application of the caller's account and region; others are not there for the caller."""
        application = self.get(id)
        if (application.account, application.region) != (caller.account, caller.region):
            raise ResourceNotFoundException(f"Application {id} does not exist")
        return application

    def list(self, caller: Caller, states: Sequence[str] | None) -> Sequence[Application]:
        """The caller's applications in these states, grouped by them; without any, all that are not terminated."""
        place = (caller.account, caller.region)
        found = [one for one in self._store.applications(states or ()) if (one.account, one.region) == place]
        if states:
            return sorted(found, key=lambda one: states.index(one.state))
        return [application for application in found if application.state != "TERMINATED"]

    def update(self, parameters: Mapping[str, Any]) -> Application:
        """Change what an application is configured with; it must not be started."""
        id = parameters["applicationId"]
        scope = f"update {id}"
        with self._store.transaction():
            application = self.get(id)
            try:
                if self.known(scope, parameters):
                    return application
            except ConflictException as error:
                # The model of UpdateApplication has a client token, but no ConflictException.
                raise ValidationException(error.message) from error
            _require(application, ("CREATED", "STOPPED"))
            changes = {
                name: value for name, value in parameters.items() if name not in ("applicationId", "clientToken")
            }
            request = {**application.request, **changes}
            checks.check_application(request)
            ready = self._has(request["releaseLabel"])
            self._store.set_application_request(id, request)
            if not ready:
                self._store.set_application_state(id, "CREATING")
            self.remember(scope, parameters, id)
        if not ready:
            self._install(id, request["releaseLabel"])
        log.info("application %s updated: %s", id, ", ".join(sorted(changes)))
        return self.get(id)

    def start(self, id: str) -> None:
        """Let the application accept jobs; nothing changes when it does already."""
        with self._store.transaction():
            application = self.get(id)
            if application.state in ("STARTED", "STARTING"):
                return
            _require(application, ("CREATED", "STOPPED"))
            self._store.set_application_state(id, "STARTING")
            if not checks.initial_capacity(application.request).get(checks.DRIVER):
                self._store.set_application_state(id, "STARTED")
                log.info("application %s started", id)
                return
        self._workers.start(application, lambda: self._started(id))

    def _started(self, id: str) -> None:
        with self._store.transaction():
            if self.get(id).state == "STARTING":
                self._store.set_application_state(id, "STARTED")
                log.info("application %s started, its workers are ready", id)

    def stop(self, id: str, details: str | None = None) -> None:
        """Stop the application; refused while it has jobs or sessions."""
        with self._store.transaction():
            application = self.get(id)
            if application.state == "STOPPED":
                return
            if application.state != "STARTING":  # its workers are not ready, and are not waited for
                _require(application, ("CREATED", "STARTED"))
            if active := [name for user in self.users for name in user(id)]:
                raise ValidationException(
                    f"Application {id} cannot be stopped while job runs are active: {', '.join(active)}. "
                    "All scheduled and running jobs must be completed or cancelled before stopping an application."
                )
            self._store.set_application_state(id, "STOPPING", details)
        self._workers.stop(id)
        self._store.set_application_state(id, "STOPPED", details)
        log.info("application %s stopped", id)

    def delete(self, id: str) -> None:
        """Terminate the application; it must be stopped before."""
        with self._store.transaction():
            _require(self.get(id), ("CREATED", "STOPPED"))
            self._store.set_application_state(id, "TERMINATED")
        log.info("application %s terminated", id)

    def accept_work(self, id: str) -> Application:
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
            return self.get(id)

    def stop_idle(self, now: float, minute: float) -> None:
        """Stop what was not used for as long as its configuration says; `minute` is how many seconds one has."""
        for application in self._store.applications(["STARTED"]):
            stop = application.request.get("autoStopConfiguration", {})
            if not stop.get("enabled", True):
                continue
            if now - application.active_at < minute * stop.get("idleTimeoutMinutes", _IDLE_MINUTES):
                continue
            if any(user(application.id) for user in self.users):
                self._store.touch_application(application.id)
            else:
                self.stop(application.id, "AUTO_STOPPING: The application was idle for the configured time")

    def recover(self) -> None:
        """End the states in which a killed service left its applications; what was started is started again."""
        for application in self._store.applications():
            if application.state in ("STARTED", "STARTING") and checks.initial_capacity(application.request):
                self._store.set_application_state(application.id, "STOPPED")
                self.start(application.id)
            elif application.state == "CREATING" and not self._has_or_fails(application):
                self._install(application.id, application.request["releaseLabel"])
            elif settled := _SETTLED.get(application.state):
                self._store.set_application_state(application.id, settled)

    def _has_or_fails(self, application: Application) -> bool:
        try:
            return self._has(application.request["releaseLabel"])
        except ValidationException:
            return True  # its jobs will say so

    def _active_job_runs(self, id: str) -> Sequence[str]:
        return self._store.count_job_runs(id, ACTIVE_JOB_RUN_STATES)


def new_id() -> str:
    """An id of the form that EMR Serverless gives."""
    return "00" + "".join(secrets.choice(_ALPHABET) for _ in range(14))


def _require(application: Application, states: tuple[str, ...]) -> None:
    if application.state not in states:
        raise ValidationException(
            f"Application {application.id} must be in one of the following statuses [{', '.join(states)}]. "
            f"Current status: {application.state}"
        )
