"""The text of a procedure's EXECUTE, which only the server inside reads: what it cannot make or touch, and names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.settings import Settings

Connection = psycopg.Connection[Any]
LONG = "k" * 63  # as long as a name can be inside
PUT_TOGETHER = "EXECUTE x || '';"


@pytest.fixture(scope="module")
def warehouse(redshift: Settings) -> Iterator[Settings]:
    """A user without rights of her own may put texts together and run them."""
    with connect(redshift) as admin:
        admin.execute("CREATE USER eve PASSWORD 'Abcd1234'")
        admin.execute("CREATE SCHEMA dynamic")
        admin.execute("GRANT USAGE, CREATE ON SCHEMA dynamic TO eve")
        body = f"$$ BEGIN {PUT_TOGETHER} END $$ LANGUAGE plpgsql"
        admin.execute(f"CREATE PROCEDURE dynamic.run(x varchar(4000)) AS {body}".encode())
        admin.execute("GRANT EXECUTE ON PROCEDURE dynamic.run(varchar) TO eve")
        yield redshift
        admin.execute("DROP SCHEMA dynamic CASCADE")
        admin.execute("DROP USER eve")


@pytest.fixture
def admin(warehouse: Settings) -> Iterator[Connection]:
    with connect(warehouse) as connection:
        connection.execute("SET search_path TO dynamic")
        yield connection


@pytest.fixture
def eve(warehouse: Settings) -> Iterator[Connection]:
    with connect(warehouse) as connection:
        connection.execute("SET SESSION AUTHORIZATION eve")
        connection.execute("SET search_path TO dynamic")
        yield connection


def run(session: Connection, text: str) -> None:
    session.execute("CALL dynamic.run(%s)", (text,))


def rows(session: Connection, sql: str) -> list[tuple[Any, ...]]:
    return session.execute(sql.encode()).fetchall()


def test_nobody_becomes_the_owner_of_another_ones_view(admin: Connection, eve: Connection) -> None:
    admin.execute("CREATE TABLE secrets (s varchar(20))")
    admin.execute("INSERT INTO secrets VALUES ('hidden')")
    admin.execute("CREATE VIEW shared AS SELECT 1 AS s")
    admin.execute("GRANT SELECT ON shared TO PUBLIC")
    eve.execute("CREATE VIEW mine AS SELECT 1 AS s")
    ((shared,),) = rows(eve, "SELECT 'dynamic.shared'::regclass::oid")
    # The name of the setting and of the schema are put together, so that no text has them.
    run(eve, f"SELECT pg_catalog.set_config('velo' || 'drome.replaced', '{shared}', false)")
    run(eve, "SELECT pg_catalog.set_config('search_path', 'velo' || 'drome', false)")
    note = '{"query": "SELECT s FROM dynamic.secrets", "source": "x", "columns": [], "selects": [], "reads": []}'
    run(eve, f"SELECT created_view('dynamic.mine'::regclass, '{note}', 'public')")
    assert rows(admin, "SELECT * FROM shared") == [(1,)]
    for view in ("shared", "mine"):
        eve.execute("SET search_path TO dynamic")
        if view == "shared":
            assert rows(eve, "SELECT * FROM shared") == [(1,)]
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rows(eve, "SELECT * FROM mine")


REFUSED = [
    "SELECT velodrome.created_view(NULL, NULL, '')",
    "SELECT * FROM velodrome.late_binding_views",
    'SELECT * FROM "velodrome"."late_binding_views"',
    "SET search_path TO 'velodrome'",
    "SELECT 1 AS x$$, (SELECT count(*) FROM velodrome.late_binding_views) AS y$$",
    "SELECT $$ ' $$, (SELECT count(*) FROM velodrome.late_binding_views), $$ ' $$",
    """SELECT 1 AS "'", (SELECT count(*) FROM velodrome.late_binding_views), 1 AS "'" """,
    """SELECT 1 AS "''", (SELECT count(*) FROM"velodrome".late_binding_views)""",
    r'SELECT * FROM U&"\0076elodrome".late_binding_views',
    "CALL velodrome.create_user('x', '{}')",
    "SET velodrome.replaced TO '1'",
    "SET standard_conforming_strings TO on",
    "RESET scram_iterations",
    "CREATE FUNCTION f_e(i int) RETURNS int AS $x$ BEGIN RETURN i; END $x$ LANGUAGE plpgsql",
    "CREATE FUNCTION f_e(i int) RETURNS int AS $x$ SELECT 1; SELECT 2 $x$ LANGUAGE sql",
    "CREATE FUNCTION f_e(i int) RETURNS bigint AS $x$ SELECT (count(*)) FROM pg_class $x$ LANGUAGE sql",
    "CREATE FUNCTION f_e(i int) RETURNS int LANGUAGE sql RETURN 1",
    "CREATE FUNCTION f_e(i int) RETURNS int AS $x$ SELECT 1 $x$ LANGUAGE sql SECURITY DEFINER",
    "CREATE FUNCTION quote_ident(name) RETURNS text AS $x$ SELECT 'x'::text $x$ LANGUAGE sql",
    "CREATE TABLE made (a int CHECK (a > 5))",
    "CREATE TABLE made (a serial)",
    "CREATE TABLE made (a int[])",
    "CREATE TABLE made (a int, j jsonb)",
    "CREATE UNLOGGED TABLE made (a int)",
    "CREATE TABLE made (a int) PARTITION BY LIST (a)",
    "CREATE TABLE made (a int) DISTSTYLE SOMEHOW",
    "CREATE INDEX i ON t (a)",
    "CREATE TYPE t AS ENUM ('a')",
    "LISTEN a",
    "DO $x$ BEGIN END $x$",
    "RAISE INFO 'a'",
    "x := 5",
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
    "DELETE FROM t RETURNING 1",
    "SELECT DISTINCT ON (a) a FROM t",
    "SELECT 'unterminated",
    "SELECT pg_sleep(1)",
    "GRANT SELECT ON t TO GROUP nobody_there",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_outside_is_refused_alike(eve: Connection, text: str) -> None:
    errors = []
    for ask in (lambda: eve.execute(text.encode()), lambda: run(eve, text)):
        with pytest.raises(psycopg.Error) as refused:
            ask()
        errors.append((refused.value.sqlstate, refused.value.diag.message_primary))
    assert errors[0] == errors[1]


def test_redshifts_own_statements(eve: Connection) -> None:
    """All that only Redshift has: attributes of tables, #temp, functions, QUALIFY, names with the database in front."""
    for text in (
        'CREATE TABLE dev.dynamic."Sold" (id int IDENTITY(1, 1), "Sold On" date ENCODE az64) DISTSTYLE ALL',
        "INSERT INTO sold (\"SOLD on\") VALUES (DATEADD(day, 1, '2026-01-31')), (NVL(NULL, DATE '2026-02-02'))",
        "CREATE TABLE #latest AS SELECT id FROM dev.dynamic.sold QUALIFY row_number() OVER (ORDER BY id DESC) = 1",
        "DELETE sold WHERE id IN (SELECT id FROM #latest)",
        "CREATE FUNCTION f_next(int) RETURNS int IMMUTABLE AS $x$ SELECT DECODE($1, 1, 2, 0) $x$ LANGUAGE sql",
        "CREATE PROCEDURE p_next(OUT n int) AS $x$ BEGIN n := NVL2(NULL, 1, 2); END $x$ LANGUAGE plpgsql",
        "CREATE MATERIALIZED VIEW sold_days AS SELECT count(*) AS n FROM sold",
        "REFRESH MATERIALIZED VIEW sold_days",
        "REFRESH MATERIALIZED VIEW sold_days CASCADE",
        "TRUNCATE #latest",
        "ANALYZE sold PREDICATE COLUMNS",
        "ALTER TABLE sold ALTER SORTKEY (id)",
        "COMMENT ON TABLE sold IS 'it''s dynamic'",
        "EXPLAIN SELECT NVL(id, 0) FROM sold QUALIFY row_number() OVER (ORDER BY id) = 1",
        "PREPARE one (int) AS SELECT NVL($1, 0)",
        "EXECUTE one (NVL(NULL, 2))",
        "DEALLOCATE one",
        "UPDATE sold SET id = DEFAULT WHERE NVL(id, 0) = 5",
        "SET query_group TO 'dynamic'",
    ):
        run(eve, text)
    assert rows(eve, 'SELECT "sold on"::varchar, f_next(id) FROM sold') == [("2026-02-01", 2)]
    assert rows(eve, "SELECT n FROM sold_days") == [(1,)]
    assert rows(eve, "SELECT count(*) FROM #latest") == [(0,)]
    assert rows(eve, "CALL p_next()") == [(2,)]


def test_the_name_of_a_built_in_function_is_refused_outside_too(eve: Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match='function name "lower"'):
        eve.execute("CREATE FUNCTION lower(varchar) RETURNS varchar IMMUTABLE AS $$ SELECT $1 $$ LANGUAGE sql")


def test_keys_are_informational(eve: Connection) -> None:
    run(eve, "CREATE TABLE keyed (a int PRIMARY KEY, b int UNIQUE)")
    eve.execute("INSERT INTO keyed VALUES (1, 1), (1, 1)")
    assert rows(eve, "SELECT count(*) FROM keyed") == [(2,)]


def test_data_may_have_the_words(eve: Connection) -> None:
    eve.execute("CREATE TABLE words (a varchar(100))")
    run(eve, "INSERT INTO words VALUES ('velodrome.x returning ' || 'on conflict') -- velodrome.y")
    assert rows(eve, "SELECT a FROM words") == [("velodrome.x returning on conflict",)]
    for word in ("PERFORM", "SELECT"):
        run(eve, f"INSERT INTO words VALUES ('{word} velodrome.y')")
    all_of_them = "SELECT a FROM words QUALIFY row_number() OVER (PARTITION BY a ORDER BY a) = 1"  # edited as a whole
    run(eve, f"DELETE FROM words WHERE a = 'PERFORM velodrome.y' AND a IN ({all_of_them})")
    assert rows(eve, "SELECT a FROM words WHERE a LIKE '%velodrome.y'") == [("SELECT velodrome.y",)]


def test_names_in_quotes_are_folded(eve: Connection) -> None:
    eve.execute('CREATE TABLE dynamic."Mixed Case" ("A b" int)')
    run(eve, 'INSERT INTO "Mixed CASE" ("A B") VALUES (1) -- "X')
    run(eve, """INSERT INTO "mixed case" SELECT length('"A"') AS "A" """)
    assert rows(eve, 'SELECT "a b" FROM "Mixed Case" ORDER BY 1') == [(1,), (3,)]
    eve.execute("SET enable_case_sensitive_identifier TO on")
    with pytest.raises(psycopg.errors.UndefinedTable):
        run(eve, 'DELETE FROM "Mixed CASE"')
    run(eve, 'CREATE TABLE "Kept" (a int)')
    assert rows(eve, 'SELECT count(*) FROM "Kept"') == [(0,)]


class TestLongNames:
    def test_what_never_existed_is_not_dropped(self, eve: Connection) -> None:
        eve.execute(f"CREATE TABLE {LONG} (a int)".encode())
        for text in (f"DROP TABLE {LONG}_never", f'TRUNCATE "{LONG}_never"', f"DELETE FROM {LONG}_never"):
            with pytest.raises(psycopg.errors.UndefinedTable):
                run(eve, text)
        assert rows(eve, f"SELECT count(*) FROM {LONG}") == [(0,)]

    def test_one_of_short_words_and_dots(self, eve: Connection) -> None:
        short = "a.b (c) " * 8
        run(eve, f'CREATE TABLE "{short}x" (a int)')
        run(eve, f'CREATE TABLE "{short}y" (a int)')
        run(eve, f'DROP TABLE "{short}x"')
        assert rows(eve, f'SELECT count(*) FROM "{short}y"') == [(0,)]

    def test_one_is_made_and_found(self, eve: Connection) -> None:
        run(eve, f'CREATE TABLE {LONG}_One ("Größe {LONG}" int)')
        run(eve, f"INSERT INTO {LONG}_one VALUES (7)")
        assert rows(eve, f'SELECT "Größe {LONG}" FROM {LONG}_one') == [(7,)]
        assert rows(eve, f"SELECT tablename FROM pg_tables WHERE tablename = '{LONG}_one'") == [(f"{LONG}_one",)]

    def test_in_a_text_that_stands_there(self, eve: Connection) -> None:
        made = f"EXECUTE 'CREATE TABLE {LONG}_two (a int)'; EXECUTE 'INSERT INTO {LONG}_' || 'two VALUES (5)';"
        eve.execute(f"CREATE PROCEDURE makes() AS $$ BEGIN {made} END $$ LANGUAGE plpgsql".encode())
        eve.execute("CALL makes()")
        assert rows(eve, f"SELECT a FROM {LONG}_two") == [(5,)]

    def test_above_127_bytes(self, eve: Connection) -> None:
        with pytest.raises(psycopg.Error) as refused:
            run(eve, f"CREATE TABLE {LONG}{LONG}kk (a int)")
        assert refused.value.sqlstate == "42622"


def test_a_table_named_as_one_of_the_server_s_does_not_take_its_place_in_a_view_s_making(admin: Connection) -> None:
    admin.execute("CREATE TABLE dynamic.pg_class (a int)")
    admin.execute("SET search_path TO dynamic, pg_catalog")
    for number in (1, 2):
        admin.execute(
            f"CREATE OR REPLACE VIEW dynamic.late AS SELECT {number} AS n FROM pg_catalog.pg_class LIMIT 1"
            " WITH NO SCHEMA BINDING".encode()
        )
        assert rows(admin, "SELECT n FROM dynamic.late") == [(number,)]
    admin.execute("CREATE TABLE dynamic.base (a int)")
    admin.execute("CREATE MATERIALIZED VIEW dynamic.kept AS SELECT a FROM dynamic.base")
    admin.execute("REFRESH MATERIALIZED VIEW dynamic.kept")
