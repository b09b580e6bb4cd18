"""COPY of Parquet from S3 inside the client's own transaction, through every client."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import boto3
import psycopg
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector
from botocore.config import Config
from redshift_clients import address, connect

from velodrome.awsapi import profile
from velodrome.settings import Settings
from velodrome.testing import own_settings, run_service, wait_until

BUCKET = "warehouse-copy-test"
COLUMNS = "id int not null, name varchar(10), price decimal(15,2), day date, moment timestamp"


def copy_sql(prefix: str, table: str = "stage") -> str:
    return f"copy {table} from 's3://{BUCKET}/{prefix}' iam_role 'arn:aws:iam::000000000000:role/r' format as parquet"


ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int32()),
        "name": ["a", "é", None],
        "price": pa.array([Decimal("1.20"), None, Decimal("-3.45")], pa.decimal128(15, 2)),
        "day": pa.array([datetime.date(2020, 1, 1)] * 3),
        "moment": pa.array([datetime.datetime(2020, 1, 1, 2, 3)] * 3, pa.timestamp("us", "UTC")),
    }
)
# The longest VARCHAR 2,000 times, which the file, as a data frame's category, holds once.
LONGEST = pa.table(
    {
        "id": pa.array(range(2_000), pa.int32()),
        "text": pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), ["y" * 65_535]),
    }
)
FIRST = (1, "a", Decimal("1.20"), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, 2, 3))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("warehouse")
    settings = own_settings(home)
    with run_service("s3", home, settings) as s3, run_service("redshift", home, settings) as running:
        where = profile.load(s3.settings.path("AWS_CONFIG_FILE"), s3.settings["AWS_PROFILE"])
        client = boto3.client(
            "s3",
            endpoint_url=where.endpoint("s3"),
            region_name=where.region,
            aws_access_key_id=where.access_key_id,
            aws_secret_access_key=where.secret_access_key,
            config=Config(s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=BUCKET)
        for key, table in {
            "two/part-0001.parquet": ROWS,
            "two/part-0002.parquet": ROWS,
            "two/.hidden.parquet": ROWS,
            "empty/part.parquet": ROWS.slice(0, 0),
            "few/part.parquet": ROWS.select(["id", "name"]),
            "wide/part.parquet": ROWS.set_column(0, "id", pa.array([1, 2, 3], pa.int64())),
            "scale/part.parquet": ROWS.set_column(2, "price", pa.array([Decimal("1.234")] * 3, pa.decimal128(15, 3))),
            "long/part.parquet": ROWS.set_column(1, "name", pa.array(["é" * 6] * 3)),
            "null/part.parquet": ROWS.set_column(0, "id", pa.array([1, None, 3], pa.int32())),
            "longest/part.parquet": LONGEST,
            "big/part.parquet": pa.concat_tables([ROWS.slice(0, 1)] * 200_000).combine_chunks(),
        }.items():
            buffer = io.BytesIO()
            pq.write_table(table, buffer)
            client.put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())
        client.put_object(Bucket=BUCKET, Key="two/_SUCCESS", Body=b"")
        client.put_object(Bucket=BUCKET, Key="text/part.csv", Body=b"a,b\n")
        yield running.settings
        assert "Traceback" not in running.log


def amazon(settings: Settings) -> Any:
    return redshift_connector.connect(database="dev", ssl=False, **address(settings))


def three(settings: Settings) -> Any:
    return connect(settings, autocommit=False)


def two(settings: Settings) -> Any:
    return psycopg2.connect(dbname="dev", **address(settings))


@pytest.fixture(params=[amazon, three, two])
def connection(request: pytest.FixtureRequest, warehouse: Settings) -> Iterator[Any]:
    client: Callable[[Settings], Any] = request.param
    opened = client(warehouse)
    yield opened
    opened.rollback()
    opened.close()


def test_load_and_roll_back(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"create table stage ({COLUMNS})")
    cursor.execute(copy_sql("two/"))
    cursor.execute("insert into stage (id) values (9)")
    cursor.execute("select * from stage order by id")
    rows = [tuple(row) for row in cursor.fetchall()]
    assert rows[:2] == [FIRST, FIRST] and len(rows) == 7
    connection.rollback()
    with pytest.raises(Exception, match='relation "stage" does not exist'):
        cursor.execute("select * from stage")


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("few/", "Unmatched number of columns between table and file. Table columns: 5, Data columns: 2"),
        ("wide/", "Column type: INT, Parquet schema:.*optional int64 id"),
        ("scale/", r"Column type: DECIMAL\(15,2\), Parquet schema:.*price"),
        ("long/", r"value too long for type character varying\(10\)"),
        ("null/", "Cannot insert a NULL value into column id"),
        ("none/", "The specified S3 prefix 'none/' does not exist"),
        ("text/", "is not a Parquet file"),
    ],
)
def test_a_failed_load_fails_the_transaction(connection: Any, prefix: str, words: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"create table stage ({COLUMNS})")
    with pytest.raises(Exception, match=f"(?s){words}"):
        cursor.execute(copy_sql(prefix))
    with pytest.raises(Exception, match="current transaction is aborted"):
        cursor.execute("select 1")
    connection.rollback()
    cursor.execute("select 1")
    assert tuple(cursor.fetchone()) == (1,)


@pytest.mark.parametrize(
    ("prefix", "file", "column", "kind", "number"),
    [
        ("few/", "few/part.parquet", "", "", 15001),
        ("wide/", "wide/part.parquet", "id", "int4", 15001),
        ("long/", "long/part.parquet", "name", "varchar", 15001),
        ("null/", "null/part.parquet", "id", "int4", 1213),
        ("none/", "", "", "", 8001),
    ],
)
def test_a_failed_load_is_in_the_history(
    warehouse: Settings, prefix: str, file: str, column: str, kind: str, number: int
) -> None:
    with three(warehouse) as connection:
        connection.execute(f"create table if not exists failing ({COLUMNS})")
        connection.commit()
        with pytest.raises(psycopg.Error):
            connection.execute(copy_sql(prefix, "failing"))
        connection.rollback()
        (query, status, failed, loaded) = connection.execute(
            "select query_id, status, error_count, loaded_rows from sys_load_history order by query_id desc limit 1"
        ).fetchone()
        assert (status, failed, loaded) == ("aborted", 1, 0)
        error = connection.execute(
            "select trim(filename), trim(colname), trim(type), err_code, tbl = 'failing'::regclass::oid::int, session,"
            " trim(err_reason) from stl_load_errors where query = %s",
            [query],
        ).fetchone()
        path = f"s3://{BUCKET}/{file}" if file else ""
        assert error[:6] == (path, column, kind, number, True, connection.info.backend_pid)
        assert error[6]
        assert connection.execute(
            "select count(*) from sys_load_error_detail where query_id = %s", [query]
        ).fetchone() == (1,)


def test_a_load_is_in_the_history(warehouse: Settings) -> None:
    with three(warehouse) as connection:
        connection.execute(f"create temp table stage ({COLUMNS})")
        connection.execute(copy_sql("two/"))
        assert connection.execute("select pg_last_copy_count()").fetchone() == (6,)
        query, rows, files, source = connection.execute(
            "select query_id, loaded_rows, source_file_count, data_source from sys_load_history"
            " where query_id = pg_last_copy_id() and status = 'completed'"
        ).fetchone()
        assert (rows, files, source) == (6, 2, f"s3://{BUCKET}/two/")
        commits = connection.execute(
            "select trim(filename), lines_scanned, status from stl_load_commits where query = %s order by 1", [query]
        ).fetchall()
        assert commits == [(f"s3://{BUCKET}/two/part-000{number}.parquet", 3, 1) for number in (1, 2)]


def test_loads_in_one_transaction(connection: Any) -> None:
    """Each asks the server inside for its target, by the same statement."""
    cursor = connection.cursor()
    cursor.execute(f"create table stage ({COLUMNS})")
    for _ in range(3):
        cursor.execute(copy_sql("two/"))
    cursor.execute("select count(*) from stage")
    assert tuple(cursor.fetchone()) == (18,)


def test_long_values(warehouse: Settings) -> None:
    with three(warehouse) as connection:
        connection.execute("create temp table longest (id int, text varchar(max))")
        connection.execute(copy_sql("longest/", "longest"))
        found = connection.execute("select count(*), min(len(text)), max(len(text)), sum(id) from longest").fetchone()
    assert found == (2_000, 65_535, 65_535, 2_000 * 1_999 // 2)


def test_no_table_and_no_bucket(connection: Any) -> None:
    cursor = connection.cursor()
    with pytest.raises(Exception, match="Cannot COPY into nonexistent table nowhere"):
        cursor.execute(copy_sql("two/", "nowhere"))
    connection.rollback()
    cursor.execute("create table stage (a int)")
    with pytest.raises(
        Exception, match="S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket"
    ):
        cursor.execute("copy stage from 's3://no-such-bucket-here/x' iam_role default parquet")


def test_an_empty_file_loads_nothing(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"create table stage ({COLUMNS})")
    cursor.execute(copy_sql("empty/"))
    cursor.execute("select count(*) from stage")
    assert tuple(cursor.fetchone()) == (0,)


def test_a_prefix_is_text_and_columns_can_be_listed(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("create table stage (extra int identity(1,1), name varchar(10), id int)")
    cursor.execute(copy_sql("few/pa", "stage (id, name)"))
    cursor.execute("select extra, id, name from stage order by 1")
    assert [tuple(row) for row in cursor.fetchall()] == [(1, 1, "a"), (2, 2, "é"), (3, 3, None)]


def test_many_rows(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"create table stage ({COLUMNS})")
    cursor.execute(copy_sql("big/"))
    cursor.execute("select count(*), sum(price) from stage")
    assert tuple(cursor.fetchone()) == (200_000, Decimal("240000.00"))


def test_what_the_client_is_told(warehouse: Settings) -> None:
    told = "Load into table 'stage' completed, 6 record(s) loaded successfully."
    with three(warehouse) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(f"{notice.severity}: {notice.message_primary}"))
        connection.execute(f"create temp table stage ({COLUMNS})")
        assert connection.execute(copy_sql("two/")).statusmessage == "COPY"
        assert notices == [f"INFO: {told}"]
    other = amazon(warehouse)
    cursor = other.cursor()
    cursor.execute(f"create temp table stage ({COLUMNS})")
    cursor.execute(copy_sql("two/"))
    assert [notice[b"M"].decode() for notice in other.notices] == [told]
    other.close()


def test_several_statements_with_copies_among_them(warehouse: Settings) -> None:
    connection = two(warehouse)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create table mixed ({COLUMNS})")
        cursor.execute(
            f"delete from mixed; {copy_sql('two/', 'mixed')}; {copy_sql('empty/', 'mixed')}; select count(*) from mixed"
        )
        assert cursor.fetchall() == [(6,)]
        with pytest.raises(psycopg2.Error, match="Column type: INT"):
            cursor.execute(f"delete from mixed; {copy_sql('wide/', 'mixed')}")
        cursor.execute("select count(*) from mixed")
        assert cursor.fetchall() == [(6,)]  # what came before the failed COPY is undone with it
        cursor.execute("drop table mixed")
    connection.close()


def test_answers_keep_their_order_in_a_pipeline(warehouse: Settings) -> None:
    with three(warehouse) as connection:
        connection.execute(f"create table piped ({COLUMNS})")
        with connection.pipeline():
            before = connection.execute("select count(*) from piped")
            connection.execute(copy_sql("two/", "piped"))
            after = connection.execute("select count(*) from piped")
        assert (before.fetchone(), after.fetchone()) == ((0,), (6,))
        connection.rollback()


def test_a_lost_client_leaves_nothing(warehouse: Settings) -> None:
    connection = three(warehouse)
    connection.execute(f"create table unfinished ({COLUMNS})")
    pid = connection.info.backend_pid
    connection.pgconn.send_query(copy_sql("big/", "unfinished").encode())
    connection.pgconn.finish()
    with three(warehouse) as other:
        alive = "select count(*) from pg_stat_activity where pid = %s"
        wait_until("the backend to end", lambda: other.execute(alive, [pid]).fetchone() == (0,))
        with pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("select 1 from unfinished")
