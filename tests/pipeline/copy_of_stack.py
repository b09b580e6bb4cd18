"""A copy of the whole stack for tests: its own folder, ports and runtime, driven by the command that people use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import redshift_connector
from rich.console import Console

from velodrome.runtime.base import Runtime
from velodrome.runtime.choose import runtime
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES
from velodrome.settings import Settings, load, user_environ
from velodrome.testing import free_port

ROOT = Path(__file__).parents[2]
VELODROME = Path(sys.executable).with_name("velodrome")


def checkout() -> str:
    """What git says has changed in the checkout."""
    argv = ["git", "-C", str(ROOT), "status", "--porcelain"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


class Copy:
    """One VELODROME_HOME with ports of its own; installs are shared with the checkout."""

    def __init__(self, home: Path, name: str = "host", **settings: str) -> None:
        ports = {port: str(free_port()) for service in SERVICES.values() for port in service.ports}
        installs = str(load(user_environ(), ROOT).installs)
        self.home = home
        self.checkout = checkout()  # before anything is done
        own = {"VELODROME_HOME": str(home), "VELODROME_INSTALLS": installs, "RUNTIME": name}
        self.environ = user_environ() | own | ports | settings

    @property
    def settings(self) -> Settings:
        """The settings as any command resolves them, with the secrets made at the start."""
        return load(self.environ, ROOT)

    def run(self, *arguments: str, timeout: float = 900, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run `velodrome ARGUMENTS`; its output is captured."""
        return self.command([str(VELODROME), *arguments], timeout, **settings)

    def command(self, argv: list[str], timeout: float = 900, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run any command in this copy's environment, in the checkout."""
        environ = self.environ | settings
        return subprocess.run(
            argv,
            env=environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def check(self, *arguments: str, **settings: str) -> str:
        """Run `velodrome ARGUMENTS`, which must succeed; returns its output."""
        result = self.run(*arguments, **settings)
        assert result.returncode == 0, (
            f"velodrome {' '.join(arguments)}:\n{result.stdout}\n{result.stderr}\n{self.logs()}"
        )
        return result.stdout

    @property
    def runtime(self) -> Runtime:
        """What its services run in."""
        return runtime(self.settings, Progress(Console()))

    def logs(self) -> str:
        """The last lines of every service's log: evidence for whoever reads a failure."""
        return self.run("logs", "--lines", "15", "--no-follow").stdout

    def evidence(self, folder: Path) -> None:
        """Write all logs into a folder: each service's, the jobs' and builds', and what `velodrome status` says."""
        status = self.run("status", timeout=60)
        (folder / "status.txt").write_text(status.stdout + status.stderr, encoding="utf-8")
        if (self.home / "logs").is_dir():
            shutil.copytree(self.home / "logs", folder, dirs_exist_ok=True)
        for name in SERVICES:
            if not (folder / f"{name}.log").exists():  # a container's: its engine keeps it
                said = self.run("logs", name, "--lines=100000", "--no-follow", timeout=60)
                (folder / f"{name}.log").write_text(said.stdout + said.stderr, encoding="utf-8")

    def warehouse(self) -> redshift_connector.Connection:
        """A new connection to its warehouse, through Redshift's own driver."""
        settings = self.settings
        return redshift_connector.connect(
            host=settings["REDSHIFT_HOST"],
            port=settings.integer("REDSHIFT_PORT"),
            database=settings["REDSHIFT_DATABASE"],
            user=settings["REDSHIFT_USER"],
            password=settings["REDSHIFT_PASSWORD"],
            ssl=settings.flag("REDSHIFT_SSL"),
        )

    def process_ids(self) -> dict[str, int]:
        """The process id of each running service, as `velodrome status` knows it."""
        running = self.runtime
        return {name: running.state(name).pid for name, service in SERVICES.items() if service.healthy}
