"""A pytest plugin for ceph's s3-tests: what the suite does that AWS refuses is done as AWS has it.

Its clean-up passes BypassGovernanceRetention, which AWS takes only for a bucket with Object Lock; its buckets
have ACLs and may be public, which AWS's may only when asked for, so it asks. Each process has users of its own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
from acl_buckets import with_acls
from botocore.exceptions import ClientError

_client, _resource = boto3.client, boto3.resource


def _locked(client: Any, bucket: str) -> bool:
    try:
        client.get_object_lock_configuration(Bucket=bucket)
    except ClientError:
        return False
    return True


def _mended(client: Any) -> None:
    with_acls(client)

    def bypass_left_out(params: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        if not params.get("BypassGovernanceRetention") or _locked(client, params["Bucket"]):
            return None
        return {name: value for name, value in params.items() if name != "BypassGovernanceRetention"}

    client.meta.events.register_first("provide-client-params.s3.DeleteObjects", bypass_left_out)


def _made_client(*args: Any, **more: Any) -> Any:
    client = _client(*args, **more)
    if client.meta.service_model.service_name == "s3":
        _mended(client)
    return client


def _made_resource(*args: Any, **more: Any) -> Any:
    resource = _resource(*args, **more)
    if resource.meta.service_name == "s3":
        _mended(resource.meta.client)
    return resource


def pytest_configure() -> None:
    """Before the suite's modules are imported."""
    boto3.client, boto3.resource = _made_client, _made_resource
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    os.environ["S3TEST_CONF"] = str(Path(os.environ["S3_SUITES_FOLDER"]) / f"{process}.conf")
