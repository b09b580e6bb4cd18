"""The worker sizes that a job's settings ask for."""

from __future__ import annotations

import math

import pytest

from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark.resources import Resources
from velodrome.emr_serverless.spark.workers import capacity, check_worker, executors_at_most, workers_of

DISK = "spark.emr-serverless.executor.disk"
FIXED = {"spark.dynamicAllocation.enabled": "false"}


@pytest.mark.parametrize(
    ("settings", "driver", "executor", "executors"),
    [
        # AWS's defaults: 14g and a tenth, up to the next GB.
        ({}, (4, 16, 20), (4, 16, 20), 3),
        # The overhead is 384 MB at least, and a worker never smaller than the table's smallest.
        ({"spark.driver.cores": "1", "spark.driver.memory": "1g"}, (1, 2, 20), (4, 16, 20), 3),
        ({"spark.driver.cores": "1", "spark.driver.memory": "2g"}, (1, 3, 20), (4, 16, 20), 3),
        ({"spark.driver.memory": "512m"}, (4, 8, 20), (4, 16, 20), 3),
        # Steps of 4 and of 8 GB.
        ({"spark.executor.cores": "8", "spark.executor.memory": "47g"}, (4, 16, 20), (8, 52, 20), 3),
        ({"spark.executor.cores": "16", "spark.executor.memory": "108g"}, (4, 16, 20), (16, 120, 20), 3),
        ({"spark.executor.memory": "27g"}, (4, 16, 20), (4, 30, 20), 3),
        # Overheads of three spellings.
        ({"spark.driver.memoryOverhead": "4g"}, (4, 18, 20), (4, 16, 20), 3),
        ({"spark.emr-serverless.memoryOverheadFactor": "0.5"}, (4, 21, 20), (4, 21, 20), 3),
        ({"spark.executor.memoryOverheadFactor": "0.5"}, (4, 16, 20), (4, 21, 20), 3),
        ({"spark.executor.pyspark.memory": "2g"}, (4, 16, 20), (4, 18, 20), 3),
        ({"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": "2g"}, (4, 16, 20), (4, 18, 20), 3),
        ({"spark.memory.offHeap.size": "2g"}, (4, 16, 20), (4, 16, 20), 3),
        # Disks.
        ({"spark.emr-serverless.driver.disk": "30G"}, (4, 16, 30), (4, 16, 20), 3),
        (
            {DISK: "1000g", f"{DISK}.type": "shuffle_optimized"},
            (4, 16, 20),
            (4, 16, 1000),
            3,
        ),
        # How many: the largest of three with dynamic allocation, at most the limit; else the instances.
        ({"spark.executor.instances": "7"}, (4, 16, 20), (4, 16, 20), 7),
        ({"spark.dynamicAllocation.minExecutors": "5"}, (4, 16, 20), (4, 16, 20), 5),
        ({"spark.dynamicAllocation.maxExecutors": "2"}, (4, 16, 20), (4, 16, 20), 2),
        ({**FIXED}, (4, 16, 20), (4, 16, 20), 3),
        ({**FIXED, "spark.executor.instances": "1"}, (4, 16, 20), (4, 16, 20), 1),
    ],
)
def test_sizes(settings: dict[str, str], driver: tuple[int, ...], executor: tuple[int, ...], executors: int) -> None:
    workers = workers_of(settings)
    assert workers.driver == Resources(*driver)
    assert workers.executor == Resources(*executor)
    assert workers.executors == executors


def test_the_total_is_what_a_job_starts_with() -> None:
    assert workers_of({}).total == Resources(16, 64, 80)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"spark.driver.cores": "3"},
            "Unsupported worker configuration for the driver: 3 vCPU. Each worker can have 1, 2, 4, 8, 16 vCPUs.",
        ),
        (
            {"spark.executor.memory": "28g"},
            "Unsupported worker configuration for the executor: 4 vCPU with 31 GB memory. "
            "A worker with 4 vCPU has minimum 8 GB, maximum 30 GB, in 1 GB increments.",
        ),
        (
            {"spark.emr-serverless.driver.disk": "300g"},
            "Unsupported worker configuration for the driver: 300 GB disk. "
            "A worker must have minimum 20 GB, maximum 200 GB of disk.",
        ),
        (
            {"spark.emr-serverless.driver.disk.type": "tape"},
            "Unsupported disk type for the driver: tape. It is standard or shuffle_optimized.",
        ),
        ({"spark.driver.memory": "much"}, "'much' is no size of memory, such as 2g"),
        ({"spark.driver.cores": "x"}, "spark.driver.cores=x is not a whole number"),
        ({**FIXED, "spark.executor.instances": "-1"}, "spark.executor.instances=-1 is negative"),
        (
            {"spark.emr-serverless.memoryOverheadFactor": "a tenth"},
            "spark.emr-serverless.memoryOverheadFactor=a tenth is not a number",
        ),
    ],
)
def test_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        workers_of(settings)
    assert caught.value.message == message


def test_how_far_a_job_may_grow() -> None:
    assert executors_at_most({}) is None
    assert executors_at_most({"spark.dynamicAllocation.maxExecutors": "10"}) == 10
    assert executors_at_most({**FIXED, "spark.executor.instances": "2"}) == 2


def test_capacities_of_the_api() -> None:
    assert capacity({"cpu": "4 vCPU", "memory": "16 GB"}) == Resources(4, 16, math.inf)
    assert capacity({"cpu": "4", "memory": "16gb", "disk": "100 GB"}) == Resources(4, 16, 100)
    with pytest.raises(ValidationException):
        capacity({"cpu": "many"})


def test_resources() -> None:
    one = Resources(4, 16, 20)
    assert one * 3 == one + one + one
    assert one * 3 - one == one * 2
    assert one.exceeded(Resources(4, 16, math.inf)) == []
    assert one.exceeded(Resources(4, 15, 20)) == ["memory"]
    check_worker("a worker", one)
