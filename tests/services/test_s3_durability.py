"""S3's data after kill -9, after a graceful end, in another folder, on a full disk, and under writers at once."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).parent))
from s3_cases import Cases, bucket_of, everything
from s3_writers import crash_rounds

from velodrome.runtime.install import bin_folder
from velodrome.runtime.services import SERVICES, command
from velodrome.s3.durable.operations import LATE, MUTATING, Touches
from velodrome.settings import Settings, service_environ
from velodrome.testing import RunningService, client_options, own_settings, run_service, start_service, wait_until

KILLS = 6


def client(settings: Settings) -> Any:
    return boto3.client(
        "s3",
        **client_options(settings),
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, max_pool_connections=20),
    )


def signed_head(s3: Any, operation: str, parameters: dict[str, Any], more: str = "") -> bytes:
    """The head of a request with a megabyte to follow."""
    url = urlsplit(s3.generate_presigned_url(operation, parameters))
    return (
        f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 1000000\r\n{more}\r\n".encode()
    )


def see(s3: Any) -> dict[str, dict[str, Any]]:
    """What each operation's bucket shows."""
    return {
        name: everything(s3, bucket_of(name), configuration=touches is Touches.BUCKET)
        for name, touches in MUTATING.items()
    }


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each operation's bucket shows at first, after kill -9, and moved after a graceful end."""
    settings = own_settings(tmp_path_factory.mktemp("s3"))
    running = start_service("s3", settings)
    seen: dict[str, dict[str, Any]] = {}
    try:
        cases = Cases(client(settings), settings["S3_ENDPOINT_URL"])
        for operation in MUTATING:
            cases.run(operation)
        seen["at first"] = see(cases.s3)
        running.kill()
        running = start_service("s3", settings)
        seen["after kill -9"] = see(cases.s3)
        running.stop()
        moved = own_settings(tmp_path_factory.mktemp("moved") / "elsewhere")
        shutil.copytree(settings.home / "data" / "s3", moved.home / "data" / "s3", dirs_exist_ok=True)
        shutil.rmtree(settings.home / "data" / "s3")
        running = start_service("s3", moved)
        s3 = client(moved)
        seen["after a graceful end, in another folder"] = see(s3)
    finally:
        running.stop()
    return seen


class TestEachOperation:
    @pytest.mark.parametrize("operation", MUTATING)
    @pytest.mark.parametrize("life", ["after kill -9", "after a graceful end, in another folder"])
    def test_what_it_did_survives(self, lives: dict[str, dict[str, Any]], operation: str, life: str) -> None:
        first, later = lives["at first"][operation], lives[life][operation]
        assert {name: later.get(name) for name in first} == first
        assert later.keys() == first.keys()

    def test_the_cases_show_what_they_are_about(self, lives: dict[str, dict[str, Any]]) -> None:
        first = lives["at first"]
        assert first["PutBucketPolicy"]["get_bucket_policy"]["Policy"]
        assert first["DeleteBucketPolicy"]["get_bucket_policy"] == "NoSuchBucketPolicy"
        assert first["CreateBucket"]["get_bucket_location"] == {"LocationConstraint": "eu-west-1"}
        assert first["DeleteBucket"]["list_objects"] == "NoSuchBucket"
        versions = first["PutBucketVersioning"]["list_object_versions"]["Versions"]
        assert [one["VersionId"] for one in versions if one["IsLatest"]] == ["null", "null"]
        assert len(first["DeleteObject"]["list_object_versions"]["DeleteMarkers"]) == 1
        assert len(first["UploadPart"]["list_parts key"]["Parts"]) == 2
        assert first["CompleteMultipartUpload"]["list_multipart_uploads"].get("Uploads") is None
        assert any(name.startswith("get_object posted/f.txt") for name in first["PostObject"])

    def test_the_table_has_every_operation_that_localstack_implements(self, tmp_path: Path) -> None:
        settings = own_settings(tmp_path)
        program = (
            "import json\n"
            "from localstack.aws.skeleton import create_dispatch_table\n"
            "from localstack.aws.spec import load_service\n"
            "from localstack.services.s3.provider import S3Provider\n"
            "table = create_dispatch_table(S3Provider())\n"
            "model = load_service('s3')\n"
            "print(json.dumps({name: model.operation_model(name).http['method'] for name, handler in table.items()\n"
            "    if handler.fn.__func__.__module__ == S3Provider.__module__}))"
        )
        python = settings.installs / "s3" / "bin" / "python"
        ended = subprocess.run([python, "-P", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
        methods = json.loads(ended.stdout.splitlines()[-1])
        assert {name for name, method in methods.items() if method not in ("GET", "HEAD")} == set(MUTATING)
        assert set(MUTATING) >= LATE


def test_writers_and_kills(tmp_path: Path) -> None:
    # Two hundred kills: python tests/services/s3_writers.py --kills 200
    assert crash_rounds(tmp_path, KILLS, writers=4, seed=7) > 0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service("s3", tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def s3(service: RunningService) -> Any:
    return client(service.settings)


def objects(settings: Settings) -> set[Path]:
    return set((settings.home / "data" / "s3" / "objects").iterdir())


class TestFullDisk:
    """A limit on the size of a file is what an ordinary user can set; to the server it is an error of the disk."""

    @pytest.mark.parametrize("allowed", [500_000, 1_000], ids=["for the bodies", "for the index too"])
    def test_the_old_state_stays(self, service: RunningService, s3: Any, allowed: int) -> None:
        bucket, key, pid = service.settings["RAW_BUCKET"], f"old/{allowed}", service.process.pid
        s3.put_object(Bucket=bucket, Key=key, Body=b"old" * 300_000, Tagging="is=old")
        s3.put_object(Bucket=bucket, Key=f"{key}/small", Body=b"small", Tagging="is=old")
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        before, files = everything(s3, bucket), objects(service.settings)
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (allowed, limits[1]))
        try:
            part = {"Bucket": bucket, "Key": key, "UploadId": upload, "PartNumber": 1}
            attempts = [
                lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"new" * 300_000),
                lambda: s3.put_object(Bucket=bucket, Key=f"{key}/new", Body=b"new" * 300_000),
                lambda: s3.upload_part(**part, Body=b"new" * 300_000),
            ]
            if allowed < 4096:
                attempts += [
                    lambda: s3.put_object(Bucket=bucket, Key=f"{key}/small", Body=b"new", Tagging="is=new"),
                    lambda: s3.delete_object(Bucket=bucket, Key=key),
                    lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]}),
                    lambda: s3.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": []}),
                    lambda: s3.copy_object(Bucket=bucket, Key=f"{key}/copy", CopySource=f"{bucket}/{key}"),
                    lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
                    lambda: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload),
                    lambda: s3.create_bucket(Bucket="no-room"),
                ]
            for attempt in attempts:
                with pytest.raises(ClientError) as caught:
                    attempt()
                error = caught.value.response
                assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("InternalError", 500)
                assert error["Error"]["Message"] == "We encountered an internal error. Please try again."
                assert everything(s3, bucket) == before
            assert objects(service.settings) == files
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        s3.put_object(Bucket=bucket, Key=key, Body=b"new" * 300_000)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"new" * 300_000
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)

    def test_a_part_that_arrives_meanwhile_can_be_sent_again(self, service: RunningService, s3: Any) -> None:
        bucket, pid = service.settings["RAW_BUCKET"], service.process.pid
        upload = s3.create_multipart_upload(Bucket=bucket, Key="meanwhile")["UploadId"]
        before = objects(service.settings)
        with socket.create_connection(("127.0.0.1", service.settings.integer("S3_PORT")), timeout=20) as sending:
            part = {"Bucket": bucket, "Key": "meanwhile", "UploadId": upload, "PartNumber": 1}
            sending.sendall(signed_head(s3, "upload_part", part, "Connection: close\r\n") + b"x" * 500_000)
            wait_until("the part to arrive", lambda: objects(service.settings) != before)
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_000, limits[1]))
            try:
                with pytest.raises(ClientError, match="InternalError"):
                    s3.put_object(Bucket=bucket, Key="no-room", Body=b"x")
            finally:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
            sending.sendall(b"x" * 500_000)
            answer = b"".join(iter(lambda: sending.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 500 ")
        etag = s3.upload_part(Bucket=bucket, Key="meanwhile", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(Bucket=bucket, Key="meanwhile", UploadId=upload, MultipartUpload=parts)
        assert s3.get_object(Bucket=bucket, Key="meanwhile")["Body"].read() == b"x"


class TestFiles:
    def test_what_is_deleted_aborted_or_refused_leaves_no_files(self, service: RunningService, s3: Any) -> None:
        bucket, body = service.settings["LOG_BUCKET"], b"x" * 100_000
        before = objects(service.settings)
        for _ in range(3):
            s3.put_object(Bucket=bucket, Key="a", Body=body)
        s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
        assert len(objects(service.settings) - before) == 2
        with pytest.raises(ClientError):
            s3.put_object(Bucket=bucket, Key="a", Body=body, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
        with pytest.raises(ClientError):
            s3.put_object(Bucket=bucket, Key="a", Body=body, IfNoneMatch="*")
        assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == body
        upload = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
        s3.upload_part(Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, Body=body)
        s3.abort_multipart_upload(Bucket=bucket, Key="c", UploadId=upload)
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
        assert objects(service.settings) == before

    def test_a_deleted_bucket_leaves_nothing_to_the_next_of_its_name(self, s3: Any) -> None:
        for _ in range(2):
            s3.create_bucket(Bucket="twice")
            with pytest.raises(ClientError, match="NoSuchTagSet"):
                s3.get_bucket_tagging(Bucket="twice")
            s3.put_bucket_tagging(Bucket="twice", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
            s3.create_multipart_upload(Bucket="twice", Key="k")
            s3.delete_bucket(Bucket="twice")

    def test_an_object_is_read_to_its_end_although_it_is_replaced(self, service: RunningService, s3: Any) -> None:
        bucket, old = service.settings["LOG_BUCKET"], bytes(range(256)) * 200_000
        before = objects(service.settings)
        s3.put_object(Bucket=bucket, Key="read", Body=old)
        reading = s3.get_object(Bucket=bucket, Key="read")["Body"]
        beginning = reading.read(10)
        s3.put_object(Bucket=bucket, Key="read", Body=b"new")
        s3.delete_object(Bucket=bucket, Key="read")
        assert beginning + reading.read() == old
        wait_until("the replaced body to be removed", lambda: objects(service.settings) == before)

    def test_what_a_crash_left_unfinished_is_removed(self, tmp_path: Path) -> None:
        settings = own_settings(tmp_path)
        folder = tmp_path / "data" / "s3" / "objects"
        (folder / "a-bucket-of-an-earlier-release").mkdir(parents=True)
        (folder / "0123456789abcdef").write_bytes(b"half")
        with run_service("s3", tmp_path, settings) as running:
            assert "2 unfinished bodies removed" in running.log
            assert not {"0123456789abcdef", "a-bucket-of-an-earlier-release"} & {one.name for one in folder.iterdir()}


class TestWritersAtOnce:
    @pytest.mark.parametrize("versioned", [False, True])
    def test_a_condition_lets_one_of_them_pass(self, s3: Any, versioned: bool) -> None:
        bucket = f"conditions-{versioned}".lower()
        s3.create_bucket(Bucket=bucket)
        if versioned:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

        def write(number: int) -> int:
            try:
                s3.put_object(Bucket=bucket, Key="once", Body=bytes([number]) * 30_000, IfNoneMatch="*")
            except ClientError as error:
                assert error.response["Error"]["Code"] == "PreconditionFailed"
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(write, range(16))) == 1
        assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1

    def test_readers_see_one_whole_object_or_the_other(self, service: RunningService, s3: Any) -> None:
        bucket = service.settings["RAW_BUCKET"]
        bodies = [bytes([number]) * size for number, size in enumerate((9_000, 300_000, 17_000, 1_000_000))]
        s3.put_object(Bucket=bucket, Key="hot", Body=bodies[0])

        def write(number: int) -> None:
            s3.put_object(Bucket=bucket, Key="hot", Body=bodies[number % len(bodies)])

        def read(number: int) -> bool:
            return s3.get_object(Bucket=bucket, Key="hot")["Body"].read() in bodies

        with ThreadPoolExecutor(8) as pool:
            writing = [pool.submit(write, number) for number in range(60)]
            assert all(pool.map(read, range(120)))
            for one in writing:
                one.result()

    def test_an_upload_that_stalls_holds_nobody_up(self, service: RunningService, s3: Any) -> None:
        bucket = service.settings["RAW_BUCKET"]
        s3.put_object(Bucket=bucket, Key="slow", Body=b"there")
        with socket.create_connection(("127.0.0.1", service.settings.integer("S3_PORT")), timeout=20) as stalled:
            stalled.sendall(signed_head(s3, "put_object", {"Bucket": bucket, "Key": "slow"}) + b"x" * 500_000)
            s3.put_object(Bucket=bucket, Key="slow", Body=b"replaced")
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
            assert s3.get_object(Bucket=bucket, Key="slow")["Body"].read() == b"replaced"
            s3.delete_object(Bucket=bucket, Key="slow")
        # Its client goes away: half of an object must not become one.
        wait_until("the server to see that", lambda: "S3's PutObject stores nothing" in service.log)
        assert "slow" not in [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


class TestFormat:
    """A folder that this release cannot read is refused before anything in it is touched."""

    def refusal(self, settings: Settings) -> tuple[int, str]:
        environ = service_environ(settings)
        environ["PATH"] = f"{bin_folder(SERVICES['s3'], settings)}:{environ['PATH']}"
        argv = command(SERVICES["s3"], settings)
        ended = subprocess.run(argv, env=environ, cwd=settings.project, capture_output=True, text=True, timeout=60)
        return ended.returncode, ended.stdout + ended.stderr

    @pytest.mark.parametrize(
        ("statements", "text"),
        [
            (
                "PRAGMA application_id = 1447375699; PRAGMA user_version = 3",
                "s3: {folder} is of format 3, and this release reads format 2; "
                "use the release that wrote it, or set VELODROME_HOME to another folder\n",
            ),
            (
                "PRAGMA user_version = 1",
                "s3: {folder}/index.db is not an index of S3; VELODROME_HOME names a folder of something else\n",
            ),
            (
                None,
                "s3: {folder}/index.db cannot be read (file is not a database); "
                "restore a backup of {folder} or remove the folder\n",
            ),
        ],
        ids=["a later release's", "another program's", "no database"],
    )
    def test_it_names_the_folder(self, tmp_path: Path, statements: str | None, text: str) -> None:
        settings = own_settings(tmp_path)
        folder = tmp_path / "data" / "s3"
        body = folder / "objects" / "0123"
        body.parent.mkdir(parents=True)
        body.write_bytes(b"kept")
        if statements is None:
            (folder / "index.db").write_bytes(b"something else" * 100)
        else:
            connection = sqlite3.connect(folder / "index.db")
            connection.executescript(f"CREATE TABLE entry (x); {statements}")
            connection.close()
        assert self.refusal(settings) == (1, text.format(folder=folder))
        assert body.read_bytes() == b"kept"
