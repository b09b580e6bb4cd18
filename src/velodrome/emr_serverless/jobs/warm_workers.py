"""Pre-initialized workers: for each started application with an initialCapacity, warm JVMs that wait for jobs.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/pre-init-capacity.html
A worker runs one job. Its place is filled again when that job has ended: an application has no more JVMs than its
initial capacity and its cold jobs, as on AWS. Workers become warm one after the other, since each takes a core for some
seconds, and a job that comes meanwhile starts cold.
"""

from __future__ import annotations

import logging
import secrets
import shlex
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..spark.spark_submit import Job, Submission
from .warm_jvm import WarmWorker, WorkerError, WorkerSpec

log = logging.getLogger(__name__)
# After so many workers in succession that did not start, an application goes on without.
_ATTEMPTS = 3


@dataclass
class _Pool:
    spec: WorkerSpec
    count: int
    ready: list[WarmWorker] = field(default_factory=list)
    warming: WarmWorker | None = None
    used: int = 0
    failures: int = 0
    filled: Callable[[], None] | None = None
    stopped: bool = False


class WarmWorkers:
    """The warm JVMs of all applications. `scratch` and `logs` are the folders that jobs have too."""

    def __init__(self, scratch: Path, logs: Path) -> None:
        self._scratch = scratch
        self._logs = logs
        self._pools: dict[str, _Pool] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self, application_id: str, count: int, spec: WorkerSpec, filled: Callable[[], None]) -> None:
        """Have `count` workers become warm, in the background; those that an earlier call started are ended.

        `filled` is called once, when all are warm, or when it is clear that they will not be.
        """
        self.stop(application_id)
        with self._changed:
            if self._closed:
                return
            self._pools[application_id] = _Pool(spec, count, filled=filled)
            if self._thread is None:
                self._thread = threading.Thread(target=self._fill, name="warm-workers", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def ready(self, application_id: str) -> int:
        """How many workers wait for a job now."""
        with self._changed:
            pool = self._pools.get(application_id)
            return sum(worker.alive for worker in pool.ready) if pool else 0

    def take(self, application_id: str, job: Job, heap: int, note: Callable[[str], None]) -> WarmWorker | None:
        """A warm worker for a job with `heap` bytes of it; None if it has to start cold, then `note` gets the reason.

        The worker is the caller's from now on, its folder too; nothing is noted for an application that has no workers.
        """
        lost = []
        taken = None
        with self._changed:
            pool = self._pools.get(application_id)
            reason = pool and _needs_its_own(job, heap, pool.spec)
            while pool is not None and not reason and pool.ready and taken is None:
                worker = pool.ready.pop(0)
                if worker.alive:
                    pool.used += 1
                    taken = worker
                else:
                    lost.append(worker)
            self._changed.notify_all()
        for worker in lost:
            log.warning("application %s: worker %s had ended with code %s", application_id, worker.id,
                        worker.process.returncode)  # fmt: skip
            worker.discard()
        if pool is not None and taken is None:
            note(f"starts cold: {reason or 'no pre-initialized worker is free'}")
        elif pool is not None and taken is not None:
            threading.Thread(target=self._refill, args=(pool, taken), daemon=True).start()
        return taken

    def stop(self, application_id: str) -> None:
        """End an application's workers; one that runs a job is left to the job."""
        with self._changed:
            pool = self._pools.pop(application_id, None)
            if pool is None:
                return
            pool.stopped = True
            workers = [*pool.ready, *([pool.warming] if pool.warming else [])]
            pool.ready.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.discard()

    def close(self) -> None:
        """End all workers, since the service ends."""
        with self._changed:
            self._closed = True
            applications = list(self._pools)
            self._changed.notify_all()
        for application_id in applications:
            self.stop(application_id)
        if self._thread is not None:
            self._thread.join()

    def _fill(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (lacking := self._lacking()) is None:
                    self._changed.wait()
                if self._closed or lacking is None:
                    return
                application_id, pool = lacking
                worker = self._start_worker(application_id, pool)
            if worker is not None:
                self._warm(application_id, pool, worker)
            self._tell_filled(pool)

    def _tell_filled(self, pool: _Pool) -> None:
        with self._changed:
            full = len(pool.ready) + pool.used >= pool.count or pool.failures >= _ATTEMPTS
            tell, pool.filled = (pool.filled, None) if full and not pool.stopped else (None, pool.filled)
        if tell is not None:
            tell()

    def _lacking(self) -> tuple[str, _Pool] | None:
        for application_id, pool in self._pools.items():
            if pool.failures < _ATTEMPTS and len(pool.ready) + pool.used < pool.count:
                return application_id, pool
        return None

    def _start_worker(self, application_id: str, pool: _Pool) -> WarmWorker | None:
        id = f"worker-{secrets.token_hex(8)}"
        logs = self._logs / "applications" / application_id / "workers" / id
        try:
            pool.warming = WarmWorker(id, pool.spec, self._scratch / id, logs)
        except OSError as error:
            self._failed(application_id, pool, str(error))
        return pool.warming

    def _warm(self, application_id: str, pool: _Pool, worker: WarmWorker) -> None:
        reason = None
        try:
            worker.warm()
        except WorkerError as error:
            reason = str(error)
        except Exception as error:  # the thread's end: the other applications need it still
            log.exception("worker %s failed inside the service", worker.id)
            reason = str(error)
        with self._changed:
            pool.warming = None
            if stopped := pool.stopped:
                pass
            elif reason is None:
                pool.failures = 0
                pool.ready.append(worker)
                log.info("application %s: worker %s is warm", application_id, worker.id)
            else:
                self._failed(application_id, pool, reason)
        if stopped or reason is not None:
            worker.discard()

    @staticmethod
    def _failed(application_id: str, pool: _Pool, reason: str) -> None:
        pool.failures += 1
        without = "; its jobs start cold" if pool.failures == _ATTEMPTS else ""
        log.warning("application %s: %s%s", application_id, reason, without)

    def _refill(self, pool: _Pool, worker: WarmWorker) -> None:
        worker.process.wait()
        with self._changed:
            pool.used -= 1
            self._changed.notify_all()


def launch(
    worker: WarmWorker | None,
    submission: Submission,
    command: list[str],
    stdout: Path,
    stderr: Path,
    note: Callable[[str], None],
) -> subprocess.Popen[bytes]:
    """Start a prepared submission: on the worker, in whose folder it was prepared, or else in a JVM of its own."""
    if worker is None:
        return submission.launch(command, stdout, stderr, note)
    try:
        process = worker.run(command, submission.environment(), submission.secrets, stdout, stderr)
    except WorkerError as error:
        note(f"starts cold: {error}")
        return submission.launch(command, stdout, stderr, note)
    note(f"runs on the pre-initialized worker {worker.id}")
    for text in submission.notes:
        note(text)
    return process


def _needs_its_own(job: Job, heap: int, spec: WorkerSpec) -> str | None:
    """Why no worker can run the job, as far as its settings tell; the worker itself compares what they come to.

    Asked first, so that no worker is spent on such a job.
    """
    settings = job.submit.settings
    if heap > spec.heap_bytes:
        return f"a heap of {heap // 2**20}m is more than the {spec.heap_bytes // 2**20}m of a pre-initialized worker"
    if (options := shlex.split(settings.get("spark.driver.extraJavaOptions", ""))) and options != list(spec.options):
        return "the job has its own spark.driver.extraJavaOptions"
    return None
