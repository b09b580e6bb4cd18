"""CREATE and ALTER SCHEMA as Redshift has them: owners, quotas, and tables made together with their schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from redshift_clients import connect

from velodrome.settings import Settings

PASSWORD = "Kept-4-nobody"


@pytest.fixture
def db(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        connection.execute(f"CREATE USER schema_owner PASSWORD '{PASSWORD}'".encode())
        yield connection
        connection.execute("DROP SCHEMA IF EXISTS quoted, schema_owner CASCADE")
        connection.execute("REVOKE CREATE ON DATABASE dev FROM schema_owner")
        connection.execute("DROP USER schema_owner")


def rows(db: psycopg.Connection[Any], sql: str) -> list[tuple[Any, ...]]:
    return db.execute(sql.encode()).fetchall()


def quotas(db: psycopg.Connection[Any], schema: str = "quoted") -> list[tuple[Any, ...]]:
    where = f"WHERE schema_name = '{schema}'"
    inside = rows(db, f"SELECT quota, disk_usage_pct FROM svv_schema_quota_state {where}")
    assert rows(db, f"SELECT quota FROM svv_redshift_schema_quota {where}") == [row[:1] for row in inside]
    return inside


@pytest.mark.parametrize(
    ("clause", "megabytes"),
    [
        ("QUOTA 5", 5120),
        ("quota 500 mb", 500),
        ("QUOTA 2 GB", 2048),
        ("QUOTA 1 TB", 1048576),
        ("QUOTA UNLIMITED", None),
    ],
)
def test_a_quota_is_kept_in_megabytes(db: psycopg.Connection[Any], clause: str, megabytes: int | None) -> None:
    share = None if megabytes is None else 0.0
    assert db.execute(f"CREATE SCHEMA dev.quoted {clause}".encode()).statusmessage == "CREATE SCHEMA"
    assert quotas(db) == [(megabytes, share)]
    db.execute("CREATE SCHEMA IF NOT EXISTS quoted QUOTA 7")
    assert quotas(db) == [(megabytes, share)]
    assert db.execute("ALTER SCHEMA quoted QUOTA 3 GB").statusmessage == "ALTER SCHEMA"
    assert quotas(db) == [(3072, 0.0)]
    db.execute(f"ALTER SCHEMA quoted {clause}".encode())
    assert quotas(db) == [(megabytes, share)]
    db.execute("DROP SCHEMA quoted")
    db.execute("CREATE SCHEMA quoted")
    assert quotas(db) == [(None, None)]


def test_an_owner_and_tables_come_with_a_schema(db: psycopg.Connection[Any]) -> None:
    db.execute("CREATE SCHEMA quoted AUTHORIZATION schema_owner QUOTA 10")
    db.execute(
        "CREATE SCHEMA AUTHORIZATION schema_owner QUOTA 1 TB"
        " CREATE TABLE t (i INT DISTKEY, name VARCHAR(MAX) ENCODE zstd) SORTKEY (name)"
        " CREATE VIEW v AS SELECT i, 'ab' AS kind FROM t"
    )
    owners = (
        "SELECT nspname, usename FROM pg_namespace JOIN pg_user ON usesysid = nspowner WHERE usename = 'schema_owner'"
    )
    assert sorted(rows(db, owners)) == [("quoted", "schema_owner"), ("schema_owner", "schema_owner")]
    assert quotas(db) == [(10240, 0.0)]
    assert quotas(db, "schema_owner") == [(1048576, 0.0)]
    db.execute("SET search_path TO schema_owner")
    defined = "SELECT \"column\", type, encoding, distkey, sortkey FROM pg_table_def WHERE tablename = 't'"
    assert rows(db, defined) == [
        ("i", "integer", "az64", True, 0),
        ("name", "character varying(65535)", "zstd", False, 1),
    ]
    db.execute("RESET search_path")
    described = (
        "SELECT column_name, character_maximum_length FROM svv_columns"
        " WHERE table_schema = 'schema_owner' AND table_name = 'v'"
    )
    assert rows(db, described) == [("i", None), ("kind", 2)]


def test_schemas_that_are_made_together_have_each_its_own_quota(db: psycopg.Connection[Any]) -> None:
    db.execute('CREATE SCHEMA quoted QUOTA 1; CREATE SCHEMA "a \' */ b" QUOTA 2; CREATE SCHEMA schema_owner')
    wanted = "('quoted', 'a '' */ b', 'schema_owner')"
    kept = rows(db, f"SELECT rtrim(schema_name), quota FROM svv_redshift_schema_quota WHERE schema_name IN {wanted}")
    db.execute('DROP SCHEMA "a \' */ b"')
    assert sorted(kept) == [("a ' */ b", 2048), ("quoted", 1024), ("schema_owner", None)]


def test_who_may_set_a_quota(redshift: Settings, db: psycopg.Connection[Any]) -> None:
    """ "A user that is not a superuser but that has CREATE SCHEMA permission can create a schema with a defined quota."
    https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_SCHEMA.html"""
    db.execute("GRANT CREATE ON DATABASE dev TO schema_owner")
    with connect(redshift, user="schema_owner", password=PASSWORD) as owner:
        owner.execute("CREATE SCHEMA quoted QUOTA 1")
        with pytest.raises(errors.InsufficientPrivilege, match="must be superuser to alter the quota of schema quoted"):
            owner.execute("ALTER SCHEMA quoted QUOTA UNLIMITED")
    assert quotas(db) == [(1024, 0.0)]


@pytest.mark.parametrize(
    ("sql", "state", "message"),
    [
        ("CREATE SCHEMA quoted QUOTA", "42601", 'syntax error at or near "QUOTA"'),
        ("CREATE SCHEMA quoted QUOTA 5 PB", "42601", 'syntax error at or near "PB"'),
        ("CREATE SCHEMA quoted QUOTA 1.5 GB", "42601", 'syntax error at or near "1.5"'),
        ("CREATE SCHEMA quoted QUOTA 0", "22023", "invalid quota 0"),
        ("CREATE SCHEMA quoted QUOTA 5000 TB", "22023", "invalid quota 5242880000"),
        ("ALTER SCHEMA no_such_schema QUOTA 5", "3F000", 'schema "no_such_schema" does not exist'),
        ("ALTER SCHEMA velodrome QUOTA 5", "3F000", 'schema "velodrome" does not exist'),
        ("CREATE SCHEMA quoted AUTHORIZATION no_such_user QUOTA 5", "42704", 'user "no_such_user" does not exist'),
    ],
)
def test_refused(db: psycopg.Connection[Any], sql: str, state: str, message: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        db.execute(sql.encode())
    assert (refused.value.sqlstate, refused.value.diag.message_primary) == (state, message)


def test_inside_a_procedure(db: psycopg.Connection[Any]) -> None:
    db.execute(
        "CREATE PROCEDURE public.make_schema() AS $$ BEGIN CREATE SCHEMA quoted QUOTA 9; CREATE SCHEMA schema_owner"
        " QUOTA 8; ALTER SCHEMA schema_owner QUOTA 4; END $$ LANGUAGE plpgsql"
    )
    db.execute("CALL public.make_schema()")
    assert quotas(db) == [(9216, 0.0)]
    assert quotas(db, "schema_owner") == [(4096, 0.0)]
    db.execute("DROP PROCEDURE public.make_schema()")
