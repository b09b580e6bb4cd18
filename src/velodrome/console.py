"""What the console's commands do alike: they need a project, and tell an error that a user can mend in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from velodrome.settings import SettingError, Settings, load, user_environ

errors = Console(stderr=True, soft_wrap=True)


@contextmanager
def clear_errors(*known: type[Exception]) -> Iterator[None]:
    """One clear message and exit code 1 for what a user can mend; a traceback is for our own mistakes."""
    try:
        yield
    except known as error:
        errors.print(f"velodrome: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error


def project_settings() -> Settings:
    """The settings of the project that we are in. Raises SettingError."""
    settings = load(user_environ())
    if not settings["VELODROME_PROJECT"]:
        raise SettingError(
            "no project here: run velodrome in a folder with env/local.env, or set VELODROME_PROJECT to one"
        )
    return settings
