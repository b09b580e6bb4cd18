"""Customers' keys of an upload's parts, where they are copied from, and of the whole.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localstack.services.s3.utils import extract_bucket_key_version_id_from_copy_source
from localstack.services.s3.validation import validate_sse_c

from velodrome.s3.rules import conditions
from velodrome.s3.rules.errors import error

Handler = Callable[[Any, Any], Any]


def part_copy(provider: Any, handler: Handler) -> Handler:
    """The handler of UploadPartCopy, which wants the customers' keys of source and upload, as a read and UploadPart
    do."""

    def called(context: Any, request: Any) -> Any:
        upload = _upload(provider, context, request)
        if upload is None:
            return handler(context, request)  # which says so
        _check_key(upload, request)
        if source := _source(provider, context, request):
            _check_source(source, request)
        answer = handler(context, request)
        if upload.object.sse_key_hash:
            answer["SSECustomerAlgorithm"] = request["SSECustomerAlgorithm"]
            answer["SSECustomerKeyMD5"] = request["SSECustomerKeyMD5"]
        return answer

    return called


def valid(request: dict[str, Any]) -> None:
    """Whether algorithm, key and its MD5 go together. Raises InvalidArgument or InvalidEncryptionAlgorithmError."""
    validate_sse_c(
        request.get("SSECustomerAlgorithm"),
        request.get("SSECustomerKey"),
        request.get("SSECustomerKeyMD5"),
        request.get("ServerSideEncryption"),
    )


def of_read(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """GetObject, HeadObject, GetObjectAttributes: a key for what is not encrypted with one."""
    if request.get("SSECustomerKey"):
        bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
        _applicable(conditions.find(bucket, request["Key"], request.get("VersionId")))


def of_copy(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """CopyObject: the same of its source."""
    if request.get("CopySourceSSECustomerKey"):
        _applicable(_source(provider, context, request))


def _applicable(found: Any | None) -> None:
    if getattr(found, "sse_key_hash", "of nothing") is None:
        raise error("InvalidRequest", "The encryption parameters are not applicable to this object.")


def of_completion(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """CompleteMultipartUpload needs the customer's key where the upload has checksums, and takes no other one."""
    upload = _upload(provider, context, request)
    if upload is not None and (request.get("SSECustomerKeyMD5") or upload.checksum_algorithm):
        _check_key(upload, request)


def _upload(provider: Any, context: Any, request: dict[str, Any]) -> Any | None:
    bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
    return bucket.multiparts.get(request.get("UploadId"))


def _check_key(upload: Any, request: dict[str, Any]) -> None:
    """Raises InvalidRequest, in the words of UploadPart."""
    given, needed = request.get("SSECustomerKeyMD5"), upload.object.sse_key_hash
    valid(request)
    if bool(given) != bool(needed):
        message = (
            "The multipart upload initiate requested encryption. "
            "Subsequent part requests must include the appropriate encryption parameters."
        )
        raise error("InvalidRequest", message)
    if given != needed:
        message = "The provided encryption parameters did not match the ones used originally."
        raise error("InvalidRequest", message)


def _source(provider: Any, context: Any, request: dict[str, Any]) -> Any | None:
    name, key, version = extract_bucket_key_version_id_from_copy_source(request["CopySource"])
    return conditions.find(provider._get_cross_account_bucket(context, name)[1], key, version)


def _check_source(source: Any, request: dict[str, Any]) -> None:
    """Raises InvalidRequest or AccessDenied."""
    given, needed = request.get("CopySourceSSECustomerKeyMD5"), getattr(source, "sse_key_hash", None)
    validate_sse_c(request.get("CopySourceSSECustomerAlgorithm"), request.get("CopySourceSSECustomerKey"), given)
    if given:
        _applicable(source)
    if needed and not given:
        message = (
            "The object was stored using a form of Server Side Encryption. "
            "The correct parameters must be provided to retrieve the object."
        )
        raise error("InvalidRequest", message)
    if needed and needed != given:
        message = (
            "Requests specifying Server Side Encryption with Customer provided keys "
            "must provide the correct secret key."
        )
        raise error("AccessDenied", message, 403)
