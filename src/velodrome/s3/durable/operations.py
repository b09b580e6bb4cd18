"""Which S3 operations change something, and what: the one table that persistence follows."""

from __future__ import annotations

from enum import Enum


class Touches(Enum):
    """What an operation changes, found in its request."""

    BUCKET = "the bucket: its existence, configuration or tags"
    OBJECT = "one version of Bucket and Key: VersionId if given, else the latest"
    OBJECTS = "the versions that Delete lists"
    UPLOAD = "the multipart upload that was made last, or that UploadId names"
    PART = "PartNumber of UploadId"
    COMPLETION = "UploadId goes, Key gets a version"


MUTATING: dict[str, Touches] = {
    "AbortMultipartUpload": Touches.UPLOAD,
    "CompleteMultipartUpload": Touches.COMPLETION,
    "CopyObject": Touches.OBJECT,
    "CreateBucket": Touches.BUCKET,
    "CreateMultipartUpload": Touches.UPLOAD,
    "DeleteBucket": Touches.BUCKET,
    "DeleteBucketAnalyticsConfiguration": Touches.BUCKET,
    "DeleteBucketCors": Touches.BUCKET,
    "DeleteBucketEncryption": Touches.BUCKET,
    "DeleteBucketIntelligentTieringConfiguration": Touches.BUCKET,
    "DeleteBucketInventoryConfiguration": Touches.BUCKET,
    "DeleteBucketLifecycle": Touches.BUCKET,
    "DeleteBucketMetricsConfiguration": Touches.BUCKET,
    "DeleteBucketOwnershipControls": Touches.BUCKET,
    "DeleteBucketPolicy": Touches.BUCKET,
    "DeleteBucketReplication": Touches.BUCKET,
    "DeleteBucketTagging": Touches.BUCKET,
    "DeleteBucketWebsite": Touches.BUCKET,
    "DeleteObject": Touches.OBJECT,
    "DeleteObjectTagging": Touches.OBJECT,
    "DeleteObjects": Touches.OBJECTS,
    "DeletePublicAccessBlock": Touches.BUCKET,
    "PostObject": Touches.OBJECT,
    "PutBucketAccelerateConfiguration": Touches.BUCKET,
    "PutBucketAcl": Touches.BUCKET,
    "PutBucketAnalyticsConfiguration": Touches.BUCKET,
    "PutBucketCors": Touches.BUCKET,
    "PutBucketEncryption": Touches.BUCKET,
    "PutBucketIntelligentTieringConfiguration": Touches.BUCKET,
    "PutBucketInventoryConfiguration": Touches.BUCKET,
    "PutBucketLifecycleConfiguration": Touches.BUCKET,
    "PutBucketLogging": Touches.BUCKET,
    "PutBucketMetricsConfiguration": Touches.BUCKET,
    "PutBucketNotificationConfiguration": Touches.BUCKET,
    "PutBucketOwnershipControls": Touches.BUCKET,
    "PutBucketPolicy": Touches.BUCKET,
    "PutBucketReplication": Touches.BUCKET,
    "PutBucketRequestPayment": Touches.BUCKET,
    "PutBucketTagging": Touches.BUCKET,
    "PutBucketVersioning": Touches.BUCKET,
    "PutBucketWebsite": Touches.BUCKET,
    "PutObject": Touches.OBJECT,
    "PutObjectAcl": Touches.OBJECT,
    "PutObjectLegalHold": Touches.OBJECT,
    "PutObjectLockConfiguration": Touches.BUCKET,
    "PutObjectRetention": Touches.OBJECT,
    "PutObjectTagging": Touches.OBJECT,
    "PutPublicAccessBlock": Touches.BUCKET,
    "RestoreObject": Touches.OBJECT,
    "UploadPart": Touches.PART,
    "UploadPartCopy": Touches.PART,
}

# These move bytes, or ask other services, before they change the state: they take its lock when they come to that.
LATE = frozenset(
    {
        "CompleteMultipartUpload",
        "CopyObject",
        "PostObject",
        "PutBucketNotificationConfiguration",
        "PutObject",
        "UploadPart",
        "UploadPartCopy",
    }
)
