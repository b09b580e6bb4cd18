"""What redshift_connector's own suite finds: a copy of its checkout with a config.ini, a psql that goes to our port.

The suite lists all databases of a warehouse, and leaves some behind when it fails: each process of it has a warehouse
of its own, and takes one file after the other.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foreign_suites import Suite

from velodrome.certificates import BUNDLE
from velodrome.postgres import binaries
from velodrome.settings import Settings
from velodrome.testing import run_service

PROCESSES = 2
# Left out: logins through identity providers that are others' (Okta, Azure, Google, IAM Identity Center).
LEFT_OUT = ("plugin/", "test_idp_token_auth_integration.py")
_TESTS = "test/integration"
# The longest first, so that no process is left alone with one of them.
_LONGEST = (
    "test_datatypes.py",
    "test_metadataAPI.py",
    "test_metadataAPI_procedures.py",
    "test_metadataAPI_functions.py",
)

_CONFIGURATION = """
[ci-cluster]
database = dev
host = {host}
test_user = {user}
test_password = {password}
region = us-east-1
cluster_identifier = {cluster}
[default-test]
port = {port}
ssl = true
sslmode = verify-full
[cluster-setup]
groups = suite_group
"""
# The suite makes its tables with a psql of Redshift's usual port.
_PSQL = """#!/bin/sh
exec '{psql}' "$@" --port={port}
"""


def copied(checkout: Path, folder: Path) -> Path:
    """The checkout again, to be written to: the suite reads its settings from a file in it, and makes files there."""
    return Path(shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git")))


def run(suite: Suite, python: Path, checkout: Path, home: Path, more: Sequence[str]) -> dict[str, bool]:
    """Whether each test passed, by its name."""
    folder = checkout / _TESTS
    files = [str(file.relative_to(folder)) for file in sorted(folder.glob("**/test_*.py"))]
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for file in sorted(files, key=lambda file: not file.endswith(_LONGEST)):
        if not file.startswith(LEFT_OUT):
            waiting.put(f"{_TESTS}/{file}")
    starting = threading.Lock()

    def process(number: int) -> dict[str, bool]:
        found: dict[str, bool] = {}
        own = copied(checkout, home / f"checkout-{number}")
        starting.acquire()
        with run_service("redshift", home / f"warehouse-{number}") as running:
            starting.release()
            environ = _prepared(running.settings, own)
            while True:
                try:
                    file = waiting.get_nowait()
                except queue.Empty:
                    return found
                found |= suite.run(python, own, environ, [file, *more])

    with ThreadPoolExecutor(PROCESSES) as pool:
        return {name: passed for found in pool.map(process, range(PROCESSES)) for name, passed in found.items()}


def _prepared(settings: Settings, checkout: Path) -> Mapping[str, str]:
    """Writes what the suite reads; returns its environment."""
    address = {"host": settings["REDSHIFT_HOST"], "port": settings["REDSHIFT_PORT"], "user": settings["REDSHIFT_USER"]}
    login = {"password": settings["REDSHIFT_PASSWORD"], "cluster": settings["REDSHIFT_WORKGROUP"]}
    (checkout / "test" / "config.ini").write_text(_CONFIGURATION.format(**address, **login), encoding="utf-8")
    programs = checkout / "programs"
    programs.mkdir()
    psql = programs / "psql"
    psql.write_text(_PSQL.format(psql=binaries() / "psql", port=address["port"]), encoding="utf-8")
    psql.chmod(0o755)
    return {
        "HOME": str(settings.home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SSL_CERT_FILE": str(settings.certificates / BUNDLE),
    }
