"""Stored procedures, SQL functions and session parameters, through psycopg and redshift_connector."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import redshift_connector
from redshift_clients import address, connect

from velodrome.settings import Settings

Connection = psycopg.Connection[Any]


@pytest.fixture
def session(redshift: Settings) -> Iterator[Connection]:
    """Each statement commits; what is made lies in a schema of the test's own."""
    with connect(redshift) as connection:
        connection.execute("DROP SCHEMA IF EXISTS procedures CASCADE")
        connection.execute("CREATE SCHEMA procedures")
        connection.execute("SET search_path TO procedures")
        connection.execute("CREATE TABLE orders (id int, name varchar(20), price decimal(10,2))")
        connection.execute("INSERT INTO orders VALUES (1, 'a', 10), (2, 'b', 20), (2, 'c', 30)")
        yield connection


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()  # type: ignore[arg-type]


def said(connection: Connection) -> list[tuple[str | None, str | None]]:
    """Level and text of each notice from now on."""
    found: list[tuple[str | None, str | None]] = []
    connection.add_notice_handler(lambda notice: found.append((notice.severity, notice.message_primary)))
    return found


class TestProcedures:
    def test_out_parameters_and_redshifts_sql_inside(self, session: Connection) -> None:
        session.execute(
            """
            CREATE OR REPLACE PROCEDURE report(
                kind int, label varchar(20), OUT total bigint, OUT names varchar(max)
            ) AS $$
            DECLARE
                lowest int := DECODE(kind, 1, 5, 15);
                r record;
                deleted int;
            BEGIN
                SELECT count(*), LISTAGG(name, ',') WITHIN GROUP (ORDER BY name) INTO total, names
                FROM orders WHERE price >= lowest;
                FOR r IN SELECT * FROM orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY price DESC) = 1 LOOP
                    RAISE INFO 'order % %', r.id, r.name;
                END LOOP;
                IF NVL2(label, true, false) THEN
                    RAISE WARNING 'label %', label;
                END IF;
                DELETE orders WHERE price > 25;
                GET DIAGNOSTICS deleted := ROW_COUNT;
                total := total + deleted * 1000;
                CREATE TEMP TABLE #scratch (a int ENCODE az64) DISTSTYLE ALL;
                EXECUTE 'INSERT INTO ' || quote_ident('#scratch') || ' VALUES (2)';
            END;
            $$ LANGUAGE plpgsql
            """
        )
        notices = said(session)
        assert rows(session, "CALL report(1, 'x')") == [(1003, "a,b,c")]
        assert sorted(notices) == [("INFO", "order 1 a"), ("INFO", "order 2 c"), ("WARNING", "label x")]
        assert rows(session, "SELECT a FROM #scratch") == [(2,)]
        session.execute("DROP TABLE #scratch")
        assert rows(session, "CALL report(2, NULL)") == [(1, "b")]
        session.execute("ALTER PROCEDURE report(int, varchar) RENAME TO report_later")
        session.execute("ALTER PROCEDURE report_later(int, varchar) RENAME TO report")
        session.execute("CREATE GROUP callers")
        session.execute("GRANT EXECUTE ON PROCEDURE report(int, label varchar(20)) TO GROUP callers")
        session.execute("REVOKE EXECUTE ON PROCEDURE report(int, varchar, OUT bigint, OUT varchar) FROM GROUP callers")
        session.execute("DROP GROUP callers")
        session.execute("DROP PROCEDURE report(int, varchar(20))")
        with pytest.raises(psycopg.errors.UndefinedFunction):
            session.execute("DROP PROCEDURE report(int, varchar)")
        session.execute("DROP PROCEDURE IF EXISTS report(kind int, IN label varchar(20), OUT x bigint)")

    def test_transactions_inside(self, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE works() LANGUAGE plpgsql AS 'BEGIN INSERT INTO orders VALUES (7, ''it''''s'', 1); COMMIT;"
            " INSERT INTO orders VALUES (8, ''gone'', 1); ROLLBACK; END'"
        )
        session.execute("CALL works()")
        assert rows(session, "SELECT name FROM orders WHERE id > 2") == [("it's",)]
        session.execute(
            "CREATE PROCEDURE empties() AS $$ BEGIN TRUNCATE orders; INSERT INTO orders VALUES (9, 'x', 1); ROLLBACK;"
            " END $$ LANGUAGE plpgsql"
        )
        session.execute("CALL empties()")
        assert rows(session, "SELECT * FROM orders") == []
        session.execute("BEGIN")
        with pytest.raises(psycopg.Error) as caught:
            session.execute("CALL works()")
        assert caught.value.sqlstate == "2D000"
        session.execute("ROLLBACK")

    def test_an_error_is_thrown_again_behind_its_handler(self, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE catches(n int) AS $$ BEGIN IF n = 0 THEN INSERT INTO orders VALUES (4, 'x', 1 / n);"
            " END IF; EXCEPTION WHEN OTHERS THEN RAISE INFO 'caught %: %', SQLSTATE, SQLERRM; END $$ LANGUAGE plpgsql"
        )
        notices = said(session)
        session.execute("CALL catches(1)")
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.execute("CALL catches(0)")
        assert notices == [("INFO", "caught 22012: division by zero")]

    def test_nested_calls_and_recursion(self, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE halves(INOUT n int, INOUT steps int) AS $$ BEGIN IF n > 1 THEN n := n / 2;"
            " steps := steps + 1; CALL halves(n, steps); END IF; END $$ LANGUAGE plpgsql"
        )
        assert rows(session, "CALL halves(100, 0)") == [(1, 6)]

    def test_parameters_by_their_numbers(self, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE numbered(int, OUT sum int, OUT word varchar) AS $$ DECLARE given ALIAS FOR $1;"
            " said ALIAS FOR $3; BEGIN $2 := given + 1; said := 'so'; END $$ LANGUAGE plpgsql"
        )
        assert rows(session, "CALL numbered(4)") == [(5, "so")]

    def test_a_cursor_as_result(self, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE result(lowest IN int, rs INOUT refcursor) AS $$ BEGIN OPEN rs FOR SELECT name FROM orders"
            " WHERE id >= lowest ORDER BY name; END $$ LANGUAGE plpgsql"
        )
        session.execute("BEGIN")
        assert rows(session, "CALL result(2, 'mine')") == [("mine",)]
        assert rows(session, "FETCH ALL FROM mine") == [("b",), ("c",)]
        session.execute("COMMIT")

    def test_a_variable_comes_before_a_column(self, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE shadows(price int, OUT n bigint) AS $$ BEGIN SELECT count(*) INTO n FROM orders"
            " WHERE price = 3; END $$ LANGUAGE plpgsql"
        )
        assert rows(session, "CALL shadows(3)") == [(3,)]

    def test_dynamic_sql(self, session: Connection) -> None:
        session.execute(
            """
            CREATE PROCEDURE makes(name varchar, OUT total int, OUT word varchar) AS $$
            DECLARE
                text varchar(200) := 'SELECT NVL(NULL, 5)';
                added int;
            BEGIN
                EXECUTE 'CREATE TABLE #made (a int ENCODE az64, b varchar(20)) DISTKEY (a)';
                EXECUTE 'INSERT INTO #made SELECT NVL(NULL, 7), ' || quote_literal('NVL(x)');
                EXECUTE 'SELECT DATEDIFF(day, ' || quote_literal('2020-01-01') || '::date, $1)' INTO total
                    USING '2020-01-08'::date;
                EXECUTE text INTO added;
                total := total + added;
                EXECUTE 'SELECT LISTAGG(b) FROM #made' INTO word;
            END
            $$ LANGUAGE plpgsql
            """
        )
        assert rows(session, "CALL makes('x')") == [(12, "NVL(x)")]
        session.execute("DROP TABLE #made")

    def test_overloading_and_owners(self, session: Connection) -> None:
        for type_ in ("int", "varchar"):
            session.execute(f"CREATE PROCEDURE p(a {type_}) AS $$ BEGIN RAISE INFO '{type_}'; END $$ LANGUAGE plpgsql")
        notices = said(session)
        session.execute("CALL p(1)")
        session.execute("CALL p('x'::varchar)")
        assert [text for _, text in notices] == ["int", "varchar"]
        session.execute("CREATE USER u_caller PASSWORD 'Secret123'")
        session.execute("SET SESSION AUTHORIZATION u_caller")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("CALL procedures.p(1)")
        session.execute("RESET SESSION AUTHORIZATION")
        session.execute("ALTER PROCEDURE p(int) RENAME TO q")
        session.execute("GRANT USAGE ON SCHEMA procedures TO u_caller")
        session.execute("GRANT EXECUTE ON PROCEDURE q(int) TO u_caller")
        session.execute("SET SESSION AUTHORIZATION u_caller")
        session.execute("CALL procedures.q(1)")
        session.execute("RESET SESSION AUTHORIZATION")
        session.execute("DROP SCHEMA procedures CASCADE")
        session.execute("DROP USER u_caller")

    def test_the_clients_own_text_is_kept(self, session: Connection) -> None:
        body = " BEGIN DELETE orders; /* a 'comment' */ END "
        session.execute(f"CREATE PROCEDURE kept() AS $${body}$$ LANGUAGE plpgsql")
        kept = "SELECT body FROM velodrome.routine_notes AS velodrome WHERE routine = 'kept'::regproc"
        assert rows(session, kept) == [(body,)]

    def test_redshift_connector_calls(self, redshift: Settings, session: Connection) -> None:
        session.execute(
            "CREATE PROCEDURE twice(n int, OUT m decimal(10,2)) AS $$ BEGIN m := n * 2; END $$ LANGUAGE plpgsql"
        )
        with redshift_connector.connect(database="dev", ssl=False, **address(redshift)) as amazon:
            cursor = amazon.cursor()
            cursor.execute("CALL procedures.twice(%s)", (21,))
            assert cursor.fetchone() == [Decimal(42)]


class TestRightsInside:
    """Users, groups, roles and rights, in a body, in a text that stands there and in one that is put together."""

    @pytest.fixture
    def members(self, session: Connection) -> Iterator[Connection]:
        session.execute("CREATE USER inside_user PASSWORD 'Abcd1234'")
        session.execute("CREATE GROUP inside_group")
        session.execute("CREATE ROLE inside_role")
        yield session
        session.execute("DROP SCHEMA procedures CASCADE")
        for what in ("USER inside_user", "USER IF EXISTS inside_made", "GROUP inside_group", "ROLE inside_role FORCE"):
            session.execute(f"DROP {what}".encode())

    @pytest.mark.parametrize(
        "how", ["{}", "EXECUTE $x${}$x$", "EXECUTE '' || $x${}$x$", "given := $x${}$x$; EXECUTE given"]
    )
    def test_a_grant(self, members: Connection, how: str) -> None:
        texts = (
            "GRANT SELECT ON procedures.orders TO GROUP inside_group, ROLE inside_role, inside_user",
            "REVOKE SELECT ON procedures.orders FROM inside_user",
            "GRANT ROLE inside_role TO inside_user",
        )
        body = "; ".join(how.format(text) for text in texts)
        members.execute(
            f"CREATE PROCEDURE gives() AS $$ DECLARE given varchar(200); BEGIN {body}; END $$ LANGUAGE plpgsql".encode()
        )
        members.execute("CALL gives()")
        asked = "SELECT identity_name, identity_type FROM svv_relation_privileges WHERE namespace_name = 'procedures'"
        assert rows(members, asked + " AND relation_name = 'orders' AND identity_id > 100 ORDER BY 1")[-2:] == [
            ("inside_group", "group"),
            ("inside_role", "role"),
        ]
        assert rows(members, "SELECT role_name FROM svv_user_grants WHERE user_name = 'inside_user'") == [
            ("inside_role",)
        ]

    @pytest.mark.parametrize("how", ["GRANT SELECT ON orders TO {}", "EXECUTE 'GRANT SELECT ON orders TO ' || '{}'"])
    @pytest.mark.parametrize("grantee", ["GROUP inside_role", "ROLE nobody_there"])
    def test_a_grant_to_what_is_not_there(self, members: Connection, how: str, grantee: str) -> None:
        members.execute(f"CREATE PROCEDURE gives() AS $$ BEGIN {how.format(grantee)}; END $$ LANGUAGE plpgsql".encode())
        with pytest.raises(psycopg.errors.UndefinedObject) as refused:
            members.execute("CALL gives()")
        kind, name = grantee.split()
        assert refused.value.diag.message_primary == f'{kind.lower()} "{name}" does not exist'

    def test_users_and_members(self, members: Connection) -> None:
        body = "CREATE USER inside_made PASSWORD 'Abcd1234'; ALTER GROUP inside_group ADD USER inside_made"
        members.execute(f"CREATE PROCEDURE makes() AS $$ BEGIN {body}; END $$ LANGUAGE plpgsql".encode())
        members.execute("CALL makes()")
        asked = "SELECT usename FROM pg_user u JOIN pg_group g ON u.usesysid = ANY (g.grolist)"
        assert rows(members, asked + " WHERE groname = 'inside_group'") == [("inside_made",)]

    def test_a_procedure_of_out_parameters(self, members: Connection) -> None:
        members.execute("CREATE PROCEDURE given(a int, OUT b int) AS $$ BEGIN b := a; END $$ LANGUAGE plpgsql")
        body = "GRANT EXECUTE ON PROCEDURE given(int) TO GROUP inside_group; DROP PROCEDURE given(int)"
        members.execute(f"CREATE PROCEDURE takes() AS $$ BEGIN {body}; END $$ LANGUAGE plpgsql".encode())
        members.execute("CALL takes()")
        assert rows(members, "SELECT count(*) FROM pg_proc_info WHERE proname = 'given'") == [(0,)]


class TestFunctions:
    def test_sql_functions(self, session: Connection) -> None:
        session.execute(
            "CREATE OR REPLACE FUNCTION f_greater(float, float) RETURNS float STABLE AS $$ SELECT CASE WHEN $1 > $2"
            " THEN $1 ELSE NVL2($2, $2, 0) END $$ LANGUAGE sql"
        )
        assert rows(session, "SELECT f_greater(1, 2), f_greater(3, 2)") == [(2.0, 3.0)]
        session.execute("DROP FUNCTION f_greater(float, float)")


class TestParameters:
    @pytest.mark.parametrize(
        ("name", "default", "given", "shown"),
        [
            ("query_group", "unset", "'nightly load'", "nightly load"),
            ("wlm_query_slot_count", "1", "5", "5"),
            ("enable_result_cache_for_session", "on", "FALSE", "off"),
            ("enable_case_sensitive_identifier", "off", "true", "on"),
            ("statement_timeout", "0", "60000", "60000"),
            ("extra_float_digits", "0", "2", "2"),
            ("datestyle", "ISO, MDY", "'SQL,DMY'", "SQL, DMY"),
            ("timezone", "UTC", "'America/New_York'", "America/New_York"),
        ],
    )
    def test_set_show_and_reset(self, session: Connection, name: str, default: str, given: str, shown: str) -> None:
        assert rows(session, f"SHOW {name}") == [(default,)]
        session.execute(f"SET {name} TO {given}")
        assert rows(session, f"SHOW {name}") == [(shown,)]
        session.execute(f"RESET {name}")
        session.execute(f"SET {name} = DEFAULT")
        assert rows(session, f"SELECT current_setting('{name}')") == [(default,)]

    def test_a_rollback_takes_it_back(self, session: Connection) -> None:
        session.execute("BEGIN")
        session.execute("SET LOCAL query_group TO 'a'")
        session.execute("ROLLBACK")
        assert rows(session, "SHOW query_group") == [("unset",)]

    def test_show_all(self, session: Connection) -> None:
        shown = dict(rows(session, "SHOW ALL"))
        assert shown["query_group"] == "unset" and shown["search_path"] == "procedures"

    def test_variables_of_a_session(self, session: Connection) -> None:
        session.execute("SET app.customer TO 'c1'")
        assert rows(session, "SELECT current_setting('app.customer', false)") == [("c1",)]
        assert rows(session, "SELECT set_config('query_group', 'x', false)") == [("x",)]
        assert rows(session, "SHOW query_group") == [("x",)]

    def test_floats_have_fifteen_digits(self, session: Connection) -> None:
        assert rows(session, "SELECT (1 / 3::float8)::varchar") == [("0.333333333333333",)]
