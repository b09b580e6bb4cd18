"""Ends a job whose processes take more memory than its worker has, as the kernel ends a container's on AWS.

A control group would do it without looking, but who starts a stack on a laptop may not make any. What counts is what a
control group counts and cannot drop: anonymous and shared memory, and what was swapped out of it.
https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import processes

log = logging.getLogger(__name__)
_PROC = Path("/proc")
_SECONDS = 0.25
_COUNTED = ("RssAnon:", "RssShmem:", "VmSwap:")


@dataclass
class Watched:
    """A session of processes by its leader; `used` is what they had when they were ended for it, in bytes, else 0."""

    leader: int
    limit: int
    used: int = 0

    @property
    def words(self) -> str:
        """What the log is to say of the end."""
        return (
            f"the driver was killed for exceeding its memory limit: {self.used / 2**30:.1f} GB of "
            f"{self.limit / 2**30:.1f} GB used. Consider boosting spark.driver.memory or spark.driver.memoryOverhead"
        )


class MemoryWatch:
    """Looks at all watched processes four times a second, from one thread that there is while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[Watched] = []
        self._sessions: dict[int, int] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, leader: int, limit: int) -> Iterator[Watched]:
        """While this lasts, end the leader's session of processes once it takes more than `limit` bytes."""
        watched = Watched(leader, limit)
        with self._lock:
            self._watched.append(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._repeat, name="memory", daemon=True)
                self._thread.start()
        try:
            yield watched
        finally:
            with self._lock:
                self._watched.remove(watched)

    def _repeat(self) -> None:
        pause = threading.Event()
        while not pause.wait(_SECONDS):
            with self._lock:
                watched = [one for one in self._watched if not one.used]
                if not self._watched:
                    self._thread = None
                    return
            if not watched:
                continue
            used = self._used({one.leader for one in watched})
            for one in watched:
                if used.get(one.leader, 0) > one.limit:
                    one.used = used[one.leader]
                    log.warning("process %d: %s", one.leader, one.words)
                    processes.end(one.leader, 0)

    def _used(self, leaders: set[int]) -> dict[int, int]:
        """Leader → bytes that its session has."""
        if not _PROC.is_dir():
            return _used_elsewhere(leaders)
        numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        # A process stays in its session, or begins one of its own at its start: each is asked once.
        known = self._sessions | {leader: leader for leader in leaders}
        self._sessions = {number: known.get(number) or processes.session_of(number) or 0 for number in numbers}
        used: dict[int, int] = {}
        for number, leader in self._sessions.items():
            if leader in leaders:
                used[leader] = used.get(leader, 0) + _memory(number)
        return used


def _memory(process: int) -> int:
    """What a process has, in bytes; 0 if it has ended."""
    try:
        lines = (_PROC / str(process) / "status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(_COUNTED)) * 2**10


def _used_elsewhere(leaders: set[int]) -> dict[int, int]:
    """Without /proc (macOS) the resident memory of the leader's process group has to do."""
    listed = subprocess.run(["ps", "-axo", "pgid=,rss="], capture_output=True, text=True, check=False).stdout
    used: dict[int, int] = {}
    for line in listed.splitlines():
        group, kibibytes = map(int, line.split())
        if group in leaders:
            used[group] = used.get(group, 0) + kibibytes * 2**10
    return used
