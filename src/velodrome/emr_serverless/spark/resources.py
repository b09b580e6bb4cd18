"""Amounts of vCPU, memory and disk, and the workers that a job run has of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_UNITS = {"cpu": "vCPU", "memory": "GB", "disk": "GB"}


@dataclass(frozen=True)
class Resources:
    """`cpu` in vCPU, `memory` and `disk` in GB."""

    cpu: float
    memory: float
    disk: float

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.cpu + other.cpu, self.memory + other.memory, self.disk + other.disk)

    def __sub__(self, other: Resources) -> Resources:
        return self + other * -1

    def __mul__(self, count: int) -> Resources:
        return Resources(self.cpu * count, self.memory * count, self.disk * count)

    def exceeded(self, limit: Resources) -> list[str]:
        """The amounts that are larger than the limit's: of cpu, memory, disk."""
        return [name for name in _UNITS if getattr(self, name) > getattr(limit, name)]

    def text(self, name: str) -> str:
        """One amount as the API writes it.

        >>> Resources(4, 16, 20).text("cpu")
        '4 vCPU'
        """
        return f"{getattr(self, name):g} {_UNITS[name]}"


@dataclass(frozen=True)
class Workers:
    """A driver and a number of executors, all of the same size."""

    driver: Resources
    executor: Resources
    executors: int

    @property
    def total(self) -> Resources:
        """What they have together."""
        return self.driver + self.executor * self.executors

    @property
    def least(self) -> Resources:
        """What a job needs to start and to make progress: a driver, and one executor if it has any."""
        return self.driver + self.executor * min(1, self.executors)

    def fitting(self, free: Resources) -> Workers | None:
        """As many of them as fit into what is free; None if not even the least does."""
        if self.least.exceeded(free):
            return None
        executors = self.executors
        while (self.driver + self.executor * executors).exceeded(free):
            executors -= 1
        return Workers(self.driver, self.executor, executors)

    def description(self) -> dict[str, Any]:
        """What is stored of them; `Workers.of` reads it."""
        return {"driver": vars(self.driver), "executor": vars(self.executor), "executors": self.executors}

    @classmethod
    def of(cls, description: dict[str, Any]) -> Workers:
        """The workers of a description."""
        sizes = {name: Resources(**description[name]) for name in ("driver", "executor")}
        return cls(**sizes, executors=description["executors"])
