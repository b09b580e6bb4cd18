"""Executors as processes of their own, where the setting EMR_SERVERLESS_EXECUTORS asks for them.

By default a job's executors live in its driver's JVM (`local[N]`), which is twice as fast on a small machine. As
processes they are what they are on EMR: nothing of the driver reaches them but what Spark ships, and they have logs.
Spark's own `local-cluster` starts them: https://spark.apache.org/docs/4.0.2/submitting-applications.html#master-urls
"""

from __future__ import annotations

import secrets
import shlex
import shutil
from itertools import islice
from pathlib import Path

from .jvm import SparkInstall
from .machine import Share
from .resources import Workers

_FOLDER = "SPARK_EXECUTOR"
_SPARK = "spark"
# Lines that Spark itself writes into an executor's stderr.
_HEADING = 3
# What Spark gives an executor's JVM, less the module that a reduced Java has not; with the class archive, which asks
# for the very class path that it was made with. "$@" keeps the words as they are.
_JAVA = """#!/bin/sh
for word do
    shift
    case "$word" in
    --add-modules=jdk.incubator.vector) ;;
    *) set -- "$@" "$word" ;;
    esac
done
[ "$1" = -cp ] && shift 2
exec {java} {options} -cp {class_path} "$@"
"""


class ExecutorProcesses:
    """The executors of one job, in `scratch`: a folder with a Java and a Spark home that are the job's alone."""

    def __init__(self, spark: SparkInstall, workers: Workers, share: Share, scratch: Path) -> None:
        self.count = max(1, min(workers.executors, share.cores))
        self._spark = spark
        self._share = share
        self._java_home = scratch / "java"
        self._spark_home = scratch / _SPARK

    @property
    def master(self) -> str:
        """Spark's master: so many workers, each with cores and mebibytes for one executor."""
        cores = max(1, self._share.cores // self.count)
        return f"local-cluster[{self.count},{cores},{self._memory}]"

    @property
    def _memory(self) -> int:
        return max(512, self._share.heap // 2**20 // self.count)

    def settings(self) -> dict[str, str]:
        """The settings that make Spark start one executor in each worker."""
        return {"spark.executor.memory": f"{self._memory}m", "spark.dynamicAllocation.enabled": "false"}

    def secrets(self) -> dict[str, str]:
        """What executors and driver know each other by; Spark gives it to its executors in their environment."""
        return {"spark.authenticate.secret": secrets.token_urlsafe(32)}

    def environment(self) -> dict[str, str]:
        """Make both homes; what tells Spark of them."""
        program = self._java_home / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(
            _JAVA.format(
                java=shlex.quote(str(self._spark.java)),
                options=shlex.join(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *self._spark.archive_options()]),
                class_path=shlex.quote(":".join(map(str, self._spark.class_path()))),
            ),
            encoding="utf-8",
        )
        program.chmod(0o700)
        self._spark_home.mkdir()
        for entry in self._spark.home.iterdir():
            (self._spark_home / entry.name).symlink_to(entry)
        # Else Spark looks for the folders that its own build leaves, to know its Scala.
        return {
            "JAVA_HOME": str(self._java_home),
            "SPARK_HOME": str(self._spark_home),
            "SPARK_SCALA_VERSION": self._spark.scala,
        }


def executor_logs(scratch: Path, logs: Path) -> list[tuple[Path, str]]:
    """The executors' files as they are kept in the job's folder of logs, and where EMR has them below its place in S3.

    What they have written to `scratch` since is copied before. Spark replaces executors in vain while the driver ends:
    one that has said nothing but how it was started has no logs.
    """
    for stderr in (scratch / _SPARK / "work").glob("*/*/stderr"):
        stdout = stderr.with_name("stdout")
        with stderr.open("rb") as lines:
            if sum(1 for _ in islice(lines, _HEADING + 1)) <= _HEADING and not stdout.stat().st_size:
                continue
        kept = logs / _FOLDER / str(int(stderr.parent.name) + 1)
        kept.mkdir(parents=True, exist_ok=True)
        for file in (stdout, stderr):
            _copy_new(file, kept / file.name)
    return [(file, f"{file.relative_to(logs).as_posix()}.gz") for file in sorted((logs / _FOLDER).glob("*/*"))]


def _copy_new(source: Path, copy: Path) -> None:
    """Append to the copy what its source has beyond it."""
    with source.open("rb") as stream, copy.open("ab") as target:
        stream.seek(target.tell())
        shutil.copyfileobj(stream, target)
