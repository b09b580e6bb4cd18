"""sparkSubmitParameters: every option, both spellings, and what is refused."""

from __future__ import annotations

import pytest

from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark import parameters
from velodrome.emr_serverless.spark.parameters import check_entry_point, of_job, read, read_properties


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("--conf spark.x=1=2 --conf=spark.y=z -c spark.z=", {"spark.x": "1=2", "spark.y": "z", "spark.z": ""}),
        ("""--conf "spark.x=a b" --conf spark.y='c d' --conf spark.z=e\\ f""", {
            "spark.x": "a b", "spark.y": "c d", "spark.z": "e f"}),
        ("--conf\n  spark.x=1\n  --name  n", {"spark.x": "1", "spark.app.name": "n"}),
        ("--name=n --driver-memory 2g --driver-cores 2", {
            "spark.app.name": "n", "spark.driver.memory": "2g", "spark.driver.cores": "2"}),
        ("--executor-memory 3g --executor-cores 1 --num-executors 2", {
            "spark.executor.memory": "3g", "spark.executor.cores": "1", "spark.executor.instances": "2"}),
        ("--driver-java-options '-Da=1 -Db=2' --driver-library-path ./native", {
            "spark.driver.extraJavaOptions": "-Da=1 -Db=2", "spark.driver.extraLibraryPath": "./native"}),
        # The last one counts, and options count more than defaults.
        ("--conf spark.driver.memory=1g --driver-memory 2g --conf spark.default=own", {
            "spark.driver.memory": "2g", "spark.default": "own"}),
        ("--conf spark.emr-serverless.driver.disk=30g --conf spark.emr-serverless.driverEnv.A=b", {
            "spark.emr-serverless.driver.disk": "30g", "spark.emr-serverless.driverEnv.A": "b"}),
    ],
)  # fmt: skip
def test_settings(text: str, settings: dict[str, str]) -> None:
    assert read(text, {"spark.default": "default"}).settings == {"spark.default": "default"} | settings


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("--class a.B", "main_class", "a.B"),
        ("--jars s3://b/a.jar,s3a://b/b.jar", "jars", ["s3://b/a.jar", "s3://b/b.jar"]),
        ("--conf spark.jars=https://example.com/a.jar", "jars", ["https://example.com/a.jar"]),
        ("--files s3://b/a.txt#b.txt", "files", ["s3://b/a.txt#b.txt"]),
        ("--conf spark.files=s3://b/a.txt", "files", ["s3://b/a.txt"]),
        ("--py-files s3://b/a.zip, --conf spark.x=1", "py_files", ["s3://b/a.zip"]),
        ("--conf spark.submit.pyFiles=s3://b/a.egg", "py_files", ["s3://b/a.egg"]),
        ("--archives s3://b/env.tar.gz#environment", "archives", ["s3://b/env.tar.gz#environment"]),
        ("--conf spark.archives=s3://b/env.zip", "archives", ["s3://b/env.zip"]),
        ("--packages a:b:1,c:d:2", "packages", ["a:b:1", "c:d:2"]),
        ("--conf spark.jars.packages=a:b:1", "packages", ["a:b:1"]),
        ("--exclude-packages a:b", "excluded_packages", ["a:b"]),
        ("--conf spark.jars.excludes=a:b", "excluded_packages", ["a:b"]),
        ("--repositories https://example.com/maven", "repositories", ["https://example.com/maven"]),
        ("--driver-class-path first.jar:/usr/share/aws/delta/lib/*", "class_path", ["first.jar"]),
        ("--properties-file s3a://b/job.conf", "properties_file", "s3://b/job.conf"),
        ("--verbose", "verbose", True),
        ("-v --name n", "verbose", True),
    ],
)
def test_lists(text: str, name: str, value: object) -> None:
    assert getattr(read(text, {}), name) == value


@pytest.mark.parametrize(
    "text",
    [
        "--jars /usr/share/aws/delta/lib/delta-spark.jar",
        "--jars local:///usr/share/aws/delta/lib/delta-spark.jar",
        "--jars file:///usr/lib/spark/jars/x.jar",
        "--conf spark.jars=local:/usr/share/aws/delta/lib/delta-storage.jar",
    ],
)
def test_jars_of_the_image_that_are_here(text: str) -> None:
    made = read(text, {})
    assert made.jars == []
    assert [note.endswith(" is on the class path already") for note in made.notes] == [True]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("--conf spark.driver.host=x", "spark.driver.host is ignored: EMR Serverless has a value of its own for it"),
        ("--conf spark.hadoop.fs.s3a.endpoint=x",
         "spark.hadoop.fs.s3a.endpoint is ignored: EMR Serverless has a value of its own for it"),
        ("--total-executor-cores 4", "spark.cores.max is ignored: EMR Serverless counts executors, not cores"),
    ],
)  # fmt: skip
def test_ignored_with_a_note(text: str, note: str) -> None:
    made = read(text, {})
    assert (made.settings, made.notes) == ({}, [note])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--master yarn", "sparkSubmitParameters: --master is set by EMR Serverless"),
        ("--deploy-mode=cluster", "sparkSubmitParameters: --deploy-mode is set by EMR Serverless"),
        ("--conf spark.master=yarn", "The Spark setting spark.master is set by EMR Serverless"),
        ("--proxy-user x",
         "sparkSubmitParameters: --proxy-user is not for EMR Serverless, whose jobs run with a role"),
        ("--queue q", "sparkSubmitParameters: --queue is for YARN and Kerberos, which EMR Serverless has not"),
        ("--kill 1", "sparkSubmitParameters: --kill is for Spark's own clusters, which EMR Serverless is not"),
        ("--version", "sparkSubmitParameters: --version runs no job"),
        ("--nothing 1", "sparkSubmitParameters: --nothing is no option of spark-submit"),
        ("script.py", "sparkSubmitParameters: script.py is no option"),
        ("--class", "sparkSubmitParameters: --class has no value"),
        ("--conf spark.x", "sparkSubmitParameters: --conf spark.x is not NAME=VALUE"),
        ("--name 'a", "sparkSubmitParameters cannot be read: No closing quotation"),
        ("--conf spark.emr-serverless.x=1", "The Spark setting spark.emr-serverless.x is none of EMR Serverless's"),
        ("--jars /home/a.jar", "spark.jars: /home/a.jar must start with s3://"),
        ("--files a.txt", "spark.files: a.txt must start with s3://"),
        ("--jars /usr/share/aws/iceberg/lib/iceberg.jar",
         "spark.jars: /usr/share/aws/iceberg/lib/iceberg.jar of EMR's image is not available in Velodrome; "
         "--packages fetches what it holds (--packages org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:VERSION)"),
        ("--jars local:///usr/lib/hudi/hudi-bundle.jar",
         "spark.jars: local:///usr/lib/hudi/hudi-bundle.jar of EMR's image is not available in Velodrome; "
         "--packages fetches what it holds (--packages org.apache.hudi:hudi-spark4.0-bundle_2.13:VERSION)"),
        ("--packages a:b", "spark.jars.packages: a:b is not group:artifact:version"),
        ("--exclude-packages a:b:1", "spark.jars.excludes: a:b:1 is not group:artifact"),
        ("--properties-file job.conf", "sparkSubmitParameters: job.conf must start with s3://"),
        ("--driver-java-options '-Da=b -Xmx2g'",
         "spark.driver.extraJavaOptions: -Xmx2g is not allowed; spark.driver.memory says how much there is"),
    ],
)  # fmt: skip
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        read(text, {})
    assert caught.value.message == message


def test_every_refused_setting_is_refused_in_the_defaults_too() -> None:
    with pytest.raises(ValidationException):
        read("", {"spark.submit.deployMode": "client"})


def test_properties_files() -> None:
    text = "# c\n! c\nspark.a b\nspark.c=d e \nspark.f : g\n\nother.h=i\nspark.j=k\\\n  l\nspark.m=n=o\nspark.p=q\\\\\n"
    expected = {"spark.a": "b", "spark.c": "d e", "spark.f": "g", "spark.j": "kl", "spark.m": "n=o", "spark.p": "q\\"}
    assert read_properties(text) == expected
    made = read("--conf spark.a=option --properties-file s3://b/f", {"spark.a": "default", "spark.c": "default"})
    with_file = made.with_properties({"spark.a": "file", "spark.c": "file", "spark.jars": "s3://b/a.jar"})
    assert with_file.settings == {"spark.a": "option", "spark.c": "file"}
    assert (with_file.jars, with_file.properties_file) == (["s3://b/a.jar"], None)


def test_configurations_of_a_job() -> None:
    made = of_job(
        "--conf spark.a=option",
        [
            {"classification": "spark-defaults", "properties": {"spark.a": "default", "spark.b": "default"}},
            {"classification": "spark-driver-log4j2", "properties": {"rootLogger.level": "error"}},
            {"classification": "spark-executor-log4j2", "properties": {"rootLogger.level": "error"}},
        ],
    )
    assert made.settings == {"spark.a": "option", "spark.b": "default"}
    assert made.driver_log == {"rootLogger.level": "error"}
    assert made.notes == ["spark-executor-log4j2 has no effect: the executor is a part of the driver's process"]
    with pytest.raises(ValidationException) as caught:
        of_job("", [{"classification": "hive-site", "properties": {}}])
    assert caught.value.message == (
        "The classification hive-site is not available in Velodrome; "
        "there are: spark-defaults, spark-driver-log4j2, spark-executor-log4j2, spark"
    )


def test_entry_points() -> None:
    for uri in ("s3://b/job.py", "s3a://b/job.jar", "/usr/lib/spark/examples/src/main/python/pi.py",
                "local:///usr/lib/spark/examples/src/main/python/pi.py"):  # fmt: skip
        check_entry_point(uri)
    for uri, message in (
        ("/home/job.py", "The entry point /home/job.py must start with s3://"),
        ("job.py", "The entry point job.py must start with s3://"),
        ("/usr/lib/spark/examples/jars/spark-examples.jar",
         "The entry point /usr/lib/spark/examples/jars/spark-examples.jar is not available in Velodrome; "
         "/usr/lib/spark/examples/src/main/python is"),
    ):  # fmt: skip
        with pytest.raises(ValidationException) as caught:
            check_entry_point(uri)
        assert caught.value.message == message


@pytest.mark.parametrize(("text", "size"), [("1g", 2**30), ("512", 2**29), ("512m", 2**29), ("2048KB", 2**21)])
def test_memory_sizes(text: str, size: int) -> None:
    assert parameters.memory_size(text) == size
