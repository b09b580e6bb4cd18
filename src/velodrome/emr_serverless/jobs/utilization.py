"""What a job run used, and what AWS would bill for it.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_JobRun.html and https://aws.amazon.com/emr/pricing/:
by the second, from when the worker is ready until it ends; billed are at least a minute of each worker, and of its disk
only what goes beyond 20 GB.
"""

from __future__ import annotations

import math

from ..spark.resources import Resources, Workers

_LEAST_SECONDS = 60
_FREE_DISK = 20.0
_DIGITS = 3


def total(workers: Workers, seconds: float) -> dict[str, float]:
    """totalResourceUtilization of workers that ran this long."""
    return _hours(workers.total, math.ceil(seconds))


def billed(workers: Workers, seconds: float) -> dict[str, float]:
    """billedResourceUtilization of the same."""
    paid = Workers(_billed_part(workers.driver), _billed_part(workers.executor), workers.executors)
    return _hours(paid.total, max(math.ceil(seconds), _LEAST_SECONDS))


def added(*parts: dict[str, float]) -> dict[str, float]:
    """Several attempts' utilization together."""
    return {name: round(sum(part[name] for part in parts), _DIGITS) for name in parts[0]}


def _billed_part(worker: Resources) -> Resources:
    return Resources(worker.cpu, worker.memory, max(0.0, worker.disk - _FREE_DISK))


def _hours(resources: Resources, seconds: int) -> dict[str, float]:
    amounts = {"vCPUHour": resources.cpu, "memoryGBHour": resources.memory, "storageGBHour": resources.disk}
    return {name: round(amount * seconds / 3600, _DIGITS) for name, amount in amounts.items()}
