"""redshift_connector's metadata calls, which it answers by SHOW commands once the server has said that it knows them.

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
        found = rows(cursor, cursor.get_tables(schema_pattern=SCHEMA))
        assert sorted((row["table_name"], row["table_type"]) for row in found) == [
            ("bikes", "TABLE"),
            ("cheap", "VIEW"),
            ("makers", "TABLE"),
        ]
        found = rows(cursor, cursor.get_tables(schema_pattern=SCHEMA, table_name_pattern="%s", types=["TABLE"]))
        assert [row["table_name"] for row in found] == ["bikes", "makers"]

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

    def test_foreign_keys(self, cursor: redshift_connector.Cursor) -> None:
        pair = ("makers", "maker_id", "bikes", "maker_id", 1)
        names = ("pktable_name", "pkcolumn_name", "fktable_name", "fkcolumn_name", "key_seq")
        for found in (
            cursor.get_imported_keys(schema=SCHEMA, table="bikes"),
            cursor.get_exported_keys(schema=SCHEMA, table="makers"),
        ):
            assert [tuple(row[name] for name in names) for row in rows(cursor, found)] == [pair]

    def test_best_row_identifier(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_best_row_identifier(schema=SCHEMA, table="bikes", scope=1, nullable=True))
        assert [(row["column_name"], row["type_name"]) for row in found] == [("bike_id", "int4")]

    def test_procedures(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_procedures(schema_pattern=SCHEMA))
        assert [row["procedure_name"] for row in found] == ["rename"]
        found = rows(cursor, cursor.get_procedure_columns(schema_pattern=SCHEMA, procedure_name_pattern="rename"))
        assert [row["column_name"] for row in found] == ["n", "label"]

    def test_functions(self, cursor: redshift_connector.Cursor) -> None:
        found = rows(cursor, cursor.get_functions(schema_pattern=SCHEMA))
        assert [row["function_name"] for row in found] == ["twice"]
        found = rows(cursor, cursor.get_function_columns(schema_pattern=SCHEMA, function_name_pattern="twice"))
        assert {row["type_name"] for row in found} == {"int4"}

    def test_privileges(self, cursor: redshift_connector.Cursor) -> None:
        cursor.execute(f"grant select on {SCHEMA}.makers to public")
        found = rows(cursor, cursor.get_table_privileges(schema_pattern=SCHEMA, table_name_pattern="makers"))
        assert ("public", "SELECT") in {(row["grantee"].lower(), row["privilege"].upper()) for row in found}

    def test_table_types(self, cursor: redshift_connector.Cursor) -> None:
        assert {"TABLE", "VIEW"} <= {row["table_type"] for row in rows(cursor, cursor.get_table_types())}
