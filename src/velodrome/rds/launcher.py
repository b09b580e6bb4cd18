"""The launcher of the helper program: a shell script that names the interpreter, the profile and the roles."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def text(config_file: Path, profile: str, *, import_role: str | None, export_role: str | None) -> str:
    """Of `s3pipe`, which COPY … PROGRAM runs. Its environment is clean: somebody's own AWS keys must not get in."""
    words = [sys.executable, "-I", "-m", "velodrome.rds.s3pipe", str(config_file.absolute()), profile, "s3pipe.d"]
    return f'#!/bin/sh\nexec env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 {shlex.join(words)} "$@"\n'
