"""Which other origins' pages may read S3's answers: a bucket's own CORS rules say so, and let nobody in."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from aws_s3_cases import Bucket
from s3_requests import refused

from velodrome.settings import Settings

DENIED = (403, "AccessDenied", "Access Denied")
NO_KEY = (404, "NoSuchKey", "The specified key does not exist.")
PAGE = "https://page.example"
RULES = [
    {
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedOrigins": ["https://*.example", "start*end"],
        "AllowedHeaders": ["Range", "x-amz-*"],
        "ExposeHeaders": ["ETag", "x-amz-meta-a"],
        "MaxAgeSeconds": 300,
    },
    {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"]},
]
READS = {
    "access-control-allow-origin": PAGE,
    "access-control-allow-methods": "GET, HEAD",
    "access-control-expose-headers": "ETag, x-amz-meta-a",
    "access-control-max-age": "300",
    "access-control-allow-credentials": "true",
}
WRITES = {"access-control-allow-origin": "*", "access-control-allow-methods": "PUT"}
NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


@pytest.fixture(scope="module")
def s3(s3_settings: Settings) -> Any:
    return Bucket(s3_settings).s3


@pytest.fixture(scope="module")
def url(s3_settings: Settings) -> str:
    return s3_settings["S3_ENDPOINT_URL"]


def send(method: str, url: str, **more: Any) -> httpx.Response:
    return httpx.request(method, url, trust_env=False, **more)


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error in XML."""
    code, message = (re.search(f"<{name}>(.*?)</{name}>", answer.text, re.DOTALL) for name in ("Code", "Message"))
    assert code and message, answer.text
    return answer.status_code, code[1], message[1]


def opened(s3: Any, name: str, acl: str = "private") -> str:
    """A bucket that takes ACLs."""
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_acl(Bucket=name, ACL=acl)
    return name


@pytest.fixture(scope="module")
def page(s3: Any, url: str) -> str:
    """The address of a bucket with RULES."""
    opened(s3, "paged", "public-read")
    s3.put_object(Bucket="paged", Key="k", Body=b"body", ACL="public-read")
    s3.put_bucket_cors(Bucket="paged", CORSConfiguration={"CORSRules": RULES})
    return f"{url}/paged"


def test_a_parameter_that_nobody_knows_means_nothing(page: str) -> None:
    """As a page is sent to by a form's success_action_redirect."""
    assert b"<Key>k</Key>" in send("GET", f"{page}?bucket=paged&key=k&etag=x").content
    for name in ("policy", "Expires", "x-amz-acl", "response-expires"):
        assert told(send("GET", f"{page}?{name}"))[0] == 403


class TestOrigins:
    @staticmethod
    def asked(answer: httpx.Response) -> dict[str, str]:
        return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}

    def test_a_page_reads_what_its_rule_allows(self, s3: Any, page: str) -> None:
        got = send("GET", f"{page}/k", headers={"Origin": PAGE})
        assert (got.content, self.asked(got)) == (b"body", READS)
        assert got.headers["vary"] == "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
        signed = s3.generate_presigned_url("get_object", {"Bucket": "paged", "Key": "k"})
        assert self.asked(send("GET", signed, headers={"Origin": PAGE})) == READS
        for origin, expected in (("startend", True), ("start1end", True), ("0start1end", False), ("null", False)):
            found = self.asked(send("GET", page, headers={"Origin": origin}))
            assert found.get("access-control-allow-origin") == (origin if expected else None)
        assert self.asked(send("GET", f"{page}/k")) == {}
        no_bucket = s3.generate_presigned_url("list_buckets")
        assert self.asked(send("GET", no_bucket, headers={"Origin": PAGE})) == {}

    def test_refusals_are_read_too(self, page: str) -> None:
        missing = send("GET", f"{page}/missing", headers={"Origin": PAGE})
        assert (told(missing), self.asked(missing)) == (NO_KEY, READS)
        denied = send("PUT", f"{page}/k", content=b"x", headers={"Origin": PAGE})
        assert (told(denied), self.asked(denied)) == (DENIED, WRITES)
        told_of = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        assert self.asked(send("PUT", f"{page}/k", content=b"x", headers=told_of)) == READS

    def test_what_a_browser_asks_first(self, s3: Any, page: str) -> None:
        asks = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        headers = {"Access-Control-Request-Headers": "range,X-Amz-Date, x-amz-security-token"}
        answer = send("OPTIONS", f"{page}/k", headers=asks | headers)
        allowed = {"access-control-allow-headers": "range, x-amz-date, x-amz-security-token"}
        assert (answer.status_code, answer.content, self.asked(answer)) == (200, b"", READS | allowed)
        signed = s3.generate_presigned_url("put_object", {"Bucket": "paged", "Key": "new"})
        put = send("OPTIONS", signed, headers=asks | {"Access-Control-Request-Method": "PUT"})
        assert (put.status_code, self.asked(put)) == (200, WRITES)
        for changes in (
            {"Origin": "http://page.example"},
            {"Access-Control-Request-Method": "DELETE"},
            {"Access-Control-Request-Headers": "x-other"},
        ):
            assert told(send("OPTIONS", f"{page}/k", headers=asks | changes)) == (403, "AccessForbidden", NOT_ALLOWED)

    def test_what_is_no_such_question(self, s3: Any, url: str, page: str) -> None:
        missing = "Insufficient information. Origin request header needed."
        assert told(send("OPTIONS", page)) == (400, "BadRequest", missing)
        no_method = send("OPTIONS", page, headers={"Origin": PAGE})
        assert told(no_method) == (400, "BadRequest", "Invalid Access-Control-Request-Method: null")
        s3.create_bucket(Bucket="unpaged")
        for bucket, why in (
            ("unpaged", "CORS is not enabled for this bucket."),
            ("missing-bucket", "Bucket not found"),
        ):
            answer = send("OPTIONS", f"{url}/{bucket}/k", headers={"Origin": PAGE})
            assert told(answer) == (403, "AccessForbidden", f"CORSResponse: {why}")
            assert self.asked(answer) == {}
        evil = send("OPTIONS", page, headers={"Origin": PAGE, "Host": "evil.example"})
        assert told(evil)[:2] == (403, "AccessDenied")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"AllowedOrigins": ["*a*.com"]}, 'AllowedOrigin "*a*.com" can not have more than one wildcard.'),
            ({"AllowedHeaders": ["x-*-*"]}, 'AllowedHeader "x-*-*" can not have more than one wildcard.'),
            (
                {"ExposeHeaders": ["x-*"]},
                'ExposeHeader "x-*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
            ),
        ],
    )
    def test_what_is_no_rule(self, s3: Any, page: str, changes: dict[str, list[str]], message: str) -> None:
        rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]} | changes
        given = {"Bucket": "paged", "CORSConfiguration": {"CORSRules": [rule]}}
        assert refused(s3.put_bucket_cors, **given) == (400, "InvalidRequest", message)

    def test_a_bucket_s_rules_let_nobody_post(self, page: str) -> None:
        form = {"data": {"key": "posted"}, "files": {"file": ("a.py", b"evil")}}
        answer = send("POST", page, headers={"Origin": PAGE}, **form)
        assert (told(answer), self.asked(answer)) == (DENIED, {})
