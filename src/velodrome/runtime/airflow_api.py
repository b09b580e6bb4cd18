"""Airflow's REST API as far as the console needs it: trigger a DAG, follow its run.

https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx

from velodrome.settings import Settings

SETUP_DAG = "bike_store_setup"
PIPELINE_DAG = "bike_store_pipeline"
ENDED = ("success", "failed")


class AirflowError(RuntimeError):
    """Airflow refused a request, or a DAG run failed; the message says which task and where its log is."""


class Airflow:
    """A logged-in session with Airflow's API. Use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings["AIRFLOW_URL"]
        self.token = ""  # what the session is known by, once logged in
        self._login = {"username": settings["AIRFLOW_USER"], "password": settings["AIRFLOW_PASSWORD"]}
        # A server that is being restarted refuses connections for some seconds; retries back off up to 30 s in all.
        transport = httpx.HTTPTransport(retries=6)
        self._client = httpx.Client(base_url=self.url, timeout=30, transport=transport)

    def __enter__(self) -> Airflow:
        answer = self._client.post("/auth/token", json=self._login)
        if answer.status_code >= 300:
            raise AirflowError(f"Airflow does not log {self._login['username']} in: {answer.text}")
        self.token = str(answer.json()["access_token"])
        self._client.headers["Authorization"] = f"Bearer {self.token}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._client.request(method, f"/api/v2{path}", **arguments)
        if answer.status_code >= 300:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def dags(self) -> set[str]:
        """The ids of the DAGs that the DAG processor has found."""
        return {dag["dag_id"] for dag in self._call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """What the DAG processor could not import, with Python's own message."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def succeeded(self, dag: str) -> bool:
        """Whether some run of this DAG has succeeded."""
        runs = self._call("GET", f"/dags/{dag}/dagRuns", params={"state": "success", "limit": 1})
        return bool(runs["dag_runs"])

    def running_dags(self) -> list[str]:
        """The ids of the DAGs of which a run is going on."""
        runs = self._call("GET", "/dags/~/dagRuns", params={"state": "running", "limit": 100})
        return sorted({run["dag_id"] for run in runs["dag_runs"]})

    def unpause(self, dag: str) -> None:
        """Let a DAG's runs start."""
        self._call("PATCH", f"/dags/{dag}", json={"is_paused": False})

    def trigger(self, dag: str) -> str:
        """Start a run; returns its id."""
        return str(self._call("POST", f"/dags/{dag}/dagRuns", json={"logical_date": None})["dag_run_id"])

    def newest_run(self, dag: str) -> str:
        """The id of the run that was started last."""
        runs = self._call("GET", f"/dags/{dag}/dagRuns", params={"order_by": "-run_after", "limit": 1})
        return str(runs["dag_runs"][0]["dag_run_id"])

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        return list(
            self._call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances", params={"limit": 100})["task_instances"]
        )

    def run_state(self, dag: str, run: str) -> str:
        """queued, running, success or failed."""
        return str(self._call("GET", f"/dags/{dag}/dagRuns/{run}")["state"])

    def follow(
        self, dag: str, run: str, report: Callable[[str], None], timeout: float = 1800, interval: float = 0.3
    ) -> None:
        """Wait until a run has ended, telling `report` what runs; raises AirflowError that names the tasks that
        failed."""
        deadline = time.monotonic() + timeout
        told = ""
        while (state := self.run_state(dag, run)) not in ENDED:
            if time.monotonic() > deadline:
                raise AirflowError(f"{dag} has not ended after {timeout:.0f} s: {self.run_url(dag, run)}")
            active = sorted(
                task["task_id"] for task in self.tasks(dag, run) if task["state"] in ("running", "up_for_retry")
            )
            if active and (text := ", ".join(active)) != told:
                report(told := text)
            time.sleep(interval)
        if state == "failed":
            failed = [task["task_id"] for task in self.tasks(dag, run) if task["state"] == "failed"]
            why = "\n".join(f"{task}: {self._why(dag, run, task)}" for task in failed)
            raise AirflowError(f"{dag} failed in {', '.join(failed)}; see {self.run_url(dag, run)}\n{why}")

    def _why(self, dag: str, run: str, task: str) -> str:
        try:
            return self.last_log_lines(dag, run, task)
        except AirflowError as error:  # its logs lie in S3, which may be what failed
            return f"its log cannot be read ({error})"

    def last_log_lines(self, dag: str, run: str, task: str, count: int = 5) -> str:
        """The last error lines of a task's newest try."""
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}"
        number = self._call("GET", path)["try_number"]
        content = self._call("GET", f"{path}/logs/{number}", headers={"Accept": "application/json"})["content"]
        lines: list[str] = []
        for entry in content:
            if isinstance(entry, dict) and entry.get("level") in ("error", "critical"):
                detail = entry.get("error_detail") or []
                lines.append(str(entry.get("event", "")))
                lines += [f"{cause.get('exc_type')}: {cause.get('exc_value')}" for cause in detail]
        return "\n  ".join(line for line in lines[-count:] if line) or "no error in its log"

    def run_url(self, dag: str, run: str) -> str:
        """The page of a run in Airflow's UI."""
        return f"{self.url}/dags/{dag}/runs/{run}"
