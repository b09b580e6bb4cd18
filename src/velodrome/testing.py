"""Starts single services of the stack for tests: real processes, in a folder of their own, on free ports."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from velodrome.awsapi import profile as profiles
from velodrome.runtime import install
from velodrome.runtime.health import NotHealthy
from velodrome.runtime.ports import given_to_connections, refusal
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.services import SERVICES, Service, command, log_file
from velodrome.settings import Settings, load, service_environ, user_environ

START_TIMEOUT = 90.0  # seconds; a cold S3 on a busy machine of two cores takes up to 30


def wait_until(what: str, condition: Callable[[], bool], timeout: float = 30.0, interval: float = 0.05) -> None:
    """Return once `condition()` is true; raises TimeoutError that says `what` was waited for."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for: {what}")
        time.sleep(interval)


_handed_out: set[int] = set()


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now, each time another one. It lies below those that
    the system gives to connections: a client that tries whether a server is there would else get the server's port."""
    first, _ = given_to_connections()
    ports = range(min(20_000, first // 2), first)
    for _ in range(1000):
        port = random.choice(ports)  # noqa: S311 - several processes ask, and are to be told different ones
        if port not in _handed_out and not refusal(port):
            _handed_out.add(port)
            return port
    raise RuntimeError(f"no port from {ports[0]} to {ports[-1]} is free")


def own_settings(home: Path, overrides: Mapping[str, str] | None = None) -> Settings:
    """Settings of a copy in `home`, every service on a free port, sharing this checkout's installs."""
    environ = user_environ()
    environ["VELODROME_INSTALLS"] = str(load(environ).installs)
    environ["VELODROME_HOME"] = str(home)
    ports = {port for service in SERVICES.values() for port in service.ports}
    environ |= {name: str(free_port()) for name in sorted(ports)}
    return prepare_home(load(environ | dict(overrides or {})))


def client_options(settings: Settings, service: str = "s3") -> dict[str, str]:
    """What a client of this copy's services is made with, as its profile has it: endpoint, region and keys.

    >>> boto3.client("s3", **client_options(running.settings))  # doctest: +SKIP
    """
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    given = {
        "endpoint_url": profile.endpoint(service),
        "region_name": profile.region,
        "aws_access_key_id": profile.access_key_id,
        "aws_secret_access_key": profile.secret_access_key,
    }
    return {name: value for name, value in given.items() if value}


@dataclass
class RunningService:
    """A service that `run_service` started; `settings` is what it was started with."""

    service: Service
    settings: Settings
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What the service has written so far."""
        return log_file(self.service, self.settings).read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """kill -9 of the service's own process, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to stop as the runtime does, and wait; whatever it left in its process group is killed."""
        if self.process.poll() is None:
            self.process.send_signal(getattr(signal, f"SIG{self.service.stop_signal}"))
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        with suppress(ProcessLookupError):  # nothing is left, as it should be
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _wait_healthy(running: RunningService, since: float) -> None:
    last = "it has not been asked yet"

    def answers() -> bool:
        nonlocal last
        if running.process.poll() is not None:
            raise RuntimeError(
                f"{running.service.name} ended with code {running.process.returncode}:\n{running.log[-4000:]}"
            )
        try:
            if running.service.healthy is not None:
                running.service.healthy(running.settings, since)
        except NotHealthy as error:
            last = str(error)
            return False
        return True

    try:
        wait_until(f"{running.service.name} to be healthy", answers, START_TIMEOUT)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; last answer: {last}\n{running.log[-4000:]}") from None


def start_service(name: str, settings: Settings) -> RunningService:
    """Install what the service needs if it is missing, start it, wait until it is healthy."""
    service = SERVICES[name]
    install.ensure(service.install, settings, lambda text: print(f"{name}: {text}", file=sys.stderr))
    if name == "emr-serverless":
        install.ensure("spark", settings, lambda text: print(f"spark: {text}", file=sys.stderr))
    environ = service_environ(settings, service.secrets)
    environ["PATH"] = f"{install.bin_folder(service, settings)}:{environ['PATH']}"
    log: IO[bytes]
    with log_file(service, settings).open("ab") as log:
        process = subprocess.Popen(
            command(service, settings),
            env=environ,
            cwd=settings.project,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = RunningService(service, settings, process)
    try:
        _wait_healthy(running, time.time())
    except BaseException:
        running.stop()
        raise
    return running


@contextmanager
def run_service(
    name: str, home: Path, settings: Mapping[str, str] | Settings | None = None
) -> Iterator[RunningService]:
    """Run one service in `home` on free ports (or with the Settings of another running service, to share ports)."""
    resolved = settings if isinstance(settings, Settings) else own_settings(home, settings)
    running = start_service(name, resolved)
    try:
        yield running
    except BaseException:
        print(f"--- log of {name} ---\n{running.log[-6000:]}", file=sys.stderr)
        raise
    finally:
        running.stop()
