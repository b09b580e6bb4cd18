"""`get`: an object to standard output, unpacked if S3 says that it is gzip."""

from __future__ import annotations

import os

from velodrome.rds.s3pipe.bucket import Bucket
from velodrome.rds.s3pipe.errors import described
from velodrome.rds.s3pipe.http import AwsError
from velodrome.rds.s3pipe.pipe import widen
from velodrome.rds.s3pipe.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

_BLOCK = 1024 * 1024


def get(request: Request) -> None:
    """Leaves the object's size as S3 has it, packed or not."""
    try:
        widen(1)
        bucket = Bucket.of(request)
        answer = bucket.get_object(request.key)
        encoding = answer.header("content-encoding").replace("aws-chunked", "").strip(", ")
        if encoding not in ("", "gzip"):
            raise AwsError(f"Content-Encoding {encoding} is not supported: gzip is")
        size = int(answer.header("content-length") or 0)
        blocks = _blocks(answer.response, size)
        for block in _unpacked(blocks) if encoding == "gzip" else blocks:
            while block:
                block = block[os.write(1, block) :]
        request.result(bytes=size)
    except BrokenPipeError:
        raise SystemExit(1) from None  # the server has stopped reading, and knows why
    except Exception as error:
        request.result(**described(error))
        raise SystemExit(1) from None


def _blocks(response: http.client.HTTPResponse, size: int) -> Iterator[memoryview]:
    """All of `size` bytes, or AwsError: an answer that breaks off is no object."""
    buffer = memoryview(bytearray(_BLOCK))
    got = 0
    while True:
        try:
            count = response.readinto(buffer)
        except TimeoutError as error:
            raise AwsError("Timeout was reached") from error
        except OSError as error:
            raise AwsError("Connection was lost") from error
        if not count:
            break
        got += count
        yield buffer[:count]
    if got != size:
        raise AwsError(f"Connection was lost after {got} of {size} bytes")


def _unpacked(blocks: Iterator[memoryview]) -> Iterator[memoryview]:
    """All members of a gzip file, in pieces of at most 1 MiB. One that breaks off is an error."""
    import zlib

    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for block in blocks:
            data = bytes(block)
            while data:
                if unpack.eof:
                    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
                yield memoryview(unpack.decompress(data, _BLOCK))
                data = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    except zlib.error as error:
        raise AwsError(f"the gzip file is damaged: {error}") from None
    if not unpack.eof:
        raise AwsError("the gzip file ends too early")
