"""`velodrome redshift`: the warehouse by itself, its PostgreSQL inside, in a project or in any folder.

In a project it runs from that project's own installs. Anywhere else from the interpreter that runs this, so that
`pip install 'velodrome[redshift]'` is all it takes; nothing of the console is imported then.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from velodrome.console import clear_errors
from velodrome.runtime.install import InstallError
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.refusals import refuse
from velodrome.settings import SECRETS_FILE, SettingError, Settings, load, service_environ, user_environ

HOME = ".velodrome"  # in the current folder, unless --data names another


class StartError(RuntimeError):
    """The warehouse cannot start; the message says what to change."""


def redshift(
    port: Annotated[int | None, typer.Option(help="Port to listen on; else the setting REDSHIFT_PORT (5439).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of data and password; else VELODROME_HOME.")] = None,
    api_port: Annotated[int | None, typer.Option(help="Port of its AWS APIs; else REDSHIFT_API_PORT (4568).")] = None,
) -> None:
    """Run the warehouse alone, in the foreground; Ctrl-C stops it. (`velodrome psql redshift` is a prompt on it.)"""
    with clear_errors(SettingError, StartError, InstallError, OSError):
        settings = _settings({"REDSHIFT_PORT": port, "REDSHIFT_API_PORT": api_port}, data)
        refuse(settings)
        for name, option in (("REDSHIFT_PORT", "--port"), ("REDSHIFT_API_PORT", "--api-port")):
            _refuse_taken(settings["LISTEN_ADDRESS"], settings.integer(name), option)
        if settings["VELODROME_PROJECT"]:
            from velodrome import alone  # needs the console's packages

            settings = alone.prepare("redshift", given=settings)
            alone.run("redshift", settings, lines(settings))
        _run_here(settings)


def _settings(ports: Mapping[str, int | None], data: Path | None) -> Settings:
    environ = user_environ()
    known = load(environ)
    environ |= {name: str(port) for name, port in ports.items() if port is not None}
    if known["VELODROME_PROJECT"]:
        environ["VELODROME_INSTALLS"] = str(known.installs)  # stays where it is, wherever the data goes
    if data is not None:
        environ["VELODROME_HOME"] = str(data)
    elif not known["VELODROME_PROJECT"]:
        environ.setdefault("VELODROME_HOME", HOME)
    return load(environ)


def _refuse_taken(host: str, port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"port {port} cannot be used ({error.strerror}): choose another with {option}, or stop what uses it"
            ) from error


def lines(settings: Settings) -> tuple[str, ...]:
    """How to connect."""
    place = f"{settings['REDSHIFT_HOST']}:{settings['REDSHIFT_PORT']}/{quote(settings['REDSHIFT_DATABASE'], safe='')}"
    return (
        f"Redshift: postgresql://{quote(settings['REDSHIFT_USER'], safe='')}@{place}",
        f"Password: REDSHIFT_PASSWORD in {settings.home / SECRETS_FILE}",
        f"AWS APIs: {settings['REDSHIFT_API_ENDPOINT_URL']}; "
        f"AWS_CONFIG_FILE={settings['AWS_CONFIG_FILE']} AWS_PROFILE={settings['AWS_PROFILE']}",
        f"CA file for TLS: {settings.certificates / 'authority.pem'}",
    )


def _run_here(settings: Settings) -> None:
    """Become the warehouse, with the packages of this interpreter."""
    settings = prepare_home(settings)
    for line in lines(settings):
        print(line, flush=True)
    environ = service_environ(settings, ("REDSHIFT_PASSWORD",))
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    os.execve(sys.executable, [sys.executable, "-m", "velodrome.redshift"], environ)  # noqa: S606


def main(arguments: list[str]) -> None:
    """`velodrome redshift` where the console is not installed."""
    app = typer.Typer(add_completion=False)
    app.command()(redshift)
    app(arguments, prog_name="velodrome redshift")
