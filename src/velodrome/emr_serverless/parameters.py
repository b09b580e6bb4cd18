"""Reads a job's sparkSubmitParameters and spark-defaults.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ValidationException

# Options that are another spelling of a setting.
_SETTINGS = {
    "--name": "spark.app.name",
    "--driver-memory": "spark.driver.memory",
    "--driver-cores": "spark.driver.cores",
    "--executor-memory": "spark.executor.memory",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
    "--py-files": "spark.submit.pyFiles",
    "--jars": "spark.jars",
    "--files": "spark.files",
}
# Settings whose meaning is the service's own, or that need what is not there.
_REFUSED = re.compile(
    r"spark\.(master|submit\.deployMode|archives|jars\.(packages|repositories|ivy|ivySettings|excludes)"
    r"|driver\.(host|bindAddress|port|extraClassPath|extraLibraryPath)|executor\.extraClassPath|local\.dir"
    r"|hadoop\.fs\.s3a?\.(impl|endpoint|access\.key|secret\.key|session\.token|aws\.credentials\.provider)"
    r"|emr-serverless\.(?!driverEnv\.|driver\.disk|executor\.disk|memoryOverheadFactor|allocation\.).*)"
)
# Jars that EMR's image has. Delta is on the class path here as well; the others are not.
_IMAGE = "/usr/share/aws/"
_DELTA = "/usr/share/aws/delta/"
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 2**20, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass
class SubmitParameters:
    """What a job asks of spark-submit."""

    main_class: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    jars: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    py_files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(text: str, defaults: Mapping[str, str]) -> SubmitParameters:
    """The parameters of a job; `defaults` are its spark-defaults, which options win over."""
    result = SubmitParameters(settings=dict(defaults))
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValidationException(f"sparkSubmitParameters cannot be read: {error}") from None
    position = 0
    while position < len(words):
        option, equals, value = words[position].partition("=")
        if not option.startswith("-"):
            raise ValidationException(f"sparkSubmitParameters: {option} is no option")
        if option not in ("--conf", "-c", "--class", *_SETTINGS):
            raise ValidationException(f"sparkSubmitParameters: {option} is not available in Velodrome")
        if not equals:
            position += 1
            if position == len(words):
                raise ValidationException(f"sparkSubmitParameters: {option} has no value")
            value = words[position]
        position += 1
        if option in ("--conf", "-c"):
            name, equals, value = value.partition("=")
            if not equals:
                raise ValidationException(f"sparkSubmitParameters: --conf {name} is not NAME=VALUE")
            result.settings[name.strip()] = value
        elif option == "--class":
            result.main_class = value
        else:
            result.settings[_SETTINGS[option]] = value
    for name in result.settings:
        if _REFUSED.fullmatch(name):
            raise ValidationException(f"The Spark setting {name} is not available in Velodrome")
    result.jars = _without_image(_names(result.settings.pop("spark.jars", "")), result.notes)
    result.files = _names(result.settings.pop("spark.files", ""))
    result.py_files = _names(result.settings.pop("spark.submit.pyFiles", ""))
    for uri in (*result.jars, *result.files, *result.py_files):
        if not uri.startswith("s3://"):
            raise ValidationException(f"sparkSubmitParameters: {uri} must start with s3://")
    return result


def spark_defaults(configurations: list[dict[str, Any]]) -> dict[str, str]:
    """The settings of the classification spark-defaults."""
    return {
        name: value
        for configuration in configurations
        if configuration["classification"] == "spark-defaults"
        for name, value in configuration.get("properties", {}).items()
    }


def memory_size(text: str) -> int:
    """Bytes of a size as Spark's memory settings have it; a bare number counts mebibytes.

    >>> memory_size("2g") == 2 * 2**30 == memory_size("2048")
    True
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValidationException(f"{text!r} is no size of memory, such as 2g")
    return int(match.group(1)) * _UNITS[match.group(2).lower()]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _without_image(jars: list[str], notes: list[str]) -> list[str]:
    kept = []
    for jar in jars:
        path = jar.removeprefix("local://").removeprefix("file://")
        if path.startswith(_DELTA):
            notes.append(f"{jar} is on the class path already")
        elif path.startswith(_IMAGE):
            raise ValidationException(f"sparkSubmitParameters: {jar} is not available in Velodrome")
        else:
            kept.append(jar)
    return kept
