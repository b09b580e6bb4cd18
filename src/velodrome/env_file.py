"""Files of `NAME=value` lines, as a shell reads them: read with a word on what is wrong where, written whole."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


class SettingError(ValueError):
    """A setting is missing or has a value that cannot be used; the message names it."""


def read_env_file(path: Path, problems: list[str] | None = None) -> dict[str, str]:
    """`NAME=value` lines with shell quoting and `#` comments, as a shell would read them; a quoted value may be of
    several lines. What is wrong raises SettingError; or it is told to `problems`, and the other lines are read."""
    values: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # Windows' editors begin with a mark
    except UnicodeDecodeError as error:
        _wrong(f"{path}: this is not UTF-8 text ({error.reason} at byte {error.start})", problems)
        return values
    at = 0
    while at < len(lines):
        words, end, why = _words(lines, at)
        name, equals, value = words[0].partition("=") if words else ("", "=", "")
        if not why and (not equals or len(words) > 1):
            # The value may be a password.
            begun, equals, _ = lines[at].partition("=")
            why = f"expected NAME=value, quoted if it contains blanks: {begun + ('=…' if equals else '')!r}"
        if why:
            _wrong(f"{path}:{at + 1}: {why}", problems)
        elif words:
            values[name] = value
        at = end
    return values


def _words(lines: list[str], at: int) -> tuple[list[str], int, str]:
    """The words of the line at `at`, with the lines that its quotes reach over; where the next begins; what is
    wrong."""
    why = ""
    for end in range(at + 1, len(lines) + 1):
        try:
            return shlex.split("\n".join(lines[at:end]), comments=True), end, ""
        except ValueError as error:
            why = why or str(error)
        if "quot" not in why:
            break
    return [], at + 1, why


def _wrong(text: str, problems: list[str] | None) -> None:
    if problems is None:
        raise SettingError(text)
    problems.append(text)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(file)
