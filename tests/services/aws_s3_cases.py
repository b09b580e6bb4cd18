"""What the tests of aws_s3 have in common: the server, the bucket, the statements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.config import Config

from velodrome.awsapi import profile
from velodrome.settings import Settings
from velodrome.testing import wait_until

BUCKET = "rds-test"
REGION = "us-east-1"
EXPORT = "SELECT * FROM aws_s3.query_export_to_s3(%s, %s, %s, %s, %s)"
IMPORT = "SELECT aws_s3.table_import_from_s3(%s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True)
class Rds:
    """A source database that runs."""

    major: int
    data: Path
    log: Path
    port: int
    user: str
    password: str
    database: str

    def connect(self, user: str | None = None, password: str | None = None) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=self.database,
            user=user or self.user,
            password=password or self.password,
        )

    def superuser(self) -> psycopg.Connection[Any]:
        """Through the socket in the data folder."""
        return psycopg.connect(
            host=str(self.data), port=self.port, dbname=self.database, user="rdsadmin", autocommit=True
        )

    def helpers(self) -> list[int]:
        """Process ids of the helper programs that run for this server."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                folder = (entry / "cwd").readlink()
            except OSError:  # it has ended
                continue
            if folder in (self.data, self.data / "s3pipe.d") and any(b"s3pipe" in word for word in words):
                found.append(int(entry.name))
        return found

    def left_over(self) -> list[str]:
        """Files of helpers that should be gone: everything but the backends' last results and the roles' keys."""
        return [path.name for path in self.data.glob("s3pipe.d/*") if path.suffix != ".json"]

    def wait_clean(self, bucket: Bucket) -> None:
        """Until no helper, no file of one and no upload is there any more."""
        wait_until("the helpers to end", lambda: not self.helpers())
        wait_until("the uploads to be given up", lambda: not bucket.uploads())
        assert self.left_over() == []


class Bucket:
    """The test bucket through boto3."""

    def __init__(self, settings: Settings) -> None:
        mine = profile.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=mine.endpoint("s3"),
            region_name=mine.region,
            aws_access_key_id=mine.access_key_id,
            aws_secret_access_key=mine.secret_access_key,
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, key: str, data: bytes, **attributes: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, **attributes)

    def body(self, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str) -> list[str]:
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]

    def uploads(self) -> list[str]:
        return [entry["Key"] for entry in self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]
