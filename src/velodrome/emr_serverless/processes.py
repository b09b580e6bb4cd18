"""Ends a job's processes: the JVM, the Python driver and Spark's Python workers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_POLL = 0.05


def end(leader: int, grace: float) -> None:
    """Ask the leader's processes to end, and after `grace` seconds make them.

    The leader began a session of its own. Spark's Python daemon leaves the leader's process group, not its session.
    """
    _signal(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and _alive(leader):
        time.sleep(_POLL)
    _signal(leader, signal.SIGKILL)


def end_orphans(leader: int, mark: str) -> bool:
    """Kill what a killed service left of a job; nothing if the id now belongs to another program.

    `mark` stands in the leader's command line. While one process of a group lives, its id is not given anew, so that a
    group without its leader is the job's too.
    """
    command = _command(leader)
    if command is not None and mark not in command:
        return False
    found = command is not None or _alive(leader)
    _signal(leader, signal.SIGKILL)
    return found


def find(mark: str) -> list[int]:
    """The processes whose command line has this mark."""
    if _PROC.is_dir():
        numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        return [number for number in numbers if mark in (_command(number) or "") and number != os.getpid()]
    listed = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if mark in line]


def session_of(process: int) -> int | None:
    """The leader of a process's session, where /proc tells; None if the process has ended."""
    fields = _stat(process)
    return int(fields[3]) if fields else None


def _signal(leader: int, number: signal.Signals) -> None:
    # The group may have ended; on macOS a group of ended processes gives the second error.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
    for process in _session(leader):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def _alive(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        return any(True for _ in _session(leader))
    return any(_state(process) not in (None, "Z") for process in _session(leader)) if _PROC.is_dir() else True


def _session(leader: int) -> Iterable[int]:
    """The session's processes, where /proc tells; elsewhere the process group has to do."""
    if not _PROC.is_dir():
        return
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and session_of(int(entry.name)) == leader:
            yield int(entry.name)


def _state(process: int) -> str | None:
    fields = _stat(process)
    return fields[0] if fields else None


def _stat(process: int) -> list[str] | None:
    # State, parent, group and session follow the program's name, which is in brackets and may hold anything.
    try:
        return (_PROC / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None


def _command(process: int) -> str | None:
    """A process's command line; None if there is no such process."""
    if _PROC.is_dir():
        try:
            return (_PROC / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace") or None
        except OSError:
            return None
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(process)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None
