"""One service by itself, in the foreground: what `velodrome rds`, `redshift` and `emr-serverless` do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from velodrome.console import settings_to_start
from velodrome.runtime.install import bin_folder, ensure
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.services import SERVICES, command
from velodrome.settings import Settings, service_environ

console = Console(soft_wrap=True)


def prepare(name: str, *further_installs: str, given: Settings | None = None) -> Settings:
    """Install what the service needs, and say how far that is; the settings that it will have: the project's own, or
    `given` ones."""
    settings = prepare_home(given or settings_to_start())
    for install in (SERVICES[name].install, *further_installs):
        ensure(install, settings, partial(_say, install))
    return settings


def _say(install: str, text: str) -> None:
    console.print(f"install {install}: {text}", markup=False, highlight=False)


def run(name: str, settings: Settings, lines: Sequence[str] = ()) -> None:
    """Become the service, after a word on how to reach it; Ctrl-C stops it."""
    for line in lines:
        console.print(line, markup=False, highlight=False)
    service = SERVICES[name]
    environ = service_environ(settings, service.secrets)
    environ["PATH"] = f"{bin_folder(service, settings)}:{environ['PATH']}"
    os.chdir(settings.project)
    arguments = command(service, settings)
    os.execve(arguments[0], arguments, environ)  # noqa: S606 - a list, no shell of ours
