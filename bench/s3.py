"""The durable S3 against LocalStack's own store, which keeps nothing: same machine, same run, runs interleaved.

usage: python bench/s3.py [--runs 5] [--only "4 kb by"]     (with the velodrome command's Python, on a
machine that does nothing else)
Prints medians and the ratio of each. bench/s3_listings.py has listings, memory and many objects.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from velodrome.s3 import launch
from velodrome.settings import Settings
from velodrome.testing import client_options, free_port, own_settings, run_service, wait_until

MEBIBYTE = 1024 * 1024
LARGE, SMALL = 256 * MEBIBYTE, 4096
SMALL_COUNT, RANGES = 400, 400
BUCKET = "bench"


@contextmanager
def ephemeral(settings: Settings) -> Iterator[str]:
    """LocalStack as it is, with the same server and settings, on another port and folder."""
    port = free_port()
    environ = launch.environment(settings)
    other = settings.home / "ephemeral"
    for name in ("HOME", "XDG_CACHE_HOME", "TEMP", "FILESYSTEM_ROOT"):
        environ[name] = str(other / name.lower())
        (other / name.lower()).mkdir(parents=True)
    address = f"127.0.0.1:{port}"
    environ |= {"GATEWAY_LISTEN": address, "LOCALSTACK_HOST": address}
    # The same process as ours, but for the one line that makes it durable.
    program = (
        "import socket, sys\n"
        "from pathlib import Path\n"
        "from velodrome.s3 import server\n"
        "from localstack.services.s3 import provider\n"
        "server.install = lambda folder: setattr(provider, 'DEFAULT_S3_TMP_DIR', str(folder / 'objects'))\n"
        f"listener = socket.create_server(('127.0.0.1', {port}), backlog=512)\n"
        "listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
        f"sys.exit(server.main(listener, Path({str(other)!r}), Path({str(other)!r})))\n"
    )
    log = (other / "log").open("wb")
    python = settings.installs / "s3" / "bin" / "python"
    process = subprocess.Popen([python, "-P", "-c", program], env=environ, stdout=log, stderr=log)
    url = f"http://{address}"

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/_velodrome/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_until("LocalStack to answer", ready, 60)
        yield url
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def client(url: str, settings: Settings) -> Any:
    """As the pipeline's own."""
    return boto3.client(
        "s3",
        **(client_options(settings) | {"endpoint_url": url}),
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=20),
    )


class Work:
    """What is measured; each method returns once it is done."""

    def __init__(self, url: str, settings: Settings, large: bytes) -> None:
        self.s3, self.large = client(url, settings), large
        self.s3.create_bucket(Bucket=BUCKET)
        self.number = 0
        self.pool = ThreadPoolExecutor(4)

    def put_256_mb(self) -> None:
        self.s3.put_object(Bucket=BUCKET, Key="large", Body=self.large)

    def get_256_mb(self) -> None:
        body = self.s3.get_object(Bucket=BUCKET, Key="large")["Body"]
        while body.read(MEBIBYTE):
            pass

    def put_256_mb_in_parts(self) -> None:
        self.s3.upload_fileobj(io.BytesIO(self.large), BUCKET, "parts", Config=TransferConfig(max_concurrency=4))

    def get_256_mb_in_parts(self) -> None:
        self.s3.download_fileobj(BUCKET, "parts", io.BytesIO(), Config=TransferConfig(max_concurrency=4))

    def put_4_kb_by_4_threads(self) -> None:
        self.number += 1

        def put(number: int) -> None:
            self.s3.put_object(Bucket=BUCKET, Key=f"{self.number}/{number}", Body=self.large[number : number + SMALL])

        list(self.pool.map(put, range(SMALL_COUNT)))

    def get_4_kb_by_4_threads(self) -> None:
        def get(number: int) -> None:
            self.s3.get_object(Bucket=BUCKET, Key=f"{self.number}/{number}")["Body"].read()

        list(self.pool.map(get, range(SMALL_COUNT)))

    def read_64_kb_ranges(self) -> None:
        chance = random.Random(self.number)

        def get(start: int) -> None:
            wanted = f"bytes={start}-{start + 65535}"
            self.s3.get_object(Bucket=BUCKET, Key="large", Range=wanted)["Body"].read()

        list(self.pool.map(get, [chance.randrange(LARGE - 65536) for _ in range(RANGES)]))


AMOUNTS: dict[Callable[[Work], None], tuple[float, str]] = {
    Work.put_256_mb: (256, "MB/s"),
    Work.get_256_mb: (256, "MB/s"),
    Work.put_256_mb_in_parts: (256, "MB/s"),
    Work.get_256_mb_in_parts: (256, "MB/s"),
    Work.put_4_kb_by_4_threads: (SMALL_COUNT, "/s"),
    Work.get_4_kb_by_4_threads: (SMALL_COUNT, "/s"),
    Work.read_64_kb_ranges: (RANGES, "/s"),
}


def compare(runs: int, only: str) -> None:
    """Print a line for each kind of work."""
    large = os.urandom(LARGE)
    chosen = {work: amount for work, amount in AMOUNTS.items() if only in work.__name__.replace("_", " ")}
    with tempfile.TemporaryDirectory(prefix="velodrome-bench-") as folder:
        settings = own_settings(Path(folder) / "home")
        with run_service("s3", settings.home, settings), ephemeral(settings) as url:
            sides = [Work(settings["S3_ENDPOINT_URL"], settings, large), Work(url, settings, large)]
            seconds: dict[tuple[Callable[[Work], None], int], list[float]] = {}
            for number in range(runs + 1):
                for work in chosen:
                    for side in (0, 1) if number % 2 else (1, 0):
                        begin = time.perf_counter()
                        work(sides[side])
                        if number:  # the first is for warming up
                            seconds.setdefault((work, side), []).append(time.perf_counter() - begin)
    print(f"{'':24} {'durable':>12} {'ephemeral':>12} {'ratio':>7}")
    for work, (amount, unit) in chosen.items():
        ours, theirs = (amount / statistics.median(seconds[work, side]) for side in (0, 1))
        title = work.__name__.replace("_", " ")
        print(f"{title:24} {f'{ours:.0f} {unit}':>12} {f'{theirs:.0f} {unit}':>12} {ours / theirs:7.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each kind of work on each side")
    parser.add_argument("--only", default="", help="kinds of work whose names have this")
    options = parser.parse_args()
    compare(options.runs, options.only)


if __name__ == "__main__":
    main()
