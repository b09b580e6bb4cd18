"""Signatures: what botocore signs is accepted, and nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from velodrome.awsapi.errors import AwsError
from velodrome.awsapi.http import Request
from velodrome.awsapi.sigv4 import Verifier

VERIFIER = Verifier("key", "secret", "us-east-1", "emr-serverless")


def signed(path: str = "/applications", **changes: str) -> Request:
    given = {"key": "key", "secret": "secret", "region": "us-east-1", "service": "emr-serverless"} | changes
    body = b"{}"
    request = AWSRequest("POST", f"http://127.0.0.1:4570{path}", data=body, headers={"Content-Type": "text/json"})
    request.headers["Host"] = "127.0.0.1:4570"
    SigV4Auth(Credentials(given["key"], given["secret"]), given["service"], given["region"]).add_auth(request)
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
    "region": (lambda: signed(region="eu-west-1"), "InvalidSignatureException", "scoped to a valid region"),
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
