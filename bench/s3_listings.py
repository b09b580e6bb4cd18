"""S3 with many objects: its memory, how long a page of a listing takes, and clients under whom it is killed.

usage: python bench/s3_listings.py [--objects 200000] [--clients 32] [--seconds 60]     (with the velodrome command's
Python, on a machine that does nothing else)
Prints medians of raw requests (boto3 itself takes far longer to read a page than S3 to write it), and ends with 1 if a
client got an error that it could not repeat, or if an object that was acknowledged is not there.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from velodrome.s3.durable.index import Index, Row
from velodrome.settings import Settings
from velodrome.testing import RunningService, client_options, own_settings, start_service

BUCKET, TIMES, AT_ONCE = "many", 21, 5000
KILLS = 2


def client(settings: Settings) -> Any:
    """As the pipeline's own; a request is tried again until a server that was killed is back.

    In the legacy mode, whose waits are seconds: those of the standard one are too short for a server's start
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
    """
    return boto3.client(
        "s3",
        **client_options(settings),
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=64,
            retries={"mode": "legacy", "total_max_attempts": 10},
        ),
    )


def key(number: int) -> str:
    """Ten days of two hours, and then by region: folders of many keys in folders of few."""
    day, rest = divmod(number, 20_000)
    return f"sales/date=2026-01-{day + 1:02d}/hour={rest // 1000:02d}/part-{number:07d}.parquet"


def fill(folder: Path, objects: int) -> None:
    """Multiply the one object of the bucket; the server is not running."""
    index = Index(folder)
    one = index.object(BUCKET, key(0), None)
    if one is None:
        raise SystemExit("the first object is not there")
    for begin in range(1, objects, AT_ONCE):
        rows = [
            Row("object", BUCKET, key(number), "null", next(index.places), None, one.data)
            for number in range(begin, min(begin + AT_ONCE, objects))
        ]
        with index.lock:
            ticket = index.enqueue(rows, {BUCKET}, ())
        index.commit(ticket)
    index.close()


def resident(running: RunningService) -> float:
    """Megabytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def page(s3: Any, operation: str, **parameters: Any) -> tuple[float, int]:
    """Milliseconds of a request, the median, and how many bytes its answer has."""
    url = urlsplit(s3.generate_presigned_url(operation, {"Bucket": BUCKET} | parameters))
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    took = []
    size = 0
    for _ in range(TIMES):
        begin = time.perf_counter()
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        size = len(answer.read())
        took.append((time.perf_counter() - begin) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{operation}: {answer.status}")
    connection.close()
    return statistics.median(took), size


PAGES: list[tuple[str, str, dict[str, Any]]] = [
    ("one key", "list_objects_v2", {"MaxKeys": 1}),
    ("1,000 keys, from the beginning", "list_objects_v2", {}),
    ("1,000 keys, from the middle", "list_objects_v2", {"StartAfter": key(100_000)}),
    ("1,000 keys, the last ones", "list_objects_v2", {"StartAfter": key(198_000)}),
    ("folders: one of all", "list_objects_v2", {"Delimiter": "/"}),
    ("folders: ten of 20,000 keys", "list_objects_v2", {"Delimiter": "/", "Prefix": "sales/"}),
    ("folders: 20 of 1,000 keys", "list_objects_v2", {"Delimiter": "/", "Prefix": "sales/date=2026-01-05/"}),
    ("folders: 1,000 of one key", "list_objects_v2", {"Delimiter": ".parquet", "StartAfter": key(100_000)}),
    ("1,000 versions, from the middle", "list_object_versions", {"KeyMarker": key(100_000)}),
]


class Load:
    """Clients that put, read, list and delete, until they are told to stop."""

    def __init__(self, settings: Settings, clients: int) -> None:
        self.s3 = client(settings)
        self.ending = threading.Event()
        self.requests = 0
        self.failed: list[str] = []
        self.kept: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(clients)]

    def _work(self, number: int) -> None:
        count = 0
        while not self.ending.is_set():
            name, body = f"load/client={number}/{count % 50}", f"{number} {count}".encode() * 100
            count += 1
            try:
                done = self._round(name, body, delete=count % 10 == 0)
            except (ClientError, ConnectionError, HTTPClientError) as error:
                with self._lock:
                    self.failed.append(str(error))
                continue
            with self._lock:
                self.requests += done

    def _round(self, name: str, body: bytes, delete: bool) -> int:
        self.s3.put_object(Bucket=BUCKET, Key=name, Body=body)
        with self._lock:
            self.kept[name] = body
        if self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() != body:
            self.failed.append(f"{name} is not what was put")
        self.s3.list_objects_v2(Bucket=BUCKET, Prefix=name.rpartition("/")[0] + "/", Delimiter="/", MaxKeys=20)
        if delete:
            with self._lock:
                self.kept.pop(name)
            self.s3.delete_object(Bucket=BUCKET, Key=name)
        return 3 + delete

    def lost(self) -> list[str]:
        """What was acknowledged and is not there."""
        return [
            name
            for name, body in self.kept.items()
            if self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() != body
        ]


def main() -> int:
    """Returns 1 if something was lost or refused."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="velodrome-s3-") as home:
        settings = own_settings(Path(home))
        running = start_service("s3", settings)
        try:
            client(settings).create_bucket(Bucket=BUCKET)
            client(settings).put_object(Bucket=BUCKET, Key=key(0), Body=b"")
            running.stop()
            fill(settings.home / "data" / "s3", options.objects)
            begin = time.monotonic()
            running = start_service("s3", settings)
            opened = next(line for line in reversed(running.log.splitlines()) if "buckets opened" in line)
            print(f"{options.objects} objects: start {time.monotonic() - begin:.1f} s ({opened})")
            print(f"resident {resident(running):.0f} MB")
            s3 = client(settings)
            for what, operation, parameters in PAGES:
                took, size = page(s3, operation, **parameters)
                print(f"{what:35} {took:6.1f} ms {size / 1024:6.0f} KB")
            load = Load(settings, options.clients)
            for thread in load.threads:
                thread.start()
            for _ in range(KILLS):
                time.sleep(options.seconds / (KILLS + 1))
                running.kill()
                running = start_service("s3", settings)
            time.sleep(options.seconds / (KILLS + 1))
            load.ending.set()
            for thread in load.threads:
                thread.join()
            lost = load.lost()
            print(f"{options.clients} clients, {KILLS} kills: {load.requests} requests in {options.seconds} s and more")
            print(
                f"{len(load.failed)} failed, {len(lost)} lost of {len(load.kept)}, resident {resident(running):.0f} MB"
            )
            for text in sorted(set(load.failed)):
                print(text)
        finally:
            running.stop()
    return 1 if load.failed or lost else 0


if __name__ == "__main__":
    sys.exit(main())
