"""The JSON and query protocols against botocore's own writer of requests and reader of replies."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from velodrome.awsapi.app import Api, Apis
from velodrome.awsapi.caller import Caller
from velodrome.awsapi.http import Reply, Request
from velodrome.awsapi.model import Service
from velodrome.redshift.apis import errors as redshift_errors

MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
REDSHIFT, SERVERLESS = Service("redshift"), Service("redshift-serverless")


class Anyone:
    """Lets everybody in: signatures are another file's."""

    def verify(self, request: Request) -> Caller:
        return Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:user/velodrome")


ANYONE = Anyone()


class Handlers:
    """Keeps what it was given, answers what it is told."""

    def __init__(self, result: dict[str, Any]) -> None:
        self.given: Mapping[str, Any] = {}
        self._result = result

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "delete")):
            raise AttributeError(name)
        return self._answer

    def _answer(self, caller: Caller, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.given = parameters
        return self._result


def sent(service: Service, operation: str, parameters: dict[str, Any]) -> Request:
    """The request as botocore writes it."""
    made = create_serializer(service.protocol).serialize_to_request(parameters, service.operation(operation))
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    headers = {name.lower(): value for name, value in made["headers"].items()}
    return Request(made["method"], made["url_path"], "", headers, body.encode() if isinstance(body, str) else body)


def read(service: Service, operation: str, reply: Reply) -> dict[str, Any]:
    """The reply as botocore reads it."""
    answer = {"headers": reply.headers, "status_code": reply.status, "body": reply.body}
    parser = create_parser(service.protocol)
    return cast("dict[str, Any]", parser.parse(answer, service.operation(operation).output_shape))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "result"),
    [
        (
            REDSHIFT,
            "GetClusterCredentials",
            {"DbUser": "a&b <ü>", "DbGroups": ["x", "y"], "AutoCreate": True, "DurationSeconds": 900},
            {"DbUser": "a&b <ü>", "DbPassword": "\"'", "Expiration": MOMENT},
        ),
        (
            REDSHIFT,
            "DescribeClusters",
            {},
            {"Clusters": [{"Endpoint": {"Address": "h", "Port": 1}, "Encrypted": False, "Tags": []}]},
        ),
        (
            REDSHIFT,
            "CreateTags",
            {"ResourceName": "r", "Tags": [{"Key": "k", "Value": ""}, {"Key": "l"}]},
            {},
        ),
        (SERVERLESS, "GetCredentials", {"workgroupName": "default"}, {"dbUser": "u", "expiration": MOMENT}),
        (SERVERLESS, "ListWorkgroups", {"maxResults": 1}, {"workgroups": [{"creationDate": MOMENT, "port": 5439}]}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_client_sends_and_reads(
    service: Service, operation: str, parameters: dict[str, Any], result: dict[str, Any]
) -> None:
    handlers = Handlers(result)
    reply = Api(service, handlers, ANYONE).answer(sent(service, operation, parameters))
    assert handlers.given == parameters
    found = read(service, operation, reply)
    assert found.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    assert found == result


def test_one_port_for_both() -> None:
    serverless, redshift = Handlers({"workgroups": []}), Handlers({"Clusters": []})
    both = Apis({"RedshiftServerless": Api(SERVERLESS, serverless, ANYONE)}, Api(REDSHIFT, redshift, ANYONE))
    assert read(SERVERLESS, "ListWorkgroups", both.answer(sent(SERVERLESS, "ListWorkgroups", {})))["workgroups"] == []
    assert read(REDSHIFT, "DescribeClusters", both.answer(sent(REDSHIFT, "DescribeClusters", {})))["Clusters"] == []


@pytest.mark.parametrize(
    ("service", "request_", "code", "status"),
    [
        (SERVERLESS, sent(SERVERLESS, "DeleteWorkgroup", {"workgroupName": "abc"}), "NotImplementedException", 501),
        (REDSHIFT, sent(REDSHIFT, "DeleteTags", {"ResourceName": "r", "TagKeys": []}), "NotImplementedException", 501),
        (SERVERLESS, Request("POST", "/", "", {"x-amz-target": "Other.Op"}, b"{}"), "UnknownOperationException", 400),
        (REDSHIFT, Request("POST", "/", "", {}, b"Action=Other"), "InvalidAction", 404),
        (REDSHIFT, Request("POST", "/", "", {}, b"\xff\x00=&=&&"), "InvalidAction", 404),
        (REDSHIFT, Request("POST", "/", "", {}, b"Action=GetClusterCredentials"), "ValidationError", 400),
        (
            REDSHIFT,
            Request("POST", "/", "", {}, b"Action=GetClusterCredentials&DbUser=a&AutoCreate=maybe"),
            "MalformedInput",
            400,
        ),
        (
            SERVERLESS,
            Request("POST", "/", "", {"x-amz-target": "RedshiftServerless.GetWorkgroup"}, b"["),
            "SerializationException",
            400,
        ),
    ],
)  # fmt: skip
def test_refused_requests(service: Service, request_: Request, code: str, status: int) -> None:
    reply = Api(service, Handlers({}), ANYONE).answer(request_)
    found = read(service, service.operations[0], reply)
    assert (found["Error"]["Code"], reply.status) == (code, status)


def test_every_error_is_in_its_service_s_model() -> None:
    assert SERVERLESS.error_status(redshift_errors.ResourceNotFoundException.__name__) == 400
    assert REDSHIFT.error_status(redshift_errors.ClusterNotFoundFault.__name__) == 404
