"""A running stack is backed up and restored beside itself: the same state, and the pipeline goes on where it was."""

from __future__ import annotations

import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from copy_of_stack import ROOT, VELODROME, Copy
from state_of_stack import differences, snapshot

from velodrome.runtime.airflow_api import ENDED, PIPELINE_DAG, Airflow
from velodrome.runtime.summary import database_url
from velodrome.testing import wait_until


@pytest.fixture(scope="module")
def running(stack: Copy) -> Copy:
    """The stack of the tests before, up."""
    stack.check("up")
    return stack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def second(folder: Path) -> Iterator[Copy]:
    """Another home on other ports, which the backup is restored into."""
    copy = Copy(folder / "second home")
    try:
        yield copy
    finally:
        copy.run("down")


def test_a_run_is_not_broken_off(running: Copy, folder: Path) -> None:
    # A run that finds nothing changed can be over before a backup looks.
    with psycopg.connect(database_url(running.settings, "SOURCE"), autocommit=True) as source:
        source.execute("UPDATE store.customers SET phone = '(555) 010-0002' WHERE customer_id = '2'")
    with Airflow(running.settings) as airflow:
        run = airflow.trigger(PIPELINE_DAG)
        wait_until("the run to begin", lambda: airflow.run_state(PIPELINE_DAG, run) == "running")
        result = running.run("backup", str(folder / "copy.tar.gz"))
        assert result.returncode == 1
        assert f"{PIPELINE_DAG} is running" in result.stderr and "let it end first" in result.stderr
        wait_until("the run to end", lambda: airflow.run_state(PIPELINE_DAG, run) in ENDED, 180)
        assert airflow.run_state(PIPELINE_DAG, run) == "success"
    assert list(folder.iterdir()) == []


def test_an_airflow_that_does_not_say_what_runs_is_not_stopped(running: Copy, folder: Path) -> None:
    result = running.run("backup", str(folder / "copy.tar.gz"), AIRFLOW_PASSWORD="another")
    assert result.returncode == 1 and "does not say whether a run is going on" in result.stderr
    assert running.run("status").returncode == 0
    assert list(folder.iterdir()) == []


def test_after_ctrl_c_all_is_as_it_was(running: Copy, folder: Path) -> None:
    pids = running.process_ids()
    command = [str(VELODROME), "backup", str(folder / "copy.tar.gz")]
    with subprocess.Popen(
        command,
        env=running.environ,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # Whatever started the tests in the background may have had it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        draft = folder / ".copy.tar.gz.unfinished"
        wait_until("the backup to begin", draft.exists)
        wait_until("services to stop", lambda: running.process_ids() != pids)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode != 0 and "Traceback" not in said
    assert running.run("status").returncode == 0
    assert list(folder.iterdir()) == []


def test_a_backup_of_what_runs(running: Copy, folder: Path) -> None:
    before = snapshot(running)
    output = running.check("backup", str(folder / "copy.tar.gz"))
    assert "passwords" in output and "make restore FILE=" in output
    assert stat.S_IMODE((folder / "copy.tar.gz").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["copy.tar.gz"]
    assert running.run("status").returncode == 0
    after = snapshot(running)
    # Airflow may deliver a log when the run that it is of has ended.
    kinds = before.keys() - {"s3", "buckets"}
    assert differences({kind: before[kind] for kind in kinds}, {kind: after[kind] for kind in kinds}) == []


def test_a_copy_that_holds_data_is_not_overwritten(running: Copy, folder: Path) -> None:
    result = running.run("restore", str(folder / "copy.tar.gz"))
    assert result.returncode == 1 and "run `make reset` first" in result.stderr
    assert running.run("status").returncode == 0


def test_the_restored_copy_has_the_same_state(running: Copy, second: Copy, folder: Path) -> None:
    assert "Next: make up" in second.check("restore", str(folder / "copy.tar.gz"))
    assert second.check("up").count("has run before") == 2
    assert second.run("status").returncode == 0
    assert second.settings["SOURCE_PORT"] != running.settings["SOURCE_PORT"]
    assert second.settings["SOURCE_PASSWORD"] == running.settings["SOURCE_PASSWORD"]
    assert differences(snapshot(running), snapshot(second)) == []


def test_its_next_run_is_incremental(second: Copy) -> None:
    with psycopg.connect(database_url(second.settings, "SOURCE"), autocommit=True) as source:
        source.execute("UPDATE store.customers SET phone = '(555) 010-0003' WHERE customer_id = '3'")
    second.check("run")
    with psycopg.connect(database_url(second.settings, "REDSHIFT")) as warehouse:
        windows = warehouse.execute(
            "SELECT lo, hi, customers, order_lines FROM serving.load_windows ORDER BY hi"
        ).fetchall()
    assert [lo for lo, *_ in windows] == [0, *(hi for _, hi, *_ in windows[:-1])]
    assert len(windows) > 1 and windows[-1][2:] == (1, 0)
