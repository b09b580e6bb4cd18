"""`velodrome doctor` under real conditions: taken ports, closed registries, broken settings, open secrets."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from velodrome.dataset.generate import generate
from velodrome.runtime import doctor, machine, ports, refusals
from velodrome.runtime.base import StackError
from velodrome.runtime.findings import FAIL, OK, WARN, Finding, show
from velodrome.runtime.services import SERVICES
from velodrome.settings import load, user_environ
from velodrome.testing import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has nothing but its profile."""
    folder = tmp_path / "project"
    (folder / "airflow").mkdir(parents=True)
    shutil.copytree(ROOT / "env", folder / "env")
    return folder


@pytest.fixture
def environ(project: Path) -> dict[str, str]:
    """A copy's environment: its own home and ports, its project."""
    own = {service.port: str(free_port()) for service in SERVICES.values() if service.port}
    inherited = {name: value for name, value in user_environ().items() if not name.startswith("VELODROME_")}
    return inherited | own | {"VELODROME_PROJECT": str(project), "RUNTIME": "host"}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def located(environ: dict[str, str], project: Path) -> doctor.Located:
    return doctor.Located(load(environ, project))


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_a_machine_that_lacks_nothing(environ: dict[str, str], project: Path) -> None:
    found = by_name(doctor.examine(environ, project))
    assert {f"port of {name}" for name, service in SERVICES.items() if service.port} <= set(found)
    assert {"settings", "Python", "make", "memory", "runtime", "container engine", "Maven", "data set"} <= set(found)
    # Registries and disks are the machine's own; all else is as it should be here.
    sure = [finding for name, finding in found.items() if name.startswith(("port", "settings", "secrets", "data set"))]
    assert [finding for finding in sure if finding.state != OK] == []


def test_the_command_says_what_is_wrong_and_fails(environ: dict[str, str], project: Path, taken: int) -> None:
    (project / "env" / "local.env").write_text("S3_PORT=4566 # fine\nSOURCE_DATABASE=two words\n")
    velodrome = str(Path(sys.executable).with_name("velodrome"))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([velodrome, "doctor"], env=environ, cwd=project, capture_output=True, text=True)

    result = run()
    assert result.returncode == 1, result.stderr
    assert "local.env:2: expected NAME=value" in result.stdout and "Traceback" not in result.stderr
    (project / "env" / "local.env").write_text("SURCE_DATABASE=typo\n")
    environ["REDSHIFT_PORT"] = str(taken)
    result = run()
    assert result.returncode == 1, result.stderr
    failed = [line for line in result.stdout.splitlines() if line.startswith(FAIL)]
    assert any("there is no setting SURCE_DATABASE; is it SOURCE_DATABASE?" in line for line in failed)
    assert any("or set REDSHIFT_PORT to a free port" in line for line in failed)


def test_a_taken_port_is_named_with_its_holder(environ: dict[str, str], project: Path, taken: int) -> None:
    found = located(environ | {"S3_PORT": str(taken)}, project).port(SERVICES["s3"], "S3_PORT")
    assert found.state == FAIL
    assert f"{taken} cannot be had" in found.found and f"(process {os.getpid()})" in found.found
    assert found.fix == "end it, or set S3_PORT to a free port (PORT_OFFSET moves all)"
    assert ports.listeners(taken) == [os.getpid()]
    assert ports.listeners(free_port()) == []


def test_a_port_that_a_connection_has(taken: int) -> None:
    with socket.create_connection(("127.0.0.1", taken)) as client:
        number = client.getsockname()[1]
        assert ports.refusal(number)
        assert "a connection's own end (the system gives " in ports.holder(number)


def test_a_port_that_the_system_may_give_to_a_connection(environ: dict[str, str], project: Path) -> None:
    first, last = ports.given_to_connections()
    found = located(environ | {"S3_PORT": str(last)}, project).port(SERVICES["s3"], "S3_PORT")
    assert (found.state, found.fix) == (WARN, f"set S3_PORT to a port below {first}")
    assert found.found.startswith(f"{last} is free now, but the system gives {first} to {last} to connections")


def test_all_taken_ports_are_named_at_once_with_the_setting_that_moves_them(project: Path, taken: int) -> None:
    offset = next(free - 4566 for free in iter(free_port, 0) if not ports.refusal(free + 2))
    with socket.create_server(("127.0.0.1", 4566 + offset)), socket.create_server(("127.0.0.1", 4568 + offset)):
        with pytest.raises(StackError) as refused:
            ports.check((SERVICES["s3"], SERVICES["redshift"]), load({"PORT_OFFSET": str(offset)}, project))
        lines = str(refused.value).splitlines()
        assert [line.partition(":")[0] for line in lines[:2]] == ["s3", "redshift"]
        assert f"(process {os.getpid()}). Set S3_PORT to a free one" in lines[0]
        moved = re.fullmatch(r"Or move all ports by one setting: PORT_OFFSET=(\d+) make up", lines[2])
        assert moved
        ports.check(SERVICES.values(), load({"PORT_OFFSET": moved[1]}, project))
        with pytest.raises(StackError) as refused:  # a port that was given does not move
            ports.check((SERVICES["s3"],), load({"S3_PORT": str(taken)}, project))
        assert len(str(refused.value).splitlines()) == 1


def test_who_asks_for_a_server_that_is_not_there_does_not_take_its_port() -> None:
    port = free_port()
    assert not ports.listening(port)
    with socket.create_server(("127.0.0.1", port)):
        assert ports.listening(port)


def test_two_services_on_one_port(environ: dict[str, str], project: Path) -> None:
    own = located(environ | {"S3_PORT": "15001", "REDSHIFT_PORT": "15001"}, project)
    found = own.port(SERVICES["redshift"], "REDSHIFT_PORT")
    assert (found.state, found.found) == (FAIL, "REDSHIFT_PORT and S3_PORT are both 15001")


def test_a_service_with_one_port_for_both_of_its_settings(environ: dict[str, str], project: Path) -> None:
    own = located(environ | {"EMR_SERVERLESS_PORT": "15001", "EMR_SERVERLESS_SESSIONS_PORT": "15001"}, project)
    found = own.port(SERVICES["emr-serverless"], "EMR_SERVERLESS_SESSIONS_PORT")
    assert found.check == "port of emr-serverless, EMR_SERVERLESS_SESSIONS_PORT"
    assert found.found == "EMR_SERVERLESS_SESSIONS_PORT and EMR_SERVERLESS_PORT are both 15001"


def test_wrong_settings_are_those_that_up_refuses(environ: dict[str, str], project: Path) -> None:
    environ |= {"S3_PORT": "http", "REDSHIFT_SSL": "maybe"}
    found = [finding for finding in doctor.examine(environ, project) if finding.check == "settings"]
    assert [(finding.state, finding.found) for finding in found] == [
        (FAIL, problem) for problem in refusals.problems(load(environ, project))
    ]
    assert len(found) == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/simple", "http://127.0.0.1:{taken}/simple"])
def test_a_package_index_that_does_not_answer(
    environ: dict[str, str], project: Path, taken: int, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    # One is closed; the other takes connections and never says a word.
    monkeypatch.setenv("UV_DEFAULT_INDEX", url.format(port=free_port(), taken=taken))
    begin = time.monotonic()
    found = located(environ, project).index(timeout=2)
    assert time.monotonic() - begin < 8
    assert found.state == FAIL and found.found.startswith("does not answer: "), found
    assert "UV_DEFAULT_INDEX" in found.fix


def test_what_uv_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1/simple")
    assert "PIP_INDEX_URL is set" in doctor.registries.index_note()
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1/simple")
    assert doctor.registries.index_note() == ""


def test_a_data_set_is_looked_at(environ: dict[str, str], project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    generate(data, seed=3, scale=0.02)
    environ["DATASET"] = str(data)
    assert by_name(doctor.examine(environ, project))["data set"].state == OK
    (data / "stocks.csv").unlink()
    found = by_name(doctor.examine(environ, project))["data set"]
    assert found.state == FAIL and "stocks.csv: is missing" in found.found and "velodrome.dataset check" in found.fix


def test_secrets_that_others_can_read(environ: dict[str, str], project: Path) -> None:
    secrets = project / ".velodrome" / "secrets.env"
    secrets.parent.mkdir()
    secrets.touch(mode=0o600)
    assert by_name(doctor.examine(environ, project))["secrets"].found == "readable by you alone"
    secrets.chmod(0o644)
    found = by_name(doctor.examine(environ, project))["secrets"]
    assert found.state == WARN and str(secrets) in found.found and found.fix.startswith("chmod 600")


def test_a_disk_without_room() -> None:
    # /proc has no room at all, not even for root.
    found = machine.home_space(Path("/proc/velodrome"))
    assert found.state == FAIL and "VELODROME_HOME" in found.fix
    free = machine.free_space(Path("/"))
    assert machine.image_space(Path("/")).state == (OK if free >= machine.IMAGE_SPACE else WARN)
    assert "is not on this machine" in machine.image_space(Path("/no/such/folder")).found


@pytest.mark.parametrize(
    ("runtime", "kept", "docker", "expected"),
    [
        ("", "", False, (OK, "host processes: no container engine can be used")),
        ("", "", True, (OK, "containers: a container engine answers (RUNTIME=host for processes)")),
        ("host", "", True, (OK, "host processes: RUNTIME=host")),
        ("", "host", True, (OK, "host processes: this copy was started so")),
        ("compose", "host", True, (FAIL, "this copy's data lie in the runtime host, not compose")),
        ("compose", "", True, (OK, "containers: RUNTIME=compose")),
        ("compose", "", False, (FAIL, "containers: RUNTIME=compose; but no container engine can be used")),
        ("podman", "", True, (FAIL, "setting RUNTIME='podman' is neither host nor compose (empty: chosen by itself)")),
    ],
)
def test_which_runtime_is_picked_and_why(
    environ: dict[str, str],
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    kept: str,
    docker: bool,
    expected: tuple[str, str],
) -> None:
    # An engine on which nothing runs, or none.
    script = tmp_path / "docker"
    cases = """version) echo '{"Server": {"Version": "26.1.5", "ApiVersion": "1.45"}}' ;;
        compose) case "$*" in *config*) echo '{"name": "project"}' ;; *) echo 2.26.1 ;; esac ;;
        buildx) echo 0.13.1 ;;"""
    script.write_text(f'#!/bin/sh\ncase "$1" in {cases if docker else ""} esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if kept:
        (project / ".velodrome").mkdir()
        (project / ".velodrome" / "settings.env").write_text(f"RUNTIME={kept}\n")
    found = located(environ | {"RUNTIME": runtime}, project).runtime()
    assert (found.state, found.found) == expected
    assert found.state == OK or found.fix


def test_a_check_that_hangs_is_named_and_left() -> None:
    release = threading.Event()

    def hangs() -> Finding:
        release.wait()
        return Finding("hangs", OK, "at last")

    begin = time.monotonic()
    found = doctor.run_checks({"hangs": hangs, "answers": lambda: Finding("answers", OK, "here")}, timeout=0.5)
    release.set()
    assert time.monotonic() - begin < 5
    assert [(finding.check, finding.state) for finding in found] == [("hangs", WARN), ("answers", OK)]
    assert "no answer within" in found[0].found


def test_findings_are_lines_where_there_is_no_terminal_and_a_table_on_one() -> None:
    findings = [Finding("disk", OK, "65 GiB free"), Finding("port of s3", FAIL, "4566 [taken]", "set S3_PORT")]
    plain = io.StringIO()
    assert not show(Console(file=plain, width=20), findings)
    assert plain.getvalue().splitlines() == [
        "ok   disk       65 GiB free",
        "fail port of s3 4566 [taken] | set S3_PORT",
    ]
    terminal = io.StringIO()
    assert show(Console(file=terminal, width=80, force_terminal=True), findings[:1])
    assert "✔" in terminal.getvalue() and "65 GiB free" in terminal.getvalue()
