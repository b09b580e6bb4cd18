"""S3 as the service itself uses it: fetches a job's files, delivers its logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError


class ObjectError(Exception):
    """An object cannot be read or written; the message names it and says why."""


class Objects:
    """S3 through a client that has the execution role's rights."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fetch(self, uri: str, folder: Path) -> Path:
        """Download an object into the folder, under its own last name."""
        bucket, key = split(uri)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / Path(key).name
        try:
            self._client.download_file(bucket, key, str(target))
        except (BotoCoreError, ClientError, OSError) as error:
            raise ObjectError(f"{uri} cannot be read: {error}") from error
        return target

    def store(self, uri: str, data: bytes) -> None:
        """Write an object."""
        bucket, key = split(uri)
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=data)
        except (BotoCoreError, ClientError) as error:
            raise ObjectError(f"{uri} cannot be written: {error}") from error


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI.

    >>> split("s3://bucket/folder/file")
    ('bucket', 'folder/file')
    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
        raise ObjectError(f"{uri} is not the URI of an S3 object")
    return parts.netloc, parts.path.lstrip("/")
