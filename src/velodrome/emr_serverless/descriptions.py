"""Applications and job runs as the API's structures describe them."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Mapping
from typing import Any

from .jobs import plans, utilization
from .spark.resources import Workers
from .store import ENDED, Application, JobRun

# What an application has where its creator said nothing.
_DEFAULTS: dict[str, Any] = {
    "architecture": "X86_64",
    "autoStartConfiguration": {"enabled": True},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
}
_SCHEDULER = {"queueTimeoutMinutes": 360, "maxConcurrentRuns": 15}


def application_summary(application: Application, arn: str) -> dict[str, Any]:
    """An ApplicationSummary."""
    return {
        "id": application.id,
        "name": application.request.get("name"),
        "arn": arn,
        "releaseLabel": application.request["releaseLabel"],
        "type": "Spark",
        "state": application.state,
        # Empty where there is nothing to say: Airflow's sensor reads it of every application that it finds stopped.
        "stateDetails": application.state_details or "",
        "createdAt": moment(application.created_at),
        "updatedAt": moment(application.updated_at),
        "architecture": application.request.get("architecture", _DEFAULTS["architecture"]),
    }


def application_details(application: Application, arn: str) -> dict[str, Any]:
    """An Application."""
    details = {**_DEFAULTS, **application.request, **application_summary(application, arn), "tags": application.tags}
    if "schedulerConfiguration" in details:
        details["schedulerConfiguration"] = {**_SCHEDULER, **details["schedulerConfiguration"]}
    # Without an image of its own there is none to describe.
    if not details.get("imageConfiguration", {}).get("imageUri"):
        details.pop("imageConfiguration", None)
    if "workerTypeSpecifications" in details:
        details["workerTypeSpecifications"] = {kind: {} for kind in details["workerTypeSpecifications"]}
    return {"applicationId": details.pop("id"), **details}


def job_run_summary(run: JobRun, arn: str) -> dict[str, Any]:
    """A JobRunSummary."""
    return {
        "applicationId": run.application_id,
        "id": run.id,
        "name": run.request.get("name"),
        "mode": run.mode,
        "arn": arn,
        "createdBy": created_by(run.request, arn),
        "createdAt": moment(run.created_at),
        "updatedAt": moment(run.updated_at),
        "executionRole": run.request["executionRoleArn"],
        "state": run.state,
        "stateDetails": run.state_details,
        "releaseLabel": run.request["releaseLabel"],
        "type": "SPARK",
        "attempt": run.attempt,
        "attemptCreatedAt": moment(run.attempt_created_at),
        "attemptUpdatedAt": moment(run.updated_at),
        "flexExecution": run.request.get("flexExecution"),
    }


def attempt_summary(run: JobRun, arn: str) -> dict[str, Any]:
    """A JobRunAttemptSummary."""
    summary = job_run_summary(run, arn)
    del summary["attemptUpdatedAt"]
    return summary | {"jobCreatedAt": summary["createdAt"], "createdAt": summary.pop("attemptCreatedAt")}


def job_run_details(run: JobRun, attempts: list[JobRun], arn: str) -> dict[str, Any]:
    """A JobRun; `attempts` are those up to the described one, which is among them."""
    asked = {name: value for name, value in run.request.items() if name != "executionRoleArn"}
    details = {**asked, **job_run_summary(run, arn), "tags": run.tags}
    details["executionTimeoutMinutes"] = plans.timeout_minutes(run.request)
    details["jobRunId"] = details.pop("id")
    del details["type"]
    if run.queued_at is not None:
        queued = (run.started_at or run.ended_at or time.time()) - run.queued_at
        details["queuedDurationMilliseconds"] = round(1000 * queued)
    if run.started_at is not None:
        details["startedAt"] = moment(run.started_at)
    if run.ended_at is not None:
        details["endedAt"] = moment(run.ended_at)
    if run.state in ENDED:
        details |= _used(attempts)
    return details


def _used(attempts: list[JobRun]) -> dict[str, Any]:
    """How long the driver ran in all attempts, and with what."""
    ran = [
        (Workers.of(one.workers), one.ended_at - one.started_at)
        for one in attempts
        if one.workers is not None and one.started_at is not None and one.ended_at is not None
    ]
    used: dict[str, Any] = {"totalExecutionDurationSeconds": sum(math.ceil(seconds) for _, seconds in ran)}
    if ran:
        used["totalResourceUtilization"] = utilization.added(*(utilization.total(*one) for one in ran))
        used["billedResourceUtilization"] = utilization.added(*(utilization.billed(*one) for one in ran))
    return used


def created_by(request: Mapping[str, Any], arn: str) -> str:
    """Who submitted what has this ARN. An earlier version did not keep it, and knew but one user of an account."""
    return str(request.get("createdBy", f"arn:aws:iam::{arn.split(':')[4]}:user/velodrome"))


def moment(seconds: float) -> datetime.datetime:
    """A time of the store as the API's timestamps have it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
