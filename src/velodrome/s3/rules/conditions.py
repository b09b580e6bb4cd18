"""Conditions of writes and deletions, which are asked under the state's lock: what they say holds until the commit.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from localstack.services.s3.models import S3DeleteMarker

from velodrome.s3.rules.errors import no_such_key, not_implemented, precondition_failed

# A member that S3 takes for a deletion, the header that an error names, and the object's own value.
_DELETION = ("IfMatch", "IfMatchLastModifiedTime", "IfMatchSize")
_LISTED = {"ETag": "IfMatch", "LastModifiedTime": "IfMatchLastModifiedTime", "Size": "IfMatchSize"}
_HEADERS = {
    "IfMatch": "If-Match",
    "IfMatchLastModifiedTime": "x-amz-if-match-last-modified-time",
    "IfMatchSize": "x-amz-if-match-size",
}


def plain_etag(given: str) -> str:
    """Without quotes and the mark of a weak one."""
    return given.strip().removeprefix("W/").strip('"')


def writable(request: dict[str, Any]) -> None:
    """The forms that S3 takes for a write: one condition, an ETag in If-Match, a star in If-None-Match."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match and none_match:
        raise not_implemented("If-Match,If-None-Match")
    if none_match and none_match != "*":
        raise not_implemented("If-None-Match")
    if match == "*":
        raise not_implemented("If-Match")


def failed_of_source(request: Any, last_modified: datetime, etag: str) -> str | None:
    """The condition of a copy's source that does not hold, in LocalStack's place. The one by ETag of a kind goes before
    the one by date: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    changed = last_modified.replace(microsecond=0)
    if given := request.get("CopySourceIfMatch"):
        if plain_etag(given) not in (etag, "*"):
            return "x-amz-copy-source-If-Match"
    elif (since := request.get("CopySourceIfUnmodifiedSince")) and changed > _utc(since):
        return "x-amz-copy-source-If-Unmodified-Since"
    if given := request.get("CopySourceIfNoneMatch"):
        if plain_etag(given) in (etag, "*"):
            return "x-amz-copy-source-If-None-Match"
    elif (since := request.get("CopySourceIfModifiedSince")) and changed <= _utc(since) < datetime.now(UTC):
        return "x-amz-copy-source-If-Modified-Since"
    return None


def _utc(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.replace(microsecond=0)


def check_write(bucket: Any, request: dict[str, Any]) -> None:
    """If-Match and If-None-Match of what is about to be replaced; raises PreconditionFailed or NoSuchKey."""
    current = bucket.objects.get(request["Key"])
    if isinstance(current, S3DeleteMarker):
        current = None
    if request.get("IfNoneMatch") and current is not None:
        raise precondition_failed("If-None-Match")
    if given := request.get("IfMatch"):
        if current is None:
            raise no_such_key(request["Key"])
        if plain_etag(given) != current.etag:
            raise precondition_failed("If-Match")


def check_deletion(bucket: Any, request: dict[str, Any]) -> None:
    """The conditions of DeleteObject, or of one object of DeleteObjects; raises as `check_write` does.

    They are asked of the version that is named, else of the latest; a delete marker meets none.
    """
    if all(request.get(member) is None for member in _DELETION):
        return
    found = find(bucket, request["Key"], request.get("VersionId"))
    if found is None:
        raise no_such_key(request["Key"])
    for member in _DELETION:
        if (given := request.get(member)) is not None and not _holds(found, member, given):
            raise precondition_failed(_HEADERS[member])


def _holds(found: Any, member: str, given: Any) -> bool:
    if isinstance(found, S3DeleteMarker):
        return False
    if member == "IfMatch":
        return given == "*" or plain_etag(given) == str(found.etag)
    if member == "IfMatchSize":
        return int(given) == int(found.size)
    return _second(given) == _second(found.last_modified)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def find(bucket: Any, key: str, version: str | None) -> Any | None:
    """A version of a key, or the latest; None if there is none."""
    if version and bucket.versioning_status is not None:
        return bucket.objects.get(key, version)
    if version and version != "null":
        return None
    return bucket.objects.get(key)


def without_conditions(request: dict[str, Any]) -> dict[str, Any]:
    """The request as LocalStack takes it."""
    return {name: value for name, value in request.items() if name not in _DELETION}


def as_deletion(listed: dict[str, Any]) -> dict[str, Any]:
    """An object of DeleteObjects as if it were deleted by itself."""
    return {_LISTED.get(name, name): value for name, value in listed.items()}
