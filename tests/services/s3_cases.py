"""One case for each S3 operation that changes something, and a reading of everything that a bucket shows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from botocore.exceptions import ClientError

PART = b"p" * (5 * 1024 * 1024)
LATER = datetime(2099, 1, 2, tzinfo=UTC)
OWNER = {"ID": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"}
ACL = {
    "Owner": OWNER,
    "Grants": [
        {"Grantee": {"Type": "CanonicalUser", **OWNER}, "Permission": "FULL_CONTROL"},
        {
            "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
            "Permission": "READ",
        },
    ],
}
TAGS = {"TagSet": [{"Key": "team", "Value": "é"}, {"Key": "stage", "Value": "raw"}]}

# How each configuration is put, by the operation's name without Put and Delete; `Id` ones have it in the request too.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "BucketAccelerateConfiguration": {"AccelerateConfiguration": {"Status": "Enabled"}},
    "BucketAcl": {"AccessControlPolicy": ACL},
    "BucketAnalyticsConfiguration": {
        "Id": "a",
        "AnalyticsConfiguration": {"Id": "a", "StorageClassAnalysis": {}},
    },
    "BucketCors": {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}]
        }
    },
    "BucketIntelligentTieringConfiguration": {
        "Id": "t",
        "IntelligentTieringConfiguration": {
            "Id": "t",
            "Status": "Enabled",
            "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}],
        },
    },
    "BucketInventoryConfiguration": {
        "Id": "i",
        "InventoryConfiguration": {
            "Id": "i",
            "IsEnabled": True,
            "IncludedObjectVersions": "All",
            "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::target", "Format": "CSV"}},
        },
    },
    "BucketLifecycleConfiguration": {
        "LifecycleConfiguration": {
            "Rules": [
                {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Date": LATER}},
            ]
        }
    },
    "BucketLogging": {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "target", "TargetPrefix": "l/"}}},
    "BucketMetricsConfiguration": {"Id": "m", "MetricsConfiguration": {"Id": "m", "Filter": {"Prefix": "x"}}},
    "BucketNotificationConfiguration": {
        "NotificationConfiguration": {
            "QueueConfigurations": [
                {"Id": "q", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectRemoved:*"]}
            ]
        },
        "SkipDestinationValidation": True,
    },
    "BucketOwnershipControls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
    "BucketPolicy": {"Policy": '{"Version": "2012-10-17", "Statement": []}'},
    "BucketReplication": {
        "ReplicationConfiguration": {
            "Role": "arn:aws:iam::000000000000:role/r",
            "Rules": [{"ID": "r", "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::target"}}],
        }
    },
    "BucketRequestPayment": {"RequestPaymentConfiguration": {"Payer": "Requester"}},
    "BucketTagging": {"Tagging": TAGS},
    "BucketVersioning": {"VersioningConfiguration": {"Status": "Enabled"}},
    "BucketWebsite": {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}},
    "ObjectLockConfiguration": {
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}},
        }
    },
    "PublicAccessBlock": {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "IgnorePublicAcls": False}},
}
DELETED = {
    "DeleteBucketLifecycle": "BucketLifecycleConfiguration",
    "DeletePublicAccessBlock": "PublicAccessBlock",
    **{f"Delete{name}": name for name in CONFIGURATIONS if name.startswith("Bucket")},
}


def snake(name: str) -> str:
    """`PutBucketAcl` as boto3 calls it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def bucket_of(operation: str) -> str:
    """Each operation has a bucket of its own: another's row must not carry what this one forgot to store."""
    return operation.lower()[:63]


class Cases:
    """`run` prepares a bucket and ends with the operation itself."""

    def __init__(self, s3: Any, endpoint: str) -> None:
        self.s3, self.endpoint = s3, endpoint
        self.calls: list[str] = []
        s3.meta.events.register("before-call.s3", lambda model, **_: self.calls.append(model.name))
        s3.create_bucket(Bucket="target")
        s3.put_bucket_versioning(Bucket="target", VersioningConfiguration={"Status": "Enabled"})

    def run(self, operation: str) -> None:
        """Raises if the last request was another one."""
        bucket = bucket_of(operation)
        own: Callable[[str], None] | None = getattr(self, snake(operation), None)
        if operation != "CreateBucket":
            locked = operation in ("PutObjectLegalHold", "PutObjectRetention", "PutObjectLockConfiguration")
            self.s3.create_bucket(
                Bucket=bucket, ObjectLockEnabledForBucket=locked, ObjectOwnership="BucketOwnerPreferred"
            )
            self.s3.delete_public_access_block(Bucket=bucket)
        if own is not None:
            own(bucket)
        elif operation in DELETED:
            configuration = CONFIGURATIONS[DELETED[operation]]
            self.configure(bucket, DELETED[operation])
            named = {"Id": configuration["Id"]} if "Id" in configuration else {}
            getattr(self.s3, snake(operation))(Bucket=bucket, **named)
        else:
            self.configure(bucket, operation.removeprefix("Put"))
        if self.calls[-1] != operation:
            raise AssertionError(f"the case of {operation} ends with {self.calls[-1]}")

    def configure(self, bucket: str, name: str) -> None:
        if name == "BucketReplication":
            self.configure(bucket, "BucketVersioning")
        getattr(self.s3, snake(f"Put{name}"))(Bucket=bucket, **CONFIGURATIONS[name])

    def put(self, bucket: str, key: str = "key", body: bytes = b"body", **more: Any) -> str:
        stored = self.s3.put_object(Bucket=bucket, Key=key, Body=body, **more)
        return str(stored.get("VersionId", "null"))

    def versions(self, bucket: str) -> list[str]:
        self.configure(bucket, "BucketVersioning")
        return [self.put(bucket, body=str(number).encode()) for number in range(3)]

    def create_bucket(self, bucket: str) -> None:
        place = {"LocationConstraint": "eu-west-1", "Tags": TAGS["TagSet"]}
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)

    def delete_bucket(self, bucket: str) -> None:
        self.s3.delete_bucket(Bucket=bucket)

    def put_bucket_versioning(self, bucket: str) -> None:
        # `null`, two versions, then `null` anew, which must be the latest one.
        self.put(bucket, body=b"before versioning", Tagging="a=b")
        self.put(bucket, "other")
        self.versions(bucket)
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
        self.put(bucket, body=b"suspended")
        self.configure(bucket, "BucketVersioning")

    def put_object(self, bucket: str) -> None:
        self.put(bucket, "empty", b"")
        self.put(bucket, "replaced", b"old", Tagging="old=1")
        self.put(bucket, "replaced", b"new" * 100_000)
        self.put(
            bucket,
            "all/é ✓ %2F+",
            b"x" * 20_000,
            ACL="public-read",
            CacheControl="no-cache",
            ContentDisposition="inline",
            ContentEncoding="gzip",
            ContentLanguage="de",
            ContentType="text/csv",
            Expires=LATER,
            Metadata={"$window": "7", "note": "a b"},
            ServerSideEncryption="AES256",
            StorageClass="STANDARD_IA",
            Tagging="a=1&b=%C3%A9",
            WebsiteRedirectLocation="/elsewhere",
            ChecksumAlgorithm="SHA256",
        )

    def post_object(self, bucket: str) -> None:
        note = {"x-amz-meta-note": "a form"}
        form = self.s3.generate_presigned_post(bucket, "posted/${filename}", Fields=note, Conditions=[note])
        file = {"file": ("f.txt", b"posted" * 9)}
        answer = httpx.post(form["url"], data=form["fields"], files=file, trust_env=False)
        answer.raise_for_status()
        self.calls.append("PostObject")

    def copy_object(self, bucket: str) -> None:
        self.put(bucket, body=b"source" * 10_000, Metadata={"a": "1"}, Tagging="c=d")
        self.s3.copy_object(Bucket=bucket, Key="small", CopySource=f"target/{self._target()}", MetadataDirective="COPY")
        self.s3.copy_object(
            Bucket=bucket, Key="key", CopySource=f"{bucket}/key", MetadataDirective="REPLACE", Metadata={"b": "2"}
        )
        self.s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key", ChecksumAlgorithm="SHA1")

    def _target(self) -> str:
        self.put("target", "source", b"s")
        return "source"

    def delete_object(self, bucket: str) -> None:
        self.put(bucket, "gone", b"x" * 50_000)
        self.s3.delete_object(Bucket=bucket, Key="gone")
        versions = self.versions(bucket)
        self.s3.delete_object(Bucket=bucket, Key="key")
        self.s3.delete_object(Bucket=bucket, Key="key", VersionId=versions[1])

    def delete_objects(self, bucket: str) -> None:
        versions = self.versions(bucket)
        self.put(bucket, "marked")
        listed = [{"Key": "marked"}, {"Key": "key", "VersionId": versions[2]}, {"Key": "never was"}]
        self.s3.delete_objects(Bucket=bucket, Delete={"Objects": listed})

    def put_object_tagging(self, bucket: str) -> None:
        versions = self.versions(bucket)
        self.s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": [{"Key": "on", "Value": "latest"}]})
        self.s3.put_object_tagging(Bucket=bucket, Key="key", VersionId=versions[0], Tagging=TAGS)

    def delete_object_tagging(self, bucket: str) -> None:
        self.put(bucket, Tagging="a=1")
        self.s3.delete_object_tagging(Bucket=bucket, Key="key")

    def put_object_acl(self, bucket: str) -> None:
        self.put(bucket)
        self.s3.put_object_acl(Bucket=bucket, Key="key", AccessControlPolicy=ACL)

    def put_object_legal_hold(self, bucket: str) -> None:
        self.put(bucket)
        self.s3.put_object_legal_hold(Bucket=bucket, Key="key", LegalHold={"Status": "ON"})

    def put_object_retention(self, bucket: str) -> None:
        version, kept = self.put(bucket), {"Mode": "COMPLIANCE", "RetainUntilDate": LATER}
        self.put(bucket)
        self.s3.put_object_retention(Bucket=bucket, Key="key", VersionId=version, Retention=kept)

    def restore_object(self, bucket: str) -> None:
        self.put(bucket, StorageClass="GLACIER")
        self.s3.restore_object(Bucket=bucket, Key="key", RestoreRequest={"Days": 9})

    def _upload(self, bucket: str, key: str = "key", **more: Any) -> dict[str, str]:
        made = self.s3.create_multipart_upload(Bucket=bucket, Key=key, **more)
        return {"Bucket": bucket, "Key": key, "UploadId": made["UploadId"]}

    def create_multipart_upload(self, bucket: str) -> None:
        self._upload(bucket, Metadata={"a": "1"}, Tagging="a=1", StorageClass="STANDARD_IA", Expires=LATER)
        self._upload(bucket, "with sums", ChecksumAlgorithm="SHA256")

    def abort_multipart_upload(self, bucket: str) -> None:
        self._upload(bucket, "other")
        upload = self._upload(bucket)
        self.s3.upload_part(**upload, PartNumber=1, Body=PART)
        self.s3.abort_multipart_upload(**upload)

    def upload_part(self, bucket: str) -> None:
        upload = self._upload(bucket, ChecksumAlgorithm="CRC32")
        self.s3.upload_part(**upload, PartNumber=2, Body=b"replaced", ChecksumAlgorithm="CRC32")
        self.s3.upload_part(**upload, PartNumber=2, Body=b"small", ChecksumAlgorithm="CRC32")
        self.s3.upload_part(**upload, PartNumber=1, Body=PART, ChecksumAlgorithm="CRC32")

    def upload_part_copy(self, bucket: str) -> None:
        self.put(bucket, "source", bytes(range(256)) * 30_000)
        upload = self._upload(bucket)
        source = {"Bucket": bucket, "Key": "source"}
        self.s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)
        self.s3.upload_part_copy(**upload, PartNumber=2, CopySource=source, CopySourceRange="bytes=7-300")

    def complete_multipart_upload(self, bucket: str) -> None:
        self.configure(bucket, "BucketVersioning")
        self.put(bucket, body=b"of before")
        for algorithm in (None, "CRC32", "SHA256"):
            sums = {"ChecksumAlgorithm": algorithm} if algorithm else {}
            upload = self._upload(bucket, Metadata={"a": "1"}, Tagging="a=1", **sums)
            parts = [
                self.s3.upload_part(**upload, PartNumber=number, Body=body, **sums)
                for number, body in ((1, PART), (2, PART), (3, b"end"), (4, PART + b"not used"))
            ]
            listed = [
                {"PartNumber": number, "ETag": part["ETag"]}
                | {name: value for name, value in part.items() if algorithm and name == f"Checksum{algorithm}"}
                for number, part in enumerate(parts[:3], 1)
            ]
            self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})


BUCKET_READS = [
    "get_bucket_accelerate_configuration",
    "get_bucket_acl",
    "get_bucket_cors",
    "get_bucket_encryption",
    "get_bucket_lifecycle_configuration",
    "get_bucket_location",
    "get_bucket_logging",
    "get_bucket_notification_configuration",
    "get_bucket_ownership_controls",
    "get_bucket_policy",
    "get_bucket_replication",
    "get_bucket_request_payment",
    "get_bucket_tagging",
    "get_bucket_versioning",
    "get_bucket_website",
    "get_object_lock_configuration",
    "get_public_access_block",
    "head_bucket",
    "list_bucket_analytics_configurations",
    "list_bucket_metrics_configurations",
    "list_bucket_intelligent_tiering_configurations",
    "list_bucket_inventory_configurations",
    "list_multipart_uploads",
    "list_object_versions",
    "list_objects",
    "list_objects_v2",
]
OBJECT_READS = [
    "head_object",
    "get_object_acl",
    "get_object_legal_hold",
    "get_object_retention",
    "get_object_tagging",
    "get_object_attributes",
]


def _read(s3: Any, operation: str, **request: Any) -> Any:
    try:
        answer = getattr(s3, operation)(**request)
    except ClientError as error:
        return error.response["Error"]["Code"]
    answer.pop("ResponseMetadata")
    return answer


def everything(s3: Any, bucket: str, configuration: bool = True) -> dict[str, Any]:
    """All that can be read of a bucket, or of what is in it, by what was asked."""
    asked_of_bucket = [
        name for name in BUCKET_READS if configuration or name.startswith("list_") or "versioning" in name
    ]
    seen = {operation: _read(s3, operation, Bucket=bucket) for operation in asked_of_bucket}
    created = [entry["CreationDate"] for entry in s3.list_buckets()["Buckets"] if entry["Name"] == bucket]
    seen["list_buckets"] = created
    listing = seen["list_object_versions"]
    for entry in listing.get("Versions", []) if isinstance(listing, dict) else []:
        place = {"Bucket": bucket, "Key": entry["Key"]}
        if seen["get_bucket_versioning"]:
            place["VersionId"] = entry["VersionId"]
        name = f"{entry['Key']} {entry['VersionId']}"
        for operation in OBJECT_READS:
            asked: dict[str, Any] = {"ChecksumMode": "ENABLED"} if operation == "head_object" else {}
            if operation == "get_object_attributes":
                asked = {"ObjectAttributes": ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]}
            seen[f"{operation} {name}"] = _read(s3, operation, **place, **asked)
        got = _read(s3, "get_object", **place)
        if isinstance(got, dict):
            got["Body"] = hashlib.sha256(got["Body"].read()).hexdigest()
        seen[f"get_object {name}"] = got
    uploads = seen["list_multipart_uploads"]
    for upload in uploads.get("Uploads", []) if isinstance(uploads, dict) else []:
        named = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        seen[f"list_parts {upload['Key']}"] = _read(s3, "list_parts", **named)
    return seen
