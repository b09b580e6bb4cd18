"""One S3, and a source database of each PostgreSQL version, for all tests of aws_s3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aws_s3_cases import BUCKET, Bucket, Rds
from hypothesis import settings as hypothesis_settings
from postgres_versions import MAJORS, run_postgres

from velodrome.runtime.services import log_file
from velodrome.settings import Settings
from velodrome.testing import run_service

VERSIONS = MAJORS

hypothesis_settings.register_profile("thousand", max_examples=1000)  # for the option --hypothesis-profile


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with run_service("s3", home=tmp_path_factory.mktemp("rds")) as s3:
        yield s3.settings


@pytest.fixture(scope="session")
def bucket(s3_settings: Settings) -> Bucket:
    made = Bucket(s3_settings)
    made.s3.create_bucket(Bucket=BUCKET)
    return made


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda major: f"pg{major}")
def rds(
    request: pytest.FixtureRequest, s3_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rds]:
    """The newest as the source database is, older ones as a PostgreSQL of one's own into which aws_s3 was put."""
    if request.param == VERSIONS[-1]:
        home = s3_settings.home
        with run_service("source", home=home, settings=dict(s3_settings)) as source:
            log = log_file(source.service, source.settings)
            yield _rds(request.param, home / "data" / "source", log, source.settings)
    else:
        home = tmp_path_factory.mktemp(f"pg{request.param}")
        with run_postgres(request.param, home, s3_settings, roles=True) as own:
            yield _rds(request.param, own.server.data, own.log, own.settings)


def _rds(major: int, data: Path, log: Path, settings: Settings) -> Rds:
    server = Rds(
        major=major,
        data=data,
        log=log,
        port=settings.integer("SOURCE_PORT"),
        user=settings["SOURCE_USER"],
        password=settings["SOURCE_PASSWORD"],
        database=settings["SOURCE_DATABASE"],
    )
    with server.connect() as connection:
        assert connection.info.server_version // 10000 == major
        connection.execute("CREATE EXTENSION aws_s3 CASCADE")
    return server


@pytest.fixture
def db(rds: Rds, bucket: Bucket) -> Iterator[psycopg.Connection[Any]]:
    """The owner of the database, who is no superuser; what the test leaves undone is rolled back."""
    with rds.connect() as connection:
        yield connection
        connection.rollback()
