"""Values that a member cannot have, and requests of a kind that is not here, change nothing; GetUser says who calls."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from aws_s3_cases import Bucket
from botocore.exceptions import ClientError
from s3_requests import Raw, refused

from velodrome.settings import Settings
from velodrome.testing import client_options

LOCK = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime(2030, 1, 1, tzinfo=UTC)}
NO_LOCK = (400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
REDIRECT = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
CONTEXT = (
    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which"
    " represents a string-string map"
)
OFFSET = "A header you provided implies functionality that is not implemented"
OLD = datetime(2000, 1, 1, tzinfo=UTC)
PASSED = "The retain until date must be in the future!"
KMS = {"ServerSideEncryption": "aws:kms"}


@pytest.fixture(scope="module")
def s3(s3_settings: Settings) -> Any:
    return Bucket(s3_settings).s3


@pytest.fixture(scope="module")
def raw(s3_settings: Settings) -> Raw:
    return Raw(s3_settings)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"values-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"old")
    return name


def kept(s3: Any, bucket: str) -> bool:
    return bool(s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"WriteOffsetBytes": 5}, (501, "NotImplemented", OFFSET)),
        (LOCK, NO_LOCK),
        ({"ObjectLockLegalHoldStatus": "ON"}, NO_LOCK),
        (LOCK | {"ObjectLockRetainUntilDate": OLD}, (400, "InvalidArgument", PASSED)),
        ({"ObjectLockLegalHoldStatus": "FOO"}, (400, "InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'")),
        ({"StorageClass": "FOO"}, (400, "InvalidStorageClass", "The storage class you specified is not valid")),
        ({"WebsiteRedirectLocation": "foo"}, (400, "InvalidRedirectLocation", REDIRECT)),
        (KMS | {"SSEKMSEncryptionContext": "%%%"}, (400, "InvalidArgument", CONTEXT)),
        (KMS | {"SSEKMSEncryptionContext": "WzFd"}, (400, "InvalidArgument", CONTEXT)),  # [1]
    ],
)
def test_a_put(s3: Any, bucket: str, given: dict[str, Any], error: tuple[int, str, str]) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"new", **given) == error
    assert kept(s3, bucket)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (LOCK, NO_LOCK),
        ({"MetadataDirective": "FOO"}, (400, "InvalidArgument", "Unknown metadata directive.")),
        ({"TaggingDirective": "FOO"}, (400, "InvalidArgument", "Unknown tagging directive.")),
        ({"StorageClass": "FOO"}, (400, "InvalidStorageClass", "The storage class you specified is not valid")),
    ],
)
def test_a_copy(s3: Any, bucket: str, given: dict[str, Any], error: tuple[int, str, str]) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    source = {"Bucket": bucket, "Key": "source"}
    assert refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=source, **given) == error
    assert kept(s3, bucket)


def test_an_upload_with_a_lock(s3: Any, bucket: str) -> None:
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", **LOCK) == NO_LOCK


def test_of_two_conditions_of_a_copys_source_the_etag_goes_first(s3: Any, bucket: str) -> None:
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="a", CopySource=source, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=OLD)
    both = {"CopySourceIfNoneMatch": etag, "CopySourceIfModifiedSince": OLD}
    for given in (both, {"CopySourceIfMatch": '"other"'}, {"CopySourceIfUnmodifiedSince": OLD}):
        status, code, _ = refused(s3.copy_object, Bucket=bucket, Key="b", CopySource=source, **given)
        assert (status, code) == (412, "PreconditionFailed")


def test_an_upload_s_kind_of_checksum(s3: Any, bucket: str) -> None:
    given = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FOO"}
    error = (400, "InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", **given) == error


def test_an_upload_is_not_ended_by_a_condition_that_nobody_asks(s3: Any, bucket: str) -> None:
    """It is of directory buckets."""
    place = {"Bucket": bucket, "Key": "k"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    status, code, _ = refused(s3.abort_multipart_upload, **place, IfMatchInitiatedTime=OLD)
    assert (status, code) == (501, "NotImplemented")
    assert s3.list_parts(**place)["UploadId"] == place["UploadId"]


def test_what_cannot_be_restored(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="cold", StorageClass="GLACIER")
    for given in ({"Days": 0}, {"Days": 1, "GlacierJobParameters": {"Tier": "FOO"}}):
        assert refused(s3.restore_object, Bucket=bucket, Key="cold", RestoreRequest=given)[:2] == (400, "MalformedXML")
    error = (403, "InvalidObjectState", "Restore is not allowed for the object's current storage class")
    assert refused(s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Days": 1}) == error
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    given = {"Bucket": bucket, "Key": "copy", "UploadId": upload, "PartNumber": 1, "CopySource": f"{bucket}/cold"}
    assert refused(s3.upload_part_copy, **given)[:2] == (403, "InvalidObjectState")


@pytest.mark.parametrize("query", ["partNumber=1", "encryption", "renameObject", "policy"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_names_a_part_or_a_subresource_is_not_done_to_the_object(
    s3: Any, raw: Raw, bucket: str, method: str, query: str
) -> None:
    answer = raw(method, f"/{bucket}/k?{query}", body=b"<New/>" if method == "PUT" else b"")
    assert answer.status == (400 if query == "partNumber=1" else 501)
    assert kept(s3, bucket)


def test_an_attribute_that_there_is_not(s3: Any, bucket: str) -> None:
    error = refused(s3.get_object_attributes, Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Foo"])
    assert error == (400, "InvalidArgument", "Invalid attribute name specified.")


class TestGetUser:
    @pytest.fixture(scope="class")
    def options(self, s3_settings: Settings) -> dict[str, Any]:
        return dict(client_options(s3_settings))

    def test_the_profiles_own(self, options: dict[str, Any]) -> None:
        iam = boto3.client("iam", **options)
        user = iam.get_user()["User"]
        assert user["Arn"] == boto3.client("sts", **options).get_caller_identity()["Arn"]
        assert iam.get_user(UserName=user["UserName"])["User"]["UserId"] == user["UserId"]

    def test_a_user_of_iam(self, options: dict[str, Any]) -> None:
        iam = boto3.client("iam", **options)
        name = f"user-{uuid.uuid4().hex}"
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        assert boto3.client("iam", **options | own).get_user()["User"]["UserName"] == name

    def test_a_role(self, options: dict[str, Any], s3_settings: Settings) -> None:
        role = s3_settings["EMR_RUNTIME_ROLE_ARN"]
        given = boto3.client("sts", **options).assume_role(RoleArn=role, RoleSessionName="one")["Credentials"]
        own = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        with pytest.raises(ClientError) as caught:
            boto3.client("iam", **options | own).get_user()
        assert caught.value.response["Error"]["Code"] == "ValidationError"


class TestVersionsCopiedOverTheirOwnKey:
    """As AWS tells people to restore what was overwritten or deleted."""

    @pytest.fixture
    def versions(self, s3: Any, bucket: str) -> tuple[str, str]:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(
            Bucket=bucket, Key="k", Body=b"one", Metadata={"a": "b"}, ContentType="x/y", CacheControl="c", Tagging="t=1"
        )
        return first["VersionId"], s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]

    def test_an_earlier_one_is_the_latest_again(self, s3: Any, bucket: str, versions: tuple[str, str]) -> None:
        for _ in ("overwritten", "deleted"):
            answer = s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k?versionId={versions[0]}")
            assert answer["CopyObjectResult"]["ChecksumType"] == "FULL_OBJECT"
            found = s3.get_object(Bucket=bucket, Key="k")
            assert found["Body"].read() == b"one"
            assert (found["Metadata"], found["ContentType"], found["CacheControl"]) == ({"a": "b"}, "x/y", "c")
            assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
            s3.delete_object(Bucket=bucket, Key="k")

    def test_the_latest_stays_what_it_is(self, s3: Any, bucket: str, versions: tuple[str, str]) -> None:
        for source in (f"{bucket}/k", f"{bucket}/k?versionId={versions[1]}"):
            status, code, message = refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=source)
            assert (status, code) == (400, "InvalidRequest")
            assert message.startswith("This copy request is illegal because")

    @pytest.mark.parametrize("operation", ["copy_object", "upload_part_copy"])
    def test_a_source_that_cannot_be(self, s3: Any, bucket: str, operation: str) -> None:
        more = {}
        if operation == "upload_part_copy":
            more = {"PartNumber": 1, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
        for source, message in (
            (f"{bucket}/k?versionId=abc", "Invalid version id specified"),
            (f"{bucket}/", "Invalid copy source object key"),
        ):
            error = refused(getattr(s3, operation), Bucket=bucket, Key="k", CopySource=source, **more)
            assert error == (400, "InvalidArgument", message)


def test_a_version_that_is_a_delete_marker(s3: Any, raw: Raw, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    for method in ("GET", "HEAD"):
        answer = raw(method, f"/{bucket}/k?versionId={marker}")
        told = [answer.headers.get(name) for name in ("x-amz-delete-marker", "x-amz-version-id", "allow")]
        assert (answer.status, told) == (405, ["true", marker, "DELETE"])


def test_a_head_has_the_headers_that_it_asks_for(s3: Any, bucket: str) -> None:
    asked = {"ResponseContentType": "a/b", "ResponseContentDisposition": "inline", "ResponseCacheControl": "no-cache"}
    found = s3.head_object(Bucket=bucket, Key="k", **asked)
    assert {f"Response{name}": found[name] for name in ("ContentType", "ContentDisposition", "CacheControl")} == asked


def test_the_first_part_of_nothing_is_the_whole(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="empty")
    for call in (s3.get_object, s3.head_object):
        answer = call(Bucket=bucket, Key="empty", PartNumber=1)
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentLength"]) == (200, 0)
        assert "ContentRange" not in answer


@pytest.mark.parametrize("given", ["items=0-1", "bytes=+0-1", "bytes=1-0", "bytes=x", "bytes=0-1,1-2"])
def test_a_range_that_is_none_is_not_there(s3: Any, bucket: str, given: str) -> None:
    assert s3.get_object(Bucket=bucket, Key="k", Range=given)["Body"].read() == b"old"


def test_a_part_is_one_of_the_object_that_is_meant(raw: Raw, bucket: str) -> None:
    """Who goes on with a download has the rest of it, or all of what has taken its place."""
    told = raw("HEAD", f"/{bucket}/k").headers
    for given, status, body in (
        (told["etag"], 206, b"d"),
        (told["last-modified"], 206, b"d"),
        ('"other"', 200, b"old"),
        (f"W/{told['etag']}", 200, b"old"),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 200, b"old"),
    ):
        answer = raw("GET", f"/{bucket}/k", If_Range=given, Range="bytes=2-")
        assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("headers", [{}, {"x_amz_object_attributes": ""}, {"x_amz_object_attributes": ","}])
def test_no_attributes(raw: Raw, bucket: str, headers: dict[str, str]) -> None:
    answer = raw("GET", f"/{bucket}/k?attributes", **headers)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert answer.message == (
        "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
    )


@pytest.mark.parametrize("header", ["x-amz-object-lock-event-hold", "x-amz-object-lock-event-hold-duration-days"])
def test_a_header_that_the_engine_does_not_know(s3: Any, raw: Raw, bucket: str, header: str) -> None:
    answer = raw("PUT", f"/{bucket}/k", b"new", **{header: "1"})
    assert (answer.status, answer.code) == (501, "NotImplemented")
    assert header.encode() in answer.body and kept(s3, bucket)


@pytest.mark.parametrize("name", ["xn--a", "sthree-a", "amzn-s3-demo-a", "a-s3alias", "a--ol-s3", "abc.mrap"])
def test_a_bucket_s_name_that_s3_keeps(s3: Any, name: str) -> None:
    error = refused(s3.create_bucket, Bucket=name)
    assert error == (400, "InvalidBucketName", "The specified bucket is not valid.")


def test_nobody_has_a_device_for_deletions(s3: Any, bucket: str) -> None:
    given = {"Status": "Enabled", "MFADelete": "Enabled"}
    status, code, _ = refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=given)
    assert (status, code) == (403, "AccessDenied")
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


GLACIER = {"Days": 30, "StorageClass": "GLACIER"}
TAGGED = {"Filter": {"Tag": {"Key": "a", "Value": "b"}}}


@pytest.mark.parametrize(
    ("rule", "code", "message"),
    [
        ({"Transitions": [{"Days": 30, "StorageClass": "FOO"}]}, "MalformedXML", ""),
        ({"Transitions": [{"StorageClass": "GLACIER"}]}, "MalformedXML", ""),
        (
            {"Transitions": [{"Days": 3, "StorageClass": "STANDARD_IA"}]},
            "InvalidArgument",
            "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
        ),
        (
            {"Transitions": [GLACIER], "Expiration": {"Days": 30}},
            "InvalidArgument",
            "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition"
            " action",
        ),
        (
            {"Transitions": [GLACIER], "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}},
            "InvalidRequest",
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter"
            " '(prefix=)'",
        ),
        (
            TAGGED | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
            "InvalidRequest",
            "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        ),
        (
            TAGGED | {"Expiration": {"ExpiredObjectDeleteMarker": True}},
            "InvalidRequest",
            "ExpiredObjectDeleteMarker cannot be specified with Tags.",
        ),
        ({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}}, "InvalidArgument", ""),
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument", ""),
    ],
)
def test_a_lifecycle_rule_that_cannot_be(s3: Any, bucket: str, rule: Any, code: str, message: str) -> None:
    rules = {"Rules": [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}} | rule]}
    error = refused(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=rules)
    assert error[:2] == (400, code) and error[2].startswith(message)
