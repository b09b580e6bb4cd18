"""EMR Serverless's job runs in the long run: attempts, timeouts, queues, capacity, roles, logs on the way, kill -9."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from emr_serverless_stack import BUCKET, ENDED, JOB_LIMIT, WAIT, Stack, processes, running_stack

from velodrome.awsapi import profile as profiles
from velodrome.cli_job_log import job_log
from velodrome.emr_serverless.spark.machine import Machine
from velodrome.settings import SettingError
from velodrome.testing import start_service, wait_until

# A driver and an executor of the smallest size.
SMALL = " ".join(
    f"--conf {setting}"
    for setting in (
        "spark.driver.cores=1",
        "spark.driver.memory=1g",
        "spark.executor.cores=1",
        "spark.executor.memory=1g",
        "spark.executor.instances=1",
        "spark.dynamicAllocation.enabled=false",
    )
)
# Fails until it has been run before: the object is its memory.
SECOND_TIME = """
import os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
path = spark._jvm.org.apache.hadoop.fs.Path(sys.argv[1])
files = path.getFileSystem(spark._jsc.hadoopConfiguration())
if not files.exists(path):
    files.create(path).close()
    raise RuntimeError("the first time")
print("the second time")
"""
CREDENTIALS = """
import json, os, urllib.request
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
request.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
print("credentials", json.dumps(json.load(urllib.request.urlopen(request))))
request.add_header("Authorization", "another's")
try:
    urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    print("refused", error.code, error.read().decode())
"""
# A minute of a timeout, in seconds.
MINUTE = 0.5


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    changes = {"EMR_SERVERLESS_MINUTE": str(MINUTE), "EMR_SERVERLESS_LOG_INTERVAL": "0.2"}
    # An idle minute must not pass between two tests.
    stop = {"enabled": False}
    with running_stack(tmp_path_factory.mktemp("emr-runs"), changes, autoStopConfiguration=stop) as made:
        yield made


def monitored(prefix: str = "log") -> dict[str, Any]:
    return {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/{prefix}/"}}}


def on(stack: Stack, application: str) -> Stack:
    return Stack(stack.settings, stack.emr_service, stack.s3, stack.emr, application)


def delivered(stack: Stack, job: str, prefix: str = "log", place: str = "SPARK_DRIVER/stdout.gz") -> str:
    key = f"{prefix}/applications/{stack.application}/jobs/{job}/{place}"
    try:
        return gzip.decompress(stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()).decode()
    except stack.s3.exceptions.NoSuchKey:
        return ""


def states(stack: Stack, *jobs: str) -> list[str]:
    return [stack.run(job)["state"] for job in jobs]


def test_the_second_attempt_succeeds(stack: Stack) -> None:
    job = stack.start(
        SECOND_TIME,
        f"s3://{BUCKET}/mark",
        name="twice",
        retryPolicy={"maxAttempts": 3},
        configurationOverrides=monitored(),
    )
    run = stack.wait(job)
    assert (run["state"], run["attempt"], run["retryPolicy"]) == ("SUCCESS", 2, {"maxAttempts": 3}), run
    pages = stack.emr.get_paginator("list_job_run_attempts").paginate(
        applicationId=stack.application, jobRunId=job, PaginationConfig={"PageSize": 1}
    )
    attempts = [attempt for page in pages for attempt in page["jobRunAttempts"]]
    assert [(one["attempt"], one["state"], one["id"], one["name"]) for one in attempts] == [
        (2, "SUCCESS", job, "twice"),
        (1, "FAILED", job, "twice"),
    ]
    assert "RuntimeError: the first time" in attempts[1]["stateDetails"]
    assert attempts[0]["createdAt"] > attempts[1]["createdAt"] >= attempts[1]["jobCreatedAt"] == run["createdAt"]
    first = stack.emr.get_job_run(applicationId=stack.application, jobRunId=job, attempt=1)["jobRun"]
    assert (first["state"], first["attempt"]) == ("FAILED", 1)
    assert first["totalExecutionDurationSeconds"] < run["totalExecutionDurationSeconds"]
    assert "the first time" in delivered(stack, job, place="attempts/1/SPARK_DRIVER/stdout.gz")
    assert delivered(stack, job, place="attempts/2/SPARK_DRIVER/stdout.gz") == "the second time\n"
    with pytest.raises(ClientError, match=f"Attempt 3 of job run {job} does not exist"):
        stack.emr.get_job_run(applicationId=stack.application, jobRunId=job, attempt=3)


def test_the_last_attempt_fails(stack: Stack) -> None:
    job = stack.start("raise SystemExit(7)", retryPolicy={"maxAttempts": 2})
    run = stack.wait(job)
    assert (run["state"], run["attempt"]) == ("FAILED", 2)
    assert run["stateDetails"].endswith("ExitCode: 7.")


def test_a_streaming_job_is_tried_again_until_it_fails_too_often(stack: Stack) -> None:
    job = stack.start("raise SystemExit(7)", mode="STREAMING", retryPolicy={"maxFailedAttemptsPerHour": 3})
    run = stack.wait(job)
    assert (run["state"], run["attempt"], run["mode"]) == ("FAILED", 3, "STREAMING")
    assert run["executionTimeoutMinutes"] == 0
    listed = stack.emr.list_job_runs(applicationId=stack.application, mode="STREAMING")["jobRuns"]
    assert [one["id"] for one in listed] == [job]


def test_a_timeout_ends_a_job(stack: Stack) -> None:
    minutes = 8
    job = stack.start(WAIT, executionTimeoutMinutes=minutes)
    run = stack.wait(job)
    assert (run["state"], run["stateDetails"], run["executionTimeoutMinutes"]) == (
        "CANCELLED",
        "Job run exceeded its execution timeout of 8 minutes",
        minutes,
    )
    assert (run["endedAt"] - run["startedAt"]).total_seconds() >= minutes * MINUTE
    wait_until("its processes to end", lambda: not processes(job))


def test_a_job_that_will_not_end_is_killed_after_the_grace(stack: Stack) -> None:
    script = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{WAIT}"
    job = stack.start(script)
    wait_until("the script to wait", lambda: "waiting" in stack.log(job, "stdout"), JOB_LIMIT)
    begin = time.monotonic()
    stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job, shutdownGracePeriodInSeconds=1)
    assert stack.wait(job)["state"] == "CANCELLED"
    assert time.monotonic() - begin >= 1
    wait_until("its processes to end", lambda: not processes(job))


def test_one_at_a_time_in_the_order_of_submission(stack: Stack) -> None:
    queued = on(stack, stack.create(schedulerConfiguration={"maxConcurrentRuns": 1}))
    scheduler = queued.emr.get_application(applicationId=queued.application)["application"]["schedulerConfiguration"]
    assert scheduler == {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 360}
    first = queued.start(WAIT)
    queued.wait(first, "RUNNING")
    others = [queued.start(f"print({number})") for number in range(3)]
    wait_until("the others to be queued", lambda: states(queued, *others) == ["QUEUED"] * 3)
    queued.emr.cancel_job_run(applicationId=queued.application, jobRunId=others[1])
    assert states(queued, first, *others) == ["RUNNING", "QUEUED", "CANCELLED", "QUEUED"]
    queued.emr.cancel_job_run(applicationId=queued.application, jobRunId=first)
    runs = [queued.wait(others[0]), queued.wait(others[2])]
    assert [run["state"] for run in runs] == ["SUCCESS", "SUCCESS"]
    assert runs[0]["endedAt"] <= runs[1]["startedAt"]
    assert runs[1]["queuedDurationMilliseconds"] > 0
    listed = queued.emr.list_job_runs(applicationId=queued.application, states=["SUCCESS", "CANCELLED"])["jobRuns"]
    assert [run["state"] for run in listed] == ["SUCCESS", "SUCCESS", "CANCELLED", "CANCELLED"]


def test_a_queued_job_does_not_wait_for_ever(stack: Stack) -> None:
    scheduling = {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 15}
    queued = on(stack, stack.create(schedulerConfiguration=scheduling))
    first, second = queued.start(WAIT), queued.start("print(1)")
    run = queued.wait(second)
    assert (run["state"], run["stateDetails"]) == ("CANCELLED", "Job run exceeded the queue timeout of 15 minutes")
    assert "startedAt" not in run
    queued.emr.cancel_job_run(applicationId=queued.application, jobRunId=first)
    queued.wait(first)


def test_capacity_is_a_limit(stack: Stack) -> None:
    # Two workers of the smallest size have 2 GB each: there is room for one job with a driver and an executor.
    limited = on(stack, stack.create(maximumCapacity={"cpu": "3 vCPU", "memory": "6 GB"}))
    first = limited.start(WAIT, sparkSubmitParameters=SMALL)
    limited.wait(first, "RUNNING")
    second = limited.start("print(1)", sparkSubmitParameters=SMALL)
    third = limited.start("print(1)")
    wait_until("the second job to be pending", lambda: states(limited, second) == ["PENDING"])
    run = limited.wait(third)
    assert (run["state"], run["stateDetails"]) == (
        "FAILED",
        "ApplicationMaxCapacityExceededException: Worker could not be allocated as the application has exceeded "
        "maximumCapacity settings: [cpu: 3 vCPU, memory: 6 GB]",
    )
    assert states(limited, first, second) == ["RUNNING", "PENDING"]
    limited.emr.cancel_job_run(applicationId=limited.application, jobRunId=first)
    assert limited.wait(second)["state"] == "SUCCESS"


def test_three_at_once(stack: Stack) -> None:
    jobs = [stack.start(WAIT, name=f"at once {number}") for number in range(3)]
    wait_until("all three to run", lambda: states(stack, *jobs) == ["RUNNING"] * 3, JOB_LIMIT)
    for job in jobs:
        stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job)
    assert [stack.wait(job)["state"] for job in jobs] == ["CANCELLED"] * 3


def test_what_a_job_used(stack: Stack) -> None:
    run = stack.wait(stack.start("print(1)", sparkSubmitParameters=SMALL))
    seconds = run["totalExecutionDurationSeconds"]
    assert 1 <= seconds < 60
    hours = {"vCPUHour": 2 * seconds / 3600, "memoryGBHour": 4 * seconds / 3600, "storageGBHour": 40 * seconds / 3600}
    assert run["totalResourceUtilization"] == pytest.approx(hours, abs=0.001)
    # At least a minute of each worker, and of its disk what is more than 20 GB.
    assert run["billedResourceUtilization"] == {"vCPUHour": 0.033, "memoryGBHour": 0.067, "storageGBHour": 0.0}


def test_logs_arrive_while_a_job_runs(stack: Stack) -> None:
    job = stack.start(WAIT, configurationOverrides=monitored("early"))
    wait_until("its output to be in S3", lambda: delivered(stack, job, "early") == "waiting\n", JOB_LIMIT)
    assert states(stack, job) == ["RUNNING"]
    stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job)
    stack.wait(job)


def test_the_job_has_the_roles_credentials_and_no_others(stack: Stack) -> None:
    job = stack.start(CREDENTIALS)
    assert stack.wait(job)["state"] == "SUCCESS", stack.log(job, "stdout")
    lines = dict(line.split(" ", 1) for line in stack.log(job, "stdout").splitlines())
    given = json.loads(lines["credentials"])
    assert sorted(given) == ["AccessKeyId", "Expiration", "SecretAccessKey", "Token"]
    assert given["SecretAccessKey"] != stack.settings["AWS_LOCAL_SECRET_ACCESS_KEY"]
    assert lines["refused"] == '403 {"code":"InvalidToken","message":"The authorization token is not valid"}'


def test_jobs_that_wait_go_on_after_a_kill(stack: Stack) -> None:
    queued = on(stack, stack.create(schedulerConfiguration={"maxConcurrentRuns": 1}))
    first, second = queued.start(WAIT), queued.start("print('late')")
    queued.wait(first, "RUNNING")
    stack.emr_service.kill()
    stack.emr_service = start_service("emr-serverless", stack.settings)
    assert queued.run(first)["state"] == "FAILED"
    assert queued.wait(second)["state"] == "SUCCESS"
    assert "late" in queued.log(second, "stdout")


def test_a_killed_service_tries_again_what_may_be_tried_again(stack: Stack) -> None:
    job = stack.start(WAIT, retryPolicy={"maxAttempts": 2})
    stack.wait(job, "RUNNING")
    stack.emr_service.kill()
    stack.emr_service = start_service("emr-serverless", stack.settings)
    wait_until("the second attempt to run", lambda: stack.run(job)["attempt"] == 2, JOB_LIMIT)
    stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job)
    assert stack.wait(job)["state"] == "CANCELLED"
    wait_until("its processes to end", lambda: not processes(job))


STEPS = """
import time
from pyspark.sql import SparkSession
print("line one", flush=True)
spark = SparkSession.builder.getOrCreate()
print("line two", spark.range(100).selectExpr("sum(id)").first()[0], flush=True)
"""


@pytest.mark.parametrize("seed", range(10))
def test_kill_9_at_a_random_moment(stack: Stack, seed: int) -> None:
    """Whenever the service is killed: no process is left, the state is true, the logs in S3 are those on the disk."""
    moment = random.Random(seed).uniform(0, 5)
    job = stack.start(STEPS, configurationOverrides=monitored(f"kill-{seed}"))
    deadline = time.monotonic() + moment
    wait_until("the moment", lambda: time.monotonic() >= deadline or stack.run(job)["state"] in ENDED)
    stack.emr_service.kill()
    stack.emr_service = start_service("emr-serverless", stack.settings)
    run = stack.wait(job)
    wait_until("its processes to end", lambda: not processes(job))
    output = stack.log(job, "stdout")
    if run["state"] == "SUCCESS":
        assert output == "line one\nline two 4950\n"
    else:
        assert (run["state"], run["stateDetails"]) == (
            "FAILED",
            "EMR Serverless was stopped while the job was running; its processes were ended",
        )
        assert stack.log(job, "stderr").endswith(f"EMR Serverless: {run['stateDetails']}\n")
    for name in ("stdout", "stderr"):
        place = f"SPARK_DRIVER/{name}.gz"
        assert delivered(stack, job, f"kill-{seed}", place) == stack.log(job, name), name


SPREAD = """
from pyspark.sql import SparkSession
known = "changed in the driver"
def told(number):
    # In one piece: Spark's workers write unbuffered, and two of them side by side.
    print(f"part {number}\\n", end="", flush=True)
    return number
spark = SparkSession.builder.getOrCreate()
print(spark.sparkContext.parallelize(range(4), 4).map(told).sum(), spark.sparkContext.master)
spark.range(10).write.format("delta").save("s3://emr-test/spread")
print(spark.read.format("delta").load("s3://emr-test/spread").count())
spark.stop()
"""


def test_executors_as_processes(tmp_path: Path) -> None:
    changes = {"EMR_SERVERLESS_EXECUTORS": "processes"}
    with running_stack(tmp_path, changes) as own:
        job = own.start(SPREAD, sparkSubmitParameters=SMALL, configurationOverrides=monitored("spread"))
        run = own.wait(job)
        assert run["state"] == "SUCCESS", own.log(job, "stdout") + own.log(job, "stderr")
        lines = own.log(job, "stdout").splitlines()
        assert lines[0].startswith("6 local-cluster[1,")
        assert lines[1] == "10"
        executor = delivered(own, job, "spread", "SPARK_EXECUTOR/1/stderr.gz")
        assert [f"part {number}" for number in range(4) if f"part {number}\n" in executor] == [
            f"part {number}" for number in range(4)
        ]
        assert "part 0" not in own.log(job, "stderr")
        prefix = f"spread/applications/{own.application}/jobs/{job}/SPARK_EXECUTOR/"
        found = own.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
        assert [entry["Key"].removeprefix(prefix) for entry in found] == ["1/stderr.gz", "1/stdout.gz"]
        wait_until("its processes to end", lambda: not processes(job))


def test_a_job_works_in_its_applications_region(stack: Stack) -> None:
    profile = profiles.load(stack.settings.path("AWS_CONFIG_FILE"), "local")
    there = boto3.client(
        "emr-serverless",
        region_name="ap-southeast-1",
        endpoint_url=stack.settings["EMR_SERVERLESS_ENDPOINT_URL"],
        aws_access_key_id=profile.access_key_id,
        aws_secret_access_key=profile.secret_access_key,
    )
    application = there.create_application(releaseLabel="emr-spark-8.0.0", type="SPARK")["applicationId"]
    own = Stack(stack.settings, stack.emr_service, stack.s3, there, application)
    job = own.start("import os; print('in', os.environ['AWS_REGION'])", configurationOverrides=monitored("asia"))
    assert own.wait(job)["state"] == "SUCCESS"
    assert "in ap-southeast-1\n" in delivered(own, job, "asia", "SPARK_DRIVER/stdout.gz")


def test_the_console_shows_what_a_job_has_written(stack: Stack) -> None:
    job = stack.start("import sys; print('printed'); sys.exit(3)", name="prints")
    stack.wait(job)
    about, stdout, stderr = job_log(stack.settings, job)
    assert about.startswith(f"job run {job} (prints): FAILED Job failed, please check complete logs ")
    assert (stdout, stderr) == (stack.log(job, "stdout"), stack.log(job, "stderr"))
    assert "printed\n" in stdout
    assert job_log(stack.settings, "latest") == (about, stdout, stderr)
    with pytest.raises(SettingError, match="there is no job run 00none"):
        job_log(stack.settings, "00none")


# Takes its own log away, and fails.
WITHOUT_A_LOG = """
import os, sys
log = os.readlink(f"/proc/{os.getppid()}/fd/2")
os.unlink(log)
os.mkdir(log)
sys.exit(7)
"""


def test_a_run_whose_log_cannot_be_opened_ends(stack: Stack) -> None:
    application = stack.create(schedulerConfiguration={"maxConcurrentRuns": 1})
    own = Stack(stack.settings, stack.emr_service, stack.s3, stack.emr, application)
    place = own.log_folder("x").parents[1]
    place.parent.mkdir(parents=True)
    place.write_text("no folder", encoding="utf-8")
    run = own.wait(own.start("print(1)"))
    assert run["state"] == "FAILED"
    assert run["stateDetails"].startswith(
        "Job failed, please check complete logs in configured logging destination. [Errno 20] Not a directory: "
    )
    place.unlink()
    run = own.wait(own.start("import sys; sys.exit(3)"))  # the one slot is free
    assert "ExitCode: 3." in run["stateDetails"]


def test_a_run_whose_log_cannot_be_noted_in_ends(stack: Stack) -> None:
    run = stack.wait(job := stack.start(WITHOUT_A_LOG, configurationOverrides=monitored("without")))
    assert (run["state"], run["stateDetails"].partition(" Last")[0]) == (
        "FAILED",
        "Job failed, please check complete logs in configured logging destination. ExitCode: 7.",
    )
    assert (stack.log_folder(job) / "stderr").is_dir()


def test_a_run_that_ends_while_nothing_can_be_written(stack: Stack) -> None:
    job = stack.start(WAIT)
    stack.wait(job, "RUNNING")
    wait_until("the job to wait", lambda: "waiting" in stack.log(job, "stdout"), JOB_LIMIT)
    service = stack.emr_service.process.pid
    before = resource.prlimit(service, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        for process in processes(job):
            os.kill(process, signal.SIGKILL)
        scratch = stack.settings.home / "data" / "emr-serverless" / "scratch" / f"{job}-1"
        wait_until("the attempt to end", lambda: not scratch.exists())
        assert stack.run(job)["state"] == "RUNNING"
    finally:
        resource.prlimit(service, resource.RLIMIT_FSIZE, before)
    run = stack.wait(job)
    assert run["state"] == "FAILED"
    assert "ExitCode: -9." in run["stateDetails"]


# Takes more and more memory, up to 4 GB, and never ends by itself.
GREEDY = """
import threading
kept = [b"x" * 2**27 for _ in range(32)]
threading.Event().wait()
"""


def test_a_job_that_takes_more_memory_than_it_has(stack: Stack) -> None:
    job = stack.start(GREEDY, sparkSubmitParameters="--driver-memory 512m")
    run = stack.wait(job)
    # 512 MB, and the least overhead of a driver and of an executor: 384 MB each.
    limit = (512 + 384 + max(384, 96 * Machine.here().cores)) / 1024
    assert run["state"] == "FAILED"
    assert re.fullmatch(
        "Job failed, please check complete logs in configured logging destination. ExitCode: 137. Last few exceptions: "
        rf"the driver was killed for exceeding its memory limit: [1-3]\.\d GB of {limit:.1f} GB used. "
        "Consider boosting spark.driver.memory or spark.driver.memoryOve.*",
        run["stateDetails"],
    )
    assert "EMR Serverless: the driver was killed for exceeding its memory limit: " in stack.log(job, "stderr")
    wait_until("its processes to end", lambda: not processes(job))
