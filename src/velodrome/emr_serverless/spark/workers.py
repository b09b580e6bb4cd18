"""How large the workers are that a Spark job asks for, by EMR Serverless's defaults and its table of worker sizes.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html#spark-defaults
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-behavior.html#worker-configs
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..errors import ValidationException
from .resources import Resources, Workers

# vCPU → (least GB, most GB, step in GB).
_MEMORY = {
    1: (2, 8, 1),
    2: (4, 16, 1),
    4: (8, 30, 1),
    8: (16, 60, 4),
    16: (32, 120, 8),
}
# GB of disk, by its type.
_DISK = {"standard": (20, 200), "shuffle_optimized": (20, 2000)}
_DEFAULTS = {
    "spark.driver.cores": "4",
    "spark.driver.memory": "14g",
    "spark.emr-serverless.driver.disk": "20g",
    "spark.executor.cores": "4",
    "spark.executor.memory": "14g",
    "spark.emr-serverless.executor.disk": "20g",
    "spark.executor.instances": "3",
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.initialExecutors": "3",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.emr-serverless.memoryOverheadFactor": "0.1",
}
_LEAST_OVERHEAD = 384 * 2**20
_PYTHON_WORKER = 96 * 2**20
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 2**20, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[A-Za-z]*\s*")


def workers_of(settings: Mapping[str, str], factor: float | None = None) -> Workers:
    """The workers that a job with these Spark settings gets; raises ValidationException if there are none such.

    `factor` is the overhead's default part of the memory, if not AWS's 0.1.

    >>> workers_of({}).driver
    Resources(cpu=4.0, memory=16.0, disk=20.0)
    """
    wanted = {**_DEFAULTS, **settings}
    if factor is not None and "spark.emr-serverless.memoryOverheadFactor" not in settings:
        wanted["spark.emr-serverless.memoryOverheadFactor"] = str(factor)
    return Workers(_worker("driver", wanted), _worker("executor", wanted), _executors(wanted))


def executors_at_most(settings: Mapping[str, str]) -> int | None:
    """To how many executors a job may grow; None is without a limit, EMR's default since release 6.10."""
    wanted = {**_DEFAULTS, **settings}
    if wanted["spark.dynamicAllocation.enabled"].strip().lower() == "false":
        return _whole("spark.executor.instances", wanted)
    if wanted.get("spark.dynamicAllocation.maxExecutors", "infinity").strip().lower() == "infinity":
        return None
    return _whole("spark.dynamicAllocation.maxExecutors", wanted)


def overhead_of(settings: Mapping[str, str], heap: int, cores: int) -> int:
    """Bytes beside a heap of this many bytes, for a driver and an executor that share a JVM of so many cores.

    It is both workers' overhead, as EMR Serverless counts it, with what else a job asks for; an executor's Python
    workers, one a core, have room even where that overhead is the least.
    """
    wanted = {**_DEFAULTS, **settings}
    least = {"driver": 0, "executor": _PYTHON_WORKER * cores}
    total = 0
    for kind, python in least.items():
        own = f"spark.{kind}.memoryOverhead"
        total += memory_size(wanted[own]) if own in wanted else max(_overhead(kind, heap, wanted), python)
    return total + _beside(wanted)


def capacity(amounts: Mapping[str, Any]) -> Resources:
    """A capacity of the API, such as ``{"cpu": "4 vCPU", "memory": "16 GB"}``; what is not said is not limited.

    >>> capacity({"cpu": "4 vCPU", "memory": "16GB", "disk": "100 gb"})
    Resources(cpu=4.0, memory=16.0, disk=100.0)
    """
    return Resources(*(_amount(name, amounts.get(name)) for name in ("cpu", "memory", "disk")))


def check_worker(kind: str, worker: Resources, disk_type: str = "standard") -> None:
    """Raise ValidationException unless AWS has workers of this size; `kind` is what the message calls it."""
    sizes = _MEMORY.get(int(worker.cpu)) if worker.cpu == int(worker.cpu) else None
    if sizes is None:
        known = ", ".join(map(str, _MEMORY))
        raise ValidationException(
            f"Unsupported worker configuration for {kind}: {worker.cpu:g} vCPU. Each worker can have {known} vCPUs."
        )
    least, most, step = sizes
    if not least <= worker.memory <= most or (worker.memory - least) % step:
        raise ValidationException(
            f"Unsupported worker configuration for {kind}: {worker.cpu:g} vCPU with {worker.memory:g} GB memory. "
            f"A worker with {worker.cpu:g} vCPU has minimum {least} GB, maximum {most} GB, in {step} GB increments."
        )
    disk = _DISK.get(disk_type.lower())
    if disk is None:
        raise ValidationException(
            f"Unsupported disk type for {kind}: {disk_type}. It is standard or shuffle_optimized."
        )
    least, most = disk
    if not least <= worker.disk <= most:
        raise ValidationException(
            f"Unsupported worker configuration for {kind}: {worker.disk:g} GB disk. "
            f"A worker must have minimum {least} GB, maximum {most} GB of disk."
        )


def memory_size(text: str) -> int:
    """Bytes of a size as Spark's memory settings have it; a bare number counts mebibytes.

    >>> memory_size("2g") == 2 * 2**30 == memory_size("2048")
    True
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValidationException(f"{text!r} is no size of memory, such as 2g")
    return int(match.group(1)) * _UNITS[match.group(2).lower()]


def _worker(kind: str, settings: Mapping[str, str]) -> Resources:
    """The driver or an executor. Its memory is what Spark wants and the overhead, up to the next size there is."""
    cores = _whole(f"spark.{kind}.cores", settings)
    memory = memory_size(settings[f"spark.{kind}.memory"])
    overhead = f"spark.{kind}.memoryOverhead"
    needed = memory + (memory_size(settings[overhead]) if overhead in settings else _overhead(kind, memory, settings))
    if kind == "executor":
        needed += _beside(settings)
    disk = math.ceil(_disk_size(settings[f"spark.emr-serverless.{kind}.disk"]) / 2**30)
    size = _rounded(cores, needed / 2**30)
    worker = Resources(float(cores), size, float(disk))
    check_worker(f"the {kind}", worker, settings.get(f"spark.emr-serverless.{kind}.disk.type", "standard"))
    return worker


def _beside(settings: Mapping[str, str]) -> int:
    """What counts for the executor's container too: https://spark.apache.org/docs/3.5.6/configuration.html."""
    needed = memory_size(settings.get("spark.executor.pyspark.memory", "0"))
    if settings.get("spark.memory.offHeap.enabled", "false").lower() == "true":
        needed += _bytes(settings.get("spark.memory.offHeap.size", "0"))
    return needed


def _overhead(kind: str, memory: int, settings: Mapping[str, str]) -> int:
    # EMR's own factor is for both kinds of workers; Spark's, if a job sets it, is for one.
    own = f"spark.{kind}.memoryOverheadFactor"
    name = own if own in settings else "spark.emr-serverless.memoryOverheadFactor"
    try:
        factor = float(settings[name])
    except ValueError:
        raise ValidationException(f"{name}={settings[name]} is not a number") from None
    return max(_LEAST_OVERHEAD, int(memory * factor))


def _rounded(cores: int, memory: float) -> float:
    """The least size with these cores that holds this memory; what is beyond the largest stays as it is."""
    if cores not in _MEMORY:
        return float(math.ceil(memory))
    least, _most, step = _MEMORY[cores]
    return float(least + max(0, math.ceil((memory - least) / step)) * step)


def _executors(settings: Mapping[str, str]) -> int:
    """With dynamic allocation Spark starts with the largest of three settings, else with just the instances.

    https://spark.apache.org/docs/3.5.6/configuration.html#dynamic-allocation
    """
    if settings["spark.dynamicAllocation.enabled"].strip().lower() == "false":
        return _whole("spark.executor.instances", settings)
    most = executors_at_most(settings)
    names = ("spark.dynamicAllocation.initialExecutors", "spark.dynamicAllocation.minExecutors")
    wanted = max(_whole(name, settings) for name in names)
    if settings["spark.executor.instances"] != _DEFAULTS["spark.executor.instances"]:
        wanted = max(wanted, _whole("spark.executor.instances", settings))
    return wanted if most is None else min(wanted, most)


def _whole(name: str, settings: Mapping[str, str]) -> int:
    try:
        value = int(settings[name])
    except ValueError:
        raise ValidationException(f"{name}={settings[name]} is not a whole number") from None
    if value < 0:
        raise ValidationException(f"{name}={settings[name]} is negative")
    return value


def _bytes(text: str) -> int:
    """A size whose bare number counts bytes, as `spark.memory.offHeap.size` has it."""
    return int(text) if text.strip().isdigit() else memory_size(text)


def _disk_size(text: str) -> int:
    """A disk's size, which has a unit: 20g, 20G, 20GB."""
    return int(text) * 2**30 if text.strip().isdigit() else memory_size(text)


def _amount(name: str, text: object) -> float:
    if text is None:
        return math.inf
    match = _AMOUNT.fullmatch(str(text))
    if match is None:
        raise ValidationException(f"{name} {text!r} is no amount, such as 4 vCPU or 16 GB")
    return float(match.group(1))
