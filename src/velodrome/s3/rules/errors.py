"""S3's errors in its own words, as far as LocalStack has none of them.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.api.s3 import InvalidArgument, NoSuchKey, PreconditionFailed
from localstack.services.s3.exceptions import MalformedXML


def error(code: str, message: str, status: int = 400, **details: Any) -> CommonServiceException:
    """An error whose details (`Size`, …) stand in the answer's XML beside code and message."""
    made = CommonServiceException(code, message, status)
    for name, value in details.items():
        setattr(made, name, value)
    return made


def malformed_xml() -> CommonServiceException:
    """The body is not what the operation takes."""
    return MalformedXML()


def invalid_argument(message: str, name: str, value: Any) -> CommonServiceException:
    """The argument's name is as it stands in header or query."""
    return InvalidArgument(message, ArgumentName=name, ArgumentValue=value)


def access_denied() -> CommonServiceException:
    """Without a reason, as S3 gives none."""
    return error("AccessDenied", "Access Denied", 403)


def precondition_failed(condition: str) -> CommonServiceException:
    """412, with the header that did not hold."""
    return PreconditionFailed("At least one of the pre-conditions you specified did not hold", Condition=condition)


def no_such_key(key: str) -> CommonServiceException:
    """404."""
    return NoSuchKey("The specified key does not exist.", Key=key)


def not_implemented(header: str) -> CommonServiceException:
    """501 for a header that S3 knows, with a value or for an operation that it does not take."""
    message = "A header you provided implies functionality that is not implemented"
    return error("NotImplemented", message, 501, Header=header)
