"""One S3, one warehouse, and a source database of each PostgreSQL version, for all tests that need no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from aws_s3_cases import BUCKET, Bucket, Rds
from aws_s3_servers import run_rds
from hypothesis import settings as hypothesis_settings
from postgres_versions import MAJORS

from velodrome.settings import Settings
from velodrome.testing import own_settings, run_service

hypothesis_settings.register_profile("thousand", max_examples=1000)  # for the option --hypothesis-profile


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with run_service("s3", home=tmp_path_factory.mktemp("rds")) as s3:
        yield s3.settings


@pytest.fixture(scope="session")
def redshift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A warehouse that tests share: each makes schemas, users and databases of names of its own."""
    with run_service("redshift", home=tmp_path_factory.mktemp("redshift")) as running:
        yield running.settings
        assert "Traceback" not in running.log


@pytest.fixture(scope="session")
def redshift_with_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A warehouse that tests share, and the S3 that it copies from."""
    home = tmp_path_factory.mktemp("redshift-s3")
    settings = own_settings(home)
    with run_service("s3", home, settings), run_service("redshift", home, settings) as running:
        yield running.settings
        assert "Traceback" not in running.log


@pytest.fixture(scope="session")
def bucket(s3_settings: Settings) -> Bucket:
    made = Bucket(s3_settings)
    made.s3.create_bucket(Bucket=BUCKET)
    return made


@pytest.fixture(scope="session", params=MAJORS, ids=lambda major: f"pg{major}")
def rds(
    request: pytest.FixtureRequest, s3_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rds]:
    with run_rds(request.param, s3_settings, tmp_path_factory.mktemp(f"pg{request.param}")) as server:
        yield server


@pytest.fixture
def db(rds: Rds, bucket: Bucket) -> Iterator[psycopg.Connection[Any]]:
    """The owner of the database, who is no superuser; what the test leaves undone is rolled back."""
    with rds.connect() as connection:
        yield connection
        connection.rollback()
