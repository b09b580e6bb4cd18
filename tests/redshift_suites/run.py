"""Runs other projects' suites for Redshift against ours: redshift_connector's, sqlalchemy-redshift's, dbt-redshift's.

``run.py --connector FOLDER --sqlalchemy FOLDER --dbt FOLDER`` names checkouts, any of them; further arguments go to
pytest (``-k views``). Each suite has an environment of its own, made of its checkout and the pins beside this file. It
ends with 1 if a test fails that expected_failures.txt does not name, or passes that it names.
"""

from __future__ import annotations

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

import connector  # noqa: E402 - beside this file
from foreign_suites import Runs, Suite  # noqa: E402 - beside this folder

from velodrome.awsapi import profile  # noqa: E402
from velodrome.certificates import AUTHORITY, BUNDLE  # noqa: E402
from velodrome.settings import Settings, load, user_environ  # noqa: E402
from velodrome.testing import run_service  # noqa: E402

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
class Installed(Suite):
    """A suite with an environment of its own: the file of its pins, the folders of its checkout that are installed."""

    pins: str = ""
    installed: tuple[str, ...] = (".",)

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


CONNECTOR = Installed("connector", ("-o", "addopts="), pins="connector.txt")
SQLALCHEMY = Installed(
    "sqlalchemy",
    ("-o", "addopts=", "-p", "sqlalchemy_plugin", "--dbdriver=psycopg2", "--dbdriver=redshift_connector", "tests"),
    pins="sqlalchemy.txt",
)
DBT = Installed(
    "dbt",
    ("-o", "addopts="),
    folder="dbt-redshift",
    files="tests/functional/**/test_*.py",
    pins="dbt.txt",
    installed=("dbt-adapters", "dbt-postgres", "dbt-tests-adapter", "dbt-redshift"),
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
        # test_autocommit.py makes it, and expects to be told that it is there.
        connection.execute("CREATE DATABASE db_for_test__do_delete_if_you_see_this")


def run_on_one(runs: Runs, home: Path) -> None:
    """The suites that share a warehouse."""
    with run_service("redshift", home / "warehouse") as running:
        prepare(running.settings)
        for suite in (SQLALCHEMY, DBT):
            if checkout := runs.checkout(suite):
                python = suite.environment(checkout, running.settings, home / suite.name)
                runs.compare(suite, suite.run(python, checkout, environ(running.settings), runs.more))


def main() -> int:
    """Run what is given; 1 if something is not as expected."""
    target = "make redshift-suites REDSHIFT_CONNECTOR=folder SQLALCHEMY_REDSHIFT=folder DBT_ADAPTERS=folder"
    chosen = (CONNECTOR, SQLALCHEMY, DBT)
    runs = Runs(chosen, __doc__.splitlines()[0], target, HERE / "expected_failures.txt")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if checkout := runs.checkout(CONNECTOR):
            own = connector.copied(checkout, home / "checkout")
            python = CONNECTOR.environment(own, load(user_environ()), home / CONNECTOR.name)
            runs.compare(CONNECTOR, connector.run(CONNECTOR, python, own, home, runs.more))
        if any(runs.checkout(suite) for suite in (SQLALCHEMY, DBT)):
            run_on_one(runs, home)
    return runs.end()


if __name__ == "__main__":
    sys.exit(main())
