"""EMR Serverless's operations; each reads its parameters, calls the one method of that name, and builds the reply.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from velodrome.awsapi.caller import Caller

from . import descriptions
from .applications import Applications
from .dashboards.api import DashboardOperations
from .dashboards.dashboards import Dashboards
from .jobs.job_runs import JobRuns
from .pages import created_within, page, place
from .sessions.api import SessionOperations
from .sessions.sessions import Sessions
from .store import JobRun
from .tags import Tags

Parameters = Mapping[str, Any]


class EmrServerless(SessionOperations, DashboardOperations):
    """The handlers, named as boto3 names the operations."""

    def __init__(
        self,
        applications: Applications,
        job_runs: JobRuns,
        sessions: Sessions,
        tags: Tags,
        dashboards: Dashboards,
        account: str,
    ) -> None:
        super().__init__(dashboards, job_runs.shown, sessions.shown)
        self._applications = applications
        self._job_runs = job_runs
        self._sessions = sessions
        self._tags = tags
        self._created_by = f"arn:aws:iam::{account}:user/velodrome"

    def create_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """CreateApplication."""
        application = self._applications.create(parameters)
        arn = self._applications.arn(application.id)
        return {"applicationId": application.id, "name": application.request.get("name"), "arn": arn}

    def get_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetApplication."""
        application = self._applications.get(parameters["applicationId"])
        return {"application": descriptions.application_details(application, self._applications.arn(application.id))}

    def list_applications(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListApplications."""
        states = parameters.get("states")
        applications = self._applications.list(states)
        shown, token = page(applications, parameters, lambda one: place(one, states))
        summaries = [descriptions.application_summary(one, self._applications.arn(one.id)) for one in shown]
        return {"applications": summaries, "nextToken": token}

    def update_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """UpdateApplication."""
        application = self._applications.update(parameters)
        return {"application": descriptions.application_details(application, self._applications.arn(application.id))}

    def start_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StartApplication."""
        self._applications.start(parameters["applicationId"])
        return {}

    def stop_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StopApplication."""
        self._applications.stop(parameters["applicationId"])
        return {}

    def delete_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """DeleteApplication."""
        self._applications.delete(parameters["applicationId"])
        return {}

    def start_job_run(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StartJobRun."""
        run = self._job_runs.start(parameters)
        return {"applicationId": run.application_id, "jobRunId": run.id, "arn": self._job_runs.arn(run)}

    def get_job_run(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetJobRun."""
        application_id, id = parameters["applicationId"], parameters["jobRunId"]
        run = self._job_runs.get(application_id, id, parameters.get("attempt"))
        attempts = [one for one in self._job_runs.attempts(application_id, id) if one.attempt <= run.attempt]
        arn = self._job_runs.arn(run)
        return {"jobRun": descriptions.job_run_details(run, attempts, arn, self._created_by)}

    def list_job_runs(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListJobRuns."""
        states = parameters.get("states")
        found = self._job_runs.list(parameters["applicationId"], states)
        runs = [run for run in found if _wanted(run, parameters)]
        shown, token = page(runs, parameters, lambda run: place(run, states))
        summaries = [descriptions.job_run_summary(run, self._job_runs.arn(run), self._created_by) for run in shown]
        return {"jobRuns": summaries, "nextToken": token}

    def list_job_run_attempts(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListJobRunAttempts."""
        attempts = self._job_runs.attempts(parameters["applicationId"], parameters["jobRunId"])
        shown, token = page(attempts, parameters, lambda run: (-run.attempt,))
        summaries = [descriptions.attempt_summary(run, self._job_runs.arn(run), self._created_by) for run in shown]
        return {"jobRunAttempts": summaries, "nextToken": token}

    def cancel_job_run(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """CancelJobRun."""
        application_id, id = parameters["applicationId"], parameters["jobRunId"]
        self._job_runs.cancel(application_id, id, parameters.get("shutdownGracePeriodInSeconds"))
        return {"applicationId": application_id, "jobRunId": id}

    def list_tags_for_resource(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": self._tags.of(parameters["resourceArn"])}

    def tag_resource(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """TagResource."""
        self._tags.add(parameters["resourceArn"], parameters["tags"])
        return {}

    def untag_resource(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """UntagResource."""
        self._tags.remove(parameters["resourceArn"], parameters["tagKeys"])
        return {}


def _wanted(run: JobRun, parameters: Parameters) -> bool:
    return parameters.get("mode", run.mode) == run.mode and created_within(
        descriptions.moment(run.created_at), parameters
    )
