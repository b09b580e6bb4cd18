"""Airflow's LocalExecutor, but a stop of the scheduler does not wait for running tasks: they are tried again later."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress

import psutil
from airflow.executors.local_executor import LocalExecutor

# Together below the time after which whoever supervises us would kill the scheduler.
SECONDS_TO_CLEAN_UP = 3.0
SECONDS_TO_REPORT = 4.0

STOPS = {signal.SIGINT, signal.SIGTERM}
# A worker is forked with its stops held, see below; nothing can be pending in a new process.
os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS))


class StoppingLocalExecutor(LocalExecutor):
    """Tasks get SIGTERM, upon which an operator cancels what it started (on_kill), then SIGKILL."""

    def _spawn_worker(self) -> None:
        # Python ignores what is raised within a fork's hooks, such as the SystemExit of a SIGTERM that comes just then.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            super()._spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def end(self) -> None:
        workers = [worker for worker in self.workers.values() if worker.is_alive()]
        tasks: list[psutil.Process] = []
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                tasks += psutil.Process(worker.pid).children()
        for task in tasks:
            with suppress(psutil.NoSuchProcess):
                task.terminate()
        _, left = psutil.wait_procs(tasks, timeout=SECONDS_TO_CLEAN_UP)
        for task in left:
            with suppress(psutil.NoSuchProcess):
                task.kill()
        # The workers tell the API how their tasks ended. If it is gone already they would go on trying.
        patience = threading.Timer(
            SECONDS_TO_REPORT, lambda: [worker.kill() for worker in workers if worker.is_alive()]
        )
        patience.start()
        super().end()
        patience.cancel()
