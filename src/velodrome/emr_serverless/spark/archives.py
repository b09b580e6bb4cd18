"""Unpacks a job's archives, such as a packed Python environment, into a folder of its own and nowhere else."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

_TARS = (".tar.gz", ".tgz", ".tar")
_ZIPS = (".zip", ".jar")


class ArchiveError(Exception):
    """An archive cannot be unpacked; the message names it and says why."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar.gz, .tgz, .tar, .zip or .jar, which Spark knows too, into a new folder; raises ArchiveError."""
    folder.mkdir(parents=True)
    try:
        if archive.name.endswith(_TARS):
            _untar(archive, folder)
        elif archive.name.endswith(_ZIPS):
            _unzip(archive, folder)
        else:
            raise ArchiveError(f"{archive.name} is no archive: .jar, .tar.gz, .tgz and .zip are")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise ArchiveError(f"{archive.name} cannot be unpacked: {error}") from error


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "r:" if archive.name.endswith(".tar") else "r:gz") as packed:
        # Python's filter "data" refuses links to absolute paths, which every packed virtual environment has
        # (bin/python); Python before 3.11.4 has no filters at all. So where a member goes is checked here.
        packed.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        for member in packed:
            target = _target(archive, folder, member.name)
            if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                raise ArchiveError(f"{archive.name} has a device, {member.name}")
            if member.islnk():
                source = _target(archive, folder, member.linkname)
                if source.is_symlink():
                    raise ArchiveError(f"{archive.name}: {member.name} is a second name of a link, {member.linkname}")
            if target.is_symlink() or (target.exists() and not member.isdir()):
                target.unlink()
            # The job's own user must be able to read, and to remove, all of it; nothing is set-uid.
            member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
            packed.extract(member, folder)


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            target = _target(archive, folder, member.filename)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            mode = member.external_attr >> 16
            with packed.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            if mode & 0o111:
                target.chmod(0o755)


def _target(archive: Path, folder: Path, name: str) -> Path:
    """Where a member of this name goes; raises ArchiveError if it is outside the folder, also through a link."""
    target = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not _inside(target.parent, folder):
        raise ArchiveError(f"{archive.name} has a member outside of it, {name}")
    return target


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
