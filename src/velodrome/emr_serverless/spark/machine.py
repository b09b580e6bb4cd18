"""What this machine has for Spark, and what of it one job run gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ValidationException
from .workers import memory_size, overhead_of

_DEFAULT_HEAP = 2**30
_SHARE_OF_ALL = 0.75
_SHARE_OF_ONE = 0.5
_RUNS_PER_CORE = 2
# A container's limit, in the two versions of control groups; "max" or a huge number without one.
# https://docs.kernel.org/admin-guide/cgroup-v2.html
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True)
class MachineLimits:
    """How many job runs this machine runs at once, and in how many bytes."""

    runs: int
    memory: int


@dataclass(frozen=True)
class Share:
    """What a job run gets: threads of its `local[cores]`, bytes of heap and bytes beside it; `notes` say what was
    scaled down."""

    cores: int
    heap: int
    overhead: int
    notes: tuple[str, ...] = ()

    @property
    def memory(self) -> int:
        """Bytes that it may take at most, Java's own and Python's included."""
        return self.heap + self.overhead


@dataclass(frozen=True)
class Machine:
    """A machine or its container: cores, and memory in bytes. `refuses`: too large a job, instead of scaling it."""

    cores: int
    memory: int
    refuses: bool = False

    @classmethod
    def here(cls, refuses: bool = False) -> Machine:
        """The machine that the service runs on, or its container's share of it."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limits = [file.read_text().strip() for file in _MEMORY_LIMITS if file.is_file()]
        memory = min([physical, *(int(limit) for limit in limits if limit.isdigit())])
        return cls(usable, memory, refuses)

    @property
    def limits(self) -> MachineLimits:
        """How many jobs run at once, in how much memory: cores are shared by time, memory is not."""
        memory = int(self.memory * _SHARE_OF_ALL)
        runs = min(_RUNS_PER_CORE * self.cores, memory // (_DEFAULT_HEAP + overhead_of({}, _DEFAULT_HEAP, self.cores)))
        return MachineLimits(max(1, runs), memory)

    def share(self, settings: Mapping[str, str]) -> Share:
        """What a job with these Spark settings gets. Raises ValidationException if it is refused.

        Its executors live in the driver's JVM, which gets the larger memory of both.
        """
        asked = {
            name: memory_size(settings[name])
            for name in ("spark.driver.memory", "spark.executor.memory")
            if name in settings
        }
        largest = int(self.memory * _SHARE_OF_ONE)
        notes = []
        for name, size in asked.items():
            if size <= largest:
                continue
            if self.refuses:
                raise ValidationException(
                    f"{name} {settings[name]} is more than the {largest // 2**20}m that a job can have on this machine "
                    "(EMR_SERVERLESS_OVERSIZED=scale runs it scaled down)"
                )
            notes.append(
                f"{name} {settings[name]} is scaled down to {largest // 2**20}m, half of this machine's memory"
            )
        heap = min(max(asked.values(), default=_DEFAULT_HEAP), largest)
        # What a job asks for beside its heap is limited by the machine too.
        overhead = min(
            overhead_of(settings, heap, self.cores),
            max(overhead_of({}, heap, self.cores), int(self.memory * _SHARE_OF_ALL) - heap),
        )
        return Share(self.cores, heap, overhead, tuple(notes))
