"""Finds a container engine that can run docker-compose.yml, or says exactly what is missing and how to get it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any

TIMEOUT = 10.0  # seconds for all questions together: an engine that hangs must not hang us
# Health checks' start_interval: Engine 25 (API 1.44) is the first that knows it, Compose 2.20 the first that sends it.
# https://docs.docker.com/reference/compose-file/services/#healthcheck
LEAST_ENGINE = (25, 0)
LEAST_API = (1, 44)
LEAST_COMPOSE = (2, 20)
_INSTALL = "install Docker Engine 25 or newer with its compose and buildx plugins"


class EngineError(RuntimeError):
    """There is no engine that can be used; the message says what is missing and the fix, `reason` and `fix` apart."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}: {fix}")
        self.reason = reason
        self.fix = fix


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and what it can be asked with. `endpoint` is empty where the client does not say."""

    version: str
    compose_version: str
    buildx_version: str
    endpoint: str


@dataclass(frozen=True)
class _Answer:
    """What a command printed; `said` is what it complains of, in one line."""

    code: int
    output: str
    said: str


def find(timeout: float = TIMEOUT) -> Engine:
    """The engine behind the `docker` command. Raises EngineError, after `timeout` seconds at the latest."""
    if shutil.which("docker") is None:
        raise EngineError("no docker command on PATH", _INSTALL)
    deadline = time.monotonic() + timeout
    version = _daemon(_ask(deadline, "version", "--format", "{{json .}}"))
    compose_version = _compose(_ask(deadline, "compose", "version", "--short"))
    buildx_version = _buildx(_ask(deadline, "buildx", "version"))
    context = _ask(deadline, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return Engine(version, compose_version, buildx_version, context.output if context.code == 0 else "")


def answers(timeout: float = TIMEOUT) -> bool:
    """Whether there is an engine that can be used."""
    try:
        find(timeout)
    except EngineError:
        return False
    return True


def ask(*arguments: str, timeout: float = TIMEOUT) -> str:
    """What `docker ARGUMENTS` prints. Raises EngineError when it fails or has not ended after `timeout` seconds."""
    answer = _ask(time.monotonic() + timeout, *arguments)
    if answer.code:
        asked = f"docker {' '.join(arguments)}"
        raise EngineError(f"`{asked}` failed ({answer.said[:300] or f'exit code {answer.code}'})", "see what it says")
    return answer.output


def _ask(deadline: float, *arguments: str) -> _Answer:
    """Run `docker ARGUMENTS`; at the deadline it ends with everything it has started."""
    asked = f"docker {' '.join(arguments[:2])}"
    try:
        process = subprocess.Popen(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"docker cannot be run ({error.strerror})", _INSTALL) from error
    try:
        output, complaint = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"`{asked}` has not answered in time",
            "the Docker daemon hangs or is overloaded; restart it (sudo systemctl restart docker, or Docker Desktop)",
        ) from None
    finally:
        _end(process)
    return _Answer(process.returncode, output.strip(), " ".join(complaint.split()))


def _end(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def _daemon(answer: _Answer) -> str:
    """The daemon's version; it must answer, be Docker's or speak its API, and be new enough."""
    try:
        parts: dict[str, Any] = json.loads(answer.output)
    except ValueError:
        parts = {}
    server = parts.get("Server") or {}
    if answer.code or not (server or parts):
        raise _silent(answer.said or answer.output or f"exit code {answer.code}")
    # Podman says APIVersion where Docker says ApiVersion, and names no server when it runs in the client itself.
    version = str(server.get("Version") or (parts.get("Client") or {}).get("Version") or "of no version")
    names = [str(part.get("Name")) for part in server.get("Components") or ()]
    podman = "ApiVersion" not in server or any("podman" in name.lower() for name in names)
    api = str(server.get("ApiVersion", "none"))
    if _number(api) < LEAST_API:
        if podman:
            raise EngineError(
                f"docker is Podman {version} here, which speaks Docker's API {api}, not 1.44 "
                "(health checks' start_interval)",
                _INSTALL,
            )
        raise EngineError(
            f"Docker Engine {version} is too old (API {api}, health checks' start_interval needs 1.44)",
            "update Docker to 25 or newer",
        )
    if not podman and _number(version) < LEAST_ENGINE:
        raise EngineError(f"Docker Engine {version} is too old", "update Docker to 25 or newer")
    return version


def _silent(said: str) -> EngineError:
    """Why the daemon does not answer, in its own words, and the fix."""
    lower = said.lower()
    if "permission denied" in lower:
        fix = "add yourself to its group (sudo usermod -aG docker $USER) and log in again"
    elif "cannot connect" in lower or "failed to connect" in lower or "no such file" in lower:
        fix = (
            "start it (sudo systemctl start docker, or Docker Desktop); DOCKER_HOST or `docker context` say where it is"
        )
    else:
        fix = "see `docker version`"
    return EngineError(f"the Docker daemon does not answer ({said[:300]})", fix)


def _compose(answer: _Answer) -> str:
    fix = "install Docker's compose plugin 2.20 or newer (docker-compose-plugin; Debian: docker-compose)"
    if answer.code or not answer.output:
        raise EngineError(f"there is no `docker compose` ({answer.said[:200] or 'it says nothing'})", fix)
    version = answer.output.splitlines()[-1].strip().removeprefix("v")
    if _number(version) < LEAST_COMPOSE:
        raise EngineError(f"docker compose {version} is too old, for health checks' start_interval", fix)
    return version


def _buildx(answer: _Answer) -> str:
    if answer.code or not answer.output:
        raise EngineError(
            f"there is no `docker buildx` ({answer.said[:200] or 'it says nothing'}), which builds the images",
            "install it (docker-buildx-plugin; Debian: docker-buildx)",
        )
    # github.com/docker/buildx v0.23.0 28c90eadc4c12638…
    words = answer.output.splitlines()[0].split()
    return next((word.removeprefix("v") for word in words if re.match(r"v?\d+\.", word)), words[-1])


def _number(version: str) -> tuple[int, int]:
    """(26, 1) of "26.1.5+dfsg1"; (0, 0) of what is no version."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
