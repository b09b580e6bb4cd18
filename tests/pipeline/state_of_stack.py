"""All state of a copy that a backup must keep, read through the services' interfaces, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import psycopg
import pytest
from copy_of_stack import Copy
from psycopg import sql

from velodrome.runtime.summary import client_environ, database_url
from velodrome.settings import Settings

BUCKETS = ("SOURCE_BUCKET", "RAW_BUCKET", "PROCESSED_BUCKET", "LOG_BUCKET")
State = dict[str, Any]


def snapshot(copy: Copy) -> State:
    """One dict per kind of state, each from a name to plain values; a copy that is restored from another's backup has
    the same, value for value."""
    settings = copy.settings
    s3, emr = _clients(settings)
    objects = {settings[name]: _objects(s3, settings[name]) for name in BUCKETS}
    return {
        "source": _tables(database_url(settings, "SOURCE"), ("store",)),
        "warehouse": _tables(database_url(settings, "REDSHIFT"), ("staging", "serving")),
        "s3": {f"{bucket}/{key}": value for bucket, found in objects.items() for key, value in found.items()},
        "buckets": {bucket: len(found) for bucket, found in objects.items()},
        "emr": _job_runs(emr),
        "airflow": _dag_runs(settings),
    }


def differences(before: State, after: State, limit: int = 5) -> list[str]:
    """What is not the same in two snapshots, so many of each kind; empty if all is."""
    shown = []
    for kind in sorted(before.keys() | after.keys()):
        one, other = before.get(kind, {}), after.get(kind, {})
        names = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
        shown += [f"{kind} {name}: {_shown(one.get(name))} → {_shown(other.get(name))}" for name in names[:limit]]
        shown += [f"{kind}: {len(names) - limit} more"] if len(names) > limit else []
    return shown


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} rows, the first {str(value[:1])[:200]}"
    return str(value)[:300]


def _tables(url: str, schemas: tuple[str, ...]) -> dict[str, list[str]]:
    """Every row of every table, in an order of its own."""
    found = {}
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema = ANY(%s)",
            [list(schemas)],
        ).fetchall()
        for schema, table in names:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table)))
            found[f"{schema}.{table}"] = sorted(map(repr, rows))
    return found


def _objects(s3: Any, bucket: str) -> dict[str, dict[str, Any]]:
    """Every version of every object."""
    found = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in page.get("Versions", ()):
            one = {"Bucket": bucket, "Key": item["Key"], "VersionId": item["VersionId"]}
            head, tags = s3.head_object(**one), s3.get_object_tagging(**one)
            found[f"{item['Key']} {item['VersionId']}"] = {
                "latest": item["IsLatest"],
                "etag": item["ETag"],
                "size": item["Size"],
                "modified": item["LastModified"].isoformat(),
                "type": head["ContentType"],
                "metadata": head["Metadata"],
                "tags": sorted((tag["Key"], tag["Value"]) for tag in tags["TagSet"]),
            }
        for item in page.get("DeleteMarkers", ()):
            found[f"{item['Key']} {item['VersionId']}"] = {"deleted": True, "latest": item["IsLatest"]}
    return found


def _job_runs(emr: Any) -> dict[str, Any]:
    """The applications and their job runs; an application that was deleted is remembered as such."""
    found = {}
    for page in emr.get_paginator("list_applications").paginate():
        for application in page["applications"]:
            runs = emr.list_job_runs(applicationId=application["id"])["jobRuns"]
            found[application["id"]] = {
                "state": application["state"],
                "runs": sorted((run["id"], run["state"], run["stateDetails"]) for run in runs),
            }
    return found


def _dag_runs(settings: Settings) -> dict[str, Any]:
    """Each run of each DAG with its tasks' states."""
    login = {"username": settings["AIRFLOW_USER"], "password": settings["AIRFLOW_PASSWORD"]}
    with httpx.Client(base_url=settings["AIRFLOW_URL"], timeout=30) as client:
        answer = client.post("/auth/token", json=login).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        found = {}
        for run in _listed(client, "/api/v2/dags/~/dagRuns", "dag_runs"):
            place = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
            tasks = _listed(client, place, "task_instances")
            found[f"{run['dag_id']} {run['dag_run_id']}"] = {
                **{name: run[name] for name in ("state", "run_type", "start_date", "end_date")},
                "tasks": sorted((task["task_id"], task["state"], task["try_number"]) for task in tasks),
            }
        for dag in _listed(client, "/api/v2/dags", "dags"):
            found[dag["dag_id"]] = {"paused": dag["is_paused"]}
        return found


def _listed(client: httpx.Client, path: str, name: str) -> Iterator[dict[str, Any]]:
    offset, total = 0, 1
    while offset < total:
        page = client.get(path, params={"limit": 100, "offset": offset}).raise_for_status().json()
        yield from page[name]
        offset, total = offset + 100, page["total_entries"]


def _clients(settings: Settings) -> tuple[Any, Any]:
    """boto3's S3 and EMR Serverless, as a shell has them after `eval "$(make -s env)"`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in client_environ(settings).items():
            patch.setenv(name, value)
        session = boto3.session.Session()
        return session.client("s3"), session.client("emr-serverless")
