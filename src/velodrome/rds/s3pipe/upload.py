"""One object from a stream of unknown length: in one request when it is small, else in parts, some at a time.

Memory is that of the parts on their way, whatever the object's size. The number of an upload in parts is written down
before its first part is sent, so that a process that is killed leaves a note by which the next one gives it up.
While the process lives it has a lock on the note: its number may be another's later.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import queue
import threading

from velodrome.rds.s3pipe.bucket import Bucket
from velodrome.rds.s3pipe.http import AwsError
from velodrome.rds.s3pipe.pipe import fill, widen
from velodrome.rds.s3pipe.request import FOLDER, Request

# 10,000 parts at most: 80 GB, more than the 6 GB of one file. Two at a time keep a local store busy (docs/aws_s3.md).
_PART = 8 * 1024 * 1024
_AT_ONCE = 2


class Upload:
    """Not visible in S3 until `complete`."""

    def __init__(self, request: Request) -> None:
        self.size = 0
        self._key = request.key
        self._bucket = Bucket.of(request)
        self._headers: dict[str, str] = {}
        if request.kms_key:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/specifying-kms-encryption.html
            self._headers["x-amz-server-side-encryption"] = "aws:kms"
            self._headers["x-amz-server-side-encryption-aws-kms-key-id"] = request.kms_key
        self._note = f"{FOLDER}/{request.job}.{request.part}.upload"
        self._small: memoryview | None = None
        self._upload = ""
        self._etags: list[str] = []

    def read(self, source: int) -> None:
        """Until the end of the stream. Raises AwsError as soon as a part cannot be sent."""
        widen(source)
        stream = io.FileIO(source, closefd=False)
        buffer = memoryview(bytearray(_PART))
        count = fill(stream, buffer)
        if count < _PART:
            self._small = buffer[:count]
            self.size = count
            return
        self._upload = self._bucket.create_multipart_upload(self._key, self._headers)
        self._write_note()
        self._read_parts(stream, buffer)

    def _write_note(self) -> None:
        note = {"bucket": self._bucket.name, "key": self._key, "upload": self._upload}
        draft = f"{self._note}.new"
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)  # until this process ends
        os.write(file, json.dumps(note).encode())
        os.replace(draft, self._note)  # noqa: PTH105

    def _read_parts(self, stream: io.FileIO, first: memoryview) -> None:
        full: queue.SimpleQueue[tuple[int, memoryview, int] | None] = queue.SimpleQueue()
        empty: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        errors: list[BaseException] = []
        for _ in range(_AT_ONCE):
            empty.put(memoryview(bytearray(_PART)))
        threads = [threading.Thread(target=self._send, args=(full, empty, errors)) for _ in range(_AT_ONCE)]
        for thread in threads:
            thread.start()
        buffer, count = first, _PART
        try:
            while count and not errors:
                self._etags.append("")
                self.size += count
                full.put((len(self._etags), buffer, count))
                if count < _PART:
                    break
                buffer = empty.get()
                count = fill(stream, buffer)
        finally:
            for _ in threads:
                full.put(None)
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]

    def _send(
        self,
        full: queue.SimpleQueue[tuple[int, memoryview, int] | None],
        empty: queue.SimpleQueue[memoryview],
        errors: list[BaseException],
    ) -> None:
        bucket = self._bucket.again()
        while (part := full.get()) is not None:
            number, buffer, count = part
            try:
                if not errors:
                    self._etags[number - 1] = bucket.upload_part(self._key, self._upload, number, buffer[:count])
            except BaseException as error:  # handed to the reader, which raises it
                errors.append(error)
            empty.put(buffer)
        bucket.close()

    def complete(self) -> None:
        """The object appears, in place of an older one. Raises AwsError."""
        if self._small is not None:
            self._bucket.put_object(self._key, self._small, self._headers)
        else:
            self._bucket.complete_multipart_upload(self._key, self._upload, self._etags)
            os.unlink(self._note)  # noqa: PTH108

    def give_up(self) -> None:
        """No object, no parts. Raises AwsError when S3 cannot be asked now."""
        if self._upload:
            self._bucket.abort_multipart_upload(self._key, self._upload)
            os.unlink(self._note)  # noqa: PTH108
            self._upload = ""


def give_up_left_over(request: Request) -> None:
    """What processes that were killed have left: their notes say which uploads."""
    for name in os.listdir(FOLDER):  # noqa: PTH208
        if not name.endswith(".upload"):
            continue
        path = f"{FOLDER}/{name}"
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                note = json.load(file)
            request.bucket = note["bucket"]
            Bucket.of(request).abort_multipart_upload(note["key"], note["upload"])
            os.unlink(path)  # noqa: PTH108
        except (FileNotFoundError, BlockingIOError, AwsError):
            continue  # its own process or another one does it, or the next one will
