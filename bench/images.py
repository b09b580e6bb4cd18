"""How large the images are, what is in them, and how long `docker compose build` takes after a change.

usage: python bench/images.py [--cold]     (with the velodrome command's Python; needs a container engine)
Works on a copy of the checkout's tracked files, with image names of its own, which it removes. With --cold it first
builds without the engine's cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from velodrome.runtime.compose import BUILT, image_name

ROOT = Path(__file__).parents[1]
PROJECT = "velodrome-bench"
BASE = "python:3.11-slim-bookworm"
# What people change, and what it may cost: a build of some seconds, or none at all.
CHANGES = {
    "the package": "src/velodrome/redshift/copy.py",
    "a DAG": "airflow/dags/pipeline.py",
    "the Spark job": "spark/jobs/spark_job.py",
    "the warehouse's SQL": "warehouse/load/30_fact_sales.sql",
}


def run(*argv: str, folder: Path = ROOT) -> str:
    """Output of a command that must succeed."""
    environ = {**os.environ, "COMPOSE_PROJECT_NAME": PROJECT}
    result = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{result.stderr[-3000:]}")
    return result.stdout


def copy_of_checkout(target: Path) -> None:
    """The tracked files, as they are now."""
    for name in run("git", "ls-files").splitlines():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def build(folder: Path, *options: str) -> tuple[float, dict[str, str]]:
    """Seconds that a build takes, and each image's id."""
    begin = time.monotonic()
    run("docker", "compose", "build", *options, folder=folder)
    seconds = time.monotonic() - begin
    names = {image_name(service): f"{PROJECT}-{image_name(service)}" for service in BUILT}
    return seconds, {
        name: run("docker", "image", "inspect", "-f", "{{.Id}}", tag).strip() for name, tag in names.items()
    }


def show_sizes() -> None:
    """Each image's size, and that of all together: what they share is there once."""
    base = int(run("docker", "image", "inspect", "-f", "{{.Size}}", BASE))
    total = base
    print(f"{'image':16} {'MiB':>6}  largest parts (MiB)")
    for service in BUILT:
        tag = f"{PROJECT}-{image_name(service)}"
        size = int(run("docker", "image", "inspect", "-f", "{{.Size}}", tag))
        total += size - base
        parts = run("docker", "run", "--rm", "--entrypoint", "sh", tag, "-c", "du -sm installs/*")
        largest = sorted((line.split() for line in parts.splitlines()), key=lambda part: -int(part[0]))
        print(
            f"{image_name(service):16} {size / 2**20:6.0f}  {', '.join(f'{name} {mib}' for mib, name in largest[:4])}"
        )
    print(f"{'all together':16} {total / 2**20:6.0f}  with {BASE} ({base / 2**20:.0f}) once")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true", help="first build without the engine's cache")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="velodrome-bench-") as temporary:
        folder = Path(temporary)
        copy_of_checkout(folder)
        try:
            if options.cold:
                print(f"build without cache: {build(folder, '--no-cache')[0]:.0f} s")
            before = build(folder)[1]
            print(f"build with nothing changed: {build(folder)[0]:.1f} s")
            for title, name in CHANGES.items():
                comment = "--" if name.endswith(".sql") else "#"
                with (folder / name).open("a") as file:
                    file.write(f"{comment} {time.time()}\n")
                seconds, after = build(folder)
                changed = sorted(target for target in after if after[target] != before[target])
                print(f"build after a change of {title}: {seconds:.1f} s, new: {', '.join(changed) or 'no image'}")
                before = after
            show_sizes()
        finally:
            run("docker", "compose", "down", "--rmi", "all", folder=folder)


if __name__ == "__main__":
    main()
