"""What IAM says, in AWS's words and pages: moto has its own, and lists everything at once.

https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html, …/API_ListRoles.html
"""

# LocalStack is installed only where it runs, and has no types.
# mypy: disable-error-code="import-not-found, import-untyped, no-any-return"

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from localstack.aws.api import CommonServiceException, ServiceException

Handler = Callable[[Any, Any], Any]
_PAGE = 100
# The member that is listed, of operations that have a MaxItems and pass it over.
_LISTED = {
    "GetGroup": "Users",
    "ListAccessKeys": "AccessKeyMetadata",
    "ListGroupPolicies": "PolicyNames",
    "ListGroups": "Groups",
    "ListGroupsForUser": "Groups",
    "ListInstanceProfiles": "InstanceProfiles",
    "ListInstanceProfilesForRole": "InstanceProfiles",
    "ListPolicyVersions": "Versions",
    "ListRolePolicies": "PolicyNames",
    "ListRoles": "Roles",
    "ListUserPolicies": "PolicyNames",
    "ListUsers": "Users",
}
# What moto says, the operations that it is of, and what AWS says.
_WORDS = tuple(
    (re.compile(said), re.compile(operations), told)
    for said, operations, told in (
        (r"Role (\S+) not found", "", r"The role with name \1 cannot be found."),
        (r"User (\S+) not found", "", r"The user with name \1 cannot be found."),
        (r"Group (\S+) not found", "", r"The group with name \1 cannot be found."),
        (r"Instance profile (\S+) not found", "", r"Instance Profile \1 cannot be found."),
        (r"Login profile for (\S+) not found", "", r"Login Profile for User \1 cannot be found."),
        (r"(The Access Key with id \S+ cannot be found)", "", r"\1."),
        (r"User (\S+) already exists", "", r"User with name \1 already exists."),
        (r"Group (\S+) already exists", "", r"Group with name \1 already exists."),
        (r"Policy Document (\S+) not attached to role \S+", "", r"The role policy with name \1 cannot be found."),
        (r"Policy (arn:\S+) (was )?not found\.?", "Attach", r"Policy \1 does not exist or is not attachable."),
        (r"Policy (arn:\S+) not found", "", r"Policy \1 was not found."),
        (r"Policy (\S+) not found", "UserPolicy", r"The user policy with name \1 cannot be found."),
        (r"Policy (\S+) not found", "GroupPolicy", r"The group policy with name \1 cannot be found."),
        (
            r"Policy (version )?not found",
            "PolicyVersion",
            "Policy {PolicyArn} version {VersionId} does not exist or is not attachable.",
        ),
    )
)


def answered(handler: Handler) -> Handler:
    """The handler of an operation, whose errors and lists are as AWS's."""

    def called(context: Any, request: Any) -> Any:
        given, name = request or {}, context.operation.name
        if name not in _LISTED and not given.get("Marker", "0").isdecimal():  # as moto writes its own
            raise _invalid_marker()
        try:
            answer = handler(context, request)
        except ServiceException as refused:
            refused.message = in_words(name, given, refused.message or "")
            refused.args = (refused.message,)  # what is written of it
            raise
        return _page(answer, _LISTED[name], given) if name in _LISTED else answer

    return called


def in_words(operation: str, given: dict[str, Any], said: str) -> str:
    """An error's message as AWS has it; those of AWS's own are left."""
    for pattern, operations, told in _WORDS:
        if (found := pattern.fullmatch(said)) and operations.search(operation):
            return found.expand(told).format_map(given)
    return said


def _page(answer: Any, member: str, given: dict[str, Any]) -> Any:
    whole, start = answer.get(member) or [], 0
    if (marker := given.get("Marker")) is not None:
        start = _place(marker, len(whole))
    end = start + int(given.get("MaxItems") or _PAGE)
    left = {**answer, member: whole[start:end], "IsTruncated": end < len(whole)}
    left.pop("Marker", None)
    return left | ({"Marker": base64.b64encode(str(end).encode()).decode()} if end < len(whole) else {})


def _place(marker: str, count: int) -> int:
    try:
        place = int(base64.b64decode(marker, validate=True))
    except (binascii.Error, ValueError):
        place = -1
    if not 0 <= place <= count:
        raise _invalid_marker()
    return place


def _invalid_marker() -> Exception:
    error: Exception = CommonServiceException("ValidationError", "Invalid Marker.", 400, sender_fault=True)
    return error
