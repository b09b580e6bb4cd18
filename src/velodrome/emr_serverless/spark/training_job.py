"""A small job that loads the classes a real one loads; run once, when the class archive is built."""

# PySpark lives in an environment of its own:
# mypy: disable-error-code="import-not-found"

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f


def main(folder: str) -> None:
    """Write and read CSV, Parquet and Delta in `folder`, and reach for S3."""
    spark = SparkSession.builder.getOrCreate()
    rows = spark.range(20).select(
        f.col("id").cast("string").alias("key"),
        (f.col("id") % 3).cast("int").alias("number"),
        f.lit("2016-01-01").alias("day"),
    )
    rows.write.csv(f"{folder}/csv", header=True)
    read = (
        spark.read.csv(f"{folder}/csv", header=True)
        .select("key", f.col("number").cast("decimal(10,2)"), f.to_date("day").alias("day"))
        .dropDuplicates()
    )
    counted = read.join(rows, "key").groupBy(read.day).agg(f.sum(read.number).alias("total"), f.count("*").alias("n"))
    read.write.mode("overwrite").partitionBy("day").parquet(f"{folder}/parquet")
    counted.coalesce(1).write.mode("append").format("delta").save(f"{folder}/delta")
    counted.write.mode("overwrite").format("delta").save(f"{folder}/delta")
    spark.read.format("delta").load(f"{folder}/delta").where("n > 1").collect()
    spark.createDataFrame([("a", 1)], "text string, number int").collect()
    spark.sql("SELECT row_number() OVER (PARTITION BY number ORDER BY key) AS n FROM {rows}", rows=rows).collect()
    try:
        rows.write.csv("s3://nobody/answers")
    except Exception as error:  # whatever it is: by then the client's classes are loaded
        print(type(error).__name__)
    spark.stop()


main(sys.argv[1])
