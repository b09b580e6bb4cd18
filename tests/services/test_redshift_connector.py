"""The warehouse through redshift_connector: Amazon's own driver, its protocol versions, styles, data frames."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pandas
import psycopg
import pytest
import redshift_connector
from redshift_clients import amazon, libpq
from redshift_connector.interval import IntervalDayToSecond, IntervalYearToMonth

from velodrome.settings import Settings

SCHEMA = "connector_cases"
PROCEDURE = (
    f"create procedure {SCHEMA}.rename(n in int, label inout varchar) as $$ begin label := label || n; end; $$"
    " language plpgsql"
)


@pytest.fixture(scope="module", autouse=True)
def procedure(redshift: Settings) -> None:
    with psycopg.connect(**libpq(redshift), autocommit=True) as connection:
        connection.execute(f"create schema {SCHEMA}")  # type: ignore[arg-type]
        connection.execute(PROCEDURE)  # type: ignore[arg-type]


@pytest.fixture
def connection(redshift: Settings) -> Iterator[redshift_connector.Connection]:
    with amazon(redshift) as made:
        yield made
        made.rollback()


@pytest.fixture
def cursor(connection: redshift_connector.Connection) -> redshift_connector.Cursor:
    return connection.cursor()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_of_its_protocol(redshift: Settings, version: int) -> None:
    """0 is text, 1 adds what columns come from, 2 is binary: the same values in each."""
    values = "12.50::decimal(10,2), 1::smallint, 2, 3::bigint, 1.5::real, 2.5::float8, true, 'é'::varchar(3)"
    with amazon(redshift, client_protocol_version=version) as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"select {values}, null::int, '2020-02-29'::date, '2020-02-29 01:02:03.5'::timestamp, '01:02:03'::time,"
            " '2020-02-29 02:00:00+02'::timestamptz, -1234567890123456789.123456789::decimal(38,9)"
        )
        assert cursor.fetchone() == [
            *(Decimal("12.50"), 1, 2, 3, 1.5, 2.5, True, "é", None),
            *(datetime.date(2020, 2, 29), datetime.datetime(2020, 2, 29, 1, 2, 3, 500000), datetime.time(1, 2, 3)),
            *(datetime.datetime(2020, 2, 29, tzinfo=datetime.UTC), Decimal("-1234567890123456789.123456789")),
        ]


def test_numeric_to_float(redshift: Settings) -> None:
    with amazon(redshift, numeric_to_float=True) as connection:
        cursor = connection.cursor()
        cursor.execute("select 2.50::decimal(10,2)")
        (found,) = cursor.fetchone()
    assert found == 2.5 and isinstance(found, float)


@pytest.mark.parametrize(
    ("style", "sql", "arguments"),
    [
        ("qmark", "select ?::int + 1, ?::varchar", (1, "a")),
        ("numeric", "select :1::int + 1, :2::varchar", (1, "a")),
        ("format", "select %s::int + 1, %s::varchar", (1, "a")),
        ("named", "select :n::int + 1, :s::varchar", {"n": 1, "s": "a"}),
        ("pyformat", "select %(n)s::int + 1, %(s)s::varchar", {"n": 1, "s": "a"}),
    ],
)
def test_parameter_styles(cursor: redshift_connector.Cursor, style: str, sql: str, arguments: Any) -> None:
    cursor.paramstyle = style
    cursor.execute(sql, arguments)
    assert cursor.fetchone() == [2, "a"]


def test_values_there_and_back(cursor: redshift_connector.Cursor) -> None:
    cursor.execute(
        "create temp table v (i int, d decimal(10,3), s varchar(20), b bool, day date, at timestamp, f float8)"
    )
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000)
    values = [7, Decimal("1.125"), "it's \\ é", False, at.date(), at, 0.1]
    cursor.execute("insert into v values (%s, %s, %s, %s, %s, %s, %s)", values)
    cursor.execute("select * from v")
    assert cursor.fetchone() == values


def test_many_rows(cursor: redshift_connector.Cursor) -> None:
    cursor.execute("create temp table many (a int, b varchar(20))")
    cursor.executemany("insert into many values (%s, %s)", [(n, f"row {n}") for n in range(50)])
    cursor.execute("select a, b from many order by a")
    assert cursor.fetchmany(2) == ([0, "row 0"], [1, "row 1"])
    assert len(cursor.fetchall()) == 48


def test_a_file_in_batches(cursor: redshift_connector.Cursor, tmp_path: Path) -> None:
    file = tmp_path / "bikes.csv"
    file.write_text("a,b\n1,one\n2,two\n3,three\n")
    cursor.execute("create temp table bulk (a int, b varchar(20))")
    cursor.insert_data_bulk(str(file), "bulk", [0, 1], ["a", "b"], ",", batch_size=2)
    cursor.execute("select a, b from bulk order by a")
    assert cursor.fetchall() == ([1, "one"], [2, "two"], [3, "three"])


def test_data_frames(cursor: redshift_connector.Cursor) -> None:
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": pandas.Series(["x", None, "z"], dtype=object), "c": [0.5, 1.5, 2.5]})
    cursor.execute("create temp table frames (a int, b varchar(5), c float8)")
    cursor.write_dataframe(frame, "frames")
    cursor.execute("select a, b, c from frames order by a")
    fetched = cursor.fetch_dataframe()
    assert fetched.fillna("none").to_dict("list") == {"a": [1, 2, 3], "b": ["x", "none", "z"], "c": [0.5, 1.5, 2.5]}
    cursor.execute("select a, c from frames order by a")
    assert numpy.array_equal(cursor.fetch_numpy_array(), numpy.array([[1, 0.5], [2, 1.5], [3, 2.5]]))


def test_a_procedure(cursor: redshift_connector.Cursor) -> None:
    cursor.execute(f"call {SCHEMA}.rename(%s, %s)", (7, "bike "))
    assert cursor.fetchone() == ["bike 7"]
    cursor.callproc(f"{SCHEMA}.rename", (8, "bike "))
    assert cursor.fetchone() == ["bike 8"]


def test_a_statement_timeout(connection: redshift_connector.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("set statement_timeout to 100")
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        cursor.execute("select count(*) from generate_series(1, 100000000000)")
    assert caught.value.args[0]["C"] == "57014"
    connection.rollback()


def test_autocommit_and_isolation(connection: redshift_connector.Connection) -> None:
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("begin")
    cursor.execute("create temp table t (a int)")
    cursor.execute("rollback")
    with pytest.raises(redshift_connector.ProgrammingError, match='relation "t" does not exist'):
        cursor.execute("select * from t")
    cursor.execute("begin isolation level serializable read write")
    cursor.execute("end")


TYPES = """
    i2 smallint, i4 int not null, i8 bigint, d9 decimal(9,2), d19 decimal(19,0), d38 decimal(38,9), d37 decimal(38,37),
    f4 real, f8 float8, b boolean, c char(5), v varchar(20), day date, moment timestamp, zoned timestamptz, clock time,
    n bigint identity(1,1)
"""
VALUES = (
    "1, 2, 3, 1.50, 9223372036854775807, -123456789012345678.123456789, 0.1234567890123456789012345678, 0.5, 0.25,"
    " true, 'ab', 'é', '2020-02-29', '2020-02-29 01:02:03.5', '2020-02-29 02:00:00+02', '01:02:03.000004'"
)
NEGATIVE = (
    "-1, -2, -3, -0.01, -9223372036854775808, 0, -0.5, -0.5, -0.25, false, '', '', '1700-01-01', '0001-01-01',"
    " '0001-01-01 00:00:00+00', '00:00:00'"
)
COLUMNS = "i2, i4, i8, d9, d19, d38, d37, f4, f8, b, c, v, day, moment, zoned, clock"


@pytest.fixture(scope="module")
def all_types(redshift: Settings) -> str:
    with psycopg.connect(**libpq(redshift), autocommit=True) as connection:
        connection.execute(f"create table {SCHEMA}.all_types ({TYPES})")  # type: ignore[arg-type]
        for row in (VALUES, NEGATIVE, "null, 7" + ", null" * 14):
            connection.execute(f"insert into {SCHEMA}.all_types ({COLUMNS}) values ({row})")  # type: ignore[arg-type]
    return f"{SCHEMA}.all_types"


def answers(settings: Settings, version: int, statements: list[str]) -> list[Any]:
    with amazon(settings, client_protocol_version=version) as connection:
        cursor = connection.cursor()
        found = []
        for statement in statements:
            cursor.execute(statement)
            found.append(cursor.fetchall())
        assert (b"server_protocol_version", str(version).encode()) in connection.parameter_statuses
        return found


def test_every_type_is_equal_in_every_version(redshift: Settings, all_types: str) -> None:
    statements = [
        f"select {COLUMNS}, n from {all_types} order by i4",
        f"select count(*), sum(i8), avg(d9), sum(d38), sum(d9) / 3, min(d37), max(d19) from {all_types}",
        "select 1.5, -0.001, 12345678901234567890, round(2.345, 2), null::numeric, sum(9223372036854775807)",
        "select 1 / 3.0, 2 / 7.0, avg(a) from (select 1 as a union all select 2) t",
        f"select d9 * d9, d9 + 1.005, coalesce(d38, 0), case when b then d9 end, -d19 from {all_types} order by i4",
        "select proacl, proargtypes, proargnames from pg_proc where proname = 'upper' order by oid",
        "select 'a'::name, 5::oid as five, oid, datname, datacl from pg_database order by datname",
        "select interval '1 day', '03:02:03+02'::timetz",
    ]
    text, extended, binary = (answers(redshift, version, statements) for version in (0, 1, 2))
    assert extended == text
    assert binary == text


def test_where_columns_come_from(redshift: Settings, all_types: str) -> None:
    """What a driver is told of each column from version 1 on, and that a change of a definition shows."""
    with amazon(redshift, client_protocol_version=1) as connection:
        connection.autocommit = True
        cursor = connection.cursor()

        def told(statement: str) -> list[tuple[Any, ...]]:
            cursor.execute(statement)
            keys = (
                "schema_name",
                "table_name",
                "column_name",
                "catalog_name",
                "nullable",
                "autoincrement",
                "read_only",
                "searchable",
            )
            return [tuple(column[key] for key in keys) for column in cursor.ps["row_desc"]]

        table = (SCHEMA.encode(), b"all_types")
        assert told(f"select i4 as x, i8, n, i4 + 1 as y from {all_types} as t") == [
            (*table, b"i4", b"dev", 1, 0, 0, 1),
            (*table, b"i8", b"dev", 0, 0, 0, 1),
            (*table, b"n", b"dev", 0, 1, 0, 1),
            (b"", b"", b"", b"", 0, 0, 1, 0),
        ]
        cursor.execute(f"create table {SCHEMA}.renamed (a int)")
        assert told(f"select a from {SCHEMA}.renamed")[0][:3] == (SCHEMA.encode(), b"renamed", b"a")
        cursor.execute(f"alter table {SCHEMA}.renamed rename to moved")
        assert told(f"select a from {SCHEMA}.moved")[0][:3] == (SCHEMA.encode(), b"moved", b"a")


def told_of(cursor: redshift_connector.Cursor, statement: str) -> list[tuple[Any, ...]]:
    """Schema, table, column, whether it is NOT NULL and an identity, of each column of a result."""
    cursor.execute(statement)
    keys = ("schema_name", "table_name", "column_name", "nullable", "autoincrement")
    return [tuple(column[key] for key in keys) for column in cursor.ps["row_desc"]]


def test_where_columns_come_from_that_the_same_transaction_has_made(redshift: Settings) -> None:
    """Nobody else sees them before it commits."""
    with amazon(redshift, client_protocol_version=1) as connection:
        cursor = connection.cursor()
        schema = SCHEMA.encode()
        cursor.execute(f"create table {SCHEMA}.made (a int not null, n int identity(1,1))")
        made = [(schema, b"made", b"a", 1, 0), (schema, b"made", b"n", 0, 1)]
        assert told_of(cursor, f"select a, n from {SCHEMA}.made") == made
        cursor.execute(f"alter table {SCHEMA}.made rename column a to b")
        assert told_of(cursor, f"select b from {SCHEMA}.made") == [(schema, b"made", b"b", 1, 0)]
        cursor.execute(f"alter table {SCHEMA}.made rename to remade")
        assert told_of(cursor, f"select b from {SCHEMA}.remade") == [(schema, b"remade", b"b", 1, 0)]
        cursor.execute(f"create view {SCHEMA}.made_view as select b from {SCHEMA}.remade")
        assert told_of(cursor, f"select b from {SCHEMA}.made_view") == [(schema, b"made_view", b"b", 0, 0)]
        cursor.execute(f"create table {SCHEMA}.made_of as select b from {SCHEMA}.remade")
        assert told_of(cursor, f"select b from {SCHEMA}.made_of") == [(schema, b"made_of", b"b", 0, 0)]
        cursor.execute(f"select b into {SCHEMA}.made_into from {SCHEMA}.remade")
        assert told_of(cursor, f"select b from {SCHEMA}.made_into") == [(schema, b"made_into", b"b", 0, 0)]
        cursor.execute("create temp table made_temporary (a int)")
        assert told_of(cursor, "select a from made_temporary")[0][1:] == (b"made_temporary", b"a", 0, 0)
        cursor.execute(
            f"create procedure {SCHEMA}.makes() as $$ begin create table {SCHEMA}.made_within (a int); end $$"
            " language plpgsql"
        )
        cursor.execute(f"call {SCHEMA}.makes()")
        assert told_of(cursor, f"select a from {SCHEMA}.made_within") == [(schema, b"made_within", b"a", 0, 0)]
        connection.rollback()
        cursor.execute(f"create table {SCHEMA}.made (c int)")
        assert told_of(cursor, f"select c from {SCHEMA}.made") == [(schema, b"made", b"c", 0, 0)]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_both_types_of_intervals(redshift: Settings, version: int) -> None:
    """As parameters and in results, where each has a type and a form of its own beside the one without fields."""
    pairs = [(13, 90_061_000_001), (-(2**31), -(2**63)), (2**31 - 1, 2**63 - 1)]
    with amazon(redshift, client_protocol_version=version) as connection:
        cursor = connection.cursor()
        cursor.execute("create temp table spans (a interval year to month, b interval day to second(6))")
        for months, microseconds in pairs:
            given = (IntervalYearToMonth(months), IntervalDayToSecond(microseconds))
            cursor.execute("insert into spans values (%s, %s)", given)
        cursor.execute("insert into spans values (null, null)")
        cursor.execute("select a::varchar, b::varchar from spans")
        assert cursor.fetchall() == (
            ["1 year 1 mon", "1 day 01:01:01.000001"],
            ["-178956970 years -8 mons", "-106751991 days -04:00:54.775808"],
            ["178956970 years 7 mons", "106751991 days 04:00:54.775807"],
            [None, None],
        )
        cursor.execute("select a, b, interval '1 day 2 hours' as c, '-3 months'::intervaly2m from spans")
        assert [column[1] for column in cursor.description] == [1188, 1190, 1186, 1188]
        rest = [datetime.timedelta(days=1, hours=2), IntervalYearToMonth(-3)]
        found = [[IntervalYearToMonth(a), IntervalDayToSecond(b), *rest] for a, b in pairs]
        assert cursor.fetchall() == (*found, [None, None, *rest])
        cursor.execute("create temp table spans2 (a intervaly2m, b intervald2s)")  # as the driver's own tests name them
        cursor.execute("insert into spans2 select a, b from spans")
        cursor.execute("create temp table spans3 as select a, b from spans2")
        cursor.execute("select a, b from spans3")
        assert cursor.fetchall() == (
            *([IntervalYearToMonth(a), IntervalDayToSecond(b)] for a, b in pairs),
            [None, None],
        )


def test_a_number_without_room(connection: redshift_connector.Connection) -> None:
    cursor = connection.cursor()
    with pytest.raises(redshift_connector.ProgrammingError) as caught:
        cursor.execute(
            f"select n * {10**25} from (select 1::decimal(38,0) as n union all select {10**20}) t order by 1"
        )
    assert (caught.value.args[0]["C"], caught.value.args[0]["M"]) == (
        "22003",
        "Numeric data overflow (result precision)",
    )
    connection.rollback()
    cursor.execute("select 1.5")
    assert cursor.fetchone() == [Decimal("1.5")]


def test_two_rows_in_portions_of_many(redshift: Settings, all_types: str) -> None:
    """Many rows of numbers, in more packets than one."""
    with amazon(redshift) as connection:
        cursor = connection.cursor()
        cursor.execute("select n::decimal(10,2), 'x' || n, n::decimal(30,4) from generate_series(1, 30000) n")
        found = cursor.fetchall()
    assert len(found) == 30_000 and found[-1] == [Decimal("30000.00"), "x30000", Decimal("30000.0000")]
    assert sum(row[0] for row in found) == 450_015_000


def test_all_databases(redshift: Settings) -> None:
    with psycopg.connect(**libpq(redshift), autocommit=True) as admin:
        admin.execute("create database connector_other")
    with amazon(redshift, database_metadata_current_db_only=False) as connection:
        assert not connection.is_single_database_metadata
        names = [row[0] for row in connection.cursor().get_catalogs()]
    assert {"dev", "connector_other"} <= set(names)
