"""psql and its backslash commands; each version of psql that is here: PostgreSQL's own, and the machine's."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redshift_clients import connect

from velodrome.postgres import binaries
from velodrome.settings import Settings
from velodrome.testing import wait_until

PROGRAMS = [binaries() / "psql", *([Path(found)] if (found := shutil.which("psql")) else [])]
SCHEMA = """
drop schema if exists psql_shop cascade;
create schema psql_shop;
create table psql_shop.orders (
    id int identity(1, 1) primary key, name varchar(10) encode zstd not null default 'x', day date
) distkey (id) sortkey (day);
create table psql_shop.items (id int, order_id int references psql_shop.orders (id)) diststyle all;
create view psql_shop.recent as select id, name from psql_shop.orders where day > '2020-01-01';
create procedure psql_shop.bump(n inout int) as $$ begin n := n + 1; end; $$ language plpgsql;
create function psql_shop.f_add(int, int) returns int stable as $$ select $1 + $2 $$ language sql;
comment on table psql_shop.orders is 'all orders';
insert into psql_shop.orders (name, day) values ('a', '2024-01-01'), ('b', null);
"""


def environment(settings: Settings) -> dict[str, str]:
    return {
        "PGHOST": settings["REDSHIFT_HOST"],
        "PGPORT": settings["REDSHIFT_PORT"],
        "PGUSER": settings["REDSHIFT_USER"],
        "PGPASSWORD": settings["REDSHIFT_PASSWORD"],
        "PGDATABASE": "dev",
        "PATH": "/usr/bin:/bin",
    }


@dataclass(frozen=True)
class Psql:
    """One psql, told nothing but where the warehouse is."""

    program: Path
    settings: Settings

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.program), "-X", *arguments],
            env=environment(self.settings) | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # no terminal: it could ask for a password there
        )

    def __call__(self, typed: str, *arguments: str, **environ: str) -> str:
        """What it prints when this is typed."""
        return self.start(*arguments, **environ).communicate(typed, timeout=30)[0]

    def rows(self, command: str) -> list[str]:
        """The rows of a command's table, unaligned."""
        return self(command + "\n", "-A", "-t").splitlines()


@pytest.fixture(scope="module")
def watcher(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        yield connection


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: "own" if program == PROGRAMS[0] else "machine")
def psql(request: pytest.FixtureRequest, redshift: Settings) -> Psql:
    made = Psql(request.param, redshift)
    assert "ERROR" not in made(SCHEMA, "-q")
    return made


class TestLists:
    @pytest.mark.parametrize(
        ("command", "row"),
        [
            (r"\dt psql_shop.*", r"psql_shop\|orders\|table\|awsuser"),
            (r"\dt+ psql_shop.*", r"psql_shop\|orders\|table\|awsuser\|.*\|all orders"),
            (r"\dv psql_shop.*", r"psql_shop\|recent\|view\|awsuser"),
            (r"\dv+ psql_shop.*", r"psql_shop\|recent\|view\|awsuser\|.*"),
            (r"\df psql_shop.*", r"psql_shop\|f_add\|integer\|integer, integer\|(func|normal)"),
            (r"\df psql_shop.*", r"psql_shop\|bump\|.*"),
            (r"\df+ psql_shop.f_add", r"psql_shop\|f_add\|integer\|integer, integer\|.*"),
            (r"\dn", r"psql_shop\|awsuser"),
            (r"\dn+", r"psql_shop\|awsuser\|.*"),
            (r"\du", r"awsuser\|Superuser, Create role, Create DB.*"),
            (r"\du+", r"awsuser\|Superuser, Create role, Create DB.*"),
            (r"\dg", r"awsuser\|Superuser, Create role, Create DB.*"),
            (r"\l", r"dev\|awsuser\|UTF8\|.*"),
            (r"\l+", r"dev\|awsuser\|UTF8\|.*"),
            (r"\dp psql_shop.*", r"psql_shop\|orders\|table\|.*"),
            (r"\z psql_shop.*", r"psql_shop\|recent\|view\|.*"),
            (r"\dS pg_class", r"relname\|name\|.*"),
            (r"\dtS pg_class", r"pg_catalog\|pg_class\|.*\|rdsdb"),
            (r"\di psql_none.*", r"Did not find any .* named \"psql_none\.\*\"\."),
            (r"\ds psql_none.*", r"Did not find any .* named \"psql_none\.\*\"\."),
            (r"\dm psql_none.*", r"Did not find any .* named \"psql_none\.\*\"\."),
            (r"\dC", r"bigint\|integer\|int4\|in assignment"),
            (r"\db", r"pg_default\|rdsdb\|.*"),
            (r"\dL", r"plpgsql\|.*"),
        ],
    )
    def test_shows_what_was_made(self, psql: Psql, command: str, row: str) -> None:
        found = psql.rows(command)
        assert [line for line in found if re.fullmatch(row, line)], found
        assert "ERROR" not in str(found)

    @pytest.mark.parametrize(
        "command",
        [
            r"\dd",
            r"\dT",
            r"\dD",
            r"\ddp",
            r"\des",
            r"\det",
            r"\deu",
            r"\dew",
            r"\do psql_none.*",
            r"\da psql_none.*",
            r"\dO",
            r"\dc",
        ],
    )
    def test_shows_nothing_where_nothing_was_made(self, psql: Psql, command: str) -> None:
        assert psql.rows(command) == []

    def test_shows_nothing_of_the_warehouses_own(self, psql: Psql) -> None:
        shown = psql("\\dn\n\\dt *.*\n\\dv *.*\n\\df\n\\ds *.*\n\\du\n", "-A", "-t")
        shown = shown.replace("IAM:velodrome", "")  # who comes with the profile's keys
        for word in ("velodrome", "_id_seq", "sys:", "group "):
            assert word not in shown


class TestDescriptions:
    def test_of_a_table(self, psql: Psql) -> None:
        shown = psql("\\d psql_shop.orders\n", "-A")
        assert 'Table "psql_shop.orders"' in shown
        for line in (
            "id|integer||not null|",
            "name|character varying(10)||not null|'x'::character varying",
            "day|date|||",
        ):
            assert line in shown
        assert re.search(r'"orders_pkey" PRIMARY KEY, btree \(id\)', shown), shown

    def test_of_a_table_that_refers_to_another(self, psql: Psql) -> None:
        shown = psql("\\d psql_shop.items\n\\d+ psql_shop.items\n", "-A")
        assert "FOREIGN KEY (order_id) REFERENCES psql_shop.orders(id)" in shown

    def test_of_a_view(self, psql: Psql) -> None:
        shown = psql("\\d+ psql_shop.recent\n", "-A")
        assert 'View "psql_shop.recent"' in shown
        assert "View definition:" in shown and "FROM psql_shop.orders" in shown

    def test_of_nothing(self, psql: Psql) -> None:
        assert psql("\\d psql_shop.gone\n").strip() == 'Did not find any relation named "psql_shop.gone".'

    def test_sources(self, psql: Psql) -> None:
        assert "select $1 + $2" in psql("\\sf psql_shop.f_add\n")
        assert "n := n + 1" in psql("\\sf+ psql_shop.bump\n")
        assert "FROM psql_shop.orders" in psql("\\sv psql_shop.recent\n")

    def test_of_a_result(self, psql: Psql) -> None:
        assert psql.rows(r"select 1 as a, 2::bigint b, 'x'::varchar(3) c, sysdate d \gdesc") == [
            "a|integer",
            "b|bigint",
            "c|character varying(3)",
            "d|timestamp without time zone",
        ]


class TestEverydayWork:
    def test_variables(self, psql: Psql) -> None:
        typed = (
            "\\set n 41\n\\set word 'it''s'\nselect :n + 1, nvl(null, :'word');\n\\echo :SERVER_VERSION_NUM :DBNAME\n"
        )
        assert psql(typed, "-A", "-t") == "42|it's\n80002 dev\n"

    def test_results_into_variables_and_commands(self, psql: Psql) -> None:
        typed = "select 7 as seven \\gset\nselect 'select ' || :seven || ' * 6' \\gexec\n"
        assert psql(typed, "-A", "-t") == "42\n"

    def test_formats(self, psql: Psql) -> None:
        assert psql("\\x\nselect 1 as a, 'b' as b;\n", "-A", "-q") == "a|1\nb|b\n"
        assert psql("select 1 as a, null as b;\n", "--csv") == "a,b\n1,\n"
        assert psql("\\pset null none\nselect null;\n", "-A", "-t", "-q") == "none\n"

    def test_timing(self, psql: Psql) -> None:
        assert re.search(r"\n1\nTime: [\d.]+ ms", psql("\\timing on\nselect 1;\n", "-A", "-t"))

    def test_watch(self, psql: Psql) -> None:
        if "c[ount]=" in psql("\\?\n"):  # since psql 16
            assert psql("select 5 \\watch i=0.01 c=2\n", "-A", "-t").split() == ["5", "5"]
        else:
            running = psql.start("-A", "-t", "-c", "select 5", "-c", "\\watch 0.01")
            assert running.stdout is not None
            assert running.stdout.readline() == "5\n"
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=30)

    def test_files(self, psql: Psql, tmp_path: Path) -> None:
        script, result = tmp_path / "script.sql", tmp_path / "result"
        script.write_text("create temp table f (a int);\ninsert into f values (1), (2);\nselect sum(a) from f;\n")
        assert psql("", "-A", "-t", "-q", "-f", str(script)) == "3\n"
        assert psql(f"\\i {script}\n", "-A", "-t", "-q") == "3\n"
        assert psql(f"\\o {result}\nselect 8;\n\\o\nselect 9;\n", "-A", "-t") == "9\n"
        assert result.read_text() == "8\n"

    def test_a_file_as_one_transaction(self, psql: Psql, tmp_path: Path) -> None:
        script = tmp_path / "script.sql"
        script.write_text("create table psql_shop.half (a int);\nselect 1/0;\n")
        assert "ERROR:  division by zero" in psql("", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(script)).replace(
            "Divide by zero", "division by zero"
        )
        assert psql.rows("select count(*) from pg_tables where tablename = 'half';") == ["0"]

    def test_several_commands(self, psql: Psql) -> None:
        assert psql("", "-A", "-t", "-c", "select 1; select 2", "-c", "\\echo three") == "1\n2\nthree\n"

    def test_a_transaction(self, psql: Psql) -> None:
        count = "select count(*) from psql_shop.orders where name = 'z';\n"
        typed = f"begin;\nupdate psql_shop.orders set name = 'z';\nrollback;\n{count}"
        assert psql(typed, "-A", "-t") == "BEGIN\nUPDATE 2\nROLLBACK\n0\n"

    def test_connection(self, psql: Psql) -> None:
        shown = psql("\\conninfo\n\\encoding\n\\c dev\n\\conninfo\n")
        assert shown.count("127.0.0.1") >= 2 and "UTF8" in shown and "awsuser" in shown

    def test_encodings(self, psql: Psql) -> None:
        assert psql("\\encoding UTF8\nselect 'é';\n", "-A", "-t") == "é\n"

    def test_copy_between_client_and_server_is_refused(self, psql: Psql, tmp_path: Path) -> None:
        (tmp_path / "in").write_text("1\n")
        assert 'syntax error at or near "STDIN"' in psql(f"\\copy psql_shop.items from {tmp_path / 'in'}\n")
        assert 'syntax error at or near "TO"' in psql(f"\\copy psql_shop.items to {tmp_path / 'out'}\n")

    def test_an_error_points_at_its_place(self, psql: Psql) -> None:
        assert psql("select 1\n from nowhere;\n").splitlines()[-2:] == ["LINE 2:  from nowhere;", "              ^"]

    def test_details_of_an_error(self, psql: Psql) -> None:
        assert "0A000" in psql("create index i on psql_shop.items (id);\n\\errverbose\n")

    def test_tls(self, psql: Psql) -> None:
        shown = psql("select 1;\n", "-A", "-t", PGSSLMODE="require")
        assert shown == "1\n" or 'sslmode value "require" invalid when SSL support is not compiled in' in shown
        assert (shown == "1\n") or psql.program == PROGRAMS[0]

    @pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
    def test_tls_with_the_certificate_checked(self, psql: Psql, mode: str) -> None:
        authority = psql.settings.certificates / "authority.pem"
        shown = psql("\\conninfo\n", PGSSLMODE=mode, PGSSLROOTCERT=str(authority))
        assert "TLSv1." in shown or "not compiled in" in shown


def test_interrupted(psql: Psql, watcher: psycopg.Connection[Any]) -> None:
    name = f"interrupted-{os.getpid()}"
    typed = "select count(*) from generate_series(1, 100000000000) a;\nselect 'next';\n"
    running = psql.start("-A", "-t", PGAPPNAME=name)
    assert running.stdin is not None
    running.stdin.write(typed)
    running.stdin.flush()
    active = "select count(*) from pg_stat_activity where application_name = %s and state = 'active'"
    wait_until("the query to run", lambda: watcher.execute(active, [name]).fetchone() == (1,))
    running.send_signal(signal.SIGINT)
    shown = running.communicate(timeout=30)[0]
    # Not interactive, psql ends at the interrupt or goes on with the next line, as its version has it.
    assert "canceling statement" in shown or "cancelled on user's request" in shown, shown
    wait_until("the query to end", lambda: watcher.execute(active, [name]).fetchone() == (0,))


def test_tab_completion(redshift: Settings) -> None:
    """By each psql that was built with a line editor."""
    for program in PROGRAMS:
        psql = Psql(program, redshift)
        assert "ERROR" not in psql(SCHEMA, "-q")
        if b"rl_completion_matches" in program.resolve().read_bytes() or is_script(program):
            complete(psql)


def is_script(program: Path) -> bool:
    """Debian's psql is a script that starts the newest version there is."""
    return program.read_bytes()[:2] == b"#!"


def complete(psql: Psql) -> None:
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        [str(psql.program), "-X", "-v", "PROMPT1=ready> "],
        env=environment(psql.settings) | {"TERM": "dumb", "PSQL_HISTORY": os.devnull},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    shown = ""

    def shows(what: str) -> bool:
        nonlocal shown
        if select.select([leader], [], [], 0.05)[0]:
            shown += os.read(leader, 65536).decode(errors="replace").replace("\x07", "")
        assert "ERROR" not in shown
        return what in shown

    try:
        wait_until("the prompt", lambda: shows("ready> "))
        for typed, completed in (
            ("select * from psql_shop.rec\t", "psql_shop.recent"),
            ("\\dt psql_sh\t", "psql_shop."),
            ("\\df psql_shop.f_\t", "psql_shop.f_add"),
            ("set search_p\t", "search_path"),
            ("\\c de\t", "\\c dev"),
            ("insert into psql_shop.ite\t", "psql_shop.items"),
            ("\\du aws\t", "awsuser"),
            ("alter table psql_shop.orders rename column na\t", "name"),
        ):
            shown = ""
            os.write(leader, typed.encode())
            wait_until(f"{completed} after {typed!r}", lambda completed=completed: shows(completed))  # type: ignore[misc]
            shown = ""
            os.write(leader, b"\x15\n")  # Ctrl-U clears the line
            wait_until("the prompt", lambda: shows("ready> "))
    finally:
        os.close(leader)
        running.kill()
        running.wait(10)
