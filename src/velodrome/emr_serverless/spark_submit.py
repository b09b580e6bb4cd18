"""Runs one Spark application: a JVM of its own, in a folder of its own, with an environment of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from velodrome.awsapi.profile import Profile

from .jvm import SparkInstall
from .objects import Objects
from .parameters import SubmitParameters, memory_size

_DEFAULT_HEAP = 2**30
_LARGEST_SHARE = 0.5
# A container's limit, in the two versions of control groups; "max" or a huge number without one.
# https://docs.kernel.org/admin-guide/cgroup-v2.html
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_DRIVER_ENVIRONMENT = "spark.emr-serverless.driverEnv."
_EXAMPLES = "/usr/lib/spark/"
# What is always so, before the job's own settings. The settings of a laptop: no UI, nothing that listens to others.
_DEFAULTS = {
    "spark.app.name": "spark",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalogImplementation": "in-memory",
    # One machine: as many parts of a shuffle as on a cluster are only work.
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    # Fewer requests for each file, as EMR's own file system: no look at the parent folders before writing.
    "spark.hadoop.fs.s3a.performance.flags": "create,mkdir,delete",
}
_FIXED = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
    "spark.hadoop.fs.s3a.aws.credentials.provider": (
        "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
    ),
}


@dataclass(frozen=True)
class Machine:
    """What a job may take of this machine."""

    cores: int
    memory: int

    @classmethod
    def here(cls) -> Machine:
        """The machine that the service runs on, or its container's share of it."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limits = [file.read_text().strip() for file in _MEMORY_LIMITS if file.is_file()]
        return cls(usable, min([physical, *(int(limit) for limit in limits if limit.isdigit())]))


@dataclass(frozen=True)
class Job:
    """An application to run, as it was asked for."""

    id: str
    name: str
    entry_point: str
    arguments: list[str]
    submit: SubmitParameters


class Submission:
    """One run of a job in `scratch`, a folder that is the run's alone."""

    def __init__(
        self,
        job: Job,
        spark: SparkInstall,
        profile: Profile,
        machine: Machine,
        scratch: Path,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` and `environment` are the service's own, and win over the job's."""
        self.job = job
        self._settings = dict(settings or {})
        self._extra_environment = dict(environment or {})
        self._spark = spark
        self._profile = profile
        self._machine = machine
        self._work = scratch / "work"
        self._temporary = scratch / "tmp"

    def prepare(self, objects: Objects) -> list[str]:
        """Fetch the job's files; the command that runs it."""
        for folder in (self._work, self._temporary):
            folder.mkdir(parents=True, exist_ok=True)  # a pre-initialized worker's are there already
        submit = self.job.submit
        files = [objects.fetch(uri, self._work) for uri in submit.files]
        jars = [objects.fetch(uri, self._work.parent / "jars") for uri in submit.jars]
        py_files = [objects.fetch(uri, self._work.parent / "python") for uri in submit.py_files]
        entry = self._entry_point(objects)
        settings = {**_DEFAULTS, "spark.app.name": self.job.name, **submit.settings, **_FIXED, **self._s3_settings()}
        settings |= self._settings
        settings["spark.local.dir"] = settings["spark.hadoop.hadoop.tmp.dir"] = str(self._temporary)
        # Its default is an expression over the folder above, which Hadoop does not read when the path has a blank.
        settings["spark.hadoop.fs.s3a.buffer.dir"] = str(self._temporary / "s3a")
        heap, driver_options = self._heap(settings), shlex.split(settings.pop("spark.driver.extraJavaOptions", ""))
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        lists = (("--files", files), ("--jars", jars), ("--py-files", py_files))
        options += [part for name, paths in lists if paths for part in (name, ",".join(map(str, paths)))]
        if submit.main_class:
            options += ["--class", submit.main_class]
        return [
            *self._spark.java_options(),
            *self._spark.archive_options(),
            f"-Xmx{heap // 2**20}m",
            f"-Djava.io.tmpdir={self._temporary}",
            f"-Dvelodrome.job={self.job.id}",
            *driver_options,
            "org.apache.spark.deploy.SparkSubmit",
            *("--master", f"local[{self._machine.cores}]"),
            *options,
            str(entry),
            *self.job.arguments,
        ]

    def launch(
        self, command: list[str], stdout: Path, stderr: Path, note: Callable[[str], None]
    ) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own, so that all it starts can be ended together."""
        for text in self.job.submit.notes:
            note(text)
        with stdout.open("ab") as out, stderr.open("ab") as err:
            return subprocess.Popen(
                command,
                cwd=self._work,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def _entry_point(self, objects: Objects) -> Path:
        uri = self.job.entry_point
        # EMR's image has Spark's examples in this folder.
        inside = uri.removeprefix("local://")
        if inside.startswith(_EXAMPLES):
            return self._spark.home / inside.removeprefix(_EXAMPLES)
        return objects.fetch(uri, self._work)

    def _s3_settings(self) -> dict[str, str]:
        settings = {"spark.hadoop.fs.s3a.endpoint.region": self._profile.region}
        if endpoint := self._profile.endpoint("s3"):
            settings["spark.hadoop.fs.s3a.endpoint"] = endpoint
            settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(urlsplit(endpoint).scheme == "https").lower()
        if self._profile.path_style:
            settings["spark.hadoop.fs.s3a.path.style.access"] = "true"
        return settings

    def _heap(self, settings: dict[str, str]) -> int:
        asked = memory_size(settings["spark.driver.memory"]) if "spark.driver.memory" in settings else _DEFAULT_HEAP
        largest = int(self._machine.memory * _LARGEST_SHARE)
        if asked > largest:
            self.job.submit.notes.append(
                f"spark.driver.memory {settings.get('spark.driver.memory', '1g')} is scaled down to "
                f"{largest // 2**20}m, half of this machine's memory"
            )
        return min(asked, largest)

    def environment(self) -> dict[str, str]:
        """The environment of the job's JVM, whole."""
        profile, spark = self._profile, self._spark
        given = {
            name.removeprefix(_DRIVER_ENVIRONMENT): value
            for name, value in self.job.submit.settings.items()
            if name.startswith(_DRIVER_ENVIRONMENT)
        }
        environment = {
            **given,
            "PATH": f"{spark.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "JAVA_HOME": str(spark.java_home),
            "SPARK_HOME": str(spark.home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": str(spark.python),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self._work),
            "TMPDIR": str(self._temporary),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "AWS_REGION": profile.region,
            "AWS_DEFAULT_REGION": profile.region,
        }
        optional = {
            "AWS_ACCESS_KEY_ID": profile.access_key_id,
            "AWS_SECRET_ACCESS_KEY": profile.secret_access_key,
            "AWS_SESSION_TOKEN": profile.session_token,
            # For a job that uses an SDK beside Spark.
            "AWS_ENDPOINT_URL_S3": profile.endpoint("s3"),
        }
        return environment | {name: value for name, value in optional.items() if value} | self._extra_environment
