"""aws_s3 on the source database through psycopg, its objects checked through boto3."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from psycopg import errors, sql

from velodrome.awsapi import profile
from velodrome.settings import Settings
from velodrome.testing import run_service, wait_until

BUCKET = "rds-test"
EXPORT = "SELECT * FROM aws_s3.query_export_to_s3(%s, %s, %s, %s, %s)"
IMPORT = "SELECT aws_s3.table_import_from_s3(%s, %s, %s, %s, %s, %s)"
REGION = "us-east-1"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("rds")
    with run_service("s3", home=home) as s3, run_service("source", home=home, settings=dict(s3.settings)) as source:
        yield source.settings


@pytest.fixture(scope="module")
def s3(settings: Settings) -> Any:
    mine = profile.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    client = boto3.client(
        "s3",
        endpoint_url=mine.endpoint("s3"),
        region_name=mine.region,
        aws_access_key_id=mine.access_key_id,
        aws_secret_access_key=mine.secret_access_key,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)
    return client


def connect(settings: Settings, user: str | None = None, password: str | None = None) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=settings["SOURCE_HOST"],
        port=settings["SOURCE_PORT"],
        dbname=settings["SOURCE_DATABASE"],
        user=user or settings["SOURCE_USER"],
        password=password or settings["SOURCE_PASSWORD"],
    )


@pytest.fixture
def db(settings: Settings, s3: Any) -> Iterator[psycopg.Connection[Any]]:
    with connect(settings) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION IF NOT EXISTS aws_s3 CASCADE")
        connection.commit()
        yield connection
        connection.rollback()


def body(s3: Any, key: str) -> bytes:
    data: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


def keys(s3: Any, prefix: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


AWKWARD = [(1, 'a "quoted", one', None), (2, "two\nlines\r\n", ""), (3, "\\N \\. \t", "ß€😀"), (4, None, "NULL")]


def test_round_trip_of_awkward_values(db: psycopg.Connection[Any], s3: Any) -> None:
    db.execute("CREATE TEMP TABLE there (id int, a text, b text)")
    db.execute("CREATE TEMP TABLE back (LIKE there)")
    db.cursor().executemany("INSERT INTO there VALUES (%s, %s, %s)", AWKWARD)
    query = "SELECT * FROM there ORDER BY id"
    result = db.execute(EXPORT, [query, BUCKET, "round/trip.csv", REGION, "format csv, header true"]).fetchone()
    data = body(s3, "round/trip.csv")
    assert result == (4, 1, len(data))
    assert list(csv.reader(io.StringIO(data.decode(), newline="")))[:2] == [
        ["id", "a", "b"],
        ["1", 'a "quoted", one', ""],
    ]
    answer = db.execute(IMPORT, ["back", "", "(FORMAT csv, HEADER true)", BUCKET, "round/trip.csv", REGION]).fetchone()
    assert answer == (f'4 rows imported into relation "back" from file round/trip.csv of {len(data)} bytes',)
    assert db.execute("SELECT * FROM back ORDER BY id").fetchall() == AWKWARD


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, b"1\tx\n2\t\\N\n"),
        ("format text", b"1\tx\n2\t\\N\n"),
        ("format csv", b"1,x\n2,\n"),
        ("(FORMAT csv, HEADER)", b"id,v\n1,x\n2,\n"),
        ("format csv, delimiter $$:$$, null 'NULL'", b"1:x\n2:NULL\n"),
        ("FORMAT CSV, DELIMITER E'\\t', FORCE_QUOTE (v)", b'1\t"x"\n2\t\n'),
        ("format csv, force_quote *, quote ''''", b"'1','x'\n'2',\n"),
        ("DELIMITER '|'", b"1|x\n2|\\N\n"),
        ("format csv, null '''; --'", b"1,x\n2,'; --\n"),
    ],
)
def test_options_are_those_of_copy(db: psycopg.Connection[Any], s3: Any, options: str | None, expected: bytes) -> None:
    query = "SELECT * FROM (VALUES (1, 'x'), (2, NULL)) AS t (id, v)"
    db.execute(EXPORT, [query, BUCKET, "options", REGION, options])
    assert body(s3, "options") == expected


@pytest.mark.parametrize(
    "options",
    [
        "format csv) TO '/tmp/x",
        "format csv; DROP TABLE x",
        "freeze true",
        "format 'csv",
        "header (",
        "'",
    ],
)
def test_other_options_are_refused(db: psycopg.Connection[Any], options: str) -> None:
    with pytest.raises((errors.SyntaxError, errors.FeatureNotSupported, errors.InvalidParameterValue)):
        db.execute(EXPORT, ["SELECT 1", BUCKET, "never", REGION, options])


@pytest.mark.parametrize("header", [True, False])
def test_no_rows(db: psycopg.Connection[Any], s3: Any, header: bool) -> None:
    options = f"format csv, header {str(header).lower()}"
    result = db.execute(EXPORT, ["SELECT 1 AS id WHERE false", BUCKET, "empty", REGION, options]).fetchone()
    expected = b"id\n" if header else b""
    assert (result, body(s3, "empty")) == ((0, 1, len(expected)), expected)
    db.execute("CREATE TEMP TABLE nothing (id int)")
    answer = db.execute(IMPORT, ["nothing", "", options, BUCKET, "empty", REGION]).fetchone()
    assert answer == (f'0 rows imported into relation "nothing" from file empty of {len(expected)} bytes',)


@pytest.mark.parametrize(
    "key", ["a b/c+d%20=é.csv", "'; touch x; '", "$(touch x)`touch x`", '"\\ #~[*]{^}|<>?&', "%2e%2e/x", "x" * 1024]
)
def test_keys_are_taken_literally(db: psycopg.Connection[Any], s3: Any, key: str) -> None:
    db.execute(EXPORT, ["SELECT 1", BUCKET, key, REGION, "format csv"])
    assert body(s3, key) == b"1\n"
    db.execute("CREATE TEMP TABLE one (id int)")
    db.execute(IMPORT, ["one", "", "format csv", BUCKET, key, REGION])
    assert db.execute("SELECT * FROM one").fetchall() == [(1,)]


@pytest.mark.parametrize("key", ["/x", "a//b", "a/../b", "a/.", "a/", "a\nb"])
def test_keys_that_cannot_be_sent_are_refused(db: psycopg.Connection[Any], key: str) -> None:
    with pytest.raises(errors.SystemError) as caught:
        db.execute(EXPORT, ["SELECT 1", BUCKET, key, REGION, "format csv"])
    assert "not supported here" in str(caught.value.diag.message_detail)


@pytest.mark.parametrize("bucket", ["../rds-test", "a b", "'; touch x; '", "A" * 64, "$(x)"])
def test_hostile_buckets_are_refused(db: psycopg.Connection[Any], bucket: str) -> None:
    with pytest.raises(errors.SystemError) as caught:
        db.execute(EXPORT, ["SELECT 1", bucket, "k", REGION, "format csv"])
    assert caught.value.diag.message_detail == "Amazon S3 client returned 'The specified bucket is not valid.'."


def test_a_missing_bucket_is_s3s_error(db: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.SystemError) as caught:
        db.execute(EXPORT, ["SELECT 1", "no-such-bucket", "k", REGION, "format csv"])
    assert caught.value.diag.message_primary == "could not upload to Amazon S3"
    assert caught.value.diag.message_detail == "Amazon S3 client returned 'The specified bucket does not exist'."


def test_a_missing_key_leaves_no_row(db: psycopg.Connection[Any]) -> None:
    db.execute("CREATE TEMP TABLE target (id int)")
    with pytest.raises(errors.SystemError) as caught, db.transaction():
        db.execute(IMPORT, ["target", "", "format csv", BUCKET, "no-such-key", REGION])
    assert caught.value.diag.message_detail == "Amazon S3 client returned 'The specified key does not exist.'."
    assert db.execute("SELECT count(*) FROM target").fetchone() == (0,)


def test_a_query_that_fails_leaves_no_object(db: psycopg.Connection[Any], s3: Any) -> None:
    with pytest.raises(errors.DivisionByZero):
        db.execute(
            EXPORT, ["SELECT 1 / (n - 90000) FROM generate_series(1, 100000) n", BUCKET, "fails/x", REGION, None]
        )
    assert keys(s3, "fails/") == []


def test_a_copy_that_is_cancelled_leaves_no_object_and_no_parts(
    settings: Settings, db: psycopg.Connection[Any], s3: Any
) -> None:
    db.execute("CREATE TEMP TABLE wide AS SELECT repeat(md5(n::text), 300) AS v FROM generate_series(1, 6000) n")
    # A row that no encoding can write stops the COPY after some 57 MB, long after its first parts were sent.
    db.execute("INSERT INTO wide VALUES ('€')")
    with pytest.raises(errors.UntranslatableCharacter), db.transaction():
        db.execute(EXPORT, ["SELECT v FROM wide", BUCKET, "cancelled/x", REGION, "format csv, encoding 'LATIN1'"])
    wait_until("the upload to be given up", lambda: not s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"))
    assert keys(s3, "cancelled/") == []


def test_a_large_export_comes_in_parts(db: psycopg.Connection[Any], s3: Any) -> None:
    query = "SELECT n, repeat('x', 1000) FROM generate_series(1, 30000) n"
    result = db.execute(EXPORT, [query, BUCKET, "large", REGION, "format csv"]).fetchone()
    head = s3.head_object(Bucket=BUCKET, Key="large")
    assert result == (30000, 1, head["ContentLength"])
    db.execute("CREATE TEMP TABLE large (n int, x text)")
    db.execute(IMPORT, ["large", "", "format csv", BUCKET, "large", REGION])
    assert db.execute("SELECT count(*), sum(n), min(length(x)) FROM large").fetchone() == (30000, 450015000, 1000)


@pytest.mark.parametrize(
    "query", ["SELECT 1; DROP TABLE kept", "DROP TABLE kept", "SELECT 1) TO PROGRAM 'touch x' --", "", "SELEC 1"]
)
def test_only_one_query_that_gives_rows(db: psycopg.Connection[Any], s3: Any, query: str) -> None:
    db.execute("CREATE TEMP TABLE kept ()")
    with pytest.raises(psycopg.Error), db.transaction():
        db.execute(EXPORT, [query, BUCKET, "refused/x", REGION, None])
    assert keys(s3, "refused/") == []
    db.execute("SELECT FROM kept")


def test_the_export_sees_its_own_transaction_and_snapshot(
    settings: Settings, db: psycopg.Connection[Any], s3: Any
) -> None:
    db.execute("DROP TABLE IF EXISTS seen")
    db.execute("CREATE TABLE seen (id int)")
    db.commit()
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    db.execute("INSERT INTO seen VALUES (1)")
    with connect(settings) as other:
        other.execute("INSERT INTO seen VALUES (2)")
    db.execute(EXPORT, ["SELECT * FROM seen", BUCKET, "seen", REGION, "format csv"])
    assert body(s3, "seen") == b"1\n"
    db.rollback()
    db.execute("DROP TABLE seen")
    db.commit()


def test_columns_defaults_and_other_types(db: psycopg.Connection[Any], s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="typed", Body=b"good,2,7.5\n", ContentType="text/csv")
    db.execute("CREATE TYPE pg_temp.mood AS ENUM ('good', 'bad')")
    db.execute("CREATE DOMAIN pg_temp.small AS int CHECK (VALUE < 10)")
    db.execute(
        "CREATE TEMP TABLE typed (id int GENERATED ALWAYS AS IDENTITY, note text DEFAULT 'n',"
        ' "Mood" mood, s small, price decimal(10, 2), twice decimal GENERATED ALWAYS AS (price * 2) STORED)'
    )
    db.execute(IMPORT, ["typed", '"Mood", S , price', "format csv", BUCKET, "typed", REGION])
    assert db.execute('SELECT id, note, "Mood"::text, s, price::text, twice::text FROM typed').fetchall() == [
        (1, "n", "good", 2, "7.50", "15.00")
    ]


def test_a_bad_row_is_named_and_nothing_stays(db: psycopg.Connection[Any], s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="bad", Body=b"1,a\n2,b\nx,c\n")
    db.execute("CREATE TEMP TABLE bad (id int, v varchar(15))")
    with pytest.raises(errors.InvalidTextRepresentation) as caught, db.transaction():
        db.execute(IMPORT, ["bad", "", "format csv", BUCKET, "bad", REGION])
    assert "line 3, column id" in str(caught.value.diag.context)
    assert db.execute("SELECT count(*) FROM bad").fetchone() == (0,)


def test_gzip_by_content_encoding(db: psycopg.Connection[Any], s3: Any) -> None:
    packed = gzip.compress(b"1\n2\n") + gzip.compress(b"3\n")
    s3.put_object(Bucket=BUCKET, Key="packed.gz", Body=packed, ContentEncoding="gzip")
    db.execute("CREATE TEMP TABLE packed (id int)")
    answer = db.execute(IMPORT, ["packed", "", "", BUCKET, "packed.gz", REGION]).fetchone()
    assert answer == (f'3 rows imported into relation "packed" from file packed.gz of {len(packed)} bytes',)


@pytest.mark.parametrize(
    ("table", "columns"),
    [("x; DROP TABLE y", ""), ("nowhere.t", ""), ("inj", "id) SELECT 1 --"), ("inj", "id, nope"), ('"in\'j"', "")],
)
def test_tables_and_columns_are_names(db: psycopg.Connection[Any], table: str, columns: str) -> None:
    db.execute("CREATE TEMP TABLE inj (id int)")
    refusals = (errors.SyntaxError, errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)
    with pytest.raises((*refusals, errors.InvalidName)):
        db.execute(IMPORT, [table, columns, "format csv", BUCKET, "x", REGION])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT aws_s3.query_export_to_s3('SELECT 1', aws_commons.create_s3_uri('b', 'k', 'r'), kms_key := 'k')",
        "SELECT aws_s3.table_import_from_s3('pg_class', '', '', aws_commons.create_s3_uri('b', 'k', 'r'),"
        " aws_commons.create_aws_credentials('a', 's', ''))",
        "SELECT aws_s3.table_import_from_s3('pg_class', '', '', 'b', 'k', 'r', 'a', 's')",
    ],
)
def test_what_is_not_there_is_refused_by_name(db: psycopg.Connection[Any], statement: str) -> None:
    with pytest.raises(errors.FeatureNotSupported, match="not supported here"):
        db.execute(statement)


def test_a_uri_as_psql_passes_it(db: psycopg.Connection[Any], s3: Any) -> None:
    uri = db.execute("SELECT aws_commons.create_s3_uri(%s, 'by/uri', %s)::text", [BUCKET, REGION]).fetchone()
    assert uri is not None
    literal = sql.Literal(uri[0])
    db.execute(sql.SQL("SELECT aws_s3.query_export_to_s3('SELECT 5', {}, options := 'format csv')").format(literal))
    assert body(s3, "by/uri") == b"5\n"


class TestRights:
    """A role of its own, which owns nothing but what it is given here."""

    @pytest.fixture
    def guest(self, settings: Settings, db: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
        db.execute("DROP TABLE IF EXISTS secret")
        db.execute("CREATE TABLE secret AS SELECT 1 AS id")
        if db.execute("SELECT FROM pg_roles WHERE rolname = 'guest'").fetchone() is None:
            db.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        db.execute("GRANT USAGE ON SCHEMA aws_s3, aws_commons TO guest")
        db.execute("GRANT CREATE ON SCHEMA public TO guest")
        db.commit()
        with connect(settings, "guest", "guest") as connection:
            yield connection
            connection.rollback()

    def test_a_table_that_is_not_his(self, guest: psycopg.Connection[Any]) -> None:
        with (
            pytest.raises(errors.InsufficientPrivilege, match="permission denied for table secret"),
            guest.transaction(),
        ):
            guest.execute(EXPORT, ["SELECT * FROM secret", BUCKET, "k", REGION, None])
        with (
            pytest.raises(errors.InsufficientPrivilege, match="permission denied for table secret"),
            guest.transaction(),
        ):
            guest.execute(IMPORT, ["secret", "", "", BUCKET, "k", REGION])

    def test_no_shell_and_no_files(self, guest: psycopg.Connection[Any]) -> None:
        for statement in ("COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('pg_hba.conf')"):
            with pytest.raises(errors.InsufficientPrivilege), guest.transaction():
                guest.execute(statement.encode())

    def test_no_inner_function_gives_more(self, guest: psycopg.Connection[Any]) -> None:
        for statement in (
            "SELECT aws_s3._export('secret', 'b', 'k', 'r', '')",
            "SELECT aws_s3._pipe('put', gen_random_uuid(), 'b', 'k', 'r')",
            "SELECT aws_s3._result(gen_random_uuid())",
            "SELECT aws_s3._drop_import('secret')",
        ):
            with pytest.raises(errors.InsufficientPrivilege), guest.transaction():
                guest.execute(statement.encode())

    def test_code_of_his_runs_as_himself(self, guest: psycopg.Connection[Any], s3: Any) -> None:
        guest.execute(
            "CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';"
            "CREATE TEMP TABLE caught (who text);"
            "CREATE FUNCTION pg_temp.look(v int) RETURNS boolean LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO caught VALUES (current_user); RETURN true; END';"
            "CREATE DOMAIN pg_temp.looking AS int CHECK (pg_temp.look(VALUE));"
            "CREATE FUNCTION pg_temp.fires() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO caught VALUES (current_user); RETURN NEW; END';"
            "CREATE TEMP TABLE his (id pg_temp.looking, who text DEFAULT pg_temp.who(), all_of pg_temp.looking[]);"
            "CREATE TRIGGER fires BEFORE INSERT ON his FOR EACH ROW EXECUTE FUNCTION pg_temp.fires();"
        )
        guest.execute(EXPORT, ["SELECT pg_temp.who()", BUCKET, "who", REGION, "format csv"])
        assert body(s3, "who") == b"guest\n"
        s3.put_object(Bucket=BUCKET, Key="his", Body=b'1,"{1,2}"\n')
        guest.execute(IMPORT, ["his", "id, all_of", "format csv", BUCKET, "his", REGION])
        assert guest.execute("SELECT who FROM his").fetchall() == [("guest",)]
        assert set(guest.execute("SELECT who FROM caught").fetchall()) == {("guest",)}
