"""Installs by content: a folder's name says what it was made from, and it goes when no copy uses it.

Several copies may share one folder of installs. What one of them runs stands in its home as links, run/installs/NAME,
which no other copy changes; installs/NAME is a link to what was made or asked for last, for people and their commands.
`copies/` in the folder of installs says which homes there are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from velodrome.settings import Settings

STAMP = ".velodrome-stamp"
_COPIES = "copies"
_MADE = re.compile(r"(?P<name>.+)-(?:[0-9a-f]{12}|(?<=cli-)[0-9]+)")


@contextlib.contextmanager
def locked(file: Path, wait: bool = True) -> Iterator[bool]:
    """Two copies may share one folder of installs; the second waits for the first and then finds the work done.
    Without `wait`: whether nobody else has it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def lock_of(name: str, settings: Settings) -> Path:
    """The file that is locked while an install of this name is made, used for the first time or removed."""
    return settings.installs / f"{name}.lock"


def folder(name: str, fingerprint: str, settings: Settings) -> Path:
    """Where an install of this name lies; the fingerprint (SHA-256) is of all that it is made from."""
    return settings.installs / f"{name}-{fingerprint[:12]}"


def adopt(name: str, target: Path, stamp: str, text: str, settings: Settings) -> None:
    """Take over what lies in installs/NAME itself, as earlier versions made it, if its stamp says the same. What was
    started from there goes on: the link leads to it."""
    former = settings.installs / name
    file = former / stamp
    if not former.is_symlink() and file.is_file() and file.read_text(encoding="utf-8") == text and not target.exists():
        former.rename(target)
        former.symlink_to(target.name)


def use(name: str, made: Path, settings: Settings, shown: bool = True) -> None:
    """Have this copy use a folder from now on; nobody removes it then. `shown`: as installs/NAME too."""
    view = settings.home / "run" / "installs"
    view.mkdir(parents=True, exist_ok=True)
    copies = settings.installs / _COPIES
    copies.mkdir(parents=True, exist_ok=True)
    mine = copies / hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
    mine.write_text(str(settings.home), encoding="utf-8")
    _link(view / name, made)
    if shown:
        _link(settings.installs / name, Path(made.name))


def use_own_command(settings: Settings) -> None:
    """The environment that this process runs from is used too: what supervises the services comes from it."""
    own = Path(sys.prefix)
    if own.parent == settings.installs:
        use("cli", own, settings, shown=False)


def _link(link: Path, target: Path) -> None:
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)  # as earlier versions made it, from other requirements
    draft = link.with_name(f".{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


def users(settings: Settings) -> dict[Path, set[Path]]:
    """The homes of all copies, each with the folders that it uses; homes that are gone are forgotten."""
    found: dict[Path, set[Path]] = {}
    for file in sorted((settings.installs / _COPIES).glob("*")):
        home = Path(file.read_text(encoding="utf-8"))
        view = home / "run" / "installs"
        if view.is_dir():
            found[home] = {link.resolve() for link in view.iterdir()}
        else:
            file.unlink(missing_ok=True)
    return found


def remove_unused(settings: Settings) -> None:
    """Remove folders that no copy uses and that installs/NAME does not show."""
    shown = {entry.resolve() for entry in _entries(settings) if entry.is_symlink()}
    _remove(settings, shown.union(*users(settings).values()))


def remove_all(settings: Settings) -> list[Path]:
    """Remove every install that no other copy uses; the homes of the others are returned."""
    others = {home: used for home, used in users(settings).items() if home != settings.home}
    _remove(settings, set[Path]().union(*others.values()))
    for entry in _entries(settings):
        if entry.is_symlink() and not entry.exists():
            entry.unlink()
    if not others:
        shutil.rmtree(settings.installs / _COPIES, ignore_errors=True)
        for file in settings.installs.glob("*.lock"):
            file.unlink()
        with contextlib.suppress(OSError):  # what is not ours stays, and so does the folder
            settings.installs.rmdir()
    return sorted(others)


def _remove(settings: Settings, used: set[Path]) -> None:
    for entry in _entries(settings):
        made = _MADE.fullmatch(entry.name)
        if made and entry.is_dir() and not entry.is_symlink() and entry.resolve() not in used:
            with locked(lock_of(made["name"], settings), wait=False) as mine:
                if mine:
                    shutil.rmtree(entry)


def _entries(settings: Settings) -> list[Path]:
    return sorted(settings.installs.iterdir()) if settings.installs.is_dir() else []
