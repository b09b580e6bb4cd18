"""Which job runs may start: applications' limits, the machine's, order and fairness."""

from __future__ import annotations

import pytest

from velodrome.emr_serverless.jobs.admission import Limits, Running, Waiting, decide
from velodrome.emr_serverless.spark.machine import MachineLimits
from velodrome.emr_serverless.spark.resources import Resources, Workers

ONE = Resources(1, 2, 20)
WORKERS = Workers(ONE, ONE, 1)
GB = 2**30
LARGE = MachineLimits(100, 1000 * GB)


def job(id: str, application: str = "a", workers: Workers = WORKERS, memory: int = GB) -> Waiting:
    return Waiting(id, application, workers, memory)


def running(application: str = "a", memory: int = GB) -> Running:
    return Running(application, WORKERS.total, memory)


def states(
    waiting: list[Waiting],
    used: list[Running] | None = None,
    limits: dict[str, Limits] | None = None,
    machine: MachineLimits = LARGE,
) -> dict[str, str]:
    known = {one.application_id: Limits() for one in waiting} | (limits or {})
    return {decision.id: decision.state for decision in decide(waiting, used or [], known, machine)}


def test_without_limits_all_start() -> None:
    assert states([job("1"), job("2"), job("3", "b")]) == {"1": "SCHEDULED", "2": "SCHEDULED", "3": "SCHEDULED"}


def test_concurrent_runs() -> None:
    limits = {"a": Limits(runs=2)}
    assert states([job("1"), job("2")], [running()], limits) == {"1": "SCHEDULED", "2": "QUEUED"}
    assert states([job("1"), job("2", "b")], [running(), running()], limits) == {"1": "QUEUED", "2": "SCHEDULED"}


def test_capacity() -> None:
    limits = {"a": Limits(maximum=Resources(3, 100, 1000))}
    assert states([job("1"), job("2")], [], limits) == {"1": "SCHEDULED", "2": "PENDING"}


def test_nobody_overtakes_in_an_application() -> None:
    limits = {"a": Limits(maximum=Resources(4, 100, 1000))}
    large, small = Workers(Resources(2, 2, 20), ONE, 1), Workers(ONE, ONE, 0)
    assert states([job("1", workers=large), job("2", workers=small)], [running()], limits) == {
        "1": "PENDING",
        "2": "PENDING",
    }


def test_fewer_executors_where_not_all_fit() -> None:
    wanted = Workers(ONE, ONE, 5)
    limits = {"a": Limits(maximum=Resources(4, 100, 1000))}
    [decision] = decide([job("1", workers=wanted)], [], limits, LARGE)
    assert decision.workers == Workers(ONE, ONE, 3)


def test_what_never_fits_fails_and_blocks_nobody() -> None:
    limits = {"a": Limits(maximum=Resources(4, 16, 1000))}
    large = Workers(Resources(4, 16, 20), Resources(4, 16, 20), 3)
    first, second = decide([job("1", workers=large), job("2")], [], limits, LARGE)
    assert (first.state, second.state) == ("FAILED", "SCHEDULED")
    assert first.details == (
        "ApplicationMaxCapacityExceededException: Worker could not be allocated as the application has exceeded "
        "maximumCapacity settings: [cpu: 4 vCPU, memory: 16 GB]"
    )


def test_applications_take_turns_on_a_small_machine() -> None:
    machine = MachineLimits(3, 1000 * GB)
    waiting = [job("a1"), job("a2"), job("a3"), job("b1", "b"), job("c1", "c")]
    assert states(waiting, machine=machine) == {
        "a1": "SCHEDULED",
        "a2": "PENDING",
        "a3": "PENDING",
        "b1": "SCHEDULED",
        "c1": "SCHEDULED",
    }


def test_a_large_job_is_not_put_off_by_small_ones() -> None:
    machine = MachineLimits(10, 8 * GB)
    waiting = [job("large", "a", memory=6 * GB), job("small", "b")]
    assert states(waiting, [running("b", 3 * GB)], machine=machine) == {"large": "PENDING", "small": "PENDING"}
    assert states(waiting, [], machine=machine) == {"large": "SCHEDULED", "small": "SCHEDULED"}


def test_a_job_alone_runs_however_large_it_is() -> None:
    assert states([job("1", memory=99 * GB)], machine=MachineLimits(1, GB)) == {"1": "SCHEDULED"}


@pytest.mark.parametrize("count", [1, 2, 50])
def test_capacity_is_never_exceeded_and_order_is_kept(count: int) -> None:
    waiting = [job(f"{number:03}") for number in range(50)]
    limits = {"a": Limits(runs=count)}
    started: list[str] = []
    used: list[Running] = []
    while waiting:
        decisions = decide(waiting, used, limits, LARGE)
        chosen = [one.id for one in decisions if one.state == "SCHEDULED"]
        assert 0 < len(chosen) + len(used) <= count
        started += chosen
        waiting = [one for one in waiting if one.id not in chosen]
        used = [*used, *(running() for _ in chosen)][1:]
    assert started == sorted(started)
    assert len(started) == 50
