"""Runs other projects' suites for Redshift against ours: sqlalchemy-redshift's and dbt-redshift's, from checkouts.

``run.py --sqlalchemy FOLDER --dbt FOLDER``, one of them or both; further arguments go to pytest (``-k views``). Each
suite has an environment of its own, made of its checkout and the pins beside this file. It ends with 1 if a test fails
that expected_failures.txt does not name, or passes that it names.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from suite_results import expected, results, verdict  # noqa: E402 - beside this folder

from velodrome.awsapi import profile  # noqa: E402
from velodrome.certificates import AUTHORITY, BUNDLE  # noqa: E402
from velodrome.settings import Settings  # noqa: E402
from velodrome.testing import run_service  # noqa: E402

EXPECTED = HERE / "expected_failures.txt"
DATABASE = "dev"
PASSWORD = "Suite0123"
# What dbt's suite finds, as its test.env.example says: https://github.com/dbt-labs/dbt-adapters (dbt-redshift)
DBT_NAMES = {
    "REDSHIFT_TEST_DBNAME": DATABASE,
    "REDSHIFT_TEST_REGION": "us-east-1",
    "REDSHIFT_TEST_CROSS_DBNAME": "suite_cross",
    "REDSHIFT_TEST_DBNAME_W_HYPHEN": "suite-hyphen",
    "DBT_TEST_USER_1": "dbt_test_user_1",
    "DBT_TEST_USER_2": "dbt_test_user_2",
    "DBT_TEST_USER_3": "dbt_test_user_3",
    "DBT_TEST_GROUP_1": "dbt_test_group_1",
}


@dataclass(frozen=True)
class Suite:
    """One project's tests: the file of its pins, the folders of its checkout that are installed and the one that pytest
    runs in, and what pytest is told."""

    name: str
    pins: str
    installed: tuple[str, ...]
    folder: str
    arguments: tuple[str, ...]

    def environment(self, checkout: Path, settings: Settings, made: Path) -> Path:
        """The Python of an environment with the suite in it."""
        uv = settings.installs / "cli" / "bin" / "uv"
        python = made / "bin" / "python"
        folders = [str(checkout / folder) for folder in self.installed]
        for command in (
            ["venv", "--quiet", "--python", sys.executable, str(made)],
            ["pip", "install", "--quiet", "--python", str(python), "-r", str(HERE / self.pins), *folders],
        ):
            subprocess.run([str(uv), *command], check=True)
        return python

    def run(self, checkout: Path, settings: Settings, more: list[str]) -> dict[str, bool]:
        """Whether each test passed, by its name; those that were skipped are not there."""
        with tempfile.TemporaryDirectory() as folder:
            python = self.environment(checkout, settings, Path(folder) / "environment")
            report = Path(folder) / "report.xml"
            command = [str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "--timeout=300"]
            command += [f"--junitxml={report}", *self.arguments, *more]
            ended = subprocess.run(command, cwd=checkout / self.folder, env=environ(settings), check=False)
            if ended.returncode not in (0, 1):
                sys.exit(f"{self.name}: pytest ended with {ended.returncode}")
            return results(report)


SQLALCHEMY = Suite(
    "sqlalchemy-redshift",
    "sqlalchemy.txt",
    (".",),
    ".",
    ("-p", "sqlalchemy_plugin", "--dbdriver", "psycopg2", "--dbdriver", "redshift_connector", "tests"),
)
DBT = Suite(
    "dbt-redshift",
    "dbt.txt",
    ("dbt-adapters", "dbt-postgres", "dbt-tests-adapter", "dbt-redshift"),
    "dbt-redshift",
    ("-n2", "tests/functional"),
)


def environ(settings: Settings) -> Mapping[str, str]:
    """Where the suites find the warehouse; nothing of this process's own environment but what every program needs."""
    mine = profile.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    address = {"HOST": settings["REDSHIFT_HOST"], "PORT": settings["REDSHIFT_PORT"], "USER": settings["REDSHIFT_USER"]}
    return {
        "HOME": str(settings.home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE),
        "SSL_CERT_FILE": str(settings.certificates / BUNDLE),
        "SUITE_AUTHORITY": str(settings.certificates / AUTHORITY),
        "PGPASSWORD": settings["REDSHIFT_PASSWORD"],
        "REDSHIFT_HOST": address["HOST"],
        "REDSHIFT_PORT": address["PORT"],
        "REDSHIFT_USERNAME": address["USER"],
        "REDSHIFT_DATABASE": DATABASE,
        "REDSHIFT_TEST_PASS": settings["REDSHIFT_PASSWORD"],
        **{f"REDSHIFT_TEST_{name}": value for name, value in address.items()},
        # For the logins with temporary credentials, which the driver asks of the service's own interface.
        "AWS_CONFIG_FILE": settings["AWS_CONFIG_FILE"],
        "AWS_ENDPOINT_URL_REDSHIFT": mine.endpoint("redshift") or "",
        "REDSHIFT_TEST_CLUSTER_ID": settings["REDSHIFT_WORKGROUP"],
        "REDSHIFT_TEST_IAM_USER_PROFILE": settings["AWS_PROFILE"],
        "REDSHIFT_TEST_IAM_USER_ACCESS_KEY_ID": mine.access_key_id,
        "REDSHIFT_TEST_IAM_USER_SECRET_ACCESS_KEY": mine.secret_access_key,
        **DBT_NAMES,
    }


def prepare(settings: Settings) -> None:
    """The databases, users and the group that dbt's suite expects to be there."""
    with psycopg.connect(
        host=settings["REDSHIFT_HOST"],
        port=settings.integer("REDSHIFT_PORT"),
        user=settings["REDSHIFT_USER"],
        password=settings["REDSHIFT_PASSWORD"],
        dbname=DATABASE,
        autocommit=True,
    ) as connection:
        for name, value in DBT_NAMES.items():
            if name.endswith(("CROSS_DBNAME", "W_HYPHEN")):
                connection.execute(f'CREATE DATABASE "{value}"'.encode())
            elif "_USER_" in name:
                connection.execute(f"CREATE USER {value} PASSWORD '{PASSWORD}'".encode())
            elif "_GROUP_" in name:
                connection.execute(f"CREATE GROUP {value}".encode())


def main() -> int:
    """Run what is given; 1 if something is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sqlalchemy", metavar="FOLDER", default="", help="a checkout of sqlalchemy-redshift")
    parser.add_argument("--dbt", metavar="FOLDER", default="", help="a checkout of dbt-adapters")
    given, more = parser.parse_known_args()
    chosen = [(SQLALCHEMY, given.sqlalchemy), (DBT, given.dbt)]
    if not any(folder for _, folder in chosen):
        parser.error("name a checkout: make redshift-suites SQLALCHEMY_REDSHIFT=folder DBT_ADAPTERS=folder")
    reasons = expected(EXPECTED.read_text(encoding="utf-8"))
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as home, run_service("redshift", Path(home)) as running:
        prepare(running.settings)
        for suite, folder in chosen:
            if not folder:
                continue
            found = suite.run(Path(folder).resolve(), running.settings, more)
            wrong += (problems := verdict(found, reasons))
            counted = f"{sum(found.values())} of {len(found)} pass, {len(problems)} not as expected"
            print(f"{suite.name}: {counted}", flush=True)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
