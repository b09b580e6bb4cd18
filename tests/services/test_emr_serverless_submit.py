"""What a job brings along: packed environments, files, packages, JARs, settings, logs' levels; and other releases."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import venv_pack
from emr_serverless_stack import BUCKET, ROLE, Stack, running_stack

from velodrome.emr_serverless.spark.releases import find
from velodrome.testing import wait_until

_FAILED = "Job failed, please check complete logs in configured logging destination."
EARLIER = "emr-7.12.0"
# Java packages that need no others, and that Spark does not have.
PICOCLI = "info.picocli:picocli:4.7.5"
DELTA = "io.delta:delta-spark_2.13:4.0.0"

PACKED = """
import sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
import packed_words

spark = SparkSession.builder.getOrCreate()

@udf("string")
def in_worker(number):
    import packed_words, sys
    return f"{packed_words.line(number)} {sys.prefix}"

print("driver", packed_words.line(1), sys.prefix)
print("worker", spark.range(2, 3).select(in_worker("id")).collect()[0][0])
"""
BROUGHT = """
import os, sys
from pyspark import SparkFiles
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
from zipped import words

spark = SparkSession.builder.getOrCreate()

@udf("string")
def in_worker(number):
    from zipped import words
    return words.line(number)

print("zip", words.line(1), spark.range(2, 3).select(in_worker("id")).collect()[0][0])
print("files", *(open(file).read() for file in ("renamed.txt", SparkFiles.get("renamed.txt"), "tools/deep/tool.txt")))
print("settings", *(spark.conf.get(f"spark.own.{name}") for name in ("option", "file", "default")))
print("environment", os.environ["OWN"], os.environ["TZ"], os.environ["AWS_ENDPOINT_URL_STS"])
print("java", spark._jvm.System.getProperty("own.property"), spark._jvm.System.getProperty("java.io.tmpdir") != "/tmp")
print("arguments", sys.argv[1:])
"""
PACKAGES = """
import sys
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
print("picocli", spark._jvm.picocli.CommandLine.VERSION)
for _ in range(2):
    spark.range(3).write.mode("overwrite").format("delta").save(sys.argv[1])
print("versions", DeltaTable.forPath(spark, sys.argv[1]).history().count(), spark.version)
"""
LOADED = """
import sys
from pyspark.sql import SparkSession
jvm = SparkSession.builder.getOrCreate()._jvm
loader = jvm.Thread.currentThread().getContextClassLoader()
print("loaded", jvm.java.lang.Class.forName(sys.argv[1], True, loader).toString())
"""
LOGGER = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("PySparkApp").getOrCreate()
logger = spark.sparkContext._jvm.org.apache.log4j.LogManager.getLogger("PySparkApp")
logger.info("script says info")
spark.sparkContext._jvm.org.apache.log4j.LogManager.getLogger("another").info("another says info")
"""
EARLIER_RELEASE = """
import sys
from delta.tables import DeltaTable
from pyspark.sql import SparkSession, functions as f

spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv(sys.argv[1], header=True)
rows.write.mode("overwrite").parquet(sys.argv[2] + "/parquet")
for _ in range(2):
    rows.withColumn("n", f.col("n").cast("int")).write.mode("overwrite").format("delta").save(sys.argv[2] + "/delta")
table = DeltaTable.forPath(spark, sys.argv[2] + "/delta")
print("release", spark.version, table.history().count(), table.toDF().agg(f.sum("n")).collect()[0][0])
print("picocli", spark._jvm.picocli.CommandLine.VERSION)
print("provider", spark.conf.get("spark.hadoop.fs.s3a.aws.credentials.provider"))
print("live UI", spark.conf.get("spark.ui.enabled"))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("emr-submit")) as made:
        yield made


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with a module of its own, packed as AWS's page says.

    https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/using-python-libraries.html
    """
    folder = tmp_path_factory.mktemp("packed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (site / "packed_words.py").write_text("def line(number):\n    return f'packed {number}'\n", encoding="utf-8")
    return Path(venv_pack.pack(prefix=str(folder / "venv"), output=str(folder / "environment.tar.gz")))


def put(stack: Stack, key: str, body: bytes) -> str:
    stack.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def zipped(files: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def succeeded(stack: Stack, job: str) -> str:
    run = stack.wait(job)
    output = stack.log(job, "stdout")
    assert run["state"] == "SUCCESS", f"{run['stateDetails']}\n{output}"
    return output


def start_jar(stack: Stack, uri: str, parameters: str, *arguments: str) -> str:
    submit = {"entryPoint": uri, "entryPointArguments": list(arguments), "sparkSubmitParameters": parameters}
    reply = stack.emr.start_job_run(
        applicationId=stack.application, executionRoleArn=ROLE, jobDriver={"sparkSubmit": submit}
    )
    return str(reply["jobRunId"])


def test_a_packed_environment(stack: Stack, environment: Path) -> None:
    uri = put(stack, "env/environment.tar.gz", environment.read_bytes())
    job = stack.start(
        PACKED,
        sparkSubmitParameters=(
            f"--conf spark.archives={uri}#environment "
            "--conf spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON=./environment/bin/python "
            "--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON=./environment/bin/python "
            "--conf spark.executorEnv.PYSPARK_PYTHON=./environment/bin/python"
        ),
    )
    output = succeeded(stack, job)
    lines = dict(line.split(" ", 1) for line in output.splitlines() if line.startswith(("driver ", "worker ")))
    assert lines["driver"].startswith("packed 1 ") and lines["driver"].endswith("/environment")
    assert lines["worker"].startswith("packed 2 ") and lines["worker"].endswith("/environment")


def test_a_packed_environment_by_the_other_spelling(stack: Stack, environment: Path) -> None:
    uri = put(stack, "env/environment.tar.gz", environment.read_bytes())
    job = stack.start(
        PACKED,
        sparkSubmitParameters=f"--archives {uri}#other --conf spark.pyspark.python=./other/bin/python",
    )
    output = succeeded(stack, job)
    assert "driver packed 1 " in output
    assert "worker packed 2 " in output


def test_a_python_that_is_not_there(stack: Stack) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo("bin/python")
        member.type, member.linkname = tarfile.SYMTYPE, "/opt/elsewhere/python3.9"
        archive.addfile(member)
    uri = put(stack, "env/linked.tar.gz", data.getvalue())
    parameters = f"--archives {uri}#environment --conf spark.pyspark.python="
    for python, problem in (
        ("./environment/bin/python",
         "./environment/bin/python leads to /opt/elsewhere/python3.9, which this machine does not have"),
        ("./environment/bin/python3", "./environment/bin/python3: there is no such program in the job's folder"),
    ):  # fmt: skip
        run = stack.wait(job := stack.start("print(1)", sparkSubmitParameters=parameters + python))
        assert (run["state"], run["stateDetails"]) == ("FAILED", f"{_FAILED} spark.pyspark.python={problem}")
        assert problem in stack.log(job, "stderr")


def test_an_archive_that_reaches_outside(stack: Stack) -> None:
    uri = put(stack, "env/outside.zip", zipped({"../outside.txt": "no"}))
    run = stack.wait(stack.start("print(1)", sparkSubmitParameters=f"--archives {uri}"))
    assert (run["state"], run["stateDetails"]) == (
        "FAILED",
        f"{_FAILED} {uri}: outside.zip has a member outside of it, ../outside.txt",
    )


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--files", "{outside}"),
        ("--files", "../../../{file}"),
        ("--py-files", "../{file}"),
        ("--jars", "kept/../../{file}"),
        ("--files", ".."),
        ("web --files", "{outside}"),
        ("web --jars", "../../{file}"),
    ],
)
def test_names_that_lead_out_of_the_jobs_folder(stack: Stack, tmp_path: Path, option: str, name: str) -> None:
    uri = put(stack, "in/planted.txt", b"planted")
    if option.startswith("web "):
        uri = stack.s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "in/planted.txt"})
    outside = tmp_path / "planted.txt"
    name = name.format(outside=outside, file=f"{tmp_path.name}.txt")
    run = stack.wait(
        job := stack.start("print(1)", sparkSubmitParameters=f"{option.removeprefix('web ')} '{uri}#{name}'")
    )
    problem = f"{uri}: expanding {name} would create entry outside of the job's folder"
    assert (run["state"], run["stateDetails"]) == ("FAILED", f"{_FAILED} {problem}"[:256])
    assert problem in stack.log(job, "stderr")
    assert not outside.exists()
    assert list(stack.settings.home.rglob(f"{tmp_path.name}.txt")) == []


def test_a_key_whose_last_part_leads_out(stack: Stack) -> None:
    run = stack.wait(stack.start("print(1)", sparkSubmitParameters=f"--files s3://{BUCKET}/in/.."))
    problem = f"s3://{BUCKET}/in/..: expanding .. would create entry outside of the job's folder"
    assert (run["state"], run["stateDetails"]) == ("FAILED", f"{_FAILED} {problem}")


def test_two_files_of_one_name(stack: Stack) -> None:
    first, second = put(stack, "in/first.txt", b"first"), put(stack, "in/second.txt", b"second")
    files = f"{first}#one.txt,{first}#one.txt,{second}#one.txt"
    run = stack.wait(stack.start("print(1)", sparkSubmitParameters=f"--files {files}"))
    problem = f"File one.txt exists and does not match contents of {second}"
    assert (run["state"], run["stateDetails"]) == ("FAILED", f"{_FAILED} {problem}")


def test_files_modules_settings_and_arguments(stack: Stack) -> None:
    code = "def line(n):\n    return f'zipped {n}'\n"
    modules = put(stack, "in/zipped.zip", zipped({"zipped/__init__.py": "", "zipped/words.py": code}))
    file = put(stack, "in/given.txt", b"given")
    tools = put(stack, "in/tools.zip", zipped({"deep/tool.txt": "tool"}))
    properties = put(stack, "in/job.conf", b"# settings\nspark.own.option file\nspark.own.file=file\nother.thing=1\n")
    defaults = {f"spark.own.{name}": "default" for name in ("option", "file", "default")}
    job = stack.start(
        BROUGHT,
        "a b",
        "",
        sparkSubmitParameters=(
            f"--py-files {modules} --files {file}#renamed.txt --archives {tools}#tools --properties-file {properties} "
            "--conf spark.own.option=option --conf 'spark.emr-serverless.driverEnv.OWN=one two' --verbose "
            '--driver-java-options "-Down.property=own"'
        ),
        configurationOverrides={
            "applicationConfiguration": [{"classification": "spark-defaults", "properties": defaults}]
        },
    )
    output = succeeded(stack, job)
    assert "zip zipped 1 zipped 2\n" in output
    assert "files given given tool\n" in output
    assert "settings option file default\n" in output
    assert f"environment one two UTC {stack.settings['S3_ENDPOINT_URL']}\n" in output
    assert "java own True\n" in output
    assert "arguments ['a b', '']\n" in output
    log = stack.log(job, "stderr")
    assert "Parsed arguments:" in log  # spark-submit's own, with --verbose
    assert not re.search(r"secretKey\W+[\w-]{40}", log)


def test_packages_and_delta_among_them(stack: Stack) -> None:
    parameters = f"--packages {PICOCLI},{DELTA} --exclude-packages org.antlr:antlr4-runtime"
    output = succeeded(stack, job := stack.start(PACKAGES, f"s3://{BUCKET}/packages", sparkSubmitParameters=parameters))
    assert "picocli 4.7.5\n" in output
    assert "versions 2 4.0.2\n" in output
    assert "--packages: info.picocli_picocli-4.7.5.jar" in stack.log(job, "stderr")


def test_packages_of_two_jobs_at_once(stack: Stack) -> None:
    packages = {"org.jsoup:jsoup:1.17.2": "org.jsoup.Jsoup", "com.opencsv:opencsv:5.9": "com.opencsv.CSVReader"}
    jobs = {
        stack.start(LOADED, name, sparkSubmitParameters=f"--packages {package}"): name
        for package, name in packages.items()
    }
    for job, name in jobs.items():
        assert f"loaded class {name}\n" in succeeded(stack, job)


def test_packages_that_no_registry_has(stack: Stack) -> None:
    run = stack.wait(job := stack.start("print(1)", sparkSubmitParameters="--packages no.such.group:nothing:1.0"))
    problem = (
        '--packages no.such.group:nothing:1.0 cannot be resolved: Exception in thread "main" '
        "java.lang.RuntimeException: [unresolved dependency: no.such.group#nothing;1.0: not found]"
    )
    assert (run["state"], run["stateDetails"]) == ("FAILED", f"{_FAILED} {problem}"[:256])
    assert problem in stack.log(job, "stderr")


def test_a_jar_with_its_class(stack: Stack) -> None:
    jars = next((stack.settings.installs / "spark").glob("lib/python3*/site-packages/pyspark/jars"))
    uri = put(stack, "jar/ivy.jar", next(jars.glob("ivy-*.jar")).read_bytes())
    put(stack, "jar/more/words.jar", zipped({"words.txt": "words"}))
    more = f"s3://{BUCKET}/jar/more/*.jar"
    web = stack.s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "jar/more/words.jar"})
    job = start_jar(stack, uri, f"--class org.apache.ivy.Main --jars {more} --verbose --driver-memory 512m", "-version")
    assert "Apache Ivy" in succeeded(stack, job)
    assert "/jars/words.jar" in stack.log(job, "stderr")
    job = start_jar(stack, uri, f"--class org.apache.ivy.Main --jars '{web}' -v", "-version")
    assert "Apache Ivy" in succeeded(stack, job)
    assert "/jars/words.jar" in stack.log(job, "stderr")
    run = stack.wait(job := start_jar(stack, uri, "--class no.such.Main"))
    assert run["state"] == "FAILED"
    assert "Failed to load class no.such.Main." in stack.log(job, "stderr")


def test_what_cannot_be_had_fails_the_job(stack: Stack) -> None:
    properties = put(stack, "in/refused.conf", b"spark.master yarn\n")
    for parameters, problem in (
        (f"--jars s3://{BUCKET}/nowhere/*.jar", f"s3://{BUCKET}/nowhere/*.jar names no object"),
        (f"--jars s3://{BUCKET}/no*/a.jar",
         f"s3://{BUCKET}/no*/a.jar has a wildcard in a folder; only its last part may have one"),
        (f"--properties-file {properties}", f"{properties}: The Spark setting spark.master is set by EMR Serverless"),
    ):  # fmt: skip
        run = stack.wait(job := stack.start("print(1)", sparkSubmitParameters=parameters))
        assert (run["state"], run["stateDetails"]) == ("FAILED", f"{_FAILED} {problem}")
        assert problem in stack.log(job, "stderr")


def test_levels_of_the_logs(stack: Stack) -> None:
    properties = {
        "rootLogger.level": "error",
        "logger.PySparkApp.name": "PySparkApp",
        "logger.PySparkApp.level": "info",
        "appender.console.target": "SYSTEM_OUT",
    }
    job = stack.start(
        LOGGER,
        configurationOverrides={
            "applicationConfiguration": [{"classification": "spark-driver-log4j2", "properties": properties}]
        },
    )
    succeeded(stack, job)
    log = stack.log(job, "stderr")
    assert "script says info" in log
    assert "another says info" not in log
    assert " INFO " not in log.replace(" INFO PySparkApp", "")
    assert "spark-driver-log4j2: appender.console.target cannot be changed" in log


def test_an_earlier_release(stack: Stack) -> None:
    put(stack, "earlier/in/rows.csv", b"k,n\na,1\nb,2\n")
    application = stack.create(releaseLabel=EARLIER)

    def look() -> dict[str, Any]:
        return dict(stack.emr.get_application(applicationId=application)["application"])

    # It is installed when an application wants it, unless it is there.
    wait_until("the release to be installed", lambda: look()["state"] != "CREATING", 900)
    assert look()["state"] == "CREATED", look()["stateDetails"]
    assert find(EARLIER).installed(stack.settings.installs)
    other = Stack(stack.settings, stack.emr_service, stack.s3, stack.emr, application)
    job = other.start(
        EARLIER_RELEASE,
        f"s3://{BUCKET}/earlier/in/",
        f"s3://{BUCKET}/earlier/out",
        sparkSubmitParameters=f"--packages {PICOCLI},io.delta:delta-spark_2.12:3.3.2",
    )
    output = succeeded(other, job)
    assert "release 3.5.6 2 3\n" in output
    assert "picocli 4.7.5\n" in output
    assert "provider com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper\n" in output
    assert "live UI false\n" in output  # Spark 3.5 has no filter that could keep others out
    assert other.run(job)["releaseLabel"] == EARLIER
