"""LocalStack's storage interface on durable bodies. A body hangs on its object: an overwrite leaves the old one be."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from io import BufferedReader, BytesIO, UnsupportedOperation
from typing import Any, Literal

from awscrt.checksums import combine_crc64nvme
from localstack.aws.api.s3 import ChecksumAlgorithm
from localstack.services.s3.models import S3Multipart, S3Object, S3Part
from localstack.services.s3.storage.core import LimitedStream, S3ObjectStore, S3StoredMultipart, S3StoredObject
from localstack.services.s3.utils import get_s3_checksum

from velodrome.s3.durable.bodies import Bodies, Body, BodyGone
from velodrome.s3.durable.index import Index
from velodrome.s3.durable.transaction import Again, Transaction

CHUNK = 256 * 1024
SHORT = 64 * 1024


class StoredObject(S3StoredObject):
    """The bytes of one object or part, to be read, or to be written once."""

    def __init__(self, bodies: Bodies, s3_object: Any, mode: Literal["r", "w"], whole: str | None = None) -> None:
        super().__init__(s3_object=s3_object, mode=mode)
        self._whole = whole  # of a part: the algorithm of the object that it becomes a piece of
        self._position = 0
        self._checksum: str | None = None
        self._reader = bodies.open(s3_object._body) if mode == "r" else None

    def read(self, s: int | None = -1) -> bytes:
        """The next bytes, at most `s`."""
        if self._reader is None:
            raise UnsupportedOperation("S3 object is not in read mode")
        if s is None or s < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        data = self._reader.read_at(self._position, s)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position; returns it."""
        start = {0: 0, 1: self._position, 2: self._reader.size if self._reader else 0}[whence]
        self._position = start + offset
        return self._position

    def write(self, s: Any) -> int:
        """Take a whole stream as the body; returns its size. From then on the operation has the state's lock."""
        if self._mode != "w":
            raise UnsupportedOperation("S3 object is not in write mode")
        stream = BytesIO() if s is None else s
        transaction = Transaction.current()
        draft = transaction.draft()
        digest = hashlib.md5(usedforsecurity=False)
        algorithm = self.s3_object.checksum_algorithm
        checksum = get_s3_checksum(algorithm) if algorithm else None
        piece = get_s3_checksum(self._whole) if self._whole else None
        sums = [each for each in (digest, checksum, piece) if each is not None]
        for data in _pieces(stream):
            draft.write(data)
            for each in sums:
                each.update(data)
        body = transaction.made(draft.finish())
        if checksum:
            self._checksum = base64.b64encode(checksum.digest()).decode()
        if piece:
            self.s3_object._piece = piece.digest()
        self.s3_object.etag = digest.hexdigest()
        self.hold(body, transaction)
        return body.size

    def hold(self, body: Body, transaction: Transaction) -> None:
        """Hang a finished body on the object, under the state's lock."""
        transaction.enter()
        self.s3_object._body = body
        self.s3_object.size = body.size
        self.s3_object.internal_last_modified = time.time_ns()

    def append(self, part: S3StoredObject) -> int:
        """Not needed: an upload's parts become the object's segments."""
        raise UnsupportedOperation("append")

    def close(self) -> None:
        """Let go of the body."""
        if self._reader is not None:
            self._reader.close()
        self.closed = True

    @property
    def last_modified(self) -> int:
        """A body never changes, so this is always its object's own."""
        return self.s3_object.internal_last_modified

    @property
    def checksum(self) -> str | None:
        """Of the object's algorithm, base64; computed from the body unless it was just written."""
        if not self.s3_object.checksum_algorithm:
            return None
        if self._checksum is None:
            self._checksum = getattr(self.s3_object, "_checksum", None)
        if self._checksum is None:
            self._checksum = body_checksum(self, self.s3_object.checksum_algorithm)
        return self._checksum

    @property
    def etag(self) -> str:
        """The object's own."""
        return self.s3_object.etag

    def __iter__(self) -> Iterator[bytes]:
        # A short range is read from the beginning of its first piece only.
        amount = SHORT
        while data := self.read(amount):
            yield data
            amount = CHUNK


def _pieces(stream: Any) -> Iterator[bytes | memoryview]:
    """A stream's bytes; what is yielded changes when the next is asked for."""
    data = stream.read(SHORT)
    yield data
    if len(data) == SHORT and isinstance(stream, BufferedReader):  # the request's own body
        piece = memoryview(bytearray(CHUNK))
        while count := stream.readinto(piece):
            yield piece[:count]
    elif data:
        while data := stream.read(CHUNK):
            yield data


def body_checksum(stored: StoredObject, algorithm: str) -> str:
    """Read all of it."""
    checksum = get_s3_checksum(algorithm)
    stored.seek(0)
    for data in stored:
        checksum.update(data)
    stored.seek(0)
    return base64.b64encode(checksum.digest()).decode()


def _combined(parts: list[S3Part]) -> str | None:
    """The checksum of parts one after another; None when one of them was not written by this process."""
    total = 0
    for part in parts:
        piece = getattr(part, "_piece", None)
        if piece is None or part.size is None:
            return None
        total = combine_crc64nvme(total, int.from_bytes(piece), part.size)
    return base64.b64encode(total.to_bytes(8)).decode()


class StoredMultipart(S3StoredMultipart):
    """The parts of one upload; they hang on LocalStack's own S3Part objects."""

    def open(self, s3_part: S3Part, mode: Literal["r", "w"] = "r") -> StoredObject:
        """One part's bytes."""
        return StoredObject(self._s3_store.bodies, s3_part, mode, whole=self._whole)

    @property
    def _whole(self) -> str | None:
        """The algorithm that S3 takes for the object when the upload names none."""
        given: str | None = self.s3_multipart.checksum_algorithm
        default: str | None = self.s3_multipart.object.checksum_algorithm
        return None if given else default

    def remove_part(self, s3_part: S3Part) -> None:
        """Nothing: the operation fails, and its transaction removes what it has made."""

    def complete_multipart(self, parts: list[S3Part]) -> None:
        """Make the parts, as they are, the object's body; the state's lock is taken here."""
        made = self.s3_multipart.object
        bodies = [part._body for part in parts]
        body = Body(segment for part in bodies for segment in part.segments)
        if self._whole:
            # The caller will ask for it under the lock.
            made._checksum = _combined(parts) if self._whole == ChecksumAlgorithm.CRC64NVME else None
            if made._checksum is None:
                made._body = body
                with StoredObject(self._s3_store.bodies, made, "r") as stored:
                    made._checksum = body_checksum(stored, made.checksum_algorithm)
        transaction = Transaction.current()
        transaction.enter()
        if any(self.s3_multipart.parts.get(part.part_number) is not part for part in parts):
            raise Again("a part was uploaded anew")
        StoredObject(self._s3_store.bodies, made, "w").hold(body, transaction)

    def close(self) -> None:
        """Nothing is held."""

    def copy_from_object(self, s3_part: S3Part, src_bucket: str, src_s3_object: S3Object, range_data: Any) -> None:
        """A part from another object's bytes."""
        with (
            self._s3_store.open(src_bucket, src_s3_object, mode="r") as source,
            self.open(s3_part, mode="w") as stored,
        ):
            stored.write(LimitedStream(source, range_data=range_data) if range_data else source)
            if s3_part.checksum_algorithm:
                s3_part.checksum_value = stored.checksum


class DurableStore(S3ObjectStore):
    """What LocalStack's provider asks for bodies. Removal is left to the commit of the rows that named them."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.bodies = index.bodies

    def open(self, bucket: str, s3_object: S3Object, mode: Literal["r", "w"] = "r") -> StoredObject:
        """Raises BodyGone."""
        return StoredObject(self.bodies, s3_object, mode)

    def remove(self, bucket: str, s3_object: S3Object | list[S3Object]) -> None:
        """See the class."""

    def copy(self, src_bucket: str, src_object: S3Object, dest_bucket: str, dest_object: S3Object) -> StoredObject:
        """The source's bytes for another object, without copying them."""
        transaction = Transaction.current()
        body = transaction.made(self.bodies.link(src_object._body))
        with self.open(src_bucket, src_object) as source:
            dest_object.etag = _plain_etag(source)
            known = src_object.checksum_type != "COMPOSITE" and src_object.checksum_value
            if dest_object.checksum_algorithm == src_object.checksum_algorithm and known:
                dest_object._checksum = src_object.checksum_value
            elif dest_object.checksum_algorithm:
                dest_object._checksum = body_checksum(source, dest_object.checksum_algorithm)
        stored = StoredObject(self.bodies, dest_object, "w")
        stored.hold(body, transaction)
        return stored

    def get_multipart(self, bucket: str, upload_id: S3Multipart) -> StoredMultipart:
        """The parts of an upload."""
        return StoredMultipart(self, bucket, upload_id)

    def remove_multipart(self, bucket: str, s3_multipart: S3Multipart) -> None:
        """See the class."""

    def close(self) -> None:
        """Write what is queued and close the index."""
        self._index.close()


def _plain_etag(source: StoredObject) -> str:
    """MD5 of the bytes, as a copy has it even of an object that was uploaded in parts."""
    if "-" not in source.s3_object.etag:
        return source.s3_object.etag
    digest = hashlib.md5(usedforsecurity=False)
    for data in source:
        digest.update(data)
    source.seek(0)
    return digest.hexdigest()


__all__ = ["Again", "BodyGone", "DurableStore"]
