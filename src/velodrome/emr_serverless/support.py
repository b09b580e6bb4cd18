"""What of EMR Serverless is not there; asking for it is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import ValidationException

RELEASE = "emr-spark-8.0.0"
_ABSENT = "is not available in Velodrome"


def _given(value: Any) -> bool:
    return bool(value)


def _enabled(value: Any) -> bool:
    return any(flag is True for flag in value.values())


def _interactive(value: Any) -> bool:
    return any(flag is True for name, flag in value.items() if name != "sessionEnabled")


def _retried(value: Any) -> bool:
    return int(value.get("maxAttempts", 1)) > 1 or "maxFailedAttemptsPerHour" in value


# Parameter → whether a value of it asks for something that is not there.
_APPLICATION: dict[str, Callable[[Any], bool]] = {
    "imageConfiguration": _given,
    "workerTypeSpecifications": _given,
    "diskEncryptionConfiguration": _given,
    "interactiveConfiguration": _interactive,
    "schedulerConfiguration": _given,
    "identityCenterConfiguration": _given,
    "jobLevelCostAllocationConfiguration": _enabled,
}
_JOB_RUN: dict[str, Callable[[Any], bool]] = {
    "executionIamPolicy": _given,
    "flexExecution": _enabled,
    "retryPolicy": _retried,
}
_MONITORING: dict[str, Callable[[Any], bool]] = {
    "cloudWatchLoggingConfiguration": _enabled,
    "prometheusMonitoringConfiguration": _given,
}


def check_application(parameters: Mapping[str, Any]) -> None:
    """Refuse what an application cannot have."""
    kind, release = parameters["type"], parameters["releaseLabel"]
    if kind.upper() != "SPARK":
        raise ValidationException(f"Application type {kind} {_ABSENT}; only SPARK is")
    if release != RELEASE:
        raise ValidationException(f"Release label {release} {_ABSENT}; only {RELEASE} is")
    _refuse(parameters, _APPLICATION)
    _check_monitoring(parameters.get("monitoringConfiguration", {}))
    _check_classifications(parameters.get("runtimeConfiguration", []))


def check_job_run(parameters: Mapping[str, Any]) -> None:
    """Refuse what a job run cannot have."""
    driver = parameters.get("jobDriver")
    if driver is None:
        raise ValidationException("jobDriver must not be null")
    if "hive" in driver:
        raise ValidationException(f"The job driver hive {_ABSENT}; only sparkSubmit is")
    if parameters.get("mode", "BATCH") != "BATCH":
        raise ValidationException(f"The mode {parameters['mode']} {_ABSENT}; only BATCH is")
    _refuse(parameters, _JOB_RUN)
    overrides = parameters.get("configurationOverrides", {})
    if overrides.get("diskEncryptionConfiguration"):
        raise ValidationException(f"configurationOverrides.diskEncryptionConfiguration {_ABSENT}")
    _check_monitoring(overrides.get("monitoringConfiguration", {}))
    _check_classifications(overrides.get("applicationConfiguration", []))


def _refuse(parameters: Mapping[str, Any], absent: Mapping[str, Callable[[Any], bool]], prefix: str = "") -> None:
    for name, asked in absent.items():
        if name in parameters and asked(parameters[name]):
            raise ValidationException(f"{prefix}{name} {_ABSENT}")


def _check_monitoring(monitoring: Mapping[str, Any]) -> None:
    _refuse(monitoring, _MONITORING, "monitoringConfiguration.")
    s3 = monitoring.get("s3MonitoringConfiguration", {})
    if "encryptionKeyArn" in s3:
        raise ValidationException(f"s3MonitoringConfiguration.encryptionKeyArn {_ABSENT}")
    uri = s3.get("logUri")
    if uri is not None and not uri.startswith("s3://"):
        raise ValidationException(f"logUri must start with s3://, not {uri}")


def _check_classifications(configurations: list[dict[str, Any]]) -> None:
    for configuration in configurations:
        name = configuration["classification"]
        if name != "spark-defaults":
            raise ValidationException(f"The classification {name} {_ABSENT}; only spark-defaults is")
        if configuration.get("configurations"):
            raise ValidationException(f"Configurations inside the classification {name} are not available in Velodrome")
