"""The file that `velodrome backup` writes: one tar.gz, written as a whole or not at all, and read with distrust.

Its members, in this order: manifest.json, secrets.env, the entries of each part (parts.py), end.json. The last counts
what came before, since a tar that is cut at a member's end, or spoilt there, reads as if it ended.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from velodrome.runtime.parts import BackupError, Body, Entries, Entry, forget_members, part_of, private

FORMAT = 1
MANIFEST, SECRETS, END = "manifest.json", "secrets.env", "end.json"
_LARGEST_NOTE = 1 << 16  # bytes of a member that is read into memory
# What tarfile, gzip and zlib raise for bad data.
_BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError, RecursionError)
# Whose body is part of a name: tarfile reads it into memory before anybody can look at the member.
_NAMES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


@dataclass(frozen=True)
class Manifest:
    """What one must know of a backup before anything of it is used."""

    format: int
    velodrome: str
    made_at: str
    runtime: str
    machine: str
    postgresql: str
    dataset: str
    settings: Mapping[str, str]

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Raises ValueError for what is no manifest."""
        values = json.loads(text)
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise ValueError("it has no format")
        if values["format"] != FORMAT:
            # What else it holds is for others to know.
            return cls(values["format"], str(values.get("velodrome")), "", "", "", "", "", {})
        wanted = {field.name for field in fields(cls)}
        texts = [values.get(name) for name in wanted - {"format", "settings"}]
        settings = values.get("settings")
        if set(values) != wanted or not isinstance(settings, dict):
            raise ValueError(f"it lacks one of {', '.join(sorted(wanted))}")
        if not all(isinstance(value, str) and value.isprintable() for value in (*texts, *settings.values())):
            raise ValueError("a value is not plain text")
        return cls(**values)


@dataclass
class Count:
    """Files and bytes of a part."""

    files: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count one file more."""
        self.files += 1
        self.bytes += size


class Writer:
    """Writes FILE: beside it as a draft, renamed by `finish`; a draft that is not finished is removed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._draft = file.with_name(f".{file.name}.unfinished")
        self.counts: dict[str, Count] = {}

    def __enter__(self) -> Writer:
        """Raises BackupError where FILE cannot be written."""
        self._refuse_existing()
        try:
            self._draft.unlink(missing_ok=True)  # of a backup that was killed
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            folder = self.file.parent
            what = f"{folder} cannot be written to ({error.strerror})" if folder.is_dir() else f"no folder {folder}"
            raise BackupError(f"FILE={self.file}: {what}: name a file in a folder of yours") from error
        self._raw = os.fdopen(descriptor, "wb", buffering=0)
        self._output = _Output(self._raw, self.file)
        # Level 1: three times as fast as the default, and a sixth larger.
        self._gzip = gzip.GzipFile("", "wb", 1, self._output)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w|", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.raw = None
        self._tar.close()
        self._gzip.close()
        self._raw.close()
        self._draft.unlink(missing_ok=True)

    def _refuse_existing(self) -> None:
        if os.path.lexists(self.file):
            raise BackupError(f"FILE={self.file} is there already: name another, or remove it")

    def note(self, name: str, text: str) -> None:
        """Add a small file of our own."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(text.encode()), 0o600
        self._tar.addfile(info, io.BytesIO(text.encode()))

    def manifest(self, manifest: Manifest) -> None:
        """Add what must come first."""
        self.note(MANIFEST, json.dumps(asdict(manifest), indent=2))

    def part(self, name: str, entries: Entries, report: Callable[[Count], None]) -> Count:
        """Add a part's entries."""
        count = self.counts.setdefault(name, Count())
        for info, body in entries:
            self._tar.addfile(info, body)
            forget_members(self._tar)
            if body is not None:
                count.add(info.size)
                report(count)
        return count

    def finish(self) -> int:
        """Make the file appear, whole and on the disk; returns its size."""
        self.note(END, json.dumps({name: asdict(count) for name, count in self.counts.items()}))
        self._tar.close()
        self._gzip.close()
        os.fsync(self._raw.fileno())
        size = os.fstat(self._raw.fileno()).st_size
        self._refuse_existing()
        self._draft.rename(self.file)
        return size


class _Output:
    """The draft, whose errors are the disk's that FILE is on; nothing is written to one that was given up."""

    def __init__(self, raw: Any, file: Path) -> None:
        self.raw, self._file = raw, file

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left and self.raw:
                left = left[self.raw.write(left) :]
        except OSError as error:
            raise BackupError(
                f"FILE={self._file} cannot be written ({error.strerror}): make room, or name a file on another disk"
            ) from error
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""


class Reader:
    """Reads FILE from its begin to its end, once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.manifest: Manifest
        self.secrets = ""
        self._folders: set[str] = set()
        self._counts: dict[str, Count] = {}

    def __enter__(self) -> Reader:
        """Raises BackupError for what cannot be opened or is no backup."""
        try:
            self._raw = self.file.open("rb")
        except OSError as error:
            raise BackupError(f"FILE={self.file} cannot be read ({error.strerror}): name a backup") from error
        try:
            self._gzip = gzip.GzipFile(fileobj=self._raw)
            with self._clear_errors():
                source: Any = _Input(self._gzip.read, self._clear_errors)
                self._tar = tarfile.open(fileobj=source, mode="r|", tarinfo=_Member)
            self.manifest = self._manifest()
            if self.manifest.format == FORMAT:
                self.secrets = self._note(SECRETS).decode("utf-8")
        except UnicodeDecodeError as error:
            self._raw.close()
            raise self._foreign(f"{SECRETS} is not text") from error
        except BaseException:
            self._raw.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    def _foreign(self, why: str) -> BackupError:
        return BackupError(f"FILE={self.file} is not a backup that `make backup` has made, or is spoilt: {why}")

    def _clear_errors(self) -> _Clear:
        return _Clear(self._foreign)

    def _manifest(self) -> Manifest:
        text = self._note(MANIFEST)
        try:
            return Manifest.parse(text)
        except (ValueError, RecursionError) as error:
            raise self._foreign(f"{MANIFEST}: {error}") from error

    def _next(self) -> tarfile.TarInfo | None:
        with self._clear_errors():
            member = self._tar.next()
        forget_members(self._tar)
        return member

    def _body(self, member: tarfile.TarInfo) -> Body:
        with self._clear_errors():
            stream = self._tar.extractfile(member)
        if stream is None:
            raise self._foreign(f"{member.name} is no file")
        return _Input(stream.read, self._clear_errors)

    def _note(self, name: str, member: tarfile.TarInfo | None = None) -> bytes:
        member = member or self._next()
        if member is None or member.name != name or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise self._foreign(f"{name} is not where it belongs")
        if member.size > _LARGEST_NOTE:
            raise self._foreign(f"{name} has {member.size} bytes")
        return self._body(member).read()

    def parts(self) -> Iterator[tuple[str, Entries]]:
        """Each part's name and entries. Only when this has ended without an error is the file known to be whole."""
        for name, entries in itertools.groupby(self._entries(), key=lambda entry: _part_name(entry[0])):
            if name in self._counts:
                raise self._foreign(f"{name} comes twice")
            self._counts[name] = Count()
            yield name, entries
            if name not in self._folders:
                raise self._foreign(f"{name} is no folder")

    def _entries(self) -> Iterator[Entry]:
        while (member := self._next()) is not None:
            if member.name == END:
                self._end(self._note(END, member))
                return
            self._check(member)
            info = private(member)
            body = None if member.isdir() else self._body(member)
            yield info, body
            if body is not None:
                self._counts[_part_name(info)].add(info.size)
        raise self._foreign("it has no end; it was cut")

    def _check(self, member: tarfile.TarInfo) -> None:
        """A member may be a file or folder of a known part, in a folder that came before it, and nothing else."""
        name = member.name
        if (
            member.size < 0
            or member.issparse()
            or not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE))
        ):
            raise self._foreign(f"{name!r} is neither file nor folder")
        words = name.split("/")
        part = part_of(name)
        if part is None or "\0" in name or not {"", ".", ".."}.isdisjoint(words):
            raise self._foreign(f"{name!r} is no name of ours")
        folder = name.rpartition("/")[0]
        if name in self._folders or (name != part.name and folder not in self._folders):
            raise self._foreign(f"{name!r} is out of its order")
        if member.isdir():
            self._folders.add(name)

    def _end(self, text: bytes) -> None:
        try:
            there = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._foreign(f"{END}: {error}") from error
        if there != {name: asdict(count) for name, count in self._counts.items()}:
            raise self._foreign("it does not hold what it says it holds")
        with self._clear_errors():
            while self._gzip.read(1 << 20):  # to its checksum
                pass


def _part_name(info: tarfile.TarInfo) -> str:
    part = part_of(info.name)
    return part.name if part else ""


class _Member(tarfile.TarInfo):
    """A header whose sizes can be."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type in _NAMES and member.size > _LARGEST_NOTE):
            raise tarfile.ReadError(f"a header says {member.size} bytes")
        return member


class _Input:
    """A stream whose damage is told as the file's."""

    def __init__(self, read: Callable[[int], bytes], clear_errors: Callable[[], _Clear]) -> None:
        self._read, self._clear_errors = read, clear_errors

    def read(self, size: int = -1, /) -> bytes:
        with self._clear_errors():
            return self._read(size)


class _Clear:
    """Turns whatever is raised for bad data into one error."""

    def __init__(self, foreign: Callable[[str], BackupError]) -> None:
        self._foreign = foreign

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _BROKEN):
            raise self._foreign(str(error)) from error
