"""A warehouse whose catalog is of another version: views change their columns, what users made of them stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from velodrome.postgres import Server, ensure_database
from velodrome.redshift import catalog_files

NEWER = """
CREATE VIEW pg_catalog.svv_tables AS SELECT 1 AS other_columns;
GRANT SELECT ON pg_catalog.svv_tables TO PUBLIC;
CREATE VIEW pg_catalog.svv_columns AS SELECT 2 AS other_columns;
"""


# What a client can make in public, where everybody may: better matches than pg_catalog's for what the files call, each
# of which notes who runs it.
PLANTED = """
CREATE TABLE public.ran (who name);
GRANT ALL ON public.ran TO PUBLIC;
CREATE FUNCTION public.note() RETURNS void LANGUAGE sql AS 'INSERT INTO public.ran SELECT current_user';
CREATE FUNCTION public.starts_with(name, text) RETURNS boolean LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.starts_with($1::text, $2)';
CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.format($1, $2, $3)';
CREATE FUNCTION public.format(text, name, name, text) RETURNS text LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.format($1, $2, $3, $4)';
CREATE FUNCTION public.format(text, regprocedure) RETURNS text LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.format($1, $2)';
CREATE FUNCTION public.format(text, regclass) RETURNS text LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.format($1, $2)';
CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.format($1, $2)';
CREATE FUNCTION public."left"(name, int) RETURNS text LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog."left"($1::text, $2)';
CREATE FUNCTION public.not_like(name, text) RETURNS boolean LANGUAGE sql
    AS 'SELECT public.note(); SELECT pg_catalog.textregexne($1::text, $2)';
"""
# Of a version that let clients make operators.
OPERATOR = "CREATE OPERATOR public.!~ (LEFTARG = name, RIGHTARG = text, FUNCTION = public.not_like)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data", port=5432, superuser="rdsdb", password=None, listen="", parameters={})
    made.initialize()
    made.start()
    yield made
    made.stop()


def installed(server: Server, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    monkeypatch.setattr(catalog_files, "texts", lambda: files)
    catalog_files.install(server, "dev")


def test_views_change_and_users_views_stay(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_database(server, "dev", "awsuser", "x")
    now = catalog_files.texts()
    edges = {name: now[name] for name in ("00_make_way.sql", "99_grant_again.sql")}
    installed(server, monkeypatch, now)
    with psycopg.connect(server.conninfo("dev"), autocommit=True) as connection:
        note = '{"table": ["kept"], "diststyle": "key", "distkey": "a"}'
        connection.execute(f"CREATE TABLE kept (a int)/*velodrome:{note}:velodrome*/")
        connection.execute("CREATE VIEW theirs AS SELECT table_name FROM svv_tables")
        connection.execute("CREATE ROLE reader")
        connection.execute("GRANT SELECT ON svv_table_info TO reader")

        installed(server, monkeypatch, edges | {"50_newer.sql": NEWER})
        assert connection.execute("SELECT * FROM svv_tables").fetchall() == [(1,)]
        assert connection.execute("SELECT * FROM svv_columns").fetchall() == [(2,)]
        assert ("kept",) in connection.execute("SELECT * FROM theirs").fetchall()

        connection.execute("DROP VIEW theirs")
        installed(server, monkeypatch, now)
        assert connection.execute("SELECT table_name FROM svv_tables WHERE table_schema = 'public'").fetchall() == [
            ("kept",)
        ]
        assert (
            connection.execute(
                "SELECT relname FROM pg_class WHERE relname LIKE 'svv\\_%~%' OR relname LIKE 'relation%~%'"
            ).fetchall()
            == []
        )
        assert connection.execute("SELECT relid::regclass::text, distkey FROM velodrome.table_notes").fetchall() == [
            ("kept", "a")
        ]

        connection.execute("GRANT SELECT ON svv_table_info TO reader")
        installed(server, monkeypatch, now | {"98_more.sql": "SELECT 1"})
        assert connection.execute("SELECT has_table_privilege('reader', 'svv_table_info', 'SELECT')").fetchone() == (
            True,
        )


def test_procedures_get_the_mark_of_out_arguments(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that an earlier version made is called, shown and owned as before, and leaves its signature to a function."""
    ensure_database(server, "dev", "awsuser", "x")
    now = catalog_files.texts()
    installed(server, monkeypatch, now)
    with psycopg.connect(server.conninfo("dev"), autocommit=True) as connection:
        for statement in (
            "CREATE ROLE maker",
            "CREATE ROLE caller",
            "CREATE PROCEDURE public.made(a int, INOUT b int DEFAULT NULL) LANGUAGE plpgsql"
            " AS $$ BEGIN b := a + 1; END $$",
            "ALTER PROCEDURE public.made(int, int) OWNER TO maker",
            "GRANT EXECUTE ON PROCEDURE public.made(int, int) TO caller WITH GRANT OPTION",
            "COMMENT ON PROCEDURE public.made(int, int) IS 'adds'",
            "INSERT INTO velodrome.routine_notes VALUES ('public.made(int, int)'::regprocedure, 'written')",
        ):
            connection.execute(statement)
        installed(server, monkeypatch, {**now, "99_later.sql": "SELECT 1;"})
        connection.execute("CREATE FUNCTION public.made(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT 7'")
        assert connection.execute("CALL public.made(1)").fetchall() == [(2,)]
        question = (
            "SELECT pg_get_userbyid(proowner), proacl::text, obj_description(oid, 'pg_proc'), proargtypes::text,"
            " (SELECT body FROM velodrome.routine_notes WHERE routine = p.oid) FROM velodrome.pg_proc p"
            " WHERE proname = 'made' AND prokind = 'p'"
        )
        assert connection.execute(question).fetchall() == [
            ("maker", "{maker=X/maker,caller=X*/maker}", "adds", "23", "written")
        ]


def test_nothing_of_a_client_runs_as_the_owner(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_database(server, "dev", "awsuser", "x")
    now = catalog_files.texts()
    installed(server, monkeypatch, now)
    with psycopg.connect(server.conninfo("dev"), autocommit=True) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        connection.execute("CREATE ROLE planter LOGIN")
        # As in a version that let clients make such functions.
        connection.execute("ALTER EVENT TRIGGER velodrome_refuse_made DISABLE")
        connection.execute("SET SESSION AUTHORIZATION planter")
        for statement in PLANTED.split(";\n"):
            if statement.strip():
                connection.execute(statement)  # type: ignore[arg-type]
        connection.execute("CREATE VIEW reading AS SELECT table_name FROM svv_tables")
        connection.execute("RESET SESSION AUTHORIZATION")
        connection.execute(OPERATOR)
        connection.execute("GRANT SELECT ON svv_table_info TO planter")
        installed(server, monkeypatch, now | {"98_more.sql": "SELECT 1"})
        assert connection.execute("SELECT DISTINCT who FROM ran").fetchall() == []
        loose = """
            SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND oid >= 16384
            AND NOT EXISTS (SELECT FROM unnest(proconfig) setting WHERE setting LIKE 'search_path=pg_catalog%')
        """
        assert connection.execute(loose).fetchall() == []
