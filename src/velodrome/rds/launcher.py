"""The launcher of the helper program: a shell script that names the interpreter, the profile and the roles."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import velodrome.rds.s3pipe as program


def text(config_file: Path, profile: str, *, import_role: str | None, export_role: str | None) -> str:
    """Of `s3pipe`, which COPY … PROGRAM runs. Its environment is clean: somebody's own AWS keys must not get in."""
    main = Path(program.__file__).with_name("__main__.py")
    # Without site-packages the interpreter starts in half the time.
    words = [sys.executable, "-I", "-S", str(main)]
    words += [str(config_file.absolute()), profile, import_role or "", export_role or ""]
    return f'#!/bin/sh\nexec env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 {shlex.join(words)} "$@"\n'
