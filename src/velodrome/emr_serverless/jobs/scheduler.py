"""Starts the job runs that may start, tells those that wait why, and looks at the clock for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..applications import Applications
from ..errors import ValidationException
from ..spark.machine import Machine
from ..spark.resources import Workers
from ..spark.workers import capacity
from ..store import ENDED, Application, JobRun
from . import admission, plans
from .admission import Decision, Limits, Running, Waiting
from .attempts import KILLED, Attempt, Surroundings
from .plans import Plan

log = logging.getLogger(__name__)
WAITING = ("SUBMITTED", "QUEUED", "PENDING")
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_SchedulerConfiguration.html
_QUEUE_MINUTES = 360
_RUNS = 15
_TICK = 1.0


class Scheduler:
    """One thread decides, each attempt runs in one of its own."""

    def __init__(
        self, applications: Applications, machine: Machine, around: Surroundings, clock: Callable[[], float] = time.time
    ) -> None:
        self._applications = applications
        self._machine = machine
        self._around = around
        self._store = around.store
        self._clock = clock
        self._lock = threading.RLock()
        self._woken = threading.Event()
        self._plans: dict[str, Plan] = {}
        self._active: dict[str, tuple[Attempt, Running]] = {}
        self._sessions: dict[str, Running] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._repeat, name="scheduler")

    def start(self) -> None:
        """Begin to schedule."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once what may start."""
        # Without the lock: who submits a job does not wait for the look at the others.
        self._woken.set()

    def cancel(self, run: JobRun, grace: float | None) -> None:
        """End a job run that is CANCELLING: its driver if it has one, else only its waiting."""
        with self._lock:
            if run.id in self._active:
                self._active[run.id][0].cancel(grace)
            else:
                self._store.set_job_run_state(run, "CANCELLED", "Job run was cancelled", unless=ENDED)
                self._plans.pop(run.id, None)
            self._woken.set()

    def admit(self, id: str, application: Application, workers: Workers, memory: int) -> Decision:
        """Give a session room if there is some now, until `release`; it counts as a job run does, but for the
        application's maxConcurrentRuns. `memory` is in bytes."""
        with self._lock:
            limits = {application.id: Limits(self._limits(application).maximum)}
            asked = [Waiting(id, application.id, workers, memory)]
            (decision,) = admission.decide(asked, self._used(), limits, self._machine.limits)
            if decision.workers is not None:
                self._sessions[id] = Running(application.id, decision.workers.total, memory)
            return decision

    def release(self, id: str) -> None:
        """A session has ended: others may have its room."""
        with self._lock:
            self._sessions.pop(id, None)
            self._woken.set()

    def close(self) -> None:
        """End all jobs, since the service ends; those that wait go on waiting when it starts again."""
        with self._lock:
            self._closing = True
            attempts = [attempt for attempt, _ in self._active.values()]
            self._woken.set()
        for attempt in attempts:
            attempt.close()
        for attempt in attempts:
            attempt.join()
        if self._thread.ident is not None:
            self._thread.join()

    def _repeat(self) -> None:
        while not self._closing:
            self._woken.clear()
            with self._lock:
                try:
                    if not self._closing:
                        self._tick()
                except Exception:  # the thread must go on for the other job runs; the log says what happened
                    log.exception("the scheduler stumbled")
            self._woken.wait(_TICK)

    def _tick(self) -> None:
        now = self._clock()
        self._applications.stop_idle(now, self._around.minute)
        waiting = sorted(self._store.job_runs(states=WAITING), key=lambda run: (run.created_at, run.id))
        if not waiting:
            return
        known = {id: self._applications.get(id) for id in {run.application_id for run in waiting}}
        candidates = []
        for run in waiting:
            application = known[run.application_id]
            if self._waited_too_long(run, application, now) or not (found := self._plan(run, application)):
                continue
            if application.state == "STARTED":
                candidates.append((run, found))
        limits = {id: self._limits(application) for id, application in known.items()}
        jobs = [Waiting(run.id, run.application_id, found.workers, found.share.memory) for run, found in candidates]
        decisions = admission.decide(jobs, self._used(), limits, self._machine.limits)
        for (run, found), decision in zip(candidates, decisions, strict=True):
            self._carry_out(run, found, decision, now)

    def _used(self) -> list[Running]:
        return [*(running for _, running in self._active.values()), *self._sessions.values()]

    def _carry_out(self, run: JobRun, plan: Plan, decision: Decision, now: float) -> None:
        unless = (*ENDED, "CANCELLING")
        if decision.workers is None:
            if decision.state != run.state:
                queued = {"queued_at": now} if decision.state == "QUEUED" and run.queued_at is None else {}
                self._store.set_job_run_state(run, decision.state, decision.details, unless=unless, **queued)
                log.info("job run %s: %s %s", run.id, decision.state, decision.details)
            if decision.state in ENDED:
                self._plans.pop(run.id, None)
            return
        if run.state == "SUBMITTED":
            self._store.set_job_run_state(run, "PENDING", unless=unless)
        workers = decision.workers.description()
        if not self._store.set_job_run_state(run, "SCHEDULED", unless=unless, workers=workers):
            return
        log.info("job run %s: SCHEDULED, attempt %d", run.id, run.attempt)
        attempt = Attempt(run, plan, decision.workers, self._around, self._ended)
        self._active[run.id] = (attempt, Running(run.application_id, decision.workers.total, plan.share.memory))
        try:
            attempt.start()
        except RuntimeError as error:  # the machine has no thread left
            self._ended(attempt, "FAILED", f"EMR Serverless failed: {error}")

    def _ended(self, attempt: Attempt, state: str, details: str) -> None:
        """Store how an attempt ended, and add another one if it is to be tried again."""
        run = attempt.run

        def write() -> None:
            with self._lock:
                self._active.pop(run.id, None)  # first: others may have its room, whether the disk is full or not
                self._woken.set()
                self.end(run, state, details)
                if self._store.job_run(run.id).attempt == run.attempt:  # type: ignore[union-attr]  # it was there before
                    self._plans.pop(run.id, None)
                self._store.touch_application(run.application_id)

        self._store.persist(write, lambda: self._closing)

    def end(self, run: JobRun, state: str, details: str) -> None:
        """Store the end of an attempt; one that failed is followed by another one where the retry policy says so."""
        now = self._clock()
        with self._store.transaction():
            current = self._store.job_run(run.id, run.attempt)
            if current is not None and current.state == "CANCELLING" and state == "FAILED":
                state, details = "CANCELLED", details if details == KILLED else "Job run was cancelled"
            failures = [one.ended_at for one in self._store.attempts(run.id) if one.state == "FAILED" and one.ended_at]
            self._store.set_job_run_state(run, state, details, unless=ENDED)
            again = state == "FAILED" and plans.may_retry(run.request, run.attempt, [*failures, now], now)
            if again:
                self._store.add_attempt(run.id, run.attempt + 1)
        log.info("job run %s: %s %s%s", run.id, state, details, "; it is tried again" if again else "")

    def _plan(self, run: JobRun, application: Application) -> Plan | None:
        """The run's plan; without one it has ended: its application was changed to something that it cannot run on."""
        if run.id not in self._plans:
            try:
                self._plans[run.id] = plans.plan(run.id, run.request, application, self._machine)
            except ValidationException as error:
                self._store.set_job_run_state(run, "FAILED", error.message[:256], unless=ENDED)
                return None
            except Exception as error:  # the others that wait need this thread
                log.exception("job run %s cannot be planned", run.id)
                details = f"EMR Serverless failed: {error}"
                self._store.set_job_run_state(run, "FAILED", details[:256], unless=ENDED)
                return None
        return self._plans[run.id]

    def _waited_too_long(self, run: JobRun, application: Application, now: float) -> bool:
        if run.state != "QUEUED" or run.queued_at is None:
            return False
        minutes = application.request.get("schedulerConfiguration", {}).get("queueTimeoutMinutes", _QUEUE_MINUTES)
        if now - run.queued_at < minutes * self._around.minute:
            return False
        details = f"Job run exceeded the queue timeout of {minutes} minutes"
        self._store.set_job_run_state(run, "CANCELLED", details, unless=ENDED)
        self._plans.pop(run.id, None)
        return True

    def _limits(self, application: Application) -> Limits:
        request = application.request
        maximum = capacity(request["maximumCapacity"]) if "maximumCapacity" in request else None
        scheduling = request.get("schedulerConfiguration")
        runs = None if scheduling is None else int(scheduling.get("maxConcurrentRuns", _RUNS))
        if runs is not None:  # of job runs alone, while those that run are counted with the sessions
            runs += sum(one.application_id == application.id for one in self._sessions.values())
        return Limits(maximum, runs)
