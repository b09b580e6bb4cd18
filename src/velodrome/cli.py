"""The `velodrome` command: everything that the Makefile offers, from any folder."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import psycopg
import typer
from rich.console import Console

from velodrome import alone, cli_emr, cli_rds, cli_redshift
from velodrome.cli_job_log import job_log
from velodrome.console import clear_errors, project_settings, settings_to_start
from velodrome.runtime import backup as backups
from velodrome.runtime import doctor as examination
from velodrome.runtime import findings, interrupt, summary
from velodrome.runtime import trust as trusted
from velodrome.runtime.airflow_api import PIPELINE_DAG, AirflowError
from velodrome.runtime.base import Runtime, StackError
from velodrome.runtime.choose import runtime as runtime_for
from velodrome.runtime.data_set import DatasetError
from velodrome.runtime.engine import EngineError
from velodrome.runtime.install import InstallError, ensure
from velodrome.runtime.parts import BackupError
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES
from velodrome.runtime.stack import Stack
from velodrome.runtime.supervisor import SupervisorError
from velodrome.runtime.turns import turn
from velodrome.settings import SettingError, user_environ

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The AWS data pipeline stack on this machine.")
console = Console(soft_wrap=not sys.stdout.isatty())
app.add_typer(cli_rds.app, name="rds")
app.add_typer(cli_emr.app, name="emr")
app.command()(cli_redshift.redshift)

KNOWN_ERRORS = (
    SettingError,
    StackError,
    DatasetError,
    EngineError,
    InstallError,
    SupervisorError,
    AirflowError,
    BackupError,
    psycopg.Error,
    httpx.HTTPError,
    OSError,
)


# What a prompt can be opened on, and the options that its session begins with.
_PROMPTS = {"source": "-c search_path=store,public", "redshift": ""}

_clear_errors = partial(clear_errors, *KNOWN_ERRORS)


def _runtime(progress: Progress | None = None, mended: bool = False) -> Runtime:
    """The runtime of this copy, as it was started; `mended`: as far as its settings can be read."""
    return runtime_for(project_settings(mended), progress or Progress(console))


def _login(progress: Progress | None = None, mended: bool = False) -> Runtime:
    """The same, with the passwords of what runs in it."""
    running = _runtime(progress, mended)
    running.learn_secrets()
    return running


@contextmanager
def _interruptible(what: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C ends the command at once, with a word on what goes on without it."""
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one is the first's, from a nervous hand
        console.print(f"Interrupted. {what()}", markup=False, highlight=False)
        interrupt.leave()


def _still_running() -> str:
    """What goes on after `up` was interrupted, and how to stop it."""
    try:
        running = _runtime(Progress(Console(quiet=True)), mended=True)
        names = [name for name in SERVICES if running.is_running() and running.state(name).active]
    except KNOWN_ERRORS:
        names = []
    if not names:
        return "Nothing runs; `make up` goes on from here."
    return f"These go on running: {', '.join(names)}. `make up` goes on from here, `make down` stops them."


@app.command()
def up(
    fill: Annotated[bool, typer.Option(help="Run the setup and the pipeline DAG unless they have run before.")] = True,
) -> None:
    """Install what is missing, start every service, fill the warehouse, and say what to do next."""
    with _clear_errors(), _interruptible(_still_running):
        settings = settings_to_start()
        begin = time.monotonic()
        with turn(settings, make=True), Progress(console) as progress:
            stack = Stack(runtime_for(settings, progress), progress)
            behind = stack.up(fill)
            trusted.write_bundle(stack.settings, stack.runtime.authorities())
        summary.show(console, stack.settings, time.monotonic() - begin)
        if behind:
            console.print(f"\nBehind, while you use it: {behind}.", markup=False, highlight=False)


@app.command()
def run(
    dag: Annotated[str, typer.Argument(help="Another DAG than the pipeline.")] = PIPELINE_DAG,
) -> None:
    """Trigger the pipeline DAG, or another, and follow it."""
    with _clear_errors(), _interruptible(_run_goes_on):
        begin = time.monotonic()
        with Progress(console) as progress:
            running = _login(progress)
            settings = running.settings
            if not running.is_running():
                raise StackError("nothing runs: run `make up` first")
            stack = Stack(running, progress)
            stack.wait_for_all()
            before, since = summary.table_rows(settings), summary.newest_query(settings)
            stack.run_dag(dag)
        after, updated = summary.table_rows(settings), summary.updated_rows(settings, since)
        summary.show_changes(console, before, after, updated, time.monotonic() - begin)


def _run_goes_on() -> str:
    return "The stack goes on running, and a run that was triggered goes on in Airflow; `make down` stops all."


@app.command()
def down() -> None:
    """Stop every service; data and installs stay."""
    with _clear_errors(), turn(project_settings(mended=True)), Progress(console) as progress:
        Stack(_runtime(progress, mended=True), progress).down()


@app.command()
def status() -> None:
    """Show each service's state; the exit code is 0 when all run and are healthy."""
    with _clear_errors():
        if not summary.show_status(console, _login(mended=True)):
            raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Show what this machine has and lacks, each with the fix; the exit code is 1 when `up` would fail."""
    found = examination.examine(user_environ(), Path.cwd())
    if not findings.show(console, found):
        raise typer.Exit(1)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service's name; empty: all.")] = "",
    lines: Annotated[int, typer.Option(help="How many lines of the past.")] = 50,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = sys.stdout.isatty(),
    job: Annotated[str, typer.Option(help="A job run of EMR Serverless, or latest: what it has written.")] = "",
) -> None:
    """Show the logs of one service or of all, or the output of a job."""
    with _clear_errors():
        if job:
            about, stdout, stderr = job_log(_login().settings, job)
            print(stderr, stdout, about, sep="\n")
            return
        if service and service not in SERVICES:
            raise SettingError(f"there is no service {service}; there are: {', '.join(SERVICES)}")
        running = _runtime(mended=True)
        command = running.log_command([service] if service else list(SERVICES), lines, follow)
        with subprocess.Popen(command, env=running.environ()) as process:
            try:
                raise typer.Exit(process.wait())
            except KeyboardInterrupt:
                process.terminate()


def _prompt(prefix: str, options: str) -> None:
    """Give the terminal to pgcli, or standard input to psql where there is no terminal."""
    running = _login()
    if sys.stdin.isatty():
        program, login = [str(Path(sys.executable).with_name("pgcli"))], summary.libpq(running.settings, prefix)
    else:
        program, login = running.psql(prefix)
        program += ["-v", "ON_ERROR_STOP=1"]
    os.execvpe(program[0], program, running.environ() | login | {"PGOPTIONS": options})  # noqa: S606


@app.command()
def psql(database: Annotated[str, typer.Argument(help="source or redshift (the warehouse).")] = "source") -> None:
    """Open an SQL prompt on the source database, or on the warehouse."""
    with _clear_errors():
        if database not in _PROMPTS:
            raise SettingError(f"there is no database {database}; there are: {', '.join(_PROMPTS)}")
        _prompt(database.upper(), _PROMPTS[database])


@app.command()
def env() -> None:
    """Print what a shell needs to use this copy: eval "$(velodrome env)"."""
    with _clear_errors():
        running = _login()
        settings = running.settings
        settings.required("SOURCE_PASSWORD")
        trusted.write_bundle(settings, running.authorities())
        for name, value in summary.client_environ(settings).items():
            print(f"export {name}={shlex.quote(value)}")


@app.command()
def trust() -> None:
    """Make the file of authorities that clients with TLS need, and say how each is given it."""
    with _clear_errors():
        running = _login()
        running.settings.required("SOURCE_PASSWORD")
        file = trusted.write_bundle(running.settings, running.authorities())
        console.print(
            f"{file}\nholds this copy's authority, and all that Python and this machine trust. Give it to clients:\n"
            '  dbt, redshift_connector, requests, curl, Spark Connect: eval "$(make -s env)" sets\n'
            f"    {', '.join(trusted.VARIABLES)}\n"
            f"  psql, psycopg: sslmode=verify-full sslrootcert={file}\n"
            f"  JDBC: jdbc:redshift://…;ssl=true;sslRootCert={file}",
            markup=False,
            highlight=False,
        )


@app.command(name="emr-serverless")
def emr_serverless() -> None:
    """Run EMR Serverless alone, in the foreground; Ctrl-C stops it and its jobs."""
    with _clear_errors():
        settings = alone.prepare("emr-serverless", "spark")
        profile = f"AWS_CONFIG_FILE={settings['AWS_CONFIG_FILE']} AWS_PROFILE={settings['AWS_PROFILE']}"
        lines = (
            f"EMR Serverless: {settings['EMR_SERVERLESS_ENDPOINT_URL']}; S3 and STS: {settings['S3_ENDPOINT_URL']}",
            f"Next, in another shell: export {profile}",
        )
        alone.run("emr-serverless", settings, lines)


@app.command()
def backup(file: Annotated[str, typer.Argument(help="The file to write, copy.tar.gz say.")] = "") -> None:
    """Write all state of this copy into one file; what runs is stopped meanwhile."""
    with _clear_errors():
        if not file:
            raise BackupError("name the file to write: make backup FILE=copy.tar.gz")
        settings = settings_to_start()
        with turn(settings), Progress(console) as progress:
            report = backups.backup(runtime_for(settings, progress), Path(file), progress)
        console.print(report.text(), markup=False, highlight=False)


@app.command()
def restore(file: Annotated[str, typer.Argument(help="A file that backup has written.")] = "") -> None:
    """Fill a copy that holds no data from a backup, whichever runtime it was made in."""
    with _clear_errors():
        if not file:
            raise BackupError("name the file to read: make restore FILE=copy.tar.gz")
        settings = settings_to_start()
        with turn(settings, make=True), Progress(console) as progress:
            running = runtime_for(settings, progress)
            manifest = backups.restore(running, Path(file), progress)
        came = f"made at {manifest.made_at} in the runtime {manifest.runtime}; it is in the runtime {running.name} now"
        console.print(f"Restored the copy {came}.\nNext: make up", markup=False, highlight=False)


def _ask(yes: bool, what: str) -> None:
    """On a terminal, what cannot be undone is asked for; a script has meant what it says."""
    if not yes and sys.stdin.isatty() and not typer.confirm(f"This removes {what}. Go on?"):
        raise typer.Exit(1)


_YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also on a terminal.")]


@app.command()
def reset(yes: _YES = False) -> None:
    """Stop every service and remove all data; installs stay."""
    with _clear_errors():
        settings = project_settings(mended=True)
        _ask(yes, f"all data, logs and passwords in {settings.home}: databases, buckets, runs")
        with turn(settings), Progress(console) as progress:
            _reset(_runtime(progress, mended=True), progress)


def _reset(running: Runtime, progress: Progress) -> None:
    home = running.settings.home
    Stack(running, progress).down()
    with progress.step("remove data"):
        running.forget()
        for entry in ("data", "logs", "run", "dataset", "aws", backups.STAGING):
            shutil.rmtree(home / entry, ignore_errors=True)
        for file in ("secrets.env", "settings.env"):
            (home / file).unlink(missing_ok=True)


@app.command()
def clean(yes: _YES = False) -> None:
    """Stop every service and remove data and installs, this command itself among them."""
    with _clear_errors():
        settings = project_settings(mended=True)
        _ask(yes, f"all data, logs and passwords in {settings.home}, and the installs in {settings.installs}")
        with turn(settings), Progress(console) as progress:
            running = _runtime(progress, mended=True)
            _reset(running, progress)
            others = running.remove_installs()
        if others:
            console.print(
                f"Installs stay that other copies use: {', '.join(map(str, others))}", markup=False, highlight=False
            )


@app.command()
def install(names: list[str]) -> None:
    """Make the virtual environments of these names (see `velodrome status`), for tests and images."""
    with _clear_errors():
        settings = project_settings()
        with Progress(console) as progress:
            for name in names:
                title = f"install {name}"
                with progress.step(title):
                    if not ensure(name, settings, partial(progress.say, title)):
                        progress.say(title, "already installed")


def main() -> None:
    """Entry point of the `velodrome` command."""
    app()
