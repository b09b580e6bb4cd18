"""Names of up to 127 bytes: two that differ behind the 63rd byte are two, and a client meets none but its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redshift_connector
from psycopg import sql
from redshift_clients import amazon, connect

from velodrome.settings import Settings

SCHEMA = "long_" + "s" * 90
TABLE, OTHER = "t" * 75 + "_aaa", "t" * 75 + "_zzz"
COLUMN = "Größe in " + "m" * 100
FOLDED = COLUMN.lower()


@pytest.fixture(scope="module")
def client(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        connection.autocommit = True
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        connection.execute(f"SET search_path TO {SCHEMA}".encode())
        connection.execute(f'CREATE TABLE {TABLE} (id int, "{COLUMN}" varchar(5))'.encode())
        connection.execute(f"INSERT INTO {TABLE} VALUES (1, 'x')".encode())
        yield connection
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE".encode())


def rows(client: psycopg.Connection[Any], text: str, *values: object) -> list[tuple[Any, ...]]:
    return client.execute(text.encode(), values or None).fetchall()


def test_what_never_existed_drops_nothing(client: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable) as caught:
        client.execute(f"DROP TABLE {OTHER}".encode())
    assert caught.value.diag.message_primary == f'table "{OTHER}" does not exist'
    assert rows(client, f"SELECT count(*) FROM {TABLE}") == [(1,)]


def test_both_can_exist(client: psycopg.Connection[Any]) -> None:
    client.execute(f"CREATE TABLE {OTHER} AS SELECT 2 AS id".encode())
    assert rows(client, f"SELECT a.id, b.id FROM {TABLE} a CROSS JOIN {OTHER} b") == [(1, 2)]
    client.execute(f"DROP TABLE {OTHER}".encode())


def test_columns_are_called_as_they_were_made(client: psycopg.Connection[Any]) -> None:
    alias = "y" * 127
    cursor = client.execute(f"SELECT *, id AS {alias} FROM {SCHEMA}.{TABLE}".encode())
    assert [column.name for column in cursor.description or ()] == ["id", FOLDED, alias]
    assert cursor.fetchall() == [(1, "x", 1)]


@pytest.mark.parametrize(
    "text",
    [
        'SELECT DISTINCT tablename FROM pg_table_def WHERE tablename = %s AND "column" = %s',
        "SELECT table_name FROM information_schema.columns WHERE table_name = %s AND column_name = %s",
        "SELECT relname FROM pg_class c, pg_attribute WHERE attrelid = c.oid AND relname = %s AND attname = %s",
        "SELECT table_name FROM svv_columns WHERE table_name = %s AND column_name = %s",
    ],
)
def test_the_catalog_is_asked_by_the_real_name(client: psycopg.Connection[Any], text: str) -> None:
    assert rows(client, text, TABLE, FOLDED) == [(TABLE,)]
    asked = sql.SQL(text.replace("%s", "{}")).format(TABLE, FOLDED).as_string(client)  # type: ignore[arg-type]
    assert rows(client, asked) == [(TABLE,)]


def test_definitions_and_show(client: psycopg.Connection[Any]) -> None:
    view = "v" * 100
    client.execute(f'CREATE VIEW {view} AS SELECT "{COLUMN}" AS c FROM {TABLE}'.encode())
    ((definition,),) = rows(client, f"SELECT pg_get_viewdef('{SCHEMA}.{view}'::regclass)")
    assert FOLDED in definition and TABLE in definition
    ((table,),) = rows(client, f"SHOW TABLE {SCHEMA}.{TABLE}")
    assert f"{SCHEMA}.{TABLE}" in table and f'"{FOLDED}"' in table
    assert {row[2] for row in rows(client, f"SHOW TABLES FROM SCHEMA dev.{SCHEMA}")} >= {TABLE, view}
    assert rows(client, "SHOW search_path") == [(SCHEMA,)]


def test_all_kinds_of_names(client: psycopg.Connection[Any]) -> None:
    for kind in ("a", "b"):
        client.execute(f"PREPARE {'p' * 80}{kind} AS SELECT '{kind}'".encode())
    assert rows(client, f"EXECUTE {'p' * 80}b") == [("b",)]
    first, last = "w" * 80 + "1", "w" * 80 + "2"
    assert rows(client, f"WITH {first} AS (SELECT 1 AS a), {last} AS (SELECT 2 AS a) SELECT * FROM {last}") == [(2,)]
    with client.transaction():
        client.execute(f"DECLARE {'c' * 80}1 CURSOR FOR SELECT 1".encode())
        client.execute(f"DECLARE {'c' * 80}2 CURSOR FOR SELECT 2".encode())
        assert rows(client, f"FETCH ALL FROM {'c' * 80}1") == [(1,)]
    value = "n" * 70
    client.execute(
        f"CREATE PROCEDURE {'f' * 80}({value}_in int, OUT {value}_out int) AS $$ BEGIN {value}_out := {value}_in + 1;"
        f" INSERT INTO {TABLE} (id) VALUES ({value}_in); END $$ LANGUAGE plpgsql".encode()
    )
    cursor = client.execute(f"CALL {'f' * 80}(1)".encode())
    assert ([column.name for column in cursor.description or ()], cursor.fetchall()) == ([f"{value}_out"], [(2,)])
    client.execute(f'DELETE FROM {TABLE} WHERE "{COLUMN}" IS NULL'.encode())


def test_a_table_of_that_name_is_renamed(client: psycopg.Connection[Any]) -> None:
    client.execute(f"ALTER TABLE {TABLE} RENAME TO {OTHER}".encode())
    assert rows(client, "SELECT relname FROM pg_class WHERE relname IN (%s, %s)", TABLE, OTHER) == [(OTHER,)]
    client.execute(f"ALTER TABLE {OTHER} RENAME TO {TABLE}".encode())


def test_a_user_of_that_name_logs_in(client: psycopg.Connection[Any], redshift: Settings) -> None:
    user, group = "u" * 100, "g" * 100
    client.execute(f"CREATE USER {user} PASSWORD 'Long1Name'".encode())
    client.execute(f"CREATE GROUP {group} WITH USER {user}".encode())
    with connect(redshift, user=user, password="Long1Name") as own:
        assert own.execute("SELECT current_user").fetchone() == (user,)
    client.execute(f"DROP GROUP {group}".encode())
    client.execute(f"DROP USER {user}".encode())


def test_above_127_bytes_a_name_is_refused(client: psycopg.Connection[Any]) -> None:
    for text in (f"CREATE TABLE {'q' * 128} (a int)", f'SELECT 1 AS "{"é" * 64}"'):
        with pytest.raises(psycopg.errors.NameTooLong):
            client.execute(text.encode())


def test_amazon_s_driver_reads_them(client: psycopg.Connection[Any], redshift: Settings) -> None:
    with redshift_connector.connect(
        host="127.0.0.1",
        port=redshift.integer("REDSHIFT_PORT"),
        database=redshift["REDSHIFT_DATABASE"],
        user=redshift["REDSHIFT_USER"],
        password=redshift["REDSHIFT_PASSWORD"],
        ssl=False,
    ) as driver:
        cursor = driver.cursor()
        cursor.execute(f"SELECT * FROM {SCHEMA}.{TABLE} WHERE id = %s", (1,))
        assert [column[0] for column in cursor.description or ()] == ["id", FOLDED]
        cursor.execute("SELECT table_name FROM svv_tables WHERE table_name = %s", (TABLE,))
        assert cursor.fetchall() == ([TABLE],)


@pytest.mark.parametrize("special", ["\\", "\\%_"])
def test_a_pattern_finds_them(redshift: Settings, special: str) -> None:
    """Drivers put a backslash in front of what would not stand for itself."""
    name = "back\\slash_and_100%" + 70 * "x"
    pattern = "".join(f"\\{letter}" if letter in special else letter for letter in name)
    with amazon(redshift) as connection:
        cursor = connection.cursor()
        cursor.execute(f'create schema "{name}"')
        cursor.execute(f'create table "{name}"."{name}" ("{name}" int)')
        assert [row[0] for row in cursor.get_schemas(schema_pattern=pattern)] == [name]
        assert [row[3] for row in cursor.get_columns(None, pattern, pattern, pattern)] == [name]
        connection.rollback()


def test_a_name_may_begin_with_another(client: psycopg.Connection[Any]) -> None:
    for name in ("b" * 70, "b" * 70 + " parent"):
        client.execute(f'CREATE TABLE "{name}" (id int PRIMARY KEY)'.encode())
    for name in ("b" * 70, "b" * 70 + " parent"):
        found = rows(client, "SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE dev.%s.%s", SCHEMA, name)
        assert [row[2] for row in found] == [name]
