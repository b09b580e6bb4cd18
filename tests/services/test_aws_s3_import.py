"""table_import_from_s3 through psycopg, of objects that boto3 has put there."""

from __future__ import annotations

import gzip
import struct
from typing import Any

import boto3
import psycopg
import pytest
from aws_s3_cases import BUCKET, EXPORT, IMPORT, REGION, Bucket, Rds
from psycopg import errors

from velodrome.settings import Settings
from velodrome.testing import client_options


def load(db: psycopg.Connection[Any], table: str, key: str, columns: str = "", options: str = "format csv") -> str:
    """What the function answers."""
    row = db.execute(IMPORT, [table, columns, options, BUCKET, key, REGION]).fetchone()
    assert row is not None
    return str(row[0])


def rows(db: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    return db.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall()


@pytest.mark.parametrize(
    "call",
    [
        "table_import_from_s3('forms', '', '', aws_commons.create_s3_uri(%(b)s, %(k)s, %(r)s))",
        "table_import_from_s3('forms', '', '', aws_commons.create_s3_uri(%(b)s, %(k)s, %(r)s),"
        " aws_commons.create_aws_credentials(%(id)s, %(secret)s, ''))",
        "table_import_from_s3('forms', '', '', aws_commons.create_s3_uri(%(b)s, %(k)s, %(r)s), NULL)",
        "table_import_from_s3('forms', '', '', %(b)s, %(k)s, %(r)s)",
        "table_import_from_s3('forms', '', '', %(b)s, %(k)s, %(r)s, %(id)s, %(secret)s)",
        "table_import_from_s3('forms', '', '', %(b)s, %(k)s, %(r)s, %(role_id)s, %(role_secret)s, %(token)s)",
        "table_import_from_s3(table_name => 'forms', column_list => NULL, options => NULL, bucket => %(b)s,"
        " file_path => %(k)s, region => NULL)",
    ],
)
def test_every_form(db: psycopg.Connection[Any], bucket: Bucket, s3_settings: Settings, call: str) -> None:
    bucket.put("forms.txt", b"1\tx\n2\t\\N\n")
    db.execute("CREATE TEMP TABLE forms (id int, v text)")
    own = client_options(s3_settings)
    sts = boto3.client("sts", **client_options(s3_settings, "sts"))
    role = sts.assume_role(RoleArn=s3_settings["RDS_IMPORT_ROLE_ARN"], RoleSessionName="forms")["Credentials"]
    given = {
        "b": BUCKET,
        "k": "forms.txt",
        "r": REGION,
        "id": own["aws_access_key_id"],
        "secret": own["aws_secret_access_key"],
        "role_id": role["AccessKeyId"],
        "role_secret": role["SecretAccessKey"],
        "token": role["SessionToken"],
    }
    answer = db.execute(f"SELECT aws_s3.{call}".encode(), given).fetchone()
    assert answer == ('2 rows imported into relation "forms" from file forms.txt of 9 bytes',)
    assert rows(db, "forms") == [(1, "x"), (2, None)]


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ("", b"1\tx\n2\t\\N\n"),
        ("csv", b"1,x\n2,\n"),
        ("(format csv, header true)", b"id,v\n1,x\n2,\n"),
        ("(format csv, header match)", b"id,v\n1,x\n2,\n"),
        ("DELIMITER ',' CSV ENCODING  'UTF8' QUOTE  '\"' ESCAPE ''''  ", b'1,"x"\n2,\n'),
        ("format csv, delimiter $$|$$, null 'NULL'", b"1|x\n2|NULL\n"),
        ("delimiter E'\\x02' csv quote E'\\x01'", b"1\x02\x01x\x01\n2\x02\n"),
        ("format csv, null '-', force_null (v)", b'1,x\n2,"-"\n'),
        ("csv null '-' force null v", b'1,x\n2,"-"\n'),
        ("format csv, encoding 'LATIN1'", b"1,x\n2,\n"),
    ],
)
def test_options_are_those_of_copy(db: psycopg.Connection[Any], bucket: Bucket, options: str, body: bytes) -> None:
    bucket.put("options.csv", body)
    db.execute("CREATE TEMP TABLE target (id int, v text)")
    assert load(db, "target", "options.csv", options=options).startswith("2 rows imported")
    assert rows(db, "target") == [(1, "x"), (2, None)]


def test_options_of_newer_versions(rds: Rds, db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("newer.csv", b"1,x\nbad,y\n3,DEF\n")
    db.execute("CREATE TEMP TABLE newer (id int, v text DEFAULT 'given')")
    if rds.major >= 17:
        answer = load(db, "newer", "newer.csv", options="format csv, on_error ignore, default 'DEF'")
        assert answer.startswith("2 rows imported")
        assert rows(db, "newer") == [(1, "x"), (3, "given")]
    else:
        with pytest.raises(errors.SyntaxError, match='option "on_error" not recognized'):
            load(db, "newer", "newer.csv", options="format csv, on_error ignore")


def test_options_that_cannot_be(rds: Rds, db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("one.csv", b"1\n")
    db.execute("CREATE TABLE frozen (id int)")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cannot perform COPY FREEZE"), db.transaction():
        load(db, "frozen", "one.csv", options="format csv, freeze")
    db.execute("ALTER TABLE frozen ENABLE ROW LEVEL SECURITY")
    with pytest.raises(errors.FeatureNotSupported, match='COPY option "default" is not supported for this table'):
        load(db, "frozen", "one.csv", options="format csv, default 'D'")


def test_binary_of_types_of_all_kinds(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    db.execute("CREATE TYPE pg_temp.mood AS ENUM ('good', 'bad')")
    db.execute("CREATE DOMAIN pg_temp.small AS int CHECK (VALUE < 10)")
    db.execute("CREATE TEMP TABLE there (id int, m mood, s small, p decimal(10, 2), t timestamptz, a int[])")
    db.execute("CREATE TEMP TABLE back (LIKE there)")
    db.execute("INSERT INTO there VALUES (1, 'bad', 3, 7.5, now(), '{1,NULL}'), (2, NULL, NULL, NULL, NULL, NULL)")
    db.execute(EXPORT, ["SELECT * FROM there", BUCKET, "binary", REGION, "(format binary)"])
    assert load(db, "back", "binary", options="format binary").startswith("2 rows imported")
    assert rows(db, "back") == rows(db, "there")


def test_columns_defaults_and_other_types(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("typed", b"good,2,7.5\n", ContentType="text/csv")
    db.execute("CREATE TYPE pg_temp.mood AS ENUM ('good', 'bad')")
    db.execute("CREATE DOMAIN pg_temp.small AS int CHECK (VALUE < 10)")
    db.execute(
        "CREATE TEMP TABLE typed (id int GENERATED ALWAYS AS IDENTITY, note text DEFAULT 'n',"
        ' "Mood" mood, s small, price decimal(10, 2), twice decimal GENERATED ALWAYS AS (price * 2) STORED)'
    )
    load(db, "typed", "typed", '"Mood", S , price')
    assert db.execute('SELECT id, note, "Mood"::text, s, price::text, twice::text FROM typed').fetchall() == [
        (1, "n", "good", 2, "7.50", "15.00")
    ]


@pytest.mark.parametrize(
    "made",
    [
        "(id int PRIMARY KEY, v varchar(3) CHECK (v <> 'bad' AND length(v) > 0 OR v IN ('', 'x')))",
        "(id int DEFAULT 1, v text, n timestamptz NOT NULL DEFAULT now(), g uuid DEFAULT gen_random_uuid())",
        "(id int, v text, s serial, i int GENERATED BY DEFAULT AS IDENTITY)",
        "(id int, v text) PARTITION BY RANGE (id); CREATE TABLE kept_1 PARTITION OF kept DEFAULT",
        "(id int, v text); CREATE UNIQUE INDEX ON kept (lower(v)) WHERE v IS NOT NULL",
        "(id int, v text); ALTER TABLE kept ENABLE ROW LEVEL SECURITY",
        "(id int, v text); CREATE TABLE child () INHERITS (kept)",
        "(id int, v text, PRIMARY KEY (id)); CREATE TABLE child (id int REFERENCES kept)",
    ],
)
def test_tables_of_all_kinds(db: psycopg.Connection[Any], bucket: Bucket, made: str) -> None:
    bucket.put("kinds.csv", b"1,x\n2,\n")
    db.execute(f"CREATE TABLE kept {made}".encode())
    assert (
        load(db, "kept", "kinds.csv", "id, v") == '2 rows imported into relation "kept" from file kinds.csv of 7 bytes'
    )
    assert db.execute("SELECT id, v FROM kept ORDER BY id").fetchall() == [(1, "x"), (2, None)]


@pytest.mark.parametrize("kind", ["direct", "staged"])
@pytest.mark.parametrize(
    ("body", "state", "context"),
    [
        (b"1,a\n2,b\nx,c\n", "22P02", "line 3, column id"),
        (b"1,a\n2\n", "22P04", "line 2"),
        (b"1,a\n2,b,c\n", "22P04", "line 2"),
        (b"1,abcd\n", "22001", "line 1, column v"),
        (b"1,\xff\n", "22021", "line 1"),
        (b'1,"a\n', "22P04", "line 1"),
    ],
)
def test_a_bad_row_is_named_and_nothing_stays(
    db: psycopg.Connection[Any], bucket: Bucket, body: bytes, state: str, context: str, kind: str
) -> None:
    bucket.put("bad", body)
    db.execute("CREATE TEMP TABLE bad (id int, v varchar(3))")
    if kind == "staged":
        db.execute("ALTER TABLE bad ENABLE ROW LEVEL SECURITY")
    with pytest.raises(psycopg.DataError) as caught, db.transaction():
        load(db, "bad", "bad")
    assert caught.value.sqlstate == state
    assert context in str(caught.value.diag.context)
    assert rows(db, "bad") == []


def test_constraints_and_triggers_refuse_as_ever(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("twice", b"1\n1\n")
    db.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    db.execute("CREATE TABLE child (id int REFERENCES parent)")
    with pytest.raises(errors.UniqueViolation), db.transaction():
        load(db, "parent", "twice")
    with pytest.raises(errors.ForeignKeyViolation), db.transaction():
        load(db, "child", "twice")
    assert rows(db, "parent") == rows(db, "child") == []


@pytest.mark.parametrize("key", ["no-such-key", "forms.txt/", "y" * 1024])
def test_a_missing_key_leaves_no_row(db: psycopg.Connection[Any], key: str) -> None:
    db.execute("CREATE TEMP TABLE target (id int)")
    with pytest.raises(errors.SystemError) as caught, db.transaction():
        load(db, "target", key)
    assert caught.value.diag.message_primary == "could not read from Amazon S3"
    assert caught.value.diag.message_detail == "Amazon S3 client returned 'The specified key does not exist.'."
    assert rows(db, "target") == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("no-such-bucket", "k", REGION), "The specified bucket does not exist"),
        (("Not A Bucket", "k", REGION), "The specified bucket is not valid."),
        ((BUCKET, "x" * 1025, REGION), "Your key is too long"),
    ],
)
def test_s3s_error_is_the_detail(db: psycopg.Connection[Any], place: tuple[str, str, str], said: str) -> None:
    db.execute("CREATE TEMP TABLE target (id int)")
    with pytest.raises(errors.SystemError) as caught:
        db.execute(IMPORT, ["target", "", "", *place])
    assert caught.value.diag.message_detail == f"Amazon S3 client returned '{said}'."


def test_gzip_by_content_encoding(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    packed = gzip.compress(b"1\n2\n") + gzip.compress(b"3\n")
    bucket.put("packed.gz", packed, ContentEncoding="gzip")
    db.execute("CREATE TEMP TABLE packed (id int)")
    answer = load(db, "packed", "packed.gz", options="")
    assert answer == f'3 rows imported into relation "packed" from file packed.gz of {len(packed)} bytes'


def test_gzip_that_is_not_said_to_be_is_taken_as_it_is(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("unsaid.gz", gzip.compress(b"1\n"))
    db.execute("CREATE TEMP TABLE packed (id int)")
    with pytest.raises(psycopg.DataError):
        load(db, "packed", "unsaid.gz")


def test_gzip_of_much(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("much.gz", gzip.compress(b"0123456789\n" * 3_000_000), ContentEncoding="gzip")
    db.execute("CREATE TEMP TABLE much (v text)")
    assert load(db, "much", "much.gz").startswith("3000000 rows imported")


@pytest.mark.parametrize(
    ("table", "columns", "state"),
    [
        ("x; DROP TABLE y", "", "42601"),
        ("nowhere.t", "", "3F000"),
        ("nowhere", "", "42P01"),
        ('"in\'j"', "", "42P01"),
        ("inj", "id) SELECT 1 --", "42601"),
        ("inj", "id, nope", "42703"),
        ("inj", "id id", "42601"),
        ("inj", "id, id", "42701"),
        ("inj", "id, g", "428C9"),
        ("inj", "ctid", "42703"),
    ],
)
def test_tables_and_columns_are_names(
    db: psycopg.Connection[Any], bucket: Bucket, table: str, columns: str, state: str
) -> None:
    bucket.put("pair.csv", b"1,2\n")
    db.execute("CREATE TEMP TABLE inj (id int, g int GENERATED ALWAYS AS (id) STORED)")
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        load(db, table, "pair.csv", columns)
    assert caught.value.sqlstate in (state, "42602")
    assert rows(db, "inj") == []


def test_awkward_names(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("one.csv", b"1,2\n")
    db.execute('CREATE SCHEMA "a.b"')
    db.execute('CREATE TABLE "a.b"."T ""%1$s" ("x, y" int, "%s(" int)')
    answer = load(db, '"a.b"."T ""%1$s"', "one.csv", '"%s(", "x, y"')
    assert answer.startswith('1 rows imported into relation ""a.b"."T ""%1$s""')
    assert db.execute('SELECT "x, y" FROM "a.b"."T ""%1$s"'.replace("%", "%%"), []).fetchall() == [(2,)]


def test_the_import_is_in_the_callers_transaction(rds: Rds, db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("one.csv", b"1\n")
    db.execute("CREATE TABLE mine (id int)")
    db.commit()
    load(db, "mine", "one.csv")
    assert rows(db, "mine") == [(1,)]
    with rds.connect() as other:
        assert rows(other, "mine") == []
    db.rollback()
    assert rows(db, "mine") == []
    db.execute("DROP TABLE mine")
    db.commit()


def test_imports_into_one_table_do_not_wait_for_each_other(
    rds: Rds, db: psycopg.Connection[Any], bucket: Bucket
) -> None:
    bucket.put("one.csv", b"1\n")
    db.execute("CREATE TABLE shared (id int)")
    db.commit()
    load(db, "shared", "one.csv")
    with rds.connect() as other:
        other.execute("SET lock_timeout = '1s'")
        load(other, "shared", "one.csv")
    db.commit()
    assert rows(db, "shared") == [(1,), (1,)]
    db.execute("DROP TABLE shared")
    db.commit()


def test_names_in_the_data_are_found_by_the_callers_search_path(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("name.csv", b"here\n")
    db.execute("CREATE SCHEMA elsewhere")
    db.execute("CREATE TABLE elsewhere.here (c regclass)")
    db.execute("SET LOCAL search_path = elsewhere")
    load(db, "here", "name.csv")
    assert db.execute("SELECT c::text FROM here").fetchall() == [("here",)]
    assert db.execute("SHOW search_path").fetchone() == ("elsewhere",)


def test_a_wide_row(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("wide", b"x" * 30_000_000 + b"\n")
    db.execute("CREATE TEMP TABLE wide (v text)")
    load(db, "wide", "wide", options="")
    assert db.execute("SELECT length(v) FROM wide").fetchone() == (30_000_000,)


def test_a_binary_object_made_by_hand(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    head = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
    bucket.put("by-hand", head + struct.pack("!hii", 1, 4, 42) + struct.pack("!h", -1))
    db.execute("CREATE TEMP TABLE hand (id int)")
    load(db, "hand", "by-hand", options="format binary")
    assert rows(db, "hand") == [(42,)]
    bucket.put("by-hand", head + struct.pack("!hi", 1, 4))
    with pytest.raises(errors.BadCopyFileFormat):
        load(db, "hand", "by-hand", options="format binary")


def test_on_error_for_a_column_that_copy_does_not_read(db: psycopg.Connection[Any], bucket: Bucket) -> None:
    bucket.put("one.csv", b"1\n")
    db.execute("CREATE DOMAIN pg_temp.small AS int CHECK (VALUE < 10)")
    db.execute("CREATE TEMP TABLE smalls (id pg_temp.small)")
    with pytest.raises(errors.FeatureNotSupported, match="COPY option on_error 'ignore' is not supported for a column"):
        load(db, "smalls", "one.csv", options="format csv, on_error ignore")
