"""redshift-serverless: credentials for the caller, and the one workgroup and namespace.

https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from velodrome.awsapi.app import ValidationException

from .errors import ResourceNotFoundException
from .users import TemporaryUsers
from .warehouse import Warehouse, duration

Parameters = Mapping[str, Any]


class RedshiftServerless:
    """The handlers, named as boto3 names the operations."""

    def __init__(self, warehouse: Warehouse, users: TemporaryUsers) -> None:
        self._warehouse = warehouse
        self._users = users

    def get_credentials(self, parameters: Parameters) -> dict[str, Any]:
        """GetCredentials."""
        name = parameters.get("workgroupName")
        if name is None:
            raise ValidationException("Either a workgroup name or a custom domain name must be provided.")
        self._workgroup(name)
        seconds = duration(parameters.get("durationSeconds"), "durationSeconds")
        given = self._users.own(f"IAM:{self._warehouse.caller}", seconds)
        return {
            "dbUser": given.user,
            "dbPassword": given.password,
            "expiration": given.expiration,
            "nextRefreshTime": given.expiration,
        }

    def get_workgroup(self, parameters: Parameters) -> dict[str, Any]:
        """GetWorkgroup."""
        return {"workgroup": self._workgroup(parameters["workgroupName"])}

    def list_workgroups(self, parameters: Parameters) -> dict[str, Any]:
        """ListWorkgroups."""
        return {"workgroups": [self._workgroup(self._warehouse.workgroup)]}

    def get_namespace(self, parameters: Parameters) -> dict[str, Any]:
        """GetNamespace."""
        return {"namespace": self._namespace(parameters["namespaceName"])}

    def list_namespaces(self, parameters: Parameters) -> dict[str, Any]:
        """ListNamespaces."""
        return {"namespaces": [self._namespace(self._warehouse.namespace)]}

    def _workgroup(self, name: str) -> dict[str, Any]:
        known = self._warehouse
        if name != known.workgroup:
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

    def _namespace(self, name: str) -> dict[str, Any]:
        known = self._warehouse
        if name != known.namespace:
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
