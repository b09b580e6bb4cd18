"""A pytest plugin for s3fs's own suite: it runs against the S3 that AWS_ENDPOINT_URL_S3 names, in moto's place."""

from __future__ import annotations

import os
import sys
from typing import Any

import botocore.session
import moto.moto_server.threaded_moto_server as moto_server
import pytest
import requests
from acl_buckets import with_acls

ENDPOINT = os.environ["AWS_ENDPOINT_URL_S3"] + "/"
_create_client = botocore.session.Session.create_client


def _empty() -> None:
    """Remove every bucket, as moto's reset does."""
    s3 = _create_client(botocore.session.Session(), "s3", endpoint_url=ENDPOINT)
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in page.get("Uploads", []):
                s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            listed = page.get("Versions", []) + page.get("DeleteMarkers", [])
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
            if keys:
                s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
        s3.delete_bucket(Bucket=name)


class _Server:
    """What the suite takes for moto's server."""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        """Begin with nothing."""
        _empty()

    def stop(self) -> None:
        """Nothing: the S3 goes on."""


class _Requests:
    """requests, whose POST to moto's reset empties the S3."""

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)

    def post(self, url: str, *args: Any, **more: Any) -> Any:
        """As requests.post."""
        if url.endswith("/moto-api/reset"):
            return _empty()
        return requests.post(url, *args, timeout=60, **more)


def _client_with_acls(session: Any, *args: Any, **more: Any) -> Any:
    client = _create_client(session, *args, **more)
    if client.meta.service_model.service_name == "s3":
        with_acls(client)
    return client


def pytest_configure() -> None:
    """Before the suite's modules are imported."""
    moto_server.ThreadedMotoServer = _Server
    botocore.session.Session.create_client = _client_with_acls


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Once they are."""
    for name, module in list(sys.modules.items()):
        if name.startswith("s3fs.tests") and hasattr(module, "endpoint_uri"):
            module.endpoint_uri = ENDPOINT
            if hasattr(module, "requests"):
                module.requests = _Requests()
