"""The stack as containers: docker-compose.yml, driven by the docker command, one container a service.

Compose makes images, network, volumes and containers; each container is then started by us when those that it needs are
healthy, as host processes are, so that both runtimes come up in one order and show one progress.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from velodrome.authorities import AUTHORITY
from velodrome.runtime import engine, store, volumes
from velodrome.runtime.base import StackError, State
from velodrome.runtime.graph import Step, run_steps
from velodrome.runtime.parts import Entries, linux_name
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES, Service, waves
from velodrome.runtime.summary import libpq
from velodrome.s3.place import FOLDER as S3_FOLDER
from velodrome.settings import (
    SECRETS_FILE,
    SETTINGS,
    Settings,
    keep_settings,
    kept_settings,
    load,
    user_environ,
    write_private,
)

# The services of docker-compose.yml that build an image; each is of the name of its Dockerfile's target, but for
# Airflow's, whose processes share one.
BUILT = ("source", "s3", "redshift", "emr-serverless", "airflow-init")
# Where psql in the source's container finds the two databases.
INSIDE = {"SOURCE": ("127.0.0.1", "5432"), "REDSHIFT": ("redshift", "5439")}
# What the containers read of the checkout, or the images are made of.
READ = ("airflow", "env/aws", "env/local.env", S3_FOLDER, "postgres-init", "spark", "src", "warehouse")
WITH_TLS = ("redshift", "emr-serverless")  # each has an authority in its own volume
CREATE = "create containers"
# How old a look at the containers may be: the threads that wait for ten services share one.
FRESH = 0.4  # seconds
# Docker restarts a container that ends, waiting longer each time; after so many times it will not come up by itself.
MANY_RESTARTS = 5
# https://docs.docker.com/reference/api/engine/ (container State.Status)
ACTIVE = ("running", "restarting", "paused")


def project_name(settings: Settings) -> str:
    """Compose's project: the checkout's own, as `docker compose` finds it there, or one for another VELODROME_HOME."""
    if settings.home == settings.project / ".velodrome":
        return ""
    return f"velodrome-{hashlib.sha256(str(settings.home).encode()).hexdigest()[:10]}"


def compose_environ(settings: Settings) -> dict[str, str]:
    """What `docker compose` is run with: the ports, and what this copy was started with. No secret is among it."""
    table = {setting.name: setting for setting in SETTINGS}
    environ = {name: value for name, value in user_environ().items() if name not in table}
    environ |= {name: settings[name] for name in kept_settings(settings) if name in table}
    environ |= {port: settings[port] for service in SERVICES.values() for port in service.ports}
    # Only what is not as it is anyway: `docker compose up` alone then finds the same containers.
    unkept = {name: settings[name] for name in ("PROFILE", "DATASET_SEED", "DATASET_SCALE")}
    environ |= {name: value for name, value in unkept.items() if value != table[name].default}
    if name := project_name(settings):
        environ["COMPOSE_PROJECT_NAME"] = name
    return environ


class ComposeRuntime:
    """Containers; what each method promises stands in base.Runtime."""

    name = "compose"

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self._looked = 0.0
        self._seen: dict[str, dict[str, Any]] = {}
        self._look_lock = threading.Lock()
        self._project = ""

    # -- the docker command ---------------------------------------------------------------------------------------

    def environ(self) -> dict[str, str]:
        return compose_environ(self.settings)

    def _argv(self, *arguments: str) -> list[str]:
        # Not the current folder's: the console works from any.
        folder = self.settings.project
        where = ("--project-directory", str(folder), "-f", str(folder / "docker-compose.yml"))
        return ["docker", "compose", *where, *arguments]

    def _docker(self, argv: list[str], given: bytes = b"") -> str:
        try:
            result = subprocess.run(argv, env=self.environ(), input=given, capture_output=True, check=False)
        except FileNotFoundError:
            engine.find()  # says what to install
            raise
        if result.returncode:
            said = result.stderr.decode(errors="replace").strip().splitlines()
            if any("daemon running" in line for line in said):
                engine.find()  # says how to start it
            raise StackError("\n".join([f"{' '.join(argv)} failed:", *said[-12:]]))
        return result.stdout.decode(errors="replace")

    def _compose(self, *arguments: str, given: bytes = b"") -> str:
        return self._docker(self._argv(*arguments), given)

    @property
    def project(self) -> str:
        """Compose's project name, as Compose resolves it."""
        if not self._project:
            self._project = str(json.loads(self._compose("config", "--format", "json", "--no-interpolate"))["name"])
        return self._project

    def _labelled(self, kind: str, *arguments: str) -> list[str]:
        label = f"label=com.docker.compose.project={self.project}"
        return self._docker(["docker", kind, "ls", "-q", *arguments, "--filter", label]).split()

    # -- containers -----------------------------------------------------------------------------------------------

    def _containers(self) -> dict[str, dict[str, Any]]:
        """Each service's container, as `docker inspect` shows it."""
        with self._look_lock:
            if time.monotonic() - self._looked > FRESH:
                ids = self._labelled("container", "-a")
                shown = json.loads(self._docker(["docker", "container", "inspect", *ids])) if ids else []
                self._seen = {}
                for container in shown:
                    labels = container["Config"]["Labels"]
                    if labels.get("com.docker.compose.oneoff") != "True":
                        self._seen[labels["com.docker.compose.service"]] = container
                self._looked = time.monotonic()
            return self._seen

    def is_running(self) -> bool:
        return any(container["State"]["Status"] in ACTIVE for container in self._containers().values())

    def holds_data(self) -> bool:
        volumes = self._labelled("volume")
        return f"{self.project}_source" in volumes

    def state(self, name: str) -> State:
        container = self._containers().get(name)
        if container is None:
            return State("ABSENT", False, False, 0, 0.0, 0, "there is no container (make up)")
        state = container["State"]
        word = str(state["Status"])
        problem = str(state["Error"]) or f"exit code {state['ExitCode']}"
        if state["OOMKilled"]:
            problem = f"it needed more memory than its mem_limit in docker-compose.yml; {problem}"
        return State(
            word=word.upper(),
            active=word in ACTIVE and not (word == "restarting" and container["RestartCount"] >= MANY_RESTARTS),
            running=word == "running",
            pid=int(state["Pid"]),
            since=_seconds(state["StartedAt"]),
            exit_code=int(state["ExitCode"]),
            problem=problem,
        )

    def start(self, name: str) -> None:
        self._docker(["docker", "container", "start", self._containers()[name]["Id"]])
        self._look_again()

    # -- up -------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        engine.find()
        self._check_readable()
        for container in self._containers().values():
            folder = container["Config"]["Labels"].get("com.docker.compose.project.working_dir", "")
            if folder and Path(folder) != self.settings.project:
                raise StackError(
                    f"Compose's project {self.project} is another checkout's, {folder}: rename this folder, "
                    "or set COMPOSE_PROJECT_NAME"
                )

    def _check_readable(self) -> None:
        """Containers run as a user of their own, which a checkout made under umask 077 is closed to."""
        project = self.settings.project
        for name in READ:
            for path in (project / name, *(project / name).rglob("*")):
                if "__pycache__" in path.parts or not path.exists():
                    continue
                if not path.stat().st_mode & stat.S_IROTH:
                    raise StackError(
                        f"the containers' user cannot read {path}: chmod -R o+rX {shlex.quote(str(project / name))}"
                    )

    def begin(self, settings: Settings) -> Settings:
        self.settings = settings
        self.learn_secrets()
        self.settings = prepare_home(self.settings)
        return self.settings

    def learn_secrets(self) -> None:
        home = self.settings.home
        if (home / SECRETS_FILE).is_file() or not self.holds_data():
            return
        run = ("run", "--rm", "-T", "--no-deps", "prepare")
        write_private(home / SECRETS_FILE, self._compose(*run, "cat", f"{volumes.HOME}/{SECRETS_FILE}"))
        chosen = {"RUNTIME": self.name}
        keep_settings(Settings({**self.settings, **chosen}), chosen)
        self.settings = prepare_home(load(user_environ(), self.settings.project))

    def steps(self) -> list[Step]:
        steps = [Step(f"build {image_name(name)}", partial(self._build, name)) for name in BUILT]
        return [*steps, Step(CREATE, self._create, tuple(step.name for step in steps))]

    def ready_step(self, service: Service) -> str:
        return CREATE

    def go_on_behind(self) -> str:
        return ""

    def listens(self, service: Service) -> bool:
        return True  # the engine's proxy does, from a container's start to its end

    def job_steps(self) -> tuple[str, ...]:
        return ()

    def _build(self, name: str) -> None:
        title = f"build {image_name(name)}"
        with self.progress.step(title):
            argv = self._argv("--progress", "plain", "build", name)
            log = self.settings.home / "logs" / f"build-{image_name(name)}.log"
            self._follow(argv, log, partial(self.progress.say, title))

    def _follow(self, argv: list[str], log: Path, report: Callable[[str], None]) -> None:
        """Run a build, telling which of its steps is at work; raises StackError with its last lines."""
        lines: list[str] = []
        with (
            subprocess.Popen(
                argv,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
            log.open("w") as file,
        ):
            steps: dict[str, str] = {}
            for line in process.stdout or ():
                file.write(line)
                lines = [*lines[-30:], line.rstrip()]
                # "#12 [s3-install 2/2] RUN make-install s3 …", then "#12 0.5 …" unless its result is there
                if step := re.match(r"(#\d+) \[(?:\S+ )?([\w-]+) +\d+/\d+\] RUN ", line):
                    steps[step[1]] = step[2]
                elif (work := re.match(r"(#\d+) \d+\.\d+ ", line)) and work[1] in steps:
                    report(steps.pop(work[1]))
        if process.returncode:
            shown = "\n".join(line for line in lines if line)
            raise StackError(f"docker compose build failed ({log} has all of it):\n{shown}")

    def _create(self) -> None:
        with self.progress.step(CREATE):
            changed = self._fill_home()
            # Containers whose image or settings have changed are made anew, the others stay and go on.
            self._compose("up", "--no-start", "--remove-orphans", *(["--force-recreate"] if changed else []))
            self._look_again()

    def _fill_home(self) -> bool:
        """Bring secrets and data set into the volume `home`; whether running services have other settings."""
        settings, archive = self.settings, io.BytesIO()
        names = [setting.name for setting in SETTINGS if setting.secret]
        secrets = "".join(f"{name}={shlex.quote(settings[name])}\n" for name in names)
        with tarfile.open(fileobj=archive, mode="w") as tar:
            member = tarfile.TarInfo(SECRETS_FILE)
            member.size, member.mode = len(secrets.encode()), 0o600
            tar.addfile(member, io.BytesIO(secrets.encode()))
            for file in sorted((settings.home / "dataset").iterdir()):
                tar.add(file, f"dataset/{file.name}")
        run = ("run", "--rm", "-T", "--no-deps", "prepare", "python", "-m", "velodrome.runtime.prepare", "--given")
        return "changed" in self._compose(*run, given=archive.getvalue())

    # -- the rest -------------------------------------------------------------------------------------------------

    def log_tail(self, name: str, lines: int = 15) -> str:
        result = subprocess.run(
            ["docker", "container", "logs", "--tail", str(lines), self._containers()[name]["Id"]],
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return result.stdout.strip()

    def log_place(self, name: str) -> str:
        return f"its log (make logs SERVICE={name})"

    def log_command(self, names: list[str], lines: int, follow: bool) -> list[str]:
        if not self._containers():
            raise StackError("no log yet: nothing was started (make up)")
        return self._argv("logs", "--tail", str(lines), *(["--follow"] if follow else []), *names)

    def psql(self, prefix: str) -> tuple[list[str], dict[str, str]]:
        if not self.state("source").running:
            raise StackError("the source's container, which has psql, does not run: run `make up` first")
        host, port = INSIDE[prefix]
        login = libpq(self.settings, prefix) | {"PGHOST": host, "PGPORT": port}
        # Names alone: the values come from our environment, so that no password stands in a command line.
        names = (*login, "PGOPTIONS")
        return self._argv("exec", "-T", *(word for name in names for word in ("-e", name)), "source", "psql"), login

    def authorities(self) -> list[str]:
        file = f"{volumes.HOME}/data/certificates/{AUTHORITY}"
        running = [name for name in WITH_TLS if self.state(name).running]
        # A service makes its own before it answers for the first time.
        return [self._compose("exec", "-T", name, "cat", file) for name in running]

    def stop(self) -> None:
        containers = self._containers()
        for wave in reversed(waves()):
            ids = [containers[name]["Id"] for name in wave if name in containers]
            if ids:
                self._docker(["docker", "container", "stop", *ids])
        self._compose("down", "--remove-orphans")
        self._look_again()

    def forget(self) -> None:
        self._compose("down", "--remove-orphans", "--volumes")

    def remove_installs(self) -> list[Path]:
        self._compose("down", "--rmi", "all")
        return store.remove_all(self.settings)

    def disk(self) -> Path | None:
        return None

    # -- backups --------------------------------------------------------------------------------------------------

    def machine(self) -> str:
        return linux_name(engine.ask("version", "--format", "{{.Server.Arch}}"))

    def read_path(self, path: str) -> AbstractContextManager[Entries]:
        return volumes.read_path(self._argv, self.environ(), path)

    @contextmanager
    def receiving(self, staging: Path) -> Iterator[Callable[[Entries], None]]:
        if self._labelled("volume"):
            raise StackError(
                f"Compose's project {self.project} has volumes: run `make reset` first, or set another VELODROME_HOME"
            )
        (self.settings.home / "logs").mkdir(exist_ok=True)
        run_steps([step for step in self.steps() if step.name != CREATE])
        try:
            yield partial(volumes.write, self._argv, self.environ())
            self._compose("down", "--remove-orphans")
        except BaseException:
            self.forget()
            raise

    def _look_again(self) -> None:
        with self._look_lock:
            self._looked = 0.0


def image_name(service: str) -> str:
    """The Dockerfile's target, and so the image, that a service in BUILT builds."""
    return "airflow" if service == "airflow-init" else service


def _seconds(moment: str) -> float:
    """Seconds since the epoch of Docker's 2026-11-24T13:50:25.123456789Z; 0 for a container that never started."""
    found = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", moment).replace("Z", "+00:00"))
    return found.timestamp() if found.year > 1 else 0.0
