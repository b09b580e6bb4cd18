"""asyncpg: queries, types, cursors, transactions, pools, timeouts."""

from __future__ import annotations

import asyncio
import datetime
import io
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from client import ASYNCPG

Work = Callable[[asyncpg.Connection], Awaitable[Any]]


def run(work: Work) -> Any:
    """What the work on a fresh connection returns."""

    async def connected() -> Any:
        connection = await asyncpg.connect(**ASYNCPG, timeout=10)
        try:
            return await work(connection)
        finally:
            await connection.close(timeout=10)

    return asyncio.run(connected())


def query(sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    async def fetched(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    found: list[tuple[Any, ...]] = run(fetched)
    return found


def test_it_meets_redshift() -> None:
    async def version(connection: asyncpg.Connection) -> Any:
        return connection.get_server_version()[:3], await connection.fetchval("select version()")

    number, text = run(version)
    assert number == (8, 0, 2) and "Redshift" in text


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1::smallint", 1),
        ("2", 2),
        ("3::bigint", 3),
        ("1.5::real", 1.5),
        ("1.25::float8", 1.25),
        ("12345678901234567.89::decimal(20,2)", Decimal("12345678901234567.89")),
        ("'é'::varchar(5)", "é"),
        ("'a'::char(3)", "a  "),
        ("true", True),
        ("null::int", None),
        ("'2020-02-29'::date", datetime.date(2020, 2, 29)),
        ("'01:02:03'::time", datetime.time(1, 2, 3)),
        ("'2020-02-29 01:02:03.5'::timestamp", datetime.datetime(2020, 2, 29, 1, 2, 3, 500000)),
        ("'2020-02-29 02:00+02'::timestamptz", datetime.datetime(2020, 2, 29, tzinfo=datetime.UTC)),
    ],
)
def test_types_there_and_back_in_binary(sql: str, value: object) -> None:
    assert query(f"select {sql}") == [(value,)]
    kind = sql.rpartition("::")[2] if "::" in sql else "bool" if value is True else "int"
    assert query(f"select $1::{kind}", value) == [(value,)]


def test_rows_written_one_by_one_and_many_at_once() -> None:
    async def work(connection: asyncpg.Connection) -> Any:
        await connection.execute(
            "create temp table bikes (id int identity(1,1), name varchar(20) encode zstd, sold date) distkey(id)"
        )
        status = await connection.execute("insert into bikes (name, sold) values ($1, $2)", "Oma", None)
        rows = [(f"bike {n}", datetime.date(2026, 1, 1 + n)) for n in range(9)]
        await connection.executemany("insert into bikes (name, sold) values ($1, $2)", rows)
        return status, await connection.fetch("select count(*), min(sold), max(name) from bikes")

    status, rows = run(work)
    assert status == "INSERT 0 1"
    assert [tuple(row) for row in rows] == [(10, datetime.date(2026, 1, 1), "bike 8")]


def test_a_prepared_statement_tells_its_types() -> None:
    async def work(connection: asyncpg.Connection) -> Any:
        statement = await connection.prepare("select dateadd(day, $1::int, $2::date) as later, nvl($3::varchar, '?')")
        results = [await statement.fetchrow(n, datetime.date(2020, 1, 1), None) for n in range(7)]
        types = [kind.name for kind in statement.get_parameters()]
        return types, [column.name for column in statement.get_attributes()], [tuple(row) for row in results]

    types, names, rows = run(work)
    assert (types, names[0]) == (["int4", "date", "varchar"], "later")
    assert rows[-1] == (datetime.datetime(2020, 1, 7), "?")


def test_cursors() -> None:
    async def work(connection: asyncpg.Connection) -> Any:
        async with connection.transaction():
            walked = [row[0] async for row in connection.cursor("select generate_series(1, 100)", prefetch=7)]
            cursor = await connection.cursor("select i from generate_series(1, 100) i where i > $1", 40)
            part = [row[0] for row in await cursor.fetch(3)] + [(await cursor.fetchrow())[0]]
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await cursor.forward(5)  # MOVE, which Redshift lacks
            return walked, part

    walked, part = run(work)
    assert walked == list(range(1, 101)) and part == [41, 42, 43, 44]


def test_transactions() -> None:
    async def work(connection: asyncpg.Connection) -> Any:
        await connection.execute("create temp table t (a int)")
        async with connection.transaction(isolation="serializable"):
            await connection.execute("insert into t values (1)")
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with connection.transaction():
                await connection.execute("insert into t values (2)")
                await connection.execute("select 1 / 0")
        return await connection.fetchval("select count(*) from t")

    assert run(work) == 1


def test_a_nested_transaction_is_a_savepoint_which_redshift_lacks() -> None:
    async def work(connection: asyncpg.Connection) -> None:
        async with connection.transaction(), connection.transaction():
            pass

    with pytest.raises(asyncpg.FeatureNotSupportedError, match="SAVEPOINT"):
        run(work)


def test_copy_is_refused_and_the_connection_goes_on() -> None:
    async def work(connection: asyncpg.Connection) -> Any:
        await connection.execute("create temp table t (a int)")
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await connection.copy_records_to_table("t", records=[(1,)])
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await connection.copy_from_query("select 1", output=io.BytesIO())
        return await connection.fetchval("select count(*) from t")

    assert run(work) == 0


def test_a_timeout_cancels() -> None:
    async def work(connection: asyncpg.Connection) -> Any:
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetch("select count(*) from generate_series(1, 100000000000)", timeout=0.3)
        return await connection.fetchval("select 1")

    assert run(work) == 1


def test_a_pool_resets_what_it_hands_out_again() -> None:
    async def work() -> Any:
        async with asyncpg.create_pool(min_size=1, max_size=1, **ASYNCPG) as pool:
            async with pool.acquire() as connection:
                await connection.execute("set query_group to 'mine'")
                first = connection.get_server_pid()
            async with pool.acquire() as connection:
                return first == connection.get_server_pid(), await connection.fetchval("show query_group")

    same, group = asyncio.run(work())
    assert same and group == "unset"


def test_a_pool_serves_many() -> None:
    async def work() -> Any:
        async with asyncpg.create_pool(min_size=1, max_size=3, **ASYNCPG) as pool:
            return await asyncio.gather(*(pool.fetchval("select $1::int * 2", n) for n in range(20)))

    assert asyncio.run(work()) == [n * 2 for n in range(20)]


def test_errors_have_redshifts_codes() -> None:
    with pytest.raises(asyncpg.UndefinedTableError, match='relation "nowhere" does not exist'):
        query("select * from nowhere")
    with pytest.raises(asyncpg.NotNullViolationError):
        run(lambda connection: connection.execute("create temp table t (a int not null); insert into t values (null)"))
