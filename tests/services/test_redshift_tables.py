"""Tables made from tables: ALTER TABLE APPEND, LIKE, CREATE TABLE AS, SELECT INTO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.settings import Settings


@pytest.fixture
def db(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A session whose search path is a schema of its own, in which a (id, name) has two rows."""
    with connect(redshift) as connection:
        connection.execute("CREATE SCHEMA tables_made")
        connection.execute("SET search_path TO tables_made")
        connection.execute(
            "CREATE TABLE a (id int, name varchar(10) DEFAULT 'none' ENCODE zstd) DISTKEY (id) SORTKEY (id)"
        )
        connection.execute("INSERT INTO a VALUES (1, 'x'), (2, 'y')")
        yield connection
        connection.execute("DROP SCHEMA tables_made CASCADE")


def rows(db: psycopg.Connection[Any], sql: str) -> list[tuple[Any, ...]]:
    return db.execute(sql.encode()).fetchall()


class TestAppend:
    def test_rows_move(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE TABLE b (LIKE a)")
        assert db.execute("ALTER TABLE b APPEND FROM a").statusmessage == "ALTER TABLE"
        assert rows(db, "SELECT * FROM b ORDER BY id") == [(1, "x"), (2, "y")]
        assert rows(db, "SELECT count(*) FROM a") == [(0,)]

    def test_columns_that_only_one_has(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE TABLE b (LIKE a)")
        db.execute("ALTER TABLE b ADD COLUMN more int DEFAULT 7")
        with pytest.raises(psycopg.Error, match="the source has no column for more of the target"):
            db.execute("ALTER TABLE b APPEND FROM a")
        db.execute("ALTER TABLE b APPEND FROM a FILLTARGET")
        assert rows(db, "SELECT * FROM b ORDER BY id") == [(1, "x", 7), (2, "y", 7)]
        with pytest.raises(psycopg.Error, match="the target has no column for more of the source"):
            db.execute("ALTER TABLE a APPEND FROM b")
        db.execute("ALTER TABLE a APPEND FROM b IGNOREEXTRA")
        assert rows(db, "SELECT * FROM a ORDER BY id") == [(1, "x"), (2, "y")]

    def test_it_stands_alone(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE TABLE b (LIKE a)")
        with (
            pytest.raises(psycopg.Error, match="ALTER TABLE APPEND cannot run inside a transaction block") as caught,
            db.transaction(),
        ):
            db.execute("SELECT 1")
            db.execute("ALTER TABLE b APPEND FROM a")
        assert caught.value.sqlstate == "25001"
        assert rows(db, "SELECT count(*) FROM a") == [(2,)]

    def test_identity(self, db: psycopg.Connection[Any]) -> None:
        db.execute(
            "CREATE TABLE b (k int IDENTITY(1, 1), id int, name varchar(10) ENCODE zstd) DISTKEY (id) SORTKEY (id)"
        )
        db.execute("ALTER TABLE b APPEND FROM a FILLTARGET")
        assert rows(db, "SELECT k, count(*) FROM b GROUP BY k ORDER BY k") == [(1, 1), (2, 1)]

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("TABLE b (id bigint, name varchar(10) ENCODE zstd) DISTKEY (id) SORTKEY (id)", "column id has different"),
            ("TABLE b (id int, name varchar(9) ENCODE zstd) DISTKEY (id) SORTKEY (id)", "column name has different"),
            ("TABLE b (id int NOT NULL, name varchar(10) ENCODE zstd) DISTKEY (id) SORTKEY (id)", "column id has"),
            ("TABLE b (id int, name varchar(10)) DISTKEY (id) SORTKEY (id)", "column name has different"),
            ("TABLE b (id int, name varchar(10) ENCODE zstd) SORTKEY (id)", "different distribution styles or keys"),
            ("TABLE b (id int, name varchar(10) ENCODE zstd) DISTKEY (id)", "different sort keys"),
            ("TEMP TABLE b (id int, name varchar(10))", "both must be permanent tables"),
            ("TABLE c (id int)", 'relation "b" does not exist'),
        ],
    )
    def test_tables_that_differ(self, db: psycopg.Connection[Any], table: str, message: str) -> None:
        db.execute(f"CREATE {table}".encode())
        with pytest.raises(psycopg.Error, match=message):
            db.execute("ALTER TABLE a APPEND FROM b")
        assert rows(db, "SELECT count(*) FROM a") == [(2,)]


def test_like(db: psycopg.Connection[Any]) -> None:
    db.execute(
        "CREATE TABLE parent (k int IDENTITY(1, 1), id int PRIMARY KEY, d int DEFAULT 5) DISTKEY (id) SORTKEY (d)"
    )
    db.execute("CREATE TABLE plain (LIKE parent)")
    db.execute("CREATE TABLE with_defaults (LIKE parent INCLUDING DEFAULTS)")
    layout = 'SELECT "column", distkey, sortkey, "notnull" FROM pg_table_def WHERE tablename = \'{}\' ORDER BY 1'
    expected = [("d", False, 1, False), ("id", True, 0, True), ("k", False, 0, False)]
    assert rows(db, layout.format("plain")) == rows(db, layout.format("with_defaults")) == expected
    db.execute("INSERT INTO plain (k, id) VALUES (1, 1), (1, 1)")  # no identity, no key
    db.execute("INSERT INTO with_defaults (k, id) VALUES (1, 1)")
    assert rows(db, "SELECT d FROM plain UNION SELECT d FROM with_defaults ORDER BY 1") == [(5,), (None,)]
    assert rows(db, "SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE plain") == []


def test_create_table_as(db: psycopg.Connection[Any]) -> None:
    db.execute("CREATE TABLE made (x, y) BACKUP NO DISTKEY (x) COMPOUND SORTKEY (y, x) AS SELECT id, name FROM a")
    assert rows(db, "SELECT x, y FROM made ORDER BY x") == [(1, "x"), (2, "y")]
    layout = "SELECT \"column\", type, distkey, sortkey FROM pg_table_def WHERE tablename = 'made' ORDER BY 1"
    assert rows(db, layout) == [("x", "integer", True, 2), ("y", "character varying(10)", False, 1)]
    db.execute("CREATE TABLE #one DISTSTYLE ALL AS (SELECT 1 AS one)")
    assert rows(db, "SELECT one FROM #one") == [(1,)]


def test_select_into(db: psycopg.Connection[Any]) -> None:
    db.execute("SELECT id INTO made FROM a")
    db.execute("SELECT id INTO #made FROM made WHERE id = 1")
    db.execute("SELECT id INTO TEMP other FROM made")
    assert rows(db, "SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM #made)") == [(2, 1)]
    assert rows(db, "SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r' ORDER BY 1") == [
        ("#made",),
        ("other",),
    ]
