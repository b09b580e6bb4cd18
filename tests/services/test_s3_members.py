"""Each member of S3's requests is acted on or refused: conditions, owners, limits, encryption, ACLs, lifecycles."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_s3_cases import Bucket
from s3_requests import Raw, refused

from velodrome.settings import Settings

OTHER = '"d41d8cd98f00b204e9800998ecf8427e"'
GONE = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  # an id that a version could have
UNTIL_2000 = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3(s3_settings: Settings) -> Any:
    return Bucket(s3_settings).s3


@pytest.fixture(scope="module")
def raw(s3_settings: Settings) -> Raw:
    return Raw(s3_settings)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"members-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versions(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


FAILED = (412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
NO_KEY = (404, "NoSuchKey", "The specified key does not exist.")
DENIED = (403, "AccessDenied", "Access Denied")
MALFORMED = (
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
)


def put(s3: Any, bucket: str, key: str = "k", body: bytes = b"old") -> str:
    etag: str = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"]
    return etag


def body(s3: Any, bucket: str, key: str = "k") -> bytes:
    read: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return read


def completed(s3: Any, bucket: str, key: str, data: bytes) -> dict[str, Any]:
    """What CompleteMultipartUpload is called with, for an upload of one part."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=data)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    return {"Bucket": bucket, "Key": key, "UploadId": upload, "MultipartUpload": parts}


class TestConditions:
    def test_a_copy_asks_its_target(self, s3: Any, bucket: str) -> None:
        etag = put(s3, bucket)
        source = {"Bucket": bucket, "CopySource": f"{bucket}/source"}
        put(s3, bucket, "source", b"new")
        assert refused(s3.copy_object, **source, Key="k", IfNoneMatch="*") == FAILED
        assert refused(s3.copy_object, **source, Key="k", IfMatch=OTHER) == FAILED
        assert refused(s3.copy_object, **source, Key="not there", IfMatch=OTHER) == NO_KEY
        assert refused(s3.copy_object, **source, Key="k", IfNoneMatch=OTHER)[:2] == (501, "NotImplemented")
        assert body(s3, bucket) == b"old"
        s3.copy_object(**source, Key="k", IfMatch=etag)
        s3.copy_object(**source, Key="fresh", IfNoneMatch="*")
        assert (body(s3, bucket), body(s3, bucket, "fresh")) == (b"new", b"new")

    def test_a_put_and_an_upload_ask_their_target(self, s3: Any, bucket: str) -> None:
        etag = put(s3, bucket)
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"new", IfNoneMatch="*") == FAILED
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"new", IfMatch=OTHER) == FAILED
        assert refused(s3.put_object, Bucket=bucket, Key="none", Body=b"new", IfMatch=OTHER) == NO_KEY
        complete = completed(s3, bucket, "k", b"new")
        assert refused(s3.complete_multipart_upload, **complete, IfNoneMatch="*") == FAILED
        assert refused(s3.complete_multipart_upload, **complete, IfMatch=OTHER) == FAILED
        assert body(s3, bucket) == b"old"
        s3.complete_multipart_upload(**complete, IfMatch=etag)
        assert body(s3, bucket) == b"new"

    def test_a_deletion_asks_what_it_deletes(self, s3: Any, bucket: str) -> None:
        etag = put(s3, bucket)
        then = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
        one = {"Bucket": bucket, "Key": "k"}
        assert refused(s3.delete_object, **one, IfMatch=OTHER) == FAILED
        assert refused(s3.delete_object, **one, IfMatchSize=4) == FAILED
        assert refused(s3.delete_object, **one, IfMatchLastModifiedTime=UNTIL_2000) == FAILED
        assert refused(s3.delete_object, Bucket=bucket, Key="none", IfMatch="*") == NO_KEY
        assert body(s3, bucket) == b"old"
        s3.delete_object(**one, IfMatch=etag, IfMatchSize=3, IfMatchLastModifiedTime=then)
        assert refused(s3.head_object, **one)[0] == 404

    def test_a_deletion_in_a_versioned_bucket(self, s3: Any, versions: str) -> None:
        first = s3.put_object(Bucket=versions, Key="k", Body=b"1")
        second = s3.put_object(Bucket=versions, Key="k", Body=b"2")
        assert refused(s3.delete_object, Bucket=versions, Key="k", IfMatch=first["ETag"]) == FAILED
        s3.delete_object(Bucket=versions, Key="k", IfMatch=second["ETag"])
        assert refused(s3.delete_object, Bucket=versions, Key="k", IfMatch="*") == FAILED  # of a delete marker
        named = {"Bucket": versions, "Key": "k", "VersionId": first["VersionId"]}
        assert refused(s3.delete_object, **named, IfMatch=second["ETag"]) == FAILED
        assert s3.delete_object(**named, IfMatch=first["ETag"])["VersionId"] == first["VersionId"]

    def test_each_of_many_deletions_asks(self, s3: Any, bucket: str) -> None:
        etag = put(s3, bucket, "a")
        put(s3, bucket, "b")
        put(s3, bucket, "c")
        listed = [
            {"Key": "a", "ETag": etag},
            {"Key": "b", "ETag": OTHER},
            {"Key": "c", "Size": 4},
            {"Key": "none", "ETag": etag},
        ]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": listed})
        assert [one["Key"] for one in answer["Deleted"]] == ["a"]
        assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [
            ("b", "PreconditionFailed"),
            ("c", "PreconditionFailed"),
            ("none", "NoSuchKey"),
        ]
        left = s3.list_objects_v2(Bucket=bucket)["Contents"]
        assert [entry["Key"] for entry in left] == ["b", "c"]

    def test_a_condition_by_etag_goes_before_the_one_by_date(self, s3: Any, bucket: str) -> None:
        etag = put(s3, bucket)
        later = datetime.now(UTC) - timedelta(seconds=1)
        one = {"Bucket": bucket, "Key": "k"}
        assert s3.get_object(**one, IfMatch=etag, IfUnmodifiedSince=UNTIL_2000)["ETag"] == etag
        assert s3.get_object(**one, IfNoneMatch=OTHER, IfModifiedSince=later)["ETag"] == etag
        assert refused(s3.get_object, **one, IfMatch=OTHER)[:2] == (412, "PreconditionFailed")
        assert refused(s3.head_object, **one, IfUnmodifiedSince=UNTIL_2000)[0] == 412

    def test_not_modified_tells_the_etag(self, s3: Any, bucket: str, raw: Raw) -> None:
        etag = put(s3, bucket)
        for method in ("GET", "HEAD"):
            for given in (etag, f'"0", W/{etag}', "*"):
                same = raw(method, f"/{bucket}/k", If_None_Match=given)
                assert (same.status, same.headers["etag"], same.body) == (304, etag, b"")

    def test_a_condition_of_an_upload_is_not_asked_twice(self, s3: Any, bucket: str) -> None:
        complete = completed(s3, bucket, "k", b"data")
        first = s3.complete_multipart_upload(**complete, IfNoneMatch="*")
        assert s3.complete_multipart_upload(**complete, IfNoneMatch="*")["ETag"] == first["ETag"]


class TestRepeated:
    @pytest.mark.parametrize("kind", ["bucket", "versions"])
    def test_an_upload_completed_again_has_the_same_answer(
        self, s3: Any, kind: str, request: pytest.FixtureRequest
    ) -> None:
        name = request.getfixturevalue(kind)
        complete = completed(s3, name, "k", b"data")
        first, again = (s3.complete_multipart_upload(**complete) for _ in range(2))
        for answer in (first, again):
            del answer["ResponseMetadata"]
        assert again == first
        assert "ChecksumCRC64NVME" in first

        others = complete | {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": OTHER}]}}
        assert refused(s3.complete_multipart_upload, **others)[:2] == (404, "NoSuchUpload")
        s3.delete_object(Bucket=name, Key="k")
        assert refused(s3.complete_multipart_upload, **complete)[:2] == (404, "NoSuchUpload")

    def test_a_version_that_is_gone_is_deleted(self, s3: Any, versions: str) -> None:
        stored = s3.put_object(Bucket=versions, Key="k", Body=b"1")["VersionId"]
        for version in (stored, stored, GONE):
            deleted = s3.delete_object(Bucket=versions, Key="k", VersionId=version)
            assert (deleted["ResponseMetadata"]["HTTPStatusCode"], deleted["VersionId"]) == (204, version)
        many = s3.delete_objects(Bucket=versions, Delete={"Objects": [{"Key": "k", "VersionId": GONE}]})
        assert many["Deleted"] == [{"Key": "k", "VersionId": GONE}]

    @pytest.mark.parametrize("kind", ["bucket", "versions"])
    def test_what_is_no_version_id(self, s3: Any, kind: str, request: pytest.FixtureRequest) -> None:
        name = request.getfixturevalue(kind)
        put(s3, name)
        invalid = (400, "InvalidArgument", "Invalid version id specified")
        one = {"Bucket": name, "Key": "k"}
        for call in (s3.get_object, s3.delete_object, s3.get_object_tagging, s3.get_object_acl):
            assert refused(call, **one, VersionId="abc") == invalid
        missing = (404, "NoSuchVersion", "The specified version does not exist.")
        assert refused(s3.get_object, **one, VersionId=GONE) == missing
        assert refused(s3.get_object_tagging, **one, VersionId=GONE) == missing


class TestOwners:
    def test_another_owner_is_denied_in_each_operation(self, s3: Any, bucket: str) -> None:
        put(s3, bucket)
        owner = {"Bucket": bucket, "ExpectedBucketOwner": "999999999999"}
        one = {**owner, "Key": "k"}
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        for call, members in (
            (s3.head_bucket, owner),
            (s3.list_objects_v2, owner),
            (s3.list_object_versions, owner),
            (s3.list_multipart_uploads, owner),
            (s3.get_bucket_location, owner),
            (s3.delete_bucket, owner),
            (s3.put_object, one),
            (s3.get_object, one),
            (s3.head_object, one),
            (s3.delete_object, one),
            (s3.create_multipart_upload, one),
            (s3.put_object_tagging, {**one, "Tagging": tags}),
            (s3.delete_objects, {**owner, "Delete": {"Objects": [{"Key": "k"}]}}),
            (s3.copy_object, {**one, "CopySource": f"{bucket}/k"}),
        ):
            assert refused(call, **members)[0] == 403, call
        assert refused(s3.get_object, **one) == DENIED
        copy = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/k"}
        assert refused(s3.copy_object, **copy, ExpectedSourceBucketOwner="999999999999") == DENIED
        assert refused(s3.get_object, **one | {"ExpectedBucketOwner": "me"})[:2] == (
            400,
            "InvalidBucketOwnerAWSAccountID",
        )
        assert s3.head_object(Bucket=bucket, Key="k", ExpectedBucketOwner="000000000000")["ContentLength"] == 3

    def test_new_buckets_take_no_acl(self, s3: Any, bucket: str) -> None:
        put(s3, bucket)
        no_acls = (400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
        one = {"Bucket": bucket, "Key": "k"}
        for acl in ("public-read", "private", "authenticated-read"):
            assert refused(s3.put_bucket_acl, Bucket=bucket, ACL=acl) == no_acls
            assert refused(s3.put_object_acl, **one, ACL=acl) == no_acls
            assert refused(s3.put_object, **one, Body=b"x", ACL=acl) == no_acls
            assert refused(s3.create_multipart_upload, **one, ACL=acl) == no_acls
            assert refused(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ACL=acl) == no_acls
        s3.put_object(**one, Body=b"x", ACL="bucket-owner-full-control")
        name = f"public-{uuid.uuid4().hex}"
        assert refused(s3.create_bucket, Bucket=name, ACL="public-read") == (
            400,
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
        assert refused(s3.create_bucket, Bucket=name, ACL="public-read", ObjectOwnership="ObjectWriter")[:2] == (
            400,
            "InvalidBucketAclWithBlockPublicAccessError",
        )
        assert refused(s3.head_bucket, Bucket=name)[0] == 404

    def test_what_is_public_is_blocked_until_that_is_allowed(self, s3: Any, bucket: str) -> None:
        read = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        statement = {"Effect": "Allow", "Principal": "*"} | read
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
        )
        assert refused(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == DENIED
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ACL="public-read") == DENIED
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == DENIED
        s3.put_bucket_acl(Bucket=bucket, ACL="private")
        s3.delete_public_access_block(Bucket=bucket)
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


class TestLimits:
    def test_lists_of_keys_to_delete(self, s3: Any, bucket: str) -> None:
        for count in (0, 1001):
            listed = {"Objects": [{"Key": str(number)} for number in range(count)]}
            assert refused(s3.delete_objects, Bucket=bucket, Delete=listed) == MALFORMED
        listed = {"Objects": [{"Key": str(number)} for number in range(1000)]}
        assert len(s3.delete_objects(Bucket=bucket, Delete=listed)["Deleted"]) == 1000

    @pytest.mark.parametrize("key", ["/", "//", "/a", "a//", "a/../b", "é ✓+%2F?#&=", " ", "a\nb"])
    def test_keys_of_any_bytes(self, s3: Any, bucket: str, key: str) -> None:
        put(s3, bucket, key, b"data")
        assert body(s3, bucket, key) == b"data"
        assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
        s3.copy_object(Bucket=bucket, Key=f"{key}/copy", CopySource={"Bucket": bucket, "Key": key})
        s3.delete_object(Bucket=bucket, Key=key)
        assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [f"{key}/copy"]

    def test_how_long_a_key_is(self, s3: Any, bucket: str) -> None:
        longest = "é" * 512
        assert put(s3, bucket, longest)
        too_long = (400, "KeyTooLongError", "Your key is too long")
        one = {"Bucket": bucket, "Key": longest + "x"}
        assert refused(s3.put_object, **one) == too_long
        assert refused(s3.get_object, **one) == too_long
        assert refused(s3.create_multipart_upload, **one) == too_long
        assert refused(s3.copy_object, **one, CopySource={"Bucket": bucket, "Key": longest}) == too_long

    def test_how_much_metadata(self, s3: Any, bucket: str) -> None:
        most = {"a": "x" * 2047}
        s3.put_object(Bucket=bucket, Key="k", Metadata=most)
        large = (400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
        more = {"Bucket": bucket, "Key": "k", "Metadata": most | {"b": ""}}
        assert refused(s3.put_object, **more) == large
        assert refused(s3.create_multipart_upload, **more) == large
        assert refused(s3.copy_object, **more, CopySource=f"{bucket}/k", MetadataDirective="REPLACE") == large

    def test_tags(self, s3: Any, bucket: str) -> None:
        def tagging(*pairs: tuple[str, str]) -> dict[str, Any]:
            return {"Tagging": {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}}

        put(s3, bucket)
        one = {"Bucket": bucket, "Key": "k"}
        numbered = [(f"k{number}", "v") for number in range(51)]
        too_many = (400, "BadRequest", "Object tags cannot be greater than 10")
        s3.put_object_tagging(**one, **tagging(*numbered[:10]))
        assert refused(s3.put_object_tagging, **one, **tagging(*numbered[:11])) == too_many
        header = "&".join(f"{key}={value}" for key, value in numbered[:11])
        assert refused(s3.put_object, **one, Tagging=header) == too_many
        assert refused(s3.create_multipart_upload, **one, Tagging=header) == too_many
        s3.put_bucket_tagging(Bucket=bucket, **tagging(*numbered[:50]))
        assert refused(s3.put_bucket_tagging, Bucket=bucket, **tagging(*numbered)) == (
            400,
            "BadRequest",
            "Bucket tag count cannot be greater than 50",
        )
        s3.put_object_tagging(**one, **tagging(("k" * 128, "v" * 256)))
        for pair, what in ((("k" * 129, "v"), "TagKey"), (("k", "v" * 257), "TagValue"), (("a#b", "v"), "TagKey")):
            invalid = (400, "InvalidTag", f"The {what} you have provided is invalid")
            assert refused(s3.put_object_tagging, **one, **tagging(pair)) == invalid
            assert refused(s3.put_bucket_tagging, Bucket=bucket, **tagging(pair)) == invalid
        assert refused(s3.put_object, **one, Tagging=f"{'k' * 129}=v")[:2] == (400, "InvalidTag")
        assert refused(s3.put_object, **one, Tagging="aws:k=v")[:2] == (400, "InvalidTag")

    def test_parts(self, s3: Any, bucket: str) -> None:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        one = {"Bucket": bucket, "Key": "k", "UploadId": upload}
        for number in (0, 10_001):
            assert refused(s3.upload_part, **one, PartNumber=number, Body=b"x") == (
                400,
                "InvalidArgument",
                "Part number must be an integer between 1 and 10000, inclusive",
            )
        etags = [s3.upload_part(**one, PartNumber=n, Body=b"x")["ETag"] for n in (1, 10_000)]
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in zip((1, 10_000), etags, strict=True)]
        complete = s3.complete_multipart_upload
        assert refused(complete, **one, MultipartUpload={"Parts": parts}) == (
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        )
        assert refused(complete, **one, MultipartUpload={"Parts": parts[::-1]})[1] == "InvalidPartOrder"
        assert refused(complete, **one, MultipartUpload={"Parts": parts[:1] * 2})[1] == "InvalidPartOrder"
        assert refused(complete, **one, MultipartUpload={"Parts": []}) == MALFORMED
        s3.complete_multipart_upload(**one, MultipartUpload={"Parts": parts[:1]})


class TestEncryption:
    def test_the_key_that_is_aws_own(self, s3: Any, bucket: str) -> None:
        one = {"Bucket": bucket, "Key": "k"}
        stored = s3.put_object(**one, Body=b"x", ServerSideEncryption="aws:kms")
        key = stored["SSEKMSKeyId"]
        assert key.startswith(f"arn:aws:kms:{s3.meta.region_name}:000000000000:key/")
        assert s3.head_object(**one)["SSEKMSKeyId"] == key
        aliased = s3.put_object(**one, Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/aws/s3")
        assert aliased["SSEKMSKeyId"] == key
        made = s3.create_multipart_upload(**one, ServerSideEncryption="aws:kms")
        copied = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ServerSideEncryption="aws:kms")
        assert [made["SSEKMSKeyId"], copied["SSEKMSKeyId"]] == [key, key]
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
        default = s3.put_object(**one, Body=b"x")
        assert (default["SSEKMSKeyId"], default["BucketKeyEnabled"]) == (key, True)

    def test_an_encoding_that_names_how_it_was_sent(self, s3: Any, bucket: str, raw: Raw) -> None:
        for given, kept in (("gzip, aws-chunked", "gzip"), ("aws-chunked", None), ("gzip", "gzip")):
            s3.put_object(Bucket=bucket, Key="k", Body=b"zipped", ContentEncoding=given)
            found = s3.head_object(Bucket=bucket, Key="k")
            assert (found.get("ContentEncoding"), found["ContentLength"]) == (kept, 6)


class TestLifecycle:
    def test_a_rule_with_a_prefix_of_its_own(self, s3: Any, bucket: str) -> None:
        rule = {"ID": "old", "Prefix": "tmp/", "Status": "Enabled", "Expiration": {"Days": 3}}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [rule]
        put(s3, bucket, "tmp/k")
        put(s3, bucket, "k")
        assert 'rule-id="old"' in s3.head_object(Bucket=bucket, Key="tmp/k")["Expiration"]
        assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k")

    def test_a_rule_without_an_id_is_given_one(self, s3: Any, bucket: str) -> None:
        rule = {"Filter": {"Prefix": "tmp/"}, "Status": "Enabled", "Expiration": {"Days": 3}}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        (kept,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert kept.pop("ID")
        assert kept == rule

    def test_what_is_no_rule(self, s3: Any, bucket: str) -> None:
        good = {"ID": "a", "Filter": {"Prefix": "tmp/"}, "Status": "Enabled", "Expiration": {"Days": 3}}

        def of(*rules: dict[str, Any]) -> tuple[int, str, str]:
            return refused(
                s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}
            )

        assert of() == MALFORMED
        assert of({**good, "Prefix": "tmp/"}) == MALFORMED
        assert of({**good, "Status": "enabled"}) == MALFORMED
        assert of({name: value for name, value in good.items() if name != "Filter"}) == MALFORMED
        assert of(good, good)[:2] == (400, "InvalidArgument")
        assert of({**good, "Expiration": {"Days": 0}})[:2] == (400, "InvalidArgument")
        no_action = {name: value for name, value in good.items() if name != "Expiration"}
        assert of(no_action) == (400, "InvalidRequest", "At least one action needs to be specified in a rule")
