"""What a job run is going to be: its driver's command line, its workers, its share of the machine, its logs.

Made from the request and the application's configuration alone, when the job is submitted (which refuses what cannot
be) and again when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..spark import parameters
from ..spark.configurations import merge, merge_monitoring
from ..spark.machine import Machine, Share
from ..spark.resources import Workers
from ..spark.spark_submit import Job
from ..spark.workers import workers_of
from ..store import Application

# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StartJobRun.html
_BATCH_TIMEOUT = 720
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-resiliency.html
_FAILURES_PER_HOUR = 5
_HOUR = 3600.0


@dataclass(frozen=True)
class Plan:
    """A job run as it is going to run. `log_uri` is None when nobody wants its logs in S3."""

    job: Job
    workers: Workers
    share: Share
    log_uri: str | None
    managed_logs: bool


def plan(id: str, request: Mapping[str, Any], application: Application, machine: Machine) -> Plan:
    """The plan of a job run. Raises ValidationException for what cannot run."""
    driver = request["jobDriver"]["sparkSubmit"]
    entry_point = driver["entryPoint"]
    parameters.check_entry_point(entry_point)
    overrides = request.get("configurationOverrides", {})
    configurations = merge(
        application.request.get("runtimeConfiguration", []), overrides.get("applicationConfiguration", [])
    )
    submit = parameters.of_job(driver.get("sparkSubmitParameters", ""), configurations)
    job = Job(id, request.get("name", id), entry_point, driver.get("entryPointArguments", []), submit)
    monitoring = merge_monitoring(
        application.request.get("monitoringConfiguration", {}), overrides.get("monitoringConfiguration", {})
    )
    return Plan(
        job=job,
        workers=workers_of(submit.settings),
        share=machine.share(submit.settings),
        log_uri=monitoring.get("s3MonitoringConfiguration", {}).get("logUri"),
        managed_logs=monitoring.get("managedPersistenceMonitoringConfiguration", {}).get("enabled") is not False,
    )


def timeout_minutes(request: Mapping[str, Any]) -> int:
    """After how many minutes a run is cancelled; 0: never."""
    default = 0 if request.get("mode") == "STREAMING" else _BATCH_TIMEOUT
    return int(request.get("executionTimeoutMinutes", default))


def may_retry(request: Mapping[str, Any], attempt: int, failures: list[float], now: float) -> bool:
    """Whether a job run that failed is to run again; `failures` are the times at which attempts of it failed.

    A batch job has a number of attempts, 1 if none is given. A streaming job is always started anew, until too many
    attempts failed within an hour.
    """
    policy = request.get("retryPolicy", {})
    if request.get("mode") == "STREAMING":
        lately = sum(now - moment < _HOUR for moment in failures)
        return lately < int(policy.get("maxFailedAttemptsPerHour", _FAILURES_PER_HOUR))
    return attempt < int(policy.get("maxAttempts", 1))


def has_attempts(request: Mapping[str, Any]) -> bool:
    """Whether a job run may have more than one attempt, each with logs of its own."""
    return request.get("mode") == "STREAMING" or int(request.get("retryPolicy", {}).get("maxAttempts", 1)) > 1
