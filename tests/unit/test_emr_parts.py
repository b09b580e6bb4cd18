"""EMR Serverless's rules that need no Spark: utilization, retries, shares of a machine, errors and their statuses."""

from __future__ import annotations

from typing import Any

import pytest

from velodrome.awsapi.errors import ServiceError
from velodrome.awsapi.model import Service, handler_name
from velodrome.emr_serverless import errors
from velodrome.emr_serverless.api import EmrServerless
from velodrome.emr_serverless.jobs import utilization
from velodrome.emr_serverless.jobs.plans import may_retry, timeout_minutes
from velodrome.emr_serverless.spark.machine import Machine
from velodrome.emr_serverless.spark.resources import Resources, Workers

GB, MB = 2**30, 2**20
SERVICE = Service("emr-serverless")
ERRORS = [one for one in ServiceError.__subclasses__() if one.__module__ == errors.__name__]


@pytest.mark.parametrize(
    ("workers", "seconds", "total", "billed"),
    [
        # https://aws.amazon.com/emr/pricing/: workers of 4 vCPU, 16 GB; 20 GB of disk are free.
        (Workers(Resources(4, 16, 20), Resources(4, 16, 20), 3), 3600, (16, 64, 80), (16, 64, 0)),
        (Workers(Resources(4, 16, 20), Resources(4, 16, 20), 3), 30, (0.133, 0.533, 0.667), (0.267, 1.067, 0)),
        (Workers(Resources(2, 4, 30), Resources(4, 16, 120), 2), 1800, (5, 18, 135), (5, 18, 105)),
        (Workers(Resources(1, 2, 20), Resources(1, 2, 20), 0), 59.2, (0.017, 0.033, 0.333), (0.017, 0.033, 0)),
        (Workers(Resources(1, 2, 20), Resources(1, 2, 20), 0), 60.2, (0.017, 0.034, 0.339), (0.017, 0.034, 0)),
    ],
)
def test_utilization(workers: Workers, seconds: float, total: tuple[float, ...], billed: tuple[float, ...]) -> None:
    names = ("vCPUHour", "memoryGBHour", "storageGBHour")
    assert utilization.total(workers, seconds) == dict(zip(names, total, strict=True))
    assert utilization.billed(workers, seconds) == dict(zip(names, billed, strict=True))


@pytest.mark.parametrize(
    ("request_", "attempt", "failures", "again"),
    [
        ({}, 1, [0.0], False),
        ({"retryPolicy": {"maxAttempts": 3}}, 2, [0.0, 1.0], True),
        ({"retryPolicy": {"maxAttempts": 3}}, 3, [0.0, 1.0, 2.0], False),
        ({"mode": "STREAMING"}, 4, [0.0, 1.0, 2.0, 3.0], True),
        ({"mode": "STREAMING"}, 5, [0.0, 1.0, 2.0, 3.0, 4.0], False),
        ({"mode": "STREAMING"}, 5, [-3600.0, 1.0, 2.0, 3.0, 4.0], True),
        ({"mode": "STREAMING", "retryPolicy": {"maxFailedAttemptsPerHour": 1}}, 1, [0.0], False),
    ],
)
def test_retries(request_: dict[str, Any], attempt: int, failures: list[float], again: bool) -> None:
    assert may_retry(request_, attempt, failures, now=4.0) is again


def test_timeouts() -> None:
    assert timeout_minutes({}) == 720
    assert timeout_minutes({"mode": "STREAMING"}) == 0
    assert timeout_minutes({"mode": "STREAMING", "executionTimeoutMinutes": 5}) == 5


def test_a_share_of_the_machine() -> None:
    machine = Machine(cores=2, memory=8 * GB)
    assert machine.share({}).heap == GB
    assert machine.share({"spark.driver.memory": "2g", "spark.executor.memory": "3g"}).heap == 3 * GB
    share = machine.share({"spark.driver.memory": "6g"})
    assert (share.heap, share.cores) == (4 * GB, 2)
    assert share.notes == ("spark.driver.memory 6g is scaled down to 4096m, half of this machine's memory",)
    assert (machine.limits.runs, machine.limits.memory) == (3, 6 * GB)
    assert Machine(cores=8, memory=2 * GB).limits.runs == 1
    # The overheads of a driver and of an executor, at least 384 MB each; an executor's cores have a Python each.
    assert machine.share({}).overhead == 768 * MB
    assert Machine(cores=8, memory=64 * GB).share({}).overhead == (384 + 8 * 96) * MB
    settings = {"spark.driver.memoryOverhead": "1g", "spark.executor.memoryOverheadFactor": "0.5"}
    assert machine.share(settings | {"spark.executor.pyspark.memory": "512m"}).overhead == (1024 + 512 + 512) * MB
    assert machine.share({"spark.driver.memoryOverhead": "20g"}).memory == 6 * GB


def test_a_share_that_is_refused() -> None:
    with pytest.raises(errors.ValidationException) as caught:
        Machine(cores=2, memory=8 * GB, refuses=True).share({"spark.executor.memory": "6g"})
    assert caught.value.message == (
        "spark.executor.memory 6g is more than the 4096m that a job can have on this machine "
        "(EMR_SERVERLESS_OVERSIZED=scale runs it scaled down)"
    )


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_has_the_models_status(error: type[ServiceError]) -> None:
    shape = SERVICE.model.shape_for(error.__name__)
    assert SERVICE.error_status(error.__name__) == shape.metadata["error"]["httpStatusCode"]


def test_every_error_of_the_model_is_there() -> None:
    assert {error.__name__ for error in ERRORS} == set(SERVICE.error_shapes())


def test_every_operation_is_there() -> None:
    assert [name for name in SERVICE.operations if not hasattr(EmrServerless, handler_name(name))] == []
