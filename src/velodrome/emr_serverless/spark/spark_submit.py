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
from velodrome.settings import write_private

from ..errors import ValidationException
from ..objects import ObjectError, Objects
from .archives import ArchiveError, unpack
from .configurations import log_properties
from .executors import ExecutorProcesses
from .jvm import SparkInstall
from .machine import Share
from .packages import PackageError, Wanted, resolve
from .parameters import SubmitParameters, read_properties

_DRIVER_ENVIRONMENT = "spark.emr-serverless.driverEnv."
# With this variable the SDKs get their keys from a URL, and renew them before they expire.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
_CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_PYTHON_SETTINGS = ("spark.pyspark.driver.python", "spark.pyspark.python")
_PYTHON_VARIABLES = ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON")
_IMAGE_PYTHONS = ("/usr/bin/python", "/usr/local/bin/python")
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
_FIXED = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # Else any user of the machine can have the driver run code. Spark makes the secret itself where executors live in
    # the driver's JVM: https://spark.apache.org/docs/4.0.2/security.html#spark-rpc-communication-protocol-between-spark-processes
    "spark.authenticate": "true",
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
}


@dataclass(frozen=True)
class Job:
    """An application to run, as it was asked for."""

    id: str
    name: str
    entry_point: str
    arguments: list[str]
    submit: SubmitParameters


class SubmitError(ObjectError):
    """What a job asked for cannot be made ready; the message says what and why."""


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
        secrets: Mapping[str, str] | None = None,
        executors: ExecutorProcesses | None = None,
    ) -> None:
        """`settings` and `environment` are the service's own, and win over the job's; with
        AWS_CONTAINER_CREDENTIALS_FULL_URI in `environment` the job gets no keys of the profile. `secrets` are settings
        that must not stand in the command line, which every user of the machine can read. What --packages
        fetched is kept beside the folder that `scratch` is in, for all jobs."""
        self.job = job
        self._submit = job.submit
        self._settings = dict(settings or {})
        self._extra_environment = dict(environment or {})
        self.secrets = dict(secrets or {}) | (executors.secrets() if executors else {})
        self._executors = executors
        self._spark = spark
        self._profile = profile
        self._share = share
        self._package_cache = scratch.parent.parent / "packages"
        self._folder = scratch
        self._work = scratch / "work"
        self._temporary = scratch / "tmp"

    def prepare(self, objects: Objects) -> list[str]:
        """Fetch the job's files; the command that runs it. Raises ObjectError for what cannot be had."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)  # no other user of the machine reads what a job works with
        for folder in (self._work, self._temporary):
            folder.mkdir(exist_ok=True)  # a pre-initialized worker's are there already
        if self._submit.properties_file:
            self._read_properties(objects, self._submit.properties_file)
        submit = self._submit
        files = [path for uri in submit.files for path in self._fetch(objects, uri, self._work)]
        jars = [path for uri in submit.jars for path in self._fetch(objects, uri, self._folder / "jars")]
        py_files = [path for uri in submit.py_files for path in self._fetch(objects, uri, self._folder / "python")]
        for uri in submit.archives:
            self._unpack(objects, uri)
        entry = self._entry_point(objects)
        packages = self._packages()
        jars += packages
        if entry.suffix == ".py":
            py_files += packages  # as Spark does: a package may bring its Python part in the jar
        self._check_pythons()
        settings = {**_DEFAULTS, "spark.app.name": self.job.name, **submit.settings, **_FIXED}
        settings |= s3_settings(self._profile, self._spark, container=self._in_container)
        settings |= self._settings
        if self._executors is not None:
            settings |= self._executors.settings()
        settings["spark.local.dir"] = settings["spark.hadoop.hadoop.tmp.dir"] = str(self._temporary)
        # Its default is an expression over the folder above, which Hadoop does not read when the path has a blank.
        settings["spark.hadoop.fs.s3a.buffer.dir"] = str(self._temporary / "s3a")
        driver_options = shlex.split(settings.pop("spark.driver.extraJavaOptions", ""))
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        lists = (("--files", files), ("--jars", jars), ("--py-files", py_files))
        options += [part for name, paths in lists if paths for part in (name, ",".join(map(str, paths)))]
        options += ["--verbose"] if submit.verbose else []
        options += ["--class", submit.main_class] if submit.main_class else []
        return [
            *self._spark.java_options(submit.class_path),
            *self._spark.archive_options(),
            f"-Xmx{self._share.heap // 2**20}m",
            f"-Djava.io.tmpdir={self._temporary}",
            f"-Dvelodrome.job={self.job.id}",
            *self._log_options(),
            *driver_options,
            *self._secret_options(),
            "org.apache.spark.deploy.SparkSubmit",
            *("--master", self._executors.master if self._executors else f"local[{self._share.cores}]"),
            *options,
            str(entry),
            *self.job.arguments,
        ]

    def launch(
        self, command: list[str], stdout: Path, stderr: Path, note: Callable[[str], None]
    ) -> subprocess.Popen[bytes]:
        """Start the command in a session of its own, so that all it starts can be ended together."""
        for text in self.notes:
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

    @property
    def notes(self) -> list[str]:
        """What the job's log is to say of how the job runs here."""
        return [*self._submit.notes, *self._share.notes]

    def _fetch(self, objects: Objects, uri: str, folder: Path) -> list[Path]:
        """Download what a URI names, which may have wildcards, or a name of its own after #."""
        uri, _, name = uri.partition("#")
        return [objects.fetch(one, folder, name or None) for one in objects.expand(uri)]

    def _read_properties(self, objects: Objects, uri: str) -> None:
        file = objects.fetch(uri, self._folder / "properties")
        try:
            self._submit = self._submit.with_properties(read_properties(file.read_text(encoding="utf-8")))
        except (ValidationException, UnicodeDecodeError) as error:
            raise SubmitError(f"{uri}: {error}") from error

    def _unpack(self, objects: Objects, uri: str) -> None:
        """Unpack an archive into the job's folder, under its name or the one after #."""
        uri, _, name = uri.partition("#")
        for one in objects.expand(uri):
            archive = objects.fetch(one, self._folder / "archives")
            folder = self._work / (name or archive.name)
            if "\0" in name or not folder.resolve().is_relative_to(self._work.resolve()) or folder.exists():
                raise SubmitError(f"{one}#{name}: {name or archive.name} cannot be its folder")
            try:
                unpack(archive, folder)
            except ArchiveError as error:
                raise SubmitError(f"{one}: {error}") from error
            archive.unlink()

    def _packages(self) -> list[Path]:
        submit = self._submit
        if not submit.packages:
            return []
        wanted = Wanted(submit.packages, submit.excluded_packages, submit.repositories)
        try:
            return resolve(wanted, self._spark, self._package_cache, submit.notes.append)
        except PackageError as error:
            raise SubmitError(str(error)) from error

    def _check_pythons(self) -> None:
        """A Python that the job names must be among its files, or be EMR's image's, in whose place Spark's own runs."""
        settings = self._submit.settings
        for name in (*_PYTHON_SETTINGS, *(f"{_DRIVER_ENVIRONMENT}{variable}" for variable in _PYTHON_VARIABLES)):
            python = settings.get(name)
            if python is None or "/" not in python:
                continue
            if python.startswith(_IMAGE_PYTHONS):
                self._submit.notes.append(f"{name}={python} of EMR's image: the release's own Python runs in its place")
                settings[name] = str(self._spark.python)
                continue
            program = self._work / python
            if os.access(program, os.X_OK):
                continue
            if program.is_symlink():
                # venv-pack leaves a link to the Python that made the environment, which EMR's image has in one place.
                raise SubmitError(f"{name}={python} leads to {program.readlink()}, which this machine does not have")
            raise SubmitError(f"{name}={python}: there is no such program in the job's folder")

    def _log_options(self) -> list[str]:
        changes = self._submit.driver_log
        if not changes:
            return []
        file = self._folder / "log4j2.properties"
        file.write_text(log_properties(self._spark.log_properties(), changes), encoding="utf-8")
        return [f"-Dlog4j2.configurationFile={file.as_uri()}"]

    def _secret_options(self) -> list[str]:
        """Java reads the options from a file: https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html."""
        if not self.secrets:
            return []
        file = self._work.parent / "secret.options"
        write_private(file, "".join(f'"-D{name}={value}"\n' for name, value in self.secrets.items()))
        return [f"@{file}"]

    def _entry_point(self, objects: Objects) -> Path:
        uri = self.job.entry_point
        if uri == SPARK_INTERNAL:
            return Path(uri)
        # EMR's image has Spark's examples in this folder.
        inside = uri.removeprefix("local://")
        if inside.startswith(_EXAMPLES):
            example = self._spark.home / inside.removeprefix(_EXAMPLES)
            if not example.resolve().is_relative_to(self._spark.home.resolve()):
                raise SubmitError(f"The entry point {uri} is outside of {_EXAMPLES}")
            return example
        return objects.fetch(uri.replace("s3a://", "s3://", 1), self._work)

    @property
    def _in_container(self) -> bool:
        return _CONTAINER in self._extra_environment

    def environment(self) -> dict[str, str]:
        """The environment of the job's JVM, whole."""
        profile, spark, submit = self._profile, self._spark, self._submit
        given = {
            name.removeprefix(_DRIVER_ENVIRONMENT): value
            for name, value in submit.settings.items()
            if name.startswith(_DRIVER_ENVIRONMENT)
        }
        environment = {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYSPARK_PYTHON": str(spark.python),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            **given,
            "PATH": ":".join(filter(None, (given.get("PATH"), f"{spark.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin"))),
            "JAVA_HOME": str(spark.java_home),
            "SPARK_HOME": str(spark.home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "HOME": str(self._work),
            "TMPDIR": str(self._temporary),
            "AWS_REGION": profile.region,
            "AWS_DEFAULT_REGION": profile.region,
        }
        if library := submit.settings.get("spark.driver.extraLibraryPath"):
            environment["LD_LIBRARY_PATH"] = library
        # For a job that uses an SDK beside Spark.
        environment |= {f"AWS_ENDPOINT_URL_{name.upper()}": url for name, url in profile.endpoints.items()}
        optional = {"AWS_ENDPOINT_URL": profile.endpoint_url}
        if not self._in_container:
            optional |= {
                "AWS_ACCESS_KEY_ID": profile.access_key_id,
                "AWS_SECRET_ACCESS_KEY": profile.secret_access_key,
                "AWS_SESSION_TOKEN": profile.session_token,
            }
        environment |= {name: value for name, value in optional.items() if value} | self._extra_environment
        return environment | self._executors.environment() if self._executors else environment


def s3_settings(profile: Profile, spark: SparkInstall, *, container: bool) -> dict[str, str]:
    """What leads S3A to the profile's S3: its endpoint, and who gives the keys (a container's, or the environment)."""
    settings = {
        "spark.hadoop.fs.s3a.endpoint.region": profile.region,
        "spark.hadoop.fs.s3a.aws.credentials.provider": spark.credentials_provider(container),
    }
    if endpoint := profile.endpoint("s3"):
        settings["spark.hadoop.fs.s3a.endpoint"] = endpoint
        settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(urlsplit(endpoint).scheme == "https").lower()
    if profile.path_style:
        settings["spark.hadoop.fs.s3a.path.style.access"] = "true"
    return settings
