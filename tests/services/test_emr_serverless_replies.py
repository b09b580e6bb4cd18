"""Every reply of EMR Serverless against botocore's model, as it comes over the wire; and botocore's paginators."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from emr_serverless_stack import BUCKET, JOB_LIMIT, ROLE, WAIT, Stack, running_stack

from velodrome.awsapi.errors import CommonError
from velodrome.testing import wait_until

KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}
FAIL = "raise RuntimeError('no price: ' + 'é€' * 600)"
SUCCEED = "print('done')"


def mismatches(shape: Shape | None, value: Any, path: str) -> Iterator[str]:
    """Where a JSON value is not what the shape says."""
    match shape:
        case None:
            if value:
                yield f"{path}: {value!r}, and the model has no output"
        case StructureShape():
            if not isinstance(value, dict):
                yield f"{path}: {value!r} is no structure"
                return
            yield from (f"{path}.{name} is required" for name in shape.required_members if value.get(name) is None)
            members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
            for name, item in value.items():
                if name not in members:
                    yield f"{path}.{name} is not in the model"
                else:
                    yield from mismatches(members[name], item, f"{path}.{name}")
        case MapShape():
            for key, item in value.items():
                yield from mismatches(shape.key, key, f"{path}.{key} (its key)")
                yield from mismatches(shape.value, item, f"{path}.{key}")
        case ListShape():
            for number, item in enumerate(value):
                yield from mismatches(shape.member, item, f"{path}[{number}]")
        case _:
            kind = KINDS[shape.type_name]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                yield f"{path}: {value!r} is no {shape.type_name}"
            elif isinstance(value, str):
                yield from string_mismatches(shape, value, path)


def string_mismatches(shape: Shape, value: str, path: str) -> Iterator[str]:
    # AWS breaks its own model here: the details of a state that needs none are an empty text, not of length 1 or more.
    if path.endswith(".stateDetails") and not value:
        return
    if (allowed := getattr(shape, "enum", None)) and value not in allowed:
        yield f"{path}: {value!r} is none of {allowed}"
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
    if not least <= len(value) <= most:
        yield f"{path}: {value!r} has {len(value)} characters, the model allows {least} to {most}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value, re.DOTALL):
        yield f"{path}: {value!r} does not match {pattern}"


@dataclass
class Recorder:
    """Looks at every reply that a client gets."""

    seen: dict[str, int] = field(default_factory=dict)
    errors: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __call__(self, http_response: Any, model: OperationModel, **_: Any) -> None:
        if http_response.status_code >= 300:
            self._error(http_response, model)
            return
        name = model.name
        self.seen[name] = self.seen.get(name, 0) + 1
        if http_response.status_code != model.http.get("responseCode", 200):
            self.problems.append(f"{name}: status {http_response.status_code}")
        if not http_response.headers["x-amzn-requestid"] or http_response.headers["content-type"] != "application/json":
            self.problems.append(f"{name}: headers {dict(http_response.headers)}")
        body = json.loads(http_response.content) if http_response.content else {}
        self.problems += mismatches(model.output_shape, body, name)

    def _error(self, http_response: Any, model: OperationModel) -> None:
        code = http_response.headers["x-amzn-errortype"]
        self.errors.setdefault(model.name, set()).add(code)
        declared = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in model.error_shapes}
        declared |= {error.__name__: error.status for error in CommonError.__subclasses__()}
        if declared.get(code) != http_response.status_code:
            self.problems.append(f"{model.name}: {code} with status {http_response.status_code}; declared: {declared}")
        if json.loads(http_response.content).keys() != {"message"}:
            self.problems.append(f"{model.name}: {http_response.content!r}")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("emr-replies")) as made:
        yield made


@pytest.fixture(scope="module")
def recorder(stack: Stack) -> Recorder:
    recorder = Recorder()
    stack.emr.meta.events.register("after-call.emr-serverless.*", recorder)
    return recorder


@pytest.fixture(scope="module")
def runs(stack: Stack, recorder: Recorder) -> dict[str, str]:
    """Job runs of every kind of end, on an application with everything that one can have."""
    emr = stack.emr
    stack.application = stack.create(
        name="everything",
        tags={"a": "b", "empty": ""},
        architecture="ARM64",
        maximumCapacity={"cpu": "16 vCPU", "memory": "64 GB", "disk": "200 GB"},
        autoStartConfiguration={"enabled": True},
        autoStopConfiguration={"enabled": False},
        networkConfiguration={"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        runtimeConfiguration=[{"classification": "spark-defaults", "properties": {"spark.a": "b"}}],
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/logs/"}},
        workerTypeSpecifications={"Driver": {}, "Executor": {}},
        interactiveConfiguration={"studioEnabled": False, "sessionEnabled": True},
        schedulerConfiguration={"maxConcurrentRuns": 1, "queueTimeoutMinutes": 15},
    )
    retried = stack.start(FAIL, name="retried", retryPolicy={"maxAttempts": 2}, tags={"c": "d"})
    queued = stack.start(
        SUCCEED, "a", executionTimeoutMinutes=30, mode="BATCH", sparkSubmitParameters="--conf spark.a=b"
    )
    streaming = stack.start(WAIT, mode="STREAMING", retryPolicy={"maxFailedAttemptsPerHour": 1})
    cancelled = stack.start(WAIT, name="never runs")
    made = {"retried": retried, "queued": queued, "streaming": streaming, "cancelled": cancelled}
    for job in made.values():
        stack.run(job)
    emr.cancel_job_run(applicationId=stack.application, jobRunId=cancelled)
    assert stack.wait(cancelled)["state"] == "CANCELLED"
    assert stack.wait(retried)["state"] == "FAILED"
    assert stack.wait(queued)["state"] == "SUCCESS"
    assert stack.wait(streaming, "RUNNING")["state"] == "RUNNING"
    emr.list_job_runs(applicationId=stack.application)
    emr.cancel_job_run(applicationId=stack.application, jobRunId=streaming, shutdownGracePeriodInSeconds=15)
    stack.run(streaming)
    assert stack.wait(streaming)["state"] == "CANCELLED"
    return made


@pytest.fixture(scope="module")
def sessions(stack: Stack, runs: dict[str, str]) -> list[str]:
    """One that has been used as far as its endpoint, and two that are ended while they start; all TERMINATED."""
    emr, one = stack.emr, {"applicationId": stack.application}
    asked = {
        "idleTimeoutMinutes": 15,
        "tags": {"a": "b"},
        "configurationOverrides": {
            "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"spark.a": "b"}}],
        },
    }
    made = [emr.start_session(executionRoleArn=ROLE, name="all of it", **one, **asked)["sessionId"]]
    wait_for_session(stack, made[0], "STARTED")
    emr.get_session_endpoint(sessionId=made[0], **one)
    emr.get_resource_dashboard(resourceId=made[0], resourceType="SESSION", **one)
    made += [emr.start_session(executionRoleArn=ROLE, **one)["sessionId"] for _ in range(2)]
    emr.list_sessions(**one)
    for id in made:
        emr.terminate_session(sessionId=id, **one)
    for id in made:
        wait_for_session(stack, id, "TERMINATED")
    return made


def wait_for_session(stack: Stack, id: str, state: str) -> None:
    one = {"applicationId": stack.application, "sessionId": id}
    wait_until(
        f"session {id} in {state}",
        lambda: stack.emr.get_session(**one)["session"]["state"] in (state, "FAILED", "TERMINATED"),
        JOB_LIMIT,
    )
    assert stack.emr.get_session(**one)["session"]["state"] == state


def test_replies(stack: Stack, recorder: Recorder, runs: dict[str, str], sessions: list[str]) -> None:
    emr, application = stack.emr, stack.application
    emr.list_sessions(applicationId=application, states=["TERMINATED"])
    emr.get_dashboard_for_job_run(applicationId=application, jobRunId=runs["retried"], attempt=1)
    for job in runs.values():
        stack.run(job)
        emr.list_job_run_attempts(applicationId=application, jobRunId=job)
    emr.get_job_run(applicationId=application, jobRunId=runs["retried"], attempt=1)
    arn = emr.get_application(applicationId=application)["application"]["arn"]
    emr.tag_resource(resourceArn=arn, tags={"e": "f"})
    emr.list_tags_for_resource(resourceArn=arn)
    emr.untag_resource(resourceArn=arn, tagKeys=["e"])
    other = stack.create()
    emr.get_application(applicationId=other)
    emr.update_application(applicationId=other, maximumCapacity={"cpu": "4 vCPU", "memory": "16 GB"})
    emr.start_application(applicationId=other)
    emr.stop_application(applicationId=other)
    emr.delete_application(applicationId=other)
    emr.list_applications(states=["TERMINATED", "STARTED", "CREATED"])
    assert not recorder.problems, "\n".join(sorted(set(recorder.problems)))
    assert set(recorder.seen) == set(emr.meta.service_model.operation_names)


def test_errors_are_those_that_the_operation_declares(stack: Stack, recorder: Recorder) -> None:
    emr, id, job = stack.emr, "00none", {"applicationId": "00none", "jobRunId": "00none"}
    driver = {"sparkSubmit": {"entryPoint": "s3://nowhere/job.py"}}
    arn = "arn:aws:emr-serverless:us-east-1:000000000000:/applications/00none"
    calls: dict[str, dict[str, Any]] = {
        "create_application": {"releaseLabel": "emr-6.9.0", "type": "SPARK"},
        "start_job_run": {"applicationId": id, "executionRoleArn": ROLE, "jobDriver": driver},
        "tag_resource": {"resourceArn": arn, "tags": {"a": "b"}},
        "untag_resource": {"resourceArn": arn, "tagKeys": ["a"]},
        "list_tags_for_resource": {"resourceArn": arn},
        "list_applications": {"nextToken": "nothing="},
        "list_job_runs": {"applicationId": id},
    }
    of_a_job = ("get_job_run", "cancel_job_run", "list_job_run_attempts", "get_dashboard_for_job_run")
    calls |= dict.fromkeys(of_a_job, job)
    session = {"applicationId": id, "sessionId": id}
    calls |= dict.fromkeys(("get_session", "get_session_endpoint", "terminate_session"), session)
    calls |= {
        "start_session": {"applicationId": id, "executionRoleArn": ROLE},
        "list_sessions": {"applicationId": id},
        "get_resource_dashboard": {"applicationId": id, "resourceId": id, "resourceType": "SESSION"},
    }
    calls |= {f"{verb}_application": {"applicationId": id} for verb in ("get", "update", "start", "stop", "delete")}
    for name, parameters in calls.items():
        with pytest.raises(ClientError):
            getattr(emr, name)(**parameters)
    application = stack.create(clientToken="used")
    emr.update_application(applicationId=application, clientToken="used", architecture="ARM64")
    driver_of = {"applicationId": application, "executionRoleArn": ROLE, "jobDriver": driver}
    emr.start_job_run(clientToken="used", **driver_of)
    for name, parameters in {
        "create_application": {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK", "name": "other"},
        "update_application": {"applicationId": application, "architecture": "X86_64"},
        "start_job_run": driver_of | {"name": "other"},
    }.items():
        with pytest.raises(ClientError, match="The client token used was used with other parameters before"):
            getattr(emr, name)(clientToken="used", **parameters)
    assert not recorder.problems, "\n".join(sorted(set(recorder.problems)))
    assert set(recorder.errors) == set(emr.meta.service_model.operation_names)


def listed(stack: Stack, name: str, result: str, size: int, **given: Any) -> list[str]:
    """The ids of all pages; no page is larger than asked for."""
    pages = stack.emr.get_paginator(name).paginate(PaginationConfig={"PageSize": size}, **given)
    found = [[entry.get("id") or entry["sessionId"] for entry in page[result]] for page in pages]
    assert all(len(page) == size for page in found[:-1])
    assert len(found[-1]) <= size
    return [id for page in found for id in page]


@pytest.mark.parametrize("size", [1, 3, 50])
def test_paginators(stack: Stack, runs: dict[str, str], sessions: list[str], size: int) -> None:
    one = {"applicationId": stack.application}
    assert listed(stack, "list_sessions", "sessions", size, **one) == sessions[::-1]
    assert listed(stack, "list_sessions", "sessions", size, states=["STARTED", "TERMINATED"], **one) == sessions[::-1]
    newest_first = list(runs.values())[::-1]
    assert listed(stack, "list_job_runs", "jobRuns", size, **one) == newest_first
    ended = {"states": ["FAILED", "CANCELLED"], "mode": "BATCH"}
    wanted = [runs["retried"], runs["cancelled"]]
    assert listed(stack, "list_job_runs", "jobRuns", size, **one, **ended) == wanted
    attempts = listed(stack, "list_job_run_attempts", "jobRunAttempts", size, jobRunId=runs["retried"], **one)
    assert attempts == [runs["retried"]] * 2
    made = [stack.create(name="page") for _ in range(4)]
    assert listed(stack, "list_applications", "applications", size)[:4] == made[::-1]
    grouped = listed(stack, "list_applications", "applications", size, states=["STARTED", "CREATED"])
    assert grouped.index(stack.application) < grouped.index(made[3])
    assert len(grouped) == len(set(grouped))


def test_a_list_is_resumed(stack: Stack, runs: dict[str, str]) -> None:
    def part(**config: Any) -> Any:
        pages = stack.emr.get_paginator("list_job_runs").paginate(
            applicationId=stack.application, PaginationConfig=config
        )
        return pages.build_full_result()

    newest_first = list(runs.values())[::-1]
    first = part(MaxItems=3, PageSize=2)
    rest = part(StartingToken=first["NextToken"])
    assert [[run["id"] for run in one["jobRuns"]] for one in (first, rest)] == [newest_first[:3], newest_first[3:]]


def test_what_leaves_a_list_between_two_pages(stack: Stack, recorder: Recorder) -> None:
    """The next page begins with what follows, whether or not its first entry is still in the list."""
    made = [stack.create(name="leaves") for _ in range(5)]
    first = stack.emr.list_applications(maxResults=2)
    assert [one["id"] for one in first["applications"]] == made[:2:-1]
    for gone in (made[2], made[4]):
        stack.emr.delete_application(applicationId=gone)
    second = stack.emr.list_applications(maxResults=2, nextToken=first["nextToken"])
    assert [one["id"] for one in second["applications"]] == made[1::-1]
