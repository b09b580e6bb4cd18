"""The warehouse through its real clients: redshift_connector, psycopg 3, psycopg2 and psql."""

from __future__ import annotations

import datetime
import re
import socket
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import psycopg2
import pytest
import redshift_connector
from redshift_clients import address, connect
from redshift_connector.interval import Interval

from velodrome.postgres import binaries
from velodrome.redshift import wire
from velodrome.settings import Settings
from velodrome.testing import run_service, wait_until


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with run_service("redshift", tmp_path_factory.mktemp("warehouse")) as running:
        yield running.settings
        assert "Traceback" not in running.log


@pytest.fixture
def amazon(warehouse: Settings) -> Iterator[redshift_connector.Connection]:
    with redshift_connector.connect(database="dev", ssl=False, **address(warehouse)) as connection:
        yield connection


@pytest.fixture
def three(warehouse: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(warehouse, autocommit=False) as connection:
        yield connection
        connection.rollback()


class TestRedshiftConnector:
    def test_it_meets_redshift(self, amazon: redshift_connector.Connection) -> None:
        cursor = amazon.cursor()
        cursor.execute("select version()")
        assert "Redshift" in cursor.fetchone()[0]

    def test_types(self, amazon: redshift_connector.Connection) -> None:
        cursor = amazon.cursor()
        cursor.execute(
            "select 1::smallint, 2, 3::bigint, 1.5::float8, 2.50::decimal(10,2), 'x'::varchar(5), true, null,"
            " '2020-02-29'::date, '2020-02-29 01:02:03.5'::timestamp, interval '1 month 2 days'"
        )
        assert cursor.fetchone() == [
            *(1, 2, 3, 1.5, Decimal("2.50"), "x", True, None),
            *(datetime.date(2020, 2, 29), datetime.datetime(2020, 2, 29, 1, 2, 3, 500000), Interval(0, 2, 1)),
        ]

    def test_a_transaction_rolled_back_leaves_nothing(self, amazon: redshift_connector.Connection) -> None:
        cursor = amazon.cursor()
        cursor.execute("create table gone (id int identity(1,1), name varchar(10) encode zstd) diststyle all")
        cursor.execute("insert into gone (name) values (%s), (%s)", ("a", None))
        cursor.execute("select id, name from gone order by id")
        assert cursor.fetchall() == ([1, "a"], [2, None])
        amazon.rollback()
        with pytest.raises(redshift_connector.ProgrammingError, match='relation "gone" does not exist'):
            cursor.execute("select * from gone")
        amazon.rollback()

    def test_autocommit(self, amazon: redshift_connector.Connection) -> None:
        amazon.autocommit = True
        cursor = amazon.cursor()
        cursor.execute("create table kept (a int)")
        cursor.execute("insert into kept values (1)")
        amazon.rollback()
        cursor.execute("select a from kept")
        assert cursor.fetchall() == ([1],)
        cursor.execute("drop table kept")

    def test_truncate_commits(self, amazon: redshift_connector.Connection) -> None:
        cursor = amazon.cursor()
        cursor.execute("create table cut (a int)")
        cursor.execute("insert into cut values (1)")
        cursor.execute("truncate cut")
        amazon.rollback()
        cursor.execute("insert into cut values (2)")
        amazon.rollback()
        cursor.execute("select a from cut")
        assert cursor.fetchall() == ()
        cursor.execute("drop table cut")
        amazon.commit()

    @pytest.mark.parametrize("style", ["qmark", "numeric", "named", "format", "pyformat"])
    def test_parameter_styles(self, amazon: redshift_connector.Connection, style: str) -> None:
        cursor = amazon.cursor()
        cursor.paramstyle = style
        sql = {"qmark": "?", "numeric": ":1", "named": ":a", "format": "%s", "pyformat": "%(a)s"}[style]
        cursor.execute(f"select nvl({sql}::int, 0)", {"a": 7} if style in ("named", "pyformat") else [7])
        assert cursor.fetchone() == [7]

    def test_a_refusal_fails_the_transaction(self, amazon: redshift_connector.Connection) -> None:
        cursor = amazon.cursor()
        cursor.execute("create table half (a int)")
        with pytest.raises(redshift_connector.ProgrammingError) as caught:
            cursor.execute("create index i on half (a)")
        assert caught.value.args[0]["C"] == "0A000"
        assert caught.value.args[0]["M"] == 'SQL command "create index i on half (a)" not supported on Redshift tables.'
        with pytest.raises(redshift_connector.ProgrammingError, match="current transaction is aborted"):
            cursor.execute("select 1")
        amazon.rollback()
        cursor.execute("select 1")

    def test_a_wrong_password(self, warehouse: Settings) -> None:
        wrong = address(warehouse, password="wrong")
        with pytest.raises(redshift_connector.InterfaceError) as caught:
            redshift_connector.connect(database="dev", ssl=False, **wrong)
        assert caught.value.args[0]["C"] == "28000"
        assert caught.value.args[0]["M"] == 'password authentication failed for user "awsuser"'


class TestPsycopg:
    def test_it_meets_redshift(self, three: psycopg.Connection[Any]) -> None:
        assert three.info.server_version == 80002

    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("datediff(day, '2020-01-31 23:59:59'::timestamp, '2020-02-01'::timestamp)", 1),
            ("datediff(year, '2019-12-31'::date, '2020-01-01'::date)", 1),
            ("datediff(month, '2020-03-31'::date, '2020-01-01'::date)", -2),
            ("datediff(hour, '2020-01-01 00:59:59'::timestamp, '2020-01-01 01:00:00'::timestamp)", 1),
            ("datediff(qtr, '2019-12-31'::date, '2020-07-01'::date)", 3),
            ("dateadd(month, 1, '2020-01-31'::date)", datetime.datetime(2020, 2, 29)),
            ("add_months('2020-02-29'::date, 1)", datetime.datetime(2020, 3, 31)),
            ("date_trunc('month', '2020-02-29'::date)", datetime.datetime(2020, 2, 1)),
            ("last_day('2020-02-01'::date)", datetime.date(2020, 2, 29)),
            ("months_between('2020-03-31'::date, '2020-02-29'::date)", 1.0),
            ("avg(a) from (select 1 as a union all select 2) t", 1),
            ("avg(a::float8) from (select 1 as a union all select 2) t", 1.5),
            ("listagg(a, '-') within group (order by a desc) from (select 1 as a union all select 2) t", "2-1"),
            ("regexp_replace('a1b2', '[0-9]', '')", "ab"),
            ("concat('a', null)", None),
            ("2.5::decimal", Decimal(3)),
            ("decode(null::int, null, 'none', 'some')", "none"),
            ("len('ab')", 2),
            (r"'a\'b' || 'c'", "a'bc"),
            ("7 / 2", 3),
        ],
    )
    def test_functions_answer_as_redshift(self, three: psycopg.Connection[Any], sql: str, expected: object) -> None:
        assert three.execute(f"select {sql}").fetchone() == (expected,)

    def test_getdate_has_no_fraction_and_no_zone(self, three: psycopg.Connection[Any]) -> None:
        (now,) = three.execute("select getdate()").fetchone() or ()
        assert now.microsecond == 0 and now.tzinfo is None

    def test_qualify(self, three: psycopg.Connection[Any]) -> None:
        three.execute("create temp table q (a int, b int)")
        three.execute("insert into q values (1, 1), (1, 2), (2, 3)")
        rows = three.execute(
            "select * from q qualify row_number() over (partition by a order by b desc) = 1 "
        ).fetchall()
        assert sorted(rows) == [(1, 2), (2, 3)]

    def test_merge(self, three: psycopg.Connection[Any]) -> None:
        three.execute("create table target (id int primary key, a int)")
        three.execute("insert into target values (1, 1)")
        three.execute("create table #source (id int, a int)")
        three.execute("insert into #source values (1, 10), (2, 20)")
        three.execute(
            "merge into target using #source s on target.id = s.id when matched then update set a = nvl(s.a, 0)"
            " when not matched then insert values (s.id, s.a)"
        )
        assert three.execute("select * from target order by id").fetchall() == [(1, 10), (2, 20)]

    def test_keys_are_informational(self, three: psycopg.Connection[Any]) -> None:
        three.execute("create table parent (id int primary key distkey)")
        three.execute("create table child (id int unique, p int references parent (id), primary key (id))")
        three.execute("insert into child values (1, 99), (1, 99)")
        with pytest.raises(psycopg.errors.NotNullViolation) as refused:
            three.execute("insert into child values (null, 1)")
        assert refused.value.diag.message_primary == "Cannot insert a NULL value into column id"

    def test_layout_is_in_the_catalog(self, three: psycopg.Connection[Any]) -> None:
        three.execute("create table laid (a int encode az64, b varchar(5)) distkey (b) sortkey (b, a)")
        three.execute("alter table laid alter encode auto")
        rows = three.execute(
            'select "column", type, encoding, distkey, sortkey from pg_table_def where tablename = %s order by 1',
            ["laid"],
        ).fetchall()
        assert rows == [("a", "integer", "az64", False, 2), ("b", "character varying(5)", "none", True, 1)]

    def test_identity_values_are_the_warehouses_own(self, three: psycopg.Connection[Any]) -> None:
        three.execute("create table ids (id int identity(5,5), a int)")
        three.execute("insert into ids (a) values (1), (2)")
        assert three.execute("select id from ids order by 1").fetchall() == [(5,), (10,)]
        with pytest.raises(psycopg.Error, match="non-DEFAULT value"):
            three.execute("insert into ids (id, a) values (1, 1)")

    def test_a_procedure_raises(self, three: psycopg.Connection[Any]) -> None:
        three.execute(
            "create or replace procedure check_it(n in int) as $$ declare found int; begin"
            " select into found nvl(n, 0); if found > 1 then raise exception 'missing key %', found; end if; end; $$"
            " language plpgsql"
        )
        three.execute("call check_it(1)")
        with pytest.raises(psycopg.errors.RaiseException, match="missing key 2"):
            three.execute("call check_it(2)")

    def test_answers_keep_their_order_in_a_pipeline(self, three: psycopg.Connection[Any]) -> None:
        three.commit()
        with three.pipeline():
            first = three.execute("select 1")
            three.execute("create temp table p (a int)")
            three.execute("insert into p select generate_series(1, 1000)")
            three.execute("truncate p")
            last = three.execute("select count(*) from p")
        assert (first.fetchone(), last.fetchone()) == ((1,), (0,))
        with pytest.raises(psycopg.errors.SyntaxError), three.pipeline():
            three.execute("select 1")
            three.execute("select 1 returning x")
        three.rollback()
        assert three.execute("select 2").fetchone() == (2,)

    def test_prepared_statements(self, three: psycopg.Connection[Any]) -> None:
        for day in range(8):
            found = three.execute("select dateadd(day, %s, '2020-01-01'::date)", [day], prepare=True).fetchone()
            assert found == (datetime.datetime(2020, 1, 1 + day),)

    def test_a_large_result(self, three: psycopg.Connection[Any]) -> None:
        rows = three.execute("select i, repeat('x', 100) from generate_series(1, 100000) i").fetchall()
        assert len(rows) == 100_000 and rows[-1] == (100_000, "x" * 100)

    def test_a_value_of_many_packets(self, three: psycopg.Connection[Any]) -> None:
        text = "é" * 3_000_000
        assert three.execute("select %s::text", [text]).fetchone() == (text,)

    def test_cancel(self, three: psycopg.Connection[Any]) -> None:
        with psycopg.connect(**three.info.get_parameters(), password=three.info.password) as other:
            other.autocommit = True
            three.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000) a")
            busy = "select count(*) from pg_stat_activity where state = 'active' and pid = %s"
            pid = three.info.backend_pid
            wait_until("the query to run", lambda: other.execute(busy, [pid]).fetchone() == (1,))
            three.cancel_safe()
            result = three.pgconn.get_result()
            assert result is not None and result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"
            told = result.error_message.decode()
            assert re.search(r"Query \(\d+\) cancelled on user's request", told)
            assert three.pgconn.get_result() is None
            assert other.execute("select 1").fetchone() == (1,)

    @pytest.mark.parametrize(
        "sql",
        [
            "copy (select 1) to program 'id'",
            "select pg_read_file('/etc/passwd')",
            "copy pg_class from '/etc/passwd'",
            "create table pg_catalog.x (a int)",
            "select pg_catalog.pg_ls_dir('/')",
            "alter system set log_statement = 'all'",
            "set role rdsdb",
        ],
    )
    def test_the_host_is_out_of_reach(self, three: psycopg.Connection[Any], sql: str) -> None:
        with pytest.raises(psycopg.Error):
            three.execute(sql)


class TestPsycopg2:
    def test_several_statements_are_one_transaction(self, warehouse: Settings) -> None:
        connection = psycopg2.connect(dbname="dev", **address(warehouse))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("create table if not exists many (a int unique); delete many")
            with pytest.raises(psycopg2.errors.DivisionByZero):
                cursor.execute("insert into many values (nvl(1, 2)), (1); select 1/0")
            cursor.execute("insert into many values (1), (1); select count(*) from many")
            assert cursor.fetchall() == [(2,)]
            cursor.execute("drop table many")
        connection.close()

    def test_an_error_points_at_the_clients_own_text(self, warehouse: Settings) -> None:
        connection = psycopg2.connect(dbname="dev", **address(warehouse))
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.SyntaxError) as caught:
            cursor.execute("select é;\n insert into t values (1) on conflict do nothing")
        assert caught.value.diag.statement_position == "40"
        assert caught.value.diag.message_primary == 'syntax error at or near "conflict"'
        connection.close()


def psql(settings: Settings, *commands: str) -> str:
    where = address(settings)
    conninfo = f"host={where['host']} port={where['port']} user={where['user']} dbname=dev"
    arguments = [part for command in commands for part in ("-c", command)]
    result = subprocess.run(
        [str(binaries() / "psql"), "-X", "-A", "-t", conninfo, *arguments],
        env={"PGPASSWORD": where["password"], "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return result.stdout + result.stderr


def test_psql(warehouse: Settings) -> None:
    assert psql(warehouse, "create table shown (a int identity(1,1), b varchar(5)) diststyle all") == "CREATE TABLE\n"
    assert "public|shown|table|awsuser" in psql(warehouse, r"\dt")
    described = psql(warehouse, r"\d shown")
    assert "a|integer" in described and "b|character varying(5)" in described
    assert psql(warehouse, "drop table shown") == "DROP TABLE\n"
    assert 'syntax error at or near "STDIN"' in psql(warehouse, r"\copy pg_class from /etc/passwd")


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"user": "rdsdb"}, "28000", 'password authentication failed for user "rdsdb"'),
        ({"user": "nobody"}, "28000", 'password authentication failed for user "nobody"'),
        ({"user": "public"}, "28000", 'password authentication failed for user "public"'),
        ({}, "28000", "no PostgreSQL user name specified in startup packet"),
        ({"user": "awsuser", "replication": "true"}, "0A000", "replication connections are not supported"),
    ],
)
def test_who_cannot_log_in(warehouse: Settings, parameters: dict[str, str], code: str, message: str) -> None:
    packet = wire.startup(parameters | {"database": "dev"})
    answer = talk(warehouse, packet + wire.message(b"p", b"md5" + b"0" * 32 + b"\0"))
    kind, body = list(wire.messages(answer))[-1]
    assert chr(kind) == "E"
    assert wire.read_fields(body) == {"S": "FATAL", "V": "FATAL", "C": code, "M": message}


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x08\0\0\0\0", b"\xff" * 64, b"\0\0\0\x10\0\3\0\0user\0x\0y"]
)
def test_garbage_ends_the_connection(warehouse: Settings, garbage: bytes) -> None:
    answer = talk(warehouse, garbage)
    ((_, body),) = wire.messages(answer)
    assert wire.read_fields(body)["C"] == "08P01"


def talk(settings: Settings, data: bytes) -> bytes:
    """Sends bytes and reads to the end of the connection."""
    with socket.create_connection((settings["REDSHIFT_HOST"], settings.integer("REDSHIFT_PORT")), timeout=10) as peer:
        peer.sendall(data)
        answer = b""
        while part := peer.recv(65536):
            answer += part
        return answer


def test_a_vanished_client_takes_its_query_along(warehouse: Settings, tmp_path: Path) -> None:
    with connect(warehouse) as watcher:
        lost = connect(warehouse, autocommit=False, application_name="lost")
        lost.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000) a")
        running = "select count(*) from pg_stat_activity where application_name = 'lost' and state = 'active'"
        wait_until("the query to run", lambda: watcher.execute(running).fetchone() == (1,))
        socket.socket(fileno=lost.fileno()).close()
        there = "select count(*) from pg_stat_activity where application_name = 'lost'"
        wait_until("its backend to end", lambda: watcher.execute(there).fetchone() == (0,))
