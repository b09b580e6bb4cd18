"""EMR Serverless's job runs: Spark for real, from S3 to S3, through boto3."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError
from emr_serverless_stack import BUCKET, JOB_LIMIT, ROLE, WAIT, Stack, processes, running_stack

from velodrome.testing import start_service, wait_until

COPY = """
import os, sys
from pyspark.sql import SparkSession, functions as f
import helper

spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv(sys.argv[1], header=True).withColumn("price", f.col("price").cast("decimal(10,2)"))
rows = rows.dropDuplicates()
rows.coalesce(1).write.mode("overwrite").parquet(sys.argv[2] + "/parquet")
for _ in range(2):
    rows.write.mode("overwrite").format("delta").save(sys.argv[2] + "/delta")
versions = spark.sql(f"DESCRIBE HISTORY delta.`{sys.argv[2]}/delta`").count()
print(helper.line(rows.count(), versions, spark.conf.get("spark.sql.shuffle.partitions")))
print("environment", *sorted(os.environ))
print("file", open("extra.txt").read())
print("settings", spark.conf.get("spark.own"), spark.conf.get("spark.application", "none"), spark.sparkContext.appName)
"""
HELPER = "def line(*values):\n    return 'values ' + ' '.join(map(str, values))\n"
THROW = """
def deep():
    raise ValueError("no row of the window has a price")

deep()
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    configuration = {"classification": "spark-defaults", "properties": {"spark.application": "a", "spark.own": "a"}}
    with running_stack(tmp_path_factory.mktemp("emr-spark"), runtimeConfiguration=[configuration]) as made:
        yield made


def test_csv_to_parquet_and_delta(stack: Stack) -> None:
    s3 = stack.s3
    s3.put_object(Bucket=BUCKET, Key="in/rows.csv", Body=b'key,name,price\n1,"a, b",1.50\n2,c,2.25\n2,c,2.25\n')
    s3.put_object(Bucket=BUCKET, Key="script/helper.py", Body=HELPER.encode())
    s3.put_object(Bucket=BUCKET, Key="script/extra.txt", Body=b"from a file")
    job = stack.start(
        COPY,
        f"s3://{BUCKET}/in/",
        f"s3://{BUCKET}/out",
        name="copy",
        tags={"a": "b"},
        sparkSubmitParameters=(
            f"--conf spark.sql.shuffle.partitions=2 --py-files s3://{BUCKET}/script/helper.py "
            f"--files s3://{BUCKET}/script/extra.txt --conf spark.driver.cores=16 --conf spark.driver.memory=100g "
            "--conf spark.jars=/usr/share/aws/delta/lib/delta-spark.jar"
        ),
        configurationOverrides={
            "applicationConfiguration": [{"classification": "spark-defaults", "properties": {"spark.own": "job"}}],
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/emr-log/"}},
        },
    )
    assert stack.wait(job, "RUNNING")["state"] == "RUNNING"
    secret = stack.settings["AWS_LOCAL_SECRET_ACCESS_KEY"]
    for process in processes(job):
        assert secret not in Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8")
    run = stack.wait(job)
    output = stack.log(job, "stdout")
    assert run["state"] == "SUCCESS", f"{run['stateDetails']}\n{output}"
    assert "values 2 2 2\n" in output
    assert "file from a file\n" in output
    assert "settings job none copy\n" in output

    # Nothing of the server's environment but what Spark, Python and the SDK need.
    environment = set(next(line for line in output.splitlines() if line.startswith("environment ")).split()[1:])
    assert not {name for name in environment if name.startswith(("VELODROME", "SOURCE", "REDSHIFT", "AIRFLOW"))}
    assert {"AWS_REGION", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "SPARK_HOME", "JAVA_HOME", "TMPDIR"} <= environment
    assert {"AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_SECRET_ACCESS_KEY"}.isdisjoint(environment)

    parquet = [key for key in keys(s3, "out/parquet/") if key.endswith(".parquet")]
    table = pyarrow.parquet.read_table(io.BytesIO(s3.get_object(Bucket=BUCKET, Key=parquet[0])["Body"].read()))
    assert sorted(map(str, table.column("name").to_pylist())) == ["a, b", "c"]
    assert str(table.schema.field("price").type) == "decimal128(10, 2)"
    assert {"out/delta/_delta_log/00000000000000000000.json", "out/delta/_delta_log/00000000000000000001.json"} <= {
        *keys(s3, "out/delta/_delta_log/")
    }

    place = f"emr-log/applications/{stack.application}/jobs/{job}/SPARK_DRIVER"
    events = f"emr-log/applications/{stack.application}/jobs/{job}/sparklogs/eventlog_v2_{job}"
    assert keys(s3, "emr-log/") == [
        f"{place}/stderr.gz",
        f"{place}/stdout.gz",
        f"{events}/appstatus_{job}",
        f"{events}/events_1_{job}",
    ]
    delivered = gzip.decompress(s3.get_object(Bucket=BUCKET, Key=f"{place}/stdout.gz")["Body"].read())
    assert delivered.decode() == output
    errors = stack.log(job, "stderr")
    assert "spark.driver.memory 100g is scaled down to" in errors
    assert "/usr/share/aws/delta/lib/delta-spark.jar is on the class path already" in errors
    assert secret not in output + errors

    assert (run["name"], run["tags"], run["mode"], run["attempt"]) == ("copy", {"a": "b"}, "BATCH", 1)
    assert run["executionRole"] == ROLE
    assert run["arn"].endswith(f":/applications/{stack.application}/jobruns/{job}")
    assert run["createdAt"] <= run["startedAt"] <= run["endedAt"]
    assert run["totalExecutionDurationSeconds"] >= 1
    assert processes(job) == []
    assert not (stack.settings.home / "data" / "emr-serverless" / "scratch" / job).exists()


def keys(s3: Any, prefix: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def test_a_job_that_throws(stack: Stack) -> None:
    run = stack.wait(job := stack.start(THROW))
    assert (run["state"], run["stateDetails"]) == (
        "FAILED",
        "Job failed, please check complete logs in configured logging destination. ExitCode: 1. "
        "Last few exceptions: ValueError: no row of the window has a price",
    )
    assert 'raise ValueError("no row of the window has a price")' in stack.log(job, "stdout")


def test_a_job_without_its_script(stack: Stack) -> None:
    job = stack.emr.start_job_run(
        applicationId=stack.application,
        executionRoleArn=ROLE,
        jobDriver={"sparkSubmit": {"entryPoint": f"s3://{BUCKET}/nothing.py"}},
    )["jobRunId"]
    run = stack.wait(job)
    assert run["state"] == "FAILED"
    assert f"s3://{BUCKET}/nothing.py cannot be read: " in run["stateDetails"]
    assert f"s3://{BUCKET}/nothing.py cannot be read: " in stack.log(job, "stderr")


def test_logs_that_cannot_be_delivered_do_not_fail_the_job(stack: Stack) -> None:
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://no-such-bucket/log"}}
    run = stack.wait(
        job := stack.start("print('done')", configurationOverrides={"monitoringConfiguration": monitoring})
    )
    assert run["state"] == "SUCCESS"
    assert "s3://no-such-bucket/log" in stack.log(job, "stderr")


def test_cancel(stack: Stack) -> None:
    job = stack.start(WAIT)
    waiting = stack.start(WAIT)
    wait_until("the script to wait", lambda: "waiting" in stack.log(job, "stdout"), JOB_LIMIT)
    assert processes(job)
    with pytest.raises(ClientError) as caught:
        stack.emr.stop_application(applicationId=stack.application)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert f"Application {stack.application} cannot be stopped while job runs are active" in str(caught.value)
    active = stack.emr.list_job_runs(applicationId=stack.application, states=["RUNNING", "SCHEDULED", "SUBMITTED"])
    assert {run["id"] for run in active["jobRuns"]} == {job, waiting}
    for one in (waiting, job):
        reply = stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=one)
        assert (reply["applicationId"], reply["jobRunId"]) == (stack.application, one)
    for one in (waiting, job):
        run = stack.wait(one)
        assert (run["state"], run["stateDetails"]) == ("CANCELLED", "Job run was cancelled")
    wait_until("the job's processes to end", lambda: not processes(job))
    stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job)


def test_a_job_that_ended_cannot_be_cancelled(stack: Stack) -> None:
    job = stack.start("raise SystemExit(3)")
    assert "ExitCode: 3." in stack.wait(job)["stateDetails"]
    with pytest.raises(ClientError, match="Current status: FAILED"):
        stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job)


def test_client_token_and_pages(stack: Stack) -> None:
    begin = datetime.datetime.now(datetime.UTC)
    first = stack.start("print(1)", clientToken="one-token")
    assert stack.start("print(1)", clientToken="one-token") == first
    with pytest.raises(ClientError, match="ConflictException"):
        stack.start("print(2)", clientToken="one-token")
    second = stack.start("print(2)")
    for job in (first, second):
        stack.wait(job)
    pages = stack.emr.get_paginator("list_job_runs").paginate(
        applicationId=stack.application, createdAtAfter=begin, PaginationConfig={"PageSize": 1}
    )
    assert [run["id"] for page in pages for run in page["jobRuns"]] == [second, first]


def test_kill_9_of_the_service(stack: Stack) -> None:
    job = stack.start(WAIT)
    wait_until("the script to wait", lambda: "waiting" in stack.log(job, "stdout"), JOB_LIMIT)
    stack.emr_service.kill()
    assert processes(job)
    stack.emr_service = start_service("emr-serverless", stack.settings)
    run = stack.run(job)
    assert (run["state"], run["stateDetails"]) == (
        "FAILED",
        "EMR Serverless was stopped while the job was running; its processes were ended",
    )
    wait_until("the orphans to end", lambda: not processes(job))
    assert stack.wait(stack.start("print('again')"))["state"] == "SUCCESS"


def test_the_service_ends_its_jobs_with_itself(stack: Stack) -> None:
    job = stack.start(WAIT)
    wait_until("the script to wait", lambda: "waiting" in stack.log(job, "stdout"), JOB_LIMIT)
    stack.emr_service.process.terminate()
    assert stack.emr_service.process.wait(20) in (0, -signal.SIGTERM)
    assert processes(job) == []
    stack.emr_service = start_service("emr-serverless", stack.settings)
    assert stack.run(job)["state"] == "FAILED"


def test_arguments_arrive_as_they_are(stack: Stack) -> None:
    text = json.dumps({"quoted": "it's"})
    job = stack.start("import sys\nprint(sys.argv[1:])", text, "a b", "")
    assert stack.wait(job)["state"] == "SUCCESS"
    assert repr([text, "a b", ""]) in stack.log(job, "stdout")
