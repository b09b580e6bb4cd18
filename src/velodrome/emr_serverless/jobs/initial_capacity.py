"""An application's initialCapacity as pre-initialized workers: how many JVMs, and how large.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/pre-init-capacity.html
Only drivers are JVMs here: executors live in their driver's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import checks
from ..spark import releases
from ..spark.machine import Machine
from ..store import Application
from .warm_jvm import WorkerSpec
from .warm_workers import WarmWorkers


class InitialCapacity:
    """Starts and ends what applications ask for."""

    def __init__(self, workers: WarmWorkers, machine: Machine, installs: Path) -> None:
        self._workers = workers
        self._machine = machine
        self._installs = installs

    def start(self, application: Application, ready: Callable[[], None]) -> None:
        """Start the application's workers in the background; `ready` is called when all are warm."""
        count, size = checks.initial_capacity(application.request)[checks.DRIVER]
        spark = releases.find(application.request["releaseLabel"]).install(self._installs)
        # As many jobs as run at once have room in the machine's memory, each on a worker.
        limits = self._machine.limits
        heap = min(int(size.memory * 2**30), limits.memory // limits.runs)
        spec = WorkerSpec(spark, heap, self._machine.cores)
        self._workers.start(application.id, min(count, limits.runs), spec, ready)

    def stop(self, application_id: str) -> None:
        """End them."""
        self._workers.stop(application_id)
