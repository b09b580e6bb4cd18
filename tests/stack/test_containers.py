"""The stack in containers, from nothing through changes, kills and stops; each test follows the last."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import psycopg
import pytest
from changes import day_in_the_store
from copy_of_stack import ROOT, Copy
from oracle import Warehouse, compare, full_load, revenue
from state_of_stack import differences as changed
from state_of_stack import snapshot

from velodrome.runtime.airflow_api import ENDED, PIPELINE_DAG, Airflow
from velodrome.runtime.compose import BUILT, READ, compose_environ, image_name
from velodrome.runtime.services import SERVICES
from velodrome.runtime.summary import database_url
from velodrome.settings import SETTINGS
from velodrome.testing import wait_until

RUNNING = [name for name, service in SERVICES.items() if service.healthy]
# When in a run of the pipeline containers are killed: while a task works that needs the first. A second one is of those
# that a task's own work does not need.
MOMENTS = {
    ("source",): "extract.export_to_s3",
    ("airflow-api-server",): "extract.export_to_s3",
    ("s3", "airflow-dag-processor"): "transform.run_job",
    ("emr-serverless", "airflow-triggerer"): "transform.run_job",
    ("airflow-scheduler",): "transform.run_job",
    ("airflow-db",): "transform.run_job",
    ("redshift",): "load.serving",
}


@pytest.fixture(scope="module")
def model() -> Warehouse:
    return Warehouse()


@pytest.fixture
def source(stack: Copy) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url(stack.settings, "SOURCE"), autocommit=True) as connection:
        yield connection


def differences(stack: Copy, model: Warehouse) -> list[str]:
    """What the warehouse holds otherwise than it should."""
    connection = stack.warehouse()
    try:
        return compare(connection, model.frames())
    finally:
        connection.close()


def compose(stack: Copy, *arguments: str) -> str:
    """`docker compose ARGUMENTS` on the copy's project, as a person would call it in the checkout."""
    result = subprocess.run(
        ["docker", "compose", *arguments],
        env=compose_environ(stack.settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def containers(stack: Copy, engine: docker.DockerClient) -> dict[str, Any]:
    """Each service's container."""
    label = f"com.docker.compose.project={compose_environ(stack.settings)['COMPOSE_PROJECT_NAME']}"
    found = engine.containers.list(all=True, filters={"label": label})
    return {container.labels["com.docker.compose.service"]: container for container in found}


def test_one_command_leads_from_nothing_to_a_filled_warehouse(stack: Copy, model: Warehouse) -> None:
    output = stack.check("up")
    assert "fact_sales" in output and stack.settings["AIRFLOW_URL"] in output
    assert stack.check("status").count("RUNNING") == len(RUNNING)
    model.load(full_load(stack.home / "dataset"))
    assert differences(stack, model) == []
    assert revenue(model.frames()) > 0


def test_compose_s_own_health_checks_agree(stack: Copy, engine: docker.DockerClient) -> None:
    def healthy() -> set[str]:
        return {
            name
            for name, container in containers(stack, engine).items()
            if container.attrs["State"].get("Health", {}).get("Status") == "healthy"
        }

    wait_until("every container to be healthy", lambda: healthy() == set(RUNNING), 60)


def test_no_container_runs_as_root_or_can_gain_rights(stack: Copy, engine: docker.DockerClient) -> None:
    for name, container in containers(stack, engine).items():
        host = container.attrs["HostConfig"]
        assert container.attrs["Config"]["User"] == "10001:10001", name
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"], name
        assert host["Memory"] > 0, name
        if name in RUNNING:
            users = {process[0] for process in container.top(ps_args="-eo uid,pid,args")["Processes"]}
            assert users == {"10001"}, name


def test_ports_are_published_on_the_loopback_interface_only(stack: Copy, engine: docker.DockerClient) -> None:
    published = {
        entry["HostPort"]: entry["HostIp"]
        for container in containers(stack, engine).values()
        for entries in (container.attrs["HostConfig"]["PortBindings"] or {}).values()
        for entry in entries
    }
    assert set(published) == {stack.settings[port] for service in SERVICES.values() for port in service.ports}
    assert set(published.values()) == {"127.0.0.1"}


def test_no_secret_is_in_a_container_s_settings_its_log_or_an_image(stack: Copy, engine: docker.DockerClient) -> None:
    secrets = [stack.settings[setting.name] for setting in SETTINGS if setting.secret]
    assert all(secrets)
    project = compose_environ(stack.settings)["COMPOSE_PROJECT_NAME"]
    texts = {name: f"{container.attrs}{container.logs()}" for name, container in containers(stack, engine).items()}
    for service in BUILT:
        image = engine.images.get(f"{project}-{image_name(service)}")
        texts[f"image {service}"] = f"{image.attrs}{image.history()}"
    for name, text in texts.items():
        assert not [secret for secret in secrets if secret in text], name


def test_the_images_are_small(stack: Copy, engine: docker.DockerClient) -> None:
    project = compose_environ(stack.settings)["COMPOSE_PROJECT_NAME"]
    images = [engine.images.get(f"{project}-{image_name(service)}") for service in BUILT]
    assert sum(image.attrs["Size"] for image in images) < 3 << 30  # even if they shared nothing


def test_up_again_only_says_that_all_is_there(stack: Copy) -> None:
    pids = stack.process_ids()
    output = stack.check("up")
    assert output.count("already running") == len(RUNNING)
    assert output.count("has run before") == 2
    assert stack.process_ids() == pids


def test_the_commands_work_on_containers(stack: Copy) -> None:
    for prompt, table in (("psql", "store.orders"), ("redshift", "serving.fact_sales")):
        result = stack.command(["bash", "-c", f"echo 'SELECT COUNT(*) AS rows FROM {table}' | make -s {prompt}"])
        assert re.search(r"^ *[1-9]\d*$", result.stdout, re.MULTILINE), f"{result.stdout}{result.stderr}"
    shell = stack.command(["bash", "-c", 'eval "$(make -s env)" && printenv AWS_PROFILE AIRFLOW_URL'])
    assert shell.stdout.splitlines() == ["local", stack.settings["AIRFLOW_URL"]], shell.stderr
    assert "Redshift is ready" in stack.check("logs", "redshift", "--no-follow", "--lines", "1000")


def test_changes_reach_the_warehouse_and_nothing_else_does(
    stack: Copy, model: Warehouse, source: psycopg.Connection[Any]
) -> None:
    model.load(day_in_the_store(source, full_load(stack.home / "dataset")))
    stack.check("run")
    assert differences(stack, model) == []


@pytest.mark.parametrize("killed", MOMENTS, ids=" and ".join)
def test_containers_killed_during_a_run_cost_nothing(
    stack: Copy, model: Warehouse, source: psycopg.Connection[Any], killed: tuple[str, ...]
) -> None:
    number = str(list(MOMENTS).index(killed) + 10)
    needed = MOMENTS[killed]
    customer = next(row for row in full_load(stack.home / "dataset")["customers"] if row["customer_id"] == number)
    phone = f"(555) 010-{number:0>4}"
    source.execute("UPDATE store.customers SET phone = %s WHERE customer_id = %s", (phone, number))
    moment = source.execute("SELECT updated_at FROM store.customers WHERE customer_id = %s", (number,)).fetchone()
    assert moment is not None
    model.load({"customers": [{**customer, "phone": phone, "updated_at": moment[0], "is_active": "Y"}]})

    with Airflow(stack.settings) as airflow:
        run = airflow.trigger(PIPELINE_DAG)

        def begun() -> bool:
            states = {task["task_id"]: task["state"] for task in airflow.tasks(PIPELINE_DAG, run)}
            return states.get(needed) in ("running", "success", "failed")

        wait_until(f"{needed} to begin", begun, 120, 0.5)
        compose(stack, "kill", *killed)
    compose(stack, "up", "--detach")
    stack.check("up", "--no-fill")
    with Airflow(stack.settings) as airflow:
        wait_until("the run to end", lambda: airflow.run_state(PIPELINE_DAG, run) in ENDED, 400, 0.5)
        if airflow.run_state(PIPELINE_DAG, run) == "failed":
            stack.check("run")
    assert differences(stack, model) == []


def test_a_crashed_container_comes_back_by_itself(stack: Copy, engine: docker.DockerClient) -> None:
    begin = time.time()
    for name in RUNNING:
        # All that runs in it, but for the init process, which then ends too.
        containers(stack, engine)[name].exec_run(["sh", "-c", "kill -9 -1"])

    def restarted() -> bool:
        running = stack.runtime
        return all(running.state(name).running and running.state(name).since > begin for name in RUNNING)

    wait_until("every container to be started again", restarted, 60, 0.5)
    wait_until("all to be healthy again", lambda: stack.run("status").returncode == 0, 180, 1)


def test_after_down_everything_is_there(stack: Copy, model: Warehouse, source: psycopg.Connection[Any]) -> None:
    before = snapshot(stack)
    compose(stack, "down")
    stack.check("up")
    after = snapshot(stack)
    assert changed(before, after) == []
    source_again = psycopg.connect(database_url(stack.settings, "SOURCE"), autocommit=True)
    with source_again:
        source_again.execute("UPDATE store.customers SET email = NULL WHERE customer_id = '1'")
    assert "dim_customers" in stack.check("run")


def test_a_backup_moves_to_host_processes_and_back(stack: Copy, tmp_path: Path) -> None:
    # Looked at afterwards: Airflow brings a task's log to S3 a moment after the task has ended.
    stack.check("backup", str(tmp_path / "containers.tar.gz"))
    before = snapshot(stack)
    host = Copy(tmp_path / "host", "host")
    try:
        host.check("restore", str(tmp_path / "containers.tar.gz"))
        assert host.check("up").count("has run before") == 2
        assert changed(before, snapshot(host)) == []
        with psycopg.connect(database_url(host.settings, "SOURCE"), autocommit=True) as source:
            source.execute("UPDATE store.customers SET email = 'moved@example.com' WHERE customer_id = '2'")
        assert "+1" in host.check("run")
        host.check("backup", str(tmp_path / "processes.tar.gz"))
        moved = snapshot(host)
    finally:
        host.run("reset")
    stack.check("reset")
    stack.check("restore", str(tmp_path / "processes.tar.gz"))
    assert stack.check("up").count("has run before") == 2
    assert changed(moved, snapshot(stack)) == []


def test_reset_forgets_the_volumes(stack: Copy, engine: docker.DockerClient) -> None:
    project = compose_environ(stack.settings)["COMPOSE_PROJECT_NAME"]
    label = {"label": f"com.docker.compose.project={project}"}
    assert engine.volumes.list(filters=label)
    stack.check("reset")
    assert not engine.volumes.list(filters=label) and not containers(stack, engine)
    assert not (stack.home / "secrets.env").exists()
    assert "Nothing runs" in stack.run("status").stdout


def test_compose_alone_brings_the_stack_up_and_the_console_takes_it_over(stack: Copy) -> None:
    compose(stack, "up", "--detach", "--wait")
    assert stack.check("status").count("RUNNING") == len(RUNNING)
    with psycopg.connect(database_url(stack.settings, "SOURCE")) as source:
        assert source.execute("SELECT current_user").fetchone() == (stack.settings["SOURCE_USER"],)
    pids = stack.process_ids()
    stack.check("up", "--no-fill")
    assert stack.process_ids() == pids
    stack.check("reset")


def test_a_data_set_is_refused_where_compose_alone_cannot_take_it(stack: Copy, engine: docker.DockerClient) -> None:
    environ = compose_environ(stack.settings) | {"DATASET": "/somewhere"}
    argv = ["docker", "compose", "up", "--detach"]
    result = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode != 0
    assert b"DATASET is taken by `make up DATASET=folder`" in containers(stack, engine)["prepare"].logs()
    stack.check("reset")


def test_a_checkout_that_the_containers_cannot_read_is_refused(stack: Copy, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for folder in {name.split("/")[0] for name in READ}:
        shutil.copytree(ROOT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "docker-compose.yml", project)
    (project / "airflow" / "dags" / "pipeline.py").chmod(0o600)
    result = stack.run("up", VELODROME_PROJECT=str(project), VELODROME_HOME=str(tmp_path / "home"))
    assert result.returncode == 1
    assert f"cannot read {project}/airflow/dags/pipeline.py: chmod -R o+rX {project}/airflow" in result.stderr
