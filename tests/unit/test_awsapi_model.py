"""Requests read and replies written by botocore's model of the service."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from velodrome.awsapi import errors, parse, serialize
from velodrome.awsapi.app import Api
from velodrome.awsapi.caller import Caller
from velodrome.awsapi.errors import CommonError, SerializationException, ServiceError
from velodrome.awsapi.http import Reply, Request
from velodrome.awsapi.model import Service
from velodrome.emr_serverless import errors as emr_errors

SERVICE = Service("emr-serverless")
ROLE = "arn:aws:iam::000000000000:role/r"


class Anyone:
    """Lets everybody in: signatures are another file's."""

    def verify(self, request: Request) -> Caller:
        return Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:user/velodrome")


ANYONE = Anyone()


class Handlers:
    """Answers one operation with what it was given, and another with a mistake."""

    def __init__(self) -> None:
        self.given: Mapping[str, Any] = {}

    def start_job_run(self, caller: Caller, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.given = parameters
        return {"applicationId": parameters["applicationId"], "jobRunId": "00j", "arn": "a" * 60}

    def list_job_runs(self, caller: Caller, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.given = parameters
        return {"jobRuns": []}

    def get_application(self, caller: Caller, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"application": {"surprise": 1}}


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


def send(handlers: Handlers, method: str, path: str, body: object = None, query: str = "") -> tuple[Reply, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    reply = Api(SERVICE, handlers, ANYONE).answer(Request(method, path, query, {}, content))
    return reply, json.loads(reply.body)


def start(**changes: object) -> dict[str, Any]:
    body = {"clientToken": "t", "executionRoleArn": ROLE, "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/k"}}}
    return {name: value for name, value in (body | changes).items() if value is not None}


def test_members_come_from_path_and_body(handlers: Handlers) -> None:
    reply, content = send(handlers, "POST", "/applications/00a/jobruns", start(name="n", unknown=1))
    assert (reply.status, content["jobRunId"]) == (200, "00j")
    assert handlers.given == start(name="n") | {"applicationId": "00a"}


def test_members_come_from_the_query_string(handlers: Handlers) -> None:
    query = "states=RUNNING&states=FAILED&maxResults=2&createdAtAfter=2026-01-02T03:04:05Z"
    reply, _ = send(handlers, "GET", "/applications/00a/jobruns", query=query)
    assert reply.status == 200
    assert handlers.given == {
        "applicationId": "00a",
        "states": ["RUNNING", "FAILED"],
        "maxResults": 2,
        "createdAtAfter": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    }


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (
            "00a",
            start(executionRoleArn=None),
            "1 validation error detected: Value null at 'executionRoleArn' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            "A%21",
            start(),
            "1 validation error detected: Value 'A!' at 'applicationId' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [0-9a-z]+",
        ),
        (
            "00a",
            start(mode="SLOW"),
            "1 validation error detected: Value 'SLOW' at 'mode' failed to satisfy constraint: "
            "Member must satisfy enum value set: [BATCH, STREAMING]",
        ),
        (
            "00a",
            start(clientToken="t" * 65, executionTimeoutMinutes=1000001),
            f"2 validation errors detected: Value '{'t' * 65}' at 'clientToken' failed to satisfy constraint: "
            "Member must have length less than or equal to 64; Value '1000001' at 'executionTimeoutMinutes' failed to "
            "satisfy constraint: Member must have value less than or equal to 1000000",
        ),
        (
            "00a",
            # The value is sensitive in the model, so that it is not repeated.
            start(jobDriver={"sparkSubmit": {"entryPoint": " "}}),
            "1 validation error detected: Value at 'jobDriver.sparkSubmit.entryPoint' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: .*\S.*",
        ),
        (
            "00a",
            start(tags={"k": "v" * 257}),
            f"1 validation error detected: Value '{'v' * 257}' at 'tags.1.member.value' failed to satisfy constraint: "
            "Member must have length less than or equal to 256",
        ),
    ],
)
def test_constraints_of_the_model(handlers: Handlers, path: str, body: dict[str, Any], message: str) -> None:
    reply, content = send(handlers, "POST", f"/applications/{path}/jobruns", body)
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert content["message"] == message
    assert handlers.given == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (start(name=1), "NUMBER_VALUE can not be converted to a String at 'name'"),
        (
            start(executionTimeoutMinutes="1"),
            "STRING_VALUE can not be converted to a Long at 'executionTimeoutMinutes'",
        ),
        (start(jobDriver=[]), "START_ARRAY can not be converted to a structure at 'jobDriver'"),
        ([], "the body is not a JSON object"),
    ],
)
def test_types_of_the_model(handlers: Handlers, body: object, message: str) -> None:
    reply, content = send(handlers, "POST", "/applications/00a/jobruns", body)
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "SerializationException")
    assert content["message"] == message


def test_operation_without_a_handler_is_refused_by_name(handlers: Handlers) -> None:
    reply, content = send(handlers, "POST", "/applications/00a/sessions", {})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (501, "NotImplementedException")
    assert content["message"] == "StartSession of emr-serverless is not available in Velodrome"


def test_no_operation(handlers: Handlers) -> None:
    reply, content = send(handlers, "PUT", "/nothing")
    assert (reply.status, content["message"]) == (404, "PUT /nothing is no operation")


def test_a_mistake_of_ours_is_an_internal_error(handlers: Handlers) -> None:
    reply, content = send(handlers, "GET", "/applications/00a")
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (500, "InternalServerException")
    assert "surprise" not in content["message"]


def test_every_operation_is_found_by_its_own_path() -> None:
    for name in SERVICE.operations:
        http = SERVICE.operation(name).http
        path = re.sub(r"\{[^}]+\}", "x%2Fy", http["requestUri"])
        found = SERVICE.match(http["method"], path)
        assert found is not None
        assert found[0] == name
        assert set(found[1].values()) <= {"x/y"}


def classes(base: type[errors.AwsError]) -> list[type[errors.AwsError]]:
    return [*base.__subclasses__(), *(one for child in base.__subclasses__() for one in classes(child))]


def test_every_error_of_the_model_has_a_class_and_the_models_status() -> None:
    ours = {one.__name__: one for one in classes(ServiceError) if one.__module__ == emr_errors.__name__}
    assert set(ours) == set(SERVICE.error_shapes())
    for name, error in ours.items():
        handlers = Handlers()
        handlers.list_job_runs = failing(error)  # type: ignore[method-assign]
        reply, content = send(handlers, "GET", "/applications/00a/jobruns")
        assert reply.status == SERVICE.model.shape_for(name).metadata["error"]["httpStatusCode"]
        assert (reply.headers["x-amzn-errortype"], content) == (name, {"message": "text"})


def failing(error: type[errors.AwsError]) -> Any:
    def handler(_caller: Caller, _: Mapping[str, Any]) -> dict[str, Any]:
        raise error("text")

    return handler


def test_common_errors_have_statuses_of_their_own() -> None:
    for error in classes(CommonError):
        assert issubclass(error, CommonError)
        assert 400 <= error.status < 600


def test_replies_are_written_by_shape() -> None:
    shape = SERVICE.operation("GetJobRun").output_shape
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    run = {"createdAt": moment, "state": "RUNNING", "tags": {"a": "b"}, "name": None}
    assert serialize.json_value(shape, {"jobRun": run}) == {
        "jobRun": {"createdAt": 1767225600.0, "state": "RUNNING", "tags": {"a": "b"}}
    }
    with pytest.raises(ValueError, match="JobRun has no wrong"):
        serialize.json_value(shape, {"jobRun": {"wrong": 1}})


def test_every_pattern_of_the_model_can_be_checked() -> None:
    for name in SERVICE.model.shape_names:
        shape = SERVICE.model.shape_for(name)
        if "pattern" in shape.metadata:
            list(parse.violations(shape, "x"))  # raises re.error for one that Python does not know


def test_timestamp_that_is_none() -> None:
    shape = SERVICE.model.shape_for("Date")
    with pytest.raises(SerializationException, match="STRING_VALUE can not be converted to a Timestamp at 'at'"):
        parse.text_value(shape, "yesterday", "at")
