"""Runs other projects' suites, of checkouts that the user gives, and says what is not as expected of them."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from suite_results import expected, results, verdict

_PROCESSES = 2


@dataclass(frozen=True)
class Suite:
    """One project's tests: its name, which is the option that names its checkout too, what pytest is told, and the
    folder of the checkout that pytest runs in; `files` are run by a pytest each, where one process gets slower."""

    name: str
    arguments: tuple[str, ...]
    folder: str = "."
    files: str = ""

    def run(self, python: Path, checkout: Path, environ: Mapping[str, str], more: Sequence[str]) -> dict[str, bool]:
        """Whether each test passed, by its name; those that were skipped are not there."""
        folder = checkout / self.folder
        if not self.files:
            return self._pytest(python, folder, environ, more)
        each = sorted(str(file.relative_to(folder)) for file in folder.glob(self.files))
        with ThreadPoolExecutor(_PROCESSES) as pool:
            found = pool.map(lambda file: self._pytest(python, folder, environ, [file, *more]), each)
            return {name: passed for one in found for name, passed in one.items()}

    def _pytest(self, python: Path, folder: Path, environ: Mapping[str, str], more: Sequence[str]) -> dict[str, bool]:
        with tempfile.TemporaryDirectory() as made:
            report = Path(made) / "report.xml"
            command = [str(python), "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "--timeout=300"]
            command += [f"--junitxml={report}", *self.arguments, *more]
            ended = subprocess.run(command, cwd=folder, env=environ, check=False)
            if ended.returncode not in (0, 1, 5):  # passed, failed, no test chosen
                raise RuntimeError(f"{self.name}: pytest ended with {ended.returncode}")
            return results(report)


class Runs:
    """What the command line asks for (``--name FOLDER`` for each suite, then what is pytest's), and what came of it."""

    def __init__(self, suites: Sequence[Suite], description: str, target: str, expected_failures: Path) -> None:
        parser = argparse.ArgumentParser(description=description)
        for suite in suites:
            parser.add_argument(f"--{suite.name}", default="", metavar="FOLDER", help=f"a checkout of {suite.name}")
        given, self.more = parser.parse_known_args()
        folders = vars(given)
        self.chosen = {suite: folders[suite.name.replace("-", "_")] for suite in suites}
        if not any(self.chosen.values()):
            parser.error(f"name a checkout: {target}")
        self._reasons = expected(expected_failures.read_text(encoding="utf-8"))
        self._wrong: list[str] = []

    def checkout(self, suite: Suite) -> Path | None:
        """Where a suite is; None if nobody asked for it."""
        folder = self.chosen[suite]
        return Path(folder).resolve() if folder else None

    def compare(self, suite: Suite, found: Mapping[str, bool]) -> None:
        """Counts what passed, and keeps what is not as expected."""
        problems = verdict(dict(found), self._reasons)
        counted = f"{sum(found.values())} of {len(found)} pass, {len(problems)} not as expected"
        print(f"{suite.name}: {counted}", flush=True)
        self._wrong += problems

    def end(self) -> int:
        """Names what is not as expected; 1 if something is not."""
        print("\n".join(self._wrong))
        return 1 if self._wrong else 0
