"""Checksums that a client claims: of an upload made of parts, at its end, and of a form's file.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.services.s3.utils import get_s3_checksum

from velodrome.s3.rules.errors import error, not_implemented

_HEADER = "x-amz-checksum-"
BYTES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
_KNOWN = {"algorithm", "mode", "type", *map(str.lower, BYTES)}


def fits(claimed: str, algorithm: str) -> bool:
    """Whether it can be one of the algorithm's: base64 of as many bytes."""
    return _is_base64(claimed, BYTES[algorithm])


def _is_base64(text: str, count: int) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == count
    except ValueError:  # also of letters beyond ASCII
        return False


def invalid(algorithm: str) -> CommonServiceException:
    """What cannot be a checksum."""
    return error("InvalidRequest", f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")


def bad_digest(algorithm: str) -> CommonServiceException:
    """A checksum of something else."""
    return error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def unsupported() -> CommonServiceException:
    """An algorithm that is none."""
    message = "Checksum algorithm provided is unsupported. Please try again with any of the valid types:"
    return error("InvalidRequest", f"{message} [{', '.join(BYTES)}]")


def algorithm(request: dict[str, Any]) -> None:
    """CreateMultipartUpload and CopyObject: the algorithm that is asked for. Raises InvalidRequest."""
    if request.get("ChecksumAlgorithm") not in (None, *BYTES):
        raise unsupported()
    if request.get("ChecksumAlgorithm") and request.get("ChecksumType") not in (None, "COMPOSITE", "FULL_OBJECT"):
        raise error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")


def known_headers(headers: Mapping[str, str]) -> None:
    """AWS has more algorithms than are compared here: a checksum that nobody would look at is NotImplemented."""
    for name in _names(headers):
        if name.startswith(_HEADER) and name.removeprefix(_HEADER) not in _KNOWN:
            raise not_implemented(name)


def _names(headers: Mapping[str, str]) -> list[str]:
    """Of all headers, also of those that come behind the body."""
    return [one.strip().lower() for one in (*headers.keys(), *headers.get("x-amz-trailer", "").split(","))]


def sdk_algorithm(headers: Mapping[str, str]) -> None:
    """PutObject and UploadPart: whoever names an algorithm sends its checksum, ahead of the body or behind it."""
    if (named := headers.get("x-amz-sdk-checksum-algorithm")) is None:
        return
    claimed = {name.removeprefix(_HEADER) for name in _names(headers) if name.startswith(_HEADER)}
    if not (claimed := claimed - {"algorithm", "mode", "type"}):
        nothing = "but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
        raise error("InvalidRequest", f"x-amz-sdk-checksum-algorithm specified, {nothing}")
    if named.lower() not in claimed:
        raise error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")


def of_document(context: Any) -> None:
    """A body of XML is what its checksum says; without one, S3 takes it only where its model asks for none.

    Raises InvalidDigest, InvalidRequest or BadDigest.
    """
    rules = context.operation.http_checksum
    if "requestAlgorithmMember" not in rules:
        return  # a checksum is of something else, if it is there
    headers, data = context.request.headers, context.request.get_data()
    algorithms = [one for one in BYTES if f"{_HEADER}{one.lower()}" in headers]
    if (md5 := headers.get("Content-MD5")) is not None:
        if not _is_base64(md5, 16):
            raise error("InvalidDigest", "The Content-MD5 you specified was invalid.", Content_MD5=md5)
        if base64.b64decode(md5) != hashlib.md5(data, usedforsecurity=False).digest():
            raise error("BadDigest", "The Content-MD5 you specified did not match what we received.")
    for algorithm in algorithms:
        claimed, digest = headers[f"{_HEADER}{algorithm.lower()}"], get_s3_checksum(algorithm)
        digest.update(data)
        if not fits(claimed, algorithm):
            raise invalid(algorithm)
        if base64.b64decode(claimed) != digest.digest():
            raise bad_digest(algorithm)
    if rules.get("requestChecksumRequired") and md5 is None and not algorithms and "x-amz-trailer" not in headers:
        raise error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def completed(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """CompleteMultipartUpload's checksum of its parts' checksums, `value-count`; the one of all bytes is compared by
    LocalStack. Raises BadDigest."""
    bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
    upload = bucket.multiparts.get(request.get("UploadId"))
    if upload is None or upload.checksum_type != "COMPOSITE":
        return
    member = f"Checksum{upload.checksum_algorithm}"
    if (claimed := request.get(member)) is None:
        return
    if not fits(claimed.partition("-")[0], upload.checksum_algorithm):
        raise bad_digest(upload.checksum_algorithm.lower())
    digest, listed = get_s3_checksum(upload.checksum_algorithm), request["MultipartUpload"]["Parts"]
    for one in listed:
        part = upload.parts.get(one["PartNumber"])
        if part is None or one.get(member) != part.checksum_value:
            return  # LocalStack says what is wrong with the part
        digest.update(base64.b64decode(part.checksum_value))
    value = base64.b64encode(digest.digest()).decode()
    if claimed not in (value, f"{value}-{len(listed)}"):
        raise bad_digest(upload.checksum_algorithm.lower())
