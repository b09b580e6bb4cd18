"""EMR Serverless job: one window's CSV extracts in the raw bucket to staging tables (Parquet) in the processed one.

    spark_job.py --raw s3://… --processed s3://… --window LO-HI --run-id ID --time-zone UTC

Reads   RAW/<table>/<window>/*.csv                         customers, stores, staffs, products, orders
Writes  PROCESSED/staging/<window>/<staging table>/        one Parquet file each, columns and types of the staging table
        PROCESSED/quarantine/                              Delta, only rows that were put aside

A window is one file per table, so each table stays in one partition from end to end: nothing is shuffled, and the
tables are worked on side by side.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

# ---- what the extracts hold ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A column of an extract: the type its text must have, and whether the warehouse can do without it."""

    name: str
    type: str
    required: bool = True


NAME = "varchar(255)"
KEY = "varchar(15)"
AUDIT = (Field("updated_at", "timestamp"), Field("is_active", "varchar(1)"))
ADDRESS = tuple(Field(name, NAME, required=False) for name in ("street", "city", "state", "zip_code"))

EXTRACTS: dict[str, tuple[Field, ...]] = {
    "customers": (
        Field("customer_id", KEY),
        Field("first_name", NAME),
        Field("last_name", NAME),
        Field("phone", NAME, required=False),
        Field("email", NAME, required=False),
        *ADDRESS,
        *AUDIT,
    ),
    "stores": (
        Field("store_id", KEY),
        Field("store_name", NAME),
        Field("phone", NAME, required=False),
        Field("email", NAME, required=False),
        *ADDRESS,
        *AUDIT,
    ),
    "staffs": (
        Field("staff_id", KEY),
        Field("first_name", NAME),
        Field("last_name", NAME),
        Field("email", NAME, required=False),
        Field("phone", NAME, required=False),
        Field("store_id", KEY, required=False),
        Field("manager_id", KEY, required=False),
        *AUDIT,
    ),
    "products": (
        Field("product_id", KEY),
        Field("product_name", NAME),
        Field("brand_name", NAME),
        Field("category_name", NAME),
        Field("model_year", "int", required=False),
        Field("list_price", "decimal(10,2)"),
        *AUDIT,
    ),
    "orders": (
        Field("order_id", KEY),
        Field("item_id", "int", required=False),
        Field("customer_id", KEY),
        Field("order_status", "int"),
        Field("order_date", "date"),
        Field("required_date", "date", required=False),
        Field("shipped_date", "date", required=False),
        Field("store_id", KEY),
        Field("staff_id", KEY),
        Field("product_id", KEY, required=False),
        Field("quantity", "int", required=False),
        Field("list_price", "decimal(10,2)", required=False),
        Field("discount", "decimal(4,2)", required=False),
        *AUDIT,
    ),
}

# An order without items is one row without any of these; a row with some of them must have all.
LINE = ("item_id", "product_id", "quantity", "list_price", "discount")

MONEY = "decimal(15,2)"
REJECTED = 2


# ---- reading and checking -----------------------------------------------------------------------------------------


def read_extract(spark: SparkSession, path: str, fields: tuple[Field, ...]) -> DataFrame:
    """The file as text, every column nullable: what cannot be read as its type must still be seen to be put aside.

    PostgreSQL writes null as nothing and an empty text as "" (COPY, "CSV Format"). Spark takes both as null unless its
    null mark is something that no file holds.
    """
    return spark.read.csv(
        path,
        schema=", ".join(f"`{field.name}` string" for field in fields),
        header=True,
        enforceSchema=False,
        multiLine=True,
        quote='"',
        escape='"',
        nullValue="\u0000",
        mode="FAILFAST",
    )


def without_duplicates(rows: DataFrame) -> DataFrame:
    """Each different row once, with the number of times it was there."""
    return rows.coalesce(1).groupBy(*rows.columns).agg(F.count(F.lit(1)).alias("copies"))


def typed(field: Field) -> Column:
    """A field's value in its type; null where the text is none of that type."""
    if field.type.startswith("varchar"):
        return F.col(field.name)
    return F.col(field.name).try_cast(field.type).alias(field.name)


def faults_of(field: Field) -> Iterator[Column]:
    """What can be wrong with one field: each a text, or null when all is well."""
    text = F.col(field.name)
    if field.required:
        yield F.when(text.isNull(), F.lit(f"{field.name} is missing"))
    if field.type.startswith("varchar"):
        # Redshift counts a VARCHAR's length in bytes
        limit = int(field.type.removeprefix("varchar(").removesuffix(")"))
        yield F.when(F.octet_length(text) > limit, F.lit(f"{field.name} is longer than {limit} bytes"))
    else:
        unreadable = text.isNotNull() & text.try_cast(field.type).isNull()
        yield F.when(unreadable, F.concat(F.lit(f"{field.name} is no {field.type}: "), text))


def line_faults() -> Iterator[Column]:
    """An order line with a hole in it."""
    some = functools.reduce(lambda left, right: left | right, (F.col(name).isNotNull() for name in LINE))
    for name in LINE:
        yield F.when(some & F.col(name).isNull(), F.lit(f"{name} is missing"))


def with_reason(rows: DataFrame, table: str) -> DataFrame:
    """The rows, each with the reason to put it aside (null for a good one)."""
    faults = [fault for field in EXTRACTS[table] for fault in faults_of(field)]
    if table == "orders":
        faults += line_faults()
    reason = F.concat_ws("; ", *faults)
    return rows.withColumn("reason", F.when(reason != "", reason))


def good(checked: DataFrame, table: str) -> DataFrame:
    """The rows to go on with, in their types."""
    return checked.where("reason IS NULL").select(*[typed(field) for field in EXTRACTS[table]])


def put_aside(checked: DataFrame, table: str, window: str, run_id: str) -> DataFrame:
    """The other rows as they came, with the reason."""
    row = F.to_json(F.struct(*[field.name for field in EXTRACTS[table]]), {"ignoreNullFields": "false"})
    return checked.where("reason IS NOT NULL").select(
        F.lit(table).alias("source_table"),
        row.alias("row"),
        "reason",
        F.lit(run_id).alias("run_id"),
        F.lit(window).alias("load_window"),
    )


# ---- staging tables -----------------------------------------------------------------------------------------------


def business_date(time_zone: str) -> Column:
    """The date of updated_at in the business time zone (the session's is UTC)."""
    return F.from_utc_timestamp("updated_at", time_zone).cast("date")


def date_key(date: Column) -> Column:
    return F.date_format(date, "yyyyMMdd")


def stg_customers(customers: DataFrame, time_zone: str) -> DataFrame:
    return customers.select(
        "customer_id",
        "first_name",
        "last_name",
        "phone",
        "email",
        "street",
        "city",
        "state",
        "zip_code",
        business_date(time_zone).alias("eff_date"),
        "updated_at",
        "is_active",
    )


def stg_products(products: DataFrame, time_zone: str) -> DataFrame:
    return products.select(
        "product_id",
        F.replace("product_name", F.lit('"'), F.lit("")).alias("product_name"),
        "brand_name",
        "category_name",
        "model_year",
        "list_price",
        business_date(time_zone).alias("eff_date"),
        "updated_at",
        "is_active",
    )


def stg_staffs(staffs: DataFrame, time_zone: str) -> DataFrame:
    return staffs.select(
        "staff_id",
        "first_name",
        "last_name",
        "email",
        "phone",
        "store_id",
        "manager_id",
        business_date(time_zone).alias("eff_date"),
        "updated_at",
        "is_active",
    )


def stg_stores(stores: DataFrame, time_zone: str) -> DataFrame:
    return stores.select(
        "store_id",
        "store_name",
        "phone",
        "email",
        "street",
        "city",
        "state",
        "zip_code",
        business_date(time_zone).alias("eff_date"),
        "updated_at",
        "is_active",
    )


def stg_sales(orders: DataFrame, time_zone: str) -> DataFrame:
    rejected_date = F.when(F.col("order_status") == REJECTED, business_date(time_zone))
    measured = orders.withColumn("total_price", (F.col("list_price") * F.col("quantity")).cast(MONEY))
    measured = measured.withColumn("discount_amount", (F.col("total_price") * F.col("discount")).cast(MONEY))
    return measured.select(
        "order_id",
        "item_id",
        "customer_id",
        "store_id",
        "staff_id",
        "product_id",
        date_key(F.col("order_date")).alias("order_date"),
        date_key(F.col("required_date")).alias("required_date"),
        date_key(F.col("shipped_date")).alias("shipped_date"),
        date_key(rejected_date).alias("rejected_date"),
        F.col("order_status").alias("order_status_id"),
        "quantity",
        (F.col("discount") * 100).cast(MONEY).alias("discount_percent"),
        "discount_amount",
        "total_price",
        (F.col("total_price") - F.col("discount_amount")).cast(MONEY).alias("total_price_with_discount"),
        "updated_at",
        "is_active",
    )


def stg_date(tables: dict[str, DataFrame], time_zone: str) -> DataFrame:
    """Every date that occurs: ordered, required, shipped, or changed in any table."""
    changed = business_date(time_zone)
    occurring = [
        rows.select(F.explode(F.array("order_date", "required_date", "shipped_date", changed)).alias("date"))
        if table == "orders"
        else rows.select(changed.alias("date"))
        for table, rows in tables.items()
    ]
    dates = functools.reduce(DataFrame.unionAll, occurring).where("date IS NOT NULL")
    date = F.col("date")
    return (
        dates.coalesce(1)
        .distinct()
        .select(
            date_key(date).alias("date_key"),
            "date",
            F.year(date).alias("year"),
            F.month(date).alias("month"),
            F.dayofmonth(date).alias("day"),
            F.quarter(date).alias("quarter"),
            F.date_format(date, "EEEE").alias("day_of_week"),
            F.date_format(date, "MMMM").alias("month_name"),
            F.weekofyear(date).alias("week_of_year"),
        )
    )


# ---- writing ------------------------------------------------------------------------------------------------------


def write_staging(table: DataFrame, path: str) -> None:
    """One Parquet file; without Spark's _SUCCESS mark, since COPY reads whatever lies under the prefix."""
    table.coalesce(1).write.mode("overwrite").option(
        "mapreduce.fileoutputcommitter.marksuccessfuljobs", "false"
    ).parquet(path)


def path_exists(spark: SparkSession, path: str) -> bool:
    file = spark.sparkContext._jvm.org.apache.hadoop.fs.Path(path)
    return bool(file.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).exists(file))


def write_quarantine(spark: SparkSession, rows: DataFrame | None, path: str, window: str) -> None:
    """The window's rows instead of those that an earlier attempt at the same window put aside."""
    if rows is None and not path_exists(spark, f"{path}/load_window={window}"):
        return
    if rows is None:
        rows = spark.read.format("delta").load(path).limit(0)
    writer = rows.coalesce(1).write.format("delta").partitionBy("load_window").mode("overwrite")
    writer.option("replaceWhere", f"load_window = '{window}'").save(path)


# ---- the job ------------------------------------------------------------------------------------------------------


STAGING = {
    "customers": stg_customers,
    "stores": stg_stores,
    "staffs": stg_staffs,
    "products": stg_products,
    "orders": stg_sales,
}


def counted(checked: DataFrame, observation: Observation) -> DataFrame:
    """The same rows, counted on their way to where they are written."""
    return checked.observe(
        observation,
        F.sum("copies").alias("read"),
        F.count(F.lit(1)).alias("different"),
        F.count("reason").alias("quarantined"),
    )


def story(table: str, counts: dict[str, int | None]) -> str:
    read, different, quarantined = (counts[name] or 0 for name in ("read", "different", "quarantined"))
    return (
        f"{table}: {read} rows in, {read - different} duplicates dropped, "
        f"{quarantined} quarantined, {different - quarantined} out"
    )


def label(spark: SparkSession, table: str, what: str) -> None:
    """What Spark's UI calls the jobs that this thread starts from now on, in place of a line of Spark's own code."""
    spark.sparkContext.setJobGroup(table, f"{table}: {what}")


def run(spark: SparkSession, raw: str, processed: str, window: str, run_id: str, time_zone: str) -> None:
    staging = f"{processed}/staging/{window}"
    checked: dict[str, DataFrame] = {}

    def stage(table: str) -> dict[str, int | None]:
        transform = STAGING[table]
        label(spark, table, f"extract to {transform.__name__}")
        rows = read_extract(spark, f"{raw}/{table}/{window}/", EXTRACTS[table])
        checked[table] = with_reason(without_duplicates(rows), table).persist(StorageLevel.MEMORY_AND_DISK)
        observation = Observation(table)
        staged = transform(good(counted(checked[table], observation), table), time_zone)
        write_staging(staged, f"{staging}/{transform.__name__}/")
        return observation.get

    # Spark runs the jobs of several threads side by side; `map` raises what any of them raised.
    with ThreadPoolExecutor() as pool:
        counts = dict(zip(STAGING, pool.map(stage, STAGING), strict=True))
    for table in STAGING:
        print(story(table, counts[table]), flush=True)

    label(spark, "dates", "all tables to stg_date")
    write_staging(stg_date({t: good(rows, t) for t, rows in checked.items()}, time_zone), f"{staging}/stg_date/")
    label(spark, "quarantine", "rows put aside")
    aside = [put_aside(checked[table], table, window, run_id) for table in STAGING if counts[table]["quarantined"]]
    quarantine = functools.reduce(DataFrame.unionAll, aside) if aside else None
    write_quarantine(spark, quarantine, f"{processed}/quarantine", window)
    if aside:
        total = sum(counts[table]["quarantined"] or 0 for table in STAGING)
        print(f"put {total} rows aside in {processed}/quarantine", flush=True)


def session() -> SparkSession:
    """Settings that the results depend on. Memory, cores and jars are the submitter's."""
    return (
        SparkSession.builder.appName("bike-store-transform")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .getOrCreate()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", required=True, help="where the extracts lie, e.g. s3://bucket")
    parser.add_argument("--processed", required=True, help="where the staging tables go, e.g. s3://bucket")
    parser.add_argument("--window", required=True, help="the window's folder, LO-HI")
    parser.add_argument("--run-id", required=True, help="who put a row aside: the DAG run")
    parser.add_argument("--time-zone", default="UTC", help="the business time zone, e.g. America/New_York")
    options = parser.parse_args()
    spark = session()
    try:
        run(
            spark,
            options.raw.rstrip("/"),
            options.processed.rstrip("/"),
            options.window,
            options.run_id,
            options.time_zone,
        )
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
