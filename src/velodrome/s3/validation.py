"""Requests to IAM and STS, held against their models: moto takes nearly every value.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, …/IAM/latest/APIReference/CommonErrors.html
"""

# LocalStack is installed only where it runs, and has no types.
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from localstack.aws.api import CommonServiceException
from moto.iam.models import iam_backends

from velodrome.awsapi.parse import validation_message, violations

Handler = Callable[[Any, Any], Any]
_TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


def checked(handler: Handler) -> Handler:
    """The handler of an operation, asked only for what its model allows; raises ValidationError else."""

    def called(context: Any, request: Any) -> Any:
        given = request or {}
        shape = context.operation.input_shape
        found = [re.sub(r"(?<=at ')[^']+", _as_told, text) for text in violations(shape, given)] if shape else []
        if found:
            raise refused(validation_message(found))
        if context.operation.name == "AssumeRole":
            _assumable(context, given)
        return handler(context, request)

    return called


def refused(message: str, code: str = "ValidationError") -> Exception:
    """An error of the client's."""
    error: Exception = CommonServiceException(code, message, 400, sender_fault=True)
    return error


def _as_told(path: re.Match[str]) -> str:
    """Both services write a member's name with a small letter in their messages."""
    return ".".join(part[:1].lower() + part[1:] for part in path[0].split("."))


def _assumable(context: Any, given: dict[str, Any]) -> None:
    """A session's own policy is JSON, and it lasts no longer than the role allows, an hour if nobody said otherwise."""
    try:
        json.loads(given.get("Policy") or "{}")
    except ValueError:
        raise refused("This policy contains invalid Json", "MalformedPolicyDocument") from None
    arn = given["RoleArn"]
    for role in iam_backends[context.account_id][context.partition].roles.values():
        if role.arn == arn and (given.get("DurationSeconds") or 0) > int(role.max_session_duration or 3600):
            raise refused(_TOO_LONG)
