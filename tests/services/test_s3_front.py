"""Who S3, IAM and STS let in, through boto3, plain HTTP and what botocore signs."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import get_session

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.keys import of_profile
from velodrome.testing import RunningService, client_options, run_service

CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
NOW = datetime.datetime.now(datetime.UTC)
OTHER = "111122223333"
DENIED = (403, "AccessDenied", "Access Denied")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service("s3", tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def url(service: RunningService) -> str:
    return service.settings["S3_ENDPOINT_URL"]


def client(service: RunningService, name: str = "s3", **changes: Any) -> Any:
    config = CONFIG if name == "s3" else Config(retries={"total_max_attempts": 1})
    given: dict[str, Any] = {**client_options(service.settings), "config": config}
    return boto3.client(name, **(given | changes))


def as_session(credentials: dict[str, Any]) -> dict[str, str]:
    return {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }


@pytest.fixture(scope="module")
def s3(service: RunningService) -> Any:
    return client(service)


@pytest.fixture(scope="module")
def bucket(service: RunningService, s3: Any) -> str:
    name = service.settings["RAW_BUCKET"]
    s3.put_object(Bucket=name, Key="kept", Body=b"kept")
    return name


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an error in XML."""
    code, message = (re.search(f"<{name}>(.*?)</{name}>", answer.text, re.DOTALL) for name in ("Code", "Message"))
    assert code and message, answer.text
    return answer.status_code, code[1], message[1]


def send(method: str, url: str, **more: Any) -> httpx.Response:
    return httpx.request(method, url, trust_env=False, **more)


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


class TestNobody:
    """Whoever signs nothing."""

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "TRACE"])
    @pytest.mark.parametrize("path", ["/", "/{bucket}", "/{bucket}/kept", "/{bucket}/missing", "/{bucket}?acl"])
    def test_gets_access_denied(self, url: str, bucket: str, method: str, path: str) -> None:
        answer = send(method, url + path.format(bucket=bucket), content=b"x" if method in ("PUT", "POST") else None)
        assert answer.status_code == 403
        if method != "HEAD":
            assert told(answer) == DENIED

    def test_posts_no_form(self, s3: Any, url: str, bucket: str) -> None:
        """What any web page can have a browser send, unasked."""
        form = {"data": {"key": "script/spark_job.py"}, "files": {"file": ("a.py", b"evil")}}
        answer = send("POST", f"{url}/{bucket}", headers={"Origin": "https://evil.example"}, **form)
        assert told(answer) == DENIED
        with pytest.raises(ClientError, match="404"):
            s3.head_object(Bucket=bucket, Key="script/spark_job.py")

    @pytest.mark.parametrize(
        "path",
        [
            "/_localstack/init",
            "/_localstack/info",
            "/_localstack/config",
            "/_localstack/diagnose",
            "/_localstack/plugins",
            "//_localstack/init",
            "/%5Flocalstack/init",
            "/_localstack",
            "/_aws/anything",
            "/openapi.yaml",
        ],
    )
    def test_finds_no_paths_of_the_engine(self, service: RunningService, url: str, path: str) -> None:
        assert told(send("GET", url + path)) == DENIED
        assert told(httpx.request("GET", f"{url}{path}", auth=Signed(service), trust_env=False)) == DENIED

    def test_ends_nothing(self, service: RunningService, url: str) -> None:
        for path in ("/_localstack/health", "//_localstack/health"):
            for auth in (None, Signed(service)):
                answer = httpx.request("POST", url + path, json={"action": "kill"}, auth=auth, trust_env=False)
                assert told(answer) == DENIED
        assert service.process.poll() is None

    @pytest.mark.parametrize("path", ["/_localstack/health", "/_velodrome/health"])
    def test_may_ask_for_health(self, url: str, path: str) -> None:
        assert send("GET", url + path).status_code == 200
        evil = send("GET", url + path, headers={"Host": "evil.example:4566"})
        assert told(evil) == (403, "AccessDenied", "Access Denied: 'evil.example' is not this machine's name")

    @pytest.mark.parametrize("action", ["GetCallerIdentity", "AssumeRole", "AssumeRoleWithWebIdentity", "ListUsers"])
    def test_gets_no_credentials(self, service: RunningService, url: str, action: str) -> None:
        role = service.settings["EMR_RUNTIME_ROLE_ARN"]
        form = {"Action": action, "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": "x"}
        answer = send("POST", url, data=form | {"WebIdentityToken": "x"})
        assert told(answer) == (403, "MissingAuthenticationToken", "Missing Authentication Token")

    def test_forges_nothing_that_the_engine_trusts(self, service: RunningService, url: str) -> None:
        headers = {"x-moto-account-id": OTHER, "x-localstack-data": '{"current_time":"x"}'}
        form = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
        answer = httpx.post(f"{url}/", data=form, headers=headers, auth=Signed(service, "sts"), trust_env=False)
        assert f"<Account>{service.settings['AWS_ACCOUNT_ID']}</Account>" in answer.text


class Signed(httpx.Auth):
    """The profile's signature, as botocore makes it; `changes` are of the credentials."""

    requires_request_body = True

    def __init__(self, service: RunningService, name: str = "s3", region: str = "us-east-1", **changes: str) -> None:
        given = client_options(service.settings) | changes
        keys = Credentials(given["aws_access_key_id"], given["aws_secret_access_key"], given.get("aws_session_token"))
        self._auth = (S3SigV4Auth if name == "s3" else SigV4Auth)(keys, name, region)
        self.headers: dict[str, str] = {}

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["x-amz-content-sha256"] = hashlib.sha256(request.content).hexdigest()
        mine = {name: value for name, value in request.headers.items() if name.startswith("x-amz-") or name == "host"}
        made = AWSRequest(request.method, str(request.url), data=request.content, headers=mine)
        self._auth.add_auth(made)
        request.headers.update(dict(made.headers.items()))
        request.headers.update(self.headers)
        yield request


class TestSomebody:
    """Whose signature is not what it must be."""

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            (
                {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"},
                (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
            ),
            (
                {"aws_secret_access_key": "bogus"},
                (
                    403,
                    "SignatureDoesNotMatch",
                    "The request signature we calculated does not match the signature you provided. Check your key and "
                    "signing method.",
                ),
            ),
            (
                {"aws_session_token": "bogus"},
                (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
            ),
        ],
    )
    def test_is_refused_in_s3_s_words(
        self, service: RunningService, bucket: str, changes: dict[str, str], expected: tuple[int, str, str]
    ) -> None:
        with pytest.raises(ClientError) as caught:
            client(service, **changes).get_object(Bucket=bucket, Key="kept")
        assert refused(caught) == expected

    def test_of_no_region(self, service: RunningService, url: str, bucket: str) -> None:
        """boto3 itself turns to the region that the answer names."""
        assert told(send("GET", f"{url}/{bucket}/kept", auth=Signed(service, region="moon"))) == (
            400,
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'moon' is wrong; expecting 'us-east-1'",
        )
        got = client(service, region_name="moon").get_object(Bucket=bucket, Key="kept")
        assert (got["Body"].read(), got["ResponseMetadata"]["RetryAttempts"]) == (b"kept", 1)

    def test_sees_what_was_signed(self, service: RunningService, url: str, bucket: str) -> None:
        answer = send("GET", f"{url}/{bucket}?list-type=2", auth=Signed(service, aws_secret_access_key="bogus"))
        elements = set(re.findall(r"<(\w+)>", answer.text))
        assert elements >= {
            "AWSAccessKeyId",
            "StringToSign",
            "SignatureProvided",
            "StringToSignBytes",
            "CanonicalRequest",
            "CanonicalRequestBytes",
            "RequestId",
            "HostId",
        }
        assert f"<CanonicalRequest>GET\n/{bucket}\nlist-type=2\nhost:127.0.0.1" in answer.text

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            (
                {"authorization": "AWS4-ECDSA-P256-SHA256 Credential=a"},
                (
                    400,
                    "InvalidRequest",
                    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
                ),
            ),
            (
                {"authorization": "AWS velodrome"},
                (
                    400,
                    "InvalidArgument",
                    "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
                ),
            ),
            (
                {"authorization": "AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl"},
                (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
            ),
            ({"authorization": "Bearer x"}, (400, "InvalidArgument", "Unsupported Authorization Type")),
            (
                {"authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0"},
                (
                    400,
                    "AuthorizationHeaderMalformed",
                    "The authorization header is malformed; the Credential is mal-formed; expecting "
                    '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
                ),
            ),
            (
                {"x-amz-date": "yesterday"},
                (403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"),
            ),
            (
                {"x-amz-date": "Tue, 07 Jul 1950 21:53:04 GMT"},
                (403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"),
            ),
            (
                {"x-amz-date": "20200101T000000Z"},
                (
                    403,
                    "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.",
                ),
            ),
            (
                {"x-amz-meta-more": "1"},
                (403, "AccessDenied", "There were headers present in the request which were not signed"),
            ),
        ],
    )
    def test_a_header_that_cannot_be_believed(
        self,
        service: RunningService,
        url: str,
        bucket: str,
        headers: dict[str, str],
        expected: tuple[int, str, str],
    ) -> None:
        auth = Signed(service)
        auth.headers = headers
        status, code, message = told(send("GET", f"{url}/{bucket}/kept", auth=auth))
        assert (status, code, message.replace("&lt;", "<").replace("&gt;", ">")) == expected

    def test_a_body_that_is_not_the_signed_one(self, service: RunningService, s3: Any, url: str, bucket: str) -> None:
        auth = Signed(service)
        auth.headers = {}
        request = httpx.Request("PUT", f"{url}/{bucket}/swapped", content=b"signed")
        next(auth.auth_flow(request))
        answer = send("PUT", str(request.url), headers=request.headers, content=b"forged")
        assert told(answer) == (
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
        with pytest.raises(ClientError, match="404"):
            s3.head_object(Bucket=bucket, Key="swapped")

    def test_of_iam_and_sts(self, service: RunningService) -> None:
        for changes, code in (
            ({"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "InvalidClientTokenId"),
            ({"aws_secret_access_key": "bogus"}, "SignatureDoesNotMatch"),
        ):
            with pytest.raises(ClientError) as caught:
                client(service, "sts", **changes).get_caller_identity()
            assert refused(caught)[:2] == (403, code)
            with pytest.raises(ClientError) as caught:
                client(service, "iam", **changes).list_roles()
            assert refused(caught)[:2] == (403, code)


class TestStreams:
    """Bodies that are signed in pieces, as Java's and Go's clients send them."""

    def put(self, service: RunningService, url: str, key: str, chunks: list[bytes], spoil: int = -1) -> httpx.Response:
        auth = Signed(service)._auth
        body_length = sum(len(f"{len(chunk):x};chunk-signature={'0' * 64}\r\n\r\n") + len(chunk) for chunk in chunks)
        headers = {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": str(sum(map(len, chunks))),
            "content-encoding": "aws-chunked",
        }
        request = AWSRequest("PUT", f"{url}/{key}", headers=headers)
        auth.payload = lambda request: headers["x-amz-content-sha256"]
        auth.add_auth(request)
        before = request.headers["Authorization"].rpartition("Signature=")[2]
        body = b""
        for number, chunk in enumerate(chunks):
            text = "\n".join(
                (
                    "AWS4-HMAC-SHA256-PAYLOAD",
                    request.context["timestamp"],
                    auth.credential_scope(request),
                    before,
                    hashlib.sha256().hexdigest(),
                    hashlib.sha256(chunk).hexdigest(),
                )
            )
            before = auth.signature(text, request)
            sent = chunk if number != spoil else b"!" * len(chunk)
            body += f"{len(chunk):x};chunk-signature={before}\r\n".encode() + sent + b"\r\n"
        assert len(body) == body_length
        return send("PUT", f"{url}/{key}", headers=dict(request.headers.items()), content=body)

    def test_each_piece_is_checked(self, service: RunningService, s3: Any, url: str, bucket: str) -> None:
        pieces = [b"a" * 65536, b"b" * 70000, b"c", b""]
        assert self.put(service, url, f"{bucket}/streamed", pieces).status_code == 200
        assert s3.get_object(Bucket=bucket, Key="streamed")["Body"].read() == b"".join(pieces)
        for spoil in range(3):
            assert told(self.put(service, url, f"{bucket}/spoilt", pieces, spoil))[:2] == (403, "SignatureDoesNotMatch")
        assert told(self.put(service, url, f"{bucket}/spoilt", pieces[:2]))[:2] == (400, "IncompleteBody")
        with pytest.raises(ClientError, match="404"):
            s3.head_object(Bucket=bucket, Key="spoilt")


class TestPresigned:
    def test_urls_work_until_they_end(self, service: RunningService, s3: Any, bucket: str) -> None:
        place = {"Bucket": bucket, "Key": "é a+b"}
        put = s3.generate_presigned_url("put_object", {**place, "ContentType": "text/csv"}, ExpiresIn=60)
        assert send("PUT", put, content=b"1,2", headers={"content-type": "text/csv"}).status_code == 200
        got = send("GET", s3.generate_presigned_url("get_object", place))
        assert (got.content, got.headers["content-type"]) == (b"1,2", "text/csv")
        assert told(send("GET", put))[:2] == (403, "SignatureDoesNotMatch")
        assert told(send("GET", s3.generate_presigned_url("get_object", place) + "&versionId=1"))[1] == (
            "SignatureDoesNotMatch"
        )

    @pytest.mark.parametrize(
        ("parameter", "value", "expected"),
        [
            ("X-Amz-Date", "20200101T000000Z", (403, "AccessDenied", "Request has expired")),
            ("X-Amz-Expires", "604801", (400, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than")),
            ("X-Amz-Expires", "-1", (400, "AuthorizationQueryParametersError", "X-Amz-Expires must be non-negative")),
            ("X-Amz-Expires", "", (400, "AuthorizationQueryParametersError", "Query-string authentication version 4")),
            ("X-Amz-Credential", "a", (400, "AuthorizationQueryParametersError", "Error parsing the X-Amz-Credential")),
        ],
    )
    def test_what_cannot_be(
        self, s3: Any, bucket: str, parameter: str, value: str, expected: tuple[int, str, str]
    ) -> None:
        url = httpx.URL(s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "kept"}))
        status, code, message = told(send("GET", str(url.copy_set_param(parameter, value))))
        assert (status, code) == expected[:2] and message.startswith(expected[2])

    def test_version_2(self, service: RunningService, s3: Any, bucket: str) -> None:
        """As us-east-1 has it still: boto3's default for URLs and forms there, and old clients' headers."""
        old = client(service, config=CONFIG.merge(Config(signature_version="s3")))
        assert old.get_object(Bucket=bucket, Key="kept", ResponseCacheControl="no-store")["CacheControl"] == "no-store"
        old.put_object(Bucket=bucket, Key="é a+b=2", Body=b"2", Metadata={"a": "b"}, ContentType="text/csv")
        got = s3.get_object(Bucket=bucket, Key="é a+b=2")
        assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"2", {"a": "b"}, "text/csv")
        assert old.list_objects_v2(Bucket=bucket, Prefix="kept")["KeyCount"] == 1
        wrong = client(service, config=CONFIG.merge(Config(signature_version="s3")), aws_secret_access_key="bogus")
        with pytest.raises(ClientError) as caught:
            wrong.get_object(Bucket=bucket, Key="kept")
        assert refused(caught)[:2] == (403, "SignatureDoesNotMatch")
        assert b"<Key>kept</Key>" in send("GET", old.generate_presigned_url("list_objects", {"Bucket": bucket})).content
        url = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "kept", "VersionId": "null"})
        assert "AWSAccessKeyId=" in url and send("GET", url).content == b"kept"
        assert told(send("GET", url.replace("/kept", "/other")))[:2] == (403, "SignatureDoesNotMatch")
        late = re.sub("Expires=[0-9]+", "Expires=1", url)
        assert told(send("GET", late)) == (403, "AccessDenied", "Request has expired")
        form = old.generate_presigned_post(bucket, "posted-by-2")
        assert "AWSAccessKeyId" in form["fields"]
        assert send("POST", form["url"], data=form["fields"], files={"file": b"2"}).status_code == 204
        form["fields"]["signature"] = "c2lnbmF0dXJl"
        answer = send("POST", form["url"], data=form["fields"], files={"file": b"2"})
        assert told(answer)[:2] == (403, "SignatureDoesNotMatch")


class TestForms:
    """Uploads of web pages, with a signed policy."""

    def form(self, s3: Any, bucket: str, **more: Any) -> dict[str, Any]:
        return s3.generate_presigned_post(bucket, "posted/${filename}", ExpiresIn=60, **more)  # type: ignore[no-any-return]

    def post(self, form: dict[str, Any], body: bytes = b"body", **fields: str) -> httpx.Response:
        return send("POST", form["url"], data=form["fields"] | fields, files={"file": ("f.txt", body)})

    def test_a_signed_policy_is_honoured(self, s3: Any, bucket: str) -> None:
        assert self.post(self.form(s3, bucket)).status_code == 204
        assert s3.get_object(Bucket=bucket, Key="posted/f.txt")["Body"].read() == b"body"

    def test_whatever_it_does_not_allow_is_refused(self, s3: Any, bucket: str) -> None:
        form = self.form(s3, bucket, Conditions=[["content-length-range", 1, 5]])
        assert told(self.post(form, b"too large"))[:2] == (400, "EntityTooLarge")
        assert told(self.post(form, acl="public-read")) == (
            403,
            "AccessDenied",
            "Invalid according to Policy: Extra input fields: acl",
        )
        assert told(self.post(form, key="script/spark_job.py"))[:2] == (403, "AccessDenied")
        policy = json.loads(base64.b64decode(form["fields"]["policy"]))
        policy["conditions"] = []
        forged = base64.b64encode(json.dumps(policy).encode()).decode()
        assert told(self.post(form, policy=forged))[:2] == (403, "SignatureDoesNotMatch")
        assert told(self.post(form, **{"x-amz-signature": "0" * 64}))[:2] == (403, "SignatureDoesNotMatch")


class TestTemporaryKeys:
    def test_they_outlive_a_restart(self, tmp_path: Any) -> None:
        with run_service("s3", tmp_path) as first:
            role = first.settings["EMR_RUNTIME_ROLE_ARN"]
            sts = client(first, "sts")
            given = sts.assume_role(RoleArn=role, RoleSessionName="job", DurationSeconds=900)["Credentials"]
            token = sts.get_session_token()["Credentials"]
        with run_service("s3", tmp_path, first.settings) as second:
            who = client(second, "sts", **as_session(given)).get_caller_identity()
            assert who["Arn"] == "arn:aws:sts::000000000000:assumed-role/velodrome-emr-runtime/job"
            assert client(second, **as_session(given)).list_buckets()["Buckets"]
            own = client(second, "sts", **as_session(token)).get_caller_identity()
            assert own["Arn"] == "arn:aws:iam::000000000000:user/velodrome"

    def test_an_end_is_an_end(self, service: RunningService) -> None:
        settings = service.settings
        profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
        arn = "arn:aws:sts::000000000000:assumed-role/r/s"
        ended = NOW - datetime.timedelta(seconds=1)
        secret, token = of_profile(profile, "000000000000").temporary("ASIAX", arn, "AROAX:s", ended)
        session = {"AccessKeyId": "ASIAX", "SecretAccessKey": secret, "SessionToken": token}
        with pytest.raises(ClientError) as caught:
            client(service, **as_session(session)).list_buckets()
        assert refused(caught) == (400, "ExpiredToken", "The provided token has expired.")
        with pytest.raises(ClientError) as caught:
            client(service, "sts", **as_session(session)).get_caller_identity()
        assert refused(caught)[:2] == (403, "ExpiredToken")


class TestAccounts:
    """How several accounts are had: docs/s3.md."""

    def test_a_user_of_another_account(self, service: RunningService, s3: Any, bucket: str) -> None:
        role = f"arn:aws:iam::{OTHER}:role/OrganizationAccountAccessRole"
        session = client(service, "sts").assume_role(RoleArn=role, RoleSessionName="admin")["Credentials"]
        iam = client(service, "iam", **as_session(session))
        iam.create_user(UserName="other")
        key = iam.create_access_key(UserName="other")["AccessKey"]
        mine = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        assert re.fullmatch("AKIA[A-Z2-7]{16}", key["AccessKeyId"])
        assert client(service, "sts", **mine).get_caller_identity()["Arn"] == f"arn:aws:iam::{OTHER}:user/other"
        other = client(service, **mine)
        other.create_bucket(Bucket="of-the-other-account")
        listed = other.list_buckets()
        assert [one["Name"] for one in listed["Buckets"]] == ["of-the-other-account"]
        assert other.get_bucket_acl(Bucket="of-the-other-account")["Owner"] == listed["Owner"]
        assert re.fullmatch("[0-9a-f]{64}", listed["Owner"]["ID"])
        assert listed["Owner"]["ID"] != s3.list_buckets()["Owner"]["ID"]
        assert "of-the-other-account" not in {one["Name"] for one in s3.list_buckets()["Buckets"]}
        # What is put into another account's bucket is that account's, and parts are copied from one to another.
        place = {"Bucket": "of-the-other-account", "Key": "k"}
        upload = s3.create_multipart_upload(**place)["UploadId"]
        assert other.list_parts(**place, UploadId=upload)["Owner"] == listed["Owner"]
        assert s3.list_multipart_uploads(Bucket=place["Bucket"])["Uploads"][0]["Owner"] == listed["Owner"]
        source = {"Bucket": bucket, "Key": "kept"}
        copied = other.upload_part_copy(**place, UploadId=upload, PartNumber=1, CopySource=source)["CopyPartResult"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}]}
        s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
        assert other.get_object(**place)["Body"].read() == b"kept"
        other.create_bucket(Bucket="with-acls", ObjectOwnership="ObjectWriter")
        s3.put_object(Bucket="with-acls", Key="k", Body=b"mine")
        assert s3.get_object_acl(Bucket="with-acls", Key="k")["Owner"] == listed["Owner"]
        with pytest.raises(ClientError) as caught:
            s3.create_bucket(Bucket="of-the-other-account")
        assert refused(caught)[:2] == (409, "BucketAlreadyExists")
        iam.update_access_key(UserName="other", AccessKeyId=key["AccessKeyId"], Status="Inactive")
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            other.list_buckets()


class TestRegions:
    @pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-1"])
    def test_every_region_is_served(self, service: RunningService, bucket: str, region: str) -> None:
        s3 = client(service, region_name=region)
        assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=f"made-in-{region}", **place)
        found = s3.get_bucket_location(Bucket=f"made-in-{region}")["LocationConstraint"]
        assert found == (None if region == "us-east-1" else region)
        assert s3.head_bucket(Bucket=f"made-in-{region}")["BucketRegion"] == region

    def test_a_bucket_s_region_is_the_client_s(self, service: RunningService) -> None:
        s3 = client(service, region_name="eu-west-1")
        for place, named in (({}, "The unspecified"), ({"LocationConstraint": "us-west-2"}, "The us-west-2")):
            with pytest.raises(ClientError) as caught:
                s3.create_bucket(Bucket="elsewhere", **({"CreateBucketConfiguration": place} if place else {}))
            assert refused(caught) == (
                400,
                "IllegalLocationConstraintException",
                f"{named} location constraint is incompatible for the region specific endpoint this request was sent "
                "to.",
            )


class TestServicesThatAreNotHere:
    """A client of the profile asks for them here, and is answered as it reads errors."""

    CALLS = (
        ("glue", "get_databases", {}),
        ("athena", "list_work_groups", {}),
        ("kms", "list_keys", {}),
        ("secretsmanager", "list_secrets", {}),
        ("redshift-data", "list_databases", {"Database": "dev", "WorkgroupName": "default"}),
        ("rds", "describe_db_instances", {}),
        ("sqs", "list_queues", {}),
        ("sns", "list_topics", {}),
        ("emr", "list_clusters", {}),
        ("logs", "describe_log_groups", {}),
        ("lambda", "list_functions", {}),
        ("ec2", "describe_instances", {}),
        ("cloudwatch", "list_metrics", {}),
        ("cloudformation", "list_stacks", {}),
        ("route53", "list_hosted_zones", {}),
        ("dynamodb", "list_tables", {}),
        ("s3tables", "list_table_buckets", {}),
        ("stepfunctions", "list_state_machines", {}),
    )

    @pytest.mark.parametrize(("name", "operation", "parameters"), CALLS, ids=[call[0] for call in CALLS])
    def test_says_so_by_name(self, service: RunningService, name: str, operation: str, parameters: Any) -> None:
        asked: BaseClient = client(service, name)
        with pytest.raises(ClientError) as caught:
            getattr(asked, operation)(**parameters)
        status, code, message = refused(caught)
        shown = asked.meta.service_model.signing_name
        assert (status, code) == (501, "NotImplemented")
        assert message.startswith(f"Velodrome has no {shown}: ")
        assert caught.value.response["ResponseMetadata"].get("RetryAttempts", 0) == 0


def test_only_these_speak_xml_without_an_action() -> None:
    from velodrome.awsapi.absent import REST_XML

    session = get_session()
    loader = session.get_component("data_loader")
    found = set()
    for name in loader.list_available_services("service-2"):
        # To read all four hundred models takes longer than this file's other tests.
        if name in ("s3", "s3control", "route53", "cloudfront", "apigateway", "lambda", "glacier", "eks", "batch"):
            metadata = loader.load_service_model(name, "service-2")["metadata"]
            found |= {name} if metadata["protocol"] == "rest-xml" else set()
    assert found == REST_XML
