"""The history's files, and what is kept of a statement; docs/redshift_history.md has every view."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velodrome.redshift import history_files
from velodrome.redshift.history import History, LoadError, Loading, Peer, kind_of, labelled, masked, split_tag
from velodrome.redshift.history_files import END, SEPARATOR, Journal, clean
from velodrome.redshift.sql.history_views import NOT_HERE, reads_history

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "src" / "velodrome" / "redshift" / "catalog"
VIEW = re.compile(r"^CREATE OR REPLACE VIEW pg_catalog\.(\w+)", re.MULTILINE)


def lines(data: Path, kind: str) -> list[list[str]]:
    text = (data / "velodrome_history" / f"{kind}.log").read_text(encoding="utf-8")
    assert text.isascii() and all(line.endswith(SEPARATOR + END) for line in text.split("\n") if line)
    return [line.split(SEPARATOR)[:-1] for line in text.split("\n") if line]


def test_the_document_has_every_view() -> None:
    sources = {file: file.read_text(encoding="utf-8") for file in sorted(CATALOG.glob("4*.sql"))}
    views = [name for text in sources.values() for name in VIEW.findall(text)]
    page = (ROOT / "docs" / "redshift_history.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(views)
    for text in sources.values():
        for name in VIEW.findall(text):
            address = name.upper() if name.startswith("sys_") else "r_" + name.upper()
            comment = text[: text.index(f"pg_catalog.{name} ")].rsplit("\nCREATE ", 1)[0].rsplit("\n;", 1)[-1]
            assert f"/dg/{address}.html" in comment[-400:], name
            assert reads_history(f"select * from {name}"), name


def test_no_view_is_both_here_and_refused() -> None:
    made = re.compile(r"\bVIEW pg_catalog\.(\w+)")
    here = {name for file in CATALOG.glob("*.sql") for name in made.findall(file.read_text(encoding="utf-8"))}
    assert here and not here & NOT_HERE


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("create user a password 'Secret1'", "create user a password '***'"),
        ("ALTER USER a PASSWORD 'it''s' VALID UNTIL 'x'", "ALTER USER a PASSWORD '***' VALID UNTIL 'x'"),
        (r"create user a password 'a\'b' createdb", "create user a password '***' createdb"),
        ("create user a password 'never ends", "create user a password '***'"),
        ("copy t from 's3://b' credentials as 'aws_access_key_id=A'", "copy t from 's3://b' credentials as '***'"),
        ("unload ('x') access_key_id 'A' session_token 'B'", "unload ('x') access_key_id '***' session_token '***'"),
        ("call p('create user a password ''x'' createdb')", "call p('create user a password ''***'' createdb')"),
        ("select 'password' from t", "select 'password' from t"),
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str, kept: str) -> None:
    assert masked(text) == kept


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("select 1", "SELECT", "SELECT"),
        ("-- a comment\n/* another */ (Select 1)", "SELECT", "SELECT"),
        ("with a as (select 1) select * from a", "SELECT", "SELECT"),
        ("merge into a using b on true when matched then delete", "MERGE", "MERGE"),
        ("copy t from 's3://b/x'", "COPY", "COPY"),
        ("create table a as select 1", "SELECT", "CTAS"),
        ("create temp table a as select 1", "SELECT", "CTAS"),
        ("create table a (a int)", "CREATE TABLE", "DDL"),
        ("create view a as select 1", "CREATE VIEW", "DDL"),
        ("set x to 1", "SET", "UTILITY"),
        ("call p()", "CALL", "UTILITY"),
        ("", "", "OTHER"),
        ("42", "", "OTHER"),
    ],
)
def test_kinds(text: str, words: str, kind: str) -> None:
    assert kind_of(text, words) == kind


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("SELECT 3", ("SELECT", 3)), ("INSERT 0 2", ("INSERT", 2)), ("CREATE TABLE", ("CREATE TABLE", 0)), ("", ("", 0))],
)
def test_tags(tag: str, expected: tuple[str, int]) -> None:
    assert split_tag(tag) == expected


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("set query_group to 'nightly'", "nightly"),
        ("SET SESSION query_group = nightly;", "nightly"),
        ("set query_group to default", "default"),
        ("reset query_group", "default"),
        ("set search_path to a", "before"),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert labelled(text, "before") == label


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("select * from STL_QUERY", True),
        ("select pg_last_query_id()", True),
        ('select * from pg_catalog."sys_query_history"', True),
        ("select * from svv_transactions", True),
        ("select mystl_query, system from t", False),
    ],
)
def test_what_reads_the_history(text: str, asks: bool) -> None:
    assert reads_history(text) is asks


@given(st.text(max_size=200))
def test_any_text_is_one_field(text: str) -> None:
    assert clean(text).isascii()
    assert not set(clean(text)) & {"\n", "\r", SEPARATOR, "\x01", "\x02", "\0"}


def test_what_is_not_ascii_is_escaped() -> None:
    assert clean("é\\ 🚲") == "\\00E9\\\\ \\+01F6B2"


def test_a_full_disk_costs_the_history_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(tmp_path)
    log = tmp_path / "velodrome_history" / "queries.log"
    log.unlink()
    log.mkdir()
    peer = Peer(7, "ann", "dev")
    history.end(history.begin(peer, "select 1"), "SELECT 1")
    history.flush()
    assert "the history cannot be written" in caplog.text
    log.rmdir()
    log.touch()
    history.end(history.begin(peer, "select 2"), "SELECT 1")
    history.close()
    assert [line[-1] for line in lines(tmp_path, "queries")] == ["select 2"]


def test_statements_are_written_in_order_and_once(tmp_path: Path) -> None:
    history = History(tmp_path)
    peer = Peer(7, "ann", "dev")
    first = history.begin(peer, "select 1\n-- two")
    history.flush()
    assert lines(tmp_path, "queries") == [] and len(lines(tmp_path, "running")) == 1
    history.end(first, "SELECT 1")
    history.end(first, "SELECT 1")
    second = history.begin(peer, "select x")
    history.end(second, "", "42703", 'column "x"\ndoes not exist')
    peer.transaction = 0
    third = history.begin(peer, "select 3")
    history.forget(third)
    history.close()
    found = lines(tmp_path, "queries")
    assert [line[8:] for line in found] == [
        ["1", "SELECT", "", "", "SELECT", "select 1\x1e-- two"],
        ["0", "", "42703", 'column "x"\x1edoes not exist', "SELECT", "select x"],
    ]
    assert found[0][1:6] == found[1][1:6] == ["ann", "dev", "7", str(first.transaction), "default"]
    assert third.transaction > first.transaction == second.transaction
    assert lines(tmp_path, "running") == []


def test_a_session_that_ends_takes_its_statements_along(tmp_path: Path) -> None:
    history = History(tmp_path)
    peer = Peer(7, "ann", "dev", host="127.0.0.1", port=5, application="psql")
    history.connected(peer)
    history.begin(peer, "select endless()")
    history.disconnected(peer)
    history.close()
    assert [line[0] for line in lines(tmp_path, "sessions")] == [
        *("initiating session", "authenticated", "set application_name", "disconnecting session")
    ]
    ((*_, code, message, _, _),) = lines(tmp_path, "queries")
    assert (code, message) == ("57P01", "terminating connection")


def test_ids_go_on_after_a_kill_and_half_a_line_is_gone(tmp_path: Path) -> None:
    first = History(tmp_path)
    query = first.begin(Peer(7, "ann", "dev"), "select 1")
    first.end(query, "SELECT 1")
    first.flush()
    log = tmp_path / "velodrome_history" / "queries.log"
    with log.open("ab") as file:
        file.write(b"99999999\x1fhalf")
    second = History(tmp_path)
    assert second.begin(Peer(7, "ann", "dev"), "select 2").id > query.id
    assert len(lines(tmp_path, "queries")) == 1


def test_old_lines_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_files, "_LARGEST", 1000)
    journal = Journal(tmp_path, "queries", None)
    for number in range(100):
        journal.append([f"{number}{SEPARATOR}" + "x" * 90])
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"queries.log", "queries.old"} and all(0 < size <= 1000 for size in sizes.values())
    assert journal.last_number() == 99


def test_a_failed_load(tmp_path: Path) -> None:
    history = History(tmp_path)
    query = history.begin(Peer(7, "ann", "dev"), "copy t from 's3://b/x'")
    loading = Loading("t", '"t"', source="s3://b/x")
    loading.errors.append(LoadError("s3://b/x/1", "reason\n" + "r" * 200, 1204, column="a", type="int4"))
    history.loaded(query, loading)
    history.end(query, "", "XX000", "failed")
    history.close()
    ((number, *_, code, reason),) = lines(tmp_path, "load_errors")
    assert (number, code, len(reason)) == (str(query.id), "1204", 100)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    History(tmp_path).close()
    folder = tmp_path / "velodrome_history"
    assert not [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077]
