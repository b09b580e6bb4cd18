"""Tables of another database of the warehouse, by names of three parts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import errors
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


def test_dots_in_names(db: psycopg.Connection[Any], redshift: Settings) -> None:
    with connect(redshift, dbname="far_sales") as far:
        for schema, table, value in (("x.y", "t", 1), ("x", "y.t", 2), ("x!dy", "t", 3)):
            far.execute(f'CREATE SCHEMA "{schema}"'.encode())
            far.execute(f'CREATE TABLE "{schema}"."{table}" AS SELECT {value} AS a'.encode())
    assert rows(db, 'SELECT a FROM far_sales."x.y".t') == [(1,)]
    assert rows(db, 'SELECT a FROM far_sales.x."y.t"') == [(2,)]
    assert rows(db, 'SELECT a FROM far_sales."x!dy".t') == [(3,)]


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
        "CREATE TABLE far_sales.s.made AS SELECT 1 AS a",
        "DROP TABLE far_sales.s.t, dev.s.t",
        "DROP TABLE far_sales.s.t, s.t",
        "CREATE VIEW far_view AS SELECT * FROM far_sales.s.t",
        "CREATE MATERIALIZED VIEW far_view AS SELECT * FROM far_sales.s.t",
    ],
)
def test_only_reading(db: psycopg.Connection[Any], sql: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=r"cross-database references are not implemented: "):
        db.execute(sql.encode())


def test_schemas_and_tables_are_made_there(db: psycopg.Connection[Any], redshift: Settings) -> None:
    """As dbt's tests of other databases set them up: without USE."""
    assert db.execute('CREATE SCHEMA IF NOT EXISTS "far_sales".made QUOTA 3').statusmessage == "CREATE SCHEMA"
    table = "far_sales.made.\"it's\" (id int DISTKEY, name varchar(256) DEFAULT 'a'';b' ENCODE zstd) SORTKEY (name)"
    assert db.execute(f"CREATE TABLE {table}".encode()).statusmessage == "CREATE TABLE"
    db.execute("CREATE TABLE IF NOT EXISTS far_sales.made.other (a numeric(10, 2))")
    with connect(redshift, dbname="far_sales") as far:
        far.execute("SET search_path TO made")
        defined = "SELECT \"column\", type, encoding, distkey, sortkey FROM pg_table_def WHERE tablename = 'it''s'"
        assert rows(far, defined) == [
            ("id", "integer", "az64", True, 0),
            ("name", "character varying(256)", "zstd", False, 1),
        ]
        assert rows(far, "SELECT quota FROM svv_schema_quota_state WHERE schema_name = 'made'") == [(3072,)]
        assert rows(far, "SELECT tableowner FROM pg_tables WHERE tablename = 'other'") == [("awsuser",)]
    for sql, error, message in (
        ("CREATE TABLE far_sales.made.other (a int)", errors.DuplicateTable, 'relation "other" already exists'),
        ("CREATE TABLE far_sales.nowhere.t (a int)", errors.InvalidSchemaName, 'schema "nowhere" does not exist'),
        ("CREATE TABLE far_sales.made.t (a nothing)", errors.UndefinedObject, 'type "nothing" does not exist'),
        ("DROP TABLE far_sales.made.none", errors.UndefinedTable, 'table "none" does not exist'),
        ("CREATE SCHEMA nowhere.s", errors.InvalidCatalogName, 'database "nowhere" does not exist'),
        (
            "SELECT 1; DROP TABLE far_sales.made.other",
            errors.ActiveSqlTransaction,
            "DROP TABLE in another database cannot run inside a transaction block",
        ),
    ):
        with pytest.raises(error) as refused:
            db.execute(sql.encode())
        assert refused.value.diag.message_primary == message
    with connect(redshift, user="far_reader", password="Secret12") as reader:
        for sql, message in (
            ("CREATE SCHEMA far_sales.hers", "permission denied for database far_sales"),
            ("CREATE TABLE far_sales.made.t (a int)", "permission denied for schema made"),
            ("DROP TABLE far_sales.made.other", "permission denied for schema made"),
        ):
            with pytest.raises(errors.InsufficientPrivilege, match=message):
                reader.execute(sql.encode())
    assert db.execute('DROP TABLE IF EXISTS far_sales.made.none, far_sales.made."it\'s"').statusmessage == "DROP TABLE"
    assert db.execute("DROP SCHEMA far_sales.made CASCADE").statusmessage == "DROP SCHEMA"
    assert rows(db, "SHOW SCHEMAS FROM DATABASE far_sales LIKE 'made'") == []


def test_a_late_binding_view(db: psycopg.Connection[Any], redshift: Settings) -> None:
    """https://docs.aws.amazon.com/redshift/latest/dg/cross-database_limitation.html"""
    made = "CREATE VIEW public.far_late AS SELECT a, t.b FROM far_sales.s.late t WITH NO SCHEMA BINDING"
    with pytest.raises(psycopg.errors.UndefinedTable, match=r'relation "far_sales.s.late" does not exist'):
        db.execute(made.encode())
    with connect(redshift, dbname="far_sales") as far:
        far.execute("CREATE TABLE s.late AS SELECT 1 AS a, 'x' AS b")
        assert db.execute(made.encode()).statusmessage == "CREATE VIEW"
        assert rows(db, "SELECT * FROM far_late") == [(1, "x")]
        assert rows(db, "SELECT pg_get_viewdef('far_late'::regclass)") == [(f"{made};",)]
        assert rows(
            db, "SELECT view_schema, col_name FROM pg_get_late_binding_view_cols() WHERE view_name = 'far_late'"
        ) == [
            ("public", "a"),
            ("public", "b"),
        ]
        far.execute("INSERT INTO s.late VALUES (2, 'y')")
        far.execute("ALTER TABLE s.late RENAME TO late_old")
        far.execute(
            "CREATE TABLE s.late AS SELECT 'z' AS b, 3 AS a, 0 AS c"
        )  # another one of the name, as dbt swaps them
        assert rows(db, "SELECT * FROM far_late") == [(3, "z")]
        far.execute("DROP TABLE s.late")
        far.execute("CREATE TABLE s.late AS SELECT 'long' AS b, 4::bigint AS a")
    assert rows(db, "SELECT a FROM far_sales.s.late") == [(4,)]  # named: so the view is read again, too
    described = "SELECT data_type FROM svv_columns WHERE table_name = 'far_late' ORDER BY ordinal_position"
    assert rows(db, "SELECT a, b FROM far_late") == [(4, "long")]
    assert rows(db, described) == [("bigint",), ("character varying",)]
    db.execute("GRANT SELECT ON far_late TO far_reader")
    with connect(redshift, user="far_reader", password="Secret12") as reader:  # as its owner reads there
        assert rows(reader, "SELECT a FROM far_late") == [(4,)]
    db.execute("DROP VIEW far_late")


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
            with pytest.raises(psycopg.errors.InvalidSchemaName):
                reader.execute(f"SELECT * FROM {inner}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):  # with an alias that may be called so
                reader.execute(f"SELECT * FROM {inner} AS velodrome".encode())


def test_the_history_knows_where_a_statement_ran(db: psycopg.Connection[Any], redshift: Settings) -> None:
    """Who comes back at once, as dbt does, is not told of a table of another database as if it were of this one."""
    with connect(redshift) as session:
        session.execute('CREATE TABLE "DEV".public.logged_near AS SELECT 1 AS a')
        session.execute("USE far_sales")
        session.execute("CREATE TABLE far_sales.s.logged_far AS SELECT 1 AS a")
        session.execute("RESET USE")
        for wrong in ("ANALYZE far_sales.s.t", "VACUUM nothing.", 'ANALYZE "nothing'):
            with pytest.raises(psycopg.Error):
                session.execute(wrong.encode())
        made = (
            "SELECT database_name FROM sys_query_history WHERE query_type = 'CTAS' AND query_text LIKE '%logged_far%'"
        )
        assert [row[0].rstrip() for row in rows(session, made)] == ["far_sales"]
        named = "SELECT table_name FROM sys_query_detail WHERE table_name LIKE 'logged%'"
        assert [row[0].rstrip() for row in rows(session, named)] == ["logged_near"]
        for view in ("sys_analyze_history", "sys_vacuum_history", "stl_analyze", "stl_vacuum", "sys_load_detail"):
            rows(session, f"SELECT * FROM {view}")
        session.execute("DROP TABLE logged_near")


def test_show_asks_there(db: psycopg.Connection[Any], redshift: Settings) -> None:
    with connect(redshift, dbname="far_sales") as far:
        far.execute("CREATE SCHEMA shop")
        far.execute('CREATE TABLE shop."it\'s" (id int PRIMARY KEY, "a""b" varchar(5) DEFAULT \'\\\\\') SORTKEY (id)')
        far.execute("CREATE PROCEDURE shop.p(a int, OUT b varchar) AS $$ BEGIN b := a; END $$ LANGUAGE plpgsql")
        far.execute("GRANT USAGE ON SCHEMA shop TO far_reader")
        for sql in (
            "SHOW SCHEMAS FROM DATABASE far_sales LIKE 'sho%'",
            "SHOW TABLES FROM SCHEMA far_sales.shop",
            "SHOW TABLES FROM DATABASE far_sales WHERE schema_name LIKE 'shop'",
            'SHOW COLUMNS FROM TABLE far_sales.shop."it\'s"',
            "SHOW COLUMNS FROM DATABASE far_sales WHERE schema_name LIKE 'shop' AND table_name LIKE '%'",
            'SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE far_sales.shop."it\'s"',
            "SHOW PROCEDURES FROM SCHEMA far_sales.shop",
            "SHOW PARAMETERS OF PROCEDURE far_sales.shop.p(int)",
            'SHOW TABLE far_sales.shop."it\'s"',
            "SHOW PROCEDURE far_sales.shop.p(int)",
            "SHOW GRANTS ON SCHEMA far_sales.shop",
        ):
            there = rows(far, sql)
            assert there and rows(db, sql) == there
    # Drivers put parameters in the places of the names.
    asked = db.execute("SHOW COLUMNS FROM TABLE %s.%s.%s LIKE 'i%%'", ["far_sales", "shop", "it's"]).fetchall()
    assert [row[:4] for row in asked] == [("far_sales", "shop", "it's", "id")]
    for missing in ("TABLES FROM SCHEMA far_sales.nothing", "COLUMNS FROM TABLE far_sales.shop.nothing"):
        assert rows(db, f"SHOW {missing}") == []
    with connect(redshift, user="far_reader", password="Secret12") as reader:
        assert rows(reader, "SHOW TABLES FROM SCHEMA far_sales.shop") == []
        assert [row[1] for row in rows(reader, "SHOW SCHEMAS FROM DATABASE far_sales LIKE 'shop'")] == ["shop"]


def test_views_of_all_databases(db: psycopg.Connection[Any], redshift: Settings) -> None:
    with connect(redshift, dbname="far_sales") as far:
        far.execute("CREATE TABLE s.listed (a int NOT NULL, b varchar(7))")
    both = "database_name IN ('dev', 'far_sales')"
    for view in ("svv_all_schemas", "svv_redshift_schemas"):
        listed = f"SELECT database_name FROM {view} WHERE schema_name = 'public' AND {both} ORDER BY 1"
        assert rows(db, listed) == [("dev",), ("far_sales",)]
    for view in ("svv_all_tables", "svv_redshift_tables"):
        assert rows(db, f"SELECT database_name, schema_name FROM {view} WHERE table_name = 'listed'") == [
            ("far_sales", "s")
        ]
    for view in ("svv_all_columns", "svv_redshift_columns"):
        assert rows(db, f"SELECT column_name, is_nullable FROM {view} WHERE table_name = 'listed' ORDER BY 1") == [
            ("a", "NO"),
            ("b", "YES"),
        ]
    assert rows(db, f"SELECT DISTINCT database_name FROM svv_redshift_functions WHERE {both} ORDER BY 1") == [
        ("dev",),
        ("far_sales",),
    ]
    with connect(redshift, user="far_reader", password="Secret12") as reader:
        assert rows(reader, "SELECT * FROM svv_all_tables WHERE table_name = 'listed'") == []
        for call in (
            "velodrome.dblink('dbname=dev', 'SELECT 1') AS t (a int)",
            "velodrome.answer_of('postgres', 'show_databases', '{}') AS t (a int)",
            "velodrome.answer_of('far_sales', 'databases', NULL) AS t (a name)",
        ):
            with pytest.raises(psycopg.errors.InvalidSchemaName):
                reader.execute(f"SELECT * FROM {call}".encode())


def test_the_sessions_own_database_before_a_schema(db: psycopg.Connection[Any]) -> None:
    """As dbt writes every name with datasharing: true."""
    for sql in (
        'CREATE SCHEMA IF NOT EXISTS "dev"."own"',
        "CREATE SCHEMA dev.own2 AUTHORIZATION awsuser",
        'ALTER SCHEMA "dev"."own2" RENAME TO own3',
        "ALTER SCHEMA dev.own3 OWNER TO awsuser",
        'GRANT USAGE ON SCHEMA dev.own, "dev"."own3" TO far_reader',
        "GRANT SELECT ON ALL TABLES IN SCHEMA dev.own TO far_reader",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA dev.own GRANT SELECT ON TABLES TO far_reader",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA dev.own REVOKE SELECT ON TABLES FROM far_reader",
        "REVOKE USAGE ON SCHEMA dev.own FROM far_reader",
        "COMMENT ON SCHEMA dev.own IS 'mine'",
        "CREATE TABLE dev.own.t DISTKEY (a) AS SELECT 1 AS a",
        "ALTER TABLE dev.own.t SET SCHEMA own3",
    ):
        db.execute(sql.encode())
    assert rows(db, "SELECT a FROM dev.own3.t") == [(1,)]
    db.execute('DROP SCHEMA IF EXISTS "dev"."own", dev.own3 CASCADE')
    assert rows(db, "SHOW SCHEMAS FROM DATABASE dev LIKE 'own%'") == []
    for sql in ("ALTER SCHEMA far_sales.own RENAME TO own2", "DROP SCHEMA IF EXISTS dev.own, far_sales.own"):
        with pytest.raises(
            psycopg.errors.FeatureNotSupported,
            match=r'cross-database references are not implemented: "far_sales\.own"',
        ):
            db.execute(sql.encode())
