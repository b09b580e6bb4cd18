"""The errors of EMR Serverless; their HTTP statuses are in its model."""

from __future__ import annotations

from velodrome.awsapi.errors import ServiceError


class ConflictException(ServiceError):
    """The request conflicts with what was asked before."""


class ResourceNotFoundException(ServiceError):
    """There is no such application or job run."""


class ServiceQuotaExceededException(ServiceError):
    """More was asked than the account may have."""


class ValidationException(ServiceError):
    """The request cannot be done in this state, or asks for what is not supported."""


class InternalServerException(ServiceError):
    """The service itself failed."""
