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
from .errors import ResourceNotFoundException, ValidationException
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
    ) -> None:
        super().__init__(dashboards, job_runs.shown, sessions.shown, applications.owned)
        self._applications = applications
        self._job_runs = job_runs
        self._sessions = sessions
        self._tags = tags

    def create_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """CreateApplication."""
        application = self._applications.create(caller, parameters)
        arn = application.arn
        return {"applicationId": application.id, "name": application.request.get("name"), "arn": arn}

    def get_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetApplication."""
        application = self._applications.owned(caller, parameters["applicationId"])
        return {"application": descriptions.application_details(application, application.arn)}

    def list_applications(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListApplications."""
        states = parameters.get("states")
        applications = self._applications.list(caller, states)
        shown, token = page(applications, parameters, lambda one: place(one, states))
        summaries = [descriptions.application_summary(one, one.arn) for one in shown]
        return {"applications": summaries, "nextToken": token}

    def update_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """UpdateApplication."""
        self._applications.owned(caller, parameters["applicationId"])
        application = self._applications.update(parameters)
        return {"application": descriptions.application_details(application, application.arn)}

    def start_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StartApplication."""
        self._applications.owned(caller, parameters["applicationId"])
        self._applications.start(parameters["applicationId"])
        return {}

    def stop_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StopApplication."""
        self._applications.owned(caller, parameters["applicationId"])
        self._applications.stop(parameters["applicationId"])
        return {}

    def delete_application(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """DeleteApplication."""
        self._applications.owned(caller, parameters["applicationId"])
        self._applications.delete(parameters["applicationId"])
        return {}

    def start_job_run(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """StartJobRun."""
        self._applications.owned(caller, parameters["applicationId"])
        run = self._job_runs.start(caller, parameters)
        return {"applicationId": run.application_id, "jobRunId": run.id, "arn": self._job_runs.arn(run)}

    def get_job_run(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetJobRun."""
        self._applications.owned(caller, parameters["applicationId"])
        application_id, id = parameters["applicationId"], parameters["jobRunId"]
        run = self._job_runs.get(application_id, id, parameters.get("attempt"))
        attempts = [one for one in self._job_runs.attempts(application_id, id) if one.attempt <= run.attempt]
        arn = self._job_runs.arn(run)
        return {"jobRun": descriptions.job_run_details(run, attempts, arn)}

    def list_job_runs(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListJobRuns."""
        try:
            self._applications.owned(caller, parameters["applicationId"])
        except ResourceNotFoundException as error:
            # ListJobRuns is the one operation whose model has no ResourceNotFoundException.
            raise ValidationException(error.message) from error
        states = parameters.get("states")
        found = self._job_runs.list(parameters["applicationId"], states)
        runs = [run for run in found if _wanted(run, parameters)]
        shown, token = page(runs, parameters, lambda run: place(run, states))
        summaries = [descriptions.job_run_summary(run, self._job_runs.arn(run)) for run in shown]
        return {"jobRuns": summaries, "nextToken": token}

    def list_job_run_attempts(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListJobRunAttempts."""
        self._applications.owned(caller, parameters["applicationId"])
        attempts = self._job_runs.attempts(parameters["applicationId"], parameters["jobRunId"])
        shown, token = page(attempts, parameters, lambda run: (-run.attempt,))
        summaries = [descriptions.attempt_summary(run, self._job_runs.arn(run)) for run in shown]
        return {"jobRunAttempts": summaries, "nextToken": token}

    def cancel_job_run(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """CancelJobRun."""
        self._applications.owned(caller, parameters["applicationId"])
        application_id, id = parameters["applicationId"], parameters["jobRunId"]
        self._job_runs.cancel(application_id, id, parameters.get("shutdownGracePeriodInSeconds"))
        return {"applicationId": application_id, "jobRunId": id}

    def list_tags_for_resource(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": self._tags.of(caller, parameters["resourceArn"])}

    def tag_resource(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """TagResource."""
        self._tags.add(caller, parameters["resourceArn"], parameters["tags"])
        return {}

    def untag_resource(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """UntagResource."""
        self._tags.remove(caller, parameters["resourceArn"], parameters["tagKeys"])
        return {}


def _wanted(run: JobRun, parameters: Parameters) -> bool:
    return parameters.get("mode", run.mode) == run.mode and created_within(
        descriptions.moment(run.created_at), parameters
    )
