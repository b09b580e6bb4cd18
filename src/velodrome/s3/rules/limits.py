"""How long, how large and how many: what S3 refuses before it looks at a bucket.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
"""

from __future__ import annotations

import itertools
import re
from typing import Any
from urllib.parse import parse_qsl

from velodrome.s3.rules.errors import error, invalid_argument, malformed_xml

KEY_BYTES = 1024
METADATA_BYTES = 2048
OBJECT_TAGS, BUCKET_TAGS = 10, 50
TAG_KEY, TAG_VALUE = 128, 256  # characters, as UTF-16 counts them
LISTED_KEYS = 1000
LISTED_PARTS = 10_000
RULES = 1000
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
# Any other range is none, and the whole object is answered.
_RANGE = re.compile(r"bytes=\s*([0-9]+-[0-9]*|-[0-9]+)\s*", re.IGNORECASE)
# S3 makes versions' ids itself; what cannot be one of them is not looked for. `null` is that of an unversioned object.
_VERSION = re.compile(r"[A-Za-z0-9._-]{32}")


def key(request: dict[str, Any]) -> None:
    """A key has at most 1,024 bytes of UTF-8."""
    _key_size(request["Key"])


def _key_size(name: str) -> None:
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > KEY_BYTES:
        raise error("KeyTooLongError", "Your key is too long", Size=str(size), MaxSizeAllowed=str(KEY_BYTES))


def bucket_name(request: dict[str, Any]) -> None:
    """A new bucket has none of the names that S3 keeps for itself; what cannot be one at all is LocalStack's to say."""
    name = request["Bucket"]
    if name.startswith(_RESERVED_STARTS) or name.endswith(_RESERVED_ENDS):
        raise error("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)


def byte_range(request: dict[str, Any]) -> None:
    """A Range that S3 cannot read is as good as none."""
    if not _RANGE.fullmatch(request.get("Range") or ""):
        request.pop("Range", None)


def is_version(given: str) -> bool:
    """Whether it can be a version's id."""
    return given == "null" or _VERSION.fullmatch(given) is not None


def version(request: dict[str, Any]) -> None:
    """A version's id that no version can have is an error of its own, before it is looked for."""
    given = request.get("VersionId")
    if given is None or is_version(given):
        return
    message = "Invalid version id specified" if given else "Version id cannot be the empty string"
    raise invalid_argument(message, "versionId", given)


def metadata(request: dict[str, Any]) -> None:
    """All names and values of user-defined metadata together have at most 2 KB."""
    metadata_size(request.get("Metadata") or {})


def metadata_size(given: dict[str, str]) -> None:
    """Raises MetadataTooLarge."""
    size = sum(len(text.encode("utf-8", "surrogatepass")) for pair in given.items() for text in pair if text)
    if size > METADATA_BYTES:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise error("MetadataTooLarge", message, Size=str(size), MaxSizeAllowed=str(METADATA_BYTES))


def tags_header(request: dict[str, Any]) -> None:
    """The header x-amz-tagging: its form is LocalStack's to judge, its counts are ours."""
    given = request.get("Tagging")
    if isinstance(given, str):
        tag_sizes(parse_qsl(given, keep_blank_values=True), OBJECT_TAGS)


def object_tags(request: dict[str, Any]) -> None:
    """The body of PutObjectTagging."""
    tag_sizes(_pairs(request), OBJECT_TAGS)


def bucket_tags(request: dict[str, Any]) -> None:
    """The body of PutBucketTagging."""
    tag_sizes(_pairs(request), BUCKET_TAGS)


def _pairs(request: dict[str, Any]) -> list[tuple[str, str]]:
    tag_set = (request.get("Tagging") or {}).get("TagSet")
    if tag_set is None:
        raise malformed_xml()
    return [(tag.get("Key") or "", tag.get("Value") or "") for tag in tag_set]


def tag_sizes(pairs: list[tuple[str, str]], most: int) -> None:
    """Raises InvalidTag for the first that is too long, then BadRequest for too many: S3 goes in this order."""
    for name, value in pairs:
        if name.startswith("aws:") and most == OBJECT_TAGS:
            raise error("InvalidTag", "Your TagKey cannot be prefixed with aws:", TagKey=name)
        if not 1 <= _characters(name) <= TAG_KEY:
            raise error("InvalidTag", "The TagKey you have provided is invalid", TagKey=name)
        if _characters(value) > TAG_VALUE:
            raise error("InvalidTag", "The TagValue you have provided is invalid", TagKey=name, TagValue=value)
    if len(pairs) > most:
        what = "Object tags cannot" if most == OBJECT_TAGS else "Bucket tag count cannot"
        raise error("BadRequest", f"{what} be greater than {most}")


def _characters(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def deleted(request: dict[str, Any]) -> None:
    """DeleteObjects takes 1 to 1,000 keys."""
    listed = (request.get("Delete") or {}).get("Objects") or []
    if not 1 <= len(listed) <= LISTED_KEYS or any(not one.get("Key") for one in listed):
        raise malformed_xml()
    for one in listed:
        _key_size(one["Key"])


def part_number(request: dict[str, Any]) -> None:
    """Of a part that is put: 1 to 10,000."""
    number = request.get("PartNumber")
    if number is None or not 1 <= number <= LISTED_PARTS:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise invalid_argument(message, "partNumber", number)


def part_read(request: dict[str, Any]) -> None:
    """Of a part that is read: left out, or 1 to 10,000."""
    if request.get("PartNumber") is not None:
        part_number(request)


def completed_parts(request: dict[str, Any]) -> None:
    """CompleteMultipartUpload lists 1 to 10,000 parts, each with number and ETag."""
    parts = (request.get("MultipartUpload") or {}).get("Parts") or []
    if not 1 <= len(parts) <= LISTED_PARTS:
        raise malformed_xml()
    for part in parts:
        if part.get("ETag") is None or part.get("PartNumber") is None:
            raise malformed_xml()
        part_number(part)
    numbers = [part["PartNumber"] for part in parts]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise error("InvalidPartOrder", message, UploadId=request.get("UploadId"))


def lifecycle_rules(request: dict[str, Any]) -> None:
    """A lifecycle has 1 to 1,000 rules."""
    rules = (request.get("LifecycleConfiguration") or {}).get("Rules") or []
    if not 1 <= len(rules) <= RULES:
        raise malformed_xml()


def cors_rules(request: dict[str, Any]) -> None:
    """An origin or a header of a CORS rule has one star at most, and a header that is exposed has none."""
    for rule in (request.get("CORSConfiguration") or {}).get("CORSRules") or []:
        for what in ("AllowedOrigin", "AllowedHeader"):
            for one in rule.get(f"{what}s") or []:
                if one.count("*") > 1:
                    raise error("InvalidRequest", f'{what} "{one}" can not have more than one wildcard.')
        for one in rule.get("ExposeHeaders") or []:
            if "*" in one:
                message = "contains wildcard. We currently do not support wildcard for ExposeHeader."
                raise error("InvalidRequest", f'ExposeHeader "{one}" {message}')
