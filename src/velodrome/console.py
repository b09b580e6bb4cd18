"""What the console's commands do alike: they need a project, and tell an error that a user can mend in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from velodrome.runtime.refusals import refuse, refuse_profile
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


def project_settings(mended: bool = False) -> Settings:
    """The settings of the project that we are in. Raises SettingError.

    `mended`, for commands that must work when settings are broken: defaults stand in for what cannot be used, and a
    line says of each what is wrong.
    """
    wrong: list[str] | None = [] if mended else None
    settings = load(user_environ(), problems=wrong)
    for problem in wrong or ():
        errors.print(f"velodrome: warning: {problem}", style="yellow", markup=False, highlight=False)
    if not settings["VELODROME_PROJECT"]:
        raise SettingError(
            "no project here: run velodrome in a folder with env/local.env, or set VELODROME_PROJECT to one"
        )
    refuse_profile(settings)
    return settings


def settings_to_start() -> Settings:
    """The same, for commands that start services: everything that is wrong is refused at once."""
    settings = project_settings()
    refuse(settings)
    return settings
