"""The startup parameter `options`: read as the server inside would, so that it sets nothing that SET could not.

    -c name=value --name=value

https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-SHELL
"""

from __future__ import annotations

import re

from velodrome.redshift.sql import parameters
from velodrome.redshift.sql.settings import FIXED

_WORD = re.compile(r"(?:[^ \t\n\r\f\v\\]|\\.)+", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class OptionError(ValueError):
    """An option that is not taken; `code` is its SQLSTATE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def checked(options: str) -> str:
    """The same options under the names that the server inside has for them; raises OptionError."""
    words = [re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL) for word in _WORD.findall(options)]
    found: list[str] = []
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            assigned = word[2:]
        elif word.startswith("-c"):
            assigned = word[2:] or (words.pop(0) if words else "")
        else:
            raise OptionError("42601", f"invalid command-line argument for server process: {word}")
        name, equals, value = assigned.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise OptionError("42601", f"{word} requires a value" if name else f"invalid option {word}")
        found.append(f"-c {_setting(name.replace('-', '_').lower(), value)}")
    return " ".join(found)


def _setting(name: str, value: str) -> str:
    if name.upper() in FIXED:
        raise OptionError("0A000", f"changing {name} is not supported")
    if name.startswith("velodrome.") or name in ("role", "session_authorization"):
        raise OptionError("42704", f'unrecognized configuration parameter "{name}"')
    if name in parameters.OWN:
        problem = parameters.problem(name, value)
        if problem is not None:
            raise OptionError(*problem)
        name, value = f"velodrome.{name}", parameters.normal(name, value)
    return re.sub(r"([ \t\n\r\f\v\\])", r"\\\1", f"{name}={value}")
