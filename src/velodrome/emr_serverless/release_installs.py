"""Installs a release when an application wants it: Spark of its version, in the background, by the runtime's installer.

AWS has each release ready; here the application is CREATING until it is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from .spark import releases

log = logging.getLogger(__name__)
_COMMAND = ("-m", "velodrome.runtime.install_release")
_LONGEST = 500  # characters of what the installer says when it fails


class ReleaseInstalls:
    """Runs the installer, a process for each application that waits; two for one release wait for each other."""

    def __init__(self, installs: Path) -> None:
        self._installs = installs
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._closed = False

    @property
    def possible(self) -> bool:
        """Whether something can be installed: an image of a container is as it was built."""
        return os.access(self._installs, os.W_OK)

    def begin(self, label: str, tell: Callable[[str], None], ended: Callable[[str | None], None]) -> None:
        """Install a release in the background. `tell` is called with what is done, then `ended` once, with why it
        failed or None; neither is called any more after `close`."""
        threading.Thread(target=self._follow, args=(label, tell, ended), name=f"install {label}", daemon=True).start()

    def close(self) -> None:
        """End what runs; what was installed by half counts as not installed."""
        with self._lock:
            self._closed = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 15)

    def _follow(self, label: str, tell: Callable[[str], None], ended: Callable[[str | None], None]) -> None:
        release, told = releases.find(label), False
        said = ""
        try:
            with self._start(label) as process:
                for line in process.stdout or ():
                    if not told and release.installed(self._installs):
                        told = True
                        ended(None)
                    elif not told:
                        tell(line.strip())
                said = process.stderr.read() if process.stderr else ""
            with self._lock:
                self._running.discard(process)
        except OSError as error:
            said = str(error)
        if not told and not self._closed:
            why = " ".join(said.split())[:_LONGEST] or "the installer ended without a word"
            ended(None if release.installed(self._installs) else why)

    def _start(self, label: str) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise OSError("EMR Serverless is stopping")
            process = subprocess.Popen(
                [sys.executable, *_COMMAND, label],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
            return process
