"""How clients of Python reach a warehouse of the tests: the one place where their connections' arguments stand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redshift_connector

from velodrome.certificates import AUTHORITY, BUNDLE
from velodrome.runtime import install
from velodrome.settings import Settings, user_environ

DATABASE = "dev"
CASES = Path(__file__).parents[1] / "redshift-clients"


def address(settings: Settings, **more: Any) -> dict[str, Any]:
    """What every client is told, by the names that most of them have for it."""
    return {
        "host": settings["REDSHIFT_HOST"],
        "port": settings.integer("REDSHIFT_PORT"),
        "user": settings["REDSHIFT_USER"],
        "password": settings["REDSHIFT_PASSWORD"],
    } | more


def connect(settings: Settings, **more: Any) -> psycopg.Connection[Any]:
    """A connection of psycopg, the administrator's unless said otherwise; each statement commits."""
    return psycopg.connect(**address(settings) | {"dbname": DATABASE, "autocommit": True} | more)


def libpq(settings: Settings) -> dict[str, Any]:
    """Arguments of psycopg and psycopg2."""
    authority = str(settings.certificates / AUTHORITY)
    return address(settings) | {"dbname": DATABASE, "sslmode": "verify-full", "sslrootcert": authority}


def amazon(settings: Settings, **more: Any) -> redshift_connector.Connection:
    """A connection of redshift_connector, which trusts its own list of authorities and OpenSSL's default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(settings.certificates / BUNDLE))
        arguments = address(settings) | {"database": DATABASE, "sslmode": "verify-full"} | more
        return redshift_connector.connect(**arguments)


def environ(settings: Settings) -> dict[str, str]:
    """What a client in an environment of its own is told: CLIENT's JSON for it, nothing of this one's Python."""
    given = {
        "address": address(settings),
        "database": DATABASE,
        "authority": str(settings.certificates / AUTHORITY),
    }
    plain = {name: value for name, value in user_environ().items() if not name.startswith("PYTHON")}
    return plain | {"CLIENT": json.dumps(given), "SSL_CERT_FILE": str(settings.certificates / BUNDLE)}


def run_cases(name: str, settings: Settings, more: Mapping[str, str] | None = None, timeout: float = 120.0) -> None:
    """Runs the cases of one client, a pytest file, in the environment of clients; what fails there is shown here."""
    install.ensure("redshift-clients", settings, lambda text: print(f"redshift-clients: {text}", file=sys.stderr))
    python = settings.installs / "redshift-clients" / "bin" / "python"
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", str(CASES / f"{name}.py")]
    result = subprocess.run(
        command,
        env=environ(settings) | dict(more or {}),
        cwd=CASES,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    print(result.stdout[-20_000:], result.stderr[-2_000:])
    assert result.returncode == 0, f"{name} failed, see its output above"
    assert " passed" in result.stdout and "skipped" not in result.stdout
