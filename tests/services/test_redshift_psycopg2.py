"""The warehouse through psycopg2: client-side quoting, named cursors, cancel, the helpers of psycopg2.extras."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.sql
import pytest
from redshift_clients import libpq

from velodrome.settings import Settings
from velodrome.testing import wait_until

ENDLESS = "select count(*) from generate_series(1, 100000000000)"
Connection = psycopg2.extensions.connection


@pytest.fixture
def connection(redshift: Settings) -> Iterator[Connection]:
    made = psycopg2.connect(**libpq(redshift))
    yield made
    made.close()


def fetch(connection: Connection, sql: str, arguments: object = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)  # type: ignore[arg-type]
        return cursor.fetchall()


def test_it_meets_redshift(connection: Connection) -> None:
    assert connection.server_version == 80002
    assert connection.info.ssl_in_use


def test_values_there_and_back(connection: Connection) -> None:
    values = (
        *(1, 2.5, Decimal("1.10"), "it's \\ 'é' %", None, True),
        *(datetime.date(2020, 2, 29), datetime.datetime(2020, 2, 29, 1, 2, 3), datetime.time(1, 2, 3)),
    )
    found = fetch(connection, "select %s, %s::float8, %s, %s::varchar(30), %s::int, %s, %s, %s, %s", values)
    assert found == [values]


def test_a_tuple_of_values_for_in(connection: Connection) -> None:
    assert fetch(connection, "select i from generate_series(1, 9) i where i in %s order by 1", ((2, 3, 11),)) == [
        (2,),
        (3,),
    ]


def test_named_cursors(connection: Connection) -> None:
    with connection.cursor("walk") as cursor:
        cursor.itersize = 7
        cursor.execute("select i, nvl(null, i) from generate_series(1, 50) i")
        assert [row[0] for row in cursor] == list(range(1, 51))
    with connection.cursor("part", cursor_factory=psycopg2.extras.RealDictCursor) as other:
        other.execute("select i as n from generate_series(1, 50) i")
        assert other.fetchone() == {"n": 1} and len(other.fetchmany(20)) == 20 and len(other.fetchall()) == 29


def test_execute_values_and_batches(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("create temp table bikes (id int, name varchar(20) encode lzo, sold date) diststyle even")
        rows = [(n, f"bike {n}", datetime.date(2026, 1, 1) if n % 2 else None) for n in range(1000)]
        psycopg2.extras.execute_values(cursor, "insert into bikes (id, name, sold) values %s", rows, page_size=300)
        psycopg2.extras.execute_batch(cursor, "update bikes set name = name || '!' where id = %s", [(1,), (2,)])
        cursor.executemany("delete from bikes where id = %s", [(8,), (9,)])
        cursor.execute("select count(*), count(sold), max(len(name)) from bikes")
        assert cursor.fetchone() == (998, 499, 8)


def test_rows_by_name(connection: Connection) -> None:
    with connection.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
        cursor.execute("select 1 as a, 'x' as b")
        found = cursor.fetchone()
    assert found is not None and (found["a"], found["b"]) == (1, "x")


def test_copy_is_refused_and_the_connection_goes_on(connection: Connection) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create temp table t (a int)")
        for statement in ("copy t from stdin", "copy t to stdout"):
            with pytest.raises(psycopg2.errors.SyntaxError), open("/dev/null", "r+b") as nothing:  # noqa: PTH123
                cursor.copy_expert(statement, nothing)
        cursor.execute("select count(*) from t")
        assert cursor.fetchone() == (0,)


def test_identifiers(connection: Connection) -> None:
    table = psycopg2.sql.Identifier("Two Words")
    with connection.cursor() as cursor:
        cursor.execute(psycopg2.sql.SQL("create temp table {} (a int)").format(table))
        cursor.execute(psycopg2.sql.SQL("select count(*) from {}").format(table))
        assert cursor.fetchone() == (0,)


def test_cancel(connection: Connection, redshift: Settings) -> None:
    failed: list[BaseException] = []

    def count() -> None:
        try:
            fetch(connection, ENDLESS)
        except psycopg2.Error as error:
            failed.append(error)

    pid = connection.info.backend_pid
    watcher = psycopg2.connect(**libpq(redshift))
    watcher.autocommit = True
    busy = threading.Thread(target=count)
    busy.start()
    running = f"select count(*) from pg_stat_activity where state = 'active' and pid = {pid}"
    wait_until("the query to run", lambda: fetch(watcher, running) == [(1,)])
    connection.cancel()
    busy.join(10)
    watcher.close()
    assert [type(error) for error in failed] == [psycopg2.errors.QueryCanceled]
    connection.rollback()
    assert fetch(connection, "select 1") == [(1,)]


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"])
def test_isolation_levels(redshift: Settings, level: str) -> None:
    """Redshift takes them all: https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html"""
    made = psycopg2.connect(**libpq(redshift))
    made.set_session(isolation_level=level)
    assert fetch(made, "select 1") == [(1,)]
    made.close()


def test_read_only_sessions(redshift: Settings) -> None:
    made = psycopg2.connect(**libpq(redshift))
    made.set_session(readonly=True)
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        fetch(made, "create table never (a int)")
    made.close()


def test_options_of_the_connection(redshift: Settings) -> None:
    made = psycopg2.connect(**libpq(redshift), options="-c statement_timeout=100", application_name="bikes")
    with pytest.raises(psycopg2.errors.QueryCanceled):
        fetch(made, ENDLESS)
    made.close()
