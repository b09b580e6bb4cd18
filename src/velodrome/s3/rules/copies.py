"""CopyObject: what a source may be named by, and an earlier version that is copied over its own key.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RestoringPreviousVersions.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localstack.services.s3.models import S3Object
from localstack.services.s3.utils import extract_bucket_key_version_id_from_copy_source

from velodrome.s3.rules import conditions, limits
from velodrome.s3.rules.errors import invalid_argument

Handler = Callable[[Any, Any], Any]
_HEADER = "x-amz-copy-source"


def source(request: dict[str, Any]) -> None:
    """CopyObject and UploadPartCopy: a source has a key, and a version that can be one."""
    _, key, version = extract_bucket_key_version_id_from_copy_source(request["CopySource"])
    if not key:
        raise invalid_argument("Invalid copy source object key", _HEADER, _HEADER)
    limits.version({"VersionId": version})


def copy_object(provider: Any, handler: Handler) -> Handler:
    """The handler of CopyObject."""

    def called(context: Any, request: Any) -> Any:
        bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
        answer = handler(context, request | _restored(bucket, request))
        result = answer["CopyObjectResult"]
        if any(name.startswith("Checksum") for name in result):
            result["ChecksumType"] = "FULL_OBJECT"
        return answer

    return called


def _restored(bucket: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What makes a copy of an earlier version over its own key, which LocalStack takes for one of an object to itself:
    the version's own metadata, in place of none."""
    name, key, version = extract_bucket_key_version_id_from_copy_source(request["CopySource"])
    if (name, key) != (bucket.name, request["Key"]) or request.get("MetadataDirective") == "REPLACE":
        return {}
    found = conditions.find(bucket, key, version)
    if not version or not isinstance(found, S3Object) or found.version_id == bucket.objects.get(key).version_id:
        return {}
    return {**found.system_metadata, "MetadataDirective": "REPLACE", "Metadata": found.user_metadata}
