"""Ctrl-C: what this process has started and still runs is ended, and nothing of it is waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT  # the exit code that shells expect


def leave() -> NoReturn:
    """End this process and its children now. Services are not among those: their supervisor left us at its start."""
    for pid in children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads may be in the midst of a download or a health check: Python would wait for what they hold.
    os._exit(INTERRUPTED)


def children() -> list[int]:
    """The process ids of our own children."""
    files = list(Path("/proc/self/task").glob("*/children"))
    if files:
        return [int(word) for file in files for word in file.read_text().split()]
    found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]
