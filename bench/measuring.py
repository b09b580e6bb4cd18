"""What the benches measure with: a process's CPU time, a helper's memory, the least that an S3 client can do."""

from __future__ import annotations

import http.client
import os
import re
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MEBIBYTE, MEGABYTE = 1024 * 1024, 1000**2


def show(what: str, measured: str, cpu: str = "", other: str = "", result: str = "", bar: str = "") -> None:
    """A line of the table."""
    print(f"{what:46} {measured:>12} {cpu:>10}   {other:44} {result:>9}  {bar}", flush=True)


@dataclass
class Samples:
    """Of one kind of work."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> str:
        """Of the S3 server."""
        return f"{statistics.median(self.cpu):.2f} s"


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(seconds: float = 0.2) -> float:
    """What share of the machine is in use now, from 0 to 1: by others, if asked when we do nothing."""

    def read() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = read()
    time.sleep(seconds)
    later, later_idle = read()
    return 1 - (later_idle - idle) / max(1, later - total)


class Memory:
    """Peak resident bytes of processes in a folder that have a word on their command line."""

    def __init__(self, folder: Path, word: bytes) -> None:
        self.together = self.largest = 0  # of all that were there at once, and of one
        self._folder, self._word = folder, word

    @contextmanager
    def watched(self) -> Iterator[Memory]:
        """Look again and again."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.1):  # looking costs time, and a peak stays to be seen
                self._look()

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield self
        finally:
            ended.set()
            watcher.join()

    def _look(self) -> None:
        peaks = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                folder = (entry / "cwd").readlink()
                if self._folder in (folder, folder.parent) and self._word in (entry / "cmdline").read_bytes():
                    peaks += re.findall(r"VmHWM:\s*(\d+)", (entry / "status").read_text())
            except OSError:
                continue  # it has ended
        sizes = [int(peak) * 1024 for peak in peaks]
        self.largest = max(self.largest, *sizes, 0)
        self.together = max(self.together, sum(sizes))

    def shown(self) -> tuple[str, str, str]:
        """For the table."""
        assert self.largest, "none of the processes was seen"
        return f"{self.together / MEGABYTE:.0f} MB", "", f"the largest process alone: {self.largest / MEGABYTE:.0f} MB"


def put_in_parts(url: str, bucket: str, key: str, file: Path, threads: int = 2) -> None:
    """The least that a client can do: parts of 8 MiB from the file to the socket, two at a time, nothing hashed."""
    scope = "velodrome/20260101/us-east-1/s3/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    connections = threading.local()

    def ask(method: str, query: str, body: Any = None, length: int | None = None) -> tuple[bytes, str]:
        if not hasattr(connections, "one"):
            connections.one = http.client.HTTPConnection(urlsplit(url).netloc)
        connection: http.client.HTTPConnection = connections.one
        connection.putrequest(method, f"/{bucket}/{key}?{query}", skip_accept_encoding=True)
        size = len(body or b"") if length is None else length
        for name, value in (headers | {"Content-Length": str(size)}).items():
            connection.putheader(name, value)
        connection.endheaders()
        if length is not None:
            connection.sock.sendfile(body, body.tell(), length)
        elif body:
            connection.send(body)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return text, answer.headers.get("ETag", "")

    found = re.search(rb"<UploadId>(.*?)</UploadId>", ask("POST", "uploads")[0])
    assert found is not None
    upload, size, part = found[1].decode(), file.stat().st_size, 8 * MEBIBYTE

    def put(number: int) -> str:
        with file.open("rb") as source:
            source.seek(number * part)
            query = f"partNumber={number + 1}&uploadId={upload}"
            return ask("PUT", query, source, min(part, size - number * part))[1]

    with ThreadPoolExecutor(threads) as pool:
        etags = list(pool.map(put, range(-(-size // part))))
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1))
    ask("POST", f"uploadId={upload}", f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
