"""EMR Serverless's sessions with a clock that the test moves: idle timeout, tokens that expire, what a crash left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import grpc
import pytest
from emr_serverless_stack import ROLE, processes

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.caller import Caller
from velodrome.emr_serverless.applications import Applications, NoWorkers
from velodrome.emr_serverless.credentials import CredentialsEndpoint
from velodrome.emr_serverless.dashboards.event_logs import EventLogs
from velodrome.emr_serverless.dashboards.spark_ui import LiveUis
from velodrome.emr_serverless.database import Database
from velodrome.emr_serverless.jobs.attempts import Surroundings
from velodrome.emr_serverless.jobs.scheduler import Scheduler
from velodrome.emr_serverless.jobs.warm_workers import WarmWorkers
from velodrome.emr_serverless.sessions.sessions import Sessions
from velodrome.emr_serverless.sessions.store import Session, SessionStore
from velodrome.emr_serverless.sessions.tokens import TOKEN_SECONDS
from velodrome.emr_serverless.spark.machine import Machine
from velodrome.emr_serverless.store import Store
from velodrome.runtime import install
from velodrome.settings import Settings
from velodrome.testing import free_port, run_service, wait_until

CALLER = Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:user/velodrome")
CONFIG = "/spark.connect.SparkConnectService/Config"


class Clock:
    """A clock that goes when it is told to; it starts in 2001."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """Sessions of one application, in this process; their servers are real."""

    def __init__(self, settings: Settings, home: Path, clock: Clock) -> None:
        self.clock = clock
        self.scratch = home / "scratch"
        database = Database(home / "state.sqlite")
        around = Surroundings(
            store=Store(database, CALLER.account, CALLER.region),
            profile=profiles.load(settings.path("AWS_CONFIG_FILE"), "local"),
            credentials=CredentialsEndpoint(1),
            installs=settings.installs,
            scratch=self.scratch,
            logs=home / "logs",
            minute=60,
            log_interval=5,
            event_logs=EventLogs(home / "eventlogs"),
            live=LiveUis(b"a key of the test, of thirty-two b"),
            warm=WarmWorkers(self.scratch, home / "logs"),
        )
        machine = Machine.here()
        applications = Applications(around.store, around.installs, NoWorkers())
        self.store = SessionStore(database)
        scheduler = Scheduler(applications, machine, around)
        self.sessions = Sessions(
            self.store, applications, scheduler, machine, around, "https://localhost:1", clock=clock
        )
        request = {"type": "SPARK", "releaseLabel": "emr-spark-8.0.0", "clientToken": "a"}
        self.application = applications.create(
            CALLER, request | {"interactiveConfiguration": {"sessionEnabled": True}}
        ).id

    def start(self, **changes: object) -> str:
        request = {"applicationId": self.application, "clientToken": "t", "executionRoleArn": ROLE} | changes
        return self.sessions.start(CALLER, request).id

    def get(self, id: str) -> Session:
        return self.sessions.get(self.application, id)

    def wait(self, id: str, state: str) -> Session:
        wait_until(f"session {id} in {state}", lambda: self.get(id).state in (state, "FAILED"), 120)
        assert self.get(id).state == state, self.get(id).state_details
        return self.get(id)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """S3 and STS, which give the execution role's credentials."""
    with run_service("s3", tmp_path_factory.mktemp("emr-session-parts")) as s3:
        install.ensure("spark", s3.settings, lambda text: print(f"spark: {text}", file=sys.stderr))
        yield s3.settings


@pytest.fixture
def settings(running: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As the service's environment has them: the role is assumed where the profile says."""
    for name in ("AWS_CONFIG_FILE", "AWS_PROFILE"):
        monkeypatch.setenv(name, running[name])
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # boto3 keeps what it read at its first client
    return running


@contextmanager
def world(settings: Settings, home: Path) -> Iterator[World]:
    made = World(settings, home, Clock())
    try:
        yield made
    finally:
        made.sessions.close()


def test_idle_timeout_tokens_and_the_server_s_own(settings: Settings, tmp_path: Path) -> None:
    with world(settings, tmp_path) as here:
        id = here.start(idleTimeoutMinutes=90)
        here.wait(id, "STARTED")
        assert processes(f"/_velodrome/credentials/{id}")

        url, token, expires_at = here.sessions.endpoint(here.application, id)
        assert (url, expires_at) == ("https://localhost:1", here.clock.now + TOKEN_SECONDS)
        route = here.sessions.route(token)
        assert route is not None and route.session_id == id
        # The server itself refuses whoever has not been let through.
        with grpc.insecure_channel(f"127.0.0.1:{route.port}") as channel:
            for own, code in (("wrong", "UNAUTHENTICATED"), (route.server_token, "INTERNAL")):
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary(CONFIG)(b"", metadata=[("authorization", f"Bearer {own}")], timeout=30)
                assert caught.value.code().name == code

        here.clock.now += TOKEN_SECONDS - 1
        assert here.sessions.route(token) == route
        here.clock.now += 1
        assert here.sessions.route(token) is None
        assert here.sessions.route("another") is None

        # An hour has gone; what a client does begins the 90 minutes anew, and a query stops the clock.
        here.sessions.call_begins(id, "AnalyzePlan")
        here.sessions.call_ends(id, "AnalyzePlan")
        assert here.get(id).idle_since == here.clock.now
        here.sessions.call_begins(id, "ExecutePlan")
        here.sessions.call_begins(id, "ReattachExecute")
        assert (here.get(id).state, here.get(id).idle_since) == ("BUSY", None)
        here.clock.now += 100 * 60
        here.sessions.call_ends(id, "ExecutePlan")
        assert here.get(id).state == "BUSY"
        _, token, _ = here.sessions.endpoint(here.application, id)
        here.sessions.call_ends(id, "ReattachExecute")
        assert (here.get(id).state, here.get(id).idle_since) == ("IDLE", here.clock.now)
        here.clock.now += 90 * 60 - 1
        assert here.get(id).state == "IDLE"
        here.clock.now += 1
        ended = here.wait(id, "TERMINATED")
        assert ended.state_details == "Session was idle for its idle timeout of 90 minutes"
        assert (ended.ended_at, ended.process) == (here.clock.now, None)
        assert here.sessions.route(token) is None
        assert processes(id) == []
        assert here.sessions.active(here.application) == []


def test_what_is_not_installed(settings: Settings, tmp_path: Path) -> None:
    """An application whose release was removed after it was made: its sessions fail with what to do."""
    installs = tmp_path / "installs"
    installs.mkdir()
    for name in ("spark", "jars"):
        (installs / name).symlink_to(settings.installs / name)
    with world(Settings({**settings, "VELODROME_INSTALLS": str(installs)}), tmp_path) as here:
        (installs / "jars").unlink()
        id = here.start()
        wait_until("the session to fail", lambda: here.get(id).state == "FAILED")
        assert here.get(id).state_details == (
            "The session could not be started: Release label emr-spark-8.0.0 is not installed in Velodrome: "
            "run `velodrome emr install emr-spark-8.0.0`"
        )


def test_a_session_whose_log_cannot_be_opened_ends(settings: Settings, tmp_path: Path) -> None:
    with world(settings, tmp_path) as here:
        place = tmp_path / "logs" / "applications" / here.application / "sessions"
        place.parent.mkdir(parents=True)
        place.write_text("no folder", encoding="utf-8")
        id = here.start()
        wait_until("the session to fail", lambda: here.get(id).state == "FAILED")
        assert here.get(id).state_details.startswith("The session could not be started: [Errno 20] Not a directory: ")
        assert here.sessions.active(here.application) == []


def test_a_role_that_cannot_be_assumed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{free_port()}")
    with world(settings, tmp_path) as here:
        id = here.start()
        wait_until("the session to fail", lambda: here.get(id).state == "FAILED", 60)
        assert here.get(id).state_details.startswith(
            f"Could not assume runtime role {ROLE} because it doesn't exist or isn't setup with the required trust "
            "relationship. "
        )


@pytest.mark.parametrize(("noted", "state"), [(True, "FAILED"), (False, "FAILED"), (True, "TERMINATED")])
def test_a_server_that_a_killed_service_left(settings: Settings, tmp_path: Path, noted: bool, state: str) -> None:
    with world(settings, tmp_path) as here:
        here.store.add("00s", here.application, {"executionRoleArn": ROLE}, {}, here.clock.now)
        here.store.move("00s", "TERMINATING" if state == "TERMINATED" else "STARTING", "", here.clock.now)
        (here.scratch / "00s").mkdir(parents=True)
        command = [sys.executable, "-c", "import signal; signal.pause()", "-Dvelodrome.job=00s"]
        orphan = subprocess.Popen(command, start_new_session=True)
        if noted:
            here.store.set_process("00s", orphan.pid)
        else:
            wait_until("the orphan to be seen", lambda: orphan.pid in processes("velodrome.job=00s"))
        here.sessions.recover()
        assert orphan.wait(10) == -9
        session = here.get("00s")
        assert (session.state, session.state_details) == (
            state,
            "EMR Serverless was stopped while the session was active; its processes were ended",
        )
        assert not (here.scratch / "00s").exists()
