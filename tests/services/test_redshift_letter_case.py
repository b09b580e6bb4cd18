"""enable_case_sensitive_identifier: quoted names keep their case while it is on, and are folded while it is off.

https://docs.aws.amazon.com/redshift/latest/dg/r_enable_case_sensitive_identifier.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from redshift_clients import amazon, connect

from velodrome.settings import Settings

ON = "set enable_case_sensitive_identifier to true"
OFF = "reset enable_case_sensitive_identifier"


@pytest.fixture(scope="module")
def db(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A session that keeps the case of names; MixedCase."MixedT" and mixedt are two tables."""
    with connect(redshift) as connection:
        connection.execute(ON)
        connection.execute('create schema "MixedCase"')
        connection.execute(
            'create table "MixedCase"."MixedT" ("MixedC" int identity(1, 1), "b" varchar(5), MixedD int,'
            ' primary key ("MixedC")) distkey ("MixedC") sortkey ("MixedC", MixedD)'
        )
        connection.execute('create table "MixedCase".MixedT (MixedC int)')
        connection.execute("""insert into "MixedCase"."MixedT" ("b", mixedd) values ('x', 1)""")
        yield connection
        connection.execute(ON)
        connection.execute('drop schema "MixedCase" cascade')


@pytest.fixture(autouse=True)
def sensitive(db: psycopg.Connection[Any]) -> None:
    db.execute(ON)


def names(db: psycopg.Connection[Any], sql: str) -> list[str]:
    return [column.name for column in db.execute(sql.encode()).description or ()]


def rows(db: psycopg.Connection[Any], sql: str) -> list[Any]:
    found = db.execute(sql.encode()).fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def test_names_and_results(db: psycopg.Connection[Any]) -> None:
    assert names(db, 'select * from "MixedCase"."MixedT"') == ["MixedC", "b", "mixedd"]
    assert names(db, 'select * from dev."MixedCase".MIXEDT') == ["mixedc"]
    assert names(db, 'select "MixedC" as "Kept", MIXEDD as Folded from "MixedCase"."MixedT"') == ["Kept", "folded"]
    assert names(db, 'select relname as "Kept", 1 as Folded from pg_class limit 1') == ["Kept", "folded"]
    with pytest.raises(psycopg.errors.UndefinedColumn, match='column "mixedc" does not exist'):
        db.execute('select MixedC from "MixedCase"."MixedT"')
    db.execute(OFF)
    assert names(db, 'select 1 as "Kept"') == ["kept"]
    assert names(db, 'select relname as "Kept" from pg_class limit 1') == ["kept"]
    with pytest.raises(psycopg.errors.UndefinedTable, match=r'relation "mixedcase\.mixedt" does not exist'):
        db.execute('select * from "MixedCase"."MixedT"')


def test_the_catalog(db: psycopg.Connection[Any]) -> None:
    shown = rows(db, 'show columns from table dev."MixedCase"."MixedT"')
    assert [(row[2], row[3], row[13], row[14]) for row in shown] == [
        ("MixedT", "MixedC", 1, 1),
        ("MixedT", "b", 0, 0),
        ("MixedT", "mixedd", 2, 0),
    ]
    assert sorted(row[2] for row in rows(db, "show tables from schema dev.\"MixedCase\" like '%ixed_'")) == [
        "MixedT",
        "mixedt",
    ]
    assert rows(db, "select sortkey1 from svv_table_info where \"table\" = 'MixedT'") == ["MixedC"]
    where = "where table_schema = 'MixedCase' and table_name = 'MixedT'"
    assert rows(db, f"select column_name from information_schema.key_column_usage {where}") == ["MixedC"]
    ((text,),) = db.execute('show table "MixedCase"."MixedT"').fetchall()
    db.execute(text.replace('"MixedT"', '"Again"').encode())
    assert rows(db, 'show table "MixedCase"."Again"') == [text.replace('"MixedT"', '"Again"')]


def test_definitions(db: psycopg.Connection[Any]) -> None:
    for sql in (
        'alter table "MixedCase"."MixedT" add column "NewC" int',
        'alter table "MixedCase"."MixedT" rename column "NewC" to "NewD"',
        'alter table "MixedCase"."MixedT" drop column "NewD"',
        'create table "MixedCase"."Like" (like "MixedCase"."MixedT")',
        'create view "MixedCase"."Plain" as select "MixedC" from "MixedCase"."MixedT"',
        'create view "MixedCase"."Late" as select "MixedC" as "X" from "MixedCase"."MixedT" with no schema binding',
        'create materialized view "MixedCase"."Mat" distkey ("MixedC") as select "MixedC" from "MixedCase"."MixedT"',
        'refresh materialized view "MixedCase"."Mat"',
        'create procedure "MixedCase"."Proc"("Arg" int) as $$ begin'
        ' insert into "MixedCase"."MixedT" (MixedD) values ("Arg"); end $$ language plpgsql',
        'call "MixedCase"."Proc"(5)',
        """delete from "MixedCase"."MixedT" where "b" is null""",
    ):
        db.execute(sql.encode())
    assert names(db, 'select * from "MixedCase"."Late"') == ["X"]
    assert rows(db, 'select * from "MixedCase"."Plain"') == rows(db, 'select * from "MixedCase"."Mat"') == [1]
    assert rows(db, """select pg_get_viewdef('"MixedCase"."Plain"'::regclass)""") == [
        'SELECT "MixedT"."MixedC" FROM "MixedCase"."MixedT";'
    ]
    assert rows(db, "select diststyle from svv_table_info where \"table\" = 'Mat'") == ["KEY(MixedC)"]


def test_the_transaction_takes_it_back(db: psycopg.Connection[Any]) -> None:
    db.execute(OFF)
    with db.transaction(force_rollback=True):
        db.execute(ON)
        assert names(db, 'select 1 as "Kept"') == ["Kept"]
    assert names(db, 'select 1 as "Kept"') == ["kept"]
    with db.transaction():
        db.execute("set local enable_case_sensitive_identifier = on")
        assert names(db, 'select 1 as "Kept"') == ["Kept"]
    assert names(db, 'select 1 as "Kept"') == ["kept"]
    db.execute("select set_config('enable_case_sensitive_identifier', 'on', false)")
    assert rows(db, "select current_setting('enable_case_sensitive_identifier')") == ["on"]
    assert names(db, 'select 1 as "Kept"') == ["Kept"]
    db.execute("reset all")
    assert rows(db, "show enable_case_sensitive_identifier") == ["off"]
    assert names(db, 'select 1 as "Kept"') == ["kept"]
    # Within one text, from the next statement on.
    db.execute(f'{ON}; create temp table "OneText" ("Kept" int)'.encode())
    assert names(db, 'select * from "OneText"') == ["Kept"]


def test_a_users_default(db: psycopg.Connection[Any], redshift: Settings) -> None:
    db.execute("create user case_keeper password 'Secret12'")
    db.execute("alter user case_keeper set enable_case_sensitive_identifier to true")
    own = {"user": "case_keeper", "password": "Secret12"}
    assert rows(db, "select useconfig from pg_user where usename = 'case_keeper'") == [
        ["enable_case_sensitive_identifier=on"]
    ]
    with amazon(redshift, **own) as session, session.cursor() as cursor:
        cursor.execute('select 1 as "Kept"')
        assert cursor.description[0][0] in ("Kept", b"Kept")
        cursor.execute("set enable_case_sensitive_identifier to false")
        cursor.execute('select 2 as "Kept"')  # another text: the driver keeps what it has prepared
        assert cursor.description[0][0] in ("kept", b"kept")
    db.execute("alter user case_keeper reset enable_case_sensitive_identifier")
    with connect(redshift, **own) as session_:
        assert names(session_, 'select 1 as "Kept"') == ["kept"]
    db.execute("drop user case_keeper")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "set enable_case_sensitive_identifier to perhaps",
            'parameter "enable_case_sensitive_identifier" requires a Boolean value',
        ),
        ("set scram_iterations to 4097", 'unrecognized configuration parameter "scram_iterations"'),
        ("show scram_iterations", 'unrecognized configuration parameter "scram_iterations"'),
        (
            "select set_config('scram_iterations', '4097', false)",
            'unrecognized configuration parameter "scram_iterations"',
        ),
    ],
)
def test_refusals(db: psycopg.Connection[Any], sql: str, message: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        db.execute(sql.encode())
    assert refused.value.diag.message_primary == message
