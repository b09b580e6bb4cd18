"""Object bodies on disk: each immutable, written once, linked for a copy, removed when nobody reads it."""

from __future__ import annotations

import bisect
import itertools
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

# Up to this size a body lies in the index: its one sync is then the commit's own.
SMALL = 16 * 1024
# A large body goes to the disk while it still arrives, not all at its end.
SYNC_EVERY = 32 * 1024 * 1024
SWEPT_AT_ONCE = 500
_syncer = ThreadPoolExecutor(2, thread_name_prefix="s3-sync")


class BodyGone(Exception):
    """The body was replaced or removed after its object was looked up: look again."""


@dataclass(slots=True)
class Segment:
    """A file, or a row of the index when `small`; `data` is set until that row is committed."""

    name: str
    size: int
    small: bool
    data: bytes | None = None


class Body:
    """What an object or an upload's part consists of, byte after byte."""

    __slots__ = ("segments", "size")

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments = tuple(segment for segment in segments if segment.size)
        self.size = sum(segment.size for segment in self.segments)

    def dump(self) -> str:
        """As text for the index."""
        return json.dumps([[segment.name, segment.size, segment.small] for segment in self.segments])

    @classmethod
    def parse(cls, text: str) -> Body:
        """From the index's text."""
        return cls(Segment(str(name), int(size), bool(small)) for name, size, small in json.loads(text))

    def names(self) -> set[str]:
        """Of all segments."""
        return {segment.name for segment in self.segments}

    def settle(self) -> None:
        """The index has it now."""
        for segment in self.segments:
            segment.data = None


# macOS has no fdatasync.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def new_name() -> str:
    """A file's name; none is ever used twice."""
    return os.urandom(16).hex()


SMALL_NAME = "small-"  # no file is called so


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class Draft:
    """A body that is being written. Nothing refers to it before `finish`."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._held: list[bytes] = []
        self._file: FileIO | None = None
        self._sync: Future[None] | None = None
        self._sent = 0
        self.name = new_name()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append; a memoryview's bytes may change afterwards."""
        self.size += len(data)
        if self._file is None:
            if self.size <= SMALL:
                self._held.append(bytes(data))
                return
            self._file = FileIO(self._bodies.folder / self.name, "xb", opener=_private)
            self._write(self._file, b"".join(self._held))
            self._held.clear()
        self._write(self._file, data)
        if self.size - self._sent >= SYNC_EVERY and (self._sync is None or self._sync.done()):
            self._sent = self.size
            self._sync = _syncer.submit(_sync_data, self._file.fileno())

    @staticmethod
    def _write(file: FileIO, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]

    def finish(self) -> Body:
        """The body, on disk or small."""
        if self._file is None:
            return Body([self._bodies.small(b"".join(self._held))])
        if self._sync is not None:
            self._sync.result()
        _sync_data(self._file.fileno())
        self._file.close()
        return Body([Segment(self.name, self.size, small=False)])

    def discard(self) -> None:
        """Leave nothing of it; harmless after an error of `write` or `finish`."""
        self._held.clear()
        if self._file is not None:
            if self._sync is not None:
                wait([self._sync])
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                (self._bodies.folder / self.name).unlink(missing_ok=True)


class Reader:
    """Reads one body at any position; it can be read to its end although it is removed meanwhile."""

    def __init__(self, bodies: Bodies, body: Body) -> None:
        self._bodies = bodies
        self._names = [segment.name for segment in body.segments if not segment.small]
        self._starts = [0, *itertools.accumulate(segment.size for segment in body.segments)]
        self._segments = body.segments
        self._small: dict[int, bytes] = {}
        self._open = -1
        self._descriptor: int | None = None
        self.size = body.size

    def load_small(self, fetch: Callable[[str], bytes | None]) -> None:
        """Take the small segments' bytes now: their rows go as soon as the body is replaced."""
        for number, segment in enumerate(self._segments):
            if segment.small:
                data = segment.data
                if data is None and (data := fetch(segment.name)) is None:
                    raise BodyGone(segment.name)
                self._small[number] = data

    def small(self, number: int) -> bytes:
        """The bytes of a small segment."""
        return self._small[number]

    def read_at(self, position: int, amount: int) -> bytes:
        """Up to `amount` bytes; fewer at a segment's end, none at the body's."""
        if not 0 <= position < self.size or amount <= 0:
            return b""
        number = bisect.bisect_right(self._starts, position) - 1
        offset = position - self._starts[number]
        amount = min(amount, self._segments[number].size - offset)
        if number in self._small:
            return self._small[number][offset : offset + amount]
        data = os.pread(self._file(number), amount, offset)
        if not data:
            raise OSError(f"{self._segments[number].name} is shorter than the index says")
        return data

    def _file(self, number: int) -> int:
        if self._descriptor is None or self._open != number:
            self._close_file()
            self._descriptor = self._bodies.open_file(self._segments[number].name)
            self._open = number
        return self._descriptor

    def touch(self) -> None:
        """Open the first file, if there is any; raises BodyGone."""
        for number, segment in enumerate(self._segments):
            if not segment.small:
                self._file(number)
                return

    def _close_file(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def close(self) -> None:
        """Let go of the body; callable twice."""
        self._close_file()
        names, self._names = self._names, []
        if names:
            self._bodies.release(names)

    def __del__(self) -> None:
        self.close()


class Bodies:
    """The folder of body files. `fetch_small` reads a small body from the index."""

    def __init__(self, folder: Path, fetch_small: Callable[[str], bytes | None]) -> None:
        self.folder = folder
        self.small_numbers = itertools.count(1)
        self._fetch_small = fetch_small
        self._lock = threading.RLock()  # a Reader may be collected, hence released, at any place
        self._read: Counter[str] = Counter()
        self._doomed: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def draft(self) -> Draft:
        """An empty body to write to."""
        return Draft(self)

    def small(self, data: bytes) -> Segment:
        """A new small segment; `small_numbers` grow, so that the index adds it at its end."""
        return Segment(f"{SMALL_NAME}{next(self.small_numbers)}", len(data), small=True, data=data)

    def open_file(self, name: str) -> int:
        """A descriptor of one segment's file; raises BodyGone."""
        try:
            return os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BodyGone(name) from None

    def open(self, body: Body) -> Reader:
        """Raises BodyGone when the body has been removed."""
        names = [segment.name for segment in body.segments if not segment.small]
        with self._lock:
            if not self._doomed.isdisjoint(names):
                raise BodyGone(names[0])
            self._read.update(names)
        reader = Reader(self, body)
        try:
            reader.load_small(self._fetch_small)
            reader.touch()
        except BaseException:
            reader.close()
            raise
        return reader

    def release(self, names: Iterable[str]) -> None:
        """A reader has ended."""
        unread = []
        with self._lock:
            for name in names:
                self._read[name] -= 1
                if self._read[name] <= 0:
                    del self._read[name]
                    if name in self._doomed:
                        unread.append(name)
        self._unlink(unread)

    def link(self, body: Body) -> Body:
        """The same bytes as a body of its own: a hard link to each file."""
        made: list[Segment] = []
        reader = self.open(body)
        try:
            for number, segment in enumerate(body.segments):
                if segment.small:
                    made.append(self.small(reader.small(number)))
                else:
                    made.append(Segment(self._link_file(segment.name), segment.size, small=False))
        except BaseException:
            self.remove(Body(made).names())
            raise
        finally:
            reader.close()
        return Body(made)

    def _link_file(self, name: str) -> str:
        new = new_name()
        try:
            os.link(self.folder / name, self.folder / new)
        except FileNotFoundError:
            raise BodyGone(name) from None
        except OSError:
            # A file system without links, or a file with as many as it can have.
            draft = Draft(self)
            try:
                with open(self.folder / name, "rb") as source:  # noqa: PTH123
                    while data := source.read(1024 * 1024):
                        draft.write(data)
                draft.finish()
            except BaseException:
                draft.discard()
                raise
            return draft.name
        return new

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, those that are being read after their last reader; small ones are left to the index."""
        names = {name for name in names if not name.startswith(SMALL_NAME)}
        if not names:
            return
        with self._lock:
            self._doomed |= names
            unread = [name for name in names if not self._read.get(name)]
        self._unlink(unread)

    def _unlink(self, names: list[str]) -> None:
        for name in names:
            with suppress(OSError):  # what stays is swept at the next start
                (self.folder / name).unlink(missing_ok=True)
        with self._lock:
            self._doomed.difference_update(names)

    def sync_folder(self) -> None:
        """Bring new files' names to the disk."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sweep(self, known: Callable[[Collection[str]], set[str]]) -> tuple[int, int]:
        """Remove what no row refers to, before anything is written; returns how many that were, and how many are left.

        `known` says which of some names a row has.
        """
        orphans: list[os.DirEntry[str]] = []
        kept = 0
        entries = self._entries()
        while batch := list(itertools.islice(entries, SWEPT_AT_ONCE)):
            names = known([entry.name for entry in batch])
            kept += len(names)
            orphans += [entry for entry in batch if entry.name not in names]
        for entry in orphans:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)
        return len(orphans), kept

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self.folder) as entries:
            yield from entries
