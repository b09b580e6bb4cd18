"""What the gateway does between a client's messages, any number of times, and what it keeps from whom."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import psycopg
import pytest
import redshift_connector
from psycopg import pq
from redshift_clients import amazon, connect

from velodrome.redshift import wire
from velodrome.settings import Settings
from velodrome.testing import RunningService, run_service, wait_until

SCHEMA = "session_cases"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service("redshift", home=tmp_path_factory.mktemp("session")) as found:
        with connect(found.settings) as connection:
            connection.execute(f"create schema {SCHEMA}")  # type: ignore[arg-type]
        yield found
        # What a client is told is not the server's trouble.
        assert "Traceback" not in found.log and " ERROR" not in found.log


@pytest.fixture
def warehouse(running: RunningService) -> Settings:
    return running.settings


@pytest.fixture
def cursor(warehouse: Settings) -> Iterator[redshift_connector.Cursor]:
    with amazon(warehouse) as connection:
        yield connection.cursor()
        connection.rollback()


def test_grants_in_one_transaction(cursor: redshift_connector.Cursor) -> None:
    """Each has a statement of the gateway's own before it."""
    cursor.execute("create user session_reader password disable")
    cursor.execute("create group session_group")
    cursor.execute(f"create table {SCHEMA}.granted (a int)")
    for privilege in ("select", "insert", "update"):
        cursor.execute(f"grant {privilege} on {SCHEMA}.granted to session_reader, group session_group")
    cursor.execute("select count(*) from pg_prepared_statements where name like 'velodrome%'")
    assert cursor.fetchone() == [0]
    cursor.execute("select count(*) from pg_cursors where name like 'velodrome%'")
    assert cursor.fetchone() == [0]
    cursor.execute(f"select has_table_privilege('session_reader', '{SCHEMA}.granted', 'update')")
    assert cursor.fetchone() == [True]


def test_truncates_in_one_session(cursor: redshift_connector.Cursor) -> None:
    """Each has a COMMIT of the gateway's own behind it."""
    cursor.execute(f"create table {SCHEMA}.emptied (a int)")
    for _ in range(3):
        cursor.execute(f"insert into {SCHEMA}.emptied values (1)")
        cursor.execute(f"truncate {SCHEMA}.emptied")
    cursor.execute(f"select count(*) from {SCHEMA}.emptied")
    assert cursor.fetchone() == [0]


def test_after_an_error_the_same_again(cursor: redshift_connector.Cursor) -> None:
    for _ in range(2):
        with pytest.raises(redshift_connector.ProgrammingError, match='user "nobody_there" does not exist'):
            cursor.execute(f"grant usage on schema {SCHEMA} to nobody_there")
        cursor.execute("rollback")
    cursor.execute(f"grant usage on schema {SCHEMA} to public")


def test_in_one_pipeline_between_the_clients_own(warehouse: Settings) -> None:
    with connect(warehouse, autocommit=False) as connection:
        connection.execute(f"create table {SCHEMA}.piped (a int)")  # type: ignore[arg-type]
        connection.execute("create user piped_reader password disable")
        with connection.pipeline():
            own = connection.cursor()
            own.execute("select 1", prepare=True)
            connection.execute(f"grant select on {SCHEMA}.piped to piped_reader")  # type: ignore[arg-type]
            connection.execute(f"grant insert on {SCHEMA}.piped to piped_reader")  # type: ignore[arg-type]
            last = connection.execute(f"insert into {SCHEMA}.piped values (%s)", [7])  # type: ignore[arg-type]
        assert own.fetchone() == (1,) and last.rowcount == 1
        connection.rollback()


def test_a_portal_outlives_a_sync(warehouse: Settings) -> None:
    """Rows in portions, as JDBC's setFetchSize asks for them, with a GRANT between two of them."""
    with connect(warehouse, autocommit=False) as connection, connection.cursor("portioned") as portioned:
        portioned.itersize = 2
        portioned.execute("select * from (select 1 as a union all select 2 union all select 3 union all select 4) t")
        assert portioned.fetchmany(2) == [(1,), (2,)]
        connection.execute(f"grant usage on schema {SCHEMA} to public")  # type: ignore[arg-type]
        assert portioned.fetchmany(2) == [(3,), (4,)]


def test_what_was_skipped_has_not_been_prepared(warehouse: Settings) -> None:
    """A prepared statement keeps its meaning where another one of its name failed to take its place."""
    with connect(warehouse) as connection:
        server = connection.pgconn
        assert server.prepare(b"kept", b"select 5").status == pq.ExecStatus.COMMAND_OK
        failed = server.prepare(b"kept", b"truncate pg_temp.nothing")
        assert failed.status == pq.ExecStatus.FATAL_ERROR
        assert server.exec_prepared(b"kept", None).get_value(0, 0) == b"5"
        refused = server.prepare(b"kept", b"create index i on t (a)")
        assert b"not supported on Redshift tables" in refused.error_message
        assert server.exec_prepared(b"kept", None).get_value(0, 0) == b"5"


def test_more_parameter_types_than_parameters(warehouse: Settings) -> None:
    with connect(warehouse) as connection:
        server = connection.pgconn
        made = server.prepare(b"more", b"select $1::int + 1, '$2'", [23, 705, 0])
        assert made.status == pq.ExecStatus.COMMAND_OK, made.error_message
        found = server.exec_prepared(b"more", [b"1", b"unused", None])
        assert (found.get_value(0, 0), found.get_value(0, 1)) == (b"2", b"$2")


def test_a_show_is_one_statement(warehouse: Settings) -> None:
    with connect(warehouse) as connection:
        connection.execute(f"create table {SCHEMA}.shown (a int)")  # type: ignore[arg-type]
        drop = f"drop table {SCHEMA}.shown"
        with pytest.raises(psycopg.Error):
            connection.execute(f'show parameters of function dev.public.f("$1]::text[]); {drop}; select (array[1")')  # type: ignore[arg-type]
        connection.execute(f"select * from {SCHEMA}.shown")  # type: ignore[arg-type]


DYNAMIC = """create procedure {schema}.dynamic(words varchar) as $$ begin execute words || ' session_cases.d'; end $$
language plpgsql"""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            "create index i on t (a); drop table",
            "0A000",
            'SQL command "create index i on t (a)" not supported on Redshift tables.',
        ),
        ("create type", "0A000", 'SQL command "create type session_cases.d" not supported on Redshift tables.'),
        ("create sequence", "0A000", 'SQL command "create sequence session_cases.d" not supported on Redshift tables.'),
        ("listen x; select 1 as", "42601", 'syntax error at or near "listen"'),
        ("select 1; notify", "42601", 'syntax error at or near "notify"'),
        ("/* select 1 */ do", "42601", 'syntax error at or near "do"'),
        ("select '''' ; unlisten", "42601", 'syntax error at or near "unlisten"'),
        ("create table session_cases.d (a int); select * from", "", ""),
    ],
)
def test_what_a_procedure_puts_together(warehouse: Settings, words: str, code: str, message: str) -> None:
    with connect(warehouse, autocommit=False) as connection:
        connection.execute(DYNAMIC.format(schema=SCHEMA))  # type: ignore[arg-type]
        if not code:
            connection.execute(f"call {SCHEMA}.dynamic(%s)", [words])  # type: ignore[arg-type]
            connection.execute("select * from session_cases.d")
        else:
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(f"call {SCHEMA}.dynamic(%s)", [words])  # type: ignore[arg-type]
            assert (caught.value.sqlstate, caught.value.diag.message_primary) == (code, message)
        connection.rollback()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--standard-conforming-strings=on", "changing standard_conforming_strings is not supported"),
        ("-c velodrome.driver=amazon", 'unrecognized configuration parameter "velodrome.driver"'),
        ("-c client_encoding=GBK", "conversion between GBK and UTF8 is not supported"),
    ],
)
def test_startup_options(warehouse: Settings, options: str, message: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=message):
        connect(warehouse, options=options)
    with connect(warehouse, options="-c query_group=night") as connection:
        assert connection.execute("show query_group").fetchone() == ("night",)


def test_no_encoding_in_which_a_character_holds_a_quote(warehouse: Settings) -> None:
    with connect(warehouse) as connection:
        for statement in (
            "set client_encoding to gbk",
            "set names 'sjis'",
            "select set_config('client_encoding', 'big5', false)",
        ):
            with pytest.raises(psycopg.Error, match="invalid value for parameter"):
                connection.execute(statement)  # type: ignore[arg-type]
        connection.execute("set client_encoding to latin1")


def test_a_password_is_in_no_error_and_no_history(running: RunningService) -> None:
    secret = "Secret-0-of-nobody"
    with connect(running.settings) as connection:
        for statement in (
            f"create user session_secret password '{secret}' {secret}",
            f"create user awsuser password '{secret}'",
            f"copy t from 's3://b/k' credentials 'aws_access_key_id=A;aws_secret_access_key={secret}' csv",
            f"copy t from 's3://b/k' access_key_id 'A' secret_access_key '{secret}' parquet",
        ):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)  # type: ignore[arg-type]
            assert secret not in str(caught.value)  # nor in the line of the statement that libpq shows
        masked = "select query_text from sys_query_history where query_text like '%***%'"
        shown = [str(text) for (text,) in connection.execute(masked)]
    assert len(shown) >= 4 and not any(f"'{secret}'" in text for text in shown)
    assert secret not in running.log


def connected(settings: Settings) -> socket.socket:
    return socket.create_connection((settings["REDSHIFT_HOST"], settings.integer("REDSHIFT_PORT")), timeout=30)


def test_connections_without_a_login_take_nobodys_place(warehouse: Settings) -> None:
    """1,000 of them: Redshift's 500 are for who is logged in, and the oldest that is not goes when another comes."""
    idle = [connected(warehouse) for _ in range(1000)]
    try:
        with connect(warehouse) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert idle[0].recv(1) == b""
        idle[-1].sendall(struct.pack("!II", 8, wire.SSL_REQUEST))
        assert idle[-1].recv(1) == b"S"
    finally:
        for each in idle:
            each.close()


def reset(connection: socket.socket) -> None:
    """Leaves without a word, as a client that is killed does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_clients_that_leave_in_mid_anything(running: RunningService) -> None:
    """Before, in and behind the first packet, in the TLS handshake, in a password: none is the server's trouble."""
    user = running.settings["REDSHIFT_USER"]
    startup = wire.startup({"user": user, "database": "dev"})
    ssl_request = struct.pack("!II", 8, wire.SSL_REQUEST)
    for sent, answer in (
        (b"", False),
        (startup[:3], False),
        (startup[:-5], False),
        (ssl_request, True),
        (ssl_request, False),
        (startup, True),
        (startup + b"p\0\0\0\x28", True),
        (struct.pack("!II", 16, wire.CANCEL_REQUEST) + bytes(8), False),
    ):
        for _ in range(10):
            with connected(running.settings) as client:
                client.sendall(sent)
                if answer:
                    client.recv(1)
                if sent == ssl_request and answer:
                    client.sendall(b"\x16\x03\x01\x02\x00")
                reset(client)
    for query in (b"Q\0\0\0\xffselect", b"P\0", wire.query("select count(*) from stl_query, stl_query b, stl_query c")):
        connection = connect(running.settings)
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as raw:
            raw.sendall(query)
            reset(raw)
    with connect(running.settings) as watching:
        others = "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and usename = current_user"
        wait_until("the others to be gone", lambda: watching.execute(others).fetchone() == (0,))
    assert "Traceback" not in running.log
