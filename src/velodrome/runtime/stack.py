"""Brings the stack up: installs, starts each service when those it needs are healthy, fills the warehouse."""

from __future__ import annotations

import shutil
import socket
import time
from functools import partial
from pathlib import Path

from velodrome.dataset import check as dataset_check
from velodrome.dataset import generate as dataset_generate
from velodrome.dataset import schema as dataset_schema
from velodrome.runtime import install
from velodrome.runtime.airflow_api import PIPELINE_DAG, SETUP_DAG, Airflow, AirflowError
from velodrome.runtime.graph import Step, run_steps
from velodrome.runtime.health import NotHealthy
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES, Service, log_file
from velodrome.runtime.supervisor import RUNNING_STATES, Supervisor
from velodrome.settings import Settings, keep_settings, user_environ

START_TIMEOUT = 180.0  # seconds, for one service on a busy machine
FULL_DISK = 256 << 20  # bytes; below it, a service's end is most likely this
LEAST_FREE_SPACE = 4 << 30  # bytes; the installs take about 3 GiB
# What `velodrome up` installs; "spark" is no service's own, EMR Serverless runs jobs with it.
STACK_INSTALLS = ("airflow", "spark", "s3", "redshift", "source", "emr-serverless")


class StackError(RuntimeError):
    """The stack cannot be brought up; the message names the service, the setting to change, and its log's last
    lines."""


def tail(file: Path, lines: int = 15) -> str:
    """The last lines of a log file."""
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 16384))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])


def check_dataset(folder: Path) -> None:
    """Refuse a data set with a missing file or column, or a row that breaks the source's constraints."""
    problems = dataset_check.check(folder)
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise StackError(f"DATASET={folder} cannot be loaded:\n{shown}{more}")


def take_dataset(settings: Settings) -> str:
    """Put the data set into VELODROME_HOME/dataset: DATASET's files, else a generated one; says which, or nothing
    when it is there already. A copy that has loaded one data set does not change to another: that is refused."""
    target = settings.home / "dataset"
    stamp = target / ".origin"
    origin = stamp.read_text() if stamp.is_file() else ""
    if settings["DATASET"]:
        source = settings.path("DATASET")
        check_dataset(source)
        files = sorted(source / file for file in dataset_schema.FILES)
        marks = [f"{file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        wanted = "\n".join([f"from {source}", *marks])
    else:
        wanted = origin or f"generated from seed {settings['DATASET_SEED']} at scale {settings['DATASET_SCALE']}"
    if wanted == origin:
        return ""
    if origin and (settings.home / "data" / "source").exists():
        raise StackError(
            f"this copy already holds the data set {origin.splitlines()[0]}: run `make reset` first, "
            "or start a second copy with another VELODROME_HOME and other ports"
        )
    shutil.rmtree(target, ignore_errors=True)
    if settings["DATASET"]:
        target.mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, target / file.name)
    else:
        dataset_generate.generate(target, seed=settings.integer("DATASET_SEED"), scale=float(settings["DATASET_SCALE"]))
    stamp.write_text(wanted)
    return wanted.splitlines()[0]


def check_space(settings: Settings) -> None:
    """Refuse to begin on a disk that cannot hold the installs."""
    if not (settings.installs / "airflow" / install.STAMP).is_file():
        free = install.free_space(settings.installs)
        if free < LEAST_FREE_SPACE:
            raise StackError(
                f"{settings.installs} has {free / 2**30:.1f} GiB free and needs {LEAST_FREE_SPACE >> 30}: "
                "make room, or set VELODROME_INSTALLS (installs) or VELODROME_HOME (all) to another disk"
            )


def check_port(service: Service, settings: Settings) -> None:
    """Refuse a port that another process listens on."""
    if service.port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.integer(service.port)))
        except OSError as error:
            raise StackError(
                f"{service.name}: port {settings[service.port]} cannot be had ({error.strerror}); "
                f"another program listens there. Set {service.port} to a free one "
                f"(env/{settings['PROFILE']}.env, or in front of the command)"
            ) from None


class Stack:
    """All services of one VELODROME_HOME."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self.supervisor = Supervisor(settings)

    def _install(self, name: str) -> None:
        title = f"install {name}"
        with self.progress.step(title):
            if not install.ensure(name, self.settings, partial(self.progress.say, title)):
                self.progress.say(title, "already installed")

    def _archive_classes(self) -> None:
        title = "archive Spark's classes"
        with self.progress.step(title):
            if not install.ensure_class_archive(self.settings, partial(self.progress.say, title)):
                self.progress.say(title, "nothing to do")

    def _start(self, service: Service) -> None:
        title = f"start {service.name}"
        with self.progress.step(title):
            if self.supervisor.state(service.name) not in RUNNING_STATES:
                check_port(service, self.settings)
                self.supervisor.start_process(service.name)
            elif self.supervisor.state(service.name) == "RUNNING":
                self.progress.say(title, "already running")
            self.wait_healthy(service)

    def wait_healthy(self, service: Service) -> None:
        """Return once the service answers for itself; raises StackError with its log's last lines."""
        deadline = time.monotonic() + START_TIMEOUT
        last = "it does not run"
        while time.monotonic() < deadline:
            info = self.supervisor.info(service.name)
            if service.healthy is None and info["statename"] == "EXITED" and info["exitstatus"] == 0:
                return
            if info["statename"] in ("FATAL", "EXITED", "UNKNOWN"):
                raise StackError(self._died(service, f"ended ({info['spawnerr'] or info['description']})"))
            if service.healthy is not None and info["statename"] == "RUNNING":
                try:
                    service.healthy(self.settings, float(info["start"]))
                    return
                except NotHealthy as error:
                    last = str(error)
            time.sleep(0.1)
        raise StackError(self._died(service, f"is not healthy after {START_TIMEOUT:.0f} s: {last}"))

    def _died(self, service: Service, what: str) -> str:
        file = log_file(service, self.settings)
        said = tail(file)
        hint = ""
        free = install.free_space(self.settings.home)
        if free < FULL_DISK:
            hint = f" {self.settings.home} has {free >> 20} MiB free: make room, or set VELODROME_HOME to another disk."
        elif service.port and "in use" in said.lower():
            hint = f" Its port {self.settings[service.port]} is the setting {service.port}."
        return f"{service.name} {what}.{hint}\nLast lines of {file}:\n{said}"

    def steps(self) -> list[Step]:
        """Installs and starts, each with what it needs."""
        steps = [Step(f"install {name}", partial(self._install, name)) for name in STACK_INSTALLS]
        steps.append(Step("archive Spark's classes", self._archive_classes, ("install spark",)))
        for service in SERVICES.values():
            needs = (f"install {service.install}", *(f"start {need}" for need in service.needs))
            steps.append(Step(f"start {service.name}", partial(self._start, service), needs))
        return steps

    def up(self, fill: bool) -> None:
        """Install what is missing, start what does not run, wait until all is healthy; with `fill`, run the setup and
        the pipeline DAG, each unless it has succeeded before."""
        check_space(self.settings)
        with self.progress.step("prepare data set"):
            self.progress.say("prepare data set", take_dataset(self.settings) or "already there")
        self.settings = prepare_home(self.settings)
        keep_settings(self.settings, user_environ())
        self.supervisor = Supervisor(self.settings)
        self.supervisor.start()
        for service in SERVICES.values():  # before minutes of installing, not after
            if self.supervisor.state(service.name) not in RUNNING_STATES:
                check_port(service, self.settings)
        steps = [*self.steps(), *(self.fill_steps() if fill else ())]
        self.progress.plan(*(step.name for step in steps))
        run_steps(steps)

    def down(self) -> None:
        """Stop every service."""
        with self.progress.step("stop all services"):
            self.supervisor.stop()

    def fill_steps(self) -> list[Step]:
        """The runs of the two DAGs, when every service is up."""
        starts = tuple(f"start {name}" for name in SERVICES)
        return [
            Step(f"run {SETUP_DAG}", partial(self._run_unless_done, SETUP_DAG), starts),
            Step(
                f"run {PIPELINE_DAG}",
                partial(self._run_unless_done, PIPELINE_DAG),
                (f"run {SETUP_DAG}", "install spark"),
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

    def run_pipeline(self) -> None:
        """Run the pipeline DAG once more and follow it."""
        title = f"run {PIPELINE_DAG}"
        with Airflow(self.settings) as airflow, self.progress.step(title):
            airflow.unpause(PIPELINE_DAG)
            airflow.follow(PIPELINE_DAG, airflow.trigger(PIPELINE_DAG), partial(self.progress.say, title))
            self.progress.say(title, "succeeded")

    def _wait_for_dag(self, airflow: Airflow, dag: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while dag not in airflow.dags():
            if errors := airflow.import_errors():
                raise AirflowError("Airflow cannot import a DAG:\n" + "\n".join(errors))
            if time.monotonic() > deadline:
                raise AirflowError(f"Airflow has not found {dag} in airflow/dags after {START_TIMEOUT:.0f} s")
            time.sleep(0.3)
