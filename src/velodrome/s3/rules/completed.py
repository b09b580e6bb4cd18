"""A multipart upload that is completed again: a client that lost the answer gets it once more.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localstack.services.s3.models import S3Object
from localstack.services.s3.utils import get_full_default_bucket_location

from velodrome.s3.rules import mended
from velodrome.s3.rules.conditions import plain_etag

Handler = Callable[[Any, Any], Any]


def remembering(provider: Any, handler: Handler) -> Handler:
    """The handler, which lets the object know the upload that it comes from; that is stored with it."""

    def called(context: Any, request: Any) -> Any:
        bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
        upload = bucket.multiparts.get(request.get("UploadId"))
        if upload is not None:
            upload.object.completed_upload = upload.id
        return _without_null(handler(context, request))

    return called


def without_null(provider: Any, handler: Handler) -> Handler:
    """The handler, whose answer names no version where the bucket keeps none anew."""

    def called(context: Any, request: Any) -> Any:
        return _without_null(handler(context, request))

    return called


def _without_null(response: Any) -> Any:
    if response.get("VersionId") == "null":
        del response["VersionId"]
    return response


def answer(bucket: Any, request: dict[str, Any]) -> dict[str, Any] | None:
    """What CompleteMultipartUpload answered, while its object is the latest, for the same parts; else None."""
    found = bucket.objects.get(request["Key"])
    upload = request.get("UploadId")
    if not isinstance(found, S3Object) or not upload or getattr(found, "completed_upload", None) != upload:
        return None
    return _answer(bucket, found) if _same_parts(found, request) else None


def _same_parts(found: Any, request: dict[str, Any]) -> bool:
    given = (request.get("MultipartUpload") or {}).get("Parts") or []
    listed = {part.get("PartNumber"): plain_etag(part.get("ETag") or "") for part in given}
    return listed == {int(number): str(part["ETag"]) for number, part in found.parts.items()}


def _answer(bucket: Any, found: Any) -> dict[str, Any]:
    response = {
        "Bucket": bucket.name,
        "Key": found.key,
        "ETag": found.quoted_etag,
        "Location": f"{get_full_default_bucket_location(bucket.name)}{found.key}",
    }
    if found.version_id not in (None, "null"):
        response["VersionId"] = found.version_id
    if found.checksum_algorithm and not found.kms_key_id:
        response[f"Checksum{found.checksum_algorithm.upper()}"] = found.checksum_value
        response["ChecksumType"] = found.checksum_type
    mended.tell_encryption(response, found)
    return response
