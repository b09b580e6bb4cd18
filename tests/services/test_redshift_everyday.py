"""Everyday SQL, each line with the value or the error that Redshift's developer guide has for it, in queries of tables
and of the system catalog alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.settings import Settings

AT = "timestamp '2009-09-21 11:10:03.189717'"

VALUES: list[tuple[str, tuple[Any, ...]]] = [
    # r_ROUND, r_TRUNC, r_CEILING_FLOOR: the type stays
    (
        "round(q, 2), trunc(1.567::float8, 2), round(7), trunc(7::bigint), round(1.55, 1)",
        (1.23, 1.56, 7, 7, Decimal("1.6")),
    ),
    # r_EXTRACT_function, r_DATE_PART_function, r_Dateparts_for_datetime_functions
    (f"extract(sec from {AT}), extract(ms from {AT}), date_part(sec, {AT})", (3, 189, 3.189717)),
    ("extract(century from timestamp '2000-12-16'), extract(decade from timestamp '1999-02-16')", (20, 200)),
    ("date_part(dayofweek, timestamp '2022-05-02 04:05:06'), date_part(w, date '2022-05-02')", (1.0, 18.0)),
    ("extract(minute from time '10:11:12.5'), extract(epoch from timestamp '1970-01-02')", (11, 86400)),
    # r_DATEADD_function, r_DATEDIFF_function
    (
        "dateadd(day, 1, '2024-01-01'), dateadd(m, 30, date '2024-01-01')",
        (dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 1, 0, 30)),
    ),
    ("dateadd(hour, 2, time '23:00')", (dt.time(1, 0),)),
    ("datediff(qtr, '1998-07-01', date '2008-12-31'), datediff(minute, time '20:00:00', time '21:00:00')", (41, 60)),
    ("nvl2(id, datediff(year, date '2008-12-31', date '2009-01-01'), 0)", (1,)),
    (
        "date_trunc('mon', '2024-05-17'), add_months('2008-04-30', 1)",
        (dt.datetime(2024, 5, 1), dt.datetime(2008, 5, 31)),
    ),
    # r_numeric_computations201
    ("1::decimal(10,2) / 3, 7 / 2.0, 7 / 2", (Decimal("0.3333333333333"), Decimal("3.5000"), 3)),
    ("10.00::decimal(8,2) / 3.00::decimal(8,2), 1.5 * 1.5", (Decimal("3.333333333"), Decimal("2.25"))),
    # r_Character_types: trailing blanks are insignificant
    ("s = 'a   ', upper(s) = 'A  ', s || '' = 'a', 'b' > 'a  '", (True, True, True, True)),
    ("decode(id, 1, 'one', 2, 'two', 'many'), decode(null, null, 1, 2), nvl2(null, 1, 2)", ("one", 1, 2)),
    ("convert(int, '5'), convert(varchar(2), 'abc')", (5, "ab")),
    # r_SELECT_list: an alias that the same list has named
    ("q * 2 as a, a + 1 as b, a + b as c", (2.468, 3.468, 5.936)),
    ("upper(s) as s, s || '!' as t", ("A", "a!")),
    (
        "dateadd(day, 1, date '2024-01-01') as day, dateadd(day, 1, day) as next",
        (dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3)),
    ),
]

ROWS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT s, count(*) AS n, n * 10 AS m FROM {t} WHERE id = 1 GROUP BY s", [("a", 1, 10)]),
    ("SELECT s, count(*) AS n FROM {t} GROUP BY s HAVING n > 1", [("a", 2)]),
    ("SELECT count(*), count(DISTINCT s) FROM {t} WHERE s = 'a'", [(2, 1)]),
    ("SELECT count(*) FROM {t} a JOIN {t} b ON a.s = b.s", [(5,)]),
    ("SELECT s FROM {t} WHERE s IN ('a  ', 'c') ORDER BY id LIMIT 1", [("a",)]),
    ("SELECT TOP 1 id FROM {t} ORDER BY id DESC", [(3,)]),
    ("SELECT id FROM {t} QUALIFY row_number() OVER (PARTITION BY s ORDER BY q DESC) = 1 ORDER BY s, q", [(2,), (3,)]),
    (
        "SELECT x.*, y.q FROM {t} x JOIN {t} y ON x.id = y.id QUALIFY rank() OVER (ORDER BY x.id) = 1",
        [(1, "a", 1.234, 1.234)],
    ),
    ("SELECT id, rank() OVER (ORDER BY id DESC) AS r FROM {t} QUALIFY r = 1", [(3, 1)]),
    ("SELECT listagg(s, ',') WITHIN GROUP (ORDER BY id) OVER (PARTITION BY q) FROM {t} WHERE id = 1", [("a",)]),
    ("SELECT listagg(DISTINCT id, '|') WITHIN GROUP (ORDER BY id DESC) FROM {t}", [("3|2|1",)]),
    ("SELECT median(q) OVER (PARTITION BY s) FROM {t} WHERE id = 1", [(1.234,)]),
    ("SELECT median(id), median(q) FROM {t}", [(Decimal("2.0"), 2.0)]),
    ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY q) OVER (PARTITION BY s) FROM {t} WHERE id = 3", [(3.0,)]),
    ("SELECT sum(id) OVER (PARTITION BY s ORDER BY id ROWS UNBOUNDED PRECEDING) FROM {t} WHERE id = 1", [(1,)]),
]

ERRORS = [
    ("SELECT 99999999999999999999999999999999999999::decimal(38,0) + 1", "22003", "numeric field overflow"),
    ("CREATE TABLE {s}.e (a varchar(70000))", "22023", "length for type varchar cannot exceed 65535"),
    ("CREATE TABLE {s}.e (a char(4097))", "22023", "length for type char cannot exceed 4096"),
    ("CREATE TABLE {s}.e (a decimal(39,1))", "22023", "NUMERIC precision 39 must be between 1 and 38"),
    ("SELECT 1::decimal(38,38)", "22023", "NUMERIC scale 38 must be between 0 and 37"),
    ("CREATE TABLE {s}.e (tag varchar(5))", "42601", 'syntax error at or near "tag"'),
    ("SELECT 1 AS identity", "42601", 'syntax error at or near "identity"'),
    ("DELETE FROM {t} AS d USING {t} s WHERE s.id = d.id", "42601", 'syntax error at or near "AS"'),
    ("INSERT INTO {t} AS x VALUES (3, 'b', 1)", "42601", 'syntax error at or near "AS"'),
    (
        "SELECT sum(id) OVER (PARTITION BY s ORDER BY id) FROM {t}",
        "0A000",
        "Aggregate window functions with an ORDER BY clause require a frame clause",
    ),
    ("SELECT listagg(repeat('x', 30000)) FROM {t}", "54000", "Result size exceeds LISTAGG limit"),
]

# As amazon-redshift-utils' admin views ask.
OF_CATALOG = [
    "select relname::varchar(max) from pg_class",
    "select relname from pg_class minus select relname from pg_class",
    "select datepart(hour, starttime) from stl_query",
    "select oid as a, a::int + 1 as b from pg_class",
    "select procpid, current_query from pg_stat_activity",
    "select key, value from pg_conf",
    "select sessionid from stl_connection_log",
    "select round(tbl_rows::float / 3, 2) from svv_table_info",
    "select extract(y from sysdate), median(relnatts), listagg(relkind) within group (order by oid) from pg_class",
    "select nvl2(relacl, 'a', 'b'), decode(relkind, 'r', 'table', 'v', 'view') from pg_class",
    "select relname from pg_class qualify row_number() over (order by oid) = 1",
]


@pytest.fixture(scope="module")
def client(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        connection.autocommit = True
        connection.execute("CREATE SCHEMA everyday")
        connection.execute("CREATE TABLE everyday.t (id int, s varchar(10), q float8)")
        connection.execute("INSERT INTO everyday.t VALUES (1, 'a', 1.234), (2, 'a ', 2), (3, 'c', 3)")
        yield connection
        connection.execute("DROP SCHEMA everyday CASCADE")


def here(sql: str) -> bytes:
    return sql.replace("{t}", "everyday.t").replace("{s}", "everyday").encode()


@pytest.mark.parametrize(("list_", "expected"), VALUES)
def test_a_value_is_what_redshift_s_page_says(
    client: psycopg.Connection[Any], list_: str, expected: tuple[Any, ...]
) -> None:
    row = client.execute(here(f"SELECT {list_} FROM {{t}} WHERE id = 1")).fetchone()
    assert row == expected
    assert [str(value) for value in row or ()] == [str(value) for value in expected]  # 3.50 is not 3.5


@pytest.mark.parametrize(("sql", "expected"), ROWS)
def test_rows_are_what_redshift_s_page_says(
    client: psycopg.Connection[Any], sql: str, expected: list[tuple[Any, ...]]
) -> None:
    assert client.execute(here(sql)).fetchall() == expected


@pytest.mark.parametrize(("sql", "code", "message"), ERRORS)
def test_an_error_is_redshift_s(client: psycopg.Connection[Any], sql: str, code: str, message: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        client.execute(here(sql))
    assert (caught.value.sqlstate, caught.value.diag.message_primary) == (code, message)


@pytest.mark.parametrize("sql", OF_CATALOG)
def test_redshift_s_sql_works_in_queries_of_the_catalog(client: psycopg.Connection[Any], sql: str) -> None:
    cursor = client.execute(f"{sql} limit 3".encode())
    assert cursor.description is not None and len(cursor.fetchall()) <= 3


def test_names_and_types_of_columns(client: psycopg.Connection[Any]) -> None:
    sql = (
        "SELECT extract(year FROM SYSDATE), date_part(y, SYSDATE), SYSDATE, dateadd(day, 1, SYSDATE),"
        " nvl(1, 2), 7 / 2.0, datediff(day, SYSDATE, SYSDATE), listagg('a'), log(100.0), variance(1)"
    )
    described = client.execute(sql).description or []
    assert [column.name for column in described] == [
        *("date_part", "pgdate_part", "timestamp", "date_add", "coalesce", "?column?"),
        *("date_diff", "listagg", "log", "variance"),
    ]
    assert [column.type_code for column in described] == [23, 701, 1114, 1114, 23, 1700, 20, 1043, 701, 701]
    assert (described[5].precision, described[5].scale) == (15, 4)


def test_a_literal_makes_a_column_of_its_own_length(client: psycopg.Connection[Any]) -> None:
    client.execute("CREATE TABLE everyday.made AS SELECT 'abc' AS s, 1.5 AS n, 1 AS i")
    rows = client.execute(
        "SELECT data_type, character_maximum_length, numeric_precision, numeric_scale FROM svv_columns"
        " WHERE table_name = 'made' AND table_schema = 'everyday' ORDER BY ordinal_position LIMIT 2"
    ).fetchall()
    assert rows == [("character varying", 3, None, None), ("numeric", None, 2, 1)]


def test_layouts_are_altered_together(client: psycopg.Connection[Any]) -> None:
    client.execute("ALTER TABLE everyday.t ALTER DISTKEY id, ALTER SORTKEY (id)")
    with pytest.raises(psycopg.errors.SyntaxError):
        client.execute("ALTER TABLE everyday.t ALTER DISTKEY id, ALTER COLUMN s TYPE varchar(20)")


def test_a_refusal_quotes_no_literal(client: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        client.execute(
            "COPY everyday.t FROM 's3://b/k' CREDENTIALS 'aws_access_key_id=A;aws_secret_access_key=SECRET' PARQUET"
        )
    assert "SECRET" not in str(caught.value)
