"""Runs EMR Serverless's operators, sensors and waiters as a DAG's tasks would: one application from create to delete.

Runs in an environment with Airflow: ``emr_serverless_operators.py BUCKET wait|defer``; prints, as JSON, what came of
each task: what it returned, the error that Airflow would show of it, the names of the methods that it deferred to.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

from airflow.models.trigger import Trigger
from airflow.providers.amazon.aws.hooks.emr import EmrServerlessHook
from airflow.providers.amazon.aws.links.emr import get_serverless_dashboard_url
from airflow.providers.amazon.aws.operators.emr import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessGetSessionEndpointOperator,
    EmrServerlessStartJobOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessStopApplicationOperator,
    EmrServerlessStopSessionOperator,
)
from airflow.providers.amazon.aws.sensors.emr import EmrServerlessApplicationSensor, EmrServerlessJobSensor
from airflow.sdk.exceptions import TaskDeferred

ROLE = "arn:aws:iam::000000000000:role/velodrome-emr-runtime"
WAIT: dict[str, Any] = {"aws_conn_id": None, "waiter_delay": 1, "waiter_max_attempts": 180}
POKE: dict[str, Any] = {"aws_conn_id": None, "poke_interval": 1, "timeout": 180}


async def fired(trigger: Any) -> Any:
    """The payload of the trigger's first event."""
    async for event in trigger.run():
        return event.payload
    raise RuntimeError(f"{trigger} ended without an event")


class Tasks:
    """Runs tasks, waiting in the task or deferring; keeps what came of each."""

    def __init__(self, bucket: str, deferrable: bool) -> None:
        self._bucket = bucket
        self._deferrable = {"deferrable": True} if deferrable else {}
        self.results: dict[str, dict[str, Any]] = {}

    def run(self, task: str, operator: Callable[..., Any], /, **given: Any) -> Any:
        """What the task returns; None if it failed."""
        result: dict[str, Any] = {"deferred": []}
        self.results[task] = result
        step: Callable[[Any], Any] = lambda operator: operator.execute({})  # noqa: E731
        while "returned" not in result and "error" not in result:
            try:
                # In Airflow a resumed task is a new process: whatever the operator kept in itself is gone.
                result["returned"] = step(operator(task_id=task.replace(" ", "-"), **given))
            except TaskDeferred as deferred:
                result["deferred"].append(deferred.method_name)
                step = self._resumed(deferred)
            except Exception as error:  # what Airflow would show of the failed task
                result["error"] = f"{type(error).__name__}: {error}"
        return result.get("returned")

    @staticmethod
    def _resumed(deferred: TaskDeferred) -> Callable[[Any], Any]:
        path, arguments = deferred.trigger.serialize()
        # As the metadata database would give them back.
        arguments = Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(arguments))
        module, _, name = path.rpartition(".")
        event = asyncio.run(fired(getattr(importlib.import_module(module), name)(**arguments)))
        return lambda operator: operator.resume_execution(
            deferred.method_name, {**(deferred.kwargs or {}), "event": event}, {}
        )

    def start(self, task: str, application: str, script: str, /, **given: Any) -> str | None:
        """Run a job."""
        logs = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{self._bucket}/emr-log/"}}}
        entry_point = f"s3://{self._bucket}/{script}.py"
        job: str | None = self.run(
            task,
            EmrServerlessStartJobOperator,
            application_id=application,
            execution_role_arn=ROLE,
            job_driver={"sparkSubmit": {"entryPoint": entry_point, "entryPointArguments": ["a"]}},
            configuration_overrides=logs,
            **(WAIT | self._deferrable | given),
        )
        return job

    def sense(self, name: str, application: str, job: str | None, **given: Any) -> None:
        """Wait for a job."""
        options = POKE | self._deferrable | given
        self.run(name, EmrServerlessJobSensor, application_id=application, job_run_id=job, **options)

    def all(self) -> None:
        """An application's life."""
        wait = WAIT | self._deferrable
        application = self.run(
            "create",
            EmrServerlessCreateApplicationOperator,
            release_label="emr-spark-8.0.0",
            job_type="SPARK",
            config={"name": "operators", "interactiveConfiguration": {"sessionEnabled": True}},
            **wait,
        )
        one = {"application_id": application}
        self.run("application", EmrServerlessApplicationSensor, target_states={"STARTED"}, **one, **POKE)
        self.start("succeed", application, "succeed", name="succeed")
        self.start("fail", application, "fail", config={"tags": {"of": "a failure"}})
        endless = self.start("endless", application, "wait", wait_for_completion=False)
        self.sense("running", application, endless, target_states={"RUNNING"})
        self.run("stop while a job runs", EmrServerlessStopApplicationOperator, **one, **wait)
        self.run("stop", EmrServerlessStopApplicationOperator, force_stop=True, **one, **wait)
        self.sense("cancelled", application, endless)
        self.run("stopped", EmrServerlessApplicationSensor, **one, **POKE)
        self.session(application)
        again = self.start("start again", application, "succeed", wait_for_completion=False)
        self.sense("again", application, again)
        self.run("delete", EmrServerlessDeleteApplicationOperator, force_stop=True, **one, **wait)

    def session(self, application: str) -> None:
        """A session's life; it starts the application."""
        wait = WAIT | self._deferrable
        role = {"execution_role_arn": ROLE, "name": "session", "idle_timeout_minutes": 5}
        session = self.run("session", EmrServerlessStartSessionOperator, application_id=application, **role, **wait)
        self.run("endpoint", EmrServerlessGetSessionEndpointOperator, aws_conn_id=None, **session)
        self.run("stop session", EmrServerlessStopSessionOperator, **session, **wait)

    def waiters(self) -> None:
        """The waiters that the provider ships, by themselves."""
        hook = EmrServerlessHook(aws_conn_id=None)
        made = hook.conn.create_application(releaseLabel="emr-spark-8.0.0", type="SPARK", name="waiters")
        application: dict[str, Any] = {"applicationId": made["applicationId"]}
        job = {"jobRunId": self.results["succeed"]["returned"], "applicationId": self.results["create"]["returned"]}

        def wait(name: str, **given: Any) -> None:
            hook.get_waiter(name).wait(WaiterConfig={"Delay": 1, "MaxAttempts": 30}, **given)
            waited.append(name)

        waited: list[str] = []
        wait("serverless_app_created", **application)
        hook.conn.start_application(**application)
        wait("serverless_app_started", **application)
        wait("no_job_running", states=["RUNNING"], **application)
        hook.conn.stop_application(**application)
        wait("serverless_app_stopped", **application)
        hook.conn.delete_application(**application)
        wait("serverless_app_terminated", **application)
        wait("serverless_app_deleted", **application)
        wait("serverless_job_completed", **job)
        session = self.results["session"]["returned"]
        wait("serverless_session_terminated", applicationId=job["applicationId"], sessionId=session["session_id"])
        self.results["waiters"] = {"returned": waited}
        link = {"application_id": job["applicationId"], "job_run_id": job["jobRunId"]}
        url = get_serverless_dashboard_url(emr_serverless_client=hook.conn, **link)
        self.results["dashboard"] = {"returned": url.geturl() if url else None}


def main(bucket: str, mode: str) -> None:
    """Everything, in one process: Airflow takes its time to start."""
    tasks = Tasks(bucket, mode == "defer")
    tasks.all()
    tasks.waiters()
    print("RESULT", json.dumps(tasks.results, default=str))


main(*sys.argv[1:])
