"""What is refused, seen by a client; and every function that Redshift documents is carried or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.redshift.sql.functions import EDITED
from velodrome.redshift.sql.translate import Refused, translate
from velodrome.settings import Settings

# https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions.html
DOCUMENTED = (Path(__file__).parents[1] / "unit" / "redshift_functions.txt").read_text(encoding="utf-8").split()
# Functions for PostgreSQL's grammar, not its catalog.
SYNTAX = {"ARRAY", "COALESCE", "CURRENT_USER_ID", "GREATEST", "LEAST", "NULLIF", "TRIM"}
# Without an argument, or told apart from a column by more than a name and a parenthesis.
NOT_TRIED = {"OBJECT", "SIZE"}


@pytest.fixture
def client(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        yield connection


def refused(name: str) -> str:
    """What is said of a call because of the function's name, if anything."""
    try:
        translate(f"SELECT {name}(a, b) FROM t")
    except Refused as error:
        return error.message if error.message.startswith(f"function {name} is not supported") else ""
    return ""


def test_every_documented_function_is_carried_or_refused_by_name(client: psycopg.Connection[Any]) -> None:
    rows = client.execute("SELECT proname FROM pg_catalog.pg_proc").fetchall()
    carried = {row[0].upper() for row in rows} | SYNTAX | EDITED
    names = [name for name in DOCUMENTED if name not in NOT_TRIED]
    neither = [name for name in names if name not in carried and not refused(name)]
    assert neither == []
    both = [name for name in names if name in carried - {"COLLATE"} and refused(name)]
    assert both == []


def test_a_client_sees_feature_line_and_column(client: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
        client.execute("SELECT 1,\n  JSON_PARSE('{}')")
    message = "function JSON_PARSE is not supported by this local warehouse (line 2, column 3: near 'JSON_PARSE')"
    assert (caught.value.diag.message_primary, caught.value.diag.statement_position) == (message, "13")
    assert client.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "call",
    ["pg_sleep(60)", "pg_advisory_lock(1)", "pg_notify('a', 'b')", "lo_create(0)", "pg_read_file('/etc/hostname')"],
)
def test_not_even_a_procedure_s_own_text_reaches_them(client: psycopg.Connection[Any], call: str) -> None:
    with pytest.raises(psycopg.errors.UndefinedFunction):
        client.execute(f"SELECT {call}".encode())
    body = f"BEGIN EXECUTE 'SELECT ' || {psycopg.sql.quote(call)}; END"
    client.execute(f"CREATE OR REPLACE PROCEDURE refused_call() AS $$ {body} $$ LANGUAGE plpgsql".encode())
    with pytest.raises(psycopg.errors.UndefinedFunction):
        client.execute("CALL refused_call()")
    client.execute("DROP PROCEDURE refused_call()")
