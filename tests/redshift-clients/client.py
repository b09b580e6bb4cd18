"""What the tests told this environment of the warehouse, in each client's own words."""

from __future__ import annotations

import json
import os
from typing import Any

_GIVEN: dict[str, Any] = json.loads(os.environ["CLIENT"])
ADDRESS: dict[str, Any] = _GIVEN["address"]
DATABASE: str = _GIVEN["database"]

ASYNCPG: dict[str, Any] = ADDRESS | {"database": DATABASE, "ssl": False}
LIBPQ: dict[str, Any] = ADDRESS | {"dbname": DATABASE}
AMAZON: dict[str, Any] = ADDRESS | {"database": DATABASE, "ssl": False}
# sqlalchemy-redshift demands verify-full of both its drivers unless it is told otherwise.
SQLALCHEMY: dict[str, dict[str, Any]] = {
    "psycopg2": {"sslmode": "prefer", "sslrootcert": None},
    "redshift_connector": {"ssl": False},
}
