"""Entry point of the `velodrome` command: the console, less what one service's packages are enough for."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Ctrl-C before a command has begun, or in one that has nothing to say of it, ends it without a word."""
    try:
        _command()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _command() -> None:
    """`velodrome redshift` needs velodrome[redshift] alone, every other command velodrome[cli]."""
    alone = sys.argv[1:2] == ["redshift"]
    try:
        if alone:
            from velodrome import cli_redshift
        else:
            from velodrome import cli
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "velodrome":
            raise
        extra = "redshift" if alone else "cli"
        sys.exit(f"velodrome: {error.name} is missing, which this command needs: pip install 'velodrome[{extra}]'")
    if alone:
        cli_redshift.main(sys.argv[2:])
    else:
        cli.main()


if __name__ == "__main__":
    main()
