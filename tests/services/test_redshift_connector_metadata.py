"""redshift_connector's metadata calls, each with the queries that it has for a Redshift of before SHOW discovery.

https://github.com/aws/amazon-redshift-python-driver: the methods get_… of its cursors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redshift_connector
from redshift_clients import DATABASE, amazon, libpq

from velodrome.settings import Settings

SCHEMA = "connector_metadata"
TABLES = (
    f"create schema {SCHEMA}",
    f"create table {SCHEMA}.makers (maker_id int not null primary key, name varchar(30) unique) diststyle all",
    f"create table {SCHEMA}.bikes (bike_id int identity(1,1) not null, maker_id int distkey,"
    " frame varchar(20) encode zstd, price decimal(8,2) default 9.99, made date sortkey, tried timestamp,"
    f" primary key (bike_id), foreign key (maker_id) references {SCHEMA}.makers (maker_id))",
    f"create view {SCHEMA}.cheap as select bike_id, price from {SCHEMA}.bikes where price < 100",
    f"create procedure {SCHEMA}.rename(n in int, label inout varchar) as $$ begin label := label || n; end; $$"
    " language plpgsql",
    f"create function {SCHEMA}.twice(int) returns int immutable as $$ select $1 * 2 $$ language sql",
)


@pytest.fixture(scope="module", autouse=True)
def tables(redshift: Settings) -> None:
    with psycopg.connect(**libpq(redshift), autocommit=True) as connection:
        for statement in TABLES:
            connection.execute(statement)  # type: ignore[arg-type]


@pytest.fixture
def connection(redshift: Settings) -> Iterator[redshift_connector.Connection]:
    with amazon(redshift) as made:
        yield made
        made.rollback()


@pytest.fixture
def cursor(connection: redshift_connector.Connection) -> redshift_connector.Cursor:
    return connection.cursor()


Rows = list[dict[str, Any]]


def rows(cursor: redshift_connector.Cursor, found: Any) -> Rows:
    """The rows of a metadata call under the names of its columns."""
    names = [column[0].lower() for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in found]


class TestMetadata:
    """https://github.com/aws/amazon-redshift-python-driver: Cursor.get_…"""

    def test_schemas(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_schemas(schema_pattern=SCHEMA))
        assert [(row["table_schem"], row["table_catalog"]) for row in found] == [(SCHEMA, DATABASE)]

    def test_catalogs(self, cursor: redshift_connector.Cursor) -> None:
        assert DATABASE in [row["table_cat"] for row in rows(cursor, cursor.get_catalogs())]

    def test_tables(self, cursor: redshift_connector.Cursor) -> None:
        # Without SHOW discovery the driver asks for every type, whatever it is told; keys have indexes there.
        found = rows(cursor, cursor.get_tables(schema_pattern=SCHEMA))
        assert sorted((row["table_name"], row["table_type"]) for row in found if row["table_type"] != "INDEX") == [
            ("bikes", "TABLE"),
            ("cheap", "VIEW"),
            ("makers", "TABLE"),
        ]
        found = rows(cursor, cursor.get_tables(schema_pattern=SCHEMA, table_name_pattern="c%"))
        assert [row["table_name"] for row in found] == ["cheap"]

    def test_columns(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_columns(schema_pattern=SCHEMA, tablename_pattern="bikes"))
        assert [(row["column_name"], row["type_name"], row["column_size"], row["nullable"]) for row in found] == [
            ("bike_id", "int4", 10, 0),
            ("maker_id", "int4", 10, 1),
            ("frame", "varchar", 20, 1),
            ("price", "numeric", 8, 1),
            ("made", "date", 13, 1),
            ("tried", "timestamp", 29, 1),
        ]
        assert found[3]["decimal_digits"] == 2 and found[3]["ordinal_position"] == 4

    def test_primary_keys(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_primary_keys(schema=SCHEMA, table="bikes"))
        assert [(row["column_name"], row["key_seq"]) for row in found] == [("bike_id", 1)]

    def test_procedures(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_procedures(schema_pattern=SCHEMA))
        assert [row["procedure_name"] for row in found if row["procedure_type"] == 2] == ["rename"]
