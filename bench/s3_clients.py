"""S3 clients for aws_s3's helper, each in processes of its own: start, speed, memory. For bench/aws_s3.py --clients."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measuring import MEBIBYTE, MEGABYTE, Memory

from velodrome.runtime.install import uv_binary
from velodrome.settings import Settings

LARGE = 700 * MEBIBYTE  # 734 MB
# Each program is called with `put` or `get`, endpoint, bucket, key, and is a filter.
OBSTORE = """
import os, sys
import obstore
from obstore.store import S3Store

verb, endpoint, bucket, key = sys.argv[1:]
store = S3Store(bucket, endpoint=endpoint, region="us-east-1", access_key_id="velodrome",
                secret_access_key=os.environ["SECRET"],
                unsigned_payload=True, virtual_hosted_style_request=False, client_options={"allow_http": True})
if verb == "put":
    obstore.put(store, key, iter(lambda: sys.stdin.buffer.read(1 << 20), b""), chunk_size=8 << 20, max_concurrency=2)
else:
    for block in obstore.get(store, key).stream(min_chunk_size=1 << 20):
        sys.stdout.buffer.write(block)
"""
AWSCRT = """
import os, sys
from urllib.parse import urlsplit
from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig, AwsSignedBodyValue
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType

verb, endpoint, bucket, key = sys.argv[1:]
host = urlsplit(endpoint).netloc
keys = AwsCredentialsProvider.new_static("velodrome", os.environ["SECRET"])
signing = AwsSigningConfig(region="us-east-1", service="s3", credentials_provider=keys,
                           signed_body_value=AwsSignedBodyValue.UNSIGNED_PAYLOAD, use_double_uri_encode=False)
client = S3Client(bootstrap=ClientBootstrap.get_or_create_static_default(), region="us-east-1",
                  signing_config=signing, part_size=8 << 20, tls_mode=S3RequestTlsMode.DISABLED,
                  throughput_target_gbps=1)
request = HttpRequest("PUT" if verb == "put" else "GET", f"/{bucket}/{key}", HttpHeaders([("host", host)]),
                      sys.stdin.buffer if verb == "put" else None)
kind = S3RequestType.PUT_OBJECT if verb == "put" else S3RequestType.GET_OBJECT
write = sys.stdout.buffer.write
wait = client.make_request(request=request, type=kind, on_body=lambda chunk, offset, **_: write(chunk))
wait.finished_future.result()
"""
BOTO3 = """
import os, sys
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

verb, endpoint, bucket, key = sys.argv[1:]
config = Config(s3={"addressing_style": "path", "payload_signing_enabled": False},
                request_checksum_calculation="when_required")
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="velodrome",
                  aws_secret_access_key=os.environ["SECRET"], config=config)
transfer = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=2)
if verb == "put":
    s3.upload_fileobj(sys.stdin.buffer, bucket, key, Config=transfer)
else:
    for block in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
        sys.stdout.buffer.write(block)
"""
HELPER = """
import base64, json, os, sys

verb, endpoint, bucket, key = sys.argv[1:]
sys.path.insert(0, os.environ["SOURCE"])
os.closerange(3, 1024)
from velodrome.rds.s3pipe.request import Request

call = base64.b64encode(json.dumps({"job": "bench", "backend": os.getpid(), "bucket": bucket, "key": key}).encode())
request = Request.parse([os.environ["CONFIG"], os.environ["PROFILE"], "", "", verb, call.decode()])
if verb == "put":
    from velodrome.rds.s3pipe.upload import Upload

    upload = Upload(request)
    upload.read(0)
    upload.complete()
else:
    from velodrome.rds.s3pipe.get import get

    get(request)
"""


@dataclass(frozen=True)
class Client:
    """A program, what must be installed for it, and how its interpreter is started."""

    name: str
    program: str
    packages: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


CLIENTS = (
    Client("aws_s3's helper", HELPER, flags=("-I", "-S")),
    Client("obstore", OBSTORE, ("obstore",)),
    Client("awscrt", AWSCRT, ("awscrt",)),
    Client("boto3, s3transfer", BOTO3, ("boto3",)),
)


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    seconds: float
    cpu: float
    megabytes: float


class Runner:
    """One client's programs against one S3."""

    def __init__(self, client: Client, settings: Settings, bucket: str) -> None:
        self._arguments = [settings["S3_ENDPOINT_URL"], bucket]
        self._folder = settings.home / "clients" / client.packages[0] if client.packages else settings.home / "clients"
        self._folder.mkdir(parents=True)
        program = self._folder / "program.py"
        program.write_text(client.program)
        self._command = [str(self._python(client)), *client.flags, str(program)]
        self._environ = {
            "PATH": os.defpath,
            "SOURCE": str(Path(__file__).resolve().parents[1] / "src"),
            "CONFIG": settings["AWS_CONFIG_FILE"],
            "PROFILE": settings["AWS_PROFILE"],
            "SECRET": settings["AWS_LOCAL_SECRET_ACCESS_KEY"],
        }

    def _python(self, client: Client) -> Path:
        if not client.packages:
            return Path(sys.executable)
        venv = self._folder / "venv"
        subprocess.run([uv_binary(), "venv", "--quiet", "--python", sys.executable, venv], check=True)
        python = venv / "bin" / "python"
        subprocess.run([uv_binary(), "pip", "install", "--quiet", "--python", python, *client.packages], check=True)
        subprocess.run([python, "-m", "compileall", "-q", venv], check=False, capture_output=True)
        return python

    def run(self, verb: str, key: str, feed: Callable[[int], None] = lambda pipe: None) -> Cost:
        """One process, from its start to its end."""
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*self._command, verb, *self._arguments, key],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.PIPE if verb == "put" else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        memory = Memory(self._folder, str(self._folder / "program.py").encode())
        with memory.watched():
            if process.stdin is not None:
                with process.stdin as stdin:
                    feed(stdin.fileno())
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{self._command} {verb} ended with {process.returncode}"
        # usage.ru_maxrss would not do: before its exec a child is as large as this process.
        return Cost(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, memory.together / MEGABYTE)


def small(pipe: int) -> None:
    """One row."""
    os.write(pipe, b"1,one\n")


def large(pipe: int) -> None:
    """As COPY writes, in pieces."""
    piece = memoryview(os.urandom(64 * 1024))
    for _ in range(LARGE // len(piece)):
        rest = piece
        while rest:
            rest = rest[os.write(pipe, rest) :]


def compare(settings: Settings, bucket: str, runs: int, only: str) -> None:
    """Print a line for each client: medians of interleaved runs."""
    runners = {client.name: Runner(client, settings, bucket) for client in CLIENTS if only in client.name}
    works: dict[str, Callable[[Runner], Cost]] = {
        "a small object": lambda runner: runner.run("put", "small", small),
        "put": lambda runner: runner.run("put", "large", large),
        "get": lambda runner: runner.run("get", "large"),
    }
    costs: dict[tuple[str, str], list[Cost]] = {}
    for number in range(runs + 1):
        for name, runner in runners.items():
            for work, do in works.items():
                cost = do(runner)
                if number:  # the first is for warming up
                    costs.setdefault((name, work), []).append(cost)

    def median(name: str, work: str, value: Callable[[Cost], float]) -> float:
        return statistics.median(value(cost) for cost in costs[name, work])

    titles = [f"{work} {LARGE / MEGABYTE:.0f} MB: seconds, CPU, memory" for work in ("put", "get")]
    print(f"{'':20} {'a small object':>16}   " + "   ".join(f"{title:>36}" for title in titles))
    for name in runners:
        line = f"{name:20} {median(name, 'a small object', lambda cost: cost.seconds) * 1000:>13.0f} ms"
        for work in ("put", "get"):
            seconds, cpu = median(name, work, lambda cost: cost.seconds), median(name, work, lambda cost: cost.cpu)
            line += f"   {seconds:>14.2f} s {cpu:>8.2f} s {median(name, work, lambda cost: cost.megabytes):>7.0f} MB"
        print(line)
