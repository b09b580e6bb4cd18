"""Tables of another database of the warehouse, by names of three parts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.settings import Settings


@pytest.fixture(scope="module")
def db(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A session in dev; beside it, a database far_sales with s.t and the view s.v, and a user far_reader."""
    with connect(redshift) as connection:
        connection.execute("CREATE DATABASE far_sales")
        connection.execute("CREATE USER far_reader PASSWORD 'Secret12'")
        with connect(redshift, dbname="far_sales") as far:
            far.execute("CREATE SCHEMA s")
            far.execute("CREATE TABLE s.t (a int, b varchar(10))")
            far.execute("INSERT INTO s.t VALUES (1, 'x'), (2, 'y')")
            far.execute("CREATE VIEW s.v AS SELECT a FROM s.t")
        yield connection
        connection.execute("DROP DATABASE far_sales")  # what read it has left no connection
        connection.execute("DROP USER far_reader")


def rows(db: psycopg.Connection[Any], sql: str) -> list[tuple[Any, ...]]:
    return db.execute(sql.encode()).fetchall()


def test_reading(db: psycopg.Connection[Any]) -> None:
    assert rows(db, "SELECT * FROM far_sales.s.t ORDER BY a") == [(1, "x"), (2, "y")]
    assert rows(db, "SELECT t.b, s.t.a, far_sales.s.t.a FROM far_sales.s.t WHERE b = 'x'") == [("x", 1, 1)]
    assert rows(db, "SELECT x.a FROM far_sales.s.t AS x JOIN far_sales.s.v USING (a) WHERE x.a > 1") == [(2,)]
    with db.transaction(force_rollback=True):
        db.execute("CREATE TABLE near AS SELECT * FROM far_sales.s.t")
        db.execute("INSERT INTO dev.public.near SELECT a + 10, b FROM far_sales.s.t")
        assert rows(db, "SELECT count(*) FROM dev.public.near n, far_sales.s.t WHERE n.a = t.a") == [(2,)]
        assert rows(db, "SELECT count(*) FROM dev.public.near") == [(4,)]


def test_many_at_once(db: psycopg.Connection[Any], redshift: Settings) -> None:
    """Sessions that all reach for a table which nobody has reached for yet."""
    with connect(redshift, dbname="far_sales") as far:
        far.execute("CREATE TABLE s.crowd AS SELECT 1 AS a")

    def read(_: int) -> list[tuple[Any, ...]]:
        with connect(redshift) as session:
            return rows(session, "SELECT a FROM far_sales.s.crowd")

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(read, range(12))) == [[(1,)]] * 12


def test_with_parameters(db: psycopg.Connection[Any]) -> None:
    assert db.execute("SELECT b FROM far_sales.s.t WHERE a = %s", [2]).fetchall() == [("y",)]


def test_columns_follow(db: psycopg.Connection[Any], redshift: Settings) -> None:
    with connect(redshift, dbname="far_sales") as far:
        far.execute("CREATE TABLE s.follow AS SELECT 1 AS a")
        assert rows(db, "SELECT * FROM far_sales.s.follow") == [(1,)]
        far.execute("ALTER TABLE s.follow ADD COLUMN b varchar(5) DEFAULT 'new'")
        assert rows(db, "SELECT * FROM far_sales.s.follow") == [(1, "new")]
        far.execute("DROP TABLE s.follow")
    with pytest.raises(psycopg.errors.UndefinedTable, match=r'relation "far_sales.s.follow" does not exist'):
        db.execute("SELECT * FROM far_sales.s.follow")
    with pytest.raises(psycopg.Error, match='database "nowhere" does not exist'):
        db.execute("SELECT * FROM nowhere.s.t")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO far_sales.s.t VALUES (3, 'z')",
        "UPDATE far_sales.s.t SET a = 0",
        "DELETE FROM far_sales.s.t",
        "CREATE TABLE far_sales.s.made (a int)",
        "CREATE VIEW far_view AS SELECT * FROM far_sales.s.t",
        "CREATE VIEW public.far_view AS SELECT * FROM far_sales.s.t WITH NO SCHEMA BINDING",
    ],
)
def test_only_reading(db: psycopg.Connection[Any], sql: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=r"cross-database references are not implemented: "):
        db.execute(sql.encode())


def test_rights_there_hold(db: psycopg.Connection[Any], redshift: Settings) -> None:
    with connect(redshift, user="far_reader", password="Secret12") as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema s"):
            reader.execute("SELECT * FROM far_sales.s.v")
        with connect(redshift, dbname="far_sales") as far:
            far.execute("GRANT USAGE ON SCHEMA s TO far_reader")
            far.execute("GRANT SELECT ON s.v TO far_reader")
        assert rows(reader, "SELECT count(*) FROM far_sales.s.v") == [(2,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"permission denied for (table|relation) t"):
            reader.execute("SELECT * FROM far_sales.s.t")
        for inner in ("velodrome.relations_here", 'velodrome.".far_sales"'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT * FROM {inner}".encode())
