"""A file that grows, as the gzip file that S3 is to have of it: only what is new is read and compressed."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path
from typing import IO

_CHUNK = 2**20
# https://www.rfc-editor.org/rfc/rfc1952: no name, no time, deflate by any system.
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
# An empty last block; what comes before it ends at a byte's end after a flush.
_LAST_BLOCK = b"\x03\x00"


class Compressed:
    """The gzip file of `source`, one member however often it grew; kept in an unnamed file beside the source."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=source.parent)  # noqa: SIM115  closed by `close`
        self._whole = False

    def _begin(self) -> None:
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._read = self._checksum = 0
        self._file.seek(0)
        self._file.truncate()
        self._file.write(_HEADER)
        self._end = len(_HEADER)

    def grow(self) -> IO[bytes]:
        """Read what the source has beyond what was read before; the whole gzip file, which is not to be closed.

        A source that has become shorter is read anew, and so it is after an OSError, such as of a full disk.
        """
        with self._source.open("rb") as source:
            if not self._whole or source.seek(0, 2) < self._read:
                self._begin()
            self._whole = False
            source.seek(self._read)
            self._file.seek(self._end)
            while chunk := source.read(_CHUNK):
                self._read += len(chunk)
                self._checksum = zlib.crc32(chunk, self._checksum)
                self._file.write(self._deflate.compress(chunk))
        self._file.write(self._deflate.flush(zlib.Z_SYNC_FLUSH))
        self._end = self._file.tell()
        self._file.write(_LAST_BLOCK + struct.pack("<II", self._checksum, self._read & 0xFFFFFFFF))
        self._file.truncate()
        self._file.flush()
        self._whole = True
        return self._file

    def close(self) -> None:
        """Forget it."""
        self._file.close()
