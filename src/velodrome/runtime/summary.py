"""What the console says at the end: rows, URLs, logins, states, and what to do next."""

from __future__ import annotations

from urllib.parse import quote

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from velodrome.runtime import trust
from velodrome.runtime.base import Runtime
from velodrome.runtime.health import NotHealthy
from velodrome.runtime.services import SERVICES
from velodrome.settings import SECRETS_FILE, Settings

SERVING_TABLES = (
    "dim_customers",
    "dim_products",
    "dim_staffs",
    "dim_stores",
    "dim_date",
    "dim_order_status",
    "fact_sales",
)


def libpq(settings: Settings, prefix: str) -> dict[str, str]:
    """libpq's environment variables for the database whose settings begin with `prefix` (SOURCE or REDSHIFT)."""
    ssl = prefix == "REDSHIFT" and settings.flag("REDSHIFT_SSL")
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGDATABASE": "DATABASE", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    environ = {variable: settings[f"{prefix}_{name}"] for variable, name in names.items()}
    return environ | {"PGSSLMODE": "require" if ssl else "disable"}


def database_url(settings: Settings, prefix: str) -> str:
    """The same as a URL."""
    user, password = (quote(settings[f"{prefix}_{name}"], safe="") for name in ("USER", "PASSWORD"))
    place = f"{settings[f'{prefix}_HOST']}:{settings[f'{prefix}_PORT']}/{settings[f'{prefix}_DATABASE']}"
    return f"postgresql://{user}:{password}@{place}"


def client_environ(settings: Settings) -> dict[str, str]:
    """What any shell or script needs to use this copy."""
    names = ("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_REGION")
    buckets = ("SOURCE_BUCKET", "RAW_BUCKET", "PROCESSED_BUCKET", "LOG_BUCKET")
    return {
        **{name: settings[name] for name in names},
        "SOURCE_DATABASE_URL": database_url(settings, "SOURCE"),
        "REDSHIFT_DATABASE_URL": database_url(settings, "REDSHIFT"),
        "AIRFLOW_URL": settings["AIRFLOW_URL"],
        "AIRFLOW_USER": settings["AIRFLOW_USER"],
        "AIRFLOW_PASSWORD": settings["AIRFLOW_PASSWORD"],
        **{name: settings[name] for name in buckets},
        **trust.environ(settings),
    }


def _warehouse(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(database_url(settings, "REDSHIFT"), connect_timeout=10, autocommit=True)


def table_rows(settings: Settings) -> dict[str, int]:
    """Rows of each serving table; none before they are made."""
    with _warehouse(settings) as warehouse:
        rows = {}
        for table in SERVING_TABLES:
            query = sql.SQL("SELECT COUNT(*) FROM {}").format(sql.Identifier("serving", table))
            try:
                rows[table] = int(warehouse.execute(query).fetchone()[0])  # type: ignore[index]
            except psycopg.errors.UndefinedTable:
                return {}
        return rows


def newest_query(settings: Settings) -> int:
    """The id of the warehouse's newest statement."""
    with _warehouse(settings) as warehouse:
        found = warehouse.execute("SELECT COALESCE(MAX(query_id), 0) FROM sys_query_history").fetchone()
        return int(found[0]) if found else 0


def updated_rows(settings: Settings, since: int) -> dict[str, int]:
    """Rows of each table that UPDATE has changed after the statement `since`: Redshift deletes and inserts them, so
    both of its logs have the statement."""
    query = """
        SELECT RTRIM(detail.table_name), SUM(inserted.rows)
        FROM stl_insert AS inserted
        JOIN stl_delete AS deleted ON inserted.query = deleted.query
        JOIN sys_query_detail AS detail ON detail.query_id = inserted.query
        WHERE inserted.query > %s AND detail.table_name IS NOT NULL
        GROUP BY 1
    """
    with _warehouse(settings) as warehouse:
        return {str(name): int(rows) for name, rows in warehouse.execute(query, (since,)).fetchall()}


def show(console: Console, settings: Settings, seconds: float) -> None:
    """The summary of `velodrome up`."""
    if rows := table_rows(settings):
        table = Table(title="Warehouse, schema serving", title_justify="left")
        table.add_column("table")
        table.add_column("rows", justify="right")
        for name, count in rows.items():
            table.add_row(name, f"{count:,}")
        console.print(table)
    environ = client_environ(settings)
    secrets = settings.home / SECRETS_FILE
    places = Table(title=f"Up in {seconds:.0f} s", title_justify="left", show_header=False)
    places.add_row(
        "Airflow", environ["AIRFLOW_URL"], f"user {settings['AIRFLOW_USER']}, password: AIRFLOW_PASSWORD in secrets.env"
    )
    places.add_row("S3", settings["S3_ENDPOINT_URL"], f"buckets {settings['SOURCE_BUCKET']}, …")
    places.add_row("EMR Serverless", settings["EMR_SERVERLESS_ENDPOINT_URL"], settings["EMR_RELEASE_LABEL"])
    places.add_row("Redshift", f"{settings['REDSHIFT_HOST']}:{settings['REDSHIFT_PORT']}", f"database {settings['REDSHIFT_DATABASE']}, user {settings['REDSHIFT_USER']}")  # fmt: skip  # noqa: E501
    places.add_row("PostgreSQL", f"{settings['SOURCE_HOST']}:{settings['SOURCE_PORT']}", f"database {settings['SOURCE_DATABASE']}, user {settings['SOURCE_USER']}")  # fmt: skip  # noqa: E501
    console.print(places)
    console.print(
        f"Passwords are in {secrets} (only you can read it); `make env` prints the logins.\n",
        markup=False,
        highlight=False,
    )
    console.print(
        "Next:\n"
        "  make redshift           ask the warehouse something: SELECT * FROM serving.fact_sales LIMIT 10;\n"
        "  make psql && make run   change something in the source, and bring it to the warehouse\n"
        '  eval "$(make -s env)"   use boto3, psql or the Airflow API from this shell',
        markup=False,
        highlight=False,
    )


def show_changes(
    console: Console, before: dict[str, int], after: dict[str, int], updated: dict[str, int], seconds: float
) -> None:
    """The summary of `velodrome run`: rows, how many came or went, how many were updated."""
    table = Table(title=f"Run in {seconds:.0f} s", title_justify="left")
    for column in ("table", "rows", "change", "updated"):
        table.add_column(column, justify="left" if column == "table" else "right")
    for name, count in after.items():
        change, changed = count - before.get(name, 0), updated.get(name, 0)
        table.add_row(name, f"{count:,}", f"{change:+,}" if change else "", f"{changed:,}" if changed else "")
    console.print(table)


def show_status(console: Console, runtime: Runtime) -> bool:
    """Each service's state and health; returns whether all are healthy."""
    if not runtime.is_running():
        console.print("Nothing runs (make up).")
        return False
    table = Table("service", "state", "pid", "port", "health")
    all_well = True
    for service in SERVICES.values():
        state = runtime.state(service.name)
        health = "ok"
        if service.healthy is None:
            ok = not state.active and state.since > 0 and state.exit_code == 0
            health = "done" if ok else f"exit code {state.exit_code}"
        elif ok := state.running:
            try:
                service.healthy(runtime.settings, state.since)
            except NotHealthy as error:
                ok, health = False, str(error)
        else:
            health = state.problem or "does not run"
        all_well = all_well and ok
        port = runtime.settings[service.port] if service.port else ""
        table.add_row(service.name, state.word, str(state.pid or ""), port, health, style=None if ok else "red")
    console.print(table)
    return all_well
