"""The warehouse's life: kill -9 of either part, SIGTERM, a second start, a taken port."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redshift_clients

from velodrome.settings import Settings
from velodrome.testing import own_settings, run_service, start_service, wait_until


def connect(settings: Settings) -> psycopg.Connection[Any]:
    return redshift_clients.connect(settings, autocommit=False)


def inner_process(settings: Settings) -> int:
    """The PostgreSQL inside, by its own lock file."""
    return int((settings.home / "data" / "redshift" / "postmaster.pid").read_text().split("\n", 1)[0])


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{number}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def count(settings: Settings) -> int:
    with connect(settings) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
        assert row is not None
        return int(row[0])


def test_data_outlives_kills(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    first = start_service("redshift", settings)
    try:
        with connect(settings) as connection:
            connection.execute("create table kept (a int identity(1,1), b int)")
            connection.execute("insert into kept (b) values (1), (2)")
        unfinished = connect(settings)
        unfinished.execute("insert into kept (b) values (3)")
        orphan = inner_process(settings)
    finally:
        first.kill()
    assert alive(orphan)
    with run_service("redshift", tmp_path, settings) as second:
        assert not alive(orphan)
        assert count(settings) == 2
        os.kill(inner_process(settings), signal.SIGKILL)
        wait_until("the gateway to end after its server", lambda: second.process.poll() is not None)
        assert second.process.returncode == 1
    with run_service("redshift", tmp_path, settings):
        assert count(settings) == 2
    unfinished.close()


def test_sigterm_lets_what_is_under_way_end(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    running = start_service("redshift", settings)
    inside = inner_process(settings)
    idle, brief, endless = connect(settings), connect(settings), connect(settings)
    brief.pgconn.send_query(b"select count(*) from generate_series(1, 3000000) a")
    endless.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000) a")
    wait_until("both queries to run", lambda: len(running_queries(idle)) == 2)
    running.process.send_signal(signal.SIGTERM)
    assert brief.pgconn.get_result().get_value(0, 0) == b"3000000"
    assert running.process.wait(15) == 0
    assert not alive(inside)
    told = "terminating connection due to administrator command"
    with pytest.raises(psycopg.OperationalError, match=told):
        idle.execute("select 1")
    result = endless.pgconn.get_result()
    assert result is not None and told in str(result.error_message)
    for connection in (idle, brief, endless):
        connection.close()


def running_queries(connection: psycopg.Connection[Any]) -> list[Any]:
    """Other sessions' queries that run now."""
    found = connection.execute(
        "select pid from stv_recents where status = 'Running' and pid <> pg_backend_pid()"
    ).fetchall()
    connection.rollback()
    return found


def test_a_killed_backend_ends_only_its_own_client(tmp_path: Path) -> None:
    with (
        run_service("redshift", tmp_path) as running,
        connect(running.settings) as one,
        connect(running.settings) as other,
    ):
        other.execute("select pg_terminate_backend(%s)", [one.info.backend_pid])
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            one.execute("select 1")
        assert other.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["REDSHIFT_PORT", "REDSHIFT_API_PORT"])
def test_a_taken_port_is_named(tmp_path: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = own_settings(tmp_path, {name: str(taken.getsockname()[1])})
        with pytest.raises(RuntimeError, match=rf"cannot be used \(.*\): change {name}, or stop what uses it"):
            start_service("redshift", settings)


def test_a_changed_password_counts_from_the_next_start(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    with run_service("redshift", tmp_path, settings):
        pass
    changed = own_settings(tmp_path, {"REDSHIFT_PASSWORD": "another one"})
    with run_service("redshift", tmp_path, changed):
        connect(changed).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(Settings({**settings, "REDSHIFT_PORT": changed["REDSHIFT_PORT"]}))


def test_use_goes_on_in_another_database(tmp_path: Path) -> None:
    with run_service("redshift", tmp_path) as running, connect(running.settings) as connection:
        connection.autocommit = True
        connection.execute("create database other")
        connection.execute("use other")
        assert connection.execute("select current_database()").fetchone() == ("other",)
        connection.execute("create table only_here as select 1 as a")
        with pytest.raises(psycopg.errors.InvalidCatalogName, match='database "nowhere" does not exist'):
            connection.execute("use nowhere")
        with (
            connection.transaction(),
            pytest.raises(psycopg.errors.ActiveSqlTransaction, match="USE cannot run inside"),
        ):
            connection.execute("select 1")
            connection.execute("use dev")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction, match="USE cannot run inside"):
            connection.execute("select 1; use dev")
        connection.execute("begin")
        connection.execute("use dev")  # a transaction that holds nothing yet, as drivers begin them by themselves
        assert connection.execute("select a from other.public.only_here").fetchall() == [(1,)]
        connection.execute("commit")
        with connect(running.settings) as watcher:
            connection.cancel()  # a late one hurts nobody
            assert watcher.execute("select current_database()").fetchone() == ("dev",)
        assert "Traceback" not in running.log and "never retrieved" not in running.log
