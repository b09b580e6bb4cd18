"""The errors of the warehouse's APIs; their HTTP statuses are in the services' models."""

from __future__ import annotations

from velodrome.awsapi.errors import ServiceError


class ResourceNotFoundException(ServiceError):
    """There is no workgroup or namespace of this name (redshift-serverless)."""


class ClusterNotFoundFault(ServiceError):
    """There is no cluster of this name (redshift)."""
