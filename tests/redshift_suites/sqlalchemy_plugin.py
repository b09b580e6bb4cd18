"""A pytest plugin for sqlalchemy-redshift's own suite: psycopg2 trusts the warehouse's authority, as its user would.

The dialect names a bundle of Amazon's authorities in its package for that driver, whatever the environment says.
"""

from __future__ import annotations

import os
from typing import Any


def pytest_configure() -> None:
    """Before the suite's modules are imported."""
    from sqlalchemy_redshift.dialect import Psycopg2RedshiftDialectMixin

    original = Psycopg2RedshiftDialectMixin.create_connect_args

    def create_connect_args(self: Any, *args: Any, **more: Any) -> Any:
        found, options = original(self, *args, **more)
        return found, {**options, "sslrootcert": os.environ["SUITE_AUTHORITY"]}

    Psycopg2RedshiftDialectMixin.create_connect_args = create_connect_args
