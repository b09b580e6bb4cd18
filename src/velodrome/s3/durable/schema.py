"""The index's tables and their format number: check it before anything is touched, and bring older folders forward."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "index.db"
APPLICATION = 0x56453353  # "VE3S"
FORMAT = 2
_OLDEST = 1

# Text compares by its UTF-8 bytes here, which is S3's order of keys. The larger `place`, the newer the version: one of
# each key is its `latest`. Listings of objects read `live` alone, those of versions `history`, both from where a page
# begins. `file` has the names of all body files, so that those which nothing names are found without reading all else.
_OBJECTS = """
CREATE TABLE object (
    place INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL,
    latest INTEGER NOT NULL, marker INTEGER NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL, class TEXT NOT NULL,
    algorithm TEXT NOT NULL, checksum TEXT NOT NULL, restore TEXT NOT NULL,
    body TEXT, data TEXT NOT NULL
);
CREATE INDEX history ON object (bucket, key, place DESC, version);
CREATE UNIQUE INDEX live ON object (bucket, key, size, etag, modified, class, algorithm, checksum, restore)
    WHERE latest = 1 AND marker = 0;
CREATE TABLE file (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_ENTRY = """
CREATE TABLE entry (
    kind TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL,
    place INTEGER NOT NULL, body TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, bucket, name, detail)
) WITHOUT ROWID;
CREATE TABLE small (number INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


class FormatError(RuntimeError):
    """The folder holds something that this release cannot read; the message names it."""


def check_format(folder: Path) -> None:
    """Refuse a folder of an unknown format. Raises FormatError; a folder without an index is fine."""
    file = folder / FILE
    if not file.exists():
        return
    try:
        connection = sqlite3.connect(file)
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise FormatError(
            f"{file} cannot be read ({error}); restore a backup of {folder} or remove the folder"
        ) from None
    if empty and not application and not version:
        return  # its making was cut off before the first commit
    if application != APPLICATION:
        raise FormatError(f"{file} is not an index of S3; VELODROME_HOME names a folder of something else")
    if not _OLDEST <= version <= FORMAT:
        raise FormatError(
            f"{folder} is of format {version}, and this release reads format {FORMAT}; "
            "use the release that wrote it, or set VELODROME_HOME to another folder"
        )


def bring_forward(connection: sqlite3.Connection) -> None:
    """Make a new index, or one of an older format into this one: whole or not at all."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == FORMAT:
        return
    run = connection.execute
    run("BEGIN IMMEDIATE")
    try:
        for statement in ((_ENTRY if version == 0 else "") + _OBJECTS).split(";"):
            run(statement)
        if version == 1:
            _from_1(connection)
        run(f"PRAGMA application_id = {APPLICATION}")
        run(f"PRAGMA user_version = {FORMAT}")
        run("COMMIT")
    except BaseException:
        if connection.in_transaction:
            run("ROLLBACK")
        raise


def _from_1(connection: sqlite3.Connection) -> None:
    """Format 1 had the versions of objects among the other entries, in no order that a listing could use."""

    def rows() -> Iterator[tuple[Any, ...]]:
        found = connection.execute(
            "SELECT ROW_NUMBER() OVER (ORDER BY place), bucket, name, detail, "
            "place = MAX(place) OVER (PARTITION BY bucket, name), body, data FROM entry WHERE kind = 'object'"
        )
        for place, bucket, key, version, latest, body, data in found:
            yield (place, bucket, key, version, latest, *listed(json.loads(data)), body, data)

    connection.executemany(f"INSERT INTO object VALUES ({', '.join('?' * 15)})", rows())  # noqa: S608 - ours
    connection.execute("DELETE FROM entry WHERE kind = 'object'")
    bodies = connection.execute(
        "SELECT body FROM object WHERE body IS NOT NULL UNION ALL SELECT body FROM entry WHERE body IS NOT NULL"
    )
    names = ((str(name),) for (body,) in bodies for name, _, small in json.loads(body) if not small)
    connection.executemany("INSERT OR IGNORE INTO file VALUES (?)", names)


def listed(read: dict[str, Any]) -> tuple[int, int, str, str, str, str, str, str]:
    """What a listing shows of a version, from its data as plain JSON: the columns from `marker` to `restore`."""
    fields = read["fields"]
    spelled = fields["last_modified"]
    modified = datetime.fromisoformat(spelled["$datetime"])
    modified = modified.astimezone(UTC) if modified.tzinfo else modified
    return (
        int(read["type"] == "S3DeleteMarker"),
        fields.get("size") or 0,
        fields.get("etag") or "",
        modified.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        fields.get("storage_class") or "",
        fields.get("checksum_algorithm") or "",
        fields.get("checksum_type") or "",
        fields.get("restore") or "",
    )
