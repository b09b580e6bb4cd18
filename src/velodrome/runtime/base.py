"""What every runtime of the stack offers: host processes (host.py) and containers (compose.py) are used alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from velodrome.runtime.graph import Step
from velodrome.runtime.parts import Entries
from velodrome.runtime.services import Service
from velodrome.settings import Settings


class StackError(RuntimeError):
    """The stack cannot be brought up; the message names the service, the setting to change, and its log's last
    lines."""


class TooSlow(StackError):
    """A service runs, and has not become healthy in time."""


@dataclass(frozen=True)
class State:
    """A service as its supervisor sees it.

    `word` is the supervisor's own (RUNNING, EXITED, …). `active`: it runs, or will run without anybody's doing;
    `running`: its process is there now. `since` is its start in seconds since the epoch, `exit_code` that of its end,
    `problem` what its supervisor says of it.
    """

    word: str
    active: bool
    running: bool
    pid: int
    since: float
    exit_code: int
    problem: str = ""


class Runtime(Protocol):
    """The services of one VELODROME_HOME, whatever they run in."""

    name: str
    settings: Settings

    def is_running(self) -> bool:
        """Whether anything of the stack is there to be asked."""

    def holds_data(self) -> bool:
        """Whether this copy has databases already."""

    def check(self) -> None:
        """Refuse early, before minutes of work, what cannot work on this machine."""

    def begin(self, settings: Settings) -> Settings:
        """Make what all services need (secrets, folders, a supervisor); the settings with every secret."""

    def learn_secrets(self) -> None:
        """Have in `settings` the secrets of a stack that was started by other means."""

    def steps(self) -> list[Step]:
        """What must be done before services start: installs, images. The last of them for each service is what
        `ready_step` names."""

    def ready_step(self, service: Service) -> str:
        """The step after which a service can be started."""

    def go_on_behind(self) -> str:
        """Begin what nothing waits for and what may take minutes, in a process that `stop` ends; what that is, or
        nothing."""

    def listens(self, service: Service) -> bool:
        """Whether anybody listens on the service's port, as far as that can be told without connecting to it."""

    def job_steps(self) -> tuple[str, ...]:
        """The steps after which EMR Serverless can run a job."""

    def state(self, name: str) -> State:
        """A service's state now."""

    def start(self, name: str) -> None:
        """Start a service unless it is active; returns at once."""

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The last lines that a service has written."""

    def log_place(self, name: str) -> str:
        """Where a person finds a service's log."""

    def log_command(self, names: list[str], lines: int, follow: bool) -> list[str]:
        """The command that shows the logs of some services."""

    def psql(self, prefix: str) -> tuple[list[str], dict[str, str]]:
        """Command and environment of psql on SOURCE or REDSHIFT, for standard input."""

    def authorities(self) -> list[str]:
        """The certificates (PEM) of the authorities that signed the services' own, as far as they are made."""

    def environ(self) -> dict[str, str]:
        """The environment of those commands."""

    def stop(self) -> None:
        """Stop every service, those that need others first."""

    def forget(self) -> None:
        """Remove what lies outside of VELODROME_HOME; everything is stopped."""

    def remove_installs(self) -> list[Path]:
        """Remove what the steps have made; the homes of other copies that use some of it still, which stays."""

    def disk(self) -> Path | None:
        """A folder of the disk that services write to, where that can be told."""

    def machine(self) -> str:
        """The architecture that services run on, as Linux names it: x86_64, aarch64, …"""

    def read_path(self, path: str) -> AbstractContextManager[Entries]:
        """Everything at and below a path of VELODROME_HOME as the services see it, a part of a backup or a file in one;
        everything is stopped."""

    def receiving(self, staging: Path) -> AbstractContextManager[Callable[[Entries], None]]:
        """A function that writes a part's entries where services will find them. They are kept when the block ends,
        and none is there after an error. Refuses to begin in a copy that holds data. `staging` is an empty folder of
        VELODROME_HOME."""
