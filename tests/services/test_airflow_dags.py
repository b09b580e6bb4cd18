"""The two DAGs as Airflow itself reads them: their graph, and the SQL that their operators would run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from velodrome.runtime import install
from velodrome.runtime.install import bin_folder
from velodrome.runtime.services import SERVICES
from velodrome.settings import generate_secrets, load, service_environ

ROOT = Path(__file__).parents[2]

# Runs in Airflow's own installation: renders every SQL task for one window and splits it as the operator would.
READER = r"""
import json, os, runpy, sys

project = sys.argv[1]
os.environ.update(runpy.run_path(f"{project}/airflow/environment.py")["environment"](os.environ))

from airflow.dag_processing.dagbag import DagBag
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk import Variable

dags = f"{project}/airflow/dags"
sys.path.append(dags)
bag = DagBag(dags, bundle_path=dags, bundle_name="dags-folder")
class Values:
    def __getattr__(self, name): return Variable.get(name)
class Objects:
    def __getattr__(self, name): return Variable.get(name, deserialize_json=True)
class Task:
    def xcom_pull(self, task_ids):
        return {"window.watermark": [[7]], "window.bounds": [[7, 9, 1]], "transform.create_application": "x"}[task_ids]

found = {"errors": bag.import_errors, "dags": {}}
for dag in bag.dags.values():
    tasks = found["dags"][dag.dag_id] = {}
    for task in dag.tasks:
        one = tasks[task.task_id] = {
            "kind": type(task).__name__,
            "after": sorted(task.upstream_task_ids),
            "teardown": task.is_teardown,
            "retries": task.retries,
        }
        context = {"ti": Task(), "var": {"value": Values(), "json": Objects()}, "run_id": "manual'1"}
        context["params"] = task.params
        if "sql" in task.template_fields:
            task.resolve_template_files()
            sql = task.render_template(task.sql, context, dag.get_template_env())
            if isinstance(sql, str):
                sql = DbApiHook.split_sql_string(sql) if task.split_statements else [sql]
            one["sql"] = sql
            one["connection"] = task.conn_id
        if hasattr(task, "job_driver"):
            one["job"] = task.render_template(task.job_driver, context, dag.get_template_env())
        if hasattr(task, "release_label"):
            native = task.get_template_env(dag)
            one["config"] = task.render_template(task.config, context, native)
            one["release"] = task.render_template(task.release_label, context, native)
print("\n" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    settings = load()
    install.ensure("airflow", settings, print)
    values = service_environ(generate_secrets(load({"VELODROME_HOME": str(home)}, ROOT)))
    values["AIRFLOW_DATABASE_URL"] = f"sqlite:///{home}/airflow.db"
    values["PATH"] = f"{bin_folder(SERVICES['airflow-init'], settings)}:{values['PATH']}"
    read = subprocess.run(["python", "-P", "-c", READER, str(ROOT)], env=values, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    found: dict[str, Any] = json.loads(read.stdout.splitlines()[-1])
    return found


def test_airflow_imports_them(dags: dict[str, Any]) -> None:
    assert dags["errors"] == {}
    assert set(dags["dags"]) == {"bike_store_setup", "bike_store_pipeline"}


def test_setup_graph(dags: dict[str, Any]) -> None:
    assert {name: task["after"] for name, task in dags["dags"]["bike_store_setup"].items()} == {
        "prepare": [],
        "create_source_tables": ["prepare"],
        "import": ["create_source_tables"],
        "triggers_and_rules": ["import"],
        "create_warehouse": [],
    }


def test_pipeline_graph(dags: dict[str, Any]) -> None:
    copies = [f"load.copy_{table}" for table in ("customers", "date", "products", "sales", "staffs", "stores")]
    assert {name: task["after"] for name, task in dags["dags"]["bike_store_pipeline"].items()} == {
        "window.watermark": [],
        "window.bounds": ["window.watermark"],
        "window.any_changes": ["window.bounds"],
        "extract.export_to_s3": ["window.any_changes"],
        "transform.create_application": ["extract.export_to_s3"],
        "transform.run_job": ["transform.create_application"],
        "transform.delete_application": ["transform.create_application", "transform.run_job"],
        **{copy: ["transform.run_job"] for copy in copies},
        "load.serving": copies,
        "load.clear_staging": ["load.serving"],
    }
    teardowns = [name for name, task in dags["dags"]["bike_store_pipeline"].items() if task["teardown"]]
    assert teardowns == ["transform.delete_application"]


def test_every_database_task_uses_a_connection_of_the_profile(dags: dict[str, Any]) -> None:
    tasks = {**dags["dags"]["bike_store_setup"], **dags["dags"]["bike_store_pipeline"]}
    assert {task["connection"] for task in tasks.values() if "sql" in task} == {"rds_conn", "redshift_conn"}


def test_export_is_one_snapshot(dags: dict[str, Any]) -> None:
    first, *rest = dags["dags"]["bike_store_pipeline"]["extract.export_to_s3"]["sql"]
    assert first == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    assert len(rest) == 5
    for statement in rest:
        assert "/00000000000000000007-00000000000000000009/" in statement
        assert "changed_in >= '7'" in statement


def test_warehouse_statements_are_split_whole(dags: dict[str, Any]) -> None:
    """Redshift's driver takes one statement at a time; a procedure's body must stay in one piece."""
    for sql in (
        dags["dags"]["bike_store_setup"]["create_warehouse"]["sql"],
        dags["dags"]["bike_store_pipeline"]["load.serving"]["sql"],
        dags["dags"]["bike_store_pipeline"]["load.copy_sales"]["sql"],
        dags["dags"]["bike_store_pipeline"]["load.clear_staging"]["sql"],
    ):
        for statement in sql:
            first = statement.split()[0].upper()
            known = (
                "ALTER",
                "ANALYZE",
                "CALL",
                "COMMENT",
                "COPY",
                "CREATE",
                "DELETE",
                "DROP",
                "INSERT",
                "LOCK",
                "UPDATE",
                "WITH",
            )
            assert first in known, statement
            assert statement.count("$$") % 2 == 0, statement
    copy = dags["dags"]["bike_store_pipeline"]["load.copy_sales"]["sql"]
    assert len(copy) == 2
    assert "/staging/00000000000000000007-00000000000000000009/stg_sales/'" in copy[1]
    assert "'manual''1'" in dags["dags"]["bike_store_pipeline"]["load.serving"]["sql"][-1]


def test_job_gets_the_agreed_arguments(dags: dict[str, Any]) -> None:
    submit = dags["dags"]["bike_store_pipeline"]["transform.run_job"]["job"]["sparkSubmit"]
    settings = load({}, ROOT)
    assert submit["entryPoint"] == f"s3://{settings['SOURCE_BUCKET']}/script/spark_job.py"
    assert submit["entryPointArguments"] == [
        "--raw",
        f"s3://{settings['RAW_BUCKET']}",
        "--processed",
        f"s3://{settings['PROCESSED_BUCKET']}",
        "--window",
        "00000000000000000007-00000000000000000009",
        "--run-id",
        "manual'1",
        "--time-zone",
        "UTC",
    ]


def test_application_gets_its_capacity_as_an_object(dags: dict[str, Any]) -> None:
    task = dags["dags"]["bike_store_pipeline"]["transform.create_application"]
    settings = load({}, ROOT)
    assert task["config"]["maximumCapacity"] == json.loads(settings["EMR_MAXIMUM_CAPACITY"])
    assert task["release"] == settings["EMR_RELEASE_LABEL"]
