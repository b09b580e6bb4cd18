"""What a backup takes of a copy: its parts, what in them is scratch, and how folders are read and written as entries.

A part is a path below VELODROME_HOME, which is the same in both runtimes, and so are the names of its entries:
`data/source/PG_VERSION`. Entries stream: an entry's body can be read until the next entry is asked for.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class BackupError(RuntimeError):
    """A backup cannot be made or restored; the message names the file or setting and says what to do."""


class Body(Protocol):
    """What a file holds."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, none at the end."""


Entry = tuple[tarfile.TarInfo, Body | None]
Entries = Iterator[Entry]


@dataclass(frozen=True)
class Part:
    """A folder that a backup takes. `service` is the one of docker-compose.yml that sees it; `scratch` are names in it
    that are made anew at each start or when they are needed, or name this machine's paths, processes and passwords."""

    name: str
    service: str
    scratch: frozenset[str] = frozenset()


_EMR_SERVERLESS = frozenset({"scratch", "lock", "packages", "history-server", "reserve"})
_POSTGRES = frozenset({"postmaster.pid", "postmaster.opts", "s3pipe", "s3pipe.new", "s3pipe.d"})

PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part("dataset", "prepare"),
        Part("data/airflow-db", "airflow-db", _POSTGRES),
        Part("data/redshift", "redshift", _POSTGRES),
        Part("data/s3", "s3", frozenset({"tmp", "cache", "home", "root", "lock"})),
        Part(
            "data/emr-serverless",
            "emr-serverless",
            frozenset({"scratch", "lock", "packages", "history-server", "reserve"}),
        ),
        Part("data/airflow", "airflow-init", frozenset({"airflow.cfg", "passwords.json"})),
        # The last: by its folder a copy is known to hold data.
        Part("data/source", "source", _POSTGRES),
    )
}
CLUSTERS = ("data/source", "data/airflow-db", "data/redshift")


def part_of(name: str) -> Part | None:
    """The part that an entry of this name lies in, or that it is."""
    words = name.split("/")
    return PARTS.get("/".join(words[:2] if words[0] == "data" else words[:1]))


def _is_scratch(part: Part, name: str) -> bool:
    first = name.removeprefix(part.name).lstrip("/").split("/")[0]
    # A server's socket has a file beside it that names its process.
    return first in part.scratch or (part.name in CLUSTERS and first.startswith(".s.PGSQL."))


def private(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry as it is kept: its name, kind, size and time, for its owner alone. PostgreSQL refuses a data folder
    that others can enter."""
    kept = tarfile.TarInfo(info.name)
    kept.type = tarfile.DIRTYPE if info.isdir() else tarfile.REGTYPE
    kept.size = 0 if info.isdir() else info.size
    kept.mode = 0o700 if info.isdir() or info.mode & 0o100 else 0o600
    kept.mtime = int(info.mtime) if 0 < info.mtime < 1 << 33 else 0  # a header can say anything, also nan
    return kept


def kept(part: Part, entries: Entries) -> Entries:
    """The regular files and folders of a part that are no scratch."""
    for info, body in entries:
        if _is_scratch(part, info.name):
            continue
        if info.isdir() or info.isreg():
            yield private(info), body
        elif f"{part.name}/pg_tblspc/" in info.name:
            raise BackupError(
                f"{info.name} is a tablespace, which lies elsewhere: a backup would lack its tables. "
                "Move them (ALTER TABLE … SET TABLESPACE pg_default) and drop it"
            )


def read_folder(home: Path, name: str) -> Entries:
    """Everything at and below a path of VELODROME_HOME, folders before what is in them; nothing if it is not there."""
    path = home / name
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
        yield info, None
        for child in sorted(path.iterdir()):
            yield from read_folder(home, f"{name}/{child.name}")
    elif stat.S_ISREG(found.st_mode):
        info.size = found.st_size
        with path.open("rb") as stream:
            yield info, stream
    else:
        info.type = tarfile.SYMTYPE if stat.S_ISLNK(found.st_mode) else tarfile.FIFOTYPE
        yield info, None


def write_folder(home: Path, entries: Entries) -> None:
    """Write entries below an empty folder of ours. Each is made anew: nothing that is there is followed or changed."""
    for info, body in entries:
        path = home / info.name
        try:
            if body is None:
                path.mkdir(mode=info.mode)
                continue
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, info.mode)
            with os.fdopen(descriptor, "wb") as stream:
                shutil.copyfileobj(body, stream, 1 << 20)
        except OSError as error:
            raise BackupError(
                f"{info.name} cannot be written ({error.strerror}): is the file spoilt, or the disk full? "
                "VELODROME_HOME can be on another"
            ) from error


def linux_name(machine: str) -> str:
    """A machine architecture's name on Linux, whoever names it: Docker, macOS."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())


def forget_members(tar: tarfile.TarFile) -> None:
    """Let a tar that streams remember nothing: it keeps a list of its members, of which S3 may have a million."""
    tar.members = []  # type: ignore[attr-defined]


def size_text(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"


def single_file(entries: Entries) -> str:
    """The text of the one file among the entries; empty if it is not there."""
    text = ""
    for _, body in entries:
        if body is not None:
            text = body.read(1 << 16).decode("utf-8")
    return text
