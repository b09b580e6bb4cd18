"""The warehouse through asyncpg: runs tests/redshift-clients/asyncpg_cases.py in the environment of clients."""

from __future__ import annotations

from redshift_clients import run_cases

from velodrome.settings import Settings


def test_asyncpg(redshift: Settings) -> None:
    run_cases("asyncpg_cases", redshift)
