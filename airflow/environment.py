"""Airflow's own settings, made from the profile's plain ones; then becomes the airflow command that is asked for.

environment.py scheduler            one of the processes below
environment.py dags list            any other airflow command, in the same environment
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent

# Settings that a profile may leave out.
DEFAULTS = {
    "VELODROME_HOME": str(HERE.parent / ".velodrome"),
    # Where people reach Airflow, and where its own processes do: another host in containers.
    "AIRFLOW_URL": "http://127.0.0.1:{AIRFLOW_PORT}",
    "AIRFLOW_INTERNAL_URL": "{AIRFLOW_URL}",
    # What the API server listens on.
    "LISTEN_ADDRESS": "127.0.0.1",
    # Whether operators wait in the triggerer instead of in a worker: slower here, cheaper with many DAGs.
    "AIRFLOW_DEFERRABLE": "false",
    # Seconds between two looks at the folder of DAGs.
    "AIRFLOW_REFRESH_INTERVAL": "10",
    # Tasks at once: the pipeline's widest place has seven.
    "AIRFLOW_PARALLELISM": "8",
    # Seconds between two looks at an EMR Serverless job.
    "EMR_WAITER_DELAY": "2",
}

# Airflow's setting: its value, {NAME} being one of the profile's settings, {home} and {here} folders.
# https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html
CONFIGURATION = {
    "AIRFLOW_HOME": "{home}",
    "AIRFLOW__CORE__DAGS_FOLDER": "{here}/dags",
    "AIRFLOW__CORE__PLUGINS_FOLDER": "{home}/plugins",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__EXECUTOR": "stopping_executor.StoppingLocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "{AIRFLOW_PARALLELISM}",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "{AIRFLOW_INTERNAL_URL}/execution/",
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "{AIRFLOW_USER}:admin",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": "{home}/passwords.json",
    # The default asks the name server who this machine is.
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "{AIRFLOW_DATABASE_URL}",
    "AIRFLOW__API__HOST": "{LISTEN_ADDRESS}",
    "AIRFLOW__API__PORT": "{AIRFLOW_PORT}",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__API__BASE_URL": "{AIRFLOW_URL}",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "{home}/logs",
    "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": "{home}/logs/dag_processor",
    "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
    "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://{LOG_BUCKET}/airflow-log",
    "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aws_default",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
    # A killed scheduler's tasks are taken up again after this many seconds.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "{AIRFLOW_REFRESH_INTERVAL}",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "{AIRFLOW_DEFERRABLE}",
    # Nothing is sent anywhere.
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW_VAR_SOURCE_BUCKET": "{SOURCE_BUCKET}",
    "AIRFLOW_VAR_RAW_BUCKET": "{RAW_BUCKET}",
    "AIRFLOW_VAR_PROCESSED_BUCKET": "{PROCESSED_BUCKET}",
    "AIRFLOW_VAR_LOG_BUCKET": "{LOG_BUCKET}",
    "AIRFLOW_VAR_AWS_REGION": "{AWS_REGION}",
    "AIRFLOW_VAR_EMR_RUNTIME_ROLE_ARN": "{EMR_RUNTIME_ROLE_ARN}",
    "AIRFLOW_VAR_EMR_RELEASE_LABEL": "{EMR_RELEASE_LABEL}",
    "AIRFLOW_VAR_EMR_SPARK_PARAMETERS": "{EMR_SPARK_PARAMETERS}",
    "AIRFLOW_VAR_EMR_MAXIMUM_CAPACITY": "{EMR_MAXIMUM_CAPACITY}",
    "AIRFLOW_VAR_EMR_WAITER_DELAY": "{EMR_WAITER_DELAY}",
    "AIRFLOW_VAR_REDSHIFT_ROLE_ARN": "{REDSHIFT_ROLE_ARN}",
    "AIRFLOW_VAR_BUSINESS_TIME_ZONE": "{BUSINESS_TIME_ZONE}",
    # airflow_local_settings.py, stopping_executor.py
    "PYTHONPATH": "{here}/config",
    # glibc gives every thread a heap of its own; two are enough, and save 100 MB.
    "MALLOC_ARENA_MAX": "2",
}

# Task logs are read from the shared folder or S3: no log server, no port more.
PROCESSES = {
    # The timeout is also how long a stop waits for open connections.
    "api-server": ("api-server", "--worker-timeout", "5"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


class Plain(dict[str, str]):
    """The profile's settings; one that is missing is named."""

    def __missing__(self, name: str) -> str:
        raise SystemExit(f"airflow: setting {name} has no value (see env/)")


def plain(environ: Mapping[str, str]) -> Plain:
    """The settings as they were given, with the optional ones and the folders."""
    settings = Plain({name: value for name, value in environ.items() if value})
    for name, default in DEFAULTS.items():
        settings.setdefault(name, default)
    for name in ("AIRFLOW_URL", "AIRFLOW_INTERNAL_URL"):
        settings[name] = settings[name].format_map(settings)
    settings["here"] = str(HERE)
    settings["home"] = str(Path(settings["VELODROME_HOME"]).absolute() / "data" / "airflow")
    return settings


def connections(settings: Plain) -> dict[str, dict[str, object]]:
    """Airflow's connections. The AWS one holds no endpoint and no key: the AWS profile does."""
    return {
        "rds_conn": {
            "conn_type": "postgres",
            "host": settings["SOURCE_HOST"],
            "port": int(settings["SOURCE_PORT"]),
            "schema": settings["SOURCE_DATABASE"],
            "login": settings["SOURCE_USER"],
            "password": settings["SOURCE_PASSWORD"],
            "extra": {"connect_timeout": 10, "application_name": "airflow"},
        },
        "redshift_conn": {
            "conn_type": "redshift",
            "host": settings["REDSHIFT_HOST"],
            "port": int(settings["REDSHIFT_PORT"]),
            "schema": settings["REDSHIFT_DATABASE"],
            "login": settings["REDSHIFT_USER"],
            "password": settings["REDSHIFT_PASSWORD"],
            "extra": {"ssl": json.loads(settings["REDSHIFT_SSL"].lower()), "application_name": "airflow"},
        },
        "aws_default": {"conn_type": "aws", "extra": {"region_name": settings["AWS_REGION"]}},
    }


def derived_key(settings: Plain, purpose: str) -> str:
    """A key for one purpose from the one generated secret, in the form that Fernet asks for."""
    digest = hmac.new(settings["AIRFLOW_SECRET_KEY"].encode(), purpose.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of an Airflow process."""
    settings = plain(environ)
    made = {name: value.format_map(settings) for name, value in CONFIGURATION.items()}
    made |= {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in connections(settings).items()}
    made["AIRFLOW__API__SECRET_KEY"] = derived_key(settings, "session")
    made["AIRFLOW__API_AUTH__JWT_SECRET"] = derived_key(settings, "token")
    made["AIRFLOW__CORE__FERNET_KEY"] = derived_key(settings, "fernet")
    # A proxy meant for the outside must not get between Airflow's own processes.
    own = dict.fromkeys((urlsplit(settings["AIRFLOW_INTERNAL_URL"]).hostname, "127.0.0.1", "localhost"))
    for name in ("NO_PROXY", "no_proxy"):
        made[name] = ",".join(filter(None, (environ.get(name), *own)))
    return {**environ, **made}


def initialize(environ: Mapping[str, str]) -> None:
    """The user's password, and the database's schema unless it is that of this Airflow already."""
    home = Path(environ["AIRFLOW_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    passwords = Path(environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    draft = passwords.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({environ["AIRFLOW_USER"]: Plain(environ)["AIRFLOW_PASSWORD"]}, file)
    draft.replace(passwords)

    # The version stands in the database itself, so that a new, emptied or restored one is migrated whatever lies here.
    import psycopg2

    url = environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    scheme, _, rest = url.partition("://")
    wanted = f"airflow {version('apache-airflow-core')}"
    with psycopg2.connect(f"{scheme.partition('+')[0]}://{rest}") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regclass('alembic_version'))")
        if cursor.fetchone() == (wanted,):
            return
    subprocess.run(["airflow", "db", "migrate"], env=environ, check=True)
    with psycopg2.connect(f"{scheme.partition('+')[0]}://{rest}") as connection, connection.cursor() as cursor:
        cursor.execute("COMMENT ON TABLE alembic_version IS %s", (wanted,))


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    component, *rest = sys.argv[1:]
    environ = environment(os.environ)
    if component == "init":
        initialize(environ)
        return
    os.execvpe("airflow", ["airflow", *PROCESSES.get(component, (component,)), *rest], environ)  # noqa: S606


if __name__ == "__main__":
    main()
