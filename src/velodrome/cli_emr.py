"""`velodrome emr`: the releases of EMR Serverless that jobs can run with."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from velodrome.console import clear_errors, project_settings
from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark.releases import DEFAULT, RELEASES, find
from velodrome.runtime.install import InstallError, ensure_release
from velodrome.runtime.progress import Progress
from velodrome.settings import SettingError

app = typer.Typer(no_args_is_help=True, help="Releases of EMR Serverless: which there are, and how to get one.")
console = Console(soft_wrap=True)

_KNOWN_ERRORS = (SettingError, InstallError, ValidationException, OSError)


@app.command()
def releases() -> None:
    """Show each release label with its versions, and which are installed."""
    with clear_errors(*_KNOWN_ERRORS):
        installs = project_settings().installs
        table = Table(box=None, header_style="bold")
        for name in ("release", "Spark", "Delta", "Scala", "installed"):
            table.add_column(name)
        for release in RELEASES.values():
            here = "yes" if release.installed(installs) else ""
            label = f"{release.label} (default)" if release == DEFAULT else release.label
            table.add_row(label, release.spark, release.delta, release.line.scala, here)
        console.print(table)


@app.command()
def install(
    labels: Annotated[list[str], typer.Argument(help="Release labels, such as emr-7.12.0.", metavar="LABEL...")],
) -> None:
    """Install releases; what is there already stays as it is."""
    with clear_errors(*_KNOWN_ERRORS):
        settings = project_settings()
        wanted = [find(label) for label in labels]
        begin = time.monotonic()
        with Progress(console) as progress:
            for release in wanted:
                title = f"install {release.label}"
                with progress.step(title):
                    if not ensure_release(release, settings, partial(progress.say, title)):
                        progress.say(title, "already installed")
        named = ", ".join(release.label for release in wanted)
        console.print(
            f"Ready in {time.monotonic() - begin:.0f} s: {named}. Applications with this release label run their jobs "
            "with it from now on.",
            markup=False,
            highlight=False,
        )
