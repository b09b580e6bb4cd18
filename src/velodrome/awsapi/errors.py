"""Errors that a stand-in answers with: the service's own, whose status is in its model, and those of all of AWS."""

from __future__ import annotations

from typing import ClassVar


class AwsError(Exception):
    """An error reply. Its code is the class's name."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        """The error's code, as clients see it."""
        return type(self).__name__


class ServiceError(AwsError):
    """Base of a service's own errors; the HTTP status comes from the service's model."""


class CommonError(AwsError):
    """Base of errors that every service has, though no model lists them.

    https://docs.aws.amazon.com/emr-serverless/latest/APIReference/CommonErrors.html
    """

    status: ClassVar[int] = 400


class SerializationException(CommonError):
    """The request's body is not what the operation takes."""


class UnknownOperationException(CommonError):
    """No operation has this method and path."""

    status = 404


class NotImplementedException(CommonError):
    """AWS has the operation, Velodrome has not."""

    status = 501


class MissingAuthenticationTokenException(CommonError):
    """The request carries no signature."""

    status = 403


class IncompleteSignatureException(CommonError):
    """The signature's header cannot be read."""

    status = 403


class InvalidSignatureException(CommonError):
    """The signature is wrong, too old, or of another region or service."""

    status = 403


class UnrecognizedClientException(CommonError):
    """The access key is not known."""

    status = 403


class ExpiredTokenException(CommonError):
    """The session token of temporary credentials has ended."""

    status = 403


class RequestTimeoutException(CommonError):
    """The rest of a request does not arrive."""

    status = 408


class RequestEntityTooLargeException(CommonError):
    """The body is larger than any operation takes."""

    status = 413
