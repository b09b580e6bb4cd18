"""The Spark job on real Spark, from PostgreSQL's CSV to Parquet files that COPY can load."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import loader
import oracle
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import exp

from velodrome.emr_serverless.spark.jvm import SparkInstall
from velodrome.runtime import install
from velodrome.settings import load, user_environ

ROOT = Path(__file__).parents[2]
TIME_ZONE = "America/New_York"
WINDOW = "00000000000000000000-00000000000000000010"
EMPTY = "00000000000000000010-00000000000000000020"
BROKEN = "00000000000000000020-00000000000000000030"

COLUMNS = {
    "customers": "customer_id first_name last_name phone email street city state zip_code updated_at is_active",
    "stores": "store_id store_name phone email street city state zip_code updated_at is_active",
    "staffs": "staff_id first_name last_name email phone store_id manager_id updated_at is_active",
    "products": "product_id product_name brand_name category_name model_year list_price updated_at is_active",
    "orders": (
        "order_id item_id customer_id order_status order_date required_date shipped_date store_id staff_id product_id"
        " quantity list_price discount updated_at is_active"
    ),
}

# ---- a window with everything that can be in a file ---------------------------------------------------------------

# the same evening in New York, in the forms that PostgreSQL gives a timestamptz
EVENING = datetime(2024, 1, 2, 3, 30, tzinfo=UTC)
FORMS = (
    "2024-01-02 03:30:00+00",
    "2024-01-02T03:30:00.000000Z",
    "2024-01-01 22:30:00-05",
    "2024-01-02 03:30:00.0+00:00",
)
AUDIT: oracle.Row = {"updated_at": EVENING, "is_active": "Y"}


def customer(key: str, **other: Any) -> oracle.Row:
    plain = {"first_name": "Ada", "last_name": "King", "phone": None, "email": "a@b.shop"}
    address = {"street": "1 Elm ", "city": "Bay", "state": "NY", "zip_code": "00501"}
    return {"customer_id": key, **plain, **address, **AUDIT, **other}


def order(key: str, item: int | None, **other: Any) -> oracle.Row:
    head = {
        "order_id": key,
        "item_id": item,
        "customer_id": "1",
        "order_status": 3,
        "order_date": date(2024, 1, 1),
        "required_date": date(2024, 2, 29),
        "shipped_date": date(2023, 12, 31),
        "store_id": "1",
        "staff_id": "1",
    }
    line = {"product_id": "1", "quantity": 2, "list_price": Decimal("599.99"), "discount": Decimal("0.07")}
    return {**head, **(line if item else dict.fromkeys(line)), **AUDIT, **other}


GOOD: dict[str, list[oracle.Row]] = {
    "customers": [
        customer("1"),
        customer("2", first_name='Said "hi", then\nleft\r\nat once', street="back\\slash\\", city="Zürich 山"),
        customer("3", email="", street=None, city=None, state=None, zip_code=None),
        customer("4", is_active="N"),
        customer("5", first_name="NULL", last_name=" "),
        customer("6", first_name="#no comment", last_name="'"),
    ],
    "stores": [
        {"store_id": "1", "store_name": "Shop", "phone": None, "email": None, "street": None, "city": None}
        | {"state": None, "zip_code": None, **AUDIT}
    ],
    "staffs": [
        {"staff_id": "1", "first_name": "M", "last_name": "O", "email": None, "phone": None, "store_id": "1"}
        | {"manager_id": None, **AUDIT}
    ],
    "products": [
        {"product_id": "1", "product_name": 'Girl\'s "Hawaii" 16" - 2017', "brand_name": "Electra"}
        | {"category_name": "Children", "model_year": 2017, "list_price": Decimal("12345678.99"), **AUDIT}
    ],
    "orders": [
        order("1", 1),
        order("1", 2, quantity=1, discount=Decimal("0.05"), list_price=Decimal("0.10")),
        order("2", None),
        order("3", 1, order_status=2, shipped_date=None),
        order("4", 1, order_status=1, shipped_date=None, required_date=None, is_active="N"),
        order("5", 1, discount=Decimal(0), list_price=Decimal("99999999.99"), quantity=999),
    ],
}

BAD = {
    "customers": [
        (customer("", customer_id=None), "customer_id is missing"),
        (customer("7", updated_at="yesterday"), "updated_at is no timestamp: yesterday"),
        (customer("8", city="é" * 128), "city is longer than 255 bytes"),
        (customer("9", last_name=None, is_active=None), "last_name is missing; is_active is missing"),
    ],
    "orders": [
        (order("6", 1, quantity=None), "quantity is missing"),
        (
            order("6", None, product_id="1"),
            "item_id is missing; quantity is missing; list_price is missing; discount is missing",
        ),
        (order("6", 2, shipped_date="2024-02-30"), "shipped_date is no date: 2024-02-30"),
        (order("6", 3, list_price="12,50"), "list_price is no decimal(10,2): 12,50"),
    ],
}


def field(value: Any) -> str:
    """As PostgreSQL writes it: null is nothing, an empty text is quoted."""
    if value is None:
        return ""
    text = str(value)
    quoted = text in ("", "\\.") or any(mark in text for mark in ',"\r\n') or text != text.strip()
    return '"' + text.replace('"', '""') + '"' if quoted else text


def write_extracts(raw: Path, window: str, tables: Mapping[str, Sequence[oracle.Row]]) -> None:
    for table, names in COLUMNS.items():
        lines = [names.replace(" ", ",")]
        for row in tables.get(table, ()):
            form = FORMS[zlib.crc32(repr(row).encode()) % len(FORMS)]
            shown = {**row, "updated_at": form if row["updated_at"] == EVENING else row["updated_at"]}
            lines.append(",".join(field(shown[name]) for name in names.split()))
        folder = raw / table / window
        folder.mkdir(parents=True)
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")


# ---- runs ---------------------------------------------------------------------------------------------------------


def spark() -> SparkInstall:
    settings = load(user_environ(), ROOT)
    install.ensure("spark", settings, print)
    return SparkInstall(settings.installs / "spark", settings.installs / "jars")


def run_jobs(folder: Path, runs: list[list[str]]) -> tuple[list[dict[str, Any]], str]:
    """Every run's error and quarantine, and what all of them printed."""
    there = spark()
    results = folder / "results.json"
    # Python puts a script's own folder before everything else; the tests' modules are not for the job to find.
    driver = shutil.copy(Path(__file__).with_name("job_driver.py"), folder)
    conf = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
    }
    done = subprocess.run(
        [
            *there.java_options(),
            *there.archive_options(),
            "org.apache.spark.deploy.SparkSubmit",
            *("--master", "local[2]"),
            *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
            str(driver),
            str(ROOT / "spark" / "jobs"),
            str(results),
            json.dumps(runs),
        ],
        env={
            "PATH": f"{there.venv / 'bin'}:/usr/bin:/bin",
            "JAVA_HOME": str(there.java_home),
            "SPARK_HOME": str(there.home),
            "PYSPARK_PYTHON": str(there.python),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SPARK_LOCAL_IP": "127.0.0.1",
            # neither the machine's zone nor its language may show in a result
            "TZ": "Asia/Tokyo",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return json.loads(results.read_text(encoding="utf-8")), done.stdout


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """One window three times, with ever fewer bad rows, then one without rows, then a file with a foreign column."""
    folder = tmp_path_factory.mktemp("job")
    processed = folder / "processed"
    bad = {table: [row for row, _ in rows] for table, rows in BAD.items()}
    duplicates = {table: [rows[0], rows[-1]] for table, rows in GOOD.items()}
    everything = {t: [*rows, *bad.get(t, ()), *duplicates[t], *bad.get(t, ())] for t, rows in GOOD.items()}
    fewer = {table: [*rows, *bad.get(table, ())[:1]] for table, rows in GOOD.items()}
    runs = []
    for name, window, tables in (
        ("first", WINDOW, everything),
        ("second", WINDOW, fewer),
        ("third", WINDOW, GOOD),
        ("empty", EMPTY, {}),
        ("broken", BROKEN, GOOD),
    ):
        write_extracts(folder / name, window, tables)
        places = ["--raw", f"file://{folder / name}/", "--processed", f"file://{processed}"]
        runs.append([*places, "--window", window, "--run-id", f"run {name}", "--time-zone", TIME_ZONE])
    stores = folder / "broken" / "stores" / BROKEN / "stores.csv"
    stores.write_text(stores.read_text(encoding="utf-8").replace("zip_code", "postcode"), encoding="utf-8")
    results, log = run_jobs(folder, runs)
    names = ("first", "second", "third", "empty", "broken")
    yield SimpleNamespace(log=log, processed=processed, **dict(zip(names, results, strict=True)))


def parquet(job: SimpleNamespace, table: str, window: str = WINDOW) -> pa.Table:
    """The table's one file; COPY reads whatever else lies there, so nothing else may."""
    files = [file for file in (job.processed / "staging" / window / table).iterdir() if file.suffix != ".crc"]
    assert [file.suffix for file in files] == [".parquet"]
    return pq.read_table(files[0])


# ---- what it wrote ------------------------------------------------------------------------------------------------


def comparable(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = []
    for row in rows:
        values = {
            name: value.astimezone(UTC).replace(tzinfo=None)
            if isinstance(value, datetime) and value.tzinfo
            else value.normalize()
            if isinstance(value, Decimal)
            else value
            for name, value in row.items()
        }
        shown.append(repr(sorted(values.items())))
    return sorted(shown)


@pytest.mark.parametrize("table", loader.STAGING_TABLES)
def test_staging_tables_hold_what_the_rules_say(job: SimpleNamespace, table: str) -> None:
    want = loader.staged(GOOD, TIME_ZONE)[table]
    have = parquet(job, table).to_pylist()
    names = set(want[0])
    assert comparable([{name: row[name] for name in names} for row in have]) == comparable(want)


ARROW = {
    "INTEGER": pa.int32(),
    "DATE": pa.date32(),
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


def staging_columns(table: str) -> list[tuple[str, pa.DataType]]:
    """Names and types of the table in the warehouse's own DDL."""
    [file] = (loader.WAREHOUSE / "schema").glob(f"*_{table}.sql")
    create = sqlglot.parse(file.read_text(encoding="utf-8"), read="redshift")[0]
    columns = []
    for column in create.find_all(exp.ColumnDef):
        kind = column.kind.sql("redshift")
        if kind.startswith("DECIMAL"):
            precision, scale = (int(part.name) for part in column.kind.expressions)
            columns.append((column.name, pa.decimal128(precision, scale)))
        else:
            columns.append((column.name, ARROW[kind.split("(")[0]]))
    return columns


@pytest.mark.parametrize("window", [WINDOW, EMPTY])
@pytest.mark.parametrize("table", loader.STAGING_TABLES)
def test_files_have_the_columns_of_the_staging_tables(job: SimpleNamespace, table: str, window: str) -> None:
    schema = parquet(job, table, window).schema
    assert list(zip(schema.names, schema.types, strict=True)) == staging_columns(table)


def test_empty_window_gives_empty_files(job: SimpleNamespace) -> None:
    assert job.empty["error"] is None
    assert {table: parquet(job, table, EMPTY).num_rows for table in loader.STAGING_TABLES} == dict.fromkeys(
        loader.STAGING_TABLES, 0
    )


def test_bad_rows_are_put_aside_with_their_reasons(job: SimpleNamespace) -> None:
    aside = [(row["source_table"], row["reason"]) for row in job.first["quarantine"]]
    assert sorted(aside) == sorted((table, reason) for table, rows in BAD.items() for _, reason in rows)
    assert {(row["run_id"], row["load_window"]) for row in job.first["quarantine"]} == {("run first", WINDOW)}
    [wrong_price] = [row for row in job.first["quarantine"] if "12,50" in row["reason"]]
    row = json.loads(wrong_price["row"])
    assert list(row) == COLUMNS["orders"].split()
    assert (row["order_id"], row["list_price"], row["shipped_date"]) == ("6", "12,50", "2023-12-31")


def test_the_same_window_again_replaces_what_it_put_aside(job: SimpleNamespace) -> None:
    again = [(row["source_table"], row["reason"], row["run_id"]) for row in job.second["quarantine"]]
    assert sorted(again) == [
        ("customers", "customer_id is missing", "run second"),
        ("orders", "quantity is missing", "run second"),
    ]
    assert job.third["quarantine"] == []


def test_log_tells_the_story(job: SimpleNamespace) -> None:
    assert "customers: 16 rows in, 6 duplicates dropped, 4 quarantined, 6 out" in job.log
    assert "orders: 16 rows in, 6 duplicates dropped, 4 quarantined, 6 out" in job.log
    assert "put 8 rows aside" in job.log


def test_jobs_have_names_of_tables(job: SimpleNamespace) -> None:
    """What Spark's UI calls them, which is a line of Spark's own code unless it is told."""
    assert {
        "customers: extract to stg_customers",
        "products: extract to stg_products",
        "staffs: extract to stg_staffs",
        "stores: extract to stg_stores",
        "orders: extract to stg_sales",
        "dates: all tables to stg_date",
    } <= set(job.first["jobs"])


def test_file_with_another_column_is_refused(job: SimpleNamespace) -> None:
    assert "postcode" in job.broken["error"]
    assert not (job.processed / "staging" / BROKEN / "stg_stores").exists()
