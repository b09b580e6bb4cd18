"""What no client should send to S3 is answered with an error of S3's own, in its own form: never with 500."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from typing import Any

import botocore.session
import pytest
from aws_s3_cases import Bucket
from s3_requests import FILE, Answer, Raw, form

from velodrome.settings import Settings

MODEL = botocore.session.Session().get_service_model("s3")
# They answer in another form, ask another host, or are bucket-less.
ELSEWHERE = ("WriteGetObjectResponse", "SelectObjectContent", "ListDirectoryBuckets", "CreateSession")
VALUES = ("", "x", "-1", "0", "99999999999999999999", "1.5", "%00", "%FF%FE", "a=b&c", "null", "é", "true", "..", "*")
BODIES = (
    b"",
    b"x",
    b"<",
    b"<a/>",
    b"\xff\xfe\x00",
    b'{"json": 1}',
    b"<?xml version='1.0'?>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
)


@pytest.fixture(scope="module")
def raw(s3_settings: Settings) -> Raw:
    return Raw(s3_settings)


@pytest.fixture(scope="module")
def bucket(s3_settings: Settings) -> str:
    """A bucket that is left in any state."""
    name = f"garbage-{uuid.uuid4().hex}"
    s3 = Bucket(s3_settings).s3
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"data")
    return name


@pytest.fixture(scope="module")
def plain(s3_settings: Settings) -> str:
    """A bucket as it is made."""
    name = f"plain-{uuid.uuid4().hex}"
    Bucket(s3_settings).s3.create_bucket(Bucket=name)
    return name


def document(shape: Any, root: str, seed: random.Random, depth: int = 0) -> bytes:
    """A body of a shape's own elements, with values that most of them cannot have."""
    if shape.type_name == "structure":
        inner = b""
        for name, member in shape.members.items():
            for _ in range(seed.choice((0, 1, 1, 1, 2)) if depth < 6 else 0):
                inner += document(member, member.serialization.get("name", name), seed, depth + 1)
    elif shape.type_name == "list":
        member = shape.member
        inner = document(member, member.serialization.get("name", "member"), seed, depth + 1)
        if shape.serialization.get("flattened"):
            return inner.replace(b"<member", f"<{root}".encode()).replace(b"</member", f"</{root}".encode())
    else:
        plain = [value for value in VALUES if not set("%&<") & set(value)]
        inner = seed.choice([*plain, "2020-01-01", "Enabled", "5", "CanonicalUser"]).encode()
    return b"<%b>%b</%b>" % (root.encode(), inner, root.encode())


def request_of(operation: Any, bucket: str, seed: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path, body and headers of an operation, each of them likely wrong."""
    path, _, query = operation.http["requestUri"].partition("?")
    where = f"/{bucket}/k" if "{Key+}" in path else f"/{bucket}" if "{Bucket}" in path else "/"
    arguments = [query] if query else []
    headers: dict[str, str] = {}
    shape = operation.input_shape
    for member in shape.members.values() if shape else ():
        place, name = member.serialization.get("location"), member.serialization.get("name")
        if place == "querystring" and seed.random() < 0.7:
            arguments.append(f"{name}={seed.choice(VALUES).replace('&', '%26').replace('é', '%C3%A9')}")
        elif place == "header" and seed.random() < 0.15 and name not in ("Content-Length", "Content-MD5"):
            headers[name] = seed.choice([value for value in VALUES if value.isascii()])
    payload = shape.serialization.get("payload") if shape else None
    body = seed.choice(BODIES)
    if payload and shape.members[payload].type_name == "structure" and seed.random() < 0.7:
        member = shape.members[payload]
        body = document(member, member.serialization.get("name", payload), seed)
    return operation.http["method"], where + ("?" + "&".join(arguments) if arguments else ""), body, headers


def md5(body: bytes) -> dict[str, str]:
    """The header that S3 asks for with a document."""
    return {"Content_MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}


def sane(answer: Answer) -> bool:
    """An answer that S3 could give: no failure of its own, and an error has a code."""
    return answer.status < 500 or answer.code == "NotImplemented"


@pytest.mark.parametrize("name", [name for name in MODEL.operation_names if name not in ELSEWHERE])
def test_an_operation_with_wrong_members(raw: Raw, bucket: str, name: str) -> None:
    seed = random.Random(name)
    operation = MODEL.operation_model(name)
    for _ in range(4):
        method, path, body, headers = request_of(operation, bucket, seed)
        answer = raw(method, path, body, **{**headers, **md5(body)})
        assert sane(answer), (method, path, body, headers, answer)


@pytest.mark.parametrize("method", ["TRACE", "PATCH", "CONNECTED", "POST"])
def test_a_method_that_s3_has_not(raw: Raw, bucket: str, method: str) -> None:
    answer = raw(method, f"/{bucket}/k")
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert answer.message == "The specified method is not allowed against this resource."


@pytest.mark.parametrize("configuration", ["lifecycle", "tagging", "cors", "encryption", "delete"])
@pytest.mark.parametrize("body", [b"<foo", b"nonsense", b"<a/>"])
def test_a_body_that_is_none(raw: Raw, bucket: str, configuration: str, body: bytes) -> None:
    answer = raw("POST" if configuration == "delete" else "PUT", f"/{bucket}?{configuration}", body, **md5(body))
    assert (answer.status, answer.code) == (400, "MalformedXML")


@pytest.mark.parametrize(
    ("method", "query", "message"),
    [
        ("GET", "k?partNumber=x", "Part number must be an integer between 1 and 10000, inclusive"),
        ("GET", "k?partNumber=0", "Part number must be an integer between 1 and 10000, inclusive"),
        ("PUT", "k?partNumber=x&uploadId=y", "Part number must be an integer between 1 and 10000, inclusive"),
        ("GET", "?list-type=2&max-keys=abc", "Provided max-keys not an integer or within integer range"),
        ("GET", "k?versionId=abc", "Invalid version id specified"),
        ("GET", "k?versionId=", "Version id cannot be the empty string"),
    ],
)
def test_an_argument_that_is_none(raw: Raw, bucket: str, method: str, query: str, message: str) -> None:
    answer = raw(method, f"/{bucket}/{query}")
    assert (answer.status, answer.code, answer.message) == (400, "InvalidArgument", message)


KEY = ("key", "", b"posted/${filename}")
FORMS = [
    ((KEY, FILE), 204, ""),
    ((("key", "key", b"posted"), ("x-amz-meta-a", "a", b"b"), FILE), 204, ""),
    ((("key", "key", b"\xff"), FILE), 400, "MalformedPOSTRequest"),
    ((FILE,), 400, "InvalidArgument"),
    ((KEY,), 400, "InvalidArgument"),
    ((KEY, FILE, FILE), 400, "InvalidArgument"),
    ((KEY, ("file", "", b"data")), 204, ""),
    ((KEY, ("success_action_status", "", b"no number"), FILE), 204, ""),
    ((KEY, ("Expires", "", b"never"), FILE), 400, "InvalidArgument"),
    ((KEY, ("tagging", "", b"<"), FILE), 400, "MalformedXML"),
    ((KEY, ("x-amz-meta-a", "", b"x" * 2048), FILE), 400, "MetadataTooLarge"),
    ((("key", "", b"k" * 1025), FILE), 400, "KeyTooLongError"),
    ((KEY, ("acl", "", b"public-read"), FILE), 400, "AccessControlListNotSupported"),
    ((KEY, ("x-amz-checksum-algorithm", "", b"none"), FILE), 400, "InvalidRequest"),
    ((), 400, "MalformedPOSTRequest"),
]


@pytest.mark.parametrize(("parts", "status", "code"), FORMS)
def test_a_form(raw: Raw, plain: str, parts: tuple[tuple[str, str, bytes], ...], status: int, code: str) -> None:
    answer = raw("POST", f"/{plain}", form(*parts), Content_Type="multipart/form-data; boundary=B")
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"zz\r\n",
        b"-5\r\ndata\r\n",
        b"5;chunk-signature=x\r\nda",
        b"2\r\nda\r\n0\r\n\r\n",
        b"5\r\ndata!\r\n0\r\n\r\n",
    ],
)
def test_a_body_in_chunks_that_is_cut_off_or_malformed(raw: Raw, bucket: str, body: bytes) -> None:
    answer = raw("PUT", f"/{bucket}/chunked", body, Content_Encoding="aws-chunked", x_amz_decoded_content_length="4")
    assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert raw("HEAD", f"/{bucket}/chunked").status == 404


def test_a_policy_whose_expiration_is_none(raw: Raw, plain: str) -> None:
    given = "2026-12-01 00:44:36+00:00"
    conditions: list[Any] = [{"bucket": plain}, ["starts-with", "$key", ""]]
    fields = raw.post_fields({"expiration": given, "conditions": conditions})
    parts = [(name, "", value.encode()) for name, value in fields.items()]
    content_type = "multipart/form-data; boundary=B"
    answer = raw("POST", f"/{plain}", form(("key", "", b"k"), *parts, FILE), unsigned=True, Content_Type=content_type)
    assert (answer.status, answer.code) == (400, "InvalidPolicyDocument")
    assert answer.message == f"Invalid Policy: Invalid 'expiration' value: '{given}'"


def test_a_body_longer_than_it_was_said_to_be(raw: Raw, bucket: str) -> None:
    """What is left of it is not taken for the next request."""
    answer = raw("PUT", f"/{bucket}/longer", b"data", Content_Length="3")
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert answer.headers["connection"] == "close"


def test_where_a_form_leads(raw: Raw, plain: str) -> None:
    made = (("key", "", b"k"), ("success_action_status", "", b"201"), FILE)
    answer = raw("POST", f"/{plain}", form(*made), Content_Type="multipart/form-data; boundary=B")
    assert (answer.status, b"<PostResponse><Location>" in answer.body) == (201, True)
    parts = (("key", "", b"a b"), ("success_action_redirect", "", b"https://page.example/x?y=1"), FILE)
    answer = raw("POST", f"/{plain}", form(*parts), Content_Type="multipart/form-data; boundary=B")
    etag = hashlib.md5(b"data", usedforsecurity=False).hexdigest()
    expected = f"https://page.example/x?y=1&bucket={plain}&key=a+b&etag=%22{etag}%22"
    assert (answer.status, answer.headers["location"]) == (303, expected)
