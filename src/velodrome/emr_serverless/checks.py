"""What an application or a job run may ask for: AWS's own limits, and by name what is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .errors import ValidationException
from .spark import configurations, releases
from .spark.resources import Resources
from .spark.workers import capacity, check_worker

_ABSENT = "is not available in Velodrome"
# Worker types of initialCapacity and of workerTypeSpecifications, as a Spark application has them.
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/pre-init-capacity.html
DRIVER, EXECUTOR = "DRIVER", "EXECUTOR"
WORKER_TYPES = (DRIVER, EXECUTOR)
DEFAULT_WORKER: dict[str, str] = {"cpu": "4 vCPU", "memory": "16 GB", "disk": "20 GB"}
# https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html
_MOST_TAGS = 50
_RESERVED = "aws:"
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_SchedulerConfiguration.html
_RANGES = {"queueTimeoutMinutes": (15, 720), "maxConcurrentRuns": (1, 1000)}
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-resiliency.html
_ATTEMPTS = (1, 10)


def _given(value: Any) -> bool:
    return bool(value)


def _enabled(value: Any) -> bool:
    return any(flag is True for flag in value.values())


def _image(value: Any) -> bool:
    return bool(value.get("imageUri"))


# Parameter → whether a value of it asks for something that is not there.
_APPLICATION: dict[str, Callable[[Any], bool]] = {
    "imageConfiguration": _image,
    "diskEncryptionConfiguration": _given,
    "identityCenterConfiguration": _given,
}
_INTERACTIVE: dict[str, Callable[[Any], bool]] = {"studioEnabled": bool, "livyEndpointEnabled": bool}
_MONITORING: dict[str, Callable[[Any], bool]] = {
    "cloudWatchLoggingConfiguration": _enabled,
    "prometheusMonitoringConfiguration": _given,
}


def check_application(parameters: Mapping[str, Any]) -> None:
    """Refuse what an application cannot have; `parameters` are all that it will have."""
    kind = parameters["type"]
    if kind.upper() != "SPARK":
        raise ValidationException(f"Application type {kind} {_ABSENT}; only SPARK is")
    releases.find(parameters["releaseLabel"])
    _refuse(parameters, _APPLICATION)
    _refuse(parameters.get("interactiveConfiguration", {}), _INTERACTIVE, "interactiveConfiguration.")
    _check_worker_types(parameters.get("workerTypeSpecifications"))
    _check_capacity(parameters)
    for name, (least, most) in _RANGES.items():
        value = parameters.get("schedulerConfiguration", {}).get(name)
        if value is not None and not least <= value <= most:
            raise ValidationException(f"schedulerConfiguration.{name} must be between {least} and {most}, not {value}")
    _check_monitoring(parameters.get("monitoringConfiguration", {}))
    configurations.check(parameters.get("runtimeConfiguration", []))


def check_job_run(parameters: Mapping[str, Any]) -> None:
    """Refuse what a job run cannot have."""
    driver = parameters.get("jobDriver")
    if driver is None:
        raise ValidationException("jobDriver must not be null")
    if "hive" in driver:
        raise ValidationException(f"The job driver hive {_ABSENT}; only sparkSubmit is")
    _check_retry(parameters.get("retryPolicy", {}), parameters.get("mode", "BATCH"))
    overrides = parameters.get("configurationOverrides", {})
    if overrides.get("diskEncryptionConfiguration"):
        raise ValidationException(f"configurationOverrides.diskEncryptionConfiguration {_ABSENT}")
    _check_monitoring(overrides.get("monitoringConfiguration", {}))
    configurations.check(overrides.get("applicationConfiguration", []))


def check_session(parameters: Mapping[str, Any]) -> None:
    """Refuse what a session cannot have."""
    configurations.check(parameters.get("configurationOverrides", {}).get("runtimeConfiguration", []))


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that AWS does not take: more than fifty, or with its own prefix."""
    if reserved := sorted(key for key in tags if key.lower().startswith(_RESERVED)):
        raise ValidationException(f"Tag keys may not start with the reserved prefix {_RESERVED}: {', '.join(reserved)}")
    if len(tags) > _MOST_TAGS:
        raise ValidationException(f"A resource can have at most {_MOST_TAGS} tags, not {len(tags)}")


def initial_capacity(parameters: Mapping[str, Any]) -> dict[str, tuple[int, Resources]]:
    """Worker type → how many pre-initialized workers of which size."""
    return {
        kind.upper(): (config["workerCount"], capacity({**DEFAULT_WORKER, **config.get("workerConfiguration", {})}))
        for kind, config in parameters.get("initialCapacity", {}).items()
    }


def _check_worker_types(specifications: Mapping[str, Any] | None) -> None:
    if specifications is None:
        return
    if sorted(kind.upper() for kind in specifications) != sorted(WORKER_TYPES):
        raise ValidationException(
            "workerTypeSpecifications must contain all valid worker types for a Spark application: Driver and Executor"
        )
    for kind, specification in specifications.items():
        _refuse(specification, {"imageConfiguration": _image}, f"workerTypeSpecifications.{kind}.")


def _check_capacity(parameters: Mapping[str, Any]) -> None:
    initial = initial_capacity(parameters)
    for kind in initial:
        if kind not in WORKER_TYPES:
            raise ValidationException(
                f"Worker type {kind} is not supported for application type Spark. "
                f"Supported worker types: [{', '.join(WORKER_TYPES)}]"
            )
    for kind, config in parameters.get("initialCapacity", {}).items():
        _, size = initial[kind.upper()]
        check_worker(f"the {kind.lower()}", size, config.get("workerConfiguration", {}).get("diskType", "standard"))
    if "maximumCapacity" not in parameters:
        return
    most = capacity(parameters["maximumCapacity"])
    asked = sum((size * count for count, size in initial.values()), Resources(0, 0, 0))
    if exceeded := asked.exceeded(most):
        raise ValidationException(
            f"The initial capacity exceeds the maximum capacity of the application: [{', '.join(exceeded)}]"
        )


def _check_retry(policy: Mapping[str, Any], mode: str) -> None:
    name, other = "maxAttempts", "maxFailedAttemptsPerHour"
    if mode == "STREAMING":
        name, other = other, name
    if other in policy:
        raise ValidationException(f"retryPolicy.{other} is not applicable for {mode} mode")
    least, most = _ATTEMPTS
    if name in policy and not least <= policy[name] <= most:
        raise ValidationException(f"retryPolicy.{name} must be between {least} and {most}, not {policy[name]}")


def _refuse(parameters: Mapping[str, Any], absent: Mapping[str, Callable[[Any], bool]], prefix: str = "") -> None:
    for name, asked in absent.items():
        if name in parameters and asked(parameters[name]):
            raise ValidationException(f"{prefix}{name} {_ABSENT}")


def _check_monitoring(monitoring: Mapping[str, Any]) -> None:
    _refuse(monitoring, _MONITORING, "monitoringConfiguration.")
    s3 = monitoring.get("s3MonitoringConfiguration", {})
    if "encryptionKeyArn" in s3:
        raise ValidationException(f"s3MonitoringConfiguration.encryptionKeyArn {_ABSENT}")
    if "encryptionKeyArn" in monitoring.get("managedPersistenceMonitoringConfiguration", {}):
        raise ValidationException(f"managedPersistenceMonitoringConfiguration.encryptionKeyArn {_ABSENT}")
    uri = s3.get("logUri")
    if uri is None:
        return
    if not uri.startswith("s3://"):
        raise ValidationException(f"logUri must start with s3://, not {uri}")
    if not uri.removeprefix("s3://").partition("/")[0]:
        raise ValidationException(f"logUri must name a bucket, not {uri}")
