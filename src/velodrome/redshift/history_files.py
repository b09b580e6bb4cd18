"""The files of the history: lines are appended, old ones make room, and whoever reads takes whole lines only.

A reader may meet a line being written: so a line is ASCII, which can be cut anywhere, and END is its last field.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

# Control characters that stand for others, so that a line is a line and a field a field; text has none of them.
SEPARATOR = "\x1f"
END = "."
_NEWLINE, _RETURN = "\x1e", "\x1d"
_CLEAN = str.maketrans(
    {chr(code): " " for code in range(32) if chr(code) != "\t"} | {"\n": _NEWLINE, "\r": _RETURN, SEPARATOR: " "}
)

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_LARGEST = 4 << 20  # of a file; two of them hold 40,000 short statements, which a view reads in a second
_TAIL = 1 << 20


def clean(text: str) -> str:
    """As it can stand in a field; catalog/40_history.sql reads it back with unistr()."""
    if not text.isprintable():
        text = text.translate(_CLEAN)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text if text.isascii() else _NOT_ASCII.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    number = ord(found.group())
    if 0xD800 <= number < 0xE000:  # half a character
        return "?"
    return f"\\{number:04X}" if number < 0x10000 else f"\\+{number:06X}"


def replace_file(path: Path, data: bytes, owner: tuple[int, int] | None) -> None:
    """A reader sees the old content or the new one, never a part."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    if owner is not None:
        os.chown(draft, *owner)
    draft.replace(path)


class Journal:
    """KIND.log, and KIND.old before it: both always exist, since the foreign tables read them by name."""

    def __init__(self, folder: Path, kind: str, owner: tuple[int, int] | None) -> None:
        self._path, self._old = folder / f"{kind}.log", folder / f"{kind}.old"
        self._owner = owner
        self._torn = ""
        for path in (self._path, self._old):
            if not path.exists():
                replace_file(path, b"", owner)
        self._cut_half_a_line()

    def _cut_half_a_line(self) -> None:
        """What a killed process has left at the end."""
        data = self._path.read_bytes()
        if data and not data.endswith(b"\n"):
            os.truncate(self._path, data.rfind(b"\n") + 1)

    def append(self, lines: Sequence[str]) -> None:
        data = (self._torn + "\n".join(lines) + "\n").encode("ascii")
        if self._path.stat().st_size + len(data) > _LARGEST:
            self._rotate()
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._torn = "\n"  # where the disk is full, half a line may be left
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            self._torn = ""
        finally:
            os.close(file)

    def _rotate(self) -> None:
        draft = self._old.with_suffix(".rotated")
        draft.unlink(missing_ok=True)
        os.link(self._path, draft)
        draft.replace(self._old)
        replace_file(self._path, b"", self._owner)

    def last_number(self) -> int:
        """The largest first field of the last lines; 0 if there is none."""
        numbers = [0]
        for path in (self._old, self._path):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL))
                tail = file.read().decode("utf-8", "replace")
            firsts = [line.split(SEPARATOR, 1)[0] for line in tail.split("\n")]
            numbers += [int(first) for first in firsts if first.isdecimal()]
        return max(numbers)
