"""How long `make up` takes cold and warm, an incremental pipeline run, and what the idle stack holds in memory.

usage: python bench/up.py [--runtime host|compose] [--cold] [--runs 3]     (with the velodrome command's Python, on a
machine that does nothing else)
Cold means: nothing installed and nothing cached; it is run once, since registries answer at their own pace. What the
container engine has cached stays: building images from nothing is for bench/images.py.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from velodrome.runtime.choose import runtime
from velodrome.runtime.install import ensure_class_archive
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES
from velodrome.settings import load, user_environ
from velodrome.testing import free_port

ROOT = Path(__file__).parents[1]
CHANGE = "UPDATE store.customers SET phone = '(555) 010-0000' WHERE customer_id = '1'"


def timed(argv: list[str], environ: dict[str, str], given: str | None = None) -> tuple[float, str]:
    """Seconds and output of a command that must succeed."""
    begin = time.monotonic()
    result = subprocess.run(argv, env=environ, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{result.stdout}\n{result.stderr}")
    return time.monotonic() - begin, result.stdout


def resident_bytes(environ: dict[str, str]) -> int:
    """Memory of all services with their children, pages that processes share counted once (PSS)."""
    running = runtime(load(environ, ROOT), Progress(Console()))
    roots = {running.state(name).pid for name in SERVICES} - {0}
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
    total = 0
    for pid in parents:
        ancestor = pid
        while ancestor and ancestor not in roots:
            ancestor = parents.get(ancestor, 0)
        if ancestor:
            try:
                lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
            except OSError:
                continue  # it ended meanwhile: a health check, say
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=("host", "compose"), default="host")
    parser.add_argument("--cold", action="store_true", help="also measure from nothing, with empty caches")
    parser.add_argument("--runs", type=int, default=3, help="runs of each warm measurement; the median is printed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="velodrome-bench-") as folder:
        environ = user_environ() | {"VELODROME_HOME": f"{folder}/home", "RUNTIME": options.runtime}
        environ |= {service.port: str(free_port()) for service in SERVICES.values() if service.port}
        if options.cold:
            environ |= {"UV_CACHE_DIR": f"{folder}/uv", "PIP_NO_CACHE_DIR": "1", "HOME": f"{folder}/user"}
            environ |= {"VELODROME_INSTALLS": f"{folder}/installs"}
            Path(folder, "user").mkdir()
        else:
            environ |= {"VELODROME_INSTALLS": str(load(user_environ(), ROOT).installs)}
        make = ["make", "-s"]
        try:
            first, output = timed([*make, "up"], environ)
            print(output)
            print(f"make up, {'cold' if options.cold else 'installed, no data'}: {first:.0f} s")
            print(f"idle memory: {resident_bytes(environ) / 2**20:.0f} MiB")
            if options.runtime == "host":  # it is built behind, once; what follows is measured as people have it then
                ensure_class_archive(load(environ, ROOT), print)
            warm, incremental = [], []
            for number in range(options.runs):
                timed([*make, "psql"], environ, CHANGE.replace("0000", f"{number:04}"))
                incremental.append(timed([*make, "run"], environ)[0])
                timed([*make, "down"], environ)
                warm.append(timed([*make, "up"], environ)[0])
            for title, seconds in (("make run, incremental", incremental), ("make up after make down", warm)):
                print(f"{title}: median {statistics.median(seconds):.1f} s of {sorted(map(round, seconds))}")
        finally:
            subprocess.run([*make, "reset"], env=environ, cwd=ROOT, check=False)


if __name__ == "__main__":
    main()
