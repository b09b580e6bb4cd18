"""Requests that no client would make, correctly signed: each gets an error of AWS's, and the service goes on."""

from __future__ import annotations

import datetime
import http.client
import json
import string
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from velodrome.awsapi import errors as common
from velodrome.awsapi import profile as profiles
from velodrome.awsapi.model import Service
from velodrome.testing import RunningService, run_service

EXAMPLES = 1000
MODEL = Service("emr-serverless")
STATUS = {name: MODEL.error_status(name) for name in MODEL.error_shapes()}
STATUS |= {error.__name__: error.status for error in common.CommonError.__subclasses__()}
# In a path: the application that there is, and its ARN. It does not start, so that no garbage of a job runs.
REAL, REAL_ARN = "real-id", "real-arn"
STARTS = ("StartApplication", "DeleteApplication")
SPARK = {"sparkSubmit": {"entryPoint": "s3://b/job.py"}}


@dataclass(frozen=True)
class Sent:
    """A request before it is signed: the path as it is sent, names and values of the query still to be encoded."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """The service, and what signs requests to it."""

    running: RunningService
    profile: profiles.Profile
    connection: http.client.HTTPConnection
    application: dict[str, str] = field(default_factory=dict)

    def make_application(self) -> None:
        """Make the application that REAL stands for."""
        body = GOOD["CreateApplication"] | {"autoStartConfiguration": {"enabled": False}}
        status, _, answer = self.send(Sent("POST", "/applications", body=json.dumps(body).encode()))
        assert status == 200
        self.application = json.loads(answer)

    def existing(self, sent: Sent) -> Sent:
        """The request with what REAL and REAL_ARN stand for."""
        path = sent.path.replace(REAL, self.application["applicationId"])
        return replace(sent, path=path.replace(REAL_ARN, urllib.parse.quote(self.application["arn"], "")))

    def send(self, sent: Sent, changed: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer; `changed` headers are replaced after signing."""
        query = urllib.parse.urlencode(sent.query, quote_via=urllib.parse.quote, safe="-_.~")
        target = f"{sent.path}?{query}" if query else sent.path
        endpoint = self.profile.endpoint("emr-serverless")
        request = AWSRequest(sent.method, f"{endpoint}{target}", headers=sent.headers, data=sent.body)
        assert self.profile.access_key_id and self.profile.secret_access_key
        credentials = Credentials(self.profile.access_key_id, self.profile.secret_access_key)
        SigV4Auth(credentials, "emr-serverless", self.profile.region).add_auth(request)
        headers = dict(request.headers.items()) | (changed or {})
        self.connection.request(sent.method, target, sent.body, headers)
        answer = self.connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def check(self, sent: Sent, changed: dict[str, str] | None = None) -> str | None:
        """The error's code, None for a success; fails unless the answer is one that AWS could give."""
        status, headers, body = self.send(sent, changed)
        if 200 <= status < 300:
            return None
        assert 400 <= status < 500 or headers.get("x-amzn-errortype") == "NotImplementedException", (status, body)
        code = headers["x-amzn-errortype"]
        assert status == STATUS[code]
        assert headers["content-type"] == "application/json"
        assert headers["x-amzn-requestid"]
        if sent.method != "HEAD":
            error = json.loads(body)
            assert error.keys() == {"message"}
            assert isinstance(error["message"], str)
            assert error["message"]
        return code

    def check_good_call(self) -> None:
        """The service still answers as it should."""
        status, _, body = self.send(Sent("GET", "/applications"))
        assert (status, json.loads(body).keys()) == (200, {"applications"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_service("emr-serverless", tmp_path_factory.mktemp("emr-garbage")) as running:
        profile = profiles.load(running.settings.path("AWS_CONFIG_FILE"), "local")
        address = urllib.parse.urlsplit(profile.endpoint("emr-serverless") or "")
        assert address.hostname
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        made = Server(running, profile, connection)
        made.make_application()
        yield made
        connection.close()
        assert "Traceback" not in running.log
        assert " ERROR " not in running.log


TEXT = st.text(max_size=12) | st.sampled_from(
    ["", "00none", "..", "a" * 3000, "\x00", "\ud800", "1" * 30, "-1", "true"]
)
NUMBERS = st.sampled_from([0, -1, 1.5, 2**31, 2**63, 2**200, -(2**70), float("inf"), float("nan"), 1e308])
SCALARS = st.none() | st.booleans() | st.integers() | NUMBERS | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
GOOD: dict[str, Any] = {
    "CreateApplication": {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK", "clientToken": "t"},
    "StartJobRun": {"executionRoleArn": "arn:aws:iam::000000000000:role/r", "jobDriver": SPARK, "clientToken": "t"},
    "UpdateApplication": {"clientToken": "t"},
    "TagResource": {"tags": {"a": "b"}},
}
SEGMENTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10).map(lambda text: urllib.parse.quote(text, ""))
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Accept", "X-Amz-Target", "X-Amz-Security-Token", "Content-Encoding", "Expect-CT"]
    ),
    st.text(string.ascii_letters + string.digits + " /;=.*", max_size=20).map(str.strip),
    max_size=3,
)


@st.composite
def mangled_bodies(draw: st.DrawFn, operation: str) -> bytes:
    """The JSON body of an operation, with members that are not what they should be."""
    shape = MODEL.operation(operation).input_shape
    members = [name for name, member in shape.members.items() if not member.serialization.get("location")]
    body = dict(GOOD.get(operation, {}))
    members = [name for name in members if name != "autoStartConfiguration"]
    for name in draw(st.lists(st.sampled_from([*members, "unknown"]), max_size=3)):
        body[name] = draw(st.one_of(JSON, like(shape.members[name])) if name in members else JSON)
    return json.dumps(body).encode()


def like(shape: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Values of about the form that a shape has."""
    if depth == 0:
        return SCALARS
    kind = shape.type_name
    if kind == "structure":
        members = {name: like(member, depth - 1) for name, member in shape.members.items()}
        return st.fixed_dictionaries({}, optional=members)
    if kind == "list":
        return st.lists(like(shape.member, depth - 1), max_size=3)
    if kind == "map":
        return st.dictionaries(st.sampled_from(["Driver", "DRIVER", "a", ""]), like(shape.value, depth - 1), max_size=2)
    if kind == "string":
        return st.sampled_from(getattr(shape, "enum", None) or ["s3://b/k", "4 vCPU", "16 GB", "a"]) | SCALARS
    return st.booleans() if kind == "boolean" else st.integers(-1, 100) | NUMBERS | TEXT


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """An operation's request with something wrong in it, or anything at all."""
    if draw(st.integers(0, 4)) == 0:
        path = "/" + "/".join(
            draw(st.lists(SEGMENTS | st.sampled_from(["applications", "tags", "jobruns"]), max_size=4))
        )
        body = draw(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
        query = draw(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("cd")), max_size=2, unique=True))
        return Sent(draw(METHODS), path, query, body, draw(HEADERS))
    operation = draw(st.sampled_from(MODEL.operations))
    model = MODEL.operation(operation)
    path = model.http["requestUri"]
    real = [] if operation in STARTS else [REAL]
    named = st.sampled_from(["00none", "a%2Fb", *real * 3]), st.sampled_from([REAL_ARN, REAL_ARN, "arn%3Aaws"])
    query: list[tuple[str, str]] = []
    for name, member in model.input_shape.members.items():
        location, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri":
            path = path.replace(f"{{{wire}}}", draw(named[wire == "resourceArn"] | SEGMENTS))
        elif location == "querystring" and draw(st.booleans()):
            values = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
                ["", "1", "51", "9" * 30, "-1", "2024-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "nan", "CREATED"]
            )
            query.append((wire, draw(values)))
    return Sent(model.http["method"], path, query, draw(mangled_bodies(operation)), draw(HEADERS))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sent=requests())
@example(sent=Sent("GET", "/applications", [("maxResults", "9" * 30)]))
@example(sent=Sent("GET", "/applications/a/jobruns/b", [("attempt", "9" * 30)]))
@example(sent=Sent("POST", "/applications", body=b"[" * 100_000))
@example(sent=Sent("POST", "/applications", body=b'{"runtimeConfiguration":' * 300 + b"1" + b"}" * 300))
def test_garbage(server: Server, sent: Sent) -> None:
    code = server.check(server.existing(sent))
    event(f"{sent.method} is answered with {code}")
    # Its signature is right: nothing but the request itself may be refused.
    assert code not in ("InvalidSignatureException", "IncompleteSignatureException")
    server.check_good_call()


def nested(levels: int) -> bytes:
    """A classification inside a classification, and so on."""
    inner = b'{"classification":"spark-defaults"}'
    for _ in range(levels):
        inner = b'{"classification":"spark-defaults","configurations":[%s]}' % inner
    return b'{"releaseLabel":"emr-spark-8.0.0","type":"SPARK","clientToken":"deep","runtimeConfiguration":[%s]}' % inner


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (nested(300), "the body is nested too deeply"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{"tags": {"a": null}}', "NULL_VALUE can not be converted to a value at 'tags.a'"),
        (b'{"name": "\\ud800"}', "STRING_VALUE can not be converted to a String at 'name'"),
        (b'{"name": "a', "the body is not JSON"),
        (b'{"name": NaN}', "the body is not JSON"),
        (b"\xff\xfe\x00", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (
            b'{"maximumCapacity": {"cpu": 1}}',
            "NUMBER_VALUE can not be converted to a String at 'maximumCapacity.cpu'",
        ),
        (
            b'{"autoStopConfiguration": {"idleTimeoutMinutes": 99999999999}}',
            "NUMBER_VALUE can not be converted to an Integer at 'autoStopConfiguration.idleTimeoutMinutes'",
        ),
        (
            b'{"autoStopConfiguration": {"idleTimeoutMinutes": 1e400}}',
            "DECIMAL_VALUE can not be converted to an Integer at 'autoStopConfiguration.idleTimeoutMinutes'",
        ),
    ],
)
def test_bodies(server: Server, body: bytes, message: str) -> None:
    status, headers, answer = server.send(Sent("POST", "/applications", body=body))
    assert (status, headers["x-amzn-errortype"], json.loads(answer)) == (
        400,
        "SerializationException",
        {"message": message},
    )
    server.check_good_call()


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("Authorization", "", "MissingAuthenticationTokenException"),
        ("Authorization", "Basic YTpi", "IncompleteSignatureException"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c", "IncompleteSignatureException"),
        ("X-Amz-Date", "99991231T235959Z", "InvalidSignatureException"),
        ("X-Amz-Date", "00010101T000000Z", "InvalidSignatureException"),
        ("X-Amz-Date", "yesterday", "IncompleteSignatureException"),
    ],
)
def test_signatures(server: Server, header: str, value: str, code: str) -> None:
    assert server.check(Sent("GET", "/applications"), {header: value}) == code
    server.check_good_call()


@pytest.mark.parametrize("value", ["é", "0" * 64, ""])
def test_a_signature_of_any_characters(server: Server, value: str) -> None:
    key, region = server.profile.access_key_id, server.profile.region
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{key}/{stamp[:8]}/{region}/emr-serverless/aws4_request"
    header = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={value}"
    code = "InvalidSignatureException" if value else "IncompleteSignatureException"
    assert server.check(Sent("GET", "/applications"), {"Authorization": header, "X-Amz-Date": stamp}) == code


@pytest.mark.parametrize("stamp", ["99991231T235959Z", "00010101T000000Z"])
def test_a_date_at_the_end_of_time(server: Server, stamp: str) -> None:
    scope = f"{server.profile.access_key_id}/{stamp[:8]}/{server.profile.region}/emr-serverless/aws4_request"
    header = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    sent = Sent("GET", "/applications")
    assert server.check(sent, {"Authorization": header, "X-Amz-Date": stamp}) == "InvalidSignatureException"
