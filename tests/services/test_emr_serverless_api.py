"""EMR Serverless's applications and refusals, through boto3; no job runs here."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from velodrome.awsapi import profile as profiles
from velodrome.runtime import health
from velodrome.runtime.health import NotHealthy
from velodrome.settings import Settings, service_environ
from velodrome.testing import RunningService, free_port, own_settings, run_service, wait_until

ROLE = "arn:aws:iam::000000000000:role/velodrome-emr-runtime"
WORKER: dict[str, Any] = {"workerCount": 1}
SPARK = {"sparkSubmit": {"entryPoint": "s3://nowhere/job.py"}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service("emr-serverless", tmp_path_factory.mktemp("emr-api")) as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def emr(service: RunningService) -> Any:
    return client(service.settings)


def client(settings: Settings, **changes: Any) -> Any:
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), "local")
    given = {
        "region_name": profile.region,
        "endpoint_url": profile.endpoint("emr_serverless"),
        "aws_access_key_id": profile.access_key_id,
        "aws_secret_access_key": profile.secret_access_key,
        "config": Config(retries={"total_max_attempts": 1}),
    }
    session = boto3.session.Session(botocore_session=changes.pop("session", None))
    return session.client("emr-serverless", **(given | changes))


def create(emr: Any, **changes: Any) -> str:
    return str(
        emr.create_application(**({"releaseLabel": "emr-spark-8.0.0", "type": "SPARK"} | changes))["applicationId"]
    )


def start_job(emr: Any, application: str, **changes: Any) -> Any:
    return emr.start_job_run(**({"applicationId": application, "executionRoleArn": ROLE, "jobDriver": SPARK} | changes))


@contextmanager
def refused(code: str, status: int, message: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response
    assert (error["Error"]["Code"], error["Error"]["Message"]) == (code, message)
    assert error["ResponseMetadata"]["HTTPStatusCode"] == status


def created(emr: Any) -> str:
    return create(emr)


def started(emr: Any) -> str:
    application = create(emr)
    emr.start_application(applicationId=application)
    return application


def stopped(emr: Any) -> str:
    application = started(emr)
    emr.stop_application(applicationId=application)
    return application


def terminated(emr: Any) -> str:
    application = created(emr)
    emr.delete_application(applicationId=application)
    return application


STATES: dict[str, Callable[[Any], str]] = {
    "CREATED": created,
    "STARTED": started,
    "STOPPED": stopped,
    "TERMINATED": terminated,
}
# Operation → state before → state after, or the states that the operation wants.
LIFECYCLE: dict[str, dict[str, str | list[str]]] = {
    "start_application": {
        "CREATED": "STARTED",
        "STARTED": "STARTED",
        "STOPPED": "STARTED",
        "TERMINATED": ["CREATED", "STOPPED"],
    },
    "stop_application": {
        "CREATED": "STOPPED",
        "STARTED": "STOPPED",
        "STOPPED": "STOPPED",
        "TERMINATED": ["CREATED", "STARTED"],
    },
    "delete_application": {
        "CREATED": "TERMINATED",
        "STARTED": ["CREATED", "STOPPED"],
        "STOPPED": "TERMINATED",
        "TERMINATED": ["CREATED", "STOPPED"],
    },
}


def state(emr: Any, application: str) -> str:
    return str(emr.get_application(applicationId=application)["application"]["state"])


@pytest.mark.parametrize(("operation", "before"), [(operation, before) for operation in LIFECYCLE for before in STATES])
def test_lifecycle(emr: Any, operation: str, before: str) -> None:
    application = STATES[before](emr)
    assert state(emr, application) == before
    after = LIFECYCLE[operation][before]
    if isinstance(after, str):
        getattr(emr, operation)(applicationId=application)
        assert state(emr, application) == after
        return
    wanted = f"Application {application} must be in one of the following statuses [{', '.join(after)}]."
    with refused("ValidationException", 400, f"{wanted} Current status: {before}"):
        getattr(emr, operation)(applicationId=application)
    assert state(emr, application) == before


def test_what_was_given_comes_back(emr: Any) -> None:
    given: dict[str, Any] = {
        "name": "bike-store",
        "tags": {"project": "bike store"},
        "maximumCapacity": {"cpu": "4 vCPU", "memory": "16 GB"},
        "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 5},
        "workerTypeSpecifications": {"Driver": {}, "Executor": {}},
        "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"spark.a": "b"}}],
    }
    reply = emr.create_application(releaseLabel="emr-spark-8.0.0", type="SPARK", **given)
    id = reply["applicationId"]
    assert reply["arn"] == f"arn:aws:emr-serverless:us-east-1:000000000000:/applications/{id}"
    application = emr.get_application(applicationId=id)["application"]
    assert given.items() <= application.items()
    assert (application["type"], application["architecture"], application["autoStartConfiguration"]) == (
        "Spark",
        "X86_64",
        {"enabled": True},
    )
    assert application["createdAt"] <= application["updatedAt"]
    assert reply["ResponseMetadata"]["RequestId"]


def test_what_a_job_was_given_comes_back(service: RunningService) -> None:
    session = botocore.session.Session()
    # The service's own model: the tests' SDK may be an older one.
    (data,) = service.settings.installs.glob("emr-serverless/lib/python3*/site-packages/botocore/data")
    session.set_config_variable("data_path", str(data))
    emr = client(service.settings, session=session)
    network = {"subnetIds": ["subnet-0123456789abcdef0"], "securityGroupIds": ["sg-0123456789abcdef0"]}
    application = create(emr, networkConfiguration=network)
    given = {
        "flexExecution": {"enabled": True},
        "mode": "BATCH",
        "name": "flexible",
        "retryPolicy": {"maxAttempts": 2},
        "executionTimeoutMinutes": 7,
        "tags": {"a": "b"},
        "executionIamPolicy": {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]},
        "configurationOverrides": {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/l"}}},
    }
    job = start_job(emr, application, **given)["jobRunId"]
    run = emr.get_job_run(applicationId=application, jobRunId=job)["jobRun"]
    assert given.items() <= run.items()
    assert run["networkConfiguration"] == network
    (summary,) = emr.list_job_runs(applicationId=application)["jobRuns"]
    attempts = emr.list_job_run_attempts(applicationId=application, jobRunId=job)["jobRunAttempts"]
    assert [one["flexExecution"] for one in (summary, *attempts)] == [{"enabled": True}] * (1 + len(attempts))


def test_each_region_has_its_own(service: RunningService, emr: Any) -> None:
    there = client(service.settings, region_name="eu-west-1")
    token = str(uuid.uuid4())
    here, other = create(emr, clientToken=token), create(there, clientToken=token)
    assert here != other
    arn = there.get_application(applicationId=other)["application"]["arn"]
    assert arn == f"arn:aws:emr-serverless:eu-west-1:000000000000:/applications/{other}"
    assert [one["id"] for one in there.list_applications()["applications"]] == [other]
    assert other not in {one["id"] for one in emr.list_applications(maxResults=50)["applications"]}
    job = start_job(there, other)
    assert job["arn"] == f"{arn}/jobruns/{job['jobRunId']}"
    ids = {"applicationId": other, "jobRunId": job["jobRunId"]}
    run = there.get_job_run(**ids)["jobRun"]
    assert (run["arn"], run["createdBy"]) == (job["arn"], "arn:aws:iam::000000000000:user/velodrome")
    there.tag_resource(resourceArn=job["arn"], tags={"a": "b"})
    for call in (
        lambda: emr.get_application(applicationId=other),
        lambda: emr.update_application(applicationId=other),
        lambda: emr.start_application(applicationId=other),
        lambda: emr.stop_application(applicationId=other),
        lambda: emr.delete_application(applicationId=other),
        lambda: start_job(emr, other),
        lambda: emr.get_job_run(**ids),
        lambda: emr.cancel_job_run(**ids),
        lambda: emr.list_job_run_attempts(**ids),
        lambda: emr.get_dashboard_for_job_run(**ids),
        lambda: emr.get_resource_dashboard(applicationId=other, resourceId="0", resourceType="SESSION"),
        lambda: emr.start_session(applicationId=other, executionRoleArn=ROLE),
        lambda: emr.get_session(applicationId=other, sessionId="0"),
        lambda: emr.get_session_endpoint(applicationId=other, sessionId="0"),
        lambda: emr.terminate_session(applicationId=other, sessionId="0"),
        lambda: emr.list_sessions(applicationId=other),
    ):
        with refused("ResourceNotFoundException", 404, f"Application {other} does not exist"):
            call()
    with refused("ValidationException", 400, f"Application {other} does not exist"):
        emr.list_job_runs(applicationId=other)
    with refused("ResourceNotFoundException", 404, f"Resource {job['arn']} does not exist"):
        emr.list_tags_for_resource(resourceArn=job["arn"])


def test_client_token(emr: Any) -> None:
    token = str(uuid.uuid4())
    first = create(emr, clientToken=token, name="one")
    assert create(emr, clientToken=token, name="one") == first
    with refused("ConflictException", 409, f"The client token {token} was used with other parameters before"):
        create(emr, clientToken=token, name="two")


def test_pages_and_states(emr: Any) -> None:
    mine = [create(emr, name="page") for _ in range(5)]
    emr.delete_application(applicationId=mine[0])
    pages = emr.get_paginator("list_applications").paginate(PaginationConfig={"PageSize": 2})
    listed = [application["id"] for page in pages for application in page["applications"]]
    assert [id for id in listed if id in mine] == mine[:0:-1]
    assert len(listed) == len(set(listed))
    ended = emr.list_applications(states=["TERMINATED"], maxResults=50)["applications"]
    assert mine[0] in [application["id"] for application in ended]
    with refused("ValidationException", 400, "Invalid nextToken"):
        emr.list_applications(nextToken="bm90aGluZw==")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "HIVE"}, "Application type HIVE is not available in Velodrome; only SPARK is"),
        (
            {"releaseLabel": "emr-6.9.0"},
            "Release label emr-6.9.0 is not available in Velodrome; emr-7.0.0 and later are: `velodrome emr releases`",
        ),
        (
            {"imageConfiguration": {"imageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/image:tag"}},
            "imageConfiguration is not available in Velodrome",
        ),
        (
            {
                "workerTypeSpecifications": {
                    "Driver": {"imageConfiguration": {"imageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/i:t"}},
                    "Executor": {},
                }
            },
            "workerTypeSpecifications.Driver.imageConfiguration is not available in Velodrome",
        ),
        (
            {"workerTypeSpecifications": {"Driver": {}}},
            "workerTypeSpecifications must contain all valid worker types for a Spark application: Driver and Executor",
        ),
        (
            {"interactiveConfiguration": {"livyEndpointEnabled": True}},
            "interactiveConfiguration.livyEndpointEnabled is not available in Velodrome",
        ),
        (
            {"schedulerConfiguration": {"queueTimeoutMinutes": 14}},
            "schedulerConfiguration.queueTimeoutMinutes must be between 15 and 720, not 14",
        ),
        (
            {"schedulerConfiguration": {"maxConcurrentRuns": 1001}},
            "schedulerConfiguration.maxConcurrentRuns must be between 1 and 1000, not 1001",
        ),
        (
            {"initialCapacity": {"HIVE_DRIVER": {"workerCount": 1}}},
            "Worker type HIVE_DRIVER is not supported for application type Spark. "
            "Supported worker types: [DRIVER, EXECUTOR]",
        ),
        (
            {
                "initialCapacity": {"DRIVER": {"workerCount": 2}},
                "maximumCapacity": {"cpu": "4 vCPU", "memory": "32 GB"},
            },
            "The initial capacity exceeds the maximum capacity of the application: [cpu]",
        ),
        (
            {"initialCapacity": {"Driver": WORKER | {"workerConfiguration": {"cpu": "3 vCPU", "memory": "8 GB"}}}},
            "Unsupported worker configuration for the driver: 3 vCPU. Each worker can have 1, 2, 4, 8, 16 vCPUs.",
        ),
        (
            {"initialCapacity": {"Executor": WORKER | {"workerConfiguration": {"cpu": "1 vCPU", "memory": "9 GB"}}}},
            "Unsupported worker configuration for the executor: 1 vCPU with 9 GB memory. "
            "A worker with 1 vCPU has minimum 2 GB, maximum 8 GB, in 1 GB increments.",
        ),
        (
            {
                "initialCapacity": {
                    "DRIVER": WORKER | {"workerConfiguration": {"cpu": "1 vCPU", "memory": "2 GB", "disk": "500 GB"}}
                }
            },
            "Unsupported worker configuration for the driver: 500 GB disk. "
            "A worker must have minimum 20 GB, maximum 200 GB of disk.",
        ),
        (
            {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3:///logs"}}},
            "logUri must name a bucket, not s3:///logs",
        ),
        (
            {"tags": {"aws:cloudformation": "a"}},
            "Tag keys may not start with the reserved prefix aws:: aws:cloudformation",
        ),
        (
            {"runtimeConfiguration": [{"classification": "hive-site"}]},
            "The classification hive-site is not available in Velodrome; there are: spark-defaults, "
            "spark-driver-log4j2, spark-executor-log4j2, spark",
        ),
        (
            {"monitoringConfiguration": {"cloudWatchLoggingConfiguration": {"enabled": True}}},
            "monitoringConfiguration.cloudWatchLoggingConfiguration is not available in Velodrome",
        ),
    ],
)
def test_an_application_with_what_is_not_there(emr: Any, changes: dict[str, Any], message: str) -> None:
    with refused("ValidationException", 400, message):
        create(emr, **changes)


def spark(**changes: Any) -> dict[str, Any]:
    return {"jobDriver": {"sparkSubmit": SPARK["sparkSubmit"] | changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"jobDriver": {"hive": {"query": "q"}}},
            "The job driver hive is not available in Velodrome; only sparkSubmit is",
        ),
        ({"retryPolicy": {"maxAttempts": 11}}, "retryPolicy.maxAttempts must be between 1 and 10, not 11"),
        (
            {"mode": "STREAMING", "retryPolicy": {"maxAttempts": 2}},
            "retryPolicy.maxAttempts is not applicable for STREAMING mode",
        ),
        (
            {"retryPolicy": {"maxFailedAttemptsPerHour": 2}},
            "retryPolicy.maxFailedAttemptsPerHour is not applicable for BATCH mode",
        ),
        (spark(entryPoint="/etc/passwd"), "The entry point /etc/passwd must start with s3://"),
        (
            spark(sparkSubmitParameters="--deploy-mode cluster"),
            "sparkSubmitParameters: --deploy-mode is set by EMR Serverless",
        ),
        (
            spark(sparkSubmitParameters="--conf spark.master=yarn"),
            "The Spark setting spark.master is set by EMR Serverless",
        ),
        (spark(sparkSubmitParameters="--conf a"), "sparkSubmitParameters: --conf a is not NAME=VALUE"),
        (spark(sparkSubmitParameters="--conf"), "sparkSubmitParameters: --conf has no value"),
        (spark(sparkSubmitParameters="--jars /x.jar"), "spark.jars: /x.jar must start with s3://"),
        (spark(sparkSubmitParameters="'"), "sparkSubmitParameters cannot be read: No closing quotation"),
        (
            spark(sparkSubmitParameters="--conf spark.driver.memory=much"),
            "'much' is no size of memory, such as 2g",
        ),
    ],
)
def test_a_job_with_what_is_not_there(emr: Any, changes: dict[str, Any], message: str) -> None:
    application = create(emr)
    with refused("ValidationException", 400, message):
        start_job(emr, application, **changes)
    assert emr.list_job_runs(applicationId=application)["jobRuns"] == []
    assert state(emr, application) == "CREATED"


def test_a_job_where_nothing_may_start_by_itself(emr: Any) -> None:
    application = create(emr, autoStartConfiguration={"enabled": False})
    wanted = f"Application {application} must be in one of the following statuses [STARTED]. Current status: CREATED"
    with refused("ValidationException", 400, wanted):
        start_job(emr, application)


def test_what_does_not_exist(emr: Any) -> None:
    for call in (
        emr.get_application,
        emr.start_application,
        emr.stop_application,
        emr.delete_application,
    ):
        with refused("ResourceNotFoundException", 404, "Application 00none does not exist"):
            call(applicationId="00none")
    with refused("ValidationException", 400, "Application 00none does not exist"):
        emr.list_job_runs(applicationId="00none")
    with refused("ResourceNotFoundException", 404, "Application 00none does not exist"):
        start_job(emr, "00none")
    application = create(emr)
    for call in (emr.get_job_run, emr.cancel_job_run, emr.list_job_run_attempts):
        with refused("ResourceNotFoundException", 404, "Job run 00none does not exist"):
            call(applicationId=application, jobRunId="00none")


def test_update(emr: Any) -> None:
    """What is given replaces what was there, of an application that is not started; the rest stays."""
    application = create(emr, name="before", tags={"a": "b"}, architecture="ARM64")
    token = str(uuid.uuid4())
    changes = {"maximumCapacity": {"cpu": "8 vCPU", "memory": "32 GB"}, "schedulerConfiguration": {}}
    reply = emr.update_application(applicationId=application, clientToken=token, **changes)["application"]
    shown = emr.get_application(applicationId=application)["application"]
    assert {**reply, "updatedAt": None} == {**shown, "updatedAt": None}
    assert (shown["name"], shown["architecture"], shown["tags"]) == ("before", "ARM64", {"a": "b"})
    assert shown["maximumCapacity"] == changes["maximumCapacity"]
    assert shown["schedulerConfiguration"] == {"queueTimeoutMinutes": 360, "maxConcurrentRuns": 15}
    emr.start_application(applicationId=application)
    assert emr.update_application(applicationId=application, clientToken=token, **changes)["application"]
    with refused("ValidationException", 400, f"The client token {token} was used with other parameters before"):
        emr.update_application(applicationId=application, clientToken=token, architecture="X86_64")
    wanted = f"Application {application} must be in one of the following statuses [CREATED, STOPPED]."
    with refused("ValidationException", 400, f"{wanted} Current status: STARTED"):
        emr.update_application(applicationId=application, architecture="X86_64")
    emr.stop_application(applicationId=application)
    with refused("ValidationException", 400, "Application type HIVE is not available in Velodrome; only SPARK is"):
        create(emr, type="HIVE")
    emr.update_application(applicationId=application, architecture="X86_64")
    assert emr.get_application(applicationId=application)["application"]["architecture"] == "X86_64"


def test_an_update_is_checked_as_a_whole(emr: Any) -> None:
    application = create(emr, initialCapacity={"DRIVER": {"workerCount": 2}})
    message = "The initial capacity exceeds the maximum capacity of the application: [cpu, memory]"
    with refused("ValidationException", 400, message):
        emr.update_application(applicationId=application, maximumCapacity={"cpu": "4 vCPU", "memory": "16 GB"})
    assert "maximumCapacity" not in emr.get_application(applicationId=application)["application"]


def test_tags(emr: Any) -> None:
    application = create(emr, tags={"a": "1"})
    arn = emr.get_application(applicationId=application)["application"]["arn"]
    emr.tag_resource(resourceArn=arn, tags={"b": "2", "a": "3"})
    assert emr.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3", "b": "2"}
    assert emr.get_application(applicationId=application)["application"]["tags"] == {"a": "3", "b": "2"}
    emr.untag_resource(resourceArn=arn, tagKeys=["a", "none"])
    assert emr.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    with refused("ValidationException", 400, "A resource can have at most 50 tags, not 51"):
        emr.tag_resource(resourceArn=arn, tags={f"t{number}": "" for number in range(50)})
    assert emr.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    job = start_job(emr, application, tags={"of": "a job"})
    emr.tag_resource(resourceArn=job["arn"], tags={"more": "of it"})
    run = emr.get_job_run(applicationId=application, jobRunId=job["jobRunId"])["jobRun"]
    assert (
        run["tags"]
        == emr.list_tags_for_resource(resourceArn=job["arn"])["tags"]
        == {
            "of": "a job",
            "more": "of it",
        }
    )
    for other in (f"{arn}0", f"{job['arn']}0", arn.replace("us-east-1", "eu-west-1")):
        with refused("ResourceNotFoundException", 404, f"Resource {other} does not exist"):
            emr.list_tags_for_resource(resourceArn=other)


def test_states_group_a_list(emr: Any) -> None:
    one, two, three = started(emr), stopped(emr), started(emr)
    listed = emr.list_applications(states=["STOPPED", "STARTED"], maxResults=50)["applications"]
    assert [entry["id"] for entry in listed if entry["id"] in (one, two, three)] == [two, three, one]


def test_the_service_alone(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    command = [str(Path(sys.executable).with_name("velodrome")), "emr-serverless"]
    process = subprocess.Popen(command, env=service_environ(settings), stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(2)]
            wait_until("EMR Serverless", lambda: process.poll() is not None or answers(settings))
            assert client(settings).list_applications()["applications"] == []
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode in (0, -signal.SIGINT)
    assert said == [
        f"EMR Serverless: {settings['EMR_SERVERLESS_ENDPOINT_URL']}; S3 and STS: {settings['S3_ENDPOINT_URL']}\n",
        f"Next, in another shell: export AWS_CONFIG_FILE={settings['AWS_CONFIG_FILE']} AWS_PROFILE=local\n",
    ]


def answers(settings: Settings) -> bool:
    try:
        health.emr_serverless(settings, 0)
    except NotHealthy:
        return False
    return True


def test_an_idle_application_stops_by_itself(tmp_path: Path) -> None:
    with run_service("emr-serverless", tmp_path, {"EMR_SERVERLESS_MINUTE": "0.5"}) as running:
        emr = client(running.settings)
        idle = create(emr, autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 1})
        kept = create(emr, autoStopConfiguration={"enabled": False})
        for application in (idle, kept):
            emr.start_application(applicationId=application)
        wait_until("the idle application to stop", lambda: state(emr, idle) == "STOPPED")
        details = emr.get_application(applicationId=idle)["application"]["stateDetails"]
        assert details == "AUTO_STOPPING: The application was idle for the configured time"
        assert state(emr, kept) == "STARTED"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EMR_SERVERLESS_MINUTE": "soon"}, "setting EMR_SERVERLESS_MINUTE='soon' is not a positive number"),
        ({"EMR_SERVERLESS_LOG_INTERVAL": "0"}, "setting EMR_SERVERLESS_LOG_INTERVAL='0' is not a positive number"),
        ({"EMR_SERVERLESS_OVERSIZED": "maybe"}, "setting EMR_SERVERLESS_OVERSIZED='maybe' is none of scale, refuse"),
    ],
)
def test_wrong_settings(tmp_path: Path, service: RunningService, changes: dict[str, str], message: str) -> None:
    python = service.settings.installs / "emr-serverless" / "bin" / "python"
    command = [str(python), "-m", "velodrome.emr_serverless"]
    values = dict(service.settings) | changes | {"VELODROME_HOME": str(tmp_path)}
    values |= {name: str(free_port()) for name in ("EMR_SERVERLESS_PORT", "EMR_SERVERLESS_SESSIONS_PORT")}
    ended = subprocess.run(command, env=values, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (1, f"error: {message}\n")


def test_a_wrong_key(service: RunningService) -> None:
    with pytest.raises(ClientError) as caught:
        client(service.settings, aws_secret_access_key="wrong").list_applications()
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_client_that_leaves_in_the_middle_of_a_body(service: RunningService) -> None:
    port = service.settings.integer("EMR_SERVERLESS_PORT")
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(b"POST /applications HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    # They were there before this one, which is answered; what they log is looked for when the service has ended.
    assert urlopen(f"http://127.0.0.1:{port}/_velodrome/health").status == 200
    assert "Traceback" not in service.log


def test_health_needs_no_key(service: RunningService) -> None:
    url = f"{service.settings['EMR_SERVERLESS_ENDPOINT_URL']}/_velodrome/health"
    with urlopen(url, timeout=10) as reply:  # noqa: S310
        assert (reply.status, reply.read()) == (200, b'{"status":"ok"}')


def test_applications_survive_a_restart(tmp_path: Path) -> None:
    with run_service("emr-serverless", tmp_path) as running:
        application = started(client(running.settings))
        running.kill()
        with run_service("emr-serverless", tmp_path, running.settings) as again:
            assert state(client(again.settings), application) == "STARTED"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"EMR Serverless cannot listen on 127\.0\.0\.1:\d+ \(EMR_SERVERLESS_PORT\): .*in use"),
        (
            {"EMR_SERVERLESS_PORT": ""},
            r"EMR Serverless cannot listen on 127\.0\.0\.1:\d+ \(EMR_SERVERLESS_SESSIONS_PORT\): .*in use",
        ),
        (
            {"EMR_SERVERLESS_PORT": "", "EMR_SERVERLESS_SESSIONS_PORT": ""},
            r"another EMR Serverless is using .*emr-serverless \(VELODROME_HOME\)",
        ),
    ],
)
def test_a_second_copy_is_refused(service: RunningService, changes: dict[str, str], message: str) -> None:
    values = dict(service.settings) | {name: value or str(free_port()) for name, value in changes.items()}
    python = service.settings.installs / "emr-serverless" / "bin" / "python"
    command = [str(python), "-m", "velodrome.emr_serverless"]
    ended = subprocess.run(command, env=values, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert re.search(f"error: {message}", ended.stderr), ended.stderr
    assert client(service.settings).list_applications()["ResponseMetadata"]["HTTPStatusCode"] == 200
