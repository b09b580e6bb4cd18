"""`velodrome doctor`: what this machine has and lacks for `velodrome up`, each with the fix, in bounded time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from velodrome.dataset import check as dataset_check
from velodrome.emr_serverless.spark.jvm import MissingInstall
from velodrome.runtime import engine, machine, ports, refusals, registries
from velodrome.runtime.base import StackError
from velodrome.runtime.choose import choose, runtime_of
from velodrome.runtime.compose import BUILT, ComposeRuntime, image_name
from velodrome.runtime.data_set import STAMP
from velodrome.runtime.findings import FAIL, OK, WARN, Finding
from velodrome.runtime.host import STACK_INSTALLS, HostRuntime
from velodrome.runtime.install import InstallError, is_there
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES, Service
from velodrome.runtime.supervisor import SupervisorError
from velodrome.settings import SECRETS_FILE, SettingError, Settings, load

TIMEOUT = 40.0  # seconds for all checks together
Check = Callable[[], Finding | Sequence[Finding]]


def examine(environ: Mapping[str, str], start: Path, timeout: float = TIMEOUT) -> list[Finding]:
    """Everything that `velodrome up` needs, looked at side by side; what has no answer in time is said to have none."""
    settings, problems = _settings(environ, start)
    checks: dict[str, Check] = {"Python": machine.python, "make": machine.make}
    if settings is None:
        # Where things lie is not known: what follows from it is checked when the settings are mended.
        found = run_checks({**checks, "container engine": lambda: _engine(_find_engine())}, timeout)
        return [*found, *problems]
    located = Located(settings)
    checks |= {
        "memory": lambda: machine.memory(bool(located.own_services())),
        "disk of data": partial(machine.home_space, settings.home),
        "PostgreSQL's user": located.postgres_account,
        "container engine": lambda: [_engine(located.engine), located.runtime()],
        "disk of installs": located.disk,
        "services": located.services,
        **{_port_check(row, port): partial(located.port, row, port) for row in SERVICES.values() for port in row.ports},
        "package index": located.index,
        "Maven": located.maven,
        "data set": partial(_dataset, settings),
        "secrets": partial(_secrets, settings),
    }
    return [*problems, *run_checks(checks, timeout)]


def run_checks(checks: Mapping[str, Check], timeout: float) -> list[Finding]:
    """Run each check in a thread of its own; one that has not ended in time is left alone and named."""
    answers: queue.SimpleQueue[tuple[str, Sequence[Finding]]] = queue.SimpleQueue()
    for name, check in checks.items():
        threading.Thread(target=_answer, args=(name, check, answers), daemon=True).start()
    deadline = time.monotonic() + timeout
    found: dict[str, Sequence[Finding]] = {}
    while len(found) < len(checks):
        try:
            name, findings = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[name] = findings
    silent = f"no answer within {timeout:.0f} s"
    return [
        finding
        for name in checks
        for finding in found.get(name, [Finding(name, WARN, silent, "try again on a quieter machine")])
    ]


def _answer(name: str, check: Check, answers: queue.SimpleQueue[tuple[str, Sequence[Finding]]]) -> None:
    try:
        result = check()
    except (SettingError, StackError, SupervisorError, InstallError, OSError) as error:
        result = Finding(name, FAIL, str(error), "see the message")
    except BaseException as error:
        # Our own mistake: said where the user looks, and shown whole on standard error by the thread's own hook.
        answers.put((name, [Finding(name, WARN, f"cannot be checked: {error!r}", "please report this")]))
        raise
    answers.put((name, [result] if isinstance(result, Finding) else result))


class Located:
    """The checks that follow from where this copy lies and what it is started with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._engine: engine.Engine | engine.EngineError | None = None

    @property
    def engine(self) -> engine.Engine | engine.EngineError:
        """The engine, or why there is none; looked for once, whoever asks first."""
        with self._lock:
            if self._engine is None:
                self._engine = _find_engine()
            return self._engine

    def choice(self) -> tuple[str, str]:
        """The runtime that `velodrome up` would take, and why. Raises SettingError or StackError as it would."""
        wanted, mine = self.settings["RUNTIME"], runtime_of(self.settings)
        if wanted or mine:
            return choose(self.settings), "this copy was started so" if mine else f"RUNTIME={wanted}"
        if isinstance(self.engine, engine.Engine):
            return "compose", "a container engine answers (RUNTIME=host for processes)"
        return "host", "no container engine can be used"

    def name(self) -> str:
        """The runtime that the other checks go by: where none can be taken, that is said once, in `runtime`."""
        try:
            return self.choice()[0]
        except (SettingError, StackError):
            return runtime_of(self.settings) or "host"

    def _runtime(self) -> HostRuntime | ComposeRuntime:
        kind = ComposeRuntime if self.name() == "compose" else HostRuntime
        return kind(self.settings, Progress(Console(quiet=True)))

    def runtime(self) -> Finding:
        """Which of the two ways `velodrome up` would take, and whether it can."""
        check = "runtime"
        try:
            name, why = self.choice()
        except SettingError as error:
            return Finding(check, FAIL, str(error), "mend RUNTIME")
        except StackError as error:
            found, _, fix = str(error).partition(". ")
            return Finding(check, FAIL, found, fix)
        if name == "host":
            return Finding(check, OK, f"host processes: {why}")
        if isinstance(self.engine, engine.EngineError):
            fix = "mend the container engine (above), or set RUNTIME=host for another copy"
            return Finding(check, FAIL, f"containers: {why}; but no container engine can be used", fix)
        try:
            self._runtime().check()
        except StackError as error:
            found, _, fix = str(error).rpartition(": ")
            return Finding(check, FAIL, found, fix)
        return Finding(check, OK, f"containers: {why}")

    def own_services(self) -> dict[str, str]:
        """The services of this copy that run, and as what."""
        runtime = self._runtime()
        containers = isinstance(runtime, ComposeRuntime)
        if containers and isinstance(self.engine, engine.EngineError):
            return {}
        try:
            states = {name: runtime.state(name) for name in SERVICES} if runtime.is_running() else {}
        except StackError:  # said once, in `runtime`
            return {}
        return {
            name: "container" if containers else f"process {state.pid}"
            for name, state in states.items()
            if state.running
        }

    def services(self) -> list[Finding]:
        """Those of this copy that should run and do not, each with its last word."""
        check, runtime = "services", self._runtime()
        containers = isinstance(runtime, ComposeRuntime)
        if (containers and isinstance(self.engine, engine.EngineError)) or not runtime.is_running():
            return [Finding(check, OK, "none runs (make up)")]
        found = []
        for name in SERVICES:
            state = runtime.state(name)
            ended_well = not state.active and state.since > 0 and state.exit_code == 0
            if not (state.running or ended_well or state.word == "STARTING"):
                said = (runtime.log_tail(name, 1) or state.problem).strip()
                fix = f"make logs SERVICE={name}, then make up"
                found.append(Finding(check, FAIL, f"{name} is in state {state.word}: {said}", fix))
        return found or [Finding(check, OK, "all run")]

    def port(self, service: Service, setting: str) -> Finding:
        """Whether a service's port is free or already its own, else who holds it."""
        check, name = _port_check(service, setting), service.name
        number = self.settings.integer(setting)
        others = (port for other in SERVICES.values() for port in other.ports if port != setting)
        twin = next((port for port in others if self.settings[port] == str(number)), None)
        if twin:
            return Finding(check, FAIL, f"{setting} and {twin} are both {number}", f"set {setting} to another port")
        reason = ports.refusal(number, self.settings["LISTEN_ADDRESS"])
        first, last = ports.given_to_connections()
        if not reason and first <= number <= last:
            found = f"{number} is free now, but the system gives {first} to {last} to connections: one may be faster"
            return Finding(check, WARN, found, f"set {setting} to a port below {first}")
        if not reason:
            return Finding(check, OK, f"{number} is free")
        if own := self.own_services().get(name):
            return Finding(check, OK, f"{number} is held by this copy's own {name} ({own})")
        holder = self._container(number) or ports.holder(number)
        fix = f"end it, or set {setting} to a free port (PORT_OFFSET moves all)"
        return Finding(check, FAIL, f"{number} cannot be had ({reason}): {holder}", fix)

    def _container(self, port: int) -> str:
        """The container that publishes this port, if one does."""
        if isinstance(self.engine, engine.EngineError):
            return ""
        try:
            name = engine.ask("ps", "--filter", f"publish={port}", "--format", "{{.Names}}").partition("\n")[0]
        except engine.EngineError:
            return ""
        return name and f"container {name}"

    def disk(self) -> Finding:
        """Room for installs or images, where the engine is on this machine."""
        runtime = self._runtime()
        if isinstance(runtime, HostRuntime):
            return machine.install_space(self.settings.installs)
        try:
            return machine.image_space(Path(engine.ask("info", "--format", "{{.DockerRootDir}}")))
        except engine.EngineError as error:
            return Finding("disk of images", WARN, error.reason, error.fix)

    def postgres_account(self) -> Finding:
        """Whom PostgreSQL runs as, here or in its image."""
        if self.name() == "compose":
            return Finding("PostgreSQL's user", OK, "the image's own")
        return machine.postgres_account(self.settings.home, self.settings.installs)

    def _installed(self) -> bool:
        """Whether nothing more is fetched from the registries."""
        runtime = self._runtime()
        if isinstance(runtime, HostRuntime):
            return all(is_there(name, self.settings) for name in STACK_INSTALLS)
        try:
            there = engine.ask("image", "ls", "--format", "{{.Repository}}").split()
            return set(there).issuperset(f"{runtime.project}-{image_name(name)}" for name in BUILT)
        except (engine.EngineError, StackError):
            return False

    def index(self, timeout: float = registries.INDEX_TIMEOUT) -> Finding:
        """Whether uv reads the package index; without it nothing can be installed that is not yet."""
        check, problem = "package index", registries.index_problem(timeout)
        if problem:
            fix = "check the network and proxy; a mirror of your own goes into UV_DEFAULT_INDEX and PIP_INDEX_URL"
            if "certificate" in problem.lower():
                fix = "name your own CA's file in SSL_CERT_FILE"
            there = self._installed()
            found = f"does not answer{' (everything is installed)' if there else ''}: {problem}"
            return Finding(check, WARN if there else FAIL, found, fix)
        if note := registries.index_note():
            return Finding(check, WARN, note, "set UV_DEFAULT_INDEX too")
        return Finding(check, OK, "answers")

    def maven(self) -> Finding:
        """Whether the jars are there, or Spark's resolver reaches its registry."""
        check, installs = "Maven", self.settings.installs
        if self._installed():
            return Finding(check, OK, "not needed: the jars are installed")
        if self.name() == "compose":
            return Finding(check, OK, "asked when the image is built")
        try:
            problem = registries.maven_problem(installs / "spark")
        except MissingInstall:
            return Finding(check, OK, "asked when Spark is installed, which brings its resolver")
        if problem:
            return Finding(check, FAIL, problem, "check the network; a mirror goes into DEFAULT_ARTIFACT_REPOSITORY")
        return Finding(check, OK, "answers Spark's resolver")


def _port_check(service: Service, setting: str) -> str:
    return f"port of {service.name}" + ("" if setting == service.port else f", {setting}")


def _find_engine() -> engine.Engine | engine.EngineError:
    try:
        return engine.find()
    except engine.EngineError as error:
        return error


def _engine(found: engine.Engine | engine.EngineError) -> Finding:
    check = "container engine"
    if isinstance(found, engine.EngineError):
        return Finding(check, WARN, found.reason, f"{found.fix}; or none, for host processes")
    text = f"{found.version}, compose {found.compose_version}, buildx {found.buildx_version}, {found.endpoint}"
    if found.endpoint and not found.endpoint.startswith(("unix://", "npipe://")):
        return Finding(check, WARN, text, "it is on another machine, and so would be the ports: RUNTIME=host")
    return Finding(check, OK, text)


def _settings(environ: Mapping[str, str], start: Path) -> tuple[Settings | None, list[Finding]]:
    """The settings, and what is wrong with them; None when they cannot be read at all."""
    check, fix = "settings", "mend that line or value (env/local.env explains each)"
    try:
        settings = load(environ, start)
        if not settings["VELODROME_PROJECT"]:
            fix = "run velodrome in a folder with env/local.env, or set VELODROME_PROJECT to one"
            return None, [Finding(check, FAIL, "no project here", fix)]
        wrong = [Finding(check, FAIL, problem, fix) for problem in refusals.problems(settings)]
        file = settings.project / "env" / f"{settings['PROFILE']}.env"
        return settings, wrong or [Finding(check, OK, f"{file}, as the environment overrules it")]
    except (SettingError, OSError) as error:
        return None, [Finding(check, FAIL, str(error), fix)]


def _dataset(settings: Settings) -> Finding:
    stamp = settings.home / "dataset" / STAMP
    if not settings["DATASET"] and stamp.is_file():
        return Finding("data set", OK, stamp.read_text(encoding="utf-8").partition("\n")[0])
    if not settings["DATASET"]:
        return Finding("data set", OK, f"generated from seed {settings['DATASET_SEED']} (DATASET=folder: your own)")
    folder = settings.path("DATASET")
    problems = dataset_check.check(folder)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        return Finding("data set", FAIL, f"{problems[0]}{more}", f"python -m velodrome.dataset check {folder}")
    return Finding("data set", OK, f"{folder} can be loaded")


def _secrets(settings: Settings) -> Finding:
    files = [settings.home / SECRETS_FILE, settings.path("AWS_CONFIG_FILE")]
    there = [file for file in files if file.is_file()]
    open_to_others = [str(file) for file in there if file.stat().st_mode & 0o077]
    if open_to_others:
        return Finding("secrets", WARN, f"others can read {', '.join(open_to_others)}", "chmod 600 them")
    return Finding("secrets", OK, "readable by you alone" if there else "generated at the first start")
