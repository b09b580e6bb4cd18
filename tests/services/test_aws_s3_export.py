"""query_export_to_s3 through psycopg, its objects read through boto3."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from aws_s3_cases import BUCKET, EXPORT, REGION, Bucket, Rds
from psycopg import errors, sql

TWO_ROWS = "SELECT * FROM (VALUES (1, 'x'), (2, NULL)) AS t (id, v)"


def export(
    db: psycopg.Connection[Any], query: str, key: str, options: str | None = "format csv"
) -> tuple[int, int, int]:
    """(rows_uploaded, files_uploaded, bytes_uploaded)."""
    row = db.execute(EXPORT, [query, BUCKET, key, REGION, options]).fetchone()
    assert row is not None
    return row  # type: ignore[return-value]


@pytest.mark.parametrize(
    "call",
    [
        "query_export_to_s3('SELECT 5', aws_commons.create_s3_uri(%(b)s, %(k)s, %(r)s), options := 'format csv')",
        "query_export_to_s3('SELECT 5', aws_commons.create_s3_uri(%(b)s, %(k)s, %(r)s), 'format csv', NULL)",
        "query_export_to_s3('SELECT 5', %(b)s, %(k)s, %(r)s, options := 'format csv')",
        "query_export_to_s3('SELECT 5', %(b)s, %(k)s, options := 'format csv', kms_key := NULL)",
        "query_export_to_s3(query => 'SELECT 5', bucket => %(b)s, file_path => %(k)s, region => %(r)s)",
    ],
)
def test_every_form(db: psycopg.Connection[Any], bucket: Bucket, call: str) -> None:
    place = {"b": BUCKET, "k": "forms", "r": REGION}
    found = db.execute(f"SELECT rows_uploaded, files_uploaded, bytes_uploaded FROM aws_s3.{call}".encode(), place)
    assert found.fetchone() == (1, 1, 2)
    assert bucket.body("forms") == b"5\n"


def test_a_uri_as_psql_passes_it(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    uri = db.execute("SELECT aws_commons.create_s3_uri(%s, 'by/uri', %s)::text", [BUCKET, REGION]).fetchone()
    assert uri == (f"({BUCKET},by/uri,{REGION})",)
    literal = sql.Literal(uri[0])
    db.execute(sql.SQL("SELECT aws_s3.query_export_to_s3('SELECT 5', {}, options := 'format csv')").format(literal))
    assert bucket.body("by/uri") == b"5\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, b"1\tx\n2\t\\N\n"),
        ("", b"1\tx\n2\t\\N\n"),
        ("format text", b"1\tx\n2\t\\N\n"),
        ("format csv", b"1,x\n2,\n"),
        ("(FORMAT csv, HEADER)", b"id,v\n1,x\n2,\n"),
        ("format csv, header true", b"id,v\n1,x\n2,\n"),
        ("format csv header", b"id,v\n1,x\n2,\n"),
        ("CSV HEADER DELIMITER ';'", b"id;v\n1;x\n2;\n"),
        ("DELIMITER ',' CSV ENCODING 'UTF8' QUOTE '\"' ESCAPE ''''", b"1,x\n2,\n"),
        ("csv force quote v, id null as 'NULL'", b'"1","x"\n"2",NULL\n'),
        ("format csv, delimiter $$:$$, null 'NULL'", b"1:x\n2:NULL\n"),
        ("FORMAT CSV, DELIMITER E'\\t', FORCE_QUOTE (v)", b'1\t"x"\n2\t\n'),
        ("format csv, force_quote *, quote ''''", b"'1','x'\n'2',\n"),
        ("DELIMITER '|'", b"1|x\n2|\\N\n"),
        ("format csv, delimiter E'\\x01', quote E'\\x02'", b"1\x01x\n2\x01\n"),
        ("format csv, null '''; --'", b"1,x\n2,'; --\n"),
        ('(format csv, force_quote ("v", id))', b'"1","x"\n"2",\n'),
    ],
)
def test_options_are_those_of_copy(
    db: psycopg.Connection[Any], bucket: Bucket, options: str | None, expected: bytes
) -> None:
    assert export(db, TWO_ROWS, "options", options) == (2, 1, len(expected))
    assert bucket.body("options") == expected


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ("format csv) TO '/tmp/x", "42601"),
        ("format csv; DROP TABLE x", "42601"),
        ("format csv, header) --", "42601"),
        ("format 'csv", "42601"),
        ("header (", "42601"),
        ("'", "42601"),
        ("format csv,", "42601"),
        ("nonsense", "42601"),
        ("nonsense 1", "42601"),
        ("format xml", "22023"),
        ("format csv, delimiter 'ab'", "0A000"),
        ("format csv, format text", "42601"),
        ("format csv, force_quote (nope)", "42703"),
        ("encoding 'nope'", "22023"),
    ],
)
def test_other_options_are_copys_error(db: psycopg.Connection[Any], bucket: Bucket, options: str, state: str) -> None:
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        export(db, "SELECT 1", "refused/options", options)
    assert caught.value.sqlstate in (state, "22023" if state == "0A000" else state)
    assert bucket.keys("refused/") == []


def test_freeze_is_for_the_way_in(rds: Rds, db: psycopg.Connection[Any]) -> None:
    if rds.major < 17:  # its COPY TO takes no notice of it
        assert export(db, "SELECT 1", "freeze", "freeze true") == (1, 1, 2)
    else:
        with pytest.raises((errors.FeatureNotSupported, errors.InvalidParameterValue)):
            export(db, "SELECT 1", "freeze", "freeze true")


@pytest.mark.parametrize("header", [True, False])
def test_no_rows_are_one_empty_object(db: psycopg.Connection[Any], bucket: Bucket, header: bool) -> None:
    expected = b"id\n" if header else b""
    options = f"format csv, header {str(header).lower()}"
    assert export(db, "SELECT 1 AS id WHERE false", "empty", options) == (0, 1, len(expected))
    assert bucket.body("empty") == expected


def test_columns_of_one_name_or_none(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    export(db, "SELECT 1 AS a, 2 AS a, 3, NULL::int, 'x'", "names", "format csv, header")
    assert bucket.body("names") == b"a,a,?column?,int4,?column?\n1,2,3,,x\n"
    with pytest.raises(errors.SyntaxError, match="at least one column"):
        export(db, "SELECT", "names")


TYPES = """
SELECT 'ab'::char(4) AS c, B'101'::bit(3) AS b, 1.50::numeric(10,2) AS n, '{1,NULL}'::int[] AS a, 'r'::"char" AS q,
'1 day'::interval AS i, int4range(1, 3) AS r, '{"k": [1]}'::jsonb AS j, 'x'::pg_temp.small AS d, 'no'::pg_temp.mood AS e
"""


def test_types_of_all_kinds(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    db.execute("CREATE DOMAIN pg_temp.small AS varchar(3)")
    db.execute("CREATE TYPE pg_temp.mood AS ENUM ('no')")
    export(db, TYPES, "types")
    assert bucket.body("types") == b'ab  ,101,1.50,"{1,NULL}",r,1 day,"[1,3)","{""k"": [1]}",x,no\n'


@pytest.mark.parametrize(
    "query", ["SELECT 1;", "VALUES (1)", "TABLE one", "WITH x AS (SELECT 1) SELECT * FROM x -- it", " \n(SELECT 1) ; "]
)
def test_queries_of_all_kinds(db: psycopg.Connection[Any], bucket: Bucket, query: str) -> None:
    db.execute("CREATE TEMP TABLE one AS SELECT 1")
    assert export(db, query, "kinds") == (1, 1, 2)
    assert bucket.body("kinds") == b"1\n"


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO changed VALUES (1, 'a'), (2, 'b') RETURNING *",
        "WITH new AS (INSERT INTO changed VALUES (1, 'a'), (2, 'b') RETURNING *) SELECT * FROM new",
    ],
)
def test_a_query_that_changes_rows_and_returns_them(
    rds: Rds, db: psycopg.Connection[Any], bucket: Bucket, query: str
) -> None:
    db.execute("CREATE TEMP TABLE changed (id int, v text)")
    if rds.major < 16:  # its server does not tell what such a query would return
        with pytest.raises((errors.SyntaxError, errors.FeatureNotSupported)), db.transaction():
            export(db, query, "changed")
    else:
        assert export(db, query, "changed") == (2, 1, 8)
        assert bucket.body("changed") == b"1,a\n2,b\n"
        assert db.execute("SELECT count(*) FROM changed").fetchone() == (2,)


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("SELECT 1; DROP TABLE kept", "42P11"),
        ("DROP TABLE kept", "42P11"),
        ("DELETE FROM kept", "42P11"),
        ("COPY kept TO PROGRAM 'touch x'", "42P11"),
        ("SELECT 1) TO PROGRAM 'touch x' --", "42601"),
        ("", "42P11"),
        ("SELEC 1", "42601"),
        ("SELECT nope FROM kept", "42703"),
        ("SELECT * FROM nowhere", "42P01"),
        (None, "22004"),
    ],
)
def test_only_one_query_that_gives_rows(
    db: psycopg.Connection[Any], bucket: Bucket, query: str | None, state: str
) -> None:
    db.execute("CREATE TEMP TABLE kept ()")
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        db.execute(EXPORT, [query, BUCKET, "refused/x", REGION, None])
    assert caught.value.sqlstate == state
    assert bucket.keys("refused/") == []
    db.execute("SELECT FROM kept")


@pytest.mark.parametrize("place", [("", "k"), (None, "k"), (BUCKET, ""), (BUCKET, None)])
def test_bucket_and_path_must_be_given(db: psycopg.Connection[Any], place: tuple[str | None, str | None]) -> None:
    with pytest.raises(errors.NullValueNotAllowed, match="bucket and file_path must be given"):
        db.execute(EXPORT, ["SELECT 1", *place, REGION, None])


def test_an_older_object_is_overwritten(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    export(db, "SELECT repeat('x', 100)", "again")
    export(db, "SELECT 1", "again")
    assert bucket.body("again") == b"1\n"


class TestFiles:
    """The size at which a file ends is a setting: 6 GB on RDS, 1 MB here."""

    @pytest.fixture(autouse=True)
    def small_files(self, db: psycopg.Connection[Any]) -> None:
        db.execute("SET aws_s3.file_size = '1MB'")

    def parts(self, bucket: Bucket, key: str) -> list[bytes]:
        names = sorted(bucket.keys(key), key=lambda name: (len(name), name))
        assert names == [key, *(f"{key}_part{number}" for number in range(2, len(names) + 1))]
        return [bucket.body(name) for name in names]

    def test_a_row_never_spans_two(self, db: psycopg.Connection[Any], bucket: Bucket) -> None:
        query = "SELECT n, repeat(E'a\"\\n,', n % 40) AS v FROM generate_series(1, 60000) AS n"
        rows, files, size = export(db, query, "split/csv", "format csv, header")
        parts = self.parts(bucket, "split/csv")
        assert (rows, files, size) == (60000, len(parts), sum(map(len, parts)))
        assert files > 5
        assert all(0.8e6 < len(part) < 1.3e6 for part in parts[:-1])
        read = [list(csv.reader(io.StringIO(part.decode(), newline=""))) for part in parts]
        assert all(part[0] == ["n", "v"] for part in read)
        lines = [line for part in read for line in part[1:]]
        assert [(int(n), v) for n, v in lines] == [(n, 'a"\n,' * (n % 40)) for n in range(1, 60001)]

    def test_binary_files_are_each_whole(self, db: psycopg.Connection[Any], bucket: Bucket) -> None:
        rows, files, size = export(
            db, "SELECT n, md5(n::text) FROM generate_series(1, 60000) n", "split/binary", "binary"
        )
        parts = self.parts(bucket, "split/binary")
        assert (rows, files, size) == (60000, len(parts), sum(map(len, parts)))
        assert files > 1
        assert all(part.startswith(b"PGCOPY\n\xff\r\n\0") and part.endswith(b"\xff\xff") for part in parts)

    def test_no_empty_file_at_the_end(self, db: psycopg.Connection[Any], bucket: Bucket) -> None:
        # 100 rows are the first fetch, and just as much as a file takes.
        db.execute("SET aws_s3.file_size = '400'")
        assert export(db, "SELECT 100 + n % 10 FROM generate_series(1, 100) n", "split/full") == (100, 1, 400)
        assert self.parts(bucket, "split/full") == [bucket.body("split/full")]

    def test_wide_rows(self, db: psycopg.Connection[Any], bucket: Bucket) -> None:
        rows, files, size = export(db, "SELECT repeat('x', 700000) FROM generate_series(1, 7)", "split/wide", "text")
        assert (rows, size) == (7, 7 * 700001)
        assert files == len(self.parts(bucket, "split/wide"))

    def test_a_later_file_that_fails_leaves_none(self, rds: Rds, db: psycopg.Connection[Any], bucket: Bucket) -> None:
        query = "SELECT repeat('x', 1000) || 1 / (n - 4000) FROM generate_series(1, 5000) AS n"
        with pytest.raises(errors.DivisionByZero), db.transaction():
            export(db, query, "split-fails/x")
        rds.wait_clean(bucket)
        assert bucket.keys("split-fails/") == []

    def test_a_size_that_is_none(self, db: psycopg.Connection[Any]) -> None:
        db.execute("SET aws_s3.file_size = 'much'")
        with pytest.raises(errors.InvalidParameterValue, match="much"):
            export(db, "SELECT 1", "never")


@pytest.mark.parametrize(
    "key",
    [
        *("a b/c+d%20=é.csv", "'; touch x; '", "$(touch x)`touch x`", '"\\ #~[*]{^}|<>?&', "%2e%2e/x", "x" * 1024),
        *("a//b", "a/../b", "a/.", "a/", "a\nb\tc", "é" * 512, "😀/ß", "_part2", ".."),
    ],
)
def test_keys_are_taken_literally(db: psycopg.Connection[Any], bucket: Bucket, key: str) -> None:
    export(db, "SELECT 1", key)
    assert bucket.body(key) == b"1\n"


@pytest.mark.parametrize("name", ["../rds-test", "a b", "'; touch x; '", "A" * 64, "$(x)", "-x-", "a..b", "ab"])
def test_hostile_buckets_are_refused(db: psycopg.Connection[Any], name: str) -> None:
    with pytest.raises(errors.SystemError) as caught:
        db.execute(EXPORT, ["SELECT 1", name, "k", REGION, None])
    assert caught.value.diag.message_detail == "Amazon S3 client returned 'The specified bucket is not valid.'."


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("no-such-bucket", "k", REGION), "The specified bucket does not exist"),
        ((BUCKET, "x" * 1025, REGION), "Your key is too long"),
        (
            (BUCKET, "k", "eu-west-1"),
            "The bucket you are attempting to access must be addressed using the specified "
            "endpoint. Please send all future requests to this endpoint.",
        ),
    ],
)
def test_s3s_error_is_the_detail(db: psycopg.Connection[Any], place: tuple[str, str, str], said: str) -> None:
    with pytest.raises(errors.SystemError) as caught:
        db.execute(EXPORT, ["SELECT 1", *place, None])
    assert caught.value.sqlstate == "58000"
    assert caught.value.diag.message_primary == "could not upload to Amazon S3"
    assert caught.value.diag.message_detail == f"Amazon S3 client returned '{said}'."


def test_a_large_export_comes_in_parts(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    rows, files, size = export(db, "SELECT n, repeat('x', 1000) FROM generate_series(1, 30000) n", "large")
    head = bucket.s3.head_object(Bucket=BUCKET, Key="large")
    assert (rows, files, size) == (30000, 1, head["ContentLength"])
    assert head["ETag"].endswith('-4"')
    assert bucket.body("large") == b"".join(b"%d,%s\n" % (n, b"x" * 1000) for n in range(1, 30001))


def test_the_object_is_encrypted_with_the_key(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    for rows in (1, 20000):
        db.execute(
            "SELECT aws_s3.query_export_to_s3(%s, aws_commons.create_s3_uri(%s, 'kms', %s), kms_key := %s)",
            [f"SELECT repeat('x', 1000) FROM generate_series(1, {rows})", BUCKET, REGION, key],
        )
        head = bucket.s3.head_object(Bucket=BUCKET, Key="kms")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_the_export_sees_its_own_transaction_and_snapshot(
    rds: Rds, db: psycopg.Connection[Any], bucket: Bucket
) -> None:
    db.execute("CREATE TABLE seen (id int)")
    db.commit()
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    db.execute("INSERT INTO seen VALUES (1)")
    with rds.connect() as other:
        other.execute("INSERT INTO seen VALUES (2)")
    export(db, "SELECT * FROM seen", "seen")
    assert bucket.body("seen") == b"1\n"
    db.rollback()
    db.execute("DROP TABLE seen")
    db.commit()


def test_names_are_found_by_the_callers_search_path(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    db.execute("CREATE SCHEMA elsewhere")
    db.execute("CREATE TABLE elsewhere.here AS SELECT 7 AS id")
    # Its body is looked at when it runs, in the middle of the export.
    body = "DECLARE found int; BEGIN SELECT id INTO found FROM here; RETURN found; END"
    db.execute(f"CREATE FUNCTION elsewhere.look() RETURNS int LANGUAGE plpgsql AS '{body}'".encode())
    db.execute("SET LOCAL search_path = elsewhere")
    export(db, "SELECT look(), 'here'::regclass FROM here", "path")
    assert bucket.body("path") == b"7,here\n"
    assert db.execute("SHOW search_path").fetchone() == ("elsewhere",)


def test_nothing_stays_in_the_session(db: psycopg.Connection[Any]) -> None:
    db.execute("SET search_path = public")
    export(db, "SELECT 1", "session")
    left = "SELECT name FROM pg_cursors UNION ALL SELECT name FROM pg_prepared_statements UNION ALL "
    left += "SELECT proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()"
    assert db.execute(left.encode(), prepare=False).fetchall() == []
    assert db.execute("SHOW search_path").fetchone() == ("public",)
    assert db.execute("SHOW cursor_tuple_fraction").fetchone() == ("0.1",)


def test_other_encodings(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    assert export(db, "SELECT 'ßé'", "latin1", "format csv, encoding 'LATIN1'") == (1, 1, 3)
    assert bucket.body("latin1") == "ßé\n".encode("latin-1")


def test_exports_within_exports(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    inner = f"aws_s3.query_export_to_s3('SELECT ' || n, '{BUCKET}', 'nested/' || n, options := 'format csv')"
    assert export(db, f"SELECT n, ({inner}).rows_uploaded FROM generate_series(1, 3) n", "nested/0") == (3, 1, 12)
    assert [bucket.body(f"nested/{n}") for n in range(4)] == [b"1,1\n2,1\n3,1\n", b"1\n", b"2\n", b"3\n"]


@pytest.fixture
def many(rds: Rds) -> Iterator[list[psycopg.Connection[Any]]]:
    connections = [rds.connect() for _ in range(20)]
    yield connections
    for connection in connections:
        connection.close()


def test_twenty_at_once(rds: Rds, bucket: Bucket, many: list[psycopg.Connection[Any]]) -> None:
    results: dict[int, tuple[int, int, int]] = {}

    def run(number: int) -> None:
        results[number] = export(many[number], f"SELECT {number} FROM generate_series(1, 1000)", f"many/{number}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {number: f"{number}\n".encode() * 1000 for number in range(20)}
    assert results == {number: (1000, 1, len(body)) for number, body in expected.items()}
    assert {number: bucket.body(f"many/{number}") for number in range(20)} == expected
    rds.wait_clean(bucket)
