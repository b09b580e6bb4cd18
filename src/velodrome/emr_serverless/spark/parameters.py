"""Reads a job's sparkSubmitParameters: every option of spark-submit, and the settings that it is another spelling of.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html
https://spark.apache.org/docs/4.0.2/configuration.html#application-properties
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ValidationException
from . import configurations as configured
from .workers import memory_size as memory_size

# Options that are another spelling of a setting.
_SETTINGS = {
    "--name": "spark.app.name",
    "--driver-memory": "spark.driver.memory",
    "--driver-cores": "spark.driver.cores",
    "--driver-java-options": "spark.driver.extraJavaOptions",
    "--driver-library-path": "spark.driver.extraLibraryPath",
    "--driver-class-path": "spark.driver.extraClassPath",
    "--executor-memory": "spark.executor.memory",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
    "--total-executor-cores": "spark.cores.max",
    "--py-files": "spark.submit.pyFiles",
    "--jars": "spark.jars",
    "--files": "spark.files",
    "--archives": "spark.archives",
    "--packages": "spark.jars.packages",
    "--exclude-packages": "spark.jars.excludes",
    "--repositories": "spark.jars.repositories",
}
_CONF = ("--conf", "-c")
_VERBOSE = ("--verbose", "-v")
_SET_BY_SERVICE = "is set by EMR Serverless"
_REFUSED_OPTIONS = {
    "--master": _SET_BY_SERVICE,
    "--deploy-mode": _SET_BY_SERVICE,
    "--remote": _SET_BY_SERVICE,
    "--proxy-user": "is not for EMR Serverless, whose jobs run with a role",
    **dict.fromkeys(("--queue", "--principal", "--keytab"), "is for YARN and Kerberos, which EMR Serverless has not"),
    **dict.fromkeys(("--supervise", "--kill", "--status"), "is for Spark's own clusters, which EMR Serverless is not"),
    **dict.fromkeys(("--help", "-h", "--usage-error", "--version"), "runs no job"),
}
_REFUSED_SETTINGS = {
    "spark.master": _SET_BY_SERVICE,
    "spark.remote": _SET_BY_SERVICE,
    "spark.submit.deployMode": _SET_BY_SERVICE,
    "spark.jars.ivySettings": "is not available in Velodrome; spark.jars.repositories is",
}
# Settings that the service has values of its own for, whatever a job says: where the driver listens, where it writes,
# where S3 is and with which keys. A job may carry them for another place that it runs at, so they are no error.
_SERVICES_OWN = re.compile(
    r"spark\.(driver\.(host|bindAddress)|authenticate(\.secret(\.(driver\.|executor\.)?file)?)?"
    r"|local\.dir|jars\.ivy|hadoop\.hadoop\.tmp\.dir"
    r"|hadoop\.fs\.s3[an]?\.(impl|endpoint|endpoint\.region|path\.style\.access|connection\.ssl\.enabled|buffer\.dir"
    r"|access\.key|secret\.key|session\.token|aws\.credentials\.provider))"
)
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html#spark-defaults
_EMR_SETTINGS = re.compile(
    r"spark\.emr-serverless\.(driverEnv\..+|executorEnv\..+|(driver|executor)\.disk(\.type)?|memoryOverheadFactor"
    r"|allocation\.batch\.size)"
)
_EMR = "spark.emr-serverless."
_NO_EFFECT = {
    "spark.cores.max": "EMR Serverless counts executors, not cores",
    "spark.hadoop.hive.metastore.client.factory.class": (
        "the Glue Data Catalog is not available in Velodrome, so tables are those of the job's own session"
    ),
}
_BUCKETS = re.compile(r"s3[an]?://")
_WEB = ("https://", "http://")
# What EMR's image has and Spark here has as well; and what has to come from the registry instead.
_HERE = ("/usr/share/aws/delta/", "/usr/lib/spark/jars/")
_IMAGE = ("/usr/share/aws/", "/usr/lib/", "/opt/", "/docker/")
_OPEN_SOURCE = {
    "hudi": "org.apache.hudi:hudi-spark4.0-bundle_2.13",
    "iceberg": "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13",
    "redshift": "io.github.spark-redshift-community:spark-redshift_2.12",
}
_EXAMPLES = "/usr/lib/spark/examples/"
_COORDINATE = re.compile(r"[^:,\s]+:[^:,\s]+:[^:,\s]+")
_HEAP = re.compile(r"-Xmx\S*")


@dataclass
class SubmitParameters:
    """What a job asks of spark-submit. Lists of files hold URIs (s3:// or https://), some with #NAME after them."""

    main_class: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    jars: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    py_files: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    excluded_packages: list[str] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)
    class_path: list[str] = field(default_factory=list)
    properties_file: str | None = None
    verbose: bool = False
    driver_log: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    text: str = ""
    defaults: dict[str, str] = field(default_factory=dict)

    def with_properties(self, properties: Mapping[str, str]) -> SubmitParameters:
        """The same with what its --properties-file holds, which options win over, and which wins over defaults."""
        made = read(self.text, {**self.defaults, **properties})
        made.driver_log = self.driver_log
        made.properties_file = None
        return made


def of_job(text: str, configurations: Sequence[Mapping[str, Any]]) -> SubmitParameters:
    """What a job asks for by its sparkSubmitParameters and its (merged) configurations; ValidationException."""
    configured.check(configurations)
    result = read(text, configured.properties(configurations, configured.DEFAULTS))
    result.driver_log = configured.properties(configurations, configured.DRIVER_LOG)
    for name in configured.not_changed(result.driver_log):
        result.notes.append(f"{configured.DRIVER_LOG}: {name} cannot be changed")
    if configured.properties(configurations, configured.EXECUTOR_LOG):
        result.notes.append(f"{configured.EXECUTOR_LOG} has no effect: the executor is a part of the driver's process")
    return result


def read(text: str, defaults: Mapping[str, str]) -> SubmitParameters:
    """The parameters of a job; `defaults` are its spark-defaults, which options win over. ValidationException."""
    result = SubmitParameters(settings=dict(defaults), text=text, defaults=dict(defaults))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValidationException(f"sparkSubmitParameters cannot be read: {error}") from None
    position = 0
    while position < len(words):
        option, equals, value = words[position].partition("=")
        position += 1
        _check_option(option)
        if option in _VERBOSE:
            result.verbose = True
            continue
        if not equals:
            if position == len(words):
                raise ValidationException(f"sparkSubmitParameters: {option} has no value")
            value = words[position]
            position += 1
        _take(result, option, value)
    _check_settings(result)
    _take_lists(result)
    return result


def check_entry_point(uri: str) -> None:
    """Raise ValidationException unless a job can start with this script or JAR."""
    path = _image_path(uri)
    if _BUCKETS.match(uri):
        return
    if path is None or not path.startswith(_EXAMPLES):
        raise ValidationException(f"The entry point {uri} must start with s3://")
    if path.endswith(".jar"):
        # PySpark brings the examples in Python only, and no registry has the JAR.
        raise ValidationException(f"The entry point {uri} is not available in Velodrome; {_EXAMPLES}src/main/python is")


def read_properties(text: str) -> dict[str, str]:
    """The Spark settings of a properties file: ``name value``, ``name=value`` or ``name: value``, a line each.

    https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)
    """
    found: dict[str, str] = {}
    pending = ""
    for line in text.splitlines():
        content = pending + line.lstrip()
        pending = ""
        if not content or content[0] in "#!":
            continue
        if (len(content) - len(content.rstrip("\\"))) % 2:
            pending = content[:-1]
            continue
        name, value = _property(content)
        if name.startswith("spark."):
            found[name] = value.rstrip()
    return found


def _property(line: str) -> tuple[str, str]:
    match = re.match(r"((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)", line)
    name, value = match.groups() if match else (line, "")
    return re.sub(r"\\(.)", r"\1", name), re.sub(r"\\(.)", r"\1", value)


def _check_option(option: str) -> None:
    if not option.startswith("-"):
        raise ValidationException(f"sparkSubmitParameters: {option} is no option")
    if reason := _REFUSED_OPTIONS.get(option):
        raise ValidationException(f"sparkSubmitParameters: {option} {reason}")
    if option not in (*_CONF, *_VERBOSE, "--class", "--properties-file", *_SETTINGS):
        raise ValidationException(f"sparkSubmitParameters: {option} is no option of spark-submit")


def _take(result: SubmitParameters, option: str, value: str) -> None:
    if option in _CONF:
        name, equals, value = value.partition("=")
        if not equals:
            raise ValidationException(f"sparkSubmitParameters: --conf {name} is not NAME=VALUE")
        result.settings[name.strip()] = value
    elif option == "--class":
        result.main_class = value
    elif option == "--properties-file":
        if not _BUCKETS.match(value):
            raise ValidationException(f"sparkSubmitParameters: {value} must start with s3://")
        result.properties_file = _in_s3(value)
    else:
        result.settings[_SETTINGS[option]] = value


def _check_settings(result: SubmitParameters) -> None:
    for name in list(result.settings):
        if reason := _REFUSED_SETTINGS.get(name):
            raise ValidationException(f"The Spark setting {name} {reason}")
        if name.startswith(_EMR) and not _EMR_SETTINGS.fullmatch(name):
            raise ValidationException(f"The Spark setting {name} is none of EMR Serverless's")
        if _SERVICES_OWN.fullmatch(name):
            del result.settings[name]
            result.notes.append(f"{name} is ignored: EMR Serverless has a value of its own for it")
        elif reason := _NO_EFFECT.get(name):
            del result.settings[name]
            result.notes.append(f"{name} is ignored: {reason}")
    if match := _HEAP.search(result.settings.get("spark.driver.extraJavaOptions", "")):
        raise ValidationException(
            f"spark.driver.extraJavaOptions: {match.group()} is not allowed; spark.driver.memory says how much there is"
        )


def _take_lists(result: SubmitParameters) -> None:
    settings, notes = result.settings, result.notes
    result.jars = _uris("spark.jars", settings, notes)
    result.files = _uris("spark.files", settings, notes)
    result.py_files = _uris("spark.submit.pyFiles", settings, notes)
    result.archives = _uris("spark.archives", settings, notes)
    result.packages = _names(settings.pop("spark.jars.packages", ""))
    result.excluded_packages = _names(settings.pop("spark.jars.excludes", ""))
    result.repositories = _names(settings.pop("spark.jars.repositories", ""))
    result.class_path = _class_path(settings.pop("spark.driver.extraClassPath", ""), notes)
    for package in result.packages:
        if not _COORDINATE.fullmatch(package):
            raise ValidationException(f"spark.jars.packages: {package} is not group:artifact:version")
    for package in result.excluded_packages:
        if package.count(":") != 1:
            raise ValidationException(f"spark.jars.excludes: {package} is not group:artifact")


def _uris(name: str, settings: dict[str, str], notes: list[str]) -> list[str]:
    """Take a setting's list of files; those that Spark here has as EMR's image has them are left out, with a note."""
    kept = []
    for uri in _names(settings.pop(name, "")):
        path = _image_path(uri)
        if _BUCKETS.match(uri):
            kept.append(_in_s3(uri))
        elif uri.startswith(_WEB):
            kept.append(uri)
        elif path is not None and path.startswith(_HERE):
            notes.append(f"{uri} is on the class path already")
        elif path is not None and path.startswith(_IMAGE):
            raise ValidationException(_not_in_image(name, uri, path))
        else:
            raise ValidationException(f"{name}: {uri} must start with s3://")
    return kept


def _class_path(text: str, notes: list[str]) -> list[str]:
    kept = []
    for entry in filter(None, text.split(":")):
        if entry.startswith(_HERE):
            notes.append(f"{entry} is on the class path already")
        elif entry.startswith(_IMAGE):
            raise ValidationException(_not_in_image("spark.driver.extraClassPath", entry, entry))
        else:
            kept.append(entry)
    return kept


def _not_in_image(name: str, uri: str, path: str) -> str:
    packages = next((package for word, package in _OPEN_SOURCE.items() if word in path), None)
    fetched = f" (--packages {packages}:VERSION)" if packages else ""
    return f"{name}: {uri} of EMR's image is not available in Velodrome; --packages fetches what it holds{fetched}"


def _image_path(uri: str) -> str | None:
    """The path of a file in EMR's image, which may stand with a scheme or without; None for what is elsewhere."""
    path = uri.removeprefix("local:").removeprefix("file:")
    path = "/" + path.lstrip("/") if path.startswith("/") else path
    return path if path.startswith("/") else None


def _in_s3(uri: str) -> str:
    return _BUCKETS.sub("s3://", uri, count=1)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
