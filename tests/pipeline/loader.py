"""Runs the warehouse's own SQL files the way the pipeline does, and fills staging without the Spark job."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import oracle
import psycopg
import sqlparse
from psycopg import sql

WAREHOUSE = Path(__file__).parents[2] / "warehouse"
SCHEMA_FILES = sorted((WAREHOUSE / "schema").glob("*.sql"))
LOAD_FILES = sorted((WAREHOUSE / "load").glob("[0-9]*.sql"))
CLEAR = WAREHOUSE / "load" / "clear_staging.sql"
COPY = WAREHOUSE / "load" / "copy.sql"

STAGING_TABLES = ("stg_customers", "stg_products", "stg_staffs", "stg_stores", "stg_date", "stg_sales")


def render(file: Path, **context: Any) -> str:
    """The file as Airflow renders it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WAREHOUSE),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(),  # HTML only: SQL is not
    )
    return environment.get_template(str(file.relative_to(WAREHOUSE))).render(**context)


@functools.cache
def statements(text: str) -> list[str]:
    """The statements of a file, cut as Airflow's SQL operator cuts them."""
    return [one for one in sqlparse.split(sqlparse.format(text, strip_comments=True)) if one.strip()]


def window_context(lo: int, hi: int, run_id: str = "test") -> dict[str, Any]:
    """What the load files take from Airflow: the bounds that the task `window.bounds` returned, and the run."""
    bounds = {"window.bounds": [(str(lo), str(hi), 1)]}
    return {"ti": SimpleNamespace(xcom_pull=lambda task_ids: bounds[task_ids]), "run_id": run_id}


def run_files(connection: psycopg.Connection[Any], files: Iterable[Path], **context: Any) -> None:
    """All statements of the files in one transaction."""
    with connection.transaction():
        for file in files:
            for statement in statements(render(file, **context)):
                connection.execute(statement.encode())


def create(connection: psycopg.Connection[Any]) -> None:
    run_files(connection, SCHEMA_FILES)


def load(connection: psycopg.Connection[Any], lo: int, hi: int, run_id: str = "test") -> None:
    """Staging to serving: the pipeline's `serving` and `clear_staging`."""
    run_files(connection, LOAD_FILES, **window_context(lo, hi, run_id))
    run_files(connection, [CLEAR])


def staged(window: oracle.Window, time_zone: str = "UTC") -> dict[str, list[oracle.Row]]:
    """The staging tables of a window, computed without Spark."""
    rules = oracle.Warehouse(time_zone)
    tables: dict[str, list[oracle.Row]] = {f"stg_{table}": [] for table in oracle.DIMENSIONS}
    for table, (key, columns) in oracle.DIMENSIONS.items():
        for row in window.get(table, ()):
            values = {name: oracle.kept(row, name) for name in (key, *columns)}
            tables[f"stg_{table}"].append({**values, "eff_date": rules.day(row), **audit(row)})
    tables["stg_sales"] = [sales_row(rules, row) for row in window.get("orders", ())]
    rules.load(window)
    tables["stg_date"] = [dict(zip(oracle.DATE_COLUMNS, oracle.date_row(day), strict=True)) for day in rules.dates]
    return tables


def audit(row: oracle.Row) -> oracle.Row:
    return {"updated_at": row["updated_at"].astimezone(UTC).replace(tzinfo=None), "is_active": row["is_active"]}


def sales_row(rules: oracle.Warehouse, row: oracle.Row) -> oracle.Row:
    keys = {name: row[name] for name in ("order_id", "item_id", "customer_id", "store_id", "staff_id", "product_id")}
    return {**keys, **rules.dates_of(row), "order_status_id": row["order_status"], **oracle.measures(row), **audit(row)}


def fill_staging(connection: psycopg.Connection[Any], tables: Mapping[str, list[oracle.Row]]) -> None:
    with connection.transaction():
        for table, rows in tables.items():
            if not rows:
                continue
            one = sql.SQL("({})").format(sql.SQL(", ").join(sql.Placeholder() * len(rows[0])))
            for start in range(0, len(rows), 500):
                part = rows[start : start + 500]
                connection.execute(
                    sql.SQL("INSERT INTO staging.{} ({}) VALUES {}").format(
                        sql.Identifier(table),
                        sql.SQL(", ").join(map(sql.Identifier, part[0])),
                        sql.SQL(", ").join([one] * len(part)),
                    ),
                    [value for row in part for value in row.values()],
                )
