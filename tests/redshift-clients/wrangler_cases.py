"""awswrangler's redshift module: data frames in and out, by INSERT and by COPY of Parquet from S3."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import awswrangler as wr
import boto3
import pandas
import pytest
import redshift_connector
from client import AMAZON, DATABASE

SCHEMA = "wrangler_cases"
BUCKET = "wrangler-cases"
ROLE = os.environ["ROLE"]


@pytest.fixture(scope="module", autouse=True)
def places() -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    with redshift_connector.connect(**AMAZON) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"create schema {SCHEMA}")


@pytest.fixture
def con() -> Iterator[redshift_connector.Connection]:
    with redshift_connector.connect(**AMAZON) as connection:
        yield connection


def frame(*numbers: int, label: str = "bike") -> pandas.DataFrame:
    return pandas.DataFrame(
        {
            "id": pandas.Series(numbers, dtype="int64"),
            "name": [f"{label} {n}" if n % 5 else None for n in numbers],
            "price": [Decimal("9.50") * n for n in numbers],
            "made": [datetime.date(2026, 1, n) for n in numbers],
            "tried": pandas.to_datetime([f"2026-01-{n:02} 10:00:00" for n in numbers]),
            "sold": [n % 2 == 0 for n in numbers],
            "weight": [n + 0.5 for n in numbers],
        }
    )


def query(con: redshift_connector.Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = con.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def test_rows_written_and_read(con: redshift_connector.Connection) -> None:
    layout: dict[str, Any] = {"diststyle": "KEY", "distkey": "id", "sortkey": ["made", "id"], "primary_keys": ["id"]}
    wr.redshift.to_sql(frame(1, 2, 5), con, "bikes", SCHEMA, varchar_lengths={"name": 20}, **layout)
    wr.redshift.to_sql(frame(6), con, "bikes", SCHEMA, mode="append", use_column_names=True)
    found = wr.redshift.read_sql_table("bikes", con, SCHEMA).sort_values("id")
    assert found["id"].tolist() == [1, 2, 5, 6]
    assert found["price"].tolist() == [Decimal("9.50"), Decimal("19.00"), Decimal("47.50"), Decimal("57.00")]
    assert found["made"].tolist()[0] == datetime.date(2026, 1, 1)
    assert found["name"].fillna("none").tolist() == ["bike 1", "bike 2", "none", "bike 6"]
    types = found.dtypes.astype(str).to_dict()
    assert (types["id"], types["tried"], types["sold"], types["weight"]) == (
        *("Int64", "datetime64[us]", "boolean", "float64"),
    )
    con.cursor().execute(f"set search_path to {SCHEMA}")
    assert query(
        con, "select \"column\", distkey, sortkey from pg_table_def where tablename = 'bikes' and sortkey > 0"
    ) == [
        ("id", True, 2),
        ("made", False, 1),
    ]


def test_overwrite(con: redshift_connector.Connection) -> None:
    for method in ("drop", "cascade", "truncate", "delete"):
        wr.redshift.to_sql(frame(1, 2), con, f"over_{method}", SCHEMA, mode="overwrite")
        wr.redshift.to_sql(frame(3), con, f"over_{method}", SCHEMA, mode="overwrite", overwrite_method=method)
        assert query(con, f"select id from {SCHEMA}.over_{method}") == [(3,)]


def test_upsert(con: redshift_connector.Connection) -> None:
    wr.redshift.to_sql(frame(1, 2, 3), con, "kept", SCHEMA, primary_keys=["id"])
    wr.redshift.to_sql(frame(3, 4, label="new"), con, "kept", SCHEMA, mode="upsert", primary_keys=["id"])
    names = query(con, f"select id, name from {SCHEMA}.kept order by id")
    assert names == [(1, "bike 1"), (2, "bike 2"), (3, "new 3"), (4, "new 4")]


def test_upsert_that_keeps_the_newest(con: redshift_connector.Connection) -> None:
    wr.redshift.to_sql(frame(1, 2), con, "newest", SCHEMA, primary_keys=["id"])
    older = frame(1, label="old").assign(tried=pandas.Timestamp("2020-01-01"))
    newer = frame(2, label="new").assign(tried=pandas.Timestamp("2030-01-01"))
    both = pandas.concat([older, newer])
    wr.redshift.to_sql(
        both, con, "newest", SCHEMA, mode="upsert", primary_keys=["id"], precombine_key="tried", lock=True
    )
    assert query(con, f"select name from {SCHEMA}.newest order by id") == [("bike 1",), ("new 2",)]


def test_new_columns(con: redshift_connector.Connection) -> None:
    wr.redshift.to_sql(frame(1), con, "wider", SCHEMA)
    wider = frame(1).assign(id=2, Note="x")
    wr.redshift.to_sql(wider, con, "wider", SCHEMA, use_column_names=True, add_new_columns=True)
    assert query(con, f"select id, note from {SCHEMA}.wider order by id") == [(1, None), (2, "x")]


def test_queries_with_parameters_and_in_chunks(con: redshift_connector.Connection) -> None:
    sql = "select i as n, nvl(null, 'x'::varchar) as x from generate_series(1, 10) i where i > %s"
    assert wr.redshift.read_sql_query(sql, con, params=[7])["n"].tolist() == [8, 9, 10]
    chunks = list(wr.redshift.read_sql_query(sql, con, params=[0], chunksize=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    indexed = wr.redshift.read_sql_query(sql, con, index_col="n", params=[8], dtype_backend="pyarrow")
    assert indexed.index.tolist() == [9, 10]


def test_what_is_uncommitted_can_be_undone(con: redshift_connector.Connection) -> None:
    wr.redshift.to_sql(frame(1), con, "undone", SCHEMA, commit_transaction=False)
    con.rollback()
    assert (
        query(con, f"select * from information_schema.tables where table_schema = '{SCHEMA}' and table_name = 'undone'")
        == []
    )


def test_copy(con: redshift_connector.Connection) -> None:
    where = f"s3://{BUCKET}/stage/"
    wr.redshift.copy(frame(1, 2, 3, 5), where, con, "copied", SCHEMA, iam_role=ROLE, max_rows_by_file=2)
    assert query(con, f"select count(*), sum(price), count(name) from {SCHEMA}.copied") == [(4, Decimal("104.50"), 3)]
    assert wr.s3.list_objects(where) == []
    newer = frame(3, 4, label="new")
    wr.redshift.copy(newer, where, con, "copied", SCHEMA, iam_role=ROLE, mode="upsert", primary_keys=["id"])
    found = wr.redshift.read_sql_query(f"select id, name from {SCHEMA}.copied where name like 'new%' order by id", con)
    assert found["id"].tolist() == [3, 4]


def test_copy_from_files(con: redshift_connector.Connection) -> None:
    where = f"s3://{BUCKET}/files/"
    wr.s3.to_parquet(frame(1, 2), where, dataset=True, filename_prefix="part")
    arguments: dict[str, Any] = {"path": where, "con": con, "table": "filed", "schema": SCHEMA, "iam_role": ROLE}
    wr.redshift.copy_from_files(**arguments, diststyle="ALL", sortkey=["id"])
    wr.redshift.copy_from_files(**arguments, mode="append")
    assert query(con, f"select id, count(*) from {SCHEMA}.filed group by id order by id") == [(1, 2), (2, 2)]


def test_a_temporary_user() -> None:
    with wr.redshift.connect_temp(cluster_identifier="default", user=AMAZON["user"], database=DATABASE) as con:
        assert query(con, "select current_database()") == [(DATABASE,)]
