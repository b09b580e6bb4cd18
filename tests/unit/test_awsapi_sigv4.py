"""Signatures: what botocore signs is accepted, and nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from velodrome.awsapi.errors import AwsError
from velodrome.awsapi.http import Request
from velodrome.awsapi.keys import Keys, own_key
from velodrome.awsapi.verifier import Verifier

KEYS = Keys(own_key("key", "secret", "000000000000"))
VERIFIER = Verifier(KEYS, "emr-serverless")


def signed(path: str = "/applications", **changes: str) -> Request:
    given = {"key": "key", "secret": "secret", "region": "us-east-1", "service": "emr-serverless"} | changes
    body = b"{}"
    request = AWSRequest("POST", f"http://127.0.0.1:4570{path}", data=body, headers={"Content-Type": "text/json"})
    request.headers["Host"] = "127.0.0.1:4570"
    SigV4Auth(
        Credentials(given["key"], given["secret"], given.get("token")), given["service"], given["region"]
    ).add_auth(request)
    url = urlsplit(cast(str, request.url))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request("POST", url.path, url.query, headers, body)


@pytest.mark.parametrize(
    "path",
    [
        "/applications",
        "/applications/00a/jobruns?states=RUNNING&states=FAILED&maxResults=5",
        "/tags/arn%3Aaws%3Aemr-serverless%3Aus-east-1%3A000000000000%3A%2Fapplications%2F00a?tagKeys=a%20b",
        "/applications?createdAtAfter=2026-01-01T00%3A00%3A00Z&empty=",
    ],
)
def test_what_botocore_signs_is_accepted(path: str) -> None:
    VERIFIER.verify(signed(path))


MISMATCH = "The request signature we calculated does not match the signature you provided"
WRONG: dict[str, tuple[Callable[[], Request], str, str]] = {
    "secret": (lambda: signed(secret="other"), "InvalidSignatureException", MISMATCH),
    "body": (lambda: replace(signed(), body=b"[]"), "InvalidSignatureException", MISMATCH),
    "path": (lambda: replace(signed(), raw_path="/x"), "InvalidSignatureException", MISMATCH),
    "query": (lambda: replace(signed(), query="a=b"), "InvalidSignatureException", MISMATCH),
    "key": (lambda: signed(key="other"), "UnrecognizedClientException", "The security token included in the request"),
    "region": (lambda: signed(region="moon"), "InvalidSignatureException", "scoped to a valid region"),
    "service": (lambda: signed(service="s3"), "InvalidSignatureException", "correct service: 'emr-serverless'"),
    "none": (lambda: replace(signed(), headers={}), "MissingAuthenticationTokenException", "Missing Auth"),
    "algorithm": (
        lambda: replace(signed(), headers={"authorization": "Basic eA=="}),
        "IncompleteSignatureException",
        "Unsupported AWS 'algorithm': 'Basic'",
    ),
    "part": (
        lambda: replace(signed(), headers={"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e"}),
        "IncompleteSignatureException",
        "requires 'Signature' parameter",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused(case: str) -> None:
    make, code, message = WRONG[case]
    with pytest.raises(AwsError, match=message) as caught:
        VERIFIER.verify(make())
    assert caught.value.code == code


@pytest.mark.parametrize(("minutes", "message"), [(16, "Signature expired"), (-16, "Signature not yet current")])
def test_time_of_signing(minutes: int, message: str) -> None:
    request = signed()
    with pytest.raises(AwsError, match=message):
        VERIFIER.verify(request, datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes))


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-1", "us-gov-west-1"])
def test_every_region_is_served_and_told(region: str) -> None:
    caller = VERIFIER.verify(signed(region=region))
    assert (caller.region, caller.account) == (region, "000000000000")
    assert (caller.arn, caller.database_user) == ("arn:aws:iam::000000000000:user/key", "IAM:key")


NOW = datetime.datetime.now(datetime.UTC)
SESSION = "arn:aws:sts::111122223333:assumed-role/reader/job"


def temporary(ends: datetime.datetime, **changes: str) -> Request:
    secret, token = KEYS.temporary("ASIAQ", SESSION, "AROA:job", ends)
    return signed(**({"key": "ASIAQ", "secret": secret, "token": token} | changes))


def test_temporary_keys_are_known_wherever_the_profile_is() -> None:
    elsewhere = Verifier(Keys(own_key("key", "secret", "000000000000")), "emr-serverless")
    caller = elsewhere.verify(temporary(NOW + datetime.timedelta(hours=1)))
    assert (caller.account, caller.arn, caller.database_user) == ("111122223333", SESSION, "IAMR:reader")


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (
            lambda: temporary(NOW - datetime.timedelta(seconds=1)),
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
        (
            lambda: temporary(NOW + datetime.timedelta(hours=1), token="bm9uZQ=="),
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            lambda: temporary(NOW + datetime.timedelta(hours=1), key="ASIAZ"),
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            lambda: temporary(NOW + datetime.timedelta(hours=1), secret="other"),
            "InvalidSignatureException",
            MISMATCH,
        ),
    ],
)  # fmt: skip
def test_other_tokens_are_refused(make: Callable[[], Request], code: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        VERIFIER.verify(make())
    assert caught.value.code == code
    assert caught.value.message.startswith(message)


def test_presigned_urls_last_as_long_as_they_say() -> None:
    request = AWSRequest("GET", "http://127.0.0.1:4570/applications", headers={"Host": "127.0.0.1:4570"})
    SigV4QueryAuth(Credentials("key", "secret"), "emr-serverless", "eu-west-1", expires=60).add_auth(request)
    url = urlsplit(cast(str, request.url))
    got = Request("GET", url.path, url.query, {"host": "127.0.0.1:4570"}, b"")
    assert VERIFIER.verify(got).region == "eu-west-1"
    with pytest.raises(AwsError, match="Signature expired"):
        VERIFIER.verify(got, datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=62))
