"""Conditional reads, in S3's order of conditions, and 304 with the ETag that a cache keeps its copy by.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.api.s3 import InvalidArgument, MethodNotAllowed, NoSuchVersion
from localstack.http import Response
from localstack.services.s3.constants import ALLOWED_HEADER_OVERRIDES

from velodrome.s3.rules import metadata
from velodrome.s3.rules.conditions import plain_etag
from velodrome.s3.rules.errors import precondition_failed

Handler = Callable[[Any, Any], Any]
_IF_RANGE = "If-Range"


class NotModified(CommonServiceException):
    """304; the answer has no body, but the object's ETag."""

    def __init__(self, etag: str) -> None:
        super().__init__("NotModified", "Not Modified", 304)
        self.etag = etag


def check_read(request: Any, last_modified: datetime, etag: str) -> None:
    """Raises PreconditionFailed or NotModified. A condition by ETag goes before the one by date of its kind."""
    changed = last_modified.replace(microsecond=0)
    if given := request.get("IfMatch"):
        if not _listed(given, etag):
            raise precondition_failed("If-Match")
    elif (since := request.get("IfUnmodifiedSince")) and changed > _utc(since):
        raise precondition_failed("If-Unmodified-Since")
    if given := request.get("IfNoneMatch"):
        if _listed(given, etag):
            raise NotModified(etag)
    elif (since := request.get("IfModifiedSince")) and changed <= _utc(since) < datetime.now(UTC):
        raise NotModified(etag)
    if (given := request.pop(_IF_RANGE, None)) is not None and given not in (f'"{etag}"', _http_date(changed)):
        request.pop("Range", None)  # the part would be one of another object


def if_range(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """GetObject and HeadObject: If-Range, which S3 acts on and its model has not, for `check_read`.

    https://www.rfc-editor.org/rfc/rfc9110#name-if-range
    """
    if (given := context.request.headers.get(_IF_RANGE)) is not None:
        request[_IF_RANGE] = given.strip()


def _http_date(moment: datetime) -> str:
    return format_datetime(_utc(moment), usegmt=True)


def _utc(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.replace(microsecond=0)


def _listed(given: str, etag: str) -> bool:
    return given.strip() == "*" or plain_etag(etag) in {plain_etag(one) for one in given.split(",")}


def conditional(provider: Any, handler: Handler) -> Handler:
    """The handler of GetObject or HeadObject."""

    def called(context: Any, request: Any) -> Any:
        try:
            found = handler(context, request)
        except NotModified as same:
            answer = Response(status=304)
            answer.headers["ETag"] = f'"{same.etag}"'
            answer.headers["x-amz-request-id"] = context.request_id
            del answer.headers["Content-Type"]
            return answer
        except CommonServiceException as refused:
            if refused.code == "405":  # of a HEAD, and no more
                raise _delete_marker(request["VersionId"]) from refused
            raise
        metadata.encode(found)
        _answer(found, request)
        return found

    return called


def _delete_marker(version: str) -> Exception:
    """A version that is one may be deleted, and a HEAD says so as a GET does.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html
    """
    message = "The specified method is not allowed against this resource."
    marker = {"ResourceType": "DeleteMarker", "DeleteMarker": True, "Allow": "DELETE", "VersionId": version}
    error: Exception = MethodNotAllowed(message, Method="HEAD", **marker)
    return error


def _answer(found: Any, request: dict[str, Any]) -> None:
    """The headers that the request asks for, of HeadObject too; and an object of no bytes has no first one to tell."""
    for asked, told in ALLOWED_HEADER_OVERRIDES.items():
        if given := request.get(asked):
            found[told] = given
    if found.get("ContentRange") == "bytes 0--1/0":
        del found["ContentRange"]
        found["StatusCode"] = 200


def versioned(handler: Handler) -> Handler:
    """A bucket without versions has none of the name that is asked for; LocalStack takes the name for malformed."""

    def called(context: Any, request: Any) -> Any:
        try:
            return handler(context, request)
        except InvalidArgument as refused:
            if getattr(refused, "ArgumentName", None) != "versionId":
                raise
            message = "The specified version does not exist."
            key, version = request.get("Key"), request.get("VersionId")
            raise NoSuchVersion(message, Key=key, VersionId=version) from refused

    return called
