"""supervisord: its configuration from the table of services, its start and stop, and its XML-RPC over a Unix socket."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from functools import partial
from pathlib import Path
from typing import Any

from supervisor import xmlrpc as supervisor_xmlrpc

from velodrome.runtime.install import bin_folder
from velodrome.runtime.services import SERVICES, Service, command, log_file, waves
from velodrome.settings import Settings, service_environ, write_private

RUNNING_STATES = ("STARTING", "RUNNING", "BACKOFF", "STOPPING")


# No service: it archives Spark's classes once and ends, while everything else is used.
ARCHIVER = "class-archive"


class SupervisorError(RuntimeError):
    """supervisord could not be started or asked; the message says why."""


def socket_file(home: Path) -> Path:
    """supervisord's socket: in VELODROME_HOME, or, where its path is longer than a Unix socket's may be (107 bytes),
    in a
    private folder of the system's temporary one."""
    near = home / "run" / "supervisor.sock"
    if len(os.fsencode(near)) < 90:  # supervisord binds a longer name first, with its process id in it
        return near
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"velodrome-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SupervisorError(f"{folder} belongs to somebody else or is open to others; remove it")
    return folder / "supervisor.sock"


def _escape(text: object) -> str:
    # supervisord's configuration expands %(name)s everywhere, in a log file's name twice.
    return str(text).replace("%", "%%")


def _pid_file(run: Path, service: str) -> Path:
    return run / f"{service}.pid"


def _secrets_file(run: Path, service: str) -> Path:
    return run / f"{service}.secrets"


def secrets_of(service: Service, settings: Settings) -> str:
    """What a shell reads before it becomes the service: the secrets that this service needs. In supervisord's own
    environment, which all inherit, is none."""
    return "".join(f"{name}={shlex.quote(settings[name])}\n" for name in service.secrets)


def _program(service: Service, settings: Settings) -> str:
    run = settings.home / "run"
    # The process id stays the same through every exec; it is how a service is found again whose supervisor was killed.
    argv = [
        "/bin/sh",
        "-c",
        'echo $$ > "$0" && set -a && . "$1" && set +a && shift && exec "$@"',
        str(_pid_file(run, service.name)),
        str(_secrets_file(run, service.name)),
        *command(service, settings),
    ]
    words = " ".join(_escape(shlex.quote(word)) for word in argv)
    once = service.healthy is None
    return f"""
[program:{service.name}]
command={words}
directory={_escape(run)}
environment=PATH="{_escape(bin_folder(service, settings))}:%(ENV_PATH)s"
autostart=false
autorestart={"false" if once else "true"}
startsecs={0 if once else 1}
startretries=10
exitcodes=0
stopsignal={service.stop_signal}
stopwaitsecs=20
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(_escape(log_file(service, settings)))}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
"""


def archiver_log(settings: Settings) -> Path:
    """Where the archiver's output goes."""
    return settings.home / "logs" / f"{ARCHIVER}.log"


def _archiver(settings: Settings) -> str:
    words = " ".join(_escape(shlex.quote(word)) for word in (sys.executable, "-m", "velodrome.runtime.class_archive"))
    return f"""
[program:{ARCHIVER}]
command={words}
directory={_escape(settings.home / "run")}
autostart=false
autorestart=false
startsecs=0
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(_escape(archiver_log(settings)))}
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=0
"""


def configuration(settings: Settings) -> str:
    """supervisord's configuration for all services."""
    run = settings.home / "run"
    head = f"""; Made by velodrome from its table of services; changes here are lost.
[unix_http_server]
file={_escape(socket_file(settings.home))}
chmod=0700

[supervisord]
logfile={_escape(settings.home / "logs" / "supervisord.log")}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={_escape(run / "supervisord.pid")}
childlogdir={_escape(settings.home / "logs")}
directory={_escape(settings.project)}
nocleanup=true
silent=true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_program(service, settings) for service in SERVICES.values()) + _archiver(settings)


class Supervisor:
    """The supervisord of one VELODROME_HOME."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._run = settings.home / "run"
        self._pid_file = self._run / "supervisord.pid"
        self._config_file = self._run / "supervisord.conf"
        self._socket = socket_file(settings.home)

    def _rpc(self) -> Any:
        # A proxy a call: xmlrpc's connections are not to be shared by threads.
        transport = supervisor_xmlrpc.SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def is_running(self) -> bool:
        """Whether our supervisord answers."""
        try:
            return bool(self._rpc().getState()["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error):
            return False

    def start(self) -> None:
        """Start supervisord, or start it anew when settings have changed since."""
        config = configuration(self.settings)
        environ = service_environ(self.settings, ())
        mark = hashlib.sha256(repr((config, sorted(dict(self.settings).items()))).encode()).hexdigest()
        mark_file = self._run / "supervisord.settings"
        if self.is_running():
            if mark_file.is_file() and mark_file.read_text() == mark:
                return
            self.stop()
        self._end_orphans()
        write_private(self._config_file, config)
        for service in SERVICES.values():
            write_private(_secrets_file(self._run, service.name), secrets_of(service, self.settings))
        mark_file.write_text(mark)
        argv = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config_file)]
        result = subprocess.run(
            argv,
            env=environ,
            cwd=self.settings.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise SupervisorError(f"supervisord does not start: {(result.stderr or result.stdout).strip()}")
        self._wait(self.is_running, "supervisord to answer", 20)

    def stop(self) -> None:
        """Stop every service, those that need others first, then supervisord itself."""
        if not self.is_running():
            self._end_orphans()
            return
        rpc = self._rpc()
        pid = int(rpc.getPID())
        for wave in ([ARCHIVER], *reversed(waves())):
            for name in wave:
                self._quietly("stopProcess", name, False)
            self._wait(partial(self._all_stopped, wave), f"{', '.join(wave)} to stop", 40)
        rpc.shutdown()
        self._wait(lambda: not _alive(pid), "supervisord to stop", 30)

    def forget(self) -> None:
        """Remove what lies outside VELODROME_HOME: the socket's folder, when the home's own path is too long for
        one."""
        if self._run not in self._socket.parents:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _quietly(self, method: str, *arguments: object) -> None:
        try:
            getattr(self._rpc(), method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if not fault.faultString.startswith(("NOT_RUNNING", "ALREADY_STARTED")):
                raise SupervisorError(f"{method}{arguments}: {fault.faultString}") from fault

    def _all_stopped(self, names: list[str]) -> bool:
        return all(self.state(name) not in RUNNING_STATES for name in names)

    def start_process(self, name: str) -> None:
        """Start a service unless it runs; returns at once."""
        self._quietly("startProcess", name, False)

    def info(self, name: str) -> dict[str, Any]:
        """supervisord's record of a service: statename, start, pid, spawnerr, …"""
        return dict(self._rpc().getProcessInfo(name))

    def state(self, name: str) -> str:
        """STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN."""
        return str(self.info(name)["statename"])

    def _end_orphans(self) -> None:
        """End services whose supervisord was killed: those whose process ids it left, if they still work in our
        home."""
        groups = {pid for name in SERVICES if (pid := self._orphan(name))}
        for group in groups:
            _signal_group(group, signal.SIGINT)
        deadline = time.monotonic() + 15
        while any(_group_alive(group) for group in groups) and time.monotonic() < deadline:
            time.sleep(0.1)
        for group in groups:
            _signal_group(group, signal.SIGKILL)

    def _orphan(self, name: str) -> int:
        """The service's process id, or 0. It may be another program's by now: ours has its working folder in our home.
        Where there is no /proc (macOS) nothing is ended, and the port that is still held is what the user is told."""
        try:
            pid = int(_pid_file(self._run, name).read_text())
            folder = Path(f"/proc/{pid}/cwd").readlink()
        except (OSError, ValueError):
            return 0
        return pid if folder.is_relative_to(self.settings.home.resolve()) else 0

    def _wait(self, condition: Any, what: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise SupervisorError(f"waited {timeout:.0f} s for {what}; see {self.settings.home / 'logs'}")
            time.sleep(0.05)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
