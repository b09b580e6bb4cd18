"""The warehouse's dialect: every pair below rewrites/ and every statement below refusals/ is a case."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velodrome.redshift.sql import dynamic, insert
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import LexicalError, literal, statements, tokenize
from velodrome.redshift.sql.translate import translate

CASES = Path(__file__).parent / "redshift_cases"


def blocks(folder: str) -> list[tuple[str, str]]:
    """(comment, text) of each block of a folder's case files; a file's first block explains it."""
    found: list[str] = []
    for file in sorted((CASES / folder).glob("*.sql")):
        found += file.read_text(encoding="utf-8").strip().split("\n\n")[1:]
    return [(block.split("\n", 1)[0].removeprefix("-- "), block.split("\n", 1)[1]) for block in found]


@pytest.mark.parametrize(("name", "pair"), blocks("rewrites"))
def test_rewrite(name: str, pair: str) -> None:
    source, expected = pair.split("\n-- =>\n")
    assert ";\n".join(statement.sql for statement in translate(source)) == expected, name
    if name.startswith("unchanged"):
        assert translate(source)[0].sql is source


@pytest.mark.parametrize(("expected", "source"), blocks("refusals"))
def test_refusal(expected: str, source: str) -> None:
    with pytest.raises(Refused) as caught:
        translate(source)
    assert f"{caught.value.code} {caught.value.start} {caught.value.message}" == expected


def test_a_refusal_is_the_same_the_second_time() -> None:
    for _ in range(2):
        with pytest.raises(Refused, match='syntax error at or near "DO"'):
            translate("DO $$ BEGIN END $$")


def test_the_same_with_other_values_passes_as_well() -> None:
    for value in ("1", "'a'", "'it''s'", "2.5"):
        sql = f'SELECT "a" FROM t WHERE b = {value}'
        (found,) = translate(sql)
        assert found.sql is sql and found.source is sql


def test_other_literals_do_not_hide_what_is_translated() -> None:
    assert translate("SELECT 1, '/*' || x FROM t")[0].sql == "SELECT 1, '/*' || x FROM t"
    assert translate("SELECT 1, '?' || x FROM t")[0].sql == "SELECT 1, '?' || x FROM t"
    assert translate("SELECT 1, '?' || nvl(x, 'y') FROM t")[0].sql == "SELECT 1, '?' || COALESCE(x, 'y') FROM t"
    assert translate("""SELECT 'a', "B" FROM t""")[0].sql == """SELECT 'a', "b" FROM t"""
    assert translate("""SELECT 'b', "b" FROM t""")[0].sql == """SELECT 'b', "b" FROM t"""
    assert translate("""SELECT 'c', "C" FROM t""")[0].sql == """SELECT 'c', "c" FROM t"""
    with pytest.raises(Refused):
        translate("SELECT 'a")


@pytest.mark.parametrize(
    ("first", "then", "refused"),
    [
        ("SELECT json 1", "SELECT json '[2]'", 'type "json"'),
        ("SELECT xml 1.5 FROM t", "SELECT xml 'a' FROM t", 'type "xml"'),
        ("SELECT hstore 3", "SELECT hstore 'a'", 'type "hstore"'),
    ],
)
def test_a_number_and_a_string_are_no_statements_of_one_shape(first: str, then: str, refused: str) -> None:
    assert translate(first)[0].sql == first
    with pytest.raises(Refused, match=refused):
        translate(then)


@pytest.mark.parametrize(
    "smuggled",
    [
        "SELECT 1 -- a comment ends here \r; CREATE INDEX i ON t (a)",
        "SELECT $€$'$€$; CREATE INDEX i ON t (a) --'",
        "SELECT b'\\'; CREATE INDEX i ON t (a) --'",
        "SELECT X'\\'; CREATE INDEX i ON t (a) --'",
        "SELECT \u00a0'a' || E'\\''; CREATE INDEX i ON t (a)",
        f"INSERT INTO t VALUES {'(1),' * 3000} (1) --'\n; CREATE INDEX i ON t (a) --'",
    ],
)
def test_no_statement_hides_in_what_the_server_reads_otherwise(smuggled: str) -> None:
    with pytest.raises(Refused, match="CREATE INDEX"):
        translate(smuggled)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ('"$1]::text[]); DELETE FROM t; SELECT (ARRAY[1"', "ARRAY['$1]::text[]); delete from t; select (array[1']"),
        ('"it\'s", double precision', "ARRAY['it''s', 'double precision']"),
        ("character varying(10), int", "ARRAY['character varying ( 10 )', 'int']"),
        ("$1, $2", "ARRAY[$1::text, $2::text]"),
        ("", "ARRAY[]"),
    ],
)
@pytest.mark.parametrize(
    "what", ["PARAMETERS OF FUNCTION", "PARAMETERS OF PROCEDURE", "PROCEDURE", "GRANTS ON FUNCTION"]
)
def test_types_of_a_show_are_values(what: str, types: str, expected: str) -> None:
    (found,) = translate(f"SHOW {what} dev.public.f({types})")
    assert found.sql.endswith(f"'dev', 'public', 'f', {expected}::text[])")


@pytest.mark.parametrize("types", ["$1 x", "'a'", "a;", "$1]", "int,,int"])
def test_what_is_no_type_is_refused(types: str) -> None:
    with pytest.raises(Refused, match="syntax error"):
        translate(f"SHOW PARAMETERS OF FUNCTION dev.public.f({types})")


def test_statements_of_one_text() -> None:
    found = translate(
        "DELETE t; COPY t FROM 's3://b/x/' IAM_ROLE default FORMAT PARQUET; TRUNCATE t;; SELECT ';' -- end;"
    )
    assert [statement.sql for statement in found] == [
        "DELETE FROM t",
        'COPY "t" FROM STDIN (FORMAT binary)',
        "TRUNCATE t",
        "SELECT ';'",
    ]
    assert [statement.then for statement in found] == ["", "", "COMMIT", ""]
    assert found[1].copy is not None
    assert (found[1].copy.bucket, found[1].copy.prefix, found[1].copy.role) == ("b", "x/", "default")


@pytest.mark.parametrize("row", ["(1, 'a;''b\\\\'')', NULL, -1.5e3)", "( 'é' , true,.5 ,DEFAULT )"])
def test_rows_of_literals_are_not_looked_at(row: str) -> None:
    rows = ",\n".join([row] * 1000)
    (found,) = translate(f'INSERT INTO "Sales" (a, b, c, d) VALUES {rows};')
    assert found.sql == f'INSERT INTO "sales" (a, b, c, d) VALUES {rows};'
    assert insert.values(f"INSERT INTO s.t VALUES {rows}, (GETDATE())") is None
    assert insert.values(f"INSERT INTO s.t VALUES {rows}; DELETE FROM t") is None
    assert insert.values(f"INSERT INTO s.t VALUES {rows}, ('") is None


def test_rows_with_more_than_literals_are_translated() -> None:
    rows = ", ".join(["(1, NVL(NULL, 2))"] * 1000)
    (found,) = translate(f"INSERT INTO t VALUES {rows}")
    assert found.sql == f"INSERT INTO t VALUES {rows}".replace("NVL", "COALESCE")


def test_notes_cannot_end_their_comment() -> None:
    (found,) = translate('CREATE TABLE t ("a*/b" INT DISTKEY, "/*" INT ENCODE raw)')
    assert found.sql.count("*/") == 2 and found.sql.endswith(":velodrome*/")  # the column's name, and the end


@given(st.text(max_size=40))
def test_literals_read_back(text: str) -> None:
    (token,) = tokenize(literal(text))
    assert token.value == text


@given(st.text(alphabet="ab1 '\"$;/*-\\#.(\n", max_size=60))
def test_tokens_cover_the_text_in_order(text: str) -> None:
    try:
        tokens = tokenize(text)
    except LexicalError as error:
        assert 0 <= error.position <= len(text)
        return
    at = 0
    for token in tokens:
        assert token.start >= at and text[token.start : token.end] == token.text
        at = token.end
    assert sum(len(part) for part in statements(tokens)) == len([t for t in tokens if t.text != ";"])


WRITTEN = [pair.split("\n-- =>\n")[0] for _, pair in blocks("rewrites")] + [source for _, source in blocks("refusals")]


@given(st.sampled_from(WRITTEN), st.data())
def test_no_statement_that_is_cut_off_or_misses_a_piece_breaks_it(source: str, data: st.DataObject) -> None:
    """Outside and as the text of an EXECUTE."""
    pieces = re.findall(r"\s+|\w+|.", source)
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(pieces))] * 2)))
    for text in ("".join(pieces[:last]), "".join(pieces[:first] + pieces[last:])):
        for read in (translate, lambda sql: dynamic.translate(sql, "dev", sensitive=False)):
            try:
                read(text)
            except Refused as refused:
                assert 0 <= refused.start <= len(text)


@given(st.text(max_size=80))
def test_no_text_breaks_the_translation(text: str) -> None:
    try:
        translate(text)
    except Refused as refused:
        assert 0 <= refused.start <= len(text)


@pytest.mark.parametrize(
    ("sql", "inside", "before"),
    [
        ("SELECT * FROM dev.s.t", "SELECT * FROM dev.s.t", []),
        ("SELECT * FROM far.s.T", 'SELECT * FROM velodrome."far.s.t" AS "t"', ["far.s.t"]),
        (
            'SELECT x.a, far.s.t.b, s.t.c FROM a.b x, far.s."t" JOIN far.s.u AS y ON s.t.a = y.a',
            'SELECT x.a, "t".b, "t".c FROM a.b x, velodrome."far.s.t" AS "t" JOIN velodrome."far.s.u" AS y'
            ' ON "t".a = y.a',
            ["far.s.t", "far.s.u"],
        ),
        (
            "SELECT TRIM(LEADING 'y' FROM far.s.t) FROM (SELECT * FROM far.s.v)",
            """SELECT TRIM(LEADING 'y' FROM far.s.t) FROM (SELECT * FROM velodrome."far.s.v" AS "v")""",
            ["far.s.v"],
        ),
        ("DELETE FROM far.s.t", "DELETE FROM far.s.t", []),
        ("CREATE VIEW v AS SELECT * FROM far.s.t", "CREATE VIEW v AS SELECT * FROM far.s.t", []),
    ],
)
def test_names_of_another_database(sql: str, inside: str, before: list[str]) -> None:
    (found,) = translate(sql, "dev")
    calls = [f"velodrome.reach('{name.replace('.', chr(39) + ', ' + chr(39))}')" for name in before]
    assert (found.sql, found.before) == (inside, f"SELECT {', '.join(calls)}" if calls else "")
    assert translate(sql)[0].sql == sql  # the session's database is not known


def test_a_text_in_dollars_is_no_body() -> None:
    text = "COMMENT ON TABLE t IS $$it's " + "long " * 20 + "$$"
    assert translate(text)[0].sql == text
