"""S3 as a process: what is in it at each start, its one port, its folders, and how it refuses and ends."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from velodrome.dataset import generate, schema
from velodrome.runtime.install import bin_folder
from velodrome.runtime.services import SERVICES, command
from velodrome.settings import Settings, service_environ
from velodrome.testing import RunningService, own_settings, run_service, start_service, wait_until

BUCKETS = ("SOURCE_BUCKET", "RAW_BUCKET", "PROCESSED_BUCKET", "LOG_BUCKET")


def client(settings: Settings, service: str = "s3") -> Any:
    return boto3.client(
        service,
        endpoint_url=settings["S3_ENDPOINT_URL"],
        region_name=settings["AWS_REGION"],
        aws_access_key_id="velodrome",
        aws_secret_access_key=settings["AWS_LOCAL_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def keys(settings: Settings) -> list[str]:
    listed = client(settings).list_objects_v2(Bucket=settings["SOURCE_BUCKET"])
    return sorted(entry["Key"] for entry in listed.get("Contents", ()))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    home = tmp_path_factory.mktemp("s3")
    generate.generate(home / "dataset", seed=3, scale=0.02)
    with run_service("s3", home) as running:
        yield running


def refusal(settings: Settings) -> tuple[int, str]:
    """Exit code and output of a start that must not work."""
    environ = service_environ(settings)
    environ["PATH"] = f"{bin_folder(SERVICES['s3'], settings)}:{environ['PATH']}"
    ended = subprocess.run(
        command(SERVICES["s3"], settings), env=environ, cwd=settings.project, capture_output=True, text=True, timeout=60
    )
    return ended.returncode, ended.stdout + ended.stderr


class TestWhatIsThere:
    def test_the_four_buckets(self, service: RunningService) -> None:
        listed = client(service.settings).list_buckets()["Buckets"]
        assert sorted(bucket["Name"] for bucket in listed) == sorted(service.settings[name] for name in BUCKETS)

    def test_the_source_bucket(self, service: RunningService) -> None:
        expected = [f"dataset/{file}" for file in schema.FILES] + ["ec2/requirements.txt", "script/spark_job.py"]
        assert keys(service.settings) == sorted(expected)
        settings, s3 = service.settings, client(service.settings)
        for key, file in {
            "dataset/orders.csv": settings.home / "dataset" / "orders.csv",
            "ec2/requirements.txt": settings.project / "airflow" / "requirements.txt",
            "script/spark_job.py": settings.project / "spark" / "jobs" / "spark_job.py",
        }.items():
            assert s3.get_object(Bucket=settings["SOURCE_BUCKET"], Key=key)["Body"].read() == file.read_bytes()

    @pytest.mark.parametrize(
        "setting", ["RDS_IMPORT_ROLE_ARN", "RDS_EXPORT_ROLE_ARN", "EMR_RUNTIME_ROLE_ARN", "REDSHIFT_ROLE_ARN"]
    )
    def test_each_role_can_be_assumed_and_reads(self, service: RunningService, setting: str) -> None:
        arn = service.settings[setting]
        assert client(service.settings, "iam").get_role(RoleName=arn.rsplit("/", 1)[1])["Role"]["Arn"] == arn
        given = client(service.settings, "sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        s3 = boto3.client(
            "s3",
            endpoint_url=service.settings["S3_ENDPOINT_URL"],
            region_name=service.settings["AWS_REGION"],
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
        rows = s3.get_object(Bucket=service.settings["SOURCE_BUCKET"], Key="dataset/brands.csv")["Body"].read().decode()
        assert len(list(csv.DictReader(rows.splitlines()))) == 9


class TestWhereItLives:
    def test_it_listens_on_loopback_only(self, service: RunningService) -> None:
        port = service.settings.integer("S3_PORT")
        assert _listening(service.process.pid) == [f"tcp 127.0.0.1:{port}"]

    def test_it_has_no_children(self, service: RunningService) -> None:
        tasks = Path(f"/proc/{service.process.pid}/task")
        assert "".join(task.read_text() for task in tasks.glob("*/children")) == ""

    def test_its_files_lie_in_its_home(self, service: RunningService) -> None:
        s3, objects = client(service.settings), service.settings.home / "data" / "s3" / "objects"
        before = set(objects.iterdir())
        s3.put_object(Bucket=service.settings["RAW_BUCKET"], Key="large", Body=b"x" * 2_000_000)
        assert [file.stat().st_size for file in set(objects.iterdir()) - before] == [2_000_000]
        opened = [
            link for link in _open_paths(service.process.pid) if link.startswith("/") and "/site-packages/" not in link
        ]
        home, installs = str(service.settings.home), str(service.settings.installs)
        allowed = (home, installs, "/dev/", "/proc/", sys.base_prefix)
        assert [path for path in opened if not path.startswith(allowed)] == []
        assert any(path.startswith(f"{home}/data/s3/index.db") for path in opened)
        assert not (service.settings.home / "data" / "s3" / "home").joinpath(".aws").exists()


def _listening(pid: int) -> list[str]:
    """Where a process takes connections or datagrams, from the kernel's tables."""
    own = {link.removeprefix("socket:[").removesuffix("]") for link in _open_paths(pid) if link.startswith("socket:[")}
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in own and (fields[3] == "0A" or table.startswith("udp")):
                address, port = fields[1].split(":")
                shown = socket.inet_ntoa(bytes.fromhex(address)[::-1]) if len(address) == 8 else address
                found.append(f"{table} {shown}:{int(port, 16)}")
    return found


def _open_paths(pid: int) -> list[str]:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    return links


class TestSecondStart:
    """The hooks run at each start and leave what is there."""

    @pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
    def test_what_is_there_stays(self, tmp_path: Path, region: str) -> None:
        settings = own_settings(tmp_path, {"AWS_REGION": region})
        generate.generate(tmp_path / "dataset", seed=3, scale=0.02)
        running = start_service("s3", settings)
        try:
            before, s3 = keys(settings), client(settings)
            s3.put_object(Bucket=settings["RAW_BUCKET"], Key="of the first life", Body=b"x" * 1_000_000)
            made = {bucket["Name"]: bucket["CreationDate"] for bucket in s3.list_buckets()["Buckets"]}
            running.kill()
            changed = tmp_path / "dataset" / "brands.csv"
            changed.write_text(changed.read_text() + "99,Velodrome\n")
            running = start_service("s3", settings)
            assert keys(settings) == before
            assert made == {bucket["Name"]: bucket["CreationDate"] for bucket in s3.list_buckets()["Buckets"]}
            assert s3.get_bucket_location(Bucket=settings["RAW_BUCKET"])["LocationConstraint"] == (
                None if region == "us-east-1" else region
            )
            got = s3.get_object(Bucket=settings["RAW_BUCKET"], Key="of the first life")["Body"].read()
            assert got == b"x" * 1_000_000
            body = s3.get_object(Bucket=settings["SOURCE_BUCKET"], Key="dataset/brands.csv")["Body"].read()
            assert body == changed.read_bytes()
            put = [line.split()[1] for line in running.log.splitlines() if " is now s3://" in line]
            assert (len(put), put[-1]) == (len(before) + 1, "brands.csv")
            asked = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(20) == 0
            assert time.monotonic() - asked < 10
            # A graceful end leaves no write-ahead log.
            assert sorted(file.name for file in (tmp_path / "data" / "s3").glob("index*")) == ["index.db"]
        finally:
            running.stop()

    def test_the_objects_hook_is_a_script_of_its_own(self, service: RunningService) -> None:
        settings = service.settings
        environ = service_environ(settings) | {"AWS_EC2_METADATA_DISABLED": "true"}
        script = [sys.executable, str(settings.project / "localstack" / "ready.d" / "20_objects.py")]
        s3, place = client(settings), {"Bucket": settings["SOURCE_BUCKET"], "Key": "script/spark_job.py"}
        first = subprocess.run(script, env=environ, capture_output=True, text=True, check=True)
        assert first.stdout + first.stderr == ""
        s3.put_object(**place, Body=b"an older job")
        second = subprocess.run(script, env=environ, capture_output=True, text=True, check=True)
        assert second.stdout == f"s3: spark_job.py is now s3://{place['Bucket']}/script/spark_job.py\n"
        expected = (settings.project / "spark" / "jobs" / "spark_job.py").read_bytes()
        assert s3.get_object(**place)["Body"].read() == expected


def test_two_copies_side_by_side(service: RunningService, tmp_path: Path) -> None:
    with run_service("s3", tmp_path) as other:
        assert other.settings["S3_PORT"] != service.settings["S3_PORT"]
        first, second = client(service.settings), client(other.settings)
        for s3, body in ((first, b"first" * 200_000), (second, b"second" * 200_000)):
            s3.put_object(Bucket=service.settings["LOG_BUCKET"], Key="same", Body=body)
        bucket = service.settings["LOG_BUCKET"]
        assert first.get_object(Bucket=bucket, Key="same")["Body"].read(5) == b"first"
        assert second.get_object(Bucket=bucket, Key="same")["Body"].read(6) == b"second"
        assert "dataset/orders.csv" not in keys(other.settings)
    assert first.get_object(Bucket=bucket, Key="same")["Body"].read(5) == b"first"


class TestRefusals:
    def test_a_taken_port_is_named(self, service: RunningService, tmp_path: Path) -> None:
        settings = own_settings(tmp_path, {"S3_PORT": service.settings["S3_PORT"]})
        code, text = refusal(settings)
        port = service.settings["S3_PORT"]
        assert (code, text) == (1, f"s3: port {port} is taken by another program; set S3_PORT to a free one\n")

    def test_a_port_taken_on_all_addresses_is_named(self, tmp_path: Path) -> None:
        with socket.create_server(("", 0)) as taken:
            settings = own_settings(tmp_path, {"S3_PORT": str(taken.getsockname()[1])})
            code, text = refusal(settings)
        assert (code, "set S3_PORT to a free one" in text) == (1, True)

    def test_a_folder_in_use_is_named(self, service: RunningService) -> None:
        settings = own_settings(service.settings.home)
        code, text = refusal(settings)
        folder = service.settings.home / "data" / "s3"
        assert (code, text) == (1, f"s3: {folder} is in use by another S3; set VELODROME_HOME to another folder\n")
        assert keys(service.settings)

    def test_a_project_without_hooks_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "env").mkdir()
        settings = Settings({**own_settings(tmp_path / "home"), "VELODROME_PROJECT": str(tmp_path)})
        shutil.copytree(own_settings(tmp_path / "home").project / "localstack", tmp_path / "localstack")
        shutil.rmtree(tmp_path / "localstack" / "ready.d")
        code, text = refusal(settings)
        assert (code, f"there is no {tmp_path}/localstack/ready.d; set VELODROME_PROJECT" in text) == (1, True)

    def test_a_failed_hook_ends_the_service(self, tmp_path: Path) -> None:
        settings = own_settings(tmp_path)
        settings = Settings({**settings, "DATASET": str(tmp_path / "nowhere")})
        code, text = refusal(settings)
        assert code == 1
        assert f"DATASET={tmp_path}/nowhere: there is no CSV file in {tmp_path}/nowhere" in text
        assert "S3 stops because this hook failed" in text
        assert "Ready." not in text

    def test_a_term_signal_while_it_starts_ends_it(self, tmp_path: Path) -> None:
        settings = own_settings(tmp_path)
        environ = service_environ(settings)
        environ["PATH"] = f"{bin_folder(SERVICES['s3'], settings)}:{environ['PATH']}"
        process = subprocess.Popen(
            command(SERVICES["s3"], settings), env=environ, cwd=settings.project, stdout=subprocess.DEVNULL
        )
        try:
            wait_until("the folder to be taken", (tmp_path / "data" / "s3" / "lock").exists)
            process.terminate()
            assert process.wait(20) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_the_environment_of_the_caller_does_not_reach_it(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    misleading = {
        "GATEWAY_LISTEN": "0.0.0.0:1",
        "PERSISTENCE": "1",
        "DEBUG": "1",
        "SERVICES": "sqs",
        "TMPDIR": "/nowhere",
    }
    kept = {name: os.environ.get(name) for name in misleading}
    os.environ.update(misleading)
    try:
        running = start_service("s3", settings)
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        assert len(client(settings).list_buckets()["Buckets"]) == 4
    finally:
        running.stop()


MAKES_THE_INDEX = """
import pathlib, sys
from velodrome.s3.server import share_catalog
share_catalog(pathlib.Path(sys.argv[1]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def test_the_first_start_of_an_installation_holds_no_more_memory_than_later_ones(tmp_path: Path) -> None:
    settings = own_settings(tmp_path / "home")
    python = bin_folder(SERVICES["s3"], settings) / "python"
    argv = [str(python), "-P", "-c", MAKES_THE_INDEX, str(tmp_path)]
    made = subprocess.run(argv, env=service_environ(settings), capture_output=True, text=True, timeout=120, check=True)
    assert len(list(tmp_path.glob("service-catalog-*.dill"))) == 1
    assert int(made.stdout) < 250_000  # KB
