"""A request's body, compared with what was signed of it while it goes to whoever reads it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, and with trailing headers:
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from typing import Any, Protocol

from velodrome.awsapi import sigv4
from velodrome.awsapi.keys import Key

from .errors import S3Error, invalid_argument
from .signatures import CONTENT, mismatch

_DIGEST = re.compile(r"[0-9a-f]{64}")
_EMPTY = hashlib.sha256().hexdigest()
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = f"{STREAMING}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_LONGEST_LINE = 8192


class BodyRefused(ConnectionError):
    """The body is not what was signed. For who reads it, it ends too early: nothing of it is to be kept."""


class Check(Protocol):
    """Compares a body with what was signed of it."""

    def take(self, data: memoryview) -> None:
        """The next bytes. Raises S3Error."""

    def end(self) -> None:
        """There are no more. Raises S3Error."""


class Digest:
    """A body whose SHA-256 is signed."""

    def __init__(self, expected: str) -> None:
        self._expected, self._hash = expected, hashlib.sha256()

    def take(self, data: memoryview) -> None:
        self._hash.update(data)

    def end(self) -> None:
        found = self._hash.hexdigest()
        if not hmac.compare_digest(found, self._expected):
            raise S3Error(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                {"ClientComputedContentSHA256": self._expected, "S3ComputedContentSHA256": found},
            )


class Chunks:
    """A body in chunks, each signed together with the one before; and trailing headers likewise, if there are."""

    def __init__(self, signature: sigv4.Signature, secret: str, *, trailer: bool) -> None:
        self._signature, self._key, self._trailer = signature, signature.key(secret), trailer
        self._before = signature.value
        self._line = bytearray()
        self._left = 0  # of the chunk, with the line's end that follows it
        self._expected = ""
        self._hash = hashlib.sha256()
        self._last = self._whole = False
        self._trailing = bytearray()

    def take(self, data: memoryview) -> None:
        while data and not self._whole:
            data = self._take_chunk(data) if self._left else self._take_line(data)

    def end(self) -> None:
        if not self._whole:
            message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
            raise S3Error(400, "IncompleteBody", message)

    def _take_chunk(self, data: memoryview) -> memoryview:
        of_chunk = max(0, self._left - 2)
        self._hash.update(data[:of_chunk])
        rest = data[self._left :]
        self._left -= len(data) - len(rest)
        if not self._left:
            self._check("AWS4-HMAC-SHA256-PAYLOAD", _EMPTY, self._hash.hexdigest())
        return rest

    def _take_line(self, data: memoryview) -> memoryview:
        found = bytes(data[: _LONGEST_LINE + 1]).find(b"\n")
        taken = len(data) if found < 0 else found + 1
        self._line += data[:taken]
        if len(self._line) > _LONGEST_LINE:
            raise _incomplete()
        if found >= 0:
            line = bytes(self._line).strip()
            self._line.clear()
            self._read(line)
        return data[taken:]

    def _read(self, line: bytes) -> None:
        if self._last:
            self._read_trailing(line)
            return
        size, _, extension = line.partition(b";")
        name, _, value = extension.partition(b"=")
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", size) or name != b"chunk-signature":
            raise _incomplete()
        self._expected, self._hash = value.decode("latin-1"), hashlib.sha256()
        if length := int(size, 16):
            self._left = length + 2
            return
        self._check("AWS4-HMAC-SHA256-PAYLOAD", _EMPTY, _EMPTY)
        self._last = True
        self._whole = not self._trailer

    def _read_trailing(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"x-amz-trailer-signature":
            self._expected = value.decode("latin-1")
            self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(self._trailing).hexdigest())
            self._whole = True
        elif line:
            self._trailing += line + b"\n"

    def _check(self, kind: str, *digests: str) -> None:
        text = "\n".join((kind, self._signature.stamp, self._signature.scope, self._before, *digests))
        found = sigv4.sign(self._key, text).hex()
        if not hmac.compare_digest(found.encode(), self._expected.encode()):
            raise mismatch(self._signature, text)
        self._before = found


def check_of(content: str, signature: sigv4.Signature, key: Key) -> Check | None:
    """How the body is to be checked, from the header x-amz-content-sha256; None where it is not signed. Raises
    S3Error."""
    if content in (sigv4.UNSIGNED, UNSIGNED_TRAILER):
        return None
    if content in (STREAMING, STREAMING_TRAILER):
        return Chunks(signature, key.secret, trailer=content == STREAMING_TRAILER)
    if not _DIGEST.fullmatch(content):
        raise invalid_argument(
            CONTENT,
            content,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid "
            "sha256 value.",
        )
    return Digest(content)


class CheckedBody(io.RawIOBase):
    """A body that is checked before its end is given away. `refusal` says why it was not whole, if it was not. One
    without a byte is checked at once: raises S3Error."""

    def __init__(self, inner: Any, length: int | None, check: Check) -> None:
        super().__init__()
        self._inner, self._left, self._check = inner, length, check
        self._ended = length == 0
        self.refusal: S3Error | None = None
        if self._ended:
            check.end()

    def readable(self) -> bool:
        """As io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises BodyRefused."""
        if self.refusal is not None:
            raise BodyRefused(self.refusal.message)
        view = memoryview(buffer).cast("B")
        count = int(self._inner.readinto(view) or 0)
        try:
            if count:
                self._check.take(view[:count])
            if self._left is not None:
                self._left -= count
            if not self._ended and (not count or self._left == 0):
                self._ended = True
                self._check.end()
        except S3Error as error:
            self.refusal = error
            raise BodyRefused(error.message) from error
        return count


def _incomplete() -> S3Error:
    return S3Error(400, "IncompleteBody", "The request body terminated unexpectedly")
