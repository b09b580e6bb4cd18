"""GetDashboardForJobRun and GetResourceDashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from velodrome.awsapi.caller import Caller

from ..errors import ValidationException
from .dashboards import Dashboards
from .resources import Resource

_NOT_YET = ("SUBMITTED", "PENDING", "QUEUED", "SCHEDULED", "STARTING")
_ENDED = ("SUCCESS", "FAILED", "CANCELLED", "TERMINATED")


@dataclass(frozen=True)
class Shown:
    """A job run's attempt or a session, as far as its dashboard depends on it; `persisted` is its monitoring
    configuration's managedPersistenceMonitoringConfiguration.enabled, true by default."""

    resource: Resource
    state: str
    persisted: bool = True


class DashboardOperations:
    """The handlers of both operations, for a class of handlers to inherit."""

    def __init__(
        self,
        dashboards: Dashboards,
        job_run: Callable[[str, str, int | None], Shown],
        session: Callable[[str, str], Shown],
        owned: Callable[[Caller, str], object],
    ) -> None:
        """`job_run` finds an attempt by application, job run and number (None: the latest), `session` a session; both
        raise ResourceNotFoundException, and `owned` does for an application that is not the caller's."""
        self._dashboards = dashboards
        self._shown_job_run = job_run
        self._shown_session = session
        self._owned = owned

    def get_dashboard_for_job_run(self, caller: Caller, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """GetDashboardForJobRun. `accessSystemProfileLogs` changes nothing: it is for Lake Formation's jobs."""
        self._owned(caller, parameters["applicationId"])
        shown = self._shown_job_run(parameters["applicationId"], parameters["jobRunId"], parameters.get("attempt"))
        if shown.state in _NOT_YET:
            # AWS's words, as quoted in https://github.com/dagster-io/dagster/issues/26933
            raise ValidationException(f"Dashboard cannot be served for job in {shown.state} state")
        if shown.state in _ENDED and not shown.persisted:
            # https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html: without managed storage,
            # there is no application UI.
            raise ValidationException(
                f"Dashboard cannot be served for job in {shown.state} state: "
                "managedPersistenceMonitoringConfiguration is disabled"
            )
        return {"url": self._dashboards.url(shown.resource)}

    def get_resource_dashboard(self, caller: Caller, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """GetResourceDashboard; the model says that a URL which is not available is left out of the reply."""
        self._owned(caller, parameters["applicationId"])
        shown = self._shown_session(parameters["applicationId"], parameters["resourceId"])
        if shown.state in _NOT_YET or (shown.state in _ENDED and not shown.persisted):
            return {}
        return {"url": self._dashboards.url(shown.resource)}
