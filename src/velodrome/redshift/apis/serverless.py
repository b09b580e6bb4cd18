"""redshift-serverless: credentials for the caller, and the one workgroup and namespace.

https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from velodrome.awsapi.app import ValidationException
from velodrome.awsapi.caller import Caller

from .errors import ResourceNotFoundException
from .users import TemporaryUsers
from .warehouse import Warehouse, duration

Parameters = Mapping[str, Any]


class RedshiftServerless:
    """The handlers, named as boto3 names the operations."""

    def __init__(self, warehouse: Warehouse, users: TemporaryUsers) -> None:
        self._warehouse = warehouse
        self._users = users

    def get_credentials(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetCredentials."""
        name = parameters.get("workgroupName")
        if name is None:
            raise ValidationException("Either a workgroup name or a custom domain name must be provided.")
        self._workgroup(caller, name)
        seconds = duration(parameters.get("durationSeconds"), "durationSeconds")
        given = self._users.own(caller.database_user, seconds)
        return {
            "dbUser": given.user,
            "dbPassword": given.password,
            "expiration": given.expiration,
            "nextRefreshTime": given.expiration,
        }

    def get_workgroup(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetWorkgroup."""
        return {"workgroup": self._workgroup(caller, parameters["workgroupName"])}

    def list_workgroups(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListWorkgroups."""
        known = self._warehouse.seen_by(caller)
        return {"workgroups": [self._workgroup(caller, known.workgroup)] if known else []}

    def get_namespace(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """GetNamespace."""
        return {"namespace": self._namespace(caller, parameters["namespaceName"])}

    def list_namespaces(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        """ListNamespaces."""
        known = self._warehouse.seen_by(caller)
        return {"namespaces": [self._namespace(caller, known.namespace)] if known else []}

    def _workgroup(self, caller: Caller, name: str) -> dict[str, Any]:
        known = self._warehouse.seen_by(caller)
        if known is None or name != known.workgroup:
            raise ResourceNotFoundException(f"The workgroup {name} was not found.")
        id = known.id("workgroup", name)
        return {
            "workgroupName": name,
            "workgroupId": id,
            "workgroupArn": known.arn("workgroup", id),
            "namespaceName": known.namespace,
            "status": "AVAILABLE",
            "creationDate": known.created,
            "endpoint": {"address": known.host, "port": known.port, "vpcEndpoints": []},
            "port": known.port,
            "baseCapacity": 128,
            "configParameters": [],
            "enhancedVpcRouting": False,
            "publiclyAccessible": False,
            "securityGroupIds": [],
            "subnetIds": [],
        }

    def _namespace(self, caller: Caller, name: str) -> dict[str, Any]:
        known = self._warehouse.seen_by(caller)
        if known is None or name != known.namespace:
            raise ResourceNotFoundException(f"The namespace {name} was not found.")
        id = known.id("namespace", name)
        return {
            "namespaceName": name,
            "namespaceId": id,
            "namespaceArn": known.arn("namespace", id),
            "status": "AVAILABLE",
            "creationDate": known.created,
            "dbName": known.database,
            "adminUsername": known.administrator,
            "defaultIamRoleArn": known.role,
            "iamRoles": [known.role],
            "kmsKeyId": "AWS_OWNED_KMS_KEY",
            "logExports": [],
        }
