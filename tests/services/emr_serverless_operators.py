"""Runs EMR Serverless's operators as a DAG's tasks would: create, start a job, stop and delete, each waited for.

Runs in Airflow's environment: ``emr_serverless_operators.py BUCKET SCRIPT``; prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.providers.amazon.aws.operators.emr import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartJobOperator,
)

ROLE = "arn:aws:iam::000000000000:role/velodrome-emr-runtime"


def main(bucket: str, case: str) -> None:
    """One application, one job."""

    wait: dict[str, Any] = {"aws_conn_id": None, "waiter_delay": 1, "waiter_max_attempts": 180}
    application = EmrServerlessCreateApplicationOperator(
        task_id="create",
        release_label="emr-spark-8.0.0",
        job_type="SPARK",
        config={"name": "operators", "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 5}},
        **wait,
    ).execute({})
    result: dict[str, Any] = {"application": application}
    try:
        result["job"] = EmrServerlessStartJobOperator(
            task_id="run",
            application_id=application,
            execution_role_arn=ROLE,
            job_driver={"sparkSubmit": {"entryPoint": f"s3://{bucket}/{case}.py", "entryPointArguments": ["a"]}},
            configuration_overrides={
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{bucket}/emr-log/"}}
            },
            name="operators",
            wait_for_completion=case != "wait",
            **wait,
        ).execute({})
    except Exception as error:  # what Airflow would show of the failed task
        result["error"] = str(error)
    EmrServerlessDeleteApplicationOperator(
        task_id="delete", application_id=application, force_stop=True, **wait
    ).execute({})
    print("RESULT", json.dumps(result))


main(*sys.argv[1:])
