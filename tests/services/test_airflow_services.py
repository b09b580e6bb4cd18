"""Airflow's processes for real: login, health, the DAGs found, and no process left behind by a kill."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from velodrome.runtime.airflow_api import PIPELINE_DAG, SETUP_DAG, Airflow, AirflowError
from velodrome.runtime.install import bin_folder
from velodrome.runtime.services import SERVICES, command
from velodrome.settings import Settings, service_environ
from velodrome.testing import RunningService, run_service, start_service, wait_until

COMPONENTS = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


def initialize(settings: Settings) -> None:
    service = SERVICES["airflow-init"]
    environ = service_environ(settings)
    environ["PATH"] = f"{bin_folder(service, settings)}:{environ['PATH']}"
    subprocess.run(command(service, settings), env=environ, check=True)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunningService]]:
    home = tmp_path_factory.mktemp("airflow")
    with ExitStack() as stack:
        database = stack.enter_context(run_service("airflow-db", home))
        initialize(database.settings)
        with ThreadPoolExecutor() as pool:
            started = list(pool.map(lambda name: start_service(name, database.settings), COMPONENTS))
        for running in started:
            stack.callback(running.stop)
        yield dict(zip(COMPONENTS, started, strict=True))


@pytest.fixture
def settings(airflow: dict[str, RunningService]) -> Settings:
    return airflow["airflow-api-server"].settings


def group(running: RunningService) -> list[str]:
    """The living processes of a service's group."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 2) for line in listed.splitlines()]
    return [line[-1] for line in lines if line[0] == str(running.process.pid) and not line[1].startswith("Z")]


def test_the_generated_password_logs_in(settings: Settings) -> None:
    with Airflow(settings):
        pass
    with pytest.raises(AirflowError), Airflow(Settings({**settings, "AIRFLOW_PASSWORD": "wrong"})):
        pass


def test_the_password_file_is_private(settings: Settings) -> None:
    file = settings.home / "data" / "airflow" / "passwords.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {settings["AIRFLOW_USER"]: settings["AIRFLOW_PASSWORD"]}


def test_both_dags_are_found(settings: Settings) -> None:
    with Airflow(settings) as api:
        wait_until("the DAGs", lambda: {SETUP_DAG, PIPELINE_DAG} <= api.dags() or bool(api.import_errors()))
        assert api.import_errors() == []


def test_a_second_init_is_quick(settings: Settings) -> None:
    before = os.times()
    initialize(settings)
    after = os.times()
    assert after.elapsed - before.elapsed < 5
    assert after.children_user - before.children_user < 1.5  # importing Airflow alone takes longer


def test_a_triggered_run_starts_at_once(settings: Settings) -> None:
    """Nothing but Airflow runs here, so that the preparation fails: it cannot reach S3. It is not tried again."""
    with Airflow(settings) as api:
        wait_until("the DAG", lambda: SETUP_DAG in api.dags())
        run = api.trigger(SETUP_DAG)

        def states() -> dict[str, str]:
            return {task["task_id"]: task["state"] for task in api.tasks(SETUP_DAG, run)}

        wait_until("the preparation to fail", lambda: states()["prepare"] == "failed", 60)
        wait_until("the rest to be given up", lambda: states()["import"] == "upstream_failed", 30)


def test_only_the_loopback_interface_listens(airflow: dict[str, RunningService]) -> None:
    ports = Path("/proc/net/tcp").read_text() if Path("/proc/net/tcp").exists() else ""
    port = airflow["airflow-api-server"].settings.integer("AIRFLOW_PORT")
    listening = [line.split()[1] for line in ports.splitlines()[1:] if line.split()[3] == "0A"]
    assert {address.partition(":")[0] for address in listening if address.endswith(f":{port:04X}")} <= {"0100007F"}


@pytest.mark.parametrize("name", ["airflow-scheduler", "airflow-triggerer", "airflow-dag-processor"])
def test_nothing_outlives_a_kill(airflow: dict[str, RunningService], name: str) -> None:
    running = airflow[name]
    assert group(running)
    running.kill()
    wait_until("its children to end", lambda: not group(running), 10)
    again = start_service(name, running.settings)
    if name != "airflow-dag-processor":  # it has children only while it reads a file
        wait_until("its children to be there", lambda: len(group(again)) > 1)
    again.process.terminate()
    again.process.wait(20)
    wait_until("its children to end", lambda: not group(again), 10)
