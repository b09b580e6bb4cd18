"""`python -m velodrome.runtime.class_archive`: archives Spark's classes behind a stack that is in use already."""

from __future__ import annotations

import sys

from velodrome.runtime.install import InstallError, ensure_class_archive
from velodrome.settings import load


def main() -> None:
    """Ends with 0 also where this Java makes no archive: jobs then start slower."""
    try:
        if not ensure_class_archive(load(), lambda text: print(text, flush=True)):
            print("nothing to do")
    except (InstallError, OSError) as error:
        sys.exit(f"class-archive: {error}")


if __name__ == "__main__":
    main()
