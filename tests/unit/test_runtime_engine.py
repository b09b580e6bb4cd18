"""Finding a container engine: each state a machine can be in is a `docker` command that answers as it does there."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from velodrome.runtime import engine
from velodrome.testing import wait_until

SERVER = {"Version": "26.1.5+dfsg1", "ApiVersion": "1.45", "Components": [{"Name": "Engine"}]}
VERSION = f"echo '{json.dumps({'Client': {'Version': '28.2.2'}, 'Server': SERVER})}'"
WHOLE = {
    "version": VERSION,
    "compose": "echo 2.26.1-4",
    "buildx": "echo 'github.com/docker/buildx v0.13.1 788433953af10f2a698f5c07611dddce2e08c7a0'",
    "context": "echo unix:///var/run/docker.sock",
}
Fake = Callable[..., Path]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a `docker` on PATH whose subcommands run what they are given, in sh."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(**commands: str) -> Path:
        cases = "\n".join(f"{name}) {script} ;;" for name, script in (WHOLE | commands).items())
        file = folder / "docker"
        file.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}\nesac\n')
        file.chmod(0o755)
        return folder

    return make


def daemon(**changes: object) -> str:
    """A `docker version` that names a server which differs from ours in this."""
    return f"echo '{json.dumps({'Client': {'Version': '28.2.2'}, 'Server': SERVER | changes})}'"


def test_an_engine_with_all_it_needs(docker: Fake) -> None:
    docker()
    assert engine.find() == engine.Engine("26.1.5+dfsg1", "2.26.1-4", "0.13.1", "unix:///var/run/docker.sock")
    assert engine.answers()


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (
            {"version": "echo '{\"Client\":{}}'; echo 'permission denied while trying to connect' >&2; exit 1"},
            r"permission denied while trying to connect\): add yourself to its group \(sudo usermod -aG docker",
        ),
        (
            {"version": "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1"},
            r"does not answer \(Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\): start it",
        ),
        ({"version": "echo 'context \"far\" not found' >&2; exit 1"}, r"context \"far\" not found.*`docker version`"),
        ({"version": "echo no JSON"}, r"does not answer \(no JSON\)"),
        ({"version": daemon(Version="24.0.7", ApiVersion="1.43")}, r"Docker Engine 24\.0\.7 is too old .* 25 or newer"),
        (
            {"version": 'echo \'{"Client":{"APIVersion":"5.4.2","Version":"5.4.2"}}\''},
            r"docker is Podman 5\.4\.2 here",
        ),
        (
            {"version": daemon(Version="5.4.2", ApiVersion="1.41", Components=[{"Name": "Podman Engine"}])},
            r"Podman 5\.4\.2 here, which speaks Docker's API 1\.41, not 1\.44",
        ),
        (
            {"compose": "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1"},
            r"no `docker compose` \(docker: 'compose' is not a docker command\.\): install .* 2\.20",
        ),
        ({"compose": "echo v2.17.3"}, r"docker compose 2\.17\.3 is too old"),
        ({"compose": "echo podman-compose; echo 1.3.0"}, r"docker compose 1\.3\.0 is too old"),
        ({"buildx": "echo 'unknown command: docker buildx' >&2; exit 1"}, r"no `docker buildx` \(unknown .*install it"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_its_fix(docker: Fake, commands: dict[str, str], message: str) -> None:
    docker(**commands)
    with pytest.raises(engine.EngineError, match=message):
        engine.find()
    assert not engine.answers()


def test_podman_that_speaks_the_api_is_an_engine(docker: Fake) -> None:
    docker(version=daemon(Version="9.0.0", ApiVersion="1.44", Components=[{"Name": "Podman Engine"}]), context="exit 1")
    assert engine.find() == engine.Engine("9.0.0", "2.26.1-4", "0.13.1", "")


def test_no_docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine.EngineError, match="no docker command on PATH: install Docker Engine 25 or newer"):
        engine.find()


def test_a_docker_command_that_cannot_be_run(docker: Fake) -> None:
    (docker() / "docker").write_text("#!/no/such/shell\n")
    with pytest.raises(engine.EngineError, match="docker cannot be run"):
        engine.find()


def ended(pid: int) -> bool:
    """Whether a process is gone; one that nobody has waited for yet is."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip() or state.startswith("Z")


def test_an_engine_that_hangs_is_left_and_ended(docker: Fake, tmp_path: Path) -> None:
    child = tmp_path / "child"
    docker(compose=f"sleep 300 & echo $! > '{child}'; wait")
    begin = time.monotonic()
    with pytest.raises(engine.EngineError, match=r"`docker compose version` has not answered in time.*restart it"):
        engine.find(timeout=1.0)
    assert time.monotonic() - begin < 5
    pid = int(child.read_text())
    wait_until("the child of the hanging command to have ended", lambda: ended(pid))
