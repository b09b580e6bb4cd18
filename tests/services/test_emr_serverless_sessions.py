"""EMR Serverless's sessions: a real Spark Connect server each, through boto3 and a stock pyspark client."""

from __future__ import annotations

import datetime
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from emr_serverless_sessions import READY, Stack, result
from emr_serverless_stack import ROLE, client, processes

from velodrome.testing import own_settings, start_service, wait_until

BUCKET = "emr-sessions"
REFUSED = (
    "The token in x-aws-proxy-auth is missing, unknown or expired, or its session has ended; "
    "GetSessionEndpoint gives a new one"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = own_settings(tmp_path_factory.mktemp("emr-sessions"))
    storage = start_service("s3", settings)
    try:
        running = start_service("emr-serverless", settings)
        emr = client("emr-serverless", settings)
        made = Stack(settings, running, emr, create(emr))
        try:
            client("s3", settings).create_bucket(Bucket=BUCKET)
            yield made
            assert "Traceback" not in made.service.log
        finally:
            made.service.stop()
    finally:
        storage.stop()


@pytest.fixture(scope="module")
def session(stack: Stack) -> str:
    """A session that has started, for the tests that only use one."""
    id = stack.start(
        name="shared",
        tags={"team": "data"},
        idleTimeoutMinutes=30,
        configurationOverrides={
            "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"spark.own": "session"}}]
        },
    )
    stack.wait(id, "STARTED")
    return id


def create(emr: Any, **changes: Any) -> str:
    request = {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK", "interactiveConfiguration": {"sessionEnabled": True}}
    properties = {"spark.own": "application", "spark.sql.shuffle.partitions": "2"}
    defaults = [{"classification": "spark-defaults", "properties": properties}]
    return str(emr.create_application(**(request | {"runtimeConfiguration": defaults} | changes))["applicationId"])


@contextmanager
def refused(code: str, status: int, message: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response
    assert (error["Error"]["Code"], error["Error"]["Message"]) == (code, message)
    assert error["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_session_that_has_started(stack: Stack, session: str) -> None:
    shown = stack.session(session)
    assert shown["arn"].endswith(f":/applications/{stack.application}/sessions/{session}")
    assert (shown["name"], shown["state"], shown["stateDetails"]) == ("shared", "STARTED", "")
    assert (shown["releaseLabel"], shown["executionRoleArn"]) == ("emr-spark-8.0.0", ROLE)
    assert (shown["tags"], shown["idleTimeoutMinutes"]) == ({"team": "data"}, 30)
    assert shown["createdAt"] <= shown["startedAt"] == shown["idleSince"]
    assert "endedAt" not in shown
    endpoint = stack.emr.get_session_endpoint(applicationId=stack.application, sessionId=session)
    assert (endpoint["applicationId"], endpoint["sessionId"]) == (stack.application, session)
    assert endpoint["endpoint"] == f"https://localhost:{stack.settings['EMR_SERVERLESS_SESSIONS_PORT']}"
    left = endpoint["authTokenExpiresAt"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=59) < left <= datetime.timedelta(minutes=60)
    assert endpoint["authToken"] not in stack.service.log


def test_queries(stack: Stack, session: str) -> None:
    found = result(stack.connect(stack.token(session), "queries"))
    environment = set(found.pop("environment", ()))
    assert found == {
        "version": "4.0.2",
        "name": "shared",
        "own": "session",
        "sql": [{"one": 1, "text": "é"}],
        "made": [{"key": 1, "text": "a"}, {"key": 2, "text": None}],
        "udf": [0, 2, 4],
        "pandas": 499500,
    }
    # Nothing of the service's environment but what Spark, Python and the SDK need.
    assert not {name for name in environment if name.startswith(("VELODROME", "SOURCE", "REDSHIFT", "AIRFLOW"))}
    assert {"AWS_REGION", "SPARK_HOME", "TMPDIR"} <= environment
    after = stack.session(session)
    assert after["state"] == "IDLE"
    assert after["startedAt"] < after["idleSince"]


def test_messages_larger_than_grpc_s_own_limit(stack: Stack, session: str) -> None:
    size = 6 * 2**20
    assert result(stack.connect(stack.token(session), "large")) == {"sent": size, "received": size}


def test_s3_and_delta(stack: Stack, session: str) -> None:
    s3 = client("s3", stack.settings)
    s3.put_object(Bucket=BUCKET, Key="in/rows.csv", Body=b'key,name\n1,"a, b"\n2,c\n')
    found = result(stack.connect(stack.token(session), "tables", f"s3://{BUCKET}/in/", f"s3://{BUCKET}/out"))
    assert found == {"parquet": 2, "delta": ["a, b", "c"], "versions": 2}
    log = s3.list_objects_v2(Bucket=BUCKET, Prefix="out/delta/_delta_log/")["Contents"]
    assert "out/delta/_delta_log/00000000000000000001.json" in [entry["Key"] for entry in log]


def test_errors_reach_the_client_whole(stack: Stack, session: str) -> None:
    found = result(stack.connect(stack.token(session), "errors"))
    assert (found["class"], found["state"]) == ("TABLE_OR_VIEW_NOT_FOUND", "42P01")
    assert found["message"].startswith("[TABLE_OR_VIEW_NOT_FOUND] The table or view `nothing` cannot be found.")
    assert "SQLSTATE: 42P01; line 1 pos 14" in found["message"]
    assert "org.apache.spark.sql.catalyst.analysis" in found["message"]  # Java's own stack, which details carry
    assert found["long"] > 20000  # beyond the 8 KiB that gRPC takes of metadata unless told otherwise
    assert "ZeroDivisionError: integer division or modulo by zero" in found["thrown"]


def test_busy_while_a_query_runs(stack: Stack, session: str, tmp_path: Path) -> None:
    started, go_on = tmp_path / "started", tmp_path / "go on"
    os.mkfifo(go_on)
    running = stack.connect(stack.token(session), "wait", str(started), str(go_on))
    try:
        wait_until("the query to run", started.exists, 60)
        busy = stack.session(session)
        assert (busy["state"], busy.get("idleSince")) == ("BUSY", None)
        assert [one["sessionId"] for one in listed(stack, states=["BUSY"])] == [session]
    finally:
        with go_on.open("r+b", buffering=0):
            there = result(running)
    assert there == {"there": True}
    wait_until("the session to be idle", lambda: stack.session(session)["state"] == "IDLE")
    assert stack.session(session)["idleSince"] > busy["updatedAt"]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_wrong_token(stack: Stack, session: str, token: str) -> None:
    assert stack.session(session)["state"] in READY
    error = result(stack.connect(token, "queries"))["error"]
    assert "StatusCode.UNAUTHENTICATED" in error and REFUSED in error


def listed(stack: Stack, **parameters: Any) -> list[dict[str, Any]]:
    pages = stack.emr.get_paginator("list_sessions").paginate(applicationId=stack.application, **parameters)
    return [session for page in pages for session in page["sessions"]]


def test_client_token_pages_and_states(stack: Stack) -> None:
    begin = datetime.datetime.now(datetime.UTC)
    first = stack.start(clientToken="one-token", name="first")
    assert stack.start(clientToken="one-token", name="first") == first
    with refused("ConflictException", 409, "The client token one-token was used with other parameters before"):
        stack.start(clientToken="one-token", name="other")
    with_wrong_state = (
        f"Session {first} must be in one of the following statuses [STARTED, IDLE, BUSY]. Current status: "
    )
    with pytest.raises(ClientError, match=re.escape(with_wrong_state) + "(SUBMITTED|STARTING)"):
        stack.token(first)
    second = stack.start(name="second")
    # Ended while they start: what was started of them ends too.
    for id in (first, second):
        ended = stack.terminate(id)
        assert ended["stateDetails"] == "Session was terminated"
        assert ended["createdAt"] <= ended["endedAt"]
        wait_until("its processes to end", lambda id=id: not processes(id))
    since: dict[str, Any] = {"createdAtAfter": begin, "PaginationConfig": {"PageSize": 1}}
    assert [one["name"] for one in listed(stack, **since)] == ["second", "first"]
    assert {one["sessionId"] for one in listed(stack, states=["TERMINATED"], **since)} == {first, second}
    assert listed(stack, states=["FAILED"], **since) == []
    assert listed(stack, createdAtBefore=begin - datetime.timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("application", "changes", "message"),
    [
        (
            {"interactiveConfiguration": {}},
            {},
            "Interactive sessions are not enabled for application {id}. "
            "Set sessionEnabled to true in its interactiveConfiguration",
        ),
        (
            {"autoStartConfiguration": {"enabled": False}},
            {},
            "Application {id} must be in one of the following statuses [STARTED]. Current status: CREATED",
        ),
        (
            {},
            {"classification": "spark-defaults", "properties": {"spark.master": "local"}},
            "The Spark setting spark.master is set by EMR Serverless",
        ),
        (
            {},
            {"classification": "spark-defaults", "properties": {"spark.driver.memory": "much"}},
            "'much' is no size of memory, such as 2g",
        ),
        (
            {},
            {"classification": "hive-site", "properties": {}},
            "The classification hive-site is not available in Velodrome; "
            "there are: spark-defaults, spark-driver-log4j2, spark-executor-log4j2, spark",
        ),
    ],
)
def test_a_session_that_cannot_be(
    stack: Stack, application: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    id = create(stack.emr, **application)
    request = {"configurationOverrides": {"runtimeConfiguration": [changes]}} if changes else {}
    with refused("ValidationException", 400, message.format(id=id)):
        stack.start(applicationId=id, **request)
    assert stack.emr.list_sessions(applicationId=id)["sessions"] == []
    assert stack.emr.get_application(applicationId=id)["application"]["state"] == "CREATED"


def test_what_does_not_exist(stack: Stack) -> None:
    for operation in (stack.emr.get_session, stack.emr.get_session_endpoint, stack.emr.terminate_session):
        with refused("ResourceNotFoundException", 404, "Session 00b does not exist"):
            operation(applicationId=stack.application, sessionId="00b")
        with refused("ResourceNotFoundException", 404, "Application 00a does not exist"):
            operation(applicationId="00a", sessionId="00b")
    with refused("ResourceNotFoundException", 404, "Application 00a does not exist"):
        stack.emr.list_sessions(applicationId="00a")
    with refused("ResourceNotFoundException", 404, "Application 00a does not exist"):
        stack.start(applicationId="00a")


def keys(s3: Any, prefix: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def test_terminate(stack: Stack) -> None:
    logs = {"s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/log/"}}
    application = create(stack.emr, monitoringConfiguration=logs)
    mine = Stack(stack.settings, stack.service, stack.emr, application)
    id = mine.start(tags={"a": "1"})
    arn = mine.wait(id, "STARTED")["arn"]
    stack.emr.tag_resource(resourceArn=arn, tags={"b": "2"})
    assert mine.session(id)["tags"] == stack.emr.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "2"}
    token = mine.token(id)
    assert processes(id)
    with refused(
        "ValidationException",
        400,
        f"Application {application} cannot be stopped while job runs are active: {id}. "
        "All scheduled and running jobs must be completed or cancelled before stopping an application.",
    ):
        stack.emr.stop_application(applicationId=application)
    reply = stack.emr.terminate_session(applicationId=application, sessionId=id)
    assert (reply["applicationId"], reply["sessionId"]) == (application, id)
    ended = mine.terminate(id)  # again: nothing changes
    assert ended["stateDetails"] == "Session was terminated"
    seconds = ended["totalExecutionDurationSeconds"]
    assert seconds - 1 < (ended["endedAt"] - ended["startedAt"]).total_seconds() <= seconds
    # A driver and three executors of 4 vCPU; billed for a minute at least.
    assert ended["totalResourceUtilization"]["vCPUHour"] == pytest.approx(16 * seconds / 3600, abs=0.001)
    assert ended["billedResourceUtilization"]["vCPUHour"] >= 0.267
    place = f"log/applications/{application}/sessions/{id}"
    assert [key.removeprefix(f"{place}/") for key in keys(client("s3", stack.settings), "log/")] == [
        "SPARK_DRIVER/stderr.gz",
        "SPARK_DRIVER/stdout.gz",
        f"sparklogs/eventlog_v2_{id}/appstatus_{id}",
        f"sparklogs/eventlog_v2_{id}/events_1_{id}",
    ]
    assert processes(id) == []
    assert not (stack.settings.home / "data" / "emr-serverless" / "scratch" / id).exists()
    with refused(
        "ValidationException",
        400,
        f"Session {id} must be in one of the following statuses [STARTED, IDLE, BUSY]. Current status: TERMINATED",
    ):
        mine.token(id)
    assert REFUSED in result(mine.connect(token, "queries"))["error"]
    stack.emr.stop_application(applicationId=application)


def test_capacity(stack: Stack) -> None:
    """A session needs a driver and an executor of 4 vCPU each; one waits until another has ended."""
    application = create(stack.emr, maximumCapacity={"cpu": "8 vCPU", "memory": "32 GB"})
    mine = Stack(stack.settings, stack.service, stack.emr, application)
    first = mine.start()
    mine.wait(first, "STARTED")
    second = mine.start()
    wait_until("the second to wait", lambda: mine.session(second)["stateDetails"] == "Waiting for capacity")
    assert mine.session(second)["state"] == "SUBMITTED"
    assert processes(second) == []
    mine.terminate(first)
    mine.wait(second, "STARTED")
    mine.terminate(second)
    small = create(stack.emr, maximumCapacity={"cpu": "4 vCPU", "memory": "16 GB"})
    mine = Stack(stack.settings, stack.service, stack.emr, small)
    assert mine.wait(mine.start(), "FAILED")["stateDetails"] == (
        "ApplicationMaxCapacityExceededException: Worker could not be allocated as the application has exceeded "
        "maximumCapacity settings: [cpu: 4 vCPU, memory: 16 GB]"
    )


def test_a_server_that_does_not_start(stack: Stack) -> None:
    tiny = [{"classification": "spark-defaults", "properties": {"spark.driver.memory": "1m"}}]
    failed = stack.wait(stack.start(configurationOverrides={"runtimeConfiguration": tiny}), "FAILED")
    assert failed["stateDetails"].startswith("The session's Spark Connect server did not start: it ended with code 1; ")
    assert "Too small maximum heap" in log(stack, failed)


def log(stack: Stack, session: dict[str, Any]) -> str:
    place = Path("applications") / stack.application / "sessions" / session["sessionId"] / "SPARK_DRIVER"
    folder = stack.settings.home / "logs" / "emr-serverless" / place
    return "".join((folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))


def test_a_server_that_dies(stack: Stack) -> None:
    id = stack.start()
    stack.wait(id, "STARTED")
    token = stack.token(id)
    for process in processes(f"velodrome.job={id}"):
        os.kill(process, signal.SIGKILL)
    failed = stack.wait(id, "FAILED")
    assert failed["stateDetails"].startswith("The session's Spark Connect server ended with code -9; ")
    assert REFUSED in result(stack.connect(token, "queries"))["error"]
    with refused(
        "ValidationException",
        400,
        f"Session {id} must be in one of the following statuses "
        "[SUBMITTED, STARTING, STARTED, IDLE, BUSY, TERMINATING]. Current status: FAILED",
    ):
        stack.emr.terminate_session(applicationId=stack.application, sessionId=id)


def test_kill_9_of_the_service(stack: Stack) -> None:
    started = stack.start()
    stack.wait(started, "STARTED")
    starting = stack.start()
    wait_until("its server to be started", lambda: bool(processes(f"velodrome.job={starting}")))
    stack.service.kill()
    assert processes(started)
    stack.service = start_service("emr-serverless", stack.settings)
    for id in (started, starting):
        session = stack.session(id)
        assert (session["state"], session["stateDetails"]) == (
            "FAILED",
            "EMR Serverless was stopped while the session was active; its processes were ended",
        )
        wait_until("the orphans to end", lambda id=id: not processes(id))
    assert listed(stack, states=["SUBMITTED", "STARTING", *READY, "TERMINATING"]) == []


def test_the_service_ends_its_sessions_with_itself(stack: Stack) -> None:
    id = stack.start()
    stack.wait(id, "STARTED")
    stack.service.process.terminate()
    assert stack.service.process.wait(20) in (0, -signal.SIGTERM)
    assert processes(id) == []
    stack.service = start_service("emr-serverless", stack.settings)
    session = stack.session(id)
    assert (session["state"], session["stateDetails"]) == (
        "TERMINATED",
        "EMR Serverless was stopped while the session was active; its processes were ended",
    )
