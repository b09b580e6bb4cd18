"""How each service shows that it works: a request through its own protocol, NotHealthy until it answers.

`python -m velodrome.runtime.health s3` asks once and tells by its exit code: the health check of a container, whose
environment has no more than its service needs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, build_opener

from velodrome.settings import Settings, load

REQUEST_TIMEOUT = 5.0  # seconds


class NotHealthy(RuntimeError):
    """The service does not answer as it should, yet; the message says how."""


def _select_one(**connection: Any) -> None:
    import psycopg  # not in every service's environment

    try:
        with psycopg.connect(**connection, connect_timeout=5, autocommit=True) as session:
            session.execute("SELECT 1")
    except psycopg.Error as error:
        raise NotHealthy(str(error).strip()) from error


def _get(url: str) -> Any:
    # Never through a proxy: a stack is on this machine, or in a network of its own.
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=REQUEST_TIMEOUT) as answer:
            return json.load(answer)
    except (OSError, HTTPException, ValueError) as error:
        raise NotHealthy(f"{url}: {error}") from error


def source(settings: Settings, since: float) -> None:
    """The source database logs its owner in."""
    _select_one(
        host=settings["SOURCE_HOST"],
        port=settings.integer("SOURCE_PORT"),
        dbname=settings["SOURCE_DATABASE"],
        user=settings["SOURCE_USER"],
        password=settings["SOURCE_PASSWORD"],
    )


def airflow_db(settings: Settings, since: float) -> None:
    """Airflow's database logs Airflow in."""
    _select_one(
        host=settings["AIRFLOW_DATABASE_HOST"],
        port=settings.integer("AIRFLOW_DATABASE_PORT"),
        dbname="airflow",
        user="airflow",
        password=settings["AIRFLOW_DATABASE_PASSWORD"],
    )


def redshift(settings: Settings, since: float) -> None:
    """The warehouse's API answers, and it logs its administrator in."""
    _get(f"{settings['REDSHIFT_API_ENDPOINT_URL']}/_velodrome/health")
    _select_one(
        host=settings["REDSHIFT_HOST"],
        port=settings.integer("REDSHIFT_PORT"),
        dbname=settings["REDSHIFT_DATABASE"],
        user=settings["REDSHIFT_USER"],
        password=settings["REDSHIFT_PASSWORD"],
        sslmode="require" if settings.flag("REDSHIFT_SSL") else "disable",
    )


def s3(settings: Settings, since: float) -> None:
    """S3 answers, which it does not before its start hooks (buckets, the source bucket's objects) have succeeded."""
    _get(f"{settings['S3_ENDPOINT_URL']}/_velodrome/health")


def emr_serverless(settings: Settings, since: float) -> None:
    """EMR Serverless's API answers."""
    _get(f"{settings['EMR_SERVERLESS_ENDPOINT_URL']}/_velodrome/health")


def _airflow(settings: Settings, component: str, heartbeat: str | None, since: float) -> None:
    # The answer is always HTTP 200; only its body tells. A heartbeat from before this start is an earlier process's.
    body = _get(f"{settings['AIRFLOW_URL']}/api/v2/monitor/health")
    state = body.get(component) or {}
    if state.get("status") != "healthy":
        raise NotHealthy(f"Airflow says of its {component}: {state.get('status')}")
    if heartbeat and datetime.fromisoformat(state[heartbeat]).timestamp() < since:
        raise NotHealthy(f"no heartbeat of the {component} since its start")


def airflow_api_server(settings: Settings, since: float) -> None:
    """Airflow's API answers and reaches its database, and so does the part of it that tasks report to: made at its
    first request, it would cost the first run ten seconds."""
    _airflow(settings, "metadatabase", None, since)
    _get(f"{settings['AIRFLOW_URL']}/execution/health")


def airflow_scheduler(settings: Settings, since: float) -> None:
    """The scheduler has sent a heartbeat since its start."""
    _airflow(settings, "scheduler", "latest_scheduler_heartbeat", since)


def airflow_dag_processor(settings: Settings, since: float) -> None:
    """The DAG processor has sent a heartbeat since its start."""
    _airflow(settings, "dag_processor", "latest_dag_processor_heartbeat", since)


def airflow_triggerer(settings: Settings, since: float) -> None:
    """The triggerer has sent a heartbeat since its start."""
    _airflow(settings, "triggerer", "latest_triggerer_heartbeat", since)


CHECKS: dict[str, Callable[[Settings, float], None]] = {
    "source": source,
    "airflow-db": airflow_db,
    "s3": s3,
    "redshift": redshift,
    "emr-serverless": emr_serverless,
    "airflow-api-server": airflow_api_server,
    "airflow-scheduler": airflow_scheduler,
    "airflow-dag-processor": airflow_dag_processor,
    "airflow-triggerer": airflow_triggerer,
}


if __name__ == "__main__":
    try:
        CHECKS[sys.argv[1]](load(), 0.0)
    except NotHealthy as problem:
        sys.exit(str(problem))
