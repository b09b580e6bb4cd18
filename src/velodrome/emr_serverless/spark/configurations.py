"""Configurations of an application and of a job: how EMR Serverless merges them, and what they may classify.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/default-configs.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ValidationException

DEFAULTS = "spark-defaults"
DRIVER_LOG = "spark-driver-log4j2"
EXECUTOR_LOG = "spark-executor-log4j2"
_SPARK = "spark"  # it has one property, dynamicAllocationOptimization, and that is for many machines
_KNOWN = (DEFAULTS, DRIVER_LOG, EXECUTOR_LOG, _SPARK)
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/secrets-manager.html
_SECRET = "EMR.secret@"  # noqa: S105  how a property names a secret, not one
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/log4j2.html#log4j2-spark-considerations
_FIXED_LOG_PROPERTIES = (
    "rootLogger.appenderRef.stdout.ref",
    "appender.console.type",
    "appender.console.name",
    "appender.console.target",
    "appender.console.layout.type",
    "appender.console.layout.pattern",
)


def merge(application: Sequence[Mapping[str, Any]], job: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The configurations that a job runs with: by classification, the job's in place of the application's.

    Properties are not merged: of a classification that the job names, only the job's are considered, and one without
    properties removes the application's.
    """
    merged = {configuration["classification"]: dict(configuration) for configuration in application}
    for configuration in job:
        merged[configuration["classification"]] = dict(configuration)
    return [one for one in merged.values() if one.get("properties") or one.get("configurations")]


def merge_monitoring(application: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The monitoring of a job: by kind, the job's in place of the application's.

    An empty declaration removes the application's; CloudWatch's is removed by ``enabled`` = false.
    """
    merged = {**application, **job}
    if not merged.get("cloudWatchLoggingConfiguration", {}).get("enabled", False):
        merged.pop("cloudWatchLoggingConfiguration", None)
    return {kind: dict(configuration) for kind, configuration in merged.items() if configuration}


def check(configurations: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValidationException for a classification that Spark does not have, or what it cannot say here."""
    seen: set[str] = set()
    for configuration in configurations:
        name = configuration["classification"]
        if name not in _KNOWN:
            raise ValidationException(
                f"The classification {name} is not available in Velodrome; there are: {', '.join(_KNOWN)}"
            )
        if name in seen:
            raise ValidationException(f"The classification {name} is there twice")
        seen.add(name)
        if configuration.get("configurations"):
            raise ValidationException(f"Configurations inside the classification {name} are not available in Velodrome")
        for key, value in configuration.get("properties", {}).items():
            if _SECRET in value:
                raise ValidationException(f"{key}: Secrets Manager ({_SECRET}) is not available in Velodrome")


def properties(configurations: Sequence[Mapping[str, Any]], classification: str) -> dict[str, str]:
    """The properties of one classification; none if it is not there."""
    return {
        name: value
        for configuration in configurations
        if configuration["classification"] == classification
        for name, value in configuration.get("properties", {}).items()
    }


def log_properties(base: str, changes: Mapping[str, str]) -> str:
    """Spark's own log4j2 properties with a job's changes; those that EMR does not let a job change are left out.

    Of a property that is there twice, java.util.Properties takes the last.
    """
    kept = {name: value for name, value in changes.items() if name not in _FIXED_LOG_PROPERTIES}
    lines = [f"{_escaped(name)} = {_escaped(value)}" for name, value in kept.items()]
    return "\n".join([base.rstrip("\n"), "", "# The job's own.", *lines, ""])


def not_changed(changes: Mapping[str, str]) -> list[str]:
    """Which of the log4j2 properties EMR does not let a job change."""
    return [name for name in changes if name in _FIXED_LOG_PROPERTIES]


def _escaped(text: str) -> str:
    for plain, written in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("=", "\\="), (":", "\\:")):
        text = text.replace(plain, written)
    return f"\\{text}" if text.startswith((" ", "#", "!")) else text
