"""Runs one Spark application: a JVM of its own, in a folder of its own, with an environment of its own."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from velodrome.awsapi.profile import Profile

from .jvm import SparkInstall
from .machine import Share
from .objects import Objects
from .parameters import SubmitParameters

_DRIVER_ENVIRONMENT = "spark.emr-serverless.driverEnv."
_EXAMPLES = "/usr/lib/spark/"
# spark-submit's own word for an application that is a class of Spark and has no file.
SPARK_INTERNAL = "spark-internal"
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
_CONTAINER_PROVIDER = "software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider"
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
        share: Share,
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
        self._share = share
        self._work = scratch / "work"
        self._temporary = scratch / "tmp"

    def prepare(self, objects: Objects) -> list[str]:
        """Fetch the job's files; the command that runs it."""
        self._work.mkdir(parents=True)
        self._temporary.mkdir(parents=True)
        submit = self.job.submit
        files = [objects.fetch(uri, self._work) for uri in submit.files]
        jars = [objects.fetch(uri, self._work.parent / "jars") for uri in submit.jars]
        py_files = [objects.fetch(uri, self._work.parent / "python") for uri in submit.py_files]
        entry = self._entry_point(objects)
        settings = {**_DEFAULTS, "spark.app.name": self.job.name, **submit.settings, **_FIXED, **self._s3_settings()}
        if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in self._extra_environment:
            settings["spark.hadoop.fs.s3a.aws.credentials.provider"] = _CONTAINER_PROVIDER
        settings |= self._settings
        settings["spark.local.dir"] = settings["spark.hadoop.hadoop.tmp.dir"] = str(self._temporary)
        # Its default is an expression over the folder above, which Hadoop does not read when the path has a blank.
        settings["spark.hadoop.fs.s3a.buffer.dir"] = str(self._temporary / "s3a")
        driver_options = shlex.split(settings.pop("spark.driver.extraJavaOptions", ""))
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        lists = (("--files", files), ("--jars", jars), ("--py-files", py_files))
        options += [part for name, paths in lists if paths for part in (name, ",".join(map(str, paths)))]
        if submit.main_class:
            options += ["--class", submit.main_class]
        return [
            *self._spark.java_options(),
            *self._spark.archive_options(),
            f"-Xmx{self._share.heap // 2**20}m",
            f"-Djava.io.tmpdir={self._temporary}",
            f"-Dvelodrome.job={self.job.id}",
            *driver_options,
            "org.apache.spark.deploy.SparkSubmit",
            *("--master", f"local[{self._share.cores}]"),
            *options,
            str(entry),
            *self.job.arguments,
        ]

    def launch(
        self, command: list[str], stdout: Path, stderr: Path, note: Callable[[str], None]
    ) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own, so that all it starts can be ended together."""
        for text in (*self.job.submit.notes, *self._share.notes):
            note(text)
        with stdout.open("ab") as out, stderr.open("ab") as err:
            return subprocess.Popen(
                command,
                cwd=self._work,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def _entry_point(self, objects: Objects) -> Path:
        uri = self.job.entry_point
        if uri == SPARK_INTERNAL:
            return Path(uri)
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

    def _environment(self) -> dict[str, str]:
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
            # For a job that uses an SDK beside Spark.
            "AWS_ENDPOINT_URL_S3": profile.endpoint("s3"),
        }
        return environment | {name: value for name, value in optional.items() if value} | self._extra_environment
