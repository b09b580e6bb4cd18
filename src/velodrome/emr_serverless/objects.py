"""S3 as the service itself uses it: fetches a job's files, delivers its logs."""

from __future__ import annotations

import filecmp
import fnmatch
import secrets
import shutil
import urllib.request
from os import SEEK_END
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

_WILDCARDS = "*?["
_WEB_TIMEOUT = 60.0
_LARGE = 8 * 2**20  # from this size on s3transfer sends parts, several at a time


class ObjectError(Exception):
    """An object cannot be read or written; the message names it and says why."""


class Objects:
    """S3 through a client that has the execution role's rights."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fetch(self, uri: str, folder: Path, name: str | None = None) -> Path:
        """Download an object, or a file of the web, into the folder, under its own last name or another.

        The name may have folders of its own, and leads nowhere else: not up, not through a link. A file that is there
        already must be the same, as for Spark.
        """
        web = uri.startswith(("https://", "http://"))
        bucket, key = ("", urlsplit(uri).path) if web else split(uri)
        target = _inside(folder, name or key.rstrip("/").rpartition("/")[2] or "file", uri)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched = folder / f".{secrets.token_hex(8)}"
            try:
                if web:
                    _fetch_from_web(uri, fetched)
                else:
                    self._client.download_file(bucket, key, str(fetched))
                if target.is_symlink() or (target.exists() and not _same(target, fetched)):
                    # org.apache.spark.util.Utils.copyFile has these words.
                    raise ObjectError(f"File {target.relative_to(folder)} exists and does not match contents of {uri}")
                fetched.replace(target)
            finally:
                fetched.unlink(missing_ok=True)
        except (BotoCoreError, ClientError, OSError) as error:
            raise ObjectError(f"{uri} cannot be read: {error}") from error
        return target

    def expand(self, uri: str) -> list[str]:
        """The objects that a URI with wildcards in its last part names, as Hadoop does; others stay as they are."""
        if not uri.startswith("s3://") or not set(_WILDCARDS) & set(uri):
            return [uri]
        bucket, key = split(uri)
        folder = key[: key.rfind("/") + 1]
        if set(_WILDCARDS) & set(folder):
            raise ObjectError(f"{uri} has a wildcard in a folder; only its last part may have one")
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder, Delimiter="/")
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise ObjectError(f"{uri} cannot be read: {error}") from error
        found = [f"s3://{bucket}/{one}" for one in keys if fnmatch.fnmatchcase(one, key) and not one.endswith("/")]
        if not found:
            raise ObjectError(f"{uri} names no object")
        return found

    def store(self, uri: str, file: IO[bytes]) -> int:
        """Write an object from a file's start to its end, in parts if it is large; how many bytes it has."""
        bucket, key = split(uri)
        size = file.seek(0, SEEK_END)
        file.seek(0)
        try:
            if size < _LARGE:
                self._client.put_object(Bucket=bucket, Key=key, Body=file.read())
            else:
                self._client.upload_fileobj(_Kept(file), bucket, key)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise ObjectError(f"{uri} cannot be written: {error}") from error
        return size


class _Kept:
    """A file that s3transfer reads, and does not close."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _inside(folder: Path, name: str, uri: str) -> Path:
    """Where a file of this name is to lie in the folder; raises ObjectError if that is elsewhere."""
    parts = PurePosixPath(name).parts
    target = folder.joinpath(*parts) if parts else folder
    # Spark is told of files in lists with commas, in which # begins a name.
    if set(name) & set("\0,#") or name in ("", ".") or name.endswith("/"):
        raise ObjectError(f"{uri}: {name!r} is no file name")
    # Hadoop's words for a member of an archive (org.apache.hadoop.fs.FileUtil).
    if name.startswith("/") or ".." in parts or not target.parent.resolve().is_relative_to(folder.resolve()):
        raise ObjectError(f"{uri}: expanding {name} would create entry outside of the job's folder")
    return target


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and filecmp.cmp(one, other, shallow=False)


def _fetch_from_web(uri: str, target: Path) -> None:
    with urllib.request.urlopen(uri, timeout=_WEB_TIMEOUT) as source, target.open("wb") as copy:  # noqa: S310  http only
        shutil.copyfileobj(source, copy)


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI.

    >>> split("s3://bucket/folder/file")
    ('bucket', 'folder/file')
    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
        raise ObjectError(f"{uri} is not the URI of an S3 object")
    return parts.netloc, parts.path.lstrip("/")
