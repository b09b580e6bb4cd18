"""Checksums that a client claims: of an upload made of parts, at its end, and of a form's file.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import base64
import binascii
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
    try:
        return len(base64.b64decode(claimed, validate=True)) == BYTES[algorithm]
    except binascii.Error:
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


def known_headers(headers: Mapping[str, str]) -> None:
    """AWS has more algorithms than are compared here: a checksum that nobody would look at is NotImplemented."""
    trailers = headers.get("x-amz-trailer", "").split(",")
    for name in (one.strip().lower() for one in (*headers.keys(), *trailers)):
        if name.startswith(_HEADER) and name.removeprefix(_HEADER) not in _KNOWN:
            raise not_implemented(name)


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
