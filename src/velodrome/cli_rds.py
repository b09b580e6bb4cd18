"""`velodrome rds`: the source database by itself, and its extensions for a PostgreSQL of your own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from velodrome import alone
from velodrome.console import clear_errors, project_settings
from velodrome.console import errors as error_console
from velodrome.postgres import PostgresError
from velodrome.rds import install_extension as extension
from velodrome.runtime.install import InstallError
from velodrome.settings import SettingError

app = typer.Typer(invoke_without_command=True, help="The source database alone, or its extensions alone.")
console = Console(soft_wrap=True)

_KNOWN_ERRORS = (SettingError, InstallError, PostgresError, OSError)

_NEXT = "Next, in each database, as its owner: CREATE EXTENSION aws_s3 CASCADE"


@app.callback()
def start(context: typer.Context) -> None:
    """Run the source database in the foreground; Ctrl-C stops it."""
    if context.invoked_subcommand is not None:
        return
    with clear_errors(*_KNOWN_ERRORS):
        alone.run("source", alone.prepare("source"))


def _sharedir(pg_config: Path | None) -> Path:
    found = pg_config or shutil.which("pg_config")
    if found is None:
        raise PostgresError("there is no pg_config on PATH: name your server's with --pg-config")
    return extension.sharedir_of(Path(found))


@app.command()
def install_extension(
    pg_config: Annotated[
        Path | None, typer.Option(help="The server's pg_config, which says where its files are; else the one on PATH.")
    ] = None,
    sharedir: Annotated[Path | None, typer.Option(help="The server's share folder; no pg_config is asked.")] = None,
    config_file: Annotated[
        Path | None, typer.Option(help="AWS config file with endpoint and keys; else the setting AWS_CONFIG_FILE.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Its profile; else the setting AWS_PROFILE.")] = None,
    import_role: Annotated[str | None, typer.Option(help="ARN of the role to read S3 with, if not the keys")] = None,
    export_role: Annotated[str | None, typer.Option(help="ARN of the role to write S3 with, if not the keys")] = None,
    server_user: Annotated[
        str | None, typer.Option(help="Whom the server runs as; else its files' owner, for root's: postgres.")
    ] = None,
) -> None:
    """Put the extensions aws_s3 and aws_commons into the folders of a PostgreSQL, 15 or later."""
    with clear_errors(*_KNOWN_ERRORS):
        target = sharedir or _sharedir(pg_config)
        if config_file is None or profile is None:
            settings = project_settings()
            config_file = config_file or settings.path("AWS_CONFIG_FILE")
            profile = profile or settings["AWS_PROFILE"]
        user = extension.user_of(target, server_user)
        changed = extension.install(target, config_file, profile, import_role=import_role, export_role=export_role)
        for file in changed:
            console.print(f"written: {file}", markup=False, highlight=False)
        if not changed:
            console.print(f"all of it is in {target} already", markup=False, highlight=False)
        for warning in extension.unreachable(user, config_file):
            error_console.print(f"velodrome: warning: {warning}", style="yellow", markup=False, highlight=False)
        console.print(_NEXT, markup=False, highlight=False)
