"""What `COPY … PROGRAM` runs for the extension aws_s3: a stream between the server and one object in S3.

`put` uploads what it reads but does not complete the object: when a COPY breaks off, its pipe ends as it does when all
is well. So the upload waits in a process of its own until `finish` says that COPY has succeeded, and is given up if
nobody says so. `get` writes an object to standard output. Either leaves `<backend>.json` with the bytes, or the error,
for the function that started it. Starts for every single table, hence imports as little as it can.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from base64 import b64decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from obstore.store import S3Store

# How long a finished upload waits for its COPY's end. Between the two is one statement of the same function.
_PATIENCE = 10.0
# One request below this, several parts above.
_PART = 8 * 1024 * 1024
_BLOCK = 1024 * 1024


class PipeError(Exception):
    """Refused before S3 was asked; worded as S3 words it."""


class GivenUp(Exception):
    """The server never said that its COPY succeeded."""


class Job:
    """One call of a function of aws_s3: where it reads or writes, and where its result goes."""

    def __init__(self, config_file: str, profile: str, folder: str, request: str) -> None:
        fields = json.loads(b64decode(request))
        self.config_file, self.profile, self.folder = config_file, profile, folder
        self.name, self.backend = str(fields["job"]), int(fields["backend"])
        self.bucket, self.key, self.region = fields["bucket"], fields["key"], fields["region"]

    def result(self, size: int = 0, error: str | None = None) -> None:
        """Replaces the file of the backend's last call, so that they do not add up."""
        draft = f"{self.folder}/{self.backend}.{self.name}"
        with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs more than this program has
            json.dump({"job": self.name, "bytes": size, "error": error}, file)
        os.replace(draft, f"{self.folder}/{self.backend}.json")  # noqa: PTH105

    def store(self) -> S3Store:
        """The bucket, with the endpoint and keys of the profile."""
        from pathlib import Path

        from obstore.store import S3Store

        from velodrome.awsapi.profile import load

        _check_bucket(self.bucket)
        _check_key(self.key)
        profile = load(Path(self.config_file), self.profile)
        options: dict[str, str] = {}
        if endpoint := profile.endpoint("s3"):
            options["endpoint"] = endpoint
        if profile.access_key_id and profile.secret_access_key:
            options["access_key_id"] = profile.access_key_id
            options["secret_access_key"] = profile.secret_access_key
        if profile.session_token:
            options["session_token"] = profile.session_token
        return S3Store(
            self.bucket,
            region=self.region or profile.region,
            virtual_hosted_style_request=not profile.path_style,
            client_options={"allow_http": True, "connect_timeout": "5s", "timeout": "120s"},
            retry_config={"max_retries": 2},
            **options,  # type: ignore[arg-type]
        )

    def address(self) -> str:
        """Relative: the folder's own path may be longer than a socket's may be."""
        return f"{self.backend}.{self.name[:8]}.sock"


def put(job: Job) -> NoReturn:
    """The parent is what the server waits for; the child uploads and stays until `finish`."""
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.close(0)  # only the child reads: if it dies, the server sees a broken pipe
        os._exit(0 if os.read(told, 1) else 1)
    os.close(told)
    os.setsid()
    listener = socket.socket(socket.AF_UNIX)
    os.chdir(job.folder)
    listener.bind(job.address())
    listener.listen(1)
    listener.settimeout(_PATIENCE)
    upload = _Upload(listener, tell)
    try:
        upload.run(job)
        job.result(upload.size)
    except GivenUp:
        pass  # nobody waits for a result
    except BaseException as error:
        job.result(error=message_of(error))
    finally:
        os.unlink(job.address())  # noqa: PTH108
        upload.answer()
    os._exit(0)


class _Upload:
    def __init__(self, listener: socket.socket, tell: int) -> None:
        self.size = 0
        self._listener = listener
        self._tell = tell
        self._finisher: socket.socket | None = None

    def run(self, job: Job) -> None:
        import obstore

        store = job.store()
        head = bytearray()
        for block in self._blocks():
            head += block
            if len(head) >= _PART:
                break
        else:
            self._wait_for_finish()
            obstore.put(store, job.key, bytes(head), use_multipart=False)
            return
        obstore.put(store, job.key, self._parts(bytes(head)), chunk_size=_PART, max_concurrency=4)

    def _blocks(self) -> Iterator[bytes]:
        while block := os.read(0, _BLOCK):
            self.size += len(block)
            yield block

    def _parts(self, head: bytes) -> Iterator[bytes]:
        """The iterator ends, and the object appears, only when the server said so; an exception gives the upload up."""
        yield head
        yield from self._blocks()
        self._wait_for_finish()

    def _wait_for_finish(self) -> None:
        os.write(self._tell, b"1")
        try:
            self._finisher, _ = self._listener.accept()
        except TimeoutError:
            raise GivenUp from None

    def answer(self) -> None:
        if self._finisher is not None:
            self._finisher.close()


def finish(job: Job) -> None:
    """Has the waiting upload completed, and waits for it; the result file says how it went."""
    sys.stdin.buffer.read()
    os.chdir(job.folder)
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(job.address())
        except OSError as error:
            job.result(error=f"the upload was given up: {error.strerror}")
            return
        connection.recv(1)


def get(job: Job) -> None:
    """The object to standard output, unpacked if S3 says that it is gzip."""
    import obstore

    size = 0
    try:
        answer = obstore.get(job.store(), job.key)
        encoding = answer.attributes.get("Content-Encoding", "")
        if encoding not in ("", "gzip", "aws-chunked"):
            raise PipeError(f"Content-Encoding {encoding} is not supported: gzip is")
        blocks = _unpacked(answer.stream(min_chunk_size=_BLOCK)) if encoding == "gzip" else answer.stream(_BLOCK)
        size = answer.meta["size"]
        for block in blocks:
            view = memoryview(block)
            while view:
                view = view[os.write(1, view) :]
        job.result(size)
    except BrokenPipeError:
        raise SystemExit(1) from None  # the server has stopped reading, and knows why
    except Exception as error:
        job.result(error=message_of(error))
        raise SystemExit(1) from None


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """All members of a gzip file; one that breaks off is an error."""
    import zlib

    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for block in blocks:
        data = bytes(block)
        while data:
            if unpack.eof:
                unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield unpack.decompress(data)
            data = unpack.unused_data
    if not unpack.eof:
        raise PipeError("the gzip file ends too early")


def message_of(error: BaseException) -> str:
    """S3's own message where it sent one.

    >>> message_of(Exception("… 404 Not Found: <Error><Code>NoSuchBucket</Code><Message>No &lt;b&gt;</Message>"))
    'No <b>'
    """
    text = str(error)
    start, end = text.find("<Message>"), text.find("</Message>")
    if 0 <= start < end:
        from html import unescape

        return unescape(text[start + len("<Message>") : end])
    if "error sending request" in text or "Connection refused" in text:
        return "Unable to connect to endpoint"
    # obstore appends a debug form of the same error after the first line.
    return text.strip().split("\n")[0] or type(error).__name__


def _check_bucket(bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    good = set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    if not 3 <= len(bucket) <= 63 or not good.issuperset(bucket) or bucket[0] in ".-" or ".." in bucket:
        raise PipeError("The specified bucket is not valid.")


def _check_key(key: str) -> None:
    """A key is any text to S3; the client takes it for a path, and would change one that is not."""
    if not key or len(key.encode()) > 1024:
        raise PipeError("Your key is too long" if key else "The key is empty")
    parts = key.split("/")
    if "" in parts or "." in parts or ".." in parts or any(ord(c) < 32 or ord(c) == 127 for c in key):
        raise PipeError(f"the key {key!r} has an empty part, one of dots, or a control character: not supported here")


def main(arguments: list[str]) -> None:
    """`s3pipe CONFIG_FILE PROFILE FOLDER put|get|finish REQUEST`; the request is base64 of JSON."""
    os.closerange(3, 1024)  # nothing of the server's: least of all the lock of its data folder
    config_file, profile, folder, verb, request = arguments
    job = Job(config_file, profile, folder, request)
    {"put": put, "get": get, "finish": finish}[verb](job)


if __name__ == "__main__":
    main(sys.argv[1:])
