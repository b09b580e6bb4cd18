"""The table of services: start script, virtual environment, port, what each needs, how its health is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from velodrome.runtime import health
from velodrome.s3 import place as s3
from velodrome.settings import Settings


@dataclass(frozen=True)
class Install:
    """One virtual environment: requirement files (relative to the project), whether the velodrome package is in it, and
    whether all byte code is compiled at once. Python compiles what it imports at its first start anyway, which is less;
    but Airflow's four processes start together, each importing most of it."""

    name: str
    requirements: tuple[str, ...]
    with_velodrome: bool = True
    compile: bool = False


@dataclass(frozen=True)
class Service:
    """One process of the stack."""

    name: str
    start: tuple[str, ...]
    install: str
    needs: tuple[str, ...]
    port: str | None = None
    stop_signal: str = "TERM"
    more_ports: tuple[str, ...] = ()
    # The secret settings that it needs; its environment holds no others.
    secrets: tuple[str, ...] = ()

    @property
    def ports(self) -> tuple[str, ...]:
        """The settings that name the ports it listens on, its own first."""
        return (*((self.port,) if self.port else ()), *self.more_ports)

    @property
    def healthy(self) -> Callable[[Settings, float], None] | None:
        """`healthy(settings, since)` raises NotHealthy until the service answers for itself; `since` is its start in
        seconds since the epoch. A service without it runs once to its end before those that need it start."""
        return health.CHECKS.get(self.name)


INSTALLS: dict[str, Install] = {
    install.name: install
    for install in (
        Install("source", ("postgres-init/requirements.txt",)),
        Install("s3", (s3.REQUIREMENTS,)),
        Install("spark", ("spark/requirements.txt",), with_velodrome=False),
        Install("emr-serverless", ("spark/requirements-server.txt",)),
        Install("redshift", ("warehouse/requirements.txt",)),
        Install("airflow", ("airflow/requirements.txt",), with_velodrome=False, compile=True),
        Install("test", ("tests/requirements.txt",)),
        # Only what uses EMR Serverless's sessions needs it: their tests, and who tries docs/emr_sessions.md.
        Install("spark-client", ("tests/spark-client-requirements.txt",), with_velodrome=False),
        # What only tests run, each made by its test: pins that go into no other environment.
        Install("aws-clients", ("tests/aws-clients/requirements.txt",), with_velodrome=False),
        Install("redshift-jdbc", ("tests/redshift-jdbc/requirements.txt",), with_velodrome=False),
        Install("s3-suites", ("tests/s3_suites/requirements.txt",), with_velodrome=False),
        Install("airflow-deferrable", ("tests/airflow-deferrable/requirements.txt",), with_velodrome=False),
        Install("redshift-clients", ("tests/redshift-clients/requirements.txt",), with_velodrome=False),
        Install("dbt-redshift", ("tests/redshift_dbt/requirements.txt",), with_velodrome=False, compile=True),
    )
}

# Its own, and those of the connections that DAGs use.
AIRFLOW_SECRETS = (
    "AIRFLOW_PASSWORD",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_DATABASE_PASSWORD",
    "AIRFLOW_DATABASE_URL",
    "SOURCE_PASSWORD",
    "REDSHIFT_PASSWORD",
)


def _airflow(process: str, need: str, port: str | None = None) -> Service:
    start = ("airflow/start.sh", process)
    return Service(f"airflow-{process}", start, "airflow", (need,), port, secrets=AIRFLOW_SECRETS)


# PostgreSQL takes SIGTERM as "wait for every client to leave", SIGINT as a fast, clean shutdown.
SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Service(
            "source", ("postgres-init/start.sh",), "source", (), "SOURCE_PORT", "INT", secrets=("SOURCE_PASSWORD",)
        ),
        Service(
            "airflow-db",
            ("airflow/database.sh",),
            "source",
            (),
            "AIRFLOW_DATABASE_PORT",
            "INT",
            secrets=("AIRFLOW_DATABASE_PASSWORD",),
        ),
        Service("s3", (s3.START,), "s3", (), "S3_PORT"),
        Service(
            "redshift",
            ("warehouse/start.sh",),
            "redshift",
            (),
            "REDSHIFT_PORT",
            more_ports=("REDSHIFT_API_PORT",),
            secrets=("REDSHIFT_PASSWORD",),
        ),
        Service(
            "emr-serverless",
            ("spark/start.sh",),
            "emr-serverless",
            (),
            "EMR_SERVERLESS_PORT",
            more_ports=("EMR_SERVERLESS_SESSIONS_PORT",),
        ),
        _airflow("init", "airflow-db"),
        _airflow("api-server", "airflow-init", "AIRFLOW_PORT"),
        _airflow("scheduler", "airflow-init"),
        _airflow("dag-processor", "airflow-init"),
        _airflow("triggerer", "airflow-init"),
    )
}


def command(service: Service, settings: Settings) -> list[str]:
    """The argv that runs a service in the foreground."""
    return ["/bin/sh", str(settings.project / service.start[0]), *service.start[1:]]


def log_file(service: Service, settings: Settings) -> Path:
    """Where the service's output goes."""
    return settings.home / "logs" / f"{service.name}.log"


def waves() -> list[list[str]]:
    """The services in waves: each wave needs only earlier ones."""
    found: list[list[str]] = []
    left = dict(SERVICES)
    while left:
        wave = [name for name, service in left.items() if not any(need in left for need in service.needs)]
        found.append(wave)
        for name in wave:
            del left[name]
    return found
