"""Which runtime a copy of the stack has: what it was started with, what RUNTIME says, or what this machine offers."""

from __future__ import annotations

from velodrome.runtime import engine
from velodrome.runtime.base import Runtime, StackError
from velodrome.runtime.compose import ComposeRuntime
from velodrome.runtime.host import HostRuntime
from velodrome.runtime.progress import Progress
from velodrome.settings import SettingError, Settings, kept_settings

NAMES = ("host", "compose")


def runtime_of(settings: Settings) -> str:
    """The runtime that this VELODROME_HOME was started with; empty if it never was."""
    if (name := kept_settings(settings).get("RUNTIME", "")) in NAMES:
        return name
    return "host" if (settings.home / "data" / "source").exists() else ""


def choose(settings: Settings) -> str:
    """`host` or `compose`. A copy does not change its runtime: its data would seem lost."""
    wanted, mine = settings["RUNTIME"], runtime_of(settings)
    if wanted not in ("", *NAMES):
        raise SettingError(f"setting RUNTIME={wanted!r} is neither host nor compose (empty: chosen by itself)")
    if mine and wanted not in ("", mine):
        raise StackError(
            f"this copy's data lie in the runtime {mine}, not {wanted}. To move it: `make backup FILE=copy.tar.gz`, "
            f"`make reset`, `RUNTIME={wanted} make restore FILE=copy.tar.gz`; for another copy set VELODROME_HOME"
        )
    return wanted or mine or ("compose" if engine.answers() else "host")


def runtime(settings: Settings, progress: Progress) -> Runtime:
    """The runtime of these settings."""
    return ComposeRuntime(settings, progress) if choose(settings) == "compose" else HostRuntime(settings, progress)
