"""A simulated day on a real PostgreSQL with the source's own tables, triggers and rules."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from velodrome.dataset import generate, schema
from velodrome.dataset.simulate import Activity, simulate
from velodrome.postgres import Server
from velodrome.testing import free_port

SOURCE_SQL = Path(__file__).parents[2] / "airflow" / "dags" / "sql" / "source"
STATUS = {"1": "1", "2": "1", "3": "2", "4": "3"}
DAY = date(2019, 1, 2)


def load(connection: psycopg.Connection[Any], folder: Path) -> None:
    connection.execute("INSERT INTO store.order_status VALUES (1, 'Pending'), (2, 'Rejected'), (3, 'Completed')")
    for table in schema.TABLES.values():
        with (folder / table.file).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        names = [column.name for column in table.columns if column.name != "active"]
        targets = ["order_status_id" if name == "order_status" else name for name in names]
        copy = sql.SQL("COPY store.{} ({}) FROM STDIN").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, targets))
        )
        with connection.cursor().copy(copy) as into:
            for row in rows:
                values = [STATUS[row[name]] if name == "order_status" else row[name] for name in names]
                into.write_row([None if value == "NULL" else value for value in values])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("source")
    generate.generate(folder / "dataset", seed=5, scale=0.05)
    server = Server(
        folder / "data", port=free_port(), superuser="postgres", password="test", parameters={"fsync": "off"}
    )
    server.initialize()
    server.start()
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled")
    with psycopg.connect(server.conninfo("filled")) as connection:
        connection.execute("CREATE SCHEMA store")
        connection.execute((SOURCE_SQL / "tables.sql").read_bytes())
        load(connection, folder / "dataset")
        for name in ("audit.sql", "soft_delete.sql", "related.sql"):
            connection.execute((SOURCE_SQL / name).read_bytes())
    yield server
    server.stop()


@pytest.fixture
def connection(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A database of its own, as filled as the first."""
    name = sql.Identifier(f"copy_{free_port()}")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE filled").format(name))
        with psycopg.connect(server.conninfo(name.as_string().strip('"'))) as connection:
            yield connection
        admin.execute(sql.SQL("DROP DATABASE {}").format(name))


def one(connection: psycopg.Connection[Any], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def state(connection: psycopg.Connection[Any]) -> list[Any]:
    return [
        connection.execute(
            "SELECT order_id, customer_id, order_status_id, is_active FROM store.orders ORDER BY 1"
        ).fetchall(),
        connection.execute("SELECT * FROM store.order_items ORDER BY 1, 2").fetchall(),
        connection.execute("SELECT customer_id, street, is_active FROM store.customers ORDER BY 1").fetchall(),
        connection.execute("SELECT product_id, list_price, is_active FROM store.products ORDER BY 1").fetchall(),
    ]


def test_a_day_does_some_of_everything(connection: psycopg.Connection[Any]) -> None:
    before = one(connection, "SELECT count(*) FROM store.orders")
    customers = one(connection, "SELECT count(*) FROM store.customers")
    done = simulate(connection, DAY, seed=1, size=10)
    kinds = dict(vars(done))
    kinds.pop("orders_rejected")  # one in ten
    assert [name for name, count in kinds.items() if count == 0] == []
    assert one(connection, "SELECT count(*) FROM store.orders") == before + 10
    assert one(connection, "SELECT count(*) FROM store.customers") == customers + done.customers_new
    assert one(connection, "SELECT count(*) FROM store.orders WHERE order_date = %s", DAY) == 10
    assert one(connection, "SELECT count(*) FROM store.orders WHERE is_active = 'N'") == done.orders_deleted
    assert one(connection, "SELECT count(*) FROM store.customers WHERE is_active = 'N'") == done.customers_deleted
    assert one(connection, "SELECT count(*) FROM store.orders WHERE shipped_date = %s", DAY) == done.orders_completed


def test_every_new_order_has_items(connection: psycopg.Connection[Any]) -> None:
    simulate(connection, DAY, seed=2, size=20)
    with_items = one(connection, "SELECT count(DISTINCT order_id) FROM store.order_items")
    assert with_items == one(connection, "SELECT count(*) FROM store.orders")


def test_same_seed_and_day_same_changes(server: Server, connection: psycopg.Connection[Any]) -> None:
    first = simulate(connection, DAY, seed=4, size=12)
    with psycopg.connect(server.conninfo("filled")) as other:
        with other.transaction(force_rollback=True):
            second = simulate(other, DAY, seed=4, size=12)
            assert first == second
            assert state(connection) == state(other)
        with other.transaction(force_rollback=True):
            simulate(other, DAY, seed=5, size=12)
            assert state(connection) != state(other)


def test_days_follow_each_other(connection: psycopg.Connection[Any]) -> None:
    for day in range(3, 9):
        simulate(connection, date(2019, 1, day), seed=1, size=5)
    assert one(connection, "SELECT count(DISTINCT order_date) FROM store.orders WHERE order_date >= '2019-01-03'") == 6


def test_a_day_that_fails_leaves_nothing(connection: psycopg.Connection[Any]) -> None:
    connection.execute("ALTER TABLE store.products ADD CHECK (list_price < 0) NOT VALID")
    connection.commit()
    before = state(connection)
    with pytest.raises(psycopg.errors.CheckViolation):
        simulate(connection, DAY)
    assert state(connection) == before


def test_a_summary_is_readable() -> None:
    assert str(Activity(orders_new=2)).startswith(
        "0 customers new, 0 customers moved, 0 customers deleted, 2 orders new"
    )
