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

    def test_a_function_and_a_procedure_of_one_name(self, cursor: redshift_connector.Cursor) -> None:
        """OUT parameters are no part of a procedure's signature, so that a function may have it."""
        cursor.execute(
            f"create procedure {SCHEMA}.same(n in decimal(10,5), c in char(20), label out varchar)"
            " as $$ begin label := c || n; end; $$ language plpgsql"
        )
        cursor.execute(
            f"create function {SCHEMA}.same(decimal(10,5), char(20), varchar) returns int stable"
            " as $$ select 7 $$ language sql"
        )
        cursor.execute(f"call {SCHEMA}.same(1.5, 'a')")
        assert cursor.fetchall() == (["a1.5"],)
        cursor.execute(f"select {SCHEMA}.same(1, 'a', 'b')")
        assert cursor.fetchall() == ([7],)
        found = rows(cursor, cursor.get_procedures(schema_pattern=SCHEMA, procedure_name_pattern="same"))
        assert [row["specific_name"] for row in found] == ["same(numeric, character)"]
        found = rows(cursor, cursor.get_procedure_columns(schema_pattern=SCHEMA, procedure_name_pattern="same"))
        assert [(row["column_name"], int(row["column_type"]), row["precision"], row["scale"]) for row in found] == [
            ("n", 1, 10, 5),
            ("c", 1, 20, 0),
            ("label", 3, 0, 0),
        ]
        cursor.execute(
            "select p.pronargs, p.proargtypes, p.proallargtypes, p.proargmodes, p.proargnames from pg_proc p"
            " where p.proname = 'same' and p.prokind = 'p'"
        )
        assert cursor.fetchall() == ([2, "1700 1042", [1700, 1042, 1043], ["i", "i", "o"], ["n", "c", "label"]],)
        cursor.execute(f"drop procedure {SCHEMA}.same(decimal, char)")
        cursor.execute(f"select {SCHEMA}.same(1, 'a', 'b')")
        assert cursor.fetchall() == ([7],)

    def test_a_pattern_with_a_character_0_finds_nothing(self, cursor: redshift_connector.Cursor) -> None:
        assert cursor.get_schemas(schema_pattern=f"{SCHEMA}\0") == ()
        assert cursor.get_tables(schema_pattern=SCHEMA, table_name_pattern="makers\0") == ()

    def test_precisions_of_intervals(self, cursor: redshift_connector.Cursor) -> None:
        cursor.execute(
            f"create table {SCHEMA}.spans (a interval year to month, b interval day to second,"
            " c interval day to second (4), d interval second (0))"
        )
        found = rows(cursor, cursor.get_columns(schema_pattern=SCHEMA, tablename_pattern="spans"))
        assert [(row["type_name"], row["column_size"], row["decimal_digits"]) for row in found] == [
            ("intervaly2m", 32, 0),
            ("intervald2s", 64, 6),
            ("intervald2s", 64, 4),
            ("intervald2s", 64, 0),
        ]

    def test_users_stand_before_roles_in_the_order_of_their_ids(self, cursor: redshift_connector.Cursor) -> None:
        for statement in (
            "create user connector_z password disable",
            "create user connector_a password disable",
            "create role connector_m",
            f"create table {SCHEMA}.given (a int)",
            f"grant select on {SCHEMA}.given to connector_a, connector_z",
            f"grant select, insert on {SCHEMA}.given to role connector_m",
            f"grant select (a) on {SCHEMA}.given to connector_a, connector_z, role connector_m",
        ):
            cursor.execute(statement)
        found = rows(cursor, cursor.get_table_privileges(schema_pattern=SCHEMA, table_name_pattern="given"))
        assert [(row["grantee"], row["privilege"]) for row in found] == [
            ("connector_z", "SELECT"),
            ("connector_a", "SELECT"),
            ("connector_m", "INSERT"),
            ("connector_m", "SELECT"),
        ]
        found = rows(cursor, cursor.get_column_privileges(schema=SCHEMA, table="given"))
        assert [row["grantee"] for row in found] == ["connector_z", "connector_a", "connector_m"]
