"""A source database of each PostgreSQL version, with the extension."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aws_s3_cases import Rds
from postgres_versions import MAJORS, run_postgres

from velodrome.runtime.services import log_file
from velodrome.settings import Settings
from velodrome.testing import run_service


@contextmanager
def run_rds(major: int, s3_settings: Settings, home: Path) -> Iterator[Rds]:
    """The newest as the source database is, older ones as a PostgreSQL of one's own into which aws_s3 was put."""
    if major == MAJORS[-1]:
        with run_service("source", home=s3_settings.home, settings=dict(s3_settings)) as source:
            log = log_file(source.service, source.settings)
            yield _rds(major, s3_settings.home / "data" / "source", log, source.settings)
    else:
        with run_postgres(major, home, s3_settings, roles=True) as own:
            yield _rds(major, own.server.data, own.log, own.settings)


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
