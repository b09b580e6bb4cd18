"""The whole house as people use it, from nothing through changes, crashes and stops; each test follows the last."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import nobody
import psycopg
import pytest
import redshift_connector
from changes import day_in_the_store
from copy_of_stack import Copy
from oracle import Warehouse, compare, full_load, revenue

from velodrome.runtime.airflow_api import PIPELINE_DAG, Airflow
from velodrome.runtime.services import SERVICES
from velodrome.runtime.summary import client_environ, database_url
from velodrome.settings import secret_settings
from velodrome.testing import wait_until

CRASHING = [name for name, service in SERVICES.items() if service.healthy]


@pytest.fixture(scope="module")
def model() -> Warehouse:
    return Warehouse()


@pytest.fixture
def warehouse(stack: Copy) -> Iterator[redshift_connector.Connection]:
    connection = stack.warehouse()
    yield connection
    connection.close()


@pytest.fixture
def source(stack: Copy) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url(stack.settings, "SOURCE"), autocommit=True) as connection:
        yield connection


def test_one_command_leads_from_nothing_to_a_filled_warehouse(stack: Copy) -> None:
    output = stack.check("up")
    assert "fact_sales" in output and stack.settings["AIRFLOW_URL"] in output
    assert stack.check("status").count("RUNNING") == len(CRASHING)


def test_the_warehouse_holds_what_the_files_say(
    stack: Copy, model: Warehouse, warehouse: redshift_connector.Connection
) -> None:
    model.load(full_load(stack.home / "dataset"))
    frames = model.frames()
    assert compare(warehouse, frames) == []
    with warehouse.cursor() as cursor:
        cursor.execute("SELECT SUM(total_price_with_discount) FROM serving.fact_sales")
        assert cursor.fetchone()[0] == revenue(frames) > 0


def test_all_listen_on_the_loopback_interface_only(stack: Copy) -> None:
    ports = {f"{stack.settings.integer(port):04X}" for service in SERVICES.values() for port in service.ports}
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and port in ports:
                listening[port] = address
    assert set(listening) == ports
    # 127.0.0.1, and as gRPC has it: the same in IPv6's spelling, ::ffff:127.0.0.1.
    assert set(listening.values()) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_secrets_are_private_and_in_no_command_line(stack: Copy) -> None:
    settings = stack.settings
    for file in ("secrets.env", "aws/config", "data/airflow/passwords.json"):
        assert stat.S_IMODE((stack.home / file).stat().st_mode) == 0o600, file
    secrets = [
        settings[name] for name in ("SOURCE_PASSWORD", "REDSHIFT_PASSWORD", "AIRFLOW_PASSWORD", "AIRFLOW_SECRET_KEY")
    ]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        assert not [secret for secret in secrets if secret in words], words
    for log in (stack.home / "logs").rglob("*"):
        if log.is_file():
            text = log.read_text(errors="replace")
            assert not [secret for secret in secrets if secret in text], log


def test_nobody_without_a_key_or_a_password_gets_anything(stack: Copy) -> None:
    supervisor = int((stack.home / "run" / "supervisord.pid").read_text())
    assert nobody.gets(stack.settings, supervisor) == []
    assert stack.check("status").count("RUNNING") == len(CRASHING)


def test_each_process_holds_the_secrets_of_its_service(stack: Copy) -> None:
    for name in CRASHING:
        pid = int((stack.home / "run" / f"{name}.pid").read_text())
        words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
        held = {word.partition("=")[0] for word in words if word.partition("=")[2]} & secret_settings()
        assert held <= set(SERVICES[name].secrets), name


def test_a_shell_gets_what_it_needs(stack: Copy) -> None:
    result = stack.command(["bash", "-c", 'eval "$(make -s env)" && printenv AWS_PROFILE AIRFLOW_URL SOURCE_BUCKET'])
    assert result.stdout.splitlines() == ["local", stack.settings["AIRFLOW_URL"], stack.settings["SOURCE_BUCKET"]], (
        result.stderr
    )


def test_airflow_and_emr_write_their_logs_to_s3(stack: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in client_environ(stack.settings).items():
        monkeypatch.setenv(name, value)
    s3 = boto3.session.Session().client("s3")
    bucket = stack.settings["LOG_BUCKET"]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert [key for key in keys if key.startswith("airflow-log/dag_id=bike_store_pipeline/")]
    assert [key for key in keys if key.startswith("emr-log/applications/") and key.endswith("/SPARK_DRIVER/stdout.gz")]


def test_up_again_only_says_that_all_is_there(stack: Copy) -> None:
    pids = stack.process_ids()
    output = stack.check("up")
    assert output.count("already installed") == 6
    assert output.count("already running") == len(CRASHING)
    assert output.count("has run before") == 2
    assert stack.process_ids() == pids


def test_a_window_without_changes_is_a_quick_success(stack: Copy) -> None:
    stack.check("run")
    with Airflow(stack.settings) as airflow:
        run = airflow.newest_run(PIPELINE_DAG)
        states = {task["task_id"]: task["state"] for task in airflow.tasks(PIPELINE_DAG, run)}
    assert states["window.any_changes"] == "success"
    assert states["transform.run_job"] == states["load.serving"] == "skipped"


def test_changes_reach_the_warehouse_and_nothing_else_does(
    stack: Copy, model: Warehouse, source: psycopg.Connection, warehouse: redshift_connector.Connection
) -> None:
    model.load(day_in_the_store(source, full_load(stack.home / "dataset")))
    stack.check("run")
    assert compare(warehouse, model.frames()) == []


def test_after_a_stop_the_databases_are_there_and_the_next_run_is_incremental(stack: Copy, model: Warehouse) -> None:
    stack.check("down")
    output = stack.check("up")
    assert output.count("already installed") == 6
    assert output.count("has run before") == 2
    with psycopg.connect(database_url(stack.settings, "SOURCE"), autocommit=True) as source:
        source.execute("UPDATE store.customers SET phone = '(555) 010-0001' WHERE customer_id = '1'")
    assert "dim_customers" in stack.check("run")
    with psycopg.connect(database_url(stack.settings, "REDSHIFT")) as warehouse:
        rows = warehouse.execute("SELECT lo, hi, customers, order_lines FROM serving.load_windows ORDER BY hi")
        windows = rows.fetchall()
    assert [lo for lo, *_ in windows] == [0, *(hi for _, hi, *_ in windows[:-1])]
    assert windows[-1][2:] == (1, 0)


@pytest.mark.parametrize("name", CRASHING)
def test_a_killed_service_comes_back_by_itself(stack: Copy, name: str) -> None:
    pid = stack.process_ids()[name]
    os.kill(pid, signal.SIGKILL)
    wait_until(f"{name} to be started again", lambda: stack.process_ids()[name] not in (0, pid), 30)
    wait_until(f"{name} to be healthy again", lambda: stack.run("status").returncode == 0, 120, 0.5)


def test_what_a_killed_supervisor_left_behind_is_ended_by_the_next_start(stack: Copy) -> None:
    pids = stack.process_ids()
    os.kill(int((stack.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    stack.check("up")
    assert stack.run("status").returncode == 0
    assert not set(pids.values()) & set(stack.process_ids().values())


def test_after_all_crashes_the_pipeline_still_works(stack: Copy) -> None:
    with psycopg.connect(database_url(stack.settings, "SOURCE"), autocommit=True) as source:
        source.execute("UPDATE store.customers SET phone = '(555) 010-0002' WHERE customer_id = '2'")
    stack.check("run")
    with psycopg.connect(database_url(stack.settings, "REDSHIFT")) as warehouse:
        phones = warehouse.execute(
            "SELECT phone FROM serving.dim_customers WHERE customer_id = '2' AND active_flag = 'Y'"
        )
        assert phones.fetchall() == [("(555) 010-0002",)]


def test_two_copies_run_side_by_side(stack: Copy, tmp_path: Path) -> None:
    second = Copy(tmp_path / "home", DATASET_SCALE="0.1")
    try:
        second.check("up", "--no-fill")
        assert second.run("status").returncode == 0
        assert stack.run("status").returncode == 0
        assert second.settings["AIRFLOW_URL"] != stack.settings["AIRFLOW_URL"]
    finally:
        second.run("down")


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "home", DATASET_SCALE="0.1")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = copy.run("up", REDSHIFT_PORT=str(port))
    copy.run("down")
    assert result.returncode == 1
    assert f"redshift: port {port} cannot be had" in result.stderr and "Set REDSHIFT_PORT" in result.stderr


def test_a_wrong_data_set_is_named_with_file_line_and_reason(tmp_path: Path, stack: Copy) -> None:
    copy = Copy(tmp_path / "home")
    folder = tmp_path / "files"
    generated = stack.command([sys.executable, "-m", "velodrome.dataset", "generate", str(folder), "--scale", "0.1"])
    assert generated.returncode == 0, generated.stderr
    lines = (folder / "orders.csv").read_text().splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[1], "nobody", 1)
    (folder / "orders.csv").write_text("\n".join(lines) + "\n")
    result = copy.run("up", DATASET=str(folder))
    assert result.returncode == 1
    assert "orders.csv, line 3: customer_id" in result.stderr and "nobody" in result.stderr
    (folder / "stocks.csv").unlink()
    result = copy.run("up", DATASET=str(folder))
    assert result.returncode == 1
    assert "stocks.csv: is missing" in result.stderr
    assert not (copy.home / "data").exists()


def test_an_index_that_does_not_answer_is_one_clear_message(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "home", DATASET_SCALE="0.1")
    nowhere = {
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_HTTP_RETRIES": "0",
    }
    result = copy.run("up", VELODROME_INSTALLS=str(tmp_path / "installs"), **nowhere)
    copy.run("down")
    assert result.returncode == 1
    assert "could not install" in result.stderr and "Does the package index answer?" in result.stderr
    assert "Traceback" not in result.stderr
