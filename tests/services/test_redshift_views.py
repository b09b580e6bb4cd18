"""Views of the warehouse: late-binding ones, materialized ones, and what stands in the way of a DROP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.settings import Settings
from velodrome.testing import wait_until


@pytest.fixture
def db(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A session with a schema `views` of its own, in which t (a, b) has one row."""
    with connect(redshift) as connection:
        connection.execute("DROP SCHEMA IF EXISTS views CASCADE")
        connection.execute("CREATE SCHEMA views")
        connection.execute("CREATE TABLE views.t (a int, b varchar(10))")
        connection.execute("INSERT INTO views.t VALUES (1, 'x')")
        yield connection
        connection.rollback()
        connection.execute("DROP SCHEMA views CASCADE")


def rows(db: psycopg.Connection[Any], sql: str) -> list[tuple[Any, ...]]:
    return db.execute(sql.encode()).fetchall()


class TestLateBinding:
    def test_columns_and_text(self, db: psycopg.Connection[Any]) -> None:
        text = "CREATE VIEW views.v (a, c) AS SELECT a, NVL(b, 'a;b') FROM views.t WITH NO SCHEMA BINDING"
        assert db.execute(text.encode()).statusmessage == "CREATE VIEW"
        assert rows(db, "SELECT * FROM views.v") == [(1, "x")]
        assert rows(db, "SELECT * FROM pg_get_late_binding_view_cols() WHERE view_schema = 'views'") == [
            ("views", "v", "a", "integer", 1),
            ("views", "v", "c", "character varying", 2),
        ]
        assert rows(db, "SELECT pg_get_viewdef('views.v'::regclass)") == [(text + ";",)]
        assert rows(db, "SELECT definition FROM pg_views WHERE schemaname = 'views'") == [(text + ";",)]

    def test_its_table_may_go_and_come_back_different(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE VIEW views.v AS SELECT * FROM views.t WITH NO SCHEMA BINDING")
        db.execute("CREATE VIEW views.over AS SELECT a FROM views.v WITH NO SCHEMA BINDING")
        db.execute("GRANT SELECT ON views.v TO PUBLIC")
        db.execute("COMMENT ON VIEW views.v IS 'kept'")
        db.execute("DROP TABLE views.t")
        for sql in ("SELECT a FROM views.v", "SELECT count(*) FROM views.v", "SELECT * FROM views.over"):
            with pytest.raises(psycopg.errors.UndefinedTable, match=r'^relation "views.t" does not exist'):
                db.execute(sql.encode())
        db.execute("CREATE TABLE views.t AS SELECT 'y'::varchar(5) AS a, 2::bigint AS more")
        assert rows(db, "SELECT * FROM views.v, views.over") == [("y", 2, "y")]
        db.execute("ALTER TABLE views.t ADD COLUMN late int DEFAULT 3")
        assert rows(db, "SELECT * FROM views.v") == [("y", 2, 3)]
        db.execute("ALTER TABLE views.t DROP COLUMN a CASCADE")
        with pytest.raises(psycopg.errors.UndefinedColumn, match='column "a" does not exist'):
            db.execute("SELECT * FROM views.over")
        assert rows(db, "SELECT obj_description('views.v'::regclass)") == [("kept",)]
        assert rows(db, "SELECT relacl::text LIKE '%,=r/%' FROM pg_class WHERE oid = 'views.v'::regclass") == [(True,)]

    def test_before_its_table_exists(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE VIEW views.early AS SELECT x, x + 1 AS y FROM views.later WITH NO SCHEMA BINDING")
        with pytest.raises(psycopg.errors.UndefinedTable, match=r'^relation "views.later" does not exist'):
            db.execute("SELECT x, y FROM views.early WHERE y IS NULL")
        assert rows(db, "SELECT * FROM pg_get_late_binding_view_cols() WHERE view_name = 'early'") == []
        db.execute("CREATE TABLE views.later AS SELECT 1 AS x")
        assert rows(db, "SELECT x, y FROM views.early") == [(1, 2)]

    def test_names_decide(self, db: psycopg.Connection[Any]) -> None:
        """What dbt does to replace a view: rename the old one, rename the new one, drop the old one."""
        db.execute("CREATE VIEW views.v AS SELECT a FROM views.t WITH NO SCHEMA BINDING")
        db.execute("CREATE VIEW views.reader AS SELECT * FROM views.v WITH NO SCHEMA BINDING")
        with db.transaction():
            db.execute("CREATE VIEW views.v__dbt_tmp AS SELECT 7 AS seven FROM views.t WITH NO SCHEMA BINDING")
            db.execute("ALTER TABLE views.v RENAME TO v__dbt_backup")
            db.execute("ALTER TABLE views.v__dbt_tmp RENAME TO v")
        db.execute("DROP VIEW IF EXISTS views.v__dbt_backup CASCADE")
        assert rows(db, "SELECT * FROM views.reader") == [(7,)]
        db.execute("ALTER SCHEMA views RENAME TO elsewhere")
        with pytest.raises(psycopg.errors.UndefinedTable, match=r'relation "views.(t|v)" does not exist'):
            db.execute("SELECT * FROM elsewhere.reader")
        db.execute("ALTER SCHEMA elsewhere RENAME TO views")
        assert rows(db, "SELECT * FROM views.reader") == [(7,)]

    def test_replaced(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE VIEW views.v AS SELECT a, b FROM views.t WITH NO SCHEMA BINDING")
        db.execute("GRANT SELECT ON views.v TO PUBLIC")
        db.execute("CREATE OR REPLACE VIEW views.v AS SELECT b, 2 AS two FROM views.t WITH NO SCHEMA BINDING")
        assert rows(db, "SELECT * FROM views.v") == [("x", 2)]
        assert rows(db, "SELECT has_table_privilege('public', 'views.v', 'select')") == [(True,)]
        db.execute("CREATE VIEW views.bound AS SELECT two FROM views.v")
        with pytest.raises(psycopg.Error, match="cannot change number of columns in view"):
            db.execute("CREATE OR REPLACE VIEW views.v AS SELECT b FROM views.t WITH NO SCHEMA BINDING")
        assert rows(db, "SELECT * FROM views.bound") == [(2,)]
        db.execute("CREATE OR REPLACE VIEW views.v AS SELECT b, 3 AS two FROM views.t")
        with pytest.raises(psycopg.Error, match=r"cannot drop table views.t because other objects depend on it"):
            db.execute("DROP TABLE views.t")

    def test_rolled_back(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE VIEW views.v AS SELECT a FROM views.t WITH NO SCHEMA BINDING")
        with db.transaction(force_rollback=True):
            db.execute("DROP TABLE views.t")
        assert rows(db, "SELECT * FROM views.v") == [(1,)]

    def test_nothing_in_a_view_stands_in_the_way_of_its_table(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE VIEW views.v AS SELECT a FROM views.t WHERE b = 'x' WITH NO SCHEMA BINDING")
        db.execute("DROP TABLE views.t")
        db.execute("CREATE TABLE views.t AS SELECT 1 AS a, 2 AS b")
        with pytest.raises(psycopg.Error, match="invalid input syntax for type integer"):
            db.execute("SELECT * FROM views.v")

    def test_syntax_is_checked(self, db: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.errors.SyntaxError):
            db.execute("CREATE VIEW views.v AS SELECT a FRO views.t WITH NO SCHEMA BINDING")
        with pytest.raises(psycopg.errors.UndefinedTable):
            db.execute("SELECT * FROM views.v")

    def test_the_plan_is_the_tables(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE VIEW views.v AS SELECT a, b FROM views.t WITH NO SCHEMA BINDING")
        plan = "\n".join(line for (line,) in rows(db, "EXPLAIN SELECT a FROM views.v WHERE b = 'x'"))
        assert "Seq Scan on t" in plan and "Function" not in plan

    def test_readers_see_one_table_after_the_other(self, db: psycopg.Connection[Any], redshift: Settings) -> None:
        """Its table is replaced again and again while two sessions read it through two views: nobody fails."""
        db.execute("CREATE VIEW views.v AS SELECT * FROM views.t WITH NO SCHEMA BINDING")
        db.execute("CREATE VIEW views.over AS SELECT a FROM views.v WITH NO SCHEMA BINDING")
        ended = Event()

        def read() -> int:
            count = 0
            with connect(redshift, prepare_threshold=None) as reader:
                while not ended.is_set():
                    reader.execute("SELECT a FROM views.over")
                    count += 1
            return count

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            try:
                for number in range(20):
                    with db.transaction():
                        db.execute(f"CREATE TABLE views.next AS SELECT {number}::bigint AS a, 2 AS c".encode())
                        db.execute("ALTER TABLE views.t RENAME TO old")
                        db.execute("ALTER TABLE views.next RENAME TO t")
                        db.execute("DROP TABLE views.old")
            finally:
                ended.set()
            assert all(reader.result() > 0 for reader in readers)
        assert rows(db, "SELECT * FROM views.over") == [(19,)]

    def test_who_owns_the_view_must_be_allowed_to_read(self, db: psycopg.Connection[Any], redshift: Settings) -> None:
        db.execute("CREATE USER late_reader PASSWORD 'Secret12'")
        try:
            db.execute("GRANT USAGE, CREATE ON SCHEMA views TO late_reader")
            with connect(redshift, user="late_reader", password="Secret12") as other:
                other.execute("CREATE VIEW views.mine AS SELECT * FROM views.t WITH NO SCHEMA BINDING")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    other.execute("SELECT * FROM views.mine")
                with pytest.raises(psycopg.Error, match="must be owner"):
                    other.execute("CREATE OR REPLACE VIEW views.t AS SELECT 1 AS x WITH NO SCHEMA BINDING")
                db.execute("GRANT SELECT ON views.t TO late_reader")
                assert other.execute("SELECT * FROM views.mine").fetchall() == [(1, "x")]
            db.execute("DROP VIEW views.mine")
        finally:
            db.execute("DROP SCHEMA views CASCADE")
            db.execute("DROP USER late_reader")
            db.execute("CREATE SCHEMA views")


class TestPlain:
    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ("a", "cannot change number of columns in view"),
            ("b, a", 'cannot change name of view column "a"'),
            ("b AS a, b", 'cannot change data type of view column "a"'),
        ],
    )
    def test_replaced_with_the_same_columns_only(self, db: psycopg.Connection[Any], columns: str, message: str) -> None:
        db.execute("CREATE VIEW views.v AS SELECT a, b FROM views.t")
        db.execute("CREATE OR REPLACE VIEW views.v AS SELECT a, b FROM views.t WHERE a > 0")
        with pytest.raises(psycopg.Error) as caught:
            db.execute(f"CREATE OR REPLACE VIEW views.v AS SELECT {columns} FROM views.t".encode())
        assert caught.value.diag.message_primary == message


def info(db: psycopg.Connection[Any]) -> dict[str, tuple[str, int, str]]:
    """(is_stale, state, autorefresh) of each materialized view of the schema."""
    found = rows(db, "SELECT trim(name), is_stale, state, autorefresh FROM svv_mv_info WHERE schema_name = 'views'")
    return {name: (stale, state, auto) for name, stale, state, auto in found}


class TestMaterialized:
    @pytest.fixture
    def said(self, db: psycopg.Connection[Any]) -> list[str]:
        """What the server says about refreshes."""
        texts: list[str] = []
        db.add_notice_handler(lambda notice: texts.append(f"{notice.severity}: {notice.message_primary}"))
        return texts

    def test_refresh(self, db: psycopg.Connection[Any], said: list[str]) -> None:
        made = db.execute(
            "CREATE MATERIALIZED VIEW views.m BACKUP NO DISTSTYLE KEY DISTKEY (a) SORTKEY (a) AUTO REFRESH NO"
            " AS SELECT a, count(*) AS n FROM views.t GROUP BY a"
        )
        assert made.statusmessage == "CREATE MATERIALIZED VIEW"
        assert rows(db, "SELECT * FROM views.m") == [(1, 1)]
        assert info(db) == {"m": ("f", 1, "f")}
        db.execute("INSERT INTO views.t VALUES (2, 'y')")
        assert rows(db, "SELECT * FROM views.m") == [(1, 1)]
        assert info(db) == {"m": ("t", 1, "f")}
        assert db.execute("REFRESH MATERIALIZED VIEW views.m").statusmessage == "REFRESH MATERIALIZED VIEW"
        assert sorted(rows(db, "SELECT * FROM views.m")) == [(1, 1), (2, 1)]
        assert info(db) == {"m": ("f", 1, "f")}
        db.execute("REFRESH MATERIALIZED VIEW views.m")
        assert said == [
            "INFO: Materialized view m was incrementally updated successfully.",
            "INFO: Materialized view m is already up to date.",
        ]
        statuses = "SELECT trim(refresh_type), status FROM {} WHERE schema_name = 'views' ORDER BY {}"
        expected = [
            ("Manual", "Refresh successfully updated MV incrementally"),
            ("Manual", "MV was already updated"),
        ]
        assert rows(db, statuses.format("svl_mv_refresh_status", "starttime"))[-2:] == expected
        assert rows(db, statuses.format("sys_mv_refresh_history", "start_time"))[-2:] == expected

    def test_stale_is_what_committed_changes_say(self, db: psycopg.Connection[Any], redshift: Settings) -> None:
        db.execute("CREATE MATERIALIZED VIEW views.m AS SELECT a FROM views.t")
        with db.transaction(force_rollback=True):
            db.execute("INSERT INTO views.t VALUES (5, 'z')")
            assert info(db)["m"][0] == "t"
        assert info(db)["m"][0] == "f"
        with connect(redshift, autocommit=False) as other:
            other.execute("DELETE FROM views.t")
            db.execute("REFRESH MATERIALIZED VIEW views.m")  # does not see what is not committed
            assert info(db)["m"][0] == "f"
            other.commit()
        assert info(db)["m"][0] == "t"
        db.execute("REFRESH MATERIALIZED VIEW views.m")
        db.execute("TRUNCATE views.t")
        assert info(db)["m"][0] == "t"

    def test_views_over_views(self, db: psycopg.Connection[Any], said: list[str]) -> None:
        db.execute("CREATE VIEW views.plain AS SELECT a FROM views.t")
        db.execute("CREATE MATERIALIZED VIEW views.u AS SELECT a FROM views.plain")
        db.execute("CREATE MATERIALIZED VIEW views.w AS SELECT count(*) AS n FROM views.u")
        db.execute("INSERT INTO views.t VALUES (2, 'y')")
        db.execute("REFRESH MATERIALIZED VIEW views.w RESTRICT")
        assert said == [
            "INFO: Materialized view w is already up to date."
            " However, it depends on another materialized view that is not up to date."
        ]
        assert rows(db, "SELECT trim(name), trim(ref_name) FROM stv_mv_deps WHERE schema = 'views'") == [("w", "u")]
        db.execute("REFRESH MATERIALIZED VIEW views.w CASCADE")
        assert said[1:] == ["INFO: Materialized view w was incrementally updated successfully."]
        assert rows(db, "SELECT n FROM views.w") == [(2,)]

    def test_what_cannot_be_incremental(self, db: psycopg.Connection[Any], said: list[str]) -> None:
        db.execute("CREATE MATERIALIZED VIEW views.m AS SELECT DISTINCT a FROM views.t")
        assert info(db) == {"m": ("f", 0, "f")}
        db.execute("INSERT INTO views.t VALUES (2, 'y')")
        db.execute("REFRESH MATERIALIZED VIEW views.m")
        assert said == ["INFO: Materialized view m was recomputed successfully."]

    def test_in_a_procedure(self, db: psycopg.Connection[Any], said: list[str]) -> None:
        db.execute("CREATE MATERIALIZED VIEW views.m AS SELECT a FROM views.t")
        db.execute(
            "CREATE PROCEDURE views.renew() AS $$ BEGIN INSERT INTO views.t VALUES (2, 'y');"
            " REFRESH MATERIALIZED VIEW views.m; CREATE MATERIALIZED VIEW views.n BACKUP NO AS SELECT a FROM views.m;"
            " INSERT INTO views.t VALUES (3, 'z'); REFRESH MATERIALIZED VIEW views.n CASCADE; END $$ LANGUAGE plpgsql"
        )
        db.execute("CALL views.renew()")
        assert rows(db, "SELECT count(*) FROM views.n") == [(3,)]
        assert info(db) == {"m": ("f", 1, "f"), "n": ("f", 0, "f")}
        assert said == [
            "INFO: Materialized view m was incrementally updated successfully.",
            "INFO: Materialized view n was recomputed successfully.",
        ]

    def test_auto_refresh(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE MATERIALIZED VIEW views.m AUTO REFRESH YES AS SELECT a FROM views.t")
        assert info(db) == {"m": ("f", 1, "t")}
        db.execute("INSERT INTO views.t VALUES (2, 'y')")
        wait_until("the view is refreshed", lambda: rows(db, "SELECT count(*) FROM views.m") == [(2,)])
        assert info(db)["m"][0] == "f"
        assert ("Auto",) in rows(db, "SELECT trim(refresh_type) FROM sys_mv_refresh_history WHERE mv_name = 'm'")
        db.execute("ALTER MATERIALIZED VIEW views.m AUTO REFRESH NO")
        assert info(db) == {"m": ("f", 1, "f")}

    def test_its_table_stays(self, db: psycopg.Connection[Any]) -> None:
        db.execute("CREATE MATERIALIZED VIEW views.m AS SELECT a FROM views.t")
        with pytest.raises(psycopg.Error, match=r"cannot drop table views.t because other objects depend on it"):
            db.execute("DROP TABLE views.t")
        db.execute("DROP MATERIALIZED VIEW views.m")
        assert rows(db, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'views.t'::regclass") == [(0,)]
        db.execute("DROP TABLE views.t")


@pytest.mark.parametrize("made", ["VIEW", "MATERIALIZED VIEW"])
def test_a_comment_on_a_view_of_any_kind(db: psycopg.Connection[Any], made: str) -> None:
    db.execute(f"CREATE {made} views.v AS SELECT a FROM views.t".encode())
    comment = "SELECT obj_description('views.v'::regclass)"
    for written, kept in (("'it''s'", "it's"), ("$x$a 'b' $ c$x$", "a 'b' $ c"), ("NULL", None)):
        assert db.execute(f'COMMENT ON VIEW "dev"."views"."V" IS {written}'.encode()).statusmessage == "COMMENT"
        assert rows(db, comment) == [(kept,)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("COMMENT ON VIEW views.none IS 'x'", 'relation "views.none" does not exist'),
        ("COMMENT ON VIEW views.t IS 'x'", '"t" is not a view'),
        ("COMMENT ON VIEW views.t IS x", 'syntax error at or near "x"'),
        ("COMMENT ON VIEW views.t IS 'x' y", 'syntax error at or near "y"'),
    ],
)
def test_no_comment(db: psycopg.Connection[Any], sql: str, message: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        db.execute(sql.encode())
    assert refused.value.diag.message_primary == message


class TestLiterals:
    """A literal is as long and as precise as it is written, in views of all three kinds."""

    COLUMNS = (
        "SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale FROM svv_columns"
        " WHERE table_schema = 'views' AND table_name = 'v' ORDER BY ordinal_position"
    )

    @pytest.mark.parametrize(
        "made", ["CREATE VIEW {}", "CREATE VIEW {} WITH NO SCHEMA BINDING", "CREATE MATERIALIZED VIEW {}"]
    )
    def test_types(self, db: psycopg.Connection[Any], made: str) -> None:
        query = "views.v AS SELECT 1.23 AS num, 'a' AS char, -12.5 AS below, 'ä' FROM views.t"
        db.execute(made.format(query).encode())
        assert rows(db, self.COLUMNS) == [
            ("num", "numeric", None, 3, 2),
            ("char", "character varying", 1, None, None),
            ("below", "numeric", None, 3, 1),
            ("?column?", "character varying", 2, None, None),
        ]

    @pytest.mark.parametrize("made", ["CREATE VIEW", "CREATE TABLE"])
    def test_of_a_union(self, db: psycopg.Connection[Any], made: str) -> None:
        """The longest of all branches; beside what is no literal, what that is."""
        branches = "SELECT 'a' AS name, 1.5 AS num, DATE '2026-01-31' AS day", "SELECT 'bcd', 10.25, '2026-02-01'"
        db.execute(f"{made} views.v AS {' UNION ALL '.join(branches)}".encode())
        assert rows(db, self.COLUMNS) == [
            ("name", "character varying", 3, None, None),
            ("num", "numeric", None, 4, 2),
            ("day", "date", None, None, None),
        ]

    @pytest.mark.parametrize("made", ["CREATE VIEW", "CREATE TABLE"])
    def test_cast_to_text(self, db: psycopg.Connection[Any], made: str) -> None:
        columns = "CAST('abc' AS TEXT) AS a, 'ä'::text, CAST('ab' AS character varying), 'a'::VARCHAR(10) AS b"
        db.execute(f"{made} views.v AS SELECT {columns}".encode())
        assert rows(db, self.COLUMNS) == [
            ("a", "character varying", 3, None, None),
            ("text", "character varying", 2, None, None),
            ("varchar", "character varying", 2, None, None),
            ("b", "character varying", 10, None, None),
        ]
