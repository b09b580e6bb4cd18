"""DeleteObject and DeleteObjects: conditions, and versions that are gone already, which S3 answers as deleted.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localstack.aws.api import ServiceException

from velodrome.s3.rules import conditions, limits

Handler = Callable[[Any, Any], Any]


def delete_object(provider: Any, handler: Handler) -> Handler:
    """The handler of one."""

    def called(context: Any, request: Any) -> Any:
        bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
        conditions.check_deletion(bucket, request)
        version = request.get("VersionId")
        if version and conditions.find(bucket, request["Key"], version) is None:
            return {"VersionId": version}
        return handler(context, conditions.without_conditions(request))

    return called


def delete_objects(provider: Any, handler: Handler) -> Handler:
    """The handler of up to a thousand; each that may not be deleted is named in the answer, and the others go."""

    def called(context: Any, request: Any) -> Any:
        bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
        left, errors, gone = [], [], []
        for listed in request["Delete"]["Objects"]:
            try:
                limits.version(listed)
                conditions.check_deletion(bucket, conditions.as_deletion(listed))
            except ServiceException as refused:
                errors.append(_error(listed, refused))
                continue
            if (version := listed.get("VersionId")) and conditions.find(bucket, listed["Key"], version) is None:
                gone.append({"Key": listed["Key"], "VersionId": version})
            else:
                left.append(listed)
        answer: dict[str, Any] = {}
        if left:
            answer = dict(handler(context, request | {"Delete": request["Delete"] | {"Objects": left}}))
        if gone and not request["Delete"].get("Quiet"):
            answer["Deleted"] = [*answer.get("Deleted", []), *gone]
        if errors:
            answer["Errors"] = [*answer.get("Errors", []), *errors]
        return answer

    return called


def _error(listed: dict[str, Any], refused: ServiceException) -> dict[str, Any]:
    code, message = refused.code, refused.message
    if code == "InvalidArgument":  # in a list, a version that cannot be is one that is not there
        code, message = "NoSuchVersion", "The specified version does not exist."
    found = {"Code": code, "Key": listed["Key"], "Message": message}
    return found | ({"VersionId": listed["VersionId"]} if listed.get("VersionId") else {})
