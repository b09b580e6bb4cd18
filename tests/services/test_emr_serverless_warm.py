"""EMR Serverless's pre-initialized workers: real Spark in JVMs that were warm before the job, through boto3."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from emr_serverless_stack import BUCKET, JOB_LIMIT, WAIT, Stack, running_stack
from test_emr_serverless_spark import THROW, keys

from velodrome.testing import start_service, wait_until

WARM_LIMIT = 120.0
MARK = re.compile(rb"-Dvelodrome\.job=(worker-[0-9a-f]+)")
RUNS_WARM = "EMR Serverless: runs on the pre-initialized worker worker-"
STARTS_COLD = "EMR Serverless: starts cold: "
FAILED = "Job failed, please check complete logs in configured logging destination. ExitCode: 1."
DELTA = """
import os, sys
from pyspark.sql import SparkSession, functions as f

spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv(sys.argv[1], header=True).dropDuplicates()
for _ in range(2):
    rows.write.mode("overwrite").format("delta").save(sys.argv[2])
plus_one = f.udf(lambda number: int(number) + 1, "int")
print("rows", sorted(row[0] for row in spark.read.format("delta").load(sys.argv[2]).select(plus_one("key")).collect()))
print("versions", spark.sql(f"DESCRIBE HISTORY delta.`{sys.argv[2]}`").count())
print("name", spark.sparkContext.appName, spark.conf.get("spark.own"), spark.conf.get("spark.sql.shuffle.partitions"))
print("hadoop", spark.sparkContext._jsc.hadoopConfiguration().get("fs.s3a.retry.limit"))
print("environment", *sorted(os.environ))
print("folder", os.getcwd() == os.environ["HOME"], os.listdir())
"""
# As in a cold job's environment; PySpark's own names stand beside.
ENVIRONMENT = {"AWS_REGION", "SPARK_HOME", "JAVA_HOME", "TMPDIR", "HOME", "PYSPARK_PYTHON", "PYSPARK_GATEWAY_PORT"}
ONE_WORKER = {"workerCount": 1, "workerConfiguration": {"cpu": "1 vCPU", "memory": "2 GB"}}
# Ships with Spark: writes points with a Spark context of its own, and ends by System.exit(0).
GENERATOR = "org.apache.spark.mllib.util.KMeansDataGenerator"


def workers(stack: Stack) -> list[int]:
    """The JVMs of this service's workers, whether they have a job or not."""
    scratch = bytes(stack.settings.home / "data" / "emr-serverless" / "scratch")
    return [process for process in session_leaders() if MARK.search(text := command(process)) and scratch in text]


def session_leaders() -> list[int]:
    return [
        number
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and session(number := int(entry.name)) == number
    ]


def session(process: int) -> int | None:
    try:
        return os.getsid(process)
    except ProcessLookupError:
        return None


def in_sessions(leaders: list[int]) -> list[int]:
    """The living processes that these leaders, gone or not, began."""
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [number for number in numbers if session(number) in leaders and command(number)]


def command(process: int) -> bytes:
    """Empty for a process that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_warm(stack: Stack, unlike: int | None = None) -> int:
    """Until the application's one worker is warm, and is another than `unlike`; its process id."""

    def warm() -> bool:
        found = workers(stack)
        if len(found) != 1 or found[0] == unlike:
            return False
        mark = MARK.search(command(found[0]))
        return mark is not None and f"worker {mark[1].decode()} is warm" in stack.emr_service.log

    wait_until("a warm worker", warm, WARM_LIMIT)
    return workers(stack)[0]


def wait_for_script(stack: Stack, job: str) -> None:
    """Until the script WAIT waits."""
    output = stack.log_folder(job) / "stdout"
    wait_until("the script to wait", lambda: output.exists() and "waiting" in output.read_text("utf-8"), JOB_LIMIT)


def jar() -> bytes:
    """A JAR that holds nothing: the class is on Spark's class path."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    return content.getvalue()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("emr-warm"), initialCapacity={"DRIVER": ONE_WORKER}) as made:
        made.s3.put_object(Bucket=BUCKET, Key="script/nothing.jar", Body=jar())
        made.s3.put_object(Bucket=BUCKET, Key="in/rows.csv", Body=b"key,name\n1,a\n2,b\n2,b\n")
        made.emr.start_application(applicationId=made.application)
        yield made


@pytest.fixture
def stack(services: Stack) -> Stack:
    """The services and their application, whose worker is warm."""
    wait_warm(services)
    return services


def run_jar(stack: Stack, main_class: str, *arguments: str) -> str:
    submit = {
        "entryPoint": f"s3://{BUCKET}/script/nothing.jar",
        "entryPointArguments": list(arguments),
        "sparkSubmitParameters": f"--class {main_class}",
    }
    request = {
        "applicationId": stack.application,
        "executionRoleArn": "arn:aws:iam::000000000000:role/velodrome-emr-runtime",
    }
    return str(stack.emr.start_job_run(**request, jobDriver={"sparkSubmit": submit})["jobRunId"])


def test_delta_job_then_the_worker_is_replaced(stack: Stack) -> None:
    [first] = workers(stack)
    job = stack.start(
        DELTA,
        f"s3://{BUCKET}/in/",
        f"s3://{BUCKET}/out/delta",
        name="delta",
        sparkSubmitParameters="--conf spark.own=job --conf spark.sql.shuffle.partitions=3",
    )
    run = stack.wait(job)
    output, errors = stack.log(job, "stdout"), stack.log(job, "stderr")
    assert run["state"] == "SUCCESS", f"{run['stateDetails']}\n{output}\n{errors}"
    assert RUNS_WARM in errors
    assert output.startswith("rows [2, 3]\nversions 2\nname delta job 3\n")
    # Nothing of the job that warmed the worker is left: its settings, its files, its words.
    assert "hadoop 7\n" in output  # Hadoop's own default; the other job asked for 0
    assert "folder True ['" in output
    assert "velodrome-warm-up" not in errors
    # Spark's own log, as a cold job has it.
    assert "INFO SparkContext: Submitted application: delta" in errors
    environment = set(next(line for line in output.splitlines() if line.startswith("environment ")).split()[1:])
    assert environment >= ENVIRONMENT
    assert "_PYSPARK_DRIVER_CONN_INFO_PATH" not in environment
    assert not {name for name in environment if name.startswith(("VELODROME", "SOURCE", "REDSHIFT", "AIRFLOW"))}
    wait_warm(stack, unlike=first)
    assert in_sessions([first]) == []
    scratch = stack.settings.home / "data" / "emr-serverless" / "scratch"
    assert len(list(scratch.iterdir())) == 1  # the second worker's


def test_a_job_that_throws(stack: Stack) -> None:
    run = stack.wait(job := stack.start(THROW))
    assert RUNS_WARM in stack.log(job, "stderr")
    assert (run["state"], run["stateDetails"]) == (
        "FAILED",
        f"{FAILED} Last few exceptions: ValueError: no row of the window has a price",
    )
    assert 'raise ValueError("no row of the window has a price")' in stack.log(job, "stdout")


def test_jar_job(stack: Stack) -> None:
    job = run_jar(stack, GENERATOR, "local[2]", f"s3://{BUCKET}/out/points", "20", "2", "3", "1.5", "2")
    run = stack.wait(job)
    assert run["state"] == "SUCCESS", stack.log(job, "stderr")
    assert RUNS_WARM in stack.log(job, "stderr")
    parts = [key for key in keys(stack.s3, "out/points/part-") if key]
    text = "".join(stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in parts)
    assert [len(line.split()) for line in text.splitlines()] == [3] * 20


def test_jar_job_that_throws_is_told_of_as_cold(stack: Stack) -> None:
    arguments = ("local[2]", f"s3://{BUCKET}/out/none", "many", "2", "3", "1.5", "2")
    warm = run_jar(stack, GENERATOR, *arguments)
    details = stack.wait(warm)["stateDetails"]
    cold = run_jar(stack, GENERATOR, *arguments)  # before the worker's place is filled
    assert details == f'{FAILED} Last few exceptions: java.lang.NumberFormatException: For input string: "many"'
    assert stack.wait(cold)["stateDetails"] == details
    assert RUNS_WARM in stack.log(warm, "stderr")
    assert f"{STARTS_COLD}no pre-initialized worker is free\n" in stack.log(cold, "stderr")
    for job in (warm, cold):
        assert 'Exception in thread "main" java.lang.NumberFormatException' in stack.log(job, "stderr")


def test_two_jobs_on_one_worker(stack: Stack) -> None:
    [worker] = workers(stack)
    first, second = stack.start("print('ran')"), stack.start("print('ran')")
    assert (stack.wait(first)["state"], stack.wait(second)["state"]) == ("SUCCESS", "SUCCESS")
    # A used worker's place is filled after its job, which takes longer than it takes the second job to start.
    errors = sorted((stack.log(job, "stderr") for job in (first, second)), key=lambda text: RUNS_WARM not in text)
    assert RUNS_WARM in errors[0]
    assert f"{STARTS_COLD}no pre-initialized worker is free\n" in errors[1]
    wait_warm(stack, unlike=worker)
    assert stack.wait(third := stack.start("print('again')"))["state"] == "SUCCESS"
    assert RUNS_WARM in stack.log(third, "stderr")


def test_cancel(stack: Stack) -> None:
    [worker] = workers(stack)
    job = stack.start(WAIT)
    wait_for_script(stack, job)
    assert RUNS_WARM in stack.log(job, "stderr")
    assert len(in_sessions([worker])) > 1  # the JVM and its Python
    stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job)
    run = stack.wait(job)
    assert (run["state"], run["stateDetails"]) == ("CANCELLED", "Job run was cancelled")
    wait_until("the job's processes to end", lambda: not in_sessions([worker]))


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("--driver-memory 3g", "a heap of 3072m is more than the 2048m of a pre-initialized worker"),
        ("--conf spark.driver.extraJavaOptions=-Da=b", "the job has its own spark.driver.extraJavaOptions"),
        (
            "--conf spark.emr-serverless.driverEnv.LC_ALL=C",
            "the job's environment differs in LC_ALL, which is read when a JVM starts",
        ),
    ],
)
def test_a_job_that_needs_a_jvm_of_its_own(stack: Stack, parameters: str, reason: str) -> None:
    job = stack.start("print('ran')", sparkSubmitParameters=parameters)
    run = stack.wait(job)
    assert run["state"] == "SUCCESS", stack.log(job, "stderr")
    assert f"{STARTS_COLD}{reason}\n" in stack.log(job, "stderr")
    assert stack.log(job, "stdout") == "ran\n"


def test_environment_of_the_job(stack: Stack) -> None:
    parameters = "--conf spark.emr-serverless.driverEnv.COLOUR=blue"
    job = stack.start("import os\nprint(os.environ['COLOUR'])", sparkSubmitParameters=parameters)
    assert stack.wait(job)["state"] == "SUCCESS"
    assert RUNS_WARM in stack.log(job, "stderr")
    assert stack.log(job, "stdout") == "blue\n"


def test_a_worker_that_died_is_not_used(stack: Stack) -> None:
    [worker] = workers(stack)
    os.kill(worker, 9)
    job = stack.start("print('ran')")
    assert stack.wait(job)["state"] == "SUCCESS"
    assert STARTS_COLD in stack.log(job, "stderr")
    assert stack.log(job, "stdout") == "ran\n"
    wait_warm(stack, unlike=worker)


def test_stop_and_start(stack: Stack) -> None:
    [worker] = workers(stack)
    stack.emr.stop_application(applicationId=stack.application)
    wait_until("the worker to end", lambda: not in_sessions([worker]))
    stack.emr.start_application(applicationId=stack.application)
    wait_until("a worker that is not warm yet", lambda: len(workers(stack)) == 1)
    stack.emr.stop_application(applicationId=stack.application)
    wait_until("it to end too", lambda: not workers(stack))
    stack.emr.start_application(applicationId=stack.application)


def test_kill_9_of_the_service(stack: Stack) -> None:
    job = stack.start(WAIT)
    wait_for_script(stack, job)
    assert RUNS_WARM in stack.log(job, "stderr")
    leaders = workers(stack)
    stack.emr_service.kill()
    wait_until("all JVMs to end by themselves", lambda: not workers(stack))
    stack.emr_service = start_service("emr-serverless", stack.settings)
    run = stack.run(job)
    assert (run["state"], run["stateDetails"]) == (
        "FAILED",
        "EMR Serverless was stopped while the job was running; its processes were ended",
    )
    wait_until("the job's Python to end", lambda: not in_sessions(leaders))
    idle = wait_warm(stack)  # the application is started still: its worker is made again
    stack.emr_service.kill()
    wait_until("an idle JVM to end by itself", lambda: not in_sessions([idle]))
    stack.emr_service = start_service("emr-serverless", stack.settings)


def test_the_service_ends_its_workers_with_itself(stack: Stack) -> None:
    [worker] = workers(stack)
    stack.emr_service.process.terminate()
    stack.emr_service.process.wait(20)
    assert in_sessions([worker]) == []
    stack.emr_service = start_service("emr-serverless", stack.settings)
