"""What S3 lets everybody do, and when a policy or an ACL counts as public: through boto3, signed and unsigned."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from aws_s3_cases import Bucket
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from s3_requests import Answer, Raw

from velodrome.settings import Settings

DENIED = (403, "AccessDenied", "Access Denied")
NO_BUCKET = (404, "NoSuchBucket", "The specified bucket does not exist")
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.fixture(scope="module")
def s3(s3_settings: Settings) -> Any:
    return Bucket(s3_settings).s3


@pytest.fixture(scope="module")
def raw(s3_settings: Settings) -> Raw:
    return Raw(s3_settings)


@pytest.fixture(scope="module")
def anybody(s3_settings: Settings) -> Any:
    """A client without keys, as `aws --no-sign-request` is."""
    config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    url = s3_settings["S3_ENDPOINT_URL"]
    return boto3.client("s3", endpoint_url=url, region_name=s3_settings["AWS_REGION"], config=config)


@pytest.fixture
def bucket(s3: Any) -> str:
    """One that takes ACLs and blocks nothing that is public."""
    name = f"open-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=name)
    return name


def refused(call: Callable[..., Any], **members: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error.get("Message", "")


def told(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.code, answer.message


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def form(**fields: str) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    return "".join((*parts, "--b--\r\n")).encode()


def post(raw: Raw, bucket: str, **fields: str) -> Answer:
    kind = "multipart/form-data; boundary=b"
    return raw("POST", f"/{bucket}", form(**fields, file="posted"), unsigned=True, Content_Type=kind)


class TestUnsigned:
    def test_what_an_acl_gives_to_read(self, s3: Any, anybody: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="seen", Body=b"seen", ACL="public-read")
        s3.put_object(Bucket=bucket, Key="hidden", Body=b"hidden")
        assert anybody.get_object(Bucket=bucket, Key="seen")["Body"].read() == b"seen"
        assert refused(anybody.get_object, Bucket=bucket, Key="hidden") == DENIED
        assert refused(anybody.list_objects_v2, Bucket=bucket) == DENIED
        assert refused(anybody.get_object_acl, Bucket=bucket, Key="seen") == DENIED
        assert refused(anybody.get_object, Bucket=bucket, Key="none") == DENIED
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
        listed = anybody.list_objects_v2(Bucket=bucket, FetchOwner=True)
        assert [entry["Key"] for entry in listed["Contents"]] == ["hidden", "seen"]
        assert len(anybody.list_object_versions(Bucket=bucket)["Versions"]) == 2
        assert anybody.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
        assert refused(anybody.get_object, Bucket=bucket, Key="none")[:2] == (404, "NoSuchKey")
        assert refused(anybody.get_object, Bucket=bucket, Key="hidden") == DENIED
        assert refused(anybody.get_bucket_acl, Bucket=bucket) == DENIED
        s3.put_bucket_acl(Bucket=bucket, GrantReadACP=f'uri="{EVERYBODY}"')
        assert anybody.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "READ_ACP"
        assert refused(anybody.list_objects_v2, Bucket=bucket) == DENIED

    def test_what_an_acl_gives_to_write(self, s3: Any, anybody: Any, raw: Raw, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="mine", Body=b"mine", ACL="public-read-write")
        one = {"Bucket": bucket, "Key": "mine"}
        assert refused(anybody.put_object, **one, Body=b"theirs") == DENIED
        assert refused(anybody.delete_object, **one) == DENIED
        assert told(post(raw, bucket, key="script/spark_job.py")) == DENIED
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        anybody.put_object(**one, Body=b"theirs", Metadata={"a": "b"}, StorageClass="STANDARD_IA")
        assert s3.get_object(**one)["Body"].read() == b"theirs"
        assert post(raw, bucket, key="posted", acl="public-read").status == 204
        assert anybody.get_object(Bucket=bucket, Key="posted")["Body"].read() == b"posted"
        answer = post(raw, bucket, key="posted", success_action_status="201")
        names = re.findall(rb"<(\w+)>", answer.body)  # without a name space
        assert (answer.status, sorted(names)) == (201, [b"Bucket", b"ETag", b"Key", b"Location", b"PostResponse"])
        anybody.delete_object(**one)
        assert refused(s3.head_object, **one)[0] == 404

    def test_what_takes_a_signature_all_the_same(self, s3: Any, anybody: Any, raw: Raw, bucket: str) -> None:
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read-write")
        one = {"Bucket": bucket, "Key": "k"}
        assert refused(anybody.create_multipart_upload, **one) == (
            403,
            "AccessDenied",
            "Anonymous users cannot initiate multipart uploads.  Please authenticate.",
        )
        assert refused(anybody.copy_object, **one, CopySource=f"{bucket}/k") == (
            403,
            "AccessDenied",
            "Anonymous users cannot copy objects.  Please authenticate",
        )
        assert refused(anybody.get_object, **one, ResponseContentType="text/html") == (
            400,
            "InvalidRequest",
            "Request specific response headers cannot be used for anonymous GET requests.",
        )
        for call, members in (
            (anybody.put_object_acl, {**one, "ACL": "private"}),
            (anybody.put_object_tagging, {**one, "Tagging": {"TagSet": []}}),
            (anybody.put_object, {**one, "ServerSideEncryption": "aws:kms"}),
            (anybody.put_object, {**one, "ObjectLockLegalHoldStatus": "ON"}),
            (anybody.delete_object, {**one, "VersionId": "null"}),
            (anybody.delete_objects, {"Bucket": bucket, "Delete": {"Objects": [{"Key": "k"}]}}),
            (anybody.put_bucket_acl, {"Bucket": bucket, "ACL": "private"}),
            (anybody.delete_bucket, {"Bucket": bucket}),
        ):
            assert refused(call, **members) == DENIED, call
        s3.put_object(**one, Body=b"x", ACL="public-read", ServerSideEncryption="aws:kms")
        assert refused(anybody.get_object, **one) == (
            400,
            "InvalidArgument",
            "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.",
        )

    def test_what_a_policy_gives(self, s3: Any, anybody: Any, raw: Raw, bucket: str) -> None:
        def give(action: str, **more: Any) -> None:
            to_all = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}/*"}
            s3.put_bucket_policy(Bucket=bucket, Policy=policy(to_all | more))

        one = {"Bucket": bucket, "Key": "k"}
        s3.put_object(**one, Body=b"kept")
        give("s3:GetObject")
        assert anybody.get_object(**one)["Body"].read() == b"kept"
        assert refused(anybody.put_object, **one) == DENIED
        give("s3:PutObject")
        anybody.put_object(**one, Body=b"new")
        assert refused(anybody.put_object, **one, ACL="public-read") == DENIED
        assert refused(anybody.put_object, **one, Tagging="a=b") == DENIED
        assert refused(anybody.get_object, **one) == DENIED
        assert told(post(raw, bucket, key="k")) == DENIED
        give("s3:PutObject*")
        anybody.put_object(**one, Body=b"tagged", Tagging="a=b", ACL="bucket-owner-full-control")
        give("s3:*", Resource=f"arn:aws:s3:::{bucket}")
        assert anybody.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
        give("s3:GetObjectTagging")
        assert anybody.get_object_tagging(**one)["TagSet"] == [{"Key": "a", "Value": "b"}]
        give("s3:Get*", Resource=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])
        assert anybody.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
        assert anybody.get_object_acl(**one)["Grants"][0]["Permission"] == "FULL_CONTROL"
        give("s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "true"}})
        assert refused(anybody.get_object, **one) == DENIED

    def test_each_version_has_its_own_acl(self, s3: Any, anybody: Any, bucket: str) -> None:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        one = {"Bucket": bucket, "Key": "k"}
        seen = s3.put_object(**one, Body=b"seen", ACL="public-read")["VersionId"]
        hidden = s3.put_object(**one, Body=b"hidden")["VersionId"]
        assert refused(anybody.get_object, **one) == DENIED
        assert refused(anybody.get_object, **one, VersionId=hidden) == DENIED
        assert anybody.get_object(**one, VersionId=seen)["Body"].read() == b"seen"
        s3.delete_object(**one)
        assert refused(anybody.get_object, **one) == DENIED

    def test_nothing_where_it_is_blocked_or_acls_are_off(self, s3: Any, anybody: Any, bucket: str) -> None:
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
        block = {"BlockPublicAcls": False, "IgnorePublicAcls": True, "BlockPublicPolicy": False}
        s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration={**block, "RestrictPublicBuckets": False}
        )
        for call in (anybody.get_object, anybody.put_object, anybody.delete_object):
            assert refused(call, Bucket=bucket, Key="k") == DENIED
        s3.delete_public_access_block(Bucket=bucket)
        anybody.get_object(Bucket=bucket, Key="k")
        enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert refused(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=enforced) == (
            400,
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
        s3.put_bucket_acl(Bucket=bucket, ACL="private")
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
        assert refused(anybody.get_object, Bucket=bucket, Key="k") == DENIED
        grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
        assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]

    def test_a_bucket_that_is_not_there(self, anybody: Any, raw: Raw) -> None:
        gone = f"gone-{uuid.uuid4().hex}"
        for call in (anybody.get_object, anybody.put_object, anybody.delete_object):
            assert refused(call, Bucket=gone, Key="k") == NO_BUCKET
        assert refused(anybody.list_objects_v2, Bucket=gone) == NO_BUCKET
        assert refused(anybody.head_object, Bucket=gone, Key="k") == (404, "404", "Not Found")
        assert told(post(raw, gone, key="k")) == NO_BUCKET
        assert refused(anybody.create_bucket, Bucket=gone) == DENIED
        assert refused(anybody.list_buckets) == DENIED

    def test_a_name_that_is_not_this_machine_s(self, s3: Any, raw: Raw, bucket: str) -> None:
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        for method, path in (("GET", f"/{bucket}"), ("PUT", f"/{bucket}/k"), ("GET", "/gone-too")):
            answer = raw(method, path, unsigned=True, Host="evil.example")
            assert told(answer) == (403, "AccessDenied", "Access Denied: 'evil.example' is not this machine's name")


def by(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


PUBLIC = [
    {},
    {"Principal": {"AWS": ["arn:aws:iam::111122223333:root", "*"]}},
    by("StringLike", "aws:SourceVpc", "vpc-*"),
    by("StringEquals", "aws:SourceVpc", "vpc-1", "${aws:username}"),
    by("StringNotEquals", "aws:SourceVpc", "vpc-1"),
    by("StringEqualsIfExists", "aws:SourceVpc", "vpc-1"),
    by("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-1"),
    by("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"),
    by("IpAddress", "aws:SourceIp", "0.0.0.0/1"),
    by("IpAddress", "aws:SourceIp", "2001:db8::/31"),
    by("StringEquals", "s3:prefix", "public/"),
    by("Bool", "aws:SecureTransport", "true"),
]
NOT_PUBLIC = [
    {"Effect": "Deny"},
    {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
    {"Principal": {"Service": "logging.s3.amazonaws.com"}},
    by("StringEquals", "aws:SourceVpc", "vpc-1"),
    by("ForAnyValue:StringLike", "aws:PrincipalOrgID", "o-1"),
    by("IpAddress", "aws:SourceIp", "10.0.0.0/8", "203.0.113.0/24"),
    by("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-east-1:111122223333:accesspoint/*"),
    by("ArnEquals", "aws:SourceArn", "arn:aws:sns:us-east-1:111122223333:topic"),
]


class TestPolicies:
    def statement(self, bucket: str) -> dict[str, Any]:
        return {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}

    def test_what_is_public(self, s3: Any, bucket: str) -> None:
        assert refused(s3.get_bucket_policy_status, Bucket=bucket) == (
            404,
            "NoSuchBucketPolicy",
            "The bucket policy does not exist",
        )
        for changes, public in [(one, True) for one in PUBLIC] + [(one, False) for one in NOT_PUBLIC]:
            s3.put_bucket_policy(Bucket=bucket, Policy=policy(self.statement(bucket) | changes))
            assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is public, changes
        both = (self.statement(bucket), self.statement(bucket) | NOT_PUBLIC[3])
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(*both))
        assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
        block = {"BlockPublicPolicy": True}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(*both)) == DENIED
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(both[1]))

    def test_what_is_no_policy_of_a_bucket(self, s3: Any, bucket: str) -> None:
        whole = self.statement(bucket)
        without = {name: {key: text for key, text in whole.items() if key != name} for name in whole}
        for statement, message in (
            *((without[name], f"Missing required field {name}") for name in whole),
            (without["Principal"] | {"NotPrincipal": "*"}, "Allow with NotPrincipal is not allowed"),
            (whole | {"Effect": "Perhaps"}, "Invalid effect : Perhaps"),
            (whole | {"Resource": "arn:aws:s3:::another/*"}, "Policy has invalid resource"),
            (whole | {"Resource": [whole["Resource"], bucket]}, "Policy has invalid resource"),
        ):
            put = refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(statement))
            assert put == (400, "MalformedPolicy", message)
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy='{"Version": "2012-10-17"}') == (
            400,
            "MalformedPolicy",
            "Missing required field Statement",
        )
        denied = without["Principal"] | {"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}, "Effect": "Deny"}
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(denied))
        assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False


class TestAcls:
    def test_who_is_told_in_which_order(self, s3: Any, bucket: str) -> None:
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
        acl = s3.get_bucket_acl(Bucket=bucket)
        assert acl["Owner"]["DisplayName"] == "webfile"
        group = {"Type": "Group", "URI": EVERYBODY}
        assert acl["Grants"] == [
            {"Grantee": {**acl["Owner"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
            {"Grantee": group, "Permission": "READ"},
            {"Grantee": group, "Permission": "WRITE"},
        ]

    def test_no_addresses_of_e_mail(self, s3: Any, bucket: str) -> None:
        no_longer = (405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]
        somebody = {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@example.com"}
        given = {"Owner": owner, "Grants": [{"Grantee": somebody, "Permission": "READ"}]}
        header = {"GrantRead": "emailAddress=a@example.com"}
        one = {"Bucket": bucket, "Key": "k"}
        assert refused(s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy=given) == no_longer
        assert refused(s3.put_object_acl, **one, AccessControlPolicy=given) == no_longer
        assert refused(s3.put_object, **one, **header) == no_longer
        assert refused(s3.create_multipart_upload, **one, **header) == no_longer
        assert refused(s3.copy_object, **one, CopySource=f"{bucket}/k", **header) == no_longer
        assert refused(s3.create_bucket, Bucket=f"{bucket}-2", ObjectOwnership="ObjectWriter", **header) == no_longer
        target = {"TargetBucket": bucket, "TargetPrefix": "", "TargetGrants": given["Grants"]}
        logging = {"LoggingEnabled": target}
        assert refused(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=logging) == no_longer


DEFAULT = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}


class TestDefaultEncryption:
    def rules(self, s3: Any, bucket: str) -> Any:
        return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    def put(self, s3: Any, bucket: str, rule: dict[str, Any]) -> Any:
        return s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def test_a_bucket_has_one_always(self, s3: Any, bucket: str) -> None:
        assert self.rules(s3, bucket) == [DEFAULT]
        for algorithm in ("aws:kms", "aws:kms:dsse"):
            key = "arn:aws:kms:us-east-1:000000000000:key/k"
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm, "KMSMasterKeyID": key}}
            self.put(s3, bucket, rule)
            assert self.rules(s3, bucket) == [rule | {"BucketKeyEnabled": False}]
            for told in (s3.put_object(Bucket=bucket, Key="k", Body=b"x"), s3.head_object(Bucket=bucket, Key="k")):
                assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == (algorithm, key)
        s3.delete_bucket_encryption(Bucket=bucket)
        assert self.rules(s3, bucket) == [DEFAULT]
        assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
        owns = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms")["SSEKMSKeyId"]
        upload = {"Bucket": bucket, "Key": "k", "ServerSideEncryption": "aws:kms:dsse"}
        assert s3.create_multipart_upload(**upload)["SSEKMSKeyId"] == owns
        copied = s3.copy_object(**upload | {"Key": "copy"}, CopySource=f"{bucket}/k")
        assert (copied["ServerSideEncryption"], copied["SSEKMSKeyId"]) == ("aws:kms:dsse", owns)

    def test_customers_keys_are_blocked(self, s3: Any, bucket: str) -> None:
        key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
        one = {"Bucket": bucket, "Key": "k"}
        s3.put_object(**one, Body=b"x", **key)
        blocked = {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
        self.put(s3, bucket, blocked)
        assert self.rules(s3, bucket) == [DEFAULT | blocked]
        assert refused(s3.put_object, **one, Body=b"y", **key) == DENIED
        assert refused(s3.create_multipart_upload, **one, **key) == DENIED
        assert s3.get_object(**one, **key)["Body"].read() == b"x"
        self.put(s3, bucket, {"BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}})
        s3.put_object(**one, Body=b"z", **key)
