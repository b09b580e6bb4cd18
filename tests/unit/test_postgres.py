"""The server class on real clusters: made once, started, stopped, killed, taken over."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from velodrome.postgres import PostgresError, Server, ensure_database
from velodrome.testing import free_port, wait_until

FOREGROUND = """
import sys
from pathlib import Path
from velodrome.postgres import Server
Server(Path(sys.argv[1]), port=int(sys.argv[2]), superuser="admin", password=None).execute()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; each test works on a copy."""
    data = tmp_path_factory.mktemp("cluster") / "data"
    Server(data, port=1, superuser="admin", password="it's \\ secret").initialize()
    return data


@pytest.fixture
def server(tmp_path: Path, cluster: Path) -> Iterator[Server]:
    shutil.copytree(cluster, tmp_path / "data")
    server = Server(tmp_path / "data", port=free_port(), superuser="admin", password="it's \\ secret")
    yield server
    server.stop()


def foreground(server: Server) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", FOREGROUND, str(server.data), str(server.port)])
    server.wait_ready(30)
    return process


def one(server: Server, query: str) -> object:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_it_is_made_with_utf8_and_a_locale_that_does_not_depend_on_the_system(server: Server) -> None:
    server.start()
    assert one(server, "SHOW server_encoding") == "UTF8"
    assert one(server, "SELECT lower('ÄÉ')") == "äé"
    assert one(server, "SHOW fsync") == "on"
    assert one(server, "SHOW listen_addresses") == "127.0.0.1"
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_a_second_initialize_keeps_the_data(server: Server) -> None:
    before = (server.data / "global" / "pg_control").read_bytes()
    server.initialize()
    assert (server.data / "global" / "pg_control").read_bytes() == before


def test_what_a_killed_initialize_left_is_cleared(tmp_path: Path) -> None:
    left_over = tmp_path / ".data.init-x" / "cluster"
    left_over.mkdir(parents=True)
    Server(tmp_path / "data", port=1, superuser="admin", password=None).initialize()
    assert not left_over.exists()
    assert (tmp_path / "data" / "PG_VERSION").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data.lock", "data"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(PostgresError, match="holds files but no PostgreSQL cluster"):
        Server(tmp_path, port=1, superuser="admin", password=None).initialize()
    assert (tmp_path / "letter").read_text() == "dear"


def test_another_major_version_is_named(server: Server) -> None:
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresError, match="was made by PostgreSQL 12"):
        server.initialize()


@pytest.mark.parametrize("password", ["it's \\ secret", "wrong", ""])
def test_tcp_needs_the_password(server: Server, password: str) -> None:
    server.start()
    address: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "admin", "dbname": "postgres"}
    if password == server.password:
        psycopg.connect(**address, password=password).close()
    else:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(**address, password=password)


def test_without_an_address_it_has_only_its_socket(tmp_path: Path, cluster: Path) -> None:
    shutil.copytree(cluster, tmp_path / "data")
    server = Server(tmp_path / "data", port=free_port(), superuser="admin", password=None, listen="")
    server.start()
    try:
        assert one(server, "SELECT 1") == 1
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(host="127.0.0.1", port=server.port, user="admin", dbname="postgres")
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["x" * 90, "a,b", 'it\'s "here"'])
def test_folders_that_a_socket_cannot_be_in(tmp_path: Path, cluster: Path, name: str) -> None:
    shutil.copytree(cluster, tmp_path / name)
    server = Server(tmp_path / name, port=free_port(), superuser="admin", password=None)
    server.start()
    try:
        assert one(server, "SELECT 1") == 1
        state = server.socket_dir.lstat()
        assert stat.S_IMODE(state.st_mode) == 0o700
    finally:
        server.stop()


def test_stop_does_not_wait_for_clients(server: Server) -> None:
    server.start()
    with psycopg.connect(server.conninfo("postgres")) as connection:
        connection.execute("SELECT 1")
        server.stop(5)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_in_the_foreground_it_keeps_its_process_id_and_ends_on_sigint(server: Server) -> None:
    process = foreground(server)
    assert int((server.data / "postmaster.pid").read_text().splitlines()[0]) == process.pid
    connection = psycopg.connect(server.conninfo("postgres"))
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    connection.close()


def test_one_data_folder_has_one_server(server: Server) -> None:
    process = foreground(server)
    try:
        with pytest.raises(PostgresError, match=f"in use by process {process.pid}"):
            server.start()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def test_after_kill_9_it_starts_although_a_backend_still_works_and_its_number_is_taken(server: Server) -> None:
    process = foreground(server)
    busy = psycopg.connect(server.conninfo("postgres"), autocommit=True)
    busy.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    busy.pgconn.send_query(b"DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")
    process.kill()
    process.wait()
    # The dead server's process id now belongs to a program that has nothing to do with it: this one's parent.
    for name in ("postmaster.pid", f".s.PGSQL.{server.port}.lock"):
        lines = (server.data / name).read_text().splitlines()
        (server.data / name).write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    again = foreground(server)
    try:
        assert one(server, "SELECT answer FROM kept") == 42
    finally:
        busy.close()
        again.send_signal(signal.SIGINT)
        assert again.wait(10) == 0


def test_a_backend_that_is_killed_does_not_take_the_server(server: Server) -> None:
    server.start()
    with psycopg.connect(server.conninfo("postgres")) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)

        def answers() -> bool:
            try:
                return one(server, "SELECT 1") == 1
            except psycopg.OperationalError:
                return False

        wait_until("the server to recover", answers)


def test_a_server_whose_parent_was_killed_is_taken_over(server: Server) -> None:
    code = FOREGROUND.replace(".execute()", ".start(); import os; os._exit(9)")
    subprocess.run([sys.executable, "-c", code, str(server.data), str(server.port)], timeout=60)
    left_over = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    server.start()
    assert one(server, "SELECT 1") == 1
    assert int((server.data / "postmaster.pid").read_text().splitlines()[0]) != left_over


def test_a_taken_port_is_an_error_and_leaves_nothing(server: Server, tmp_path: Path, cluster: Path) -> None:
    server.start()
    shutil.copytree(cluster, tmp_path / "other")
    other = Server(tmp_path / "other", port=server.port, superuser="admin", password=None)
    with pytest.raises(PostgresError, match="ended with status 1"):
        other.start()
    assert not (other.data / "postmaster.pid").exists()


def test_a_database_is_made_once_and_its_password_follows_the_setting(server: Server) -> None:
    server.start()
    name = 'o"dd; name'
    address: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "own er", "dbname": name}
    for password in ("first", "sec'ond"):
        ensure_database(server, name, "own er", password)
        with psycopg.connect(**address, password=password) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS mine")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(**address, password="first")
