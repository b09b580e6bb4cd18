"""`velodrome redshift` after `pip install velodrome[redshift]`: a wheel, an environment of its own, an empty folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from velodrome.runtime.install import uv_binary
from velodrome.settings import read_env_file, service_environ
from velodrome.testing import free_port, own_settings, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `velodrome` command of an environment that has the wheel with the extra, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    built, venv = folder / "built", folder / "venv"
    uv = uv_binary()
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", built, ROOT], check=True)
    (wheel,) = built.glob("*.whl")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    environ = os.environ | {"VIRTUAL_ENV": str(venv)}
    subprocess.run(
        [uv, "pip", "install", "--quiet", f"velodrome[redshift] @ {wheel.as_uri()}"], check=True, env=environ
    )
    return venv / "bin" / "velodrome"


def plain_environ() -> dict[str, str]:
    """A user's environment that knows nothing of Velodrome."""
    ours = ("VELODROME_", "REDSHIFT_", "PYTHON", "AWS_", "PG")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def running(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[tuple[list[str], str]]:
    """The lines that it says first, and where to connect; Ctrl-C ends it in the end."""
    log = folder / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            return "Redshift is ready" in log.read_text()

        wait_until("the warehouse to be ready", ready, 90)
        said = log.read_text().splitlines()
        yield said, next(line for line in said if line.startswith("Redshift: ")).removeprefix("Redshift: ")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to all in the foreground
        assert process.wait(20) == 0
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def password(said: list[str]) -> str:
    file = next(line for line in said if line.startswith("Password: ")).rpartition(" in ")[2]
    assert Path(file).stat().st_mode & 0o777 == 0o600
    return read_env_file(Path(file))["REDSHIFT_PASSWORD"]


def test_it_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [str(installed), "redshift", "--port", str(port), "--data", "kept", "--api-port", str(free_port())]
    for made in ("CREATE TABLE kept AS SELECT 1 AS id", "INSERT INTO kept SELECT 2"):
        with running(command, tmp_path, plain_environ()) as (said, url):
            assert (urlsplit(url).hostname, urlsplit(url).port, urlsplit(url).path) == ("127.0.0.1", port, "/dev")
            with psycopg.connect(url, password=password(said)) as connection:
                connection.execute(made)
            authority = next(line for line in said if line.startswith("CA file for TLS: ")).rpartition(": ")[2]
            with psycopg.connect(url, password=password(said), sslmode="verify-full", sslrootcert=authority) as secure:
                assert secure.execute("SELECT 1").fetchone() == (1,)
    assert (tmp_path / "kept" / "data" / "redshift").is_dir()
    with running(command, tmp_path, plain_environ()) as (said, url):
        with psycopg.connect(url, password=password(said)) as connection:
            assert connection.execute("SELECT SUM(id) FROM kept").fetchone() == (3,)
        again = subprocess.run(command, cwd=tmp_path, env=plain_environ(), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert f"velodrome: port {port} cannot be used (Address already in use): choose another with --port" in again.stderr


def test_other_commands_say_what_they_need(installed: Path, tmp_path: Path) -> None:
    tried = subprocess.run(
        [installed, "up"], cwd=tmp_path, env=plain_environ(), capture_output=True, text=True, check=False
    )
    assert tried.returncode == 1
    assert tried.stderr.endswith("is missing, which this command needs: pip install 'velodrome[cli]'\n")


def test_in_a_project_it_is_the_project_s_own(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "velodrome.command", "redshift"]
        busy = [*command, "--port", str(taken.getsockname()[1])]
        environ = service_environ(settings) | {"PYTHONPATH": str(ROOT / "src")}
        tried = subprocess.run(busy, env=environ, capture_output=True, text=True, check=False)
        assert "cannot be used (Address already in use): choose another with --port" in tried.stderr
    with running(command, tmp_path, environ) as (said, url):
        assert url.startswith("postgresql://awsuser@127.0.0.1:" + settings["REDSHIFT_PORT"])
        with psycopg.connect(url, password=password(said)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
