"""S3 through the clients that the pipeline uses: boto3, obstore (Rust) and, for what no client shows, a raw socket."""

from __future__ import annotations

import hashlib
import io
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
import obstore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from velodrome.testing import RunningService, client_options, run_service

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service("s3", tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def bucket(service: RunningService) -> str:
    return service.settings["RAW_BUCKET"]


@pytest.fixture(scope="module")
def s3(service: RunningService) -> Any:
    return boto3.client(
        "s3",
        **client_options(service.settings),
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


@pytest.fixture
def store(service: RunningService, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=service.settings["S3_ENDPOINT_URL"],
        region=service.settings["AWS_REGION"],
        access_key_id="velodrome",
        secret_access_key=service.settings["AWS_LOCAL_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


class TestBoto3:
    def test_put_get_head_delete(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="a/é b+c.csv", Body=b"1,2\n", ContentType="text/csv", Metadata={"window": "7"})
        got = s3.get_object(Bucket=bucket, Key="a/é b+c.csv")
        assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"1,2\n", "text/csv", {"window": "7"})
        assert s3.head_object(Bucket=bucket, Key="a/é b+c.csv")["ContentLength"] == 4
        s3.delete_object(Bucket=bucket, Key="a/é b+c.csv")
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=bucket, Key="a/é b+c.csv")
        assert caught.value.response["Error"]["Code"] == "NoSuchKey"

    def test_an_empty_object(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="empty", Body=b"")
        assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""

    def test_list_in_pages_and_by_prefix(self, s3: Any, bucket: str) -> None:
        names = [f"list/{folder}/{number:02d}" for folder in "ab" for number in range(8)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: s3.put_object(Bucket=bucket, Key=name, Body=b"x"), names))
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix="list/", PaginationConfig={"PageSize": 3}
        )
        assert [entry["Key"] for page in pages for entry in page["Contents"]] == names
        folders = s3.list_objects_v2(Bucket=bucket, Prefix="list/", Delimiter="/")["CommonPrefixes"]
        assert [folder["Prefix"] for folder in folders] == ["list/a/", "list/b/"]
        gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name} for name in names]})
        assert len(gone["Deleted"]) == 16

    def test_multipart_and_ranges(self, s3: Any, bucket: str) -> None:
        body = random.Random(1).randbytes(20 * MEBIBYTE + 17)
        parts = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE, max_concurrency=4)
        s3.upload_fileobj(io.BytesIO(body), bucket, "large", Config=parts)
        assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-5"')
        for asked, expected in (
            ("bytes=0-9", body[:10]),
            ("bytes=5242875-5242885", body[5242875:5242886]),
            ("bytes=-7", body[-7:]),
            (f"bytes={len(body) - 3}-", body[-3:]),
        ):
            got = s3.get_object(Bucket=bucket, Key="large", Range=asked)
            assert (got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]) == (expected, 206)
        whole = io.BytesIO()
        s3.download_fileobj(bucket, "large", whole, Config=parts)
        assert hashlib.sha256(whole.getvalue()).digest() == hashlib.sha256(body).digest()
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={len(body)}-")
        assert caught.value.response["Error"]["Code"] == "InvalidRange"

    def test_an_aborted_upload_leaves_nothing(self, s3: Any, bucket: str) -> None:
        upload = s3.create_multipart_upload(Bucket=bucket, Key="aborted")["UploadId"]
        s3.upload_part(Bucket=bucket, Key="aborted", UploadId=upload, PartNumber=1, Body=b"x" * 5 * MEBIBYTE)
        s3.abort_multipart_upload(Bucket=bucket, Key="aborted", UploadId=upload)
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
        assert s3.list_objects_v2(Bucket=bucket, Prefix="aborted")["KeyCount"] == 0

    def test_a_presigned_url_names_this_address(self, s3: Any, service: RunningService, bucket: str) -> None:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
        assert url.startswith(service.settings["S3_ENDPOINT_URL"])

    def test_writers_at_once(self, s3: Any, bucket: str) -> None:
        def write(number: int) -> bytes:
            s3.put_object(Bucket=bucket, Key=f"at-once/{number}", Body=str(number).encode())
            return bytes(s3.get_object(Bucket=bucket, Key=f"at-once/{number}")["Body"].read())

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(write, range(40))) == [str(number).encode() for number in range(40)]

    def test_another_service_is_refused(self, service: RunningService) -> None:
        sqs = boto3.client(
            "sqs",
            **client_options(service.settings),
            config=Config(retries={"max_attempts": 1}),
        )
        with pytest.raises(ClientError, match="Velodrome has no sqs"):
            sqs.list_queues()

    def test_s3_control_puts_the_account_before_the_address(self, service: RunningService) -> None:
        """No resolver knows that name; through a proxy, which asks none, it is a service that is not here."""
        options = client_options(service.settings)
        config = Config(proxies={"http": options["endpoint_url"]}, retries={"total_max_attempts": 1})
        control = boto3.client("s3control", **options, config=config)
        sent: list[str] = []
        control.meta.events.register("before-send", lambda request, **_: sent.append(request.url))
        with pytest.raises(ClientError, match="Velodrome has no s3control: "):
            control.get_public_access_block(AccountId="000000000000")
        assert [urlsplit(url).hostname for url in sent] == ["000000000000.127.0.0.1"]


class TestObstore:
    def test_put_get_range_list(self, store: S3Store) -> None:
        obstore.put(store, "rust/one.csv", b"0123456789")
        assert bytes(obstore.get(store, "rust/one.csv").bytes()) == b"0123456789"
        assert bytes(obstore.get_range(store, "rust/one.csv", start=2, end=5)) == b"234"
        assert [entry["path"] for page in obstore.list(store, "rust/") for entry in page] == ["rust/one.csv"]
        obstore.delete(store, "rust/one.csv")
        with pytest.raises(FileNotFoundError):
            obstore.get(store, "rust/one.csv")

    def test_a_stream_in_parts(self, store: S3Store) -> None:
        body = random.Random(2).randbytes(12 * MEBIBYTE + 1)
        with obstore.open_writer(store, "rust/large", buffer_size=5 * MEBIBYTE) as writer:
            for start in range(0, len(body), 70_000):
                writer.write(body[start : start + 70_000])
        assert b"".join(bytes(chunk) for chunk in obstore.get(store, "rust/large").stream()) == body

    def test_the_sum_of_parts_is_that_of_the_whole(self, store: S3Store, s3: Any, bucket: str) -> None:
        body = random.Random(2).randbytes(10 * MEBIBYTE + 1)
        obstore.put(store, "parts", body, use_multipart=True, chunk_size=5 * MEBIBYTE, max_concurrency=2)
        obstore.put(store, "whole", body, use_multipart=False)
        parts, whole = (s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED") for key in ("parts", "whole"))
        assert parts["ETag"].endswith('-3"')
        assert parts["ChecksumCRC64NVME"] == whole["ChecksumCRC64NVME"]


class TestExpectContinue:
    """Status line and order of a request that waits for leave to send its body."""

    def request(self, service: RunningService, s3: Any, bucket: str, key: str, headers: str = "") -> socket.socket:
        url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key}))
        connection = socket.create_connection(("127.0.0.1", service.settings.integer("S3_PORT")), timeout=20)
        connection.sendall(
            f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 5\r\n"
            f"Expect: 100-continue\r\n{headers}\r\n".encode()
        )
        return connection

    def head(self, connection: socket.socket) -> str:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            received = connection.recv(1)
            assert received, f"the connection ended after {data!r}"
            data += received
        return data.decode()

    def test_the_leave_has_its_reason_phrase(self, service: RunningService, s3: Any, bucket: str) -> None:
        with self.request(service, s3, bucket, "waited") as connection:
            assert self.head(connection).startswith("HTTP/1.1 100 Continue\r\n")
            connection.sendall(b"hello")
            assert self.head(connection).startswith("HTTP/1.1 200 ")
        assert s3.get_object(Bucket=bucket, Key="waited")["Body"].read() == b"hello"

    def test_a_connection_is_kept_for_who_asks(self, service: RunningService, s3: Any, bucket: str) -> None:
        with self.request(service, s3, bucket, "first", "Connection: keep-alive\r\n") as connection:
            self.head(connection)
            connection.sendall(b"hello")
            head = self.head(connection)
            assert "\r\ncontent-length: 0\r\n" in head.lower()
            connection.sendall(b"GET /_velodrome/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert self.head(connection).startswith("HTTP/1.1 200")
