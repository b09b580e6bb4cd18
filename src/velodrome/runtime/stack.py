"""Brings the stack up: starts each service when those it needs are healthy, fills the warehouse."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial

from velodrome.runtime import ports
from velodrome.runtime.airflow_api import PIPELINE_DAG, SETUP_DAG, Airflow, AirflowError
from velodrome.runtime.base import Runtime, StackError, State, TooSlow
from velodrome.runtime.data_set import take_dataset
from velodrome.runtime.graph import Step, run_steps
from velodrome.runtime.health import NotHealthy
from velodrome.runtime.install import free_space
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES, Service
from velodrome.s3.place import OBJECTS_HOOK
from velodrome.settings import Settings, keep_settings, kept_settings, service_environ, user_environ, write_kept

START_TIMEOUT = 180.0  # seconds, for one service on a busy machine
FULL_DISK = 256 << 20  # bytes; below it, a service's end is most likely this


class Stack:
    """All services of one VELODROME_HOME."""

    def __init__(self, runtime: Runtime, progress: Progress) -> None:
        self.runtime = runtime
        self.settings = runtime.settings
        self.progress = progress

    def _start(self, service: Service) -> None:
        title = f"start {service.name}"
        with self.progress.step(title):
            state = self.runtime.state(service.name)
            if not state.active:
                ports.check([service], self.settings)
                self.runtime.start(service.name)
            elif state.running:
                self.progress.say(title, "already running")
            self.wait_healthy(service)

    def wait_healthy(self, service: Service) -> None:
        """Return once the service answers for itself; raises StackError with its log's last lines."""
        deadline = time.monotonic() + START_TIMEOUT
        last = "it does not run"
        while time.monotonic() < deadline:
            state = self.runtime.state(service.name)
            if not state.active:
                if service.healthy is None and state.since and state.exit_code == 0:
                    return
                raise StackError(self._died(service, f"ended ({state.problem})"))
            if service.healthy is not None and state.running:
                last = self._problem(service, state)
                if not last:
                    return
            time.sleep(0.1)
        raise TooSlow(self._died(service, f"is not healthy after {START_TIMEOUT:.0f} s: {last}"))

    def _problem(self, service: Service, state: State) -> str:
        """Why a service that runs is not healthy yet; empty when it is."""
        if not self.runtime.listens(service):
            return f"nobody listens on port {self.settings[str(service.port)]}"
        try:
            if service.healthy is not None:
                service.healthy(self.settings, state.since)
        except NotHealthy as error:
            return str(error)
        return ""

    def _died(self, service: Service, what: str) -> str:
        said = self.runtime.log_tail(service.name)
        hint = ""
        disk = self.runtime.disk()
        free = free_space(disk) if disk else FULL_DISK
        if free < FULL_DISK:
            hint = f" {disk} has {free >> 20} MiB free: make room, or set VELODROME_HOME to another disk."
        elif service.port and "in use" in said.lower():
            port = next((port for port in service.ports if port in said), service.port)
            hint = f" Its port {self.settings[port]} is the setting {port}."
        return f"{service.name} {what}.{hint}\nLast lines of {self.runtime.log_place(service.name)}:\n{said}"

    def steps(self) -> list[Step]:
        """What is made before services start, and their starts, each with what it needs."""
        return [*self.runtime.steps(), *map(self._start_step, SERVICES.values())]

    def _start_step(self, service: Service) -> Step:
        needs = (self.runtime.ready_step(service), *(f"start {need}" for need in service.needs))
        return Step(f"start {service.name}", partial(self._start, service), needs)

    def up(self, fill: bool) -> str:
        """Make what is missing, start what does not run, wait until all is healthy; with `fill`, run the setup and
        the pipeline DAG, each unless it has succeeded before. Returns what goes on behind, if anything does."""
        self.runtime.check()
        with self.progress.step("prepare data set"):
            taken = take_dataset(self.settings, self.runtime.holds_data())
            self.progress.say("prepare data set", taken or "already there")
        with self._kept():
            self.settings = self.runtime.begin(self.settings)
            # Before minutes of installing, not after.
            ports.check((service for service in SERVICES.values() if not self._is_active(service)), self.settings)
            publish = Step("bring job to S3", self._publish, ("start s3",))
            steps = [*self.steps(), publish, *(self.fill_steps() if fill else ())]
            self.progress.plan(*(step.name for step in steps))
            run_steps(steps)
        return self.runtime.go_on_behind()

    def _is_active(self, service: Service) -> bool:
        return self.runtime.state(service.name).active

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """What this copy is started with is remembered, unless a service cannot be started with it."""
        before, chosen = kept_settings(self.settings), {"RUNTIME": self.runtime.name}
        keep_settings(Settings({**self.settings, **chosen}), user_environ() | chosen)
        try:
            yield
        except TooSlow:
            raise  # the machine's fault more often than a setting's
        except StackError as error:
            lost = dict(kept_settings(self.settings).items() - before.items() - {("RUNTIME", self.runtime.name)})
            write_kept(self.settings, before | (chosen if self.runtime.holds_data() else {}))
            if not lost:
                raise
            given = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(lost.items()))
            raise StackError(f"{error}\nNot kept for later commands: {given}") from error

    def down(self) -> None:
        """Stop every service."""
        with self.progress.step("stop all services"):
            self.runtime.stop()

    def start_again(self, names: Collection[str]) -> None:
        """Start services that were stopped, and those that they need, from what is installed."""
        take_dataset(self.settings, self.runtime.holds_data())  # `docker compose up` alone has none outside its volume
        self.settings = self.runtime.begin(self.settings)
        wanted = set(names)
        while missing := {need for name in wanted for need in SERVICES[name].needs} - wanted:
            wanted |= missing
        starts = [self._start_step(service) for name, service in SERVICES.items() if name in wanted]
        needed = {need for step in starts for need in step.needs}
        made = [Step(step.name, step.run) for step in self.runtime.steps() if step.name in needed]
        self.progress.plan(*(step.name for step in [*made, *starts]))
        run_steps([*made, *starts])

    def fill_steps(self) -> list[Step]:
        """The runs of the two DAGs, when every service is up."""
        starts = ("bring job to S3", *(f"start {name}" for name in SERVICES))
        return [
            Step(f"run {SETUP_DAG}", partial(self._run_unless_done, SETUP_DAG), starts),
            Step(
                f"run {PIPELINE_DAG}",
                partial(self._run_unless_done, PIPELINE_DAG),
                (f"run {SETUP_DAG}", *self.runtime.job_steps()),
            ),
        ]

    def _run_unless_done(self, dag: str) -> None:
        title = f"run {dag}"
        with Airflow(self.settings) as airflow, self.progress.step(title):
            self._wait_for_dag(airflow, dag)
            if airflow.succeeded(dag):
                self.progress.say(title, "has run before")
                return
            airflow.unpause(dag)
            airflow.follow(dag, airflow.trigger(dag), partial(self.progress.say, title))
            self.progress.say(title, "succeeded")

    def _publish(self) -> None:
        """Put what the source bucket is made of there, as far as it has changed: S3's own start hook does it."""
        hook = self.settings.project / OBJECTS_HOOK
        environ = service_environ(Settings({**self.settings, "DATASET": ""}), ())
        with self.progress.step("bring job to S3"):
            result = subprocess.run(
                [sys.executable, str(hook)],
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode:
                said = (result.stderr.strip().splitlines() or ["no word"])[-1]
                raise StackError(f"the Spark job could not be brought to S3 ({hook}): {said}")
            self.progress.say("bring job to S3", result.stdout.strip().removeprefix("s3: "))

    def wait_for_all(self) -> None:
        """Return when every service is well; one that is just coming back is waited for."""
        run_steps([Step(f"wait for {name}", partial(self._wait, row)) for name, row in SERVICES.items() if row.healthy])

    def run_dag(self, dag: str) -> None:
        """Run a DAG once more, with the job as it is now, and follow it."""
        self._publish()
        title = f"run {dag}"
        with Airflow(self.settings) as airflow, self.progress.step(title):
            if dag not in (known := airflow.dags()):
                raise AirflowError(f"there is no DAG {dag}; there are: {', '.join(sorted(known))}")
            airflow.unpause(dag)
            run = airflow.trigger(dag)
            self.progress.say(title, airflow.run_url(dag, run))
            airflow.follow(dag, run, partial(self.progress.say, title))
            self.progress.say(title, "succeeded")

    def _wait(self, service: Service) -> None:
        """Nothing is shown of a service that is well."""
        state = self.runtime.state(service.name)
        if state.running and not self._problem(service, state):
            return
        with self.progress.step(f"wait for {service.name}"):
            self.wait_healthy(service)

    def _wait_for_dag(self, airflow: Airflow, dag: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while dag not in airflow.dags():
            if errors := airflow.import_errors():
                raise AirflowError("Airflow cannot import a DAG:\n" + "\n".join(errors))
            if time.monotonic() > deadline:
                raise AirflowError(f"Airflow has not found {dag} in airflow/dags after {START_TIMEOUT:.0f} s")
            time.sleep(0.3)
