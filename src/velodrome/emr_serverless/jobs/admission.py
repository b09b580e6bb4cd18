"""Which of the waiting job runs may start: by application and machine, in the order in which they came.

Nothing here has effects or a clock, so that each rule can be tried by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..spark.machine import MachineLimits
from ..spark.resources import Resources, Workers

_NOTHING = Resources(0, 0, 0)


@dataclass(frozen=True)
class Waiting:
    """A job run that waits: what it asks of its application, and of this machine (bytes)."""

    id: str
    application_id: str
    workers: Workers
    memory: int


@dataclass(frozen=True)
class Running:
    """A job run that was admitted: what it has of both."""

    application_id: str
    resources: Resources
    memory: int


@dataclass(frozen=True)
class Limits:
    """An application's limits; None where it has none."""

    maximum: Resources | None = None
    runs: int | None = None


@dataclass(frozen=True)
class Decision:
    """What is to be done with a waiting job run: a state to be in, and with `workers` when it is SCHEDULED."""

    id: str
    state: str
    workers: Workers | None = None
    details: str = ""


def decide(
    waiting: Sequence[Waiting], running: Iterable[Running], limits: Mapping[str, Limits], machine: MachineLimits
) -> list[Decision]:
    """One decision for each waiting job run; `waiting` is in the order of submission.

    Within an application the order is kept: nobody overtakes the first that cannot start. Between applications the one
    with the fewest running jobs comes first. Where the machine is full nobody overtakes either, so that a large job is
    not put off by small ones for ever.
    """
    used = list(running)
    decisions: dict[str, Decision] = {}
    queues: dict[str, list[Waiting]] = {}
    for job in waiting:
        maximum = limits[job.application_id].maximum
        if maximum is not None and (exceeded := _never(job.workers, maximum)):
            decisions[job.id] = Decision(job.id, "FAILED", details=_too_large(maximum, exceeded))
        else:
            queues.setdefault(job.application_id, []).append(job)
    order = {job.id: number for number, job in enumerate(waiting)}
    full = False
    while queues and not full:
        counts = Counter(job.application_id for job in used)
        application_id = min(queues, key=lambda one: (counts[one], order[queues[one][0].id]))
        queue = queues[application_id]
        job, limit = queue[0], limits[application_id]
        state, workers = _place(job, limit, [one for one in used if one.application_id == application_id])
        if workers is not None and _machine_is_full(job, used, machine):
            state, workers, full = "PENDING", None, True
        if workers is None:
            decisions.update({one.id: Decision(one.id, state) for one in queues.pop(application_id)})
            continue
        decisions[job.id] = Decision(job.id, "SCHEDULED", workers)
        used.append(Running(application_id, workers.total, job.memory))
        queue.pop(0)
        if not queue:
            del queues[application_id]
    for application_id, queue in queues.items():
        runs = limits[application_id].runs
        count = sum(one.application_id == application_id for one in used)
        state = "QUEUED" if runs is not None and count >= runs else "PENDING"
        decisions.update({one.id: Decision(one.id, state) for one in queue})
    return [decisions[job.id] for job in waiting]


def _place(job: Waiting, limit: Limits, used: Sequence[Running]) -> tuple[str, Workers | None]:
    """The state that the application's limits put a job in, and the workers that it gets when it can start."""
    if limit.runs is not None and len(used) >= limit.runs:
        return "QUEUED", None
    if limit.maximum is None:
        return "SCHEDULED", job.workers
    taken = sum((one.resources for one in used), _NOTHING)
    workers = job.workers.fitting(limit.maximum - taken)
    return ("PENDING", None) if workers is None else ("SCHEDULED", workers)


def _machine_is_full(job: Waiting, used: Sequence[Running], machine: MachineLimits) -> bool:
    memory = sum(one.memory for one in used)
    # A job that is alone may run however large it is: it was scaled down to the machine before.
    return bool(used) and (len(used) >= machine.runs or memory + job.memory > machine.memory)


def _never(workers: Workers, maximum: Resources) -> list[str]:
    return workers.least.exceeded(maximum)


def _too_large(maximum: Resources, exceeded: Sequence[str]) -> str:
    # https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/application-capacity.html
    shown = ", ".join(f"{name}: {maximum.text(name)}" for name in exceeded)
    return (
        "ApplicationMaxCapacityExceededException: Worker could not be allocated as the application has exceeded "
        f"maximumCapacity settings: [{shown}]"
    )
