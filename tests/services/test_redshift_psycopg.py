"""The warehouse through psycopg 3: asynchronous, in pipelines, with cursors on the server, in binary, cancelled."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import class_row, dict_row
from redshift_clients import libpq

from velodrome.settings import Settings
from velodrome.testing import wait_until

ENDLESS = "select count(*) from generate_series(1, 100000000000)"
Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(redshift: Settings) -> Iterator[Connection]:
    with psycopg.connect(**libpq(redshift)) as made:
        yield made
        made.rollback()


def test_it_is_encrypted(connection: Connection, redshift: Settings) -> None:
    assert connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(**libpq(redshift) | {"sslrootcert": "system"})


VALUES = [
    ("smallint", 1),
    ("int", -2),
    ("bigint", 2**62),
    ("real", 1.5),
    ("float8", 1.25),
    ("decimal(38,10)", Decimal("1234567890123456789.0123456789")),
    ("varchar(10)", "é'\\"),
    ("char(3)", "a  "),
    ("boolean", False),
    ("date", datetime.date(2020, 2, 29)),
    ("time", datetime.time(1, 2, 3, 4)),
    ("timestamp", datetime.datetime(2020, 2, 29, 1, 2, 3, 500000)),
    ("timestamptz", datetime.datetime(2020, 2, 29, tzinfo=datetime.UTC)),
]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "text"])
@pytest.mark.parametrize(("type_", "value"), VALUES, ids=[type_ for type_, _ in VALUES])
def test_types_there_and_back(connection: Connection, type_: str, value: object, binary: bool) -> None:
    parameter = "%b" if binary and not isinstance(value, str) else "%s"
    cursor = connection.cursor(binary=binary)
    cursor.execute(sql.SQL(f"select {parameter}::{type_}, null::{type_}"), [value])  # type: ignore[arg-type]
    assert cursor.fetchone() == (value, None)


def test_server_side_cursors(connection: Connection) -> None:
    with connection.cursor("walk", row_factory=dict_row) as cursor:
        cursor.itersize = 7
        cursor.execute("select i, dateadd(day, i, '2020-01-01'::date) as day from generate_series(1, %s) i", [50])
        rows = list(cursor)
    assert len(rows) == 50 and rows[-1] == {"i": 50, "day": datetime.datetime(2020, 2, 20)}
    with connection.cursor("part") as other:
        other.execute("select generate_series(1, 50)")
        assert [len(other.fetchmany(20)) for _ in range(4)] == [20, 20, 10, 0]


def test_copy_is_refused_and_the_connection_goes_on(connection: Connection) -> None:
    connection.execute("create temp table t (a int)")
    connection.commit()
    for statement in ("copy t from stdin", "copy t to stdout", "copy (select 1) to stdout (format binary)"):
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.cursor().copy(statement).__enter__()
        connection.rollback()
    assert connection.execute("select count(*) from t").fetchone() == (0,)


def test_prepared_statements_over_changed_tables(connection: Connection) -> None:
    connection.prepare_threshold = 0
    connection.execute("create temp table t (a int)")
    for number in range(3):
        connection.execute("insert into t values (%s)", [number])
    assert connection.execute("select * from t where a > %s", [1]).fetchall() == [(2,)]
    connection.execute("alter table t add column b varchar(5) default 'x'")
    assert connection.execute("select a, b from t where a > %s", [1]).fetchall() == [(2, "x")]


def test_executemany_with_results(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("create temp table t (a int, b varchar(10))")
    cursor.executemany("insert into t values (%s, %s)", [(n, f"row {n}") for n in range(100)])
    assert cursor.rowcount == 100
    cursor.executemany("select nvl(%s::int, 0)", [(1,), (None,)], returning=True)
    results = [cursor.fetchall()]
    while cursor.nextset():
        results.append(cursor.fetchall())
    assert results == [[(1,)], [(0,)]]


def test_a_pipeline_of_many(connection: Connection) -> None:
    with connection.pipeline() as pipeline:
        connection.execute("create temp table t (a int identity(1,1), b int) sortkey (b)")
        cursors = [connection.execute("insert into t (b) values (%s)", [n]) for n in range(50)]
        pipeline.sync()
        total = connection.execute("select count(*), datediff(day, '2020-01-01', '2020-01-03') from t")
    assert [cursor.rowcount for cursor in cursors] == [1] * 50
    assert total.fetchone() == (50, 2)


def test_an_error_in_a_pipeline_aborts_the_rest_of_it(connection: Connection) -> None:
    connection.autocommit = True
    with pytest.raises(psycopg.errors.UndefinedTable), connection.pipeline() as pipeline:
        connection.execute("select * from nowhere")
        lost = connection.execute("select 1")
        pipeline.sync()
        with pytest.raises(psycopg.errors.PipelineAborted):
            lost.fetchone()
    assert connection.execute("select 2").fetchone() == (2,)


def test_a_nested_transaction_is_a_savepoint_which_redshift_lacks(connection: Connection) -> None:
    savepoint = pytest.raises(psycopg.errors.FeatureNotSupported, match="SAVEPOINT")
    with savepoint, connection.transaction(), connection.transaction():
        pass


def test_names_and_literals_that_psycopg_quotes(connection: Connection) -> None:
    table = sql.Identifier("Odd \"name'\\")
    connection.execute(sql.SQL("create temp table {} (a varchar(20))").format(table))
    connection.execute(sql.SQL("insert into {} values ({})").format(table, sql.Literal("it's a \\ 'x'")))
    assert connection.execute(sql.SQL("select * from {}").format(table)).fetchone() == ("it's a \\ 'x'",)


def test_rows_as_classes(connection: Connection) -> None:
    class Bike:
        def __init__(self, id: int, name: str) -> None:
            self.of = (id, name)

    with connection.cursor(row_factory=class_row(Bike)) as cursor:
        found = cursor.execute("select 1 as id, 'Oma' as name").fetchone()
    assert found is not None and found.of == (1, "Oma")


def test_notices_reach_the_client(connection: Connection) -> None:
    heard: list[str] = []
    connection.add_notice_handler(
        lambda diagnostic: heard.append(f"{diagnostic.severity}: {diagnostic.message_primary}")
    )
    connection.execute("drop table if exists nowhere")
    assert len(heard) == 1 and "nowhere" in heard[0]


def test_asynchronous_work(redshift: Settings) -> None:
    async def count(connection: psycopg.AsyncConnection[Any], upto: int) -> int:
        cursor = await connection.execute("select count(*) from generate_series(1, %s)", [upto])
        ((found,),) = await cursor.fetchall()
        return int(found)

    async def work() -> list[int]:
        async with (
            await psycopg.AsyncConnection.connect(**libpq(redshift)) as first,
            await psycopg.AsyncConnection.connect(**libpq(redshift)) as second,
        ):
            found = await asyncio.gather(*(count(one, n) for n, one in ((10, first), (20, second), (30, first))))
            async with first.cursor("walk") as cursor:
                await cursor.execute("select generate_series(1, 5)")
                return [*found, *[row[0] async for row in cursor]]

    assert asyncio.run(work()) == [10, 20, 30, 1, 2, 3, 4, 5]


def test_asynchronous_cancel(redshift: Settings) -> None:
    async def work() -> Any:
        async with (
            await psycopg.AsyncConnection.connect(**libpq(redshift), autocommit=True) as connection,
            await psycopg.AsyncConnection.connect(**libpq(redshift), autocommit=True) as watcher,
        ):
            busy = asyncio.create_task(connection.execute(ENDLESS))
            running = "select count(*) from pg_stat_activity where pid = %s and state = 'active'"
            while await (await watcher.execute(running, [connection.info.backend_pid])).fetchone() != (1,):
                pass  # the question itself lets the other go on
            await connection.cancel_safe(timeout=10)
            with pytest.raises(psycopg.errors.QueryCanceled):
                await asyncio.wait_for(busy, 10)
            return await (await connection.execute("select 1")).fetchone()

    assert asyncio.run(work()) == (1,)


def test_a_statement_timeout(connection: Connection) -> None:
    connection.execute("set statement_timeout to 100")
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(ENDLESS)
    connection.rollback()


def test_a_connection_that_another_ended(connection: Connection, redshift: Settings) -> None:
    """https://docs.aws.amazon.com/redshift/latest/dg/PG_TERMINATE_BACKEND.html"""
    connection.autocommit = True
    with psycopg.connect(**libpq(redshift)) as victim:
        victim.execute("select 1")
        connection.execute("select pg_terminate_backend(%s)", [victim.info.backend_pid])
        gone = "select count(*) from pg_stat_activity where pid = %s"
        pid = victim.info.backend_pid
        wait_until("the session to end", lambda: connection.execute(gone, [pid]).fetchone() == (0,))
        with pytest.raises(psycopg.errors.AdminShutdown):
            victim.execute("select 1")
