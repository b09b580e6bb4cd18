"""The source database and Airflow's own as services: set up, restarted, killed, given another password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from velodrome.settings import Settings
from velodrome.testing import run_service


def conninfo(settings: Settings, *, user: str, password: str) -> str:
    return make_conninfo(
        host=settings["SOURCE_HOST"],
        port=settings["SOURCE_PORT"],
        dbname=settings["SOURCE_DATABASE"],
        user=user,
        password=password,
    )


def connect(settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(conninfo(settings, user=settings["SOURCE_USER"], password=settings["SOURCE_PASSWORD"]))


def test_it_is_set_up_as_rds_and_survives_what_happens_to_it(tmp_path: Path) -> None:
    with run_service("source", home=tmp_path) as source:
        settings = source.settings
        with connect(settings) as db:
            assert db.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone() == (
                False,
                True,
            )
            assert db.execute("SELECT pg_has_role('rds_superuser', 'member')").fetchone() == (True,)
            db.execute("CREATE EXTENSION aws_s3 CASCADE")
            assert db.execute(
                "SELECT extname, extversion FROM pg_extension WHERE extname LIKE 'aws%' ORDER BY 1"
            ).fetchall() == [
                ("aws_commons", "1.2"),
                ("aws_s3", "1.1"),
            ]
            db.execute("CREATE TABLE kept AS SELECT 1 AS id")
        source.kill()
    changed = dict(settings) | {"SOURCE_PASSWORD": "another 'one'"}
    with run_service("source", home=tmp_path, settings=changed) as source:
        with connect(source.settings) as db:
            assert db.execute("SELECT id FROM kept").fetchall() == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(settings)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(conninfo(settings, user="rdsadmin", password="guess"))
        assert settings["SOURCE_PASSWORD"] not in source.log


def test_s3_that_does_not_answer(tmp_path: Path) -> None:
    with run_service("source", home=tmp_path) as source, connect(source.settings) as db:
        db.execute("CREATE EXTENSION aws_s3 CASCADE")
        with pytest.raises(errors.SystemError) as caught:
            db.execute("SELECT aws_s3.query_export_to_s3('SELECT 1', 'bucket', 'key', 'us-east-1')")
        assert caught.value.diag.message_detail == "Amazon S3 client returned 'Unable to connect to endpoint'."


def test_airflows_own_database(tmp_path: Path) -> None:
    with run_service("airflow-db", home=tmp_path) as service:
        settings = service.settings
        with psycopg.connect(
            host="127.0.0.1",
            port=settings["AIRFLOW_DATABASE_PORT"],
            user="airflow",
            dbname="airflow",
            password=settings["AIRFLOW_DATABASE_PASSWORD"],
        ) as db:
            db.execute("CREATE TABLE public.works ()")
