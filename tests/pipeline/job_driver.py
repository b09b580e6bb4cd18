"""Runs the job several times in one JVM: `job_driver.py SPARK_JOBS_FOLDER RESULTS JSON`, JSON a list of argument lists.

Spark's own Python runs this. Per run it notes the error, or null, and quarantine's rows if the window has any there.
"""

import json
import sys
from pathlib import Path

jobs, results, runs = sys.argv[1:]
sys.path.insert(0, jobs)

import spark_job  # noqa: E402  found by the line above
from pyspark.sql import SparkSession  # noqa: E402


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def quarantine(processed: str, window: str) -> list[dict[str, str]]:
    path = f"{processed}/quarantine"
    if not Path(path.removeprefix("file://"), f"load_window={window}").is_dir():
        return []
    spark = spark_job.session()
    try:
        return [row.asDict() for row in spark.read.format("delta").load(path).collect()]
    finally:
        spark.stop()


stop = SparkSession.stop
named: list[list[str]] = []


def stop_and_tell(session: SparkSession) -> None:
    """Note by which descriptions Spark's UI knows the jobs of a session, before it ends."""
    jobs = session.sparkContext._jsc.sc().statusStore().jobsList(None)
    found = [jobs.apply(number).description() for number in range(jobs.size())]
    named.append(sorted({one.get() if one.isDefined() else "" for one in found}))
    stop(session)


SparkSession.stop = stop_and_tell
notes = []
for arguments in json.loads(runs):
    sys.argv = ["spark_job.py", *arguments]
    error = None
    try:
        spark_job.main()
    except Exception as raised:
        error = str(raised)
    jobs_named = named.pop() if named else []
    aside = quarantine(option(arguments, "--processed"), option(arguments, "--window"))
    notes.append({"error": error, "quarantine": aside, "jobs": jobs_named})
Path(results).write_text(json.dumps(notes), encoding="utf-8")
