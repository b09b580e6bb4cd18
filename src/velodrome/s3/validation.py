"""Requests to IAM and STS, held against their models: moto takes nearly every value.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, …/IAM/latest/APIReference/CommonErrors.html
"""

# LocalStack is installed only where it runs, and has no types.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.protocol import parser
from moto.core.exceptions import ServiceException
from moto.iam.models import iam_backends
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from velodrome.awsapi.parse import validation_message, violations

Handler = Callable[[Any, Any], Any]
_ROLE = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/.+")
_ACTION = re.compile('("sts:)[A-Za-z*]+"', re.IGNORECASE)
_NO_ACTION = "AssumeRole policy may only specify STS AssumeRole actions."
_TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


def checked(handler: Handler) -> Handler:
    """The handler of an operation, asked only for what its model allows; raises ValidationError else."""

    def called(context: Any, request: Any) -> Any:
        given = request or {}
        shape = context.operation.input_shape
        found = [re.sub(r"(?<=at ')[^']+", _as_told, text) for text in violations(shape, given)] if shape else []
        if found:
            raise refused(validation_message(found))
        if (rule := _RULES.get(context.operation.name)) is not None:
            rule(context, given)
        return handler(context, request)

    return called


def missing(message: str) -> Exception:
    """Something that is named, and not there."""
    error: Exception = CommonServiceException("NoSuchEntity", message, 404, sender_fault=True)
    return error


def refused(message: str, code: str = "ValidationError", status: int = 400) -> Exception:
    """An error of the client's."""
    error: Exception = CommonServiceException(code, message, status, sender_fault=True)
    return error


def _as_told(path: re.Match[str]) -> str:
    """Both services write a member's name with a small letter in their messages."""
    return ".".join(part[:1].lower() + part[1:] for part in path[0].split("."))


def _policy(context: Any, given: dict[str, Any]) -> None:
    """A session's own policy is JSON."""
    _json(given.get("Policy") or "{}")


def _json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        raise refused("This policy contains invalid Json", "MalformedPolicyDocument") from None


def _assumable(context: Any, given: dict[str, Any]) -> None:
    """A session lasts no longer than its role allows, an hour if nobody said otherwise."""
    _policy(context, given)
    if not _ROLE.fullmatch(arn := given["RoleArn"]):
        raise refused("Request ARN is invalid")
    for role in iam_backends[context.account_id][context.partition].roles.values():
        if role.arn == arn and (given.get("DurationSeconds") or 0) > int(role.max_session_duration or 3600):
            raise refused(_TOO_LONG)


def _trust(context: Any, given: dict[str, Any]) -> None:
    """Who may assume a role: moto looks at it where it is changed, and not where it is made."""
    document = given.get("AssumeRolePolicyDocument") or given["PolicyDocument"]
    _json(document)
    try:
        # Which actions of STS there are is more than moto knows.
        IAMTrustPolicyDocumentValidator(_ACTION.sub(r'\1AssumeRole"', document)).validate()
    except ServiceException as bad:
        said = str(bad.message)
        raise refused(_NO_ACTION if "actions can only be" in said else said, "MalformedPolicyDocument") from bad


def _boundary(context: Any, given: dict[str, Any]) -> None:
    """Of a role or a user: a policy that is there."""
    arn = given["PermissionsBoundary"]
    if arn not in iam_backends[context.account_id][context.partition].managed_policies:
        raise missing(f"Scope ARN: {arn} does not exist or is not attachable.")


def _policy_is_there(context: Any, given: dict[str, Any]) -> None:
    if (arn := given["PolicyArn"]) not in iam_backends[context.account_id][context.partition].managed_policies:
        raise missing(f"Policy {arn} was not found.")


def _role_is_there(context: Any, given: dict[str, Any]) -> None:
    roles = iam_backends[context.account_id][context.partition].roles.values()
    if given["RoleName"] not in {role.name for role in roles}:
        raise missing(f"The role with name {given['RoleName']} cannot be found.")


def _role_is_in_profile(context: Any, given: dict[str, Any]) -> None:
    backend = iam_backends[context.account_id][context.partition]
    profile = backend.instance_profiles.get(given["InstanceProfileName"])
    if profile is not None and given["RoleName"] not in {role.name for role in profile.roles}:
        raise missing(f"The role with name {given['RoleName']} cannot be found.")


_RULES: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "AssumeRole": _assumable,
    "CreateRole": _trust,
    "GetFederationToken": _policy,
    "ListEntitiesForPolicy": _policy_is_there,
    "ListInstanceProfilesForRole": _role_is_there,
    "PutRolePermissionsBoundary": _boundary,
    "PutUserPermissionsBoundary": _boundary,
    "RemoveRoleFromInstanceProfile": _role_is_in_profile,
    "UpdateAssumeRolePolicy": _trust,
}


class QueryParser(parser.QueryRequestParser):
    """The parser of IAM's and STS's requests, with AWS's errors for those that cannot be read: never 500."""

    def parse(self, request: Any) -> tuple[Any, Any]:
        """The operation and its members; raises ServiceException."""
        action, version = request.values.get("Action"), request.values.get("Version")
        if action not in self.service.operation_names:
            if action is None:
                raise refused("The request must contain the parameter Action", "MissingAction")
            raise refused(f"Could not find operation {action} for version {version}", "InvalidAction")
        try:
            return super().parse(request)
        except parser.RequestParserError as bad:
            raise refused("The input cannot be read: a number, a time or a list is none.", "MalformedInput") from bad


def install() -> None:
    """Let LocalStack use it; before it has made a parser of its own."""
    parser.QueryRequestParser = QueryParser
