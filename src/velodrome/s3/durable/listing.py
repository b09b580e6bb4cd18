"""Pages of a bucket's keys and versions, in S3's order, each read from where it begins; folders are jumped over.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ListingKeysUsingAPIs.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-prefixes.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from velodrome.s3.durable.index import Run

_LAST = "\U0010ffff"


class Version(NamedTuple):
    """One line of a listing; `place` tells versions of a key apart, `version` is `null` where there are none."""

    key: str
    size: int
    etag: str
    modified: str
    storage_class: str
    algorithm: str
    checksum: str
    restore: str
    place: int = 0
    version: str = "null"
    latest: bool = True
    marker: bool = False


T = TypeVar("T", bound=tuple[Any, ...])


@dataclass(slots=True)
class Page(Generic[T]):
    """What one answer has: lines and folders, `last` of both, and where the next page begins, if there is one."""

    lines: list[T] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    last: T | str | None = None
    next_key: str | None = None


def after(text: str) -> str | None:
    """The first of all texts that come after those beginning with `text`, in order of UTF-8; None: there is none."""
    kept = text.rstrip(_LAST)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def following(text: str) -> str:
    """The next of all texts."""
    return text + "\0"


def folder_of(key: str, prefix: str, delimiter: str) -> str | None:
    """What the key is shown as in place of itself: all up to the first delimiter behind the prefix."""
    if not delimiter or (end := key.find(delimiter, len(prefix))) < 0:
        return None
    return key[: end + len(delimiter)]


def page(
    lines: Callable[[str], Iterable[tuple[Any, ...]]],
    first: Callable[[str], str | None],
    make: Callable[[tuple[Any, ...]], T],
    begin: str,
    prefix: str,
    delimiter: str,
    limit: int,
) -> Page[T]:
    """Up to `limit` lines and folders.

    `lines` gives what there is from a key on, in order, within the prefix: tuples with the key in front, of which those
    that are shown are given to `make`. `first` gives but the key of the first of them: where there is a folder, another
    one is likely to follow.
    """
    found: Page[T] = Page()
    position: str | None = begin if limit else None
    skip, width, count = len(prefix), len(delimiter), 0
    among_folders = False
    while position is not None:
        folder = None
        if among_folders:
            if (key := first(position)) is None or count == limit:
                found.next_key = key
                break
            if (end := key.find(delimiter, skip)) >= 0:
                folder = key[: end + width]
                count += 1
        if folder is None:
            for line in lines(position):
                if count == limit:
                    found.next_key = line[0]
                    return found
                count += 1
                key = line[0]
                if delimiter and (end := key.find(delimiter, skip)) >= 0:
                    folder = key[: end + width]
                    break
                found.last = made = make(line)
                found.lines.append(made)
        if folder is None:
            break
        found.last = folder
        found.folders.append(folder)
        position, among_folders = after(folder), True
    return found


_SHOWN = "key, size, etag, modified, class, algorithm, checksum, restore"


def _within(prefix: str) -> tuple[str, tuple[str, ...]]:
    """The condition that keys begin so, and its values, beside that they are not less than the prefix."""
    end = after(prefix) if prefix else None
    return ("", ()) if end is None else ("AND key < ?", (end,))


def objects(run: Run, bucket: str, begin: str, prefix: str, delimiter: str, limit: int) -> Page[Version]:
    """Keys whose latest version is no delete marker, from `begin` on."""
    where, values = _within(prefix)
    there = (
        "FROM object INDEXED BY live "
        f"WHERE latest = 1 AND marker = 0 AND bucket = ? AND key >= ? {where} ORDER BY key LIMIT ?"
    )
    query, peek = f"SELECT {_SHOWN}, 0, 'null', 1, 0 {there}", f"SELECT key {there}"

    def lines(position: str) -> Iterable[tuple[Any, ...]]:
        return run(query, (bucket, position, *values, limit + 1))

    def first(position: str) -> str | None:
        return _only(run(peek, (bucket, position, *values, 1)).fetchone())

    return page(lines, first, Version._make, max(begin, prefix), prefix, delimiter, limit)


def _only(row: tuple[str] | None) -> str | None:
    return None if row is None else row[0]


def versions(
    run: Run, bucket: str, begin: str, older_than: int | None, prefix: str, delimiter: str, limit: int
) -> Page[Version]:
    """All versions, the newest of a key first, from the key `begin` on; of that key those older than a place."""
    where, values = _within(prefix)
    columns = f"{_SHOWN}, place, version, latest, marker"
    shown = f"SELECT {columns} FROM object INDEXED BY history WHERE bucket = ?"  # noqa: S608 - ours
    there = f"AND key >= ? {where} ORDER BY key, place DESC LIMIT ?"
    query = f"{shown} {there}"
    peek = f"SELECT key FROM object INDEXED BY history WHERE bucket = ? {there}"  # noqa: S608 - ours

    def lines(position: str) -> Iterable[tuple[Any, ...]]:
        if older_than is None or position != begin or not begin.startswith(prefix):
            return run(query, (bucket, position, *values, limit + 1))
        of_key = f"{shown} AND key = ? AND place < ? ORDER BY place DESC LIMIT ?"
        rest = run(of_key, (bucket, begin, older_than, limit + 1))
        return chain(rest, run(query, (bucket, following(begin), *values, limit + 1)))

    def first(position: str) -> str | None:
        return _only(run(peek, (bucket, position, *values, 1)).fetchone())

    return page(lines, first, Version._make, max(begin, prefix), prefix, delimiter, limit)


def place_of(run: Run, bucket: str, key: str, version: str, is_older: Callable[[str], bool]) -> int | None:
    """The place of a version, or one between its neighbours if it is gone; None: nothing is known of it.

    `is_older` says of another version's name whether it was made before the one that is gone.
    """
    query = "SELECT place, version FROM object INDEXED BY history WHERE bucket = ? AND key = ? ORDER BY place DESC"
    rows = run(query, (bucket, key)).fetchall()
    for place, name in rows:
        if name == version:
            return int(place)
    for place, name in rows:
        if is_older(name):
            return int(place) + 1
    return None
