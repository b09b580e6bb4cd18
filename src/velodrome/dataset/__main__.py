"""`python -m velodrome.dataset`: generate a data set, check one, or make a day of business in the source database."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from velodrome.dataset import check, generate


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m velodrome.dataset", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("generate", help="write a data set into a new folder")
    new.add_argument("folder", type=Path)
    new.add_argument("--seed", type=int, default=1)
    new.add_argument("--scale", type=float, default=1.0, help="1 is about 1,600 orders")
    look = commands.add_parser("check", help="name every fault of a data set")
    look.add_argument("folder", type=Path)
    day = commands.add_parser("simulate", help="insert, change and delete as one day of business does")
    day.add_argument("--day", type=date.fromisoformat, default=date.today(), help="yyyy-mm-dd; today unless given")
    day.add_argument("--seed", type=int, default=1)
    day.add_argument("--size", type=int, default=10, help="new orders of the day; the rest follows from it")
    return parser


def main() -> int:
    """Run one command; 0 when all is well."""
    arguments = _arguments().parse_args()
    if arguments.command == "generate":
        try:
            sizes = generate.generate(arguments.folder, seed=arguments.seed, scale=arguments.scale)
        except (FileExistsError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
        print("\n".join(f"{rows:>10,} {name}" for name, rows in sizes.items()))
        return 0
    if arguments.command == "check":
        problems = check.check(arguments.folder)
        print("\n".join(map(str, problems)) if problems else f"{arguments.folder}: no fault found")
        return 1 if problems else 0
    return _simulate(arguments.day, arguments.seed, arguments.size)


def _simulate(day: date, seed: int, size: int) -> int:
    # Only this command needs a database, its driver and the settings.
    import psycopg

    from velodrome.dataset.simulate import simulate
    from velodrome.settings import load

    settings = load()
    with psycopg.connect(
        host=settings["SOURCE_HOST"],
        port=settings.integer("SOURCE_PORT"),
        dbname=settings["SOURCE_DATABASE"],
        user=settings["SOURCE_USER"],
        password=settings.required("SOURCE_PASSWORD"),
    ) as connection:
        print(simulate(connection, day, seed, size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
