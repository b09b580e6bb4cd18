"""What happened and what is happening, asked through real clients: queries, sessions, transactions, locks, CANCEL."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redshift_connector
from redshift_clients import address, connect

from velodrome.settings import Settings
from velodrome.testing import own_settings, run_service, start_service, wait_until

USER, PASSWORD = "history_reader", "Readers0"


COLUMNS = Path(__file__).with_name("redshift_history_columns.txt")
QUESTIONS = Path(__file__).with_name("redshift_history_questions.sql")
TYPES = {
    "i": "integer",
    "b": "bigint",
    "t": "timestamp without time zone",
    "d": "double precision",
    "x": "text",
    "B": "boolean",
    "c": "character({})",
    "v": "character varying({})",
}


def documented() -> dict[str, list[tuple[str, str]]]:
    """view -> (column, type) of its documentation page."""
    lines = [line for line in COLUMNS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    views = {name: rest.split(", ") for name, rest in (line.split(" ", 1) for line in lines)}
    return {
        name: [(column.split()[0], TYPES[column.split()[1][0]].format(column.split()[1][1:])) for column in columns]
        for name, columns in views.items()
    }


@pytest.fixture
def admin(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        yield connection


@pytest.fixture(scope="module")
def reader(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A user who is no superuser."""
    with connect(redshift) as admin:
        admin.execute(f"create user {USER} password '{PASSWORD}'")
        with connect(redshift, user=USER, password=PASSWORD) as connection:
            yield connection
        admin.execute(f"drop user {USER}")


@pytest.mark.parametrize("view", documented())
def test_columns_are_those_of_the_documentation(
    admin: psycopg.Connection[Any], reader: psycopg.Connection[Any], view: str
) -> None:
    columns = admin.execute(
        "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
        " where a.attrelid = %s::regclass and a.attnum > 0 order by a.attnum",
        [f"pg_catalog.{view}"],
    ).fetchall()
    assert columns == documented()[view]
    for connection in (admin, reader):
        connection.execute(f"select * from {view}")


def questions() -> dict[str, str]:
    blocks = QUESTIONS.read_text(encoding="utf-8").strip().split("\n\n")[1:]
    return {block.split("\n", 1)[0].removeprefix("-- "): block.split("\n", 1)[1] for block in blocks}


@pytest.mark.parametrize("question", questions())
def test_questions_are_answered(admin: psycopg.Connection[Any], question: str) -> None:
    admin.execute("select 1")
    admin.execute(questions()[question]).fetchall()


def test_what_statements_wrote(admin: psycopg.Connection[Any]) -> None:
    admin.execute("create table history_written (a int)")
    for sql, view, rows in (
        ("insert into history_written values (1), (2)", "stl_insert", 2),
        ("update history_written set a = 3", "stl_delete", 2),
        ("delete from history_written where a = 3", "stl_delete", 2),
    ):
        admin.execute(sql)
        written = (
            f"select rows, tbl = 'history_written'::regclass::oid::int from {view} where query = pg_last_query_id()"
        )
        assert admin.execute(written).fetchone() == (rows, True)
    admin.execute("analyze history_written")
    admin.execute("vacuum full history_written")
    names = "select trim(schema_name), trim(table_name) from {} where table_id = 'history_written'::regclass::oid::int"
    for view in ("sys_analyze_history", "sys_vacuum_history", "stl_analyze"):
        assert admin.execute(names.format(view)).fetchall() == [("public", "history_written")]
    events = (
        "select trim(status) from stl_vacuum where table_id = 'history_written'::regclass::oid::int order by eventtime"
    )
    assert admin.execute(events).fetchall() == [("Started",), ("Finished",)]
    admin.execute("drop table history_written")


def test_a_statement_is_in_the_history_as_the_client_wrote_it(admin: psycopg.Connection[Any]) -> None:
    text = "select\tnvl(1, 2) -- it's é 🚲\n, '\\\\n', 'history-text'"
    admin.execute(text)
    assert admin.execute(
        "select query_text::varchar(4000), trim(query_type), trim(status), returned_rows, elapsed_time > 0,"
        " end_time >= start_time, trim(database_name), session_id, query_id = pg_last_query_id()"
        " from sys_query_history where query_text like '%history-text%' and query_text not like '%sys_query%'"
    ).fetchone() == (text, "SELECT", "success", 1, True, True, "dev", admin.info.backend_pid, True)
    pieces = admin.execute(
        "select text from stl_querytext where query = (select max(query) from stl_query where querytxt like"
        " 'select_nvl%history-text%') order by sequence"
    ).fetchall()
    assert "".join(row[0] for row in pieces).rstrip() == text.replace("\\", "\\\\").replace("\n", "\\n")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("create table history_kinds (a int)", "DDL"),
        ("insert into history_kinds values (1), (2)", "INSERT"),
        ("update history_kinds set a = 3", "UPDATE"),
        ("delete from history_kinds", "DELETE"),
        ("create table history_made as select 1 as a", "CTAS"),
        ("with x as (select 1) select * from x", "SELECT"),
        ("set query_group to 'history'", "UTILITY"),
        ("truncate history_kinds", "DDL"),
        ("vacuum history_kinds", "UTILITY"),
        ("drop table history_kinds, history_made", "DDL"),
    ],
)
def test_kinds(admin: psycopg.Connection[Any], sql: str, kind: str) -> None:
    admin.execute(sql)
    found = admin.execute(
        "select trim(query_type) from sys_query_history where query_text = %s order by query_id desc limit 1", [sql]
    )
    assert found.fetchone() == (kind,)


def test_an_error(admin: psycopg.Connection[Any]) -> None:
    for sql, words in {"select 1/0 as failing_one": "division by zero", "select 2 returning x": "syntax error"}.items():
        with pytest.raises(psycopg.Error):
            admin.execute(sql)
        row = admin.execute(
            "select trim(status), trim(error_message) from sys_query_history where query_text = %s", [sql]
        ).fetchone()
        assert row is not None and row[0] == "failed" and words in row[1]


def test_a_long_text_comes_in_pieces(admin: psycopg.Connection[Any]) -> None:
    text = "select '" + "0123456789" * 900 + "' as long_one"
    admin.execute(text)
    rows = admin.execute(
        "select sequence, text from sys_query_text where query_id = pg_last_query_id() order by sequence"
    ).fetchall()
    assert [row[0] for row in rows] == [0, 1, 2] and "".join(row[1] for row in rows).rstrip() == text


def test_passwords_are_not_kept(redshift: Settings, admin: psycopg.Connection[Any]) -> None:
    admin.execute("create user history_secret password 'Secret12345'")
    admin.execute("drop user history_secret")
    row = admin.execute("select trim(text) from stl_ddltext where text like 'create user history_secret%'").fetchone()
    assert row == ("create user history_secret password '***'",)
    assert admin.execute(
        "select trim(action) from stl_userlog where username = 'history_secret' order by recordtime"
    ).fetchall() == [("create",), ("drop",)]
    folder = redshift.home / "data" / "redshift" / "velodrome_history"
    for file in folder.iterdir():
        assert b"Secret12345" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_query_groups(admin: psycopg.Connection[Any]) -> None:
    admin.execute("set query_group to 'nightly'")
    admin.execute("select 'labelled'")
    admin.execute("reset query_group")
    admin.execute("select 'not labelled'")
    rows = admin.execute(
        "select trim(label), trim(querytxt) from stl_query where querytxt in (%s, %s) order by query",
        ["select 'labelled'", "select 'not labelled'"],
    ).fetchall()
    assert rows == [("nightly", "select 'labelled'"), ("default", "select 'not labelled'")]


def test_who_sees_what(admin: psycopg.Connection[Any], reader: psycopg.Connection[Any]) -> None:
    admin.execute("select 'of the administrator'")
    reader.execute("select 'of the reader'")
    mine = reader.execute("select distinct trim(user_name) from stv_recents").fetchall()
    assert mine == [(USER,)]
    seen = "select count(*) from stl_query where querytxt = 'select ''of the reader'''"
    assert admin.execute(seen).fetchone() == reader.execute(seen).fetchone() == (1,)
    assert reader.execute("select count(*) from stl_connection_log").fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("select * from velodrome.history_queries_log as velodrome")
    # A condition that fails on others' rows never meets them.
    secret = hashlib.md5(b"select 'of the administrator'").hexdigest()  # noqa: S324 (finds a text, guards nothing)
    for view, column in {
        "stl_query": "querytxt",
        "sys_query_history": "query_text",
        "svl_statementtext": "text",
    }.items():
        same = f"md5(rtrim({column}::varchar(4000))) = '{secret}'"
        trap = f"select count(*) from {view} where 1 / (case when {same} then 0 else 1 end) = 2"
        reader.execute(trap)
        with pytest.raises(psycopg.errors.DivisionByZero):
            admin.execute(trap)


@pytest.mark.parametrize(
    ("options", "others", "events"),
    [("", False, False), ("syslog access unrestricted", True, False), ("createuser", True, True)],
)
def test_who_sees_all(
    redshift: Settings, admin: psycopg.Connection[Any], options: str, others: bool, events: bool
) -> None:
    admin.execute(f"create user history_watcher password '{PASSWORD}' {options}")
    with connect(redshift, user="history_watcher", password=PASSWORD) as watcher:
        admin.execute("select 'watched'")
        text, pid = "select 'watched'", admin.info.backend_pid
        assert watcher.execute("select count(*) > 0 from stl_query where querytxt = %s", [text]).fetchone() == (others,)
        assert watcher.execute("select count(*) > 0 from stv_sessions where process = %s", [pid]).fetchone() == (
            others,
        )
        assert watcher.execute("select count(*) > 0 from stl_connection_log").fetchone() == (events,)
    admin.execute("drop user history_watcher")


@pytest.mark.parametrize("end", ["cancel {}", "select pg_cancel_backend({})", "cancel {} 'too long'"])
def test_what_runs_and_is_cancelled(redshift: Settings, admin: psycopg.Connection[Any], end: str) -> None:
    with connect(redshift) as busy:
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000) endless")
        pid = busy.info.backend_pid
        running = "select query from stv_inflight where pid = %s and text like '%%endless%%'"
        wait_until("the query to run", lambda: admin.execute(running, [pid]).fetchone() is not None)
        (query,) = admin.execute(running, [pid]).fetchone() or ()
        status = "select trim(status), end_time is null from sys_query_history where query_id = %s"
        assert admin.execute(status, [query]).fetchone() == ("running", True)
        assert admin.execute("select count(*) from stv_recents where pid = %s", [pid]).fetchone() == (1,)
        answer = admin.execute(end.format(pid))
        assert answer.statusmessage == ("CANCEL" if end.startswith("cancel") else "SELECT 1")
        result = busy.pgconn.get_result()
        assert result is not None and result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"
        assert busy.pgconn.get_result() is None
        assert admin.execute(status, [query]).fetchone() == ("canceled", False)


def test_only_ones_own_queries_can_be_cancelled(
    admin: psycopg.Connection[Any], reader: psycopg.Connection[Any]
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(f"cancel {admin.info.backend_pid}")
    with pytest.raises(psycopg.errors.SyntaxError):
        admin.execute("cancel 'x'")
    with pytest.raises(psycopg.Error, match="Session 1 does not exist"):
        admin.execute("cancel 1")


def test_a_session_is_terminated(redshift: Settings, admin: psycopg.Connection[Any]) -> None:
    lost = connect(redshift, application_name="history-lost")
    pid = lost.info.backend_pid
    there = "select count(*) from stv_sessions where process = %s"
    assert admin.execute(there, [pid]).fetchone() == (1,)
    assert admin.execute(f"select pg_terminate_backend({pid})").fetchone() == (1,)
    wait_until("the session to end", lambda: admin.execute(there, [pid]).fetchone() == (0,))
    events = "select trim(event) from stl_connection_log where pid = %s order by recordtime, event desc"
    wait_until(
        "its last event",
        lambda: ("disconnecting session",) in admin.execute(events, [pid]).fetchall(),
    )
    log = admin.execute(
        "select trim(event), trim(dbname), trim(username), trim(application_name) from stl_connection_log"
        " where pid = %s and event = 'authenticated' order by recordtime desc limit 1",
        [pid],
    ).fetchone()
    assert log == ("authenticated", "dev", redshift["REDSHIFT_USER"], "history-lost")
    lost.close()


def test_a_wrong_password(redshift: Settings, admin: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(redshift, user="history_stranger")
    # Once with TLS, and once without, which psycopg tries after that.
    refused = "select distinct trim(event) from sys_connection_log where user_name = 'history_stranger'"
    wait_until("its event", lambda: admin.execute(refused).fetchall() == [("authentication failure",)])


def test_transactions_and_locks(redshift: Settings, admin: psycopg.Connection[Any]) -> None:
    admin.execute("create table history_locked (a int)")
    with connect(redshift) as holder:
        holder.execute("begin")
        holder.execute("lock table history_locked")
        rows = admin.execute(
            "select txn_db, lock_mode, granted from svv_transactions where pid = %s and relation ="
            " 'history_locked'::regclass::oid::int",
            [holder.info.backend_pid],
        ).fetchall()
        assert rows == [("dev", "AccessExclusiveLock", True)]
        table = "table_id = 'history_locked'::regclass::oid::int"
        held = admin.execute(f"select lock_owner_pid from stv_locks where {table}").fetchall()
        assert held == [(holder.info.backend_pid,)]
        holder.execute("insert into history_locked values (1)")
        holder.execute("rollback")
        holder.execute("begin; insert into history_locked values (2); commit")
    states = admin.execute(
        "select status from sys_transaction_history t where transaction_id in (select transaction_id"
        " from sys_query_history where query_text like 'insert into history_locked%') order by transaction_start_time"
    ).fetchall()
    assert states == [("rolledback",), ("committed",)]
    admin.execute("drop table history_locked")


JOINS = (
    "select count(*) from stl_query join stl_querytext using (query)",
    "select count(*) from svl_query_summary join stl_query using (query)",
    "select count(*) from sys_query_history join sys_query_detail using (query_id)"
    " where database_name = 'dev' and status = 'success' and query_type = 'SELECT'",
    "select count(*) from sys_transaction_history where transaction_id in"
    " (select transaction_id from sys_query_history where query_text like 'insert%')",
)


@pytest.mark.parametrize("join", JOINS)
def test_two_histories_are_not_joined_row_by_row(admin: psycopg.Connection[Any], join: str) -> None:
    plan = "\n".join(line for (line,) in admin.execute(f"explain {join}".encode()))
    assert re.search("(Hash|Merge)( Right)?( Semi)? Join", plan), plan


def test_every_database_sees_the_same(redshift: Settings, admin: psycopg.Connection[Any]) -> None:
    admin.execute("create database history_other")
    with connect(redshift, dbname="history_other") as other:
        other.execute("select 'elsewhere'")
        seen = "select trim(database) from stl_query where querytxt = 'select ''elsewhere'''"
        assert other.execute(seen).fetchall() == admin.execute(seen).fetchall() == [("history_other",)]
    wait_until("the session to end", lambda: _dropped(admin))


def _dropped(admin: psycopg.Connection[Any]) -> bool:
    try:
        admin.execute("drop database history_other")
    except psycopg.errors.ObjectInUse:
        return False
    return True


def test_prepared_statements_and_amazons_driver(redshift: Settings) -> None:
    with redshift_connector.connect(database="dev", ssl=False, **address(redshift)) as connection:
        cursor = connection.cursor()
        cursor.execute("select %s::int as prepared_one", (7,))
        cursor.execute("select pg_last_query_id()")
        (query,) = cursor.fetchone()
        cursor.execute("select trim(querytxt) from stl_query where query = %s", (query,))
        assert cursor.fetchone() == ["select $1::int as prepared_one"]


def test_the_history_outlives_a_kill(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    first = start_service("redshift", settings)
    try:
        with connect(settings) as connection:
            connection.execute("select 'before the kill'")
            (before,) = connection.execute("select pg_last_query_id()").fetchone() or ()
    finally:
        first.kill()
    log = settings.home / "data" / "redshift" / "velodrome_history" / "queries.log"
    with log.open("ab") as file:
        file.write(b"12345\x1fhalf a li")
    with run_service("redshift", tmp_path, settings), connect(settings) as connection:
        seen = "select query from stl_query where querytxt = 'select ''before the kill'''"
        assert connection.execute(seen).fetchone() == (before,)
        (after,) = connection.execute("select pg_last_query_id()").fetchone() or ()
        assert after > before
