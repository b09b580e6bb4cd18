"""Uses a session of EMR Serverless as a user's program would: `spark_connect_client.py URL CASE [ARGUMENT…]`.

Runs in an environment with the stock client alone (pyspark-client); prints what came of it as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as f


def queries(spark: SparkSession) -> dict[str, Any]:
    """What goes to the server and comes back: SQL, rows of the client's own, its Python, its pandas."""

    @f.udf("string")
    def environment(_: int) -> str:
        return " ".join(sorted(os.environ))

    @f.udf("long")
    def twice(value: int) -> int:
        return 2 * value

    made = spark.createDataFrame([(1, "a"), (2, None)], ["key", "text"])
    return {
        "version": spark.version,
        "name": spark.conf.get("spark.app.name"),
        "own": spark.conf.get("spark.own", "none"),
        "sql": [row.asDict() for row in spark.sql("SELECT 1 AS one, 'é' AS text").collect()],
        "made": [row.asDict() for row in made.orderBy("key").collect()],
        "udf": [row[0] for row in spark.range(3).select(twice("id")).collect()],
        "pandas": int(spark.range(1000).toPandas()["id"].sum()),
        "environment": spark.range(1).select(environment("id")).collect()[0][0].split(),
    }


def large(spark: SparkSession) -> dict[str, Any]:
    """More than gRPC's own limit of 4 MiB a message, both ways."""
    text = "x" * (6 * 2**20)
    rows = spark.createDataFrame([(text,)], ["text"])
    return {"sent": rows.select(f.length("text")).collect()[0][0], "received": len(rows.collect()[0][0])}


def tables(spark: SparkSession, source: str, target: str) -> dict[str, Any]:
    """CSV from S3 to Parquet and Delta on S3, and back."""
    rows = spark.read.csv(source, header=True)
    rows.write.mode("overwrite").parquet(f"{target}/parquet")
    for _ in range(2):
        rows.write.mode("overwrite").format("delta").save(f"{target}/delta")
    return {
        "parquet": spark.read.parquet(f"{target}/parquet").count(),
        "delta": sorted(row["name"] for row in spark.read.format("delta").load(f"{target}/delta").collect()),
        "versions": spark.sql(f"DESCRIBE HISTORY delta.`{target}/delta`").count(),
    }


def errors(spark: SparkSession) -> dict[str, Any]:
    """What the client is told of a query that cannot be analysed, and of a function that throws."""

    @f.udf("long")
    def divide(value: int) -> int:
        return 1 // value

    found: dict[str, Any] = {}
    try:
        spark.sql("SELECT * FROM nothing").collect()
    except PySparkException as error:
        found |= {"class": error.getCondition(), "state": error.getSqlState(), "message": str(error)}
    try:
        spark.sql(f"SELECT * FROM {'n' * 20000}").collect()
    except PySparkException as error:
        found["long"] = str(error).count("n")
    try:
        spark.range(1).select(divide("id")).collect()
    except PySparkException as error:
        found["thrown"] = str(error)
    return found


def wait(spark: SparkSession, started: str, go_on: str) -> dict[str, Any]:
    """A query that runs until somebody else opens a named pipe (the server is on this machine)."""

    @f.udf("boolean")
    def there(_: int) -> bool:
        Path(started).touch()
        Path(go_on).open().close()
        return True

    return {"there": spark.range(1).select(there("id")).collect()[0][0]}


def main(url: str, case: str, *arguments: str) -> None:
    """One client, one case."""
    try:
        spark = SparkSession.builder.remote(url).getOrCreate()
        result = globals()[case](spark, *arguments)
        spark.stop()
    except Exception as error:  # what a user would be shown
        result = {"error": str(error)}
    print("RESULT", json.dumps(result))


main(*sys.argv[1:])
