"""Installs a release of EMR Serverless for the service, which knows no installer, and prints what it does by lines.

usage: python -m velodrome.runtime.install_release LABEL
"""

from __future__ import annotations

import sys

from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark import releases
from velodrome.runtime.install import InstallError, ensure_release, ensure_release_archive
from velodrome.settings import SettingError, load


def main() -> int:
    """Install it; its class archive comes after the release counts as installed, since jobs only start faster by it."""
    try:
        settings = load()
        release = releases.find(sys.argv[1])
        ensure_release(release, settings, _say, archive=False)
        _say("installed")
        ensure_release_archive(release, settings, _say)
    except (InstallError, SettingError, ValidationException, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
