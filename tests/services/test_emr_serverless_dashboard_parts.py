"""EMR Serverless's dashboards without the service around them: a session's UI, tokens, event logs and their end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from velodrome.awsapi.caller import Caller
from velodrome.emr_serverless.dashboards.api import DashboardOperations, Shown
from velodrome.emr_serverless.dashboards.dashboards import Dashboards
from velodrome.emr_serverless.dashboards.event_logs import EventLogs
from velodrome.emr_serverless.dashboards.history_server import HistoryServer, HistoryServerError
from velodrome.emr_serverless.dashboards.proxy import Upstream, location
from velodrome.emr_serverless.dashboards.resources import JOB_RUN, SESSION, Resource
from velodrome.emr_serverless.dashboards.spark_ui import LiveUis, bearer, key_of, master_key
from velodrome.emr_serverless.dashboards.tokens import DashboardTokens
from velodrome.emr_serverless.database import Database
from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark.jvm import SparkInstall
from velodrome.runtime import install
from velodrome.testing import own_settings, wait_until

JOB = Resource("00app", JOB_RUN, "00job")
OF_SESSION = Resource("00app", SESSION, "00session")
CALLER = Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:user/velodrome")
DAY = 86400.0
HOUR = 3600
# A Spark that works and then does nothing until it is ended.
SPARK = """
import sys, threading
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.range(100).count()
print("worked", flush=True)
threading.Event().wait()
"""


@dataclass
class Parts:
    """All parts of dashboards, with what a test looks at."""

    home: Path
    dashboards: Dashboards
    event_logs: EventLogs
    history: HistoryServer
    live: LiveUis
    spark: SparkInstall
    now: list[float]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkInstall:
    settings = own_settings(tmp_path_factory.mktemp("settings"))
    install.ensure("spark", settings, print)
    return SparkInstall(settings.installs / "spark", settings.installs / "jars")


@pytest.fixture
def parts(tmp_path: Path, spark: SparkInstall) -> Iterator[Parts]:
    """The dashboards, served by a server of their own."""
    database = Database(tmp_path / "state.sqlite")
    event_logs = EventLogs(tmp_path / "event logs")
    live = LiveUis(master_key(tmp_path / "key"))
    key, now = key_of(live.master_key, "history-server"), [0.0]
    history = HistoryServer(tmp_path / "history", tmp_path / "history.log", lambda: spark, key, lambda: now[0])
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    dashboards = Dashboards(url, DashboardTokens(database), event_logs, history, live, lambda *_: None)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=dashboards.routes()), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield Parts(tmp_path, dashboards, event_logs, history, live, spark, now)
    server.should_exit = True
    thread.join()
    history.close()
    database.close()


@contextmanager
def running(parts: Parts, resource: Resource) -> Iterator[subprocess.Popen[bytes]]:
    """A Spark with the resource's settings."""
    settings, secrets = parts.live.open(resource)
    settings |= parts.event_logs.settings(resource) | secrets
    script = parts.home / "session.py"
    script.write_text(SPARK, encoding="utf-8")
    output = parts.home / "output"
    environment = {
        "PATH": f"{parts.spark.venv / 'bin'}:/usr/bin:/bin",
        "SPARK_HOME": str(parts.spark.home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(parts.spark.python),
    }
    command = [
        *parts.spark.java_options(),
        *parts.spark.archive_options(),
        "org.apache.spark.deploy.SparkSubmit",
        *("--master", "local[1]"),
        *(part for name, value in settings.items() for part in ("--conf", f"{name}={value}")),
        str(script),
    ]
    with output.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    try:
        wait_until("Spark's work", lambda: b"worked" in output.read_bytes(), 120)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        parts.live.close(resource)
        parts.event_logs.finish(resource)


def test_a_session_while_it_runs_and_after_it_was_killed(parts: Parts) -> None:
    url = parts.dashboards.url(OF_SESSION)
    base = url.partition("?")[0]
    assert base.endswith("/_velodrome/dashboards/00app/sessions/00session/1/")
    with httpx.Client(follow_redirects=True, timeout=90) as browser:
        with running(parts, OF_SESSION):
            port = parts.live.port(OF_SESSION)
            for path in ("jobs/", "api/v1/applications", "static/webui.js"):
                assert httpx.get(f"http://127.0.0.1:{port}/{path}").status_code == 403  # only the dashboard may
            assert str(browser.get(url).url) == f"{base}jobs/"
            assert "Completed Jobs" in browser.get(f"{base}jobs/").text
            # A session whose Spark has not begun: whoever answers on its port is not it.
            other = Resource("00app", SESSION, "00other")
            parts.live.open(other)
            answer = browser.get(parts.dashboards.url(other))
            assert (answer.status_code, answer.headers["refresh"]) == (503, "2")
        assert str(browser.get(f"{base}stages/").url) == f"{base}history/00session/stages/"
        attempts = browser.get(f"{base}api/v1/applications/00session").json()["attempts"]
        assert [one["completed"] for one in attempts] == [True]

        # Nobody looks any more: it ends, and comes back for who does.
        server = parts.history.process_id
        assert server is not None
        parts.now[0] += 299
        assert browser.get(f"{base}jobs/").status_code == 200
        parts.now[0] += 299
        assert browser.get(f"{base}jobs/").status_code == 200
        assert parts.history.process_id == server
        parts.now[0] += 300
        wait_until("the history server to end", lambda: parts.history.process_id is None)
        assert "Completed Jobs" in browser.get(f"{base}jobs/").text
        assert parts.history.process_id not in (None, server)


def test_a_history_server_that_cannot_start(tmp_path: Path, spark: SparkInstall) -> None:
    log_file = tmp_path / "history.log"
    history = HistoryServer(tmp_path / "history", log_file, lambda: spark, b"short")  # a key must have 32 bytes
    (tmp_path / "eventlog_v2_a").mkdir()
    with pytest.raises(HistoryServerError) as caught:
        history.show("a", tmp_path / "eventlog_v2_a")
    assert str(caught.value) == f"Spark's history server ended by itself; see {log_file}"
    assert "WeakKeyException" in log_file.read_text(encoding="utf-8")
    assert history.process_id is None
    history.close()


def test_a_token_is_good_for_one_hour(tmp_path: Path) -> None:
    now = 1_000_000.0
    database = Database(tmp_path / "state.sqlite")
    tokens = DashboardTokens(database, lambda: now)
    token = tokens.make(JOB)
    now += HOUR - 1
    grant = tokens.grant(token)
    assert grant is not None and (grant.resource, grant.seconds) == (JOB, 1.0)
    assert tokens.grant(token + "x") is None
    now += 1
    assert tokens.grant(token) is None
    tokens.make(OF_SESSION)
    assert [row["id"] for row in database.rows("SELECT id FROM dashboard_tokens")] == ["00session"]
    assert token.encode() not in (tmp_path / "state.sqlite-wal").read_bytes()
    database.close()


@pytest.mark.parametrize("state", ["SUBMITTED", "PENDING", "SCHEDULED", "QUEUED"])
def test_no_dashboard_before_a_job_runs(parts: Parts, state: str) -> None:
    shown = Shown(JOB, state)
    operations = DashboardOperations(parts.dashboards, lambda *_: shown, lambda *_: shown, lambda *_: None)
    with pytest.raises(ValidationException) as caught:
        operations.get_dashboard_for_job_run(CALLER, {"applicationId": "00app", "jobRunId": "00job"})
    assert caught.value.message == f"Dashboard cannot be served for job in {state} state"


@pytest.mark.parametrize(
    ("state", "persisted", "there"),
    [
        ("SUBMITTED", True, False),
        ("STARTING", True, False),
        ("STARTED", False, True),
        ("IDLE", True, True),
        ("BUSY", True, True),
        ("TERMINATING", True, True),
        ("TERMINATED", True, True),
        ("TERMINATED", False, False),
        ("FAILED", True, True),
    ],
)
def test_a_sessions_dashboard(parts: Parts, state: str, persisted: bool, there: bool) -> None:
    shown = Shown(OF_SESSION, state, persisted)
    operations = DashboardOperations(parts.dashboards, lambda *_: shown, lambda *_: shown, lambda *_: None)
    reply = operations.get_resource_dashboard(
        CALLER,
        {"applicationId": "00app", "resourceId": "00session", "resourceType": "SESSION"},
    )
    assert list(reply) == (["url"] if there else [])


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("http://127.0.0.1:4040/jobs/?id=1#a", "/d/a/jobs/?id=1#a"),
        ("http://localhost:4040/d/a/jobs/", "/d/a/jobs/"),
        ("/history/x/", "/d/a/history/x/"),
        ("/d/a", "/d/a"),
        ("/d/ab/", "/d/a/d/ab/"),
        ("stage/?id=1", "stage/?id=1"),
        ("http://elsewhere/jobs/", "http://elsewhere/jobs/"),
    ],
)
def test_redirects(target: str, seen: str) -> None:
    assert location(target, Upstream(4040, b""), "/d/a") == seen


def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    key = master_key(file)
    assert (master_key(file), len(key)) == (key, 32)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key_of(key, JOB.prefix) != key_of(key, OF_SESSION.prefix)
    assert bearer(key).count(".") == 2


def test_attempts_are_applications_of_their_own() -> None:
    second = Resource("00app", JOB_RUN, "00job", 2)
    assert (JOB.spark_id, second.spark_id) == ("00job", "00job-2")
    assert second.prefix == "/_velodrome/dashboards/00app/jobs/00job/2"


def written(logs: EventLogs, resource: Resource, age: float, size: int = 10, ended: bool = False) -> Path:
    """An event log as Spark writes one, last changed `age` seconds ago."""
    logs.settings(resource)
    folder = logs.folder(resource) / f"eventlog_v2_{resource.spark_id}"
    folder.mkdir()
    for name in (f"appstatus_{resource.spark_id}.inprogress", f"events_1_{resource.spark_id}", ".events.crc"):
        (folder / name).write_bytes(b"x" * size if name.startswith("events") else b"")
    if ended:
        logs.finish(resource)
    moment = time.time() - age
    for path in (*folder.iterdir(), folder, folder.parent):
        os.utime(path, (moment, moment))
    return folder


def test_an_event_log(tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    assert (logs.log(JOB), logs.application_id(JOB), logs.files(JOB)) == (None, None, [])
    settings = logs.settings(JOB)
    assert stat.S_IMODE(logs.folder(JOB).stat().st_mode) == 0o700
    assert settings["spark.eventLog.dir"] == (tmp_path / "00app" / "jobs" / "00job" / "1").as_uri()
    folder = written(logs, JOB, 0)
    assert (logs.log(JOB), logs.application_id(JOB)) == (folder, "00job")
    place = "sparklogs/eventlog_v2_00job"
    assert logs.files(JOB) == [(folder / "events_1_00job", f"{place}/events_1_00job")]
    logs.finish(JOB)
    logs.finish(JOB)
    assert [name for _, name in logs.files(JOB)] == [f"{place}/appstatus_00job", f"{place}/events_1_00job"]
    logs.remove(JOB)
    assert list(tmp_path.iterdir()) == []


END = b'"SparkListenerApplicationEnd"'
START = b'{"Event":"SparkListenerLogStart","Spark Version":"4.0.2"}\n'


@pytest.mark.parametrize(
    ("content", "kept", "ends"),
    [
        (START, START, 1),
        (START + b'{"Event":"SparkListenerJob', START, 1),
        (START + b'{"Event":"SparkListenerApplicationEnd","Timestamp":1}\n', START, 1),
        (b"", b"", 1),
    ],
)
def test_what_a_killed_spark_wrote_is_ended(tmp_path: Path, content: bytes, kept: bytes, ends: int) -> None:
    logs = EventLogs(tmp_path)
    folder = written(logs, JOB, 0)
    (folder / "events_10_00job").write_bytes(content)
    logs.finish(JOB)
    result = (folder / "events_10_00job").read_bytes()
    assert result.startswith(kept + b'{"Event"') and result.endswith(b"}\n")
    assert (result.count(END), result.count(b"\n")) == (ends, kept.count(b"\n") + 1)
    assert (folder / "events_1_00job").read_bytes() == b"x" * 10  # an earlier part


def test_old_event_logs_are_removed(tmp_path: Path) -> None:
    logs = EventLogs(tmp_path)
    old, older = Resource("a", JOB_RUN, "old"), Resource("a", SESSION, "older")
    for resource, days in ((old, 31), (older, 40), (JOB, 29)):
        written(logs, resource, days * DAY, ended=resource is not older)  # which a Spark is writing
    assert logs.sweep() == 1
    assert [logs.log(one) is not None for one in (old, older, JOB)] == [False, True, True]
    logs.finish(older)
    assert logs.sweep() == 0  # its last line is new
    assert logs.sweep(time.time() + 31 * DAY) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_event_logs_make_room(tmp_path: Path) -> None:
    logs = EventLogs(tmp_path, largest=150)  # each is one event, of 66 bytes
    resources = [Resource("a", JOB_RUN, str(number)) for number in range(4)]
    for number, resource in enumerate(resources):
        written(logs, resource, age=100 - number, ended=True)
    assert logs.sweep() == 2
    assert [logs.log(one) is not None for one in resources] == [False, False, True, True]
