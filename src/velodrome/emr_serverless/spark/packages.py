"""Fetches a job's --packages from the Maven registry, once for all jobs that ask for the same.

Spark's own resolver would do it inside each job; here the jars are kept, so that a second job neither waits nor needs
the network, and two jobs never write one cache at the same time.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .install import InstallError, fetch_jars, work_folder
from .jvm import SparkInstall

log = logging.getLogger(__name__)
_JAR = re.compile(r"(.+?)-(\d[^/]*)\.jar")


class PackageError(Exception):
    """Packages cannot be had; the message has Ivy's reason."""


@dataclass(frozen=True)
class Wanted:
    """Packages (group:artifact:version) with all they need, but for what is excluded (group:artifact)."""

    packages: Sequence[str]
    excluded: Sequence[str] = ()
    repositories: Sequence[str] = ()

    @property
    def key(self) -> str:
        """A name for the folder of their jars."""
        parts = (*sorted(self.packages), "-", *sorted(self.excluded), "-", *self.repositories)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def resolve(wanted: Wanted, spark: SparkInstall, cache: Path, note: Callable[[str], None]) -> list[Path]:
    """The jars to add to the class path, without those that are there already. Raises PackageError.

    `cache` is a folder that all jobs share.
    """
    folder = cache / f"scala-{spark.scala}" / wanted.key
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                _fetch(wanted, spark, cache, folder)
    here = dict(_named(jar) for jar in spark.jars.glob("*.jar"))
    kept = []
    for jar in sorted(folder.glob("*.jar")):
        name, version = _named(jar)
        # Spark's own jars are no matter: they come first, as in Spark, and an artifact of their name may be another
        # (com.opencsv:opencsv and Hive's opencsv). Two versions of Delta would be mixed class by class.
        if here.get(name) == version:
            continue
        if name in here and name.startswith("io.delta_"):
            note(f"{jar.name} of --packages is left out: the class path has version {here[name]}")
            continue
        kept.append(jar)
    note(f"--packages: {', '.join(jar.name for jar in kept) or 'all of it is on the class path already'}")
    return kept


def _fetch(wanted: Wanted, spark: SparkInstall, cache: Path, folder: Path) -> None:
    with work_folder(".ivy-", cache) as work:
        # What Ivy has downloaded serves other sets of packages too; the jars it puts together are this set's.
        (cache / "cache").mkdir(exist_ok=True)
        (work / "ivy").mkdir()
        (work / "ivy" / "cache").symlink_to(cache / "cache")
        try:
            jars = fetch_jars(
                spark,
                list(wanted.packages),
                work,
                lambda text: log.info("%s", text),
                excluded=list(wanted.excluded),
                repositories=list(wanted.repositories),
            )
        except InstallError as error:
            raise PackageError(f"--packages {','.join(wanted.packages)} cannot be resolved: {error}") from error
        folder.parent.mkdir(parents=True, exist_ok=True)
        jars.rename(folder)


def _named(jar: Path) -> tuple[str, str]:
    """A jar's name without version (Ivy writes the group before the artifact), and its version.

    >>> _named(Path("io.delta_delta-spark_2.13-4.0.0.jar"))
    ('io.delta_delta-spark_2.13', '4.0.0')
    """
    match = _JAR.fullmatch(jar.name)
    return (match.group(1), match.group(2)) if match else (jar.stem, "")
