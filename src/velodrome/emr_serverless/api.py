"""EMR Serverless's operations; each reads its parameters, calls the one method of that name, and builds the reply.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from .applications import Applications
from .job_runs import DEFAULT_TIMEOUT_MINUTES, JobRuns
from .pages import page
from .session_api import SessionOperations
from .sessions import Sessions
from .store import Application, JobRun

Parameters = Mapping[str, Any]
_JOB_TYPE = "SPARK"
# What an application has where its creator said nothing.
_DEFAULTS: dict[str, Any] = {
    "architecture": "X86_64",
    "autoStartConfiguration": {"enabled": True},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
}


class EmrServerless(SessionOperations):
    """The handlers, named as boto3 names the operations."""

    def __init__(
        self, applications: Applications, job_runs: JobRuns, sessions: Sessions, account: str, release: str
    ) -> None:
        self._applications = applications
        self._job_runs = job_runs
        self._sessions = sessions
        self._created_by = f"arn:aws:iam::{account}:user/velodrome"
        self._release = release

    def create_application(self, parameters: Parameters) -> dict[str, Any]:
        """CreateApplication."""
        application = self._applications.create(parameters)
        return {
            "applicationId": application.id,
            "name": application.request.get("name"),
            "arn": self._applications.arn(application.id),
        }

    def get_application(self, parameters: Parameters) -> dict[str, Any]:
        """GetApplication."""
        application = self._applications.get(parameters["applicationId"])
        details = {**_DEFAULTS, **application.request, **self._summary(application)}
        return {"application": {"applicationId": details.pop("id"), **details}}

    def list_applications(self, parameters: Parameters) -> dict[str, Any]:
        """ListApplications."""
        applications = self._applications.list(parameters.get("states"))
        shown, token = page(applications, parameters, lambda one: one.id)
        return {"applications": [self._summary(application) for application in shown], "nextToken": token}

    def start_application(self, parameters: Parameters) -> dict[str, Any]:
        """StartApplication."""
        self._applications.start(parameters["applicationId"])
        return {}

    def stop_application(self, parameters: Parameters) -> dict[str, Any]:
        """StopApplication."""
        self._applications.stop(parameters["applicationId"])
        return {}

    def delete_application(self, parameters: Parameters) -> dict[str, Any]:
        """DeleteApplication."""
        self._applications.delete(parameters["applicationId"])
        return {}

    def start_job_run(self, parameters: Parameters) -> dict[str, Any]:
        """StartJobRun."""
        run = self._job_runs.start(parameters)
        return {"applicationId": run.application_id, "jobRunId": run.id, "arn": self._job_runs.arn(run)}

    def get_job_run(self, parameters: Parameters) -> dict[str, Any]:
        """GetJobRun."""
        run = self._job_runs.get(parameters["applicationId"], parameters["jobRunId"])
        asked = {name: value for name, value in run.request.items() if name != "executionRoleArn"}
        details = {"executionTimeoutMinutes": DEFAULT_TIMEOUT_MINUTES, **asked, **self._job_summary(run)}
        details["jobRunId"] = details.pop("id")
        details.pop("type")
        if run.started_at is not None:
            details["startedAt"] = _moment(run.started_at)
            details["queuedDurationMilliseconds"] = round(1000 * (run.started_at - run.created_at))
            details["totalExecutionDurationSeconds"] = round((run.ended_at or time.time()) - run.started_at)
        if run.ended_at is not None:
            details["endedAt"] = _moment(run.ended_at)
        return {"jobRun": details}

    def list_job_runs(self, parameters: Parameters) -> dict[str, Any]:
        """ListJobRuns."""
        runs = [run for run in self._job_runs.list(parameters["applicationId"]) if _wanted(run, parameters)]
        shown, token = page(runs, parameters, lambda run: run.id)
        return {"jobRuns": [self._job_summary(run) for run in shown], "nextToken": token}

    def cancel_job_run(self, parameters: Parameters) -> dict[str, Any]:
        """CancelJobRun."""
        application_id, id = parameters["applicationId"], parameters["jobRunId"]
        self._job_runs.cancel(application_id, id, parameters.get("shutdownGracePeriodInSeconds"))
        return {"applicationId": application_id, "jobRunId": id}

    def _summary(self, application: Application) -> dict[str, Any]:
        return {
            "id": application.id,
            "name": application.request.get("name"),
            "arn": self._applications.arn(application.id),
            "releaseLabel": application.request["releaseLabel"],
            "type": "Spark",
            "state": application.state,
            "stateDetails": application.state_details,
            "createdAt": _moment(application.created_at),
            "updatedAt": _moment(application.updated_at),
            "architecture": application.request.get("architecture", _DEFAULTS["architecture"]),
        }

    def _job_summary(self, run: JobRun) -> dict[str, Any]:
        return {
            "applicationId": run.application_id,
            "id": run.id,
            "name": run.request.get("name"),
            "mode": "BATCH",
            "arn": self._job_runs.arn(run),
            "createdBy": self._created_by,
            "createdAt": _moment(run.created_at),
            "updatedAt": _moment(run.updated_at),
            "executionRole": run.request["executionRoleArn"],
            "state": run.state,
            "stateDetails": run.state_details,
            "releaseLabel": self._release,
            "type": _JOB_TYPE,
            "attempt": 1,
            "attemptCreatedAt": _moment(run.created_at),
            "attemptUpdatedAt": _moment(run.updated_at),
        }


def _wanted(run: JobRun, parameters: Parameters) -> bool:
    created = _moment(run.created_at)
    states = parameters.get("states")
    return (
        (not states or run.state in states)
        and ("createdAtAfter" not in parameters or created >= parameters["createdAtAfter"])
        and ("createdAtBefore" not in parameters or created <= parameters["createdAtBefore"])
        and parameters.get("mode", "BATCH") == "BATCH"
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
