"""redshift: what drivers for clusters ask, answered of the one warehouse.

https://docs.aws.amazon.com/redshift/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from velodrome.awsapi.app import ValidationException
from velodrome.awsapi.caller import Caller

from .errors import ClusterNotFoundFault
from .users import TemporaryUsers
from .warehouse import Warehouse, duration

Parameters = Mapping[str, Any]

# https://docs.aws.amazon.com/redshift/latest/APIReference/API_GetClusterCredentials.html, DbUser; with IAMA: before it,
# 63 bytes is what PostgreSQL keeps of a name.
_USER = re.compile(r"[A-Za-z][A-Za-z0-9_+.@-]{0,57}")


class Redshift:
    """The handlers, named as boto3 names the operations."""

    def __init__(self, warehouse: Warehouse, users: TemporaryUsers) -> None:
        self._warehouse = warehouse
        self._users = users

    def get_cluster_credentials(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetClusterCredentials."""
        self._known(caller, parameters)
        user, groups = parameters["DbUser"], parameters.get("DbGroups", [])
        if not _USER.fullmatch(user) or user.lower() == "public" or not all(map(_USER.fullmatch, groups)):
            raise ValidationException("DbUser and DbGroups must be names of users and groups of the database.")
        seconds = duration(parameters.get("DurationSeconds"), "durationSeconds")
        given = self._users.of(user, seconds, parameters.get("AutoCreate", False), groups)
        return {"DbUser": given.user, "DbPassword": given.password, "Expiration": given.expiration}

    def get_cluster_credentials_with_iam(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetClusterCredentialsWithIAM."""
        self._known(caller, parameters)
        seconds = duration(parameters.get("DurationSeconds"), "durationSeconds")
        given = self._users.own(caller.database_user, seconds)
        return {
            "DbUser": given.user,
            "DbPassword": given.password,
            "Expiration": given.expiration,
            "NextRefreshTime": given.expiration,
        }

    def describe_clusters(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """DescribeClusters."""
        if "ClusterIdentifier" in parameters:
            self._known(caller, parameters)
        known = self._warehouse.seen_by(caller)
        if known is None:
            return {"Clusters": []}
        cluster = {
            "ClusterIdentifier": known.workgroup,
            "ClusterStatus": "available",
            "ClusterAvailabilityStatus": "Available",
            "NodeType": "ra3.xlplus",
            "NumberOfNodes": 1,
            "MasterUsername": known.administrator,
            "DBName": known.database,
            "Endpoint": {"Address": known.host, "Port": known.port},
            "ClusterCreateTime": known.created,
            "PubliclyAccessible": False,
            "Encrypted": False,
            "IamRoles": [{"IamRoleArn": known.role, "ApplyStatus": "in-sync"}],
            "ClusterNamespaceArn": known.arn("namespace", known.id("namespace", known.namespace), "redshift").replace(
                ":namespace/", ":namespace:"
            ),
        }
        return {"Clusters": [cluster]}

    def _known(self, caller: Caller, parameters: Parameters) -> None:
        name = parameters.get("ClusterIdentifier")
        if name is None:
            raise ValidationException("Either ClusterIdentifier or CustomDomainName must be provided.")
        known = self._warehouse.seen_by(caller)
        if known is None or name != known.workgroup:
            raise ClusterNotFoundFault(f"Cluster {name} not found.")
