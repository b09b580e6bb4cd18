"""Runs awswrangler's emr_serverless module: creates an application and runs jobs; prints what came of it as JSON.

Runs in the environment of clients, with the profile alone: ``emr_serverless_wrangler.py ROLE SUCCEEDS FAILS``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import awswrangler.emr_serverless as emr
from awswrangler.exceptions import EMRServerlessJobError
from botocore.exceptions import ClientError

DELAY = {"emr_serverless_job_wait_polling_delay": 0.5}


def error_of(call: Any, **given: Any) -> str:
    """The error that a call raises."""
    try:
        call(**given)
    except (ClientError, EMRServerlessJobError) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def main(role: str, succeeds: str, fails: str) -> None:
    """One application; a job that is waited for, one that is waited for later, and what is refused."""
    application = emr.create_application(
        name="wrangler",
        release_label="emr-spark-8.0.0",
        maximum_capacity={"cpu": "16 vCPU", "memory": "64 GB"},
        tags={"of": "wrangler"},
        idle_timeout=5,
    )
    job: dict[str, Any] = {"application_id": application, "execution_role_arn": role}
    waited = emr.run_job(
        job_driver_args={"entryPoint": succeeds, "entryPointArguments": ["a", "b"]},
        name="waited",
        execution_timeout=30,
        tags={"of": "a job"},
        **job,
        **DELAY,
    )
    later = emr.run_job(job_driver_args={"entryPoint": fails}, wait=False, **job)
    hive = {"query": "s3://nowhere/query.sql"}
    result = {
        "application": application,
        "waited": waited["jobRun"],
        "later": later,
        "failed": error_of(emr.wait_job, application_id=application, job_run_id=later, **DELAY),
        "hive": error_of(emr.run_job, job_driver_args=hive, job_type="Hive", **job),
        "hive application": error_of(
            emr.create_application, name="hive", release_label="emr-spark-8.0.0", application_type="Hive"
        ),
        "none": error_of(emr.wait_job, application_id=application, job_run_id="00none"),
    }
    print("RESULT", json.dumps(result, default=str))


main(*sys.argv[1:])
