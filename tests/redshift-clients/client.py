"""What the tests told this environment of the warehouse, in each client's own words; all connect by TLS and verify."""

from __future__ import annotations

import json
import os
import ssl
from typing import Any

_GIVEN: dict[str, Any] = json.loads(os.environ["CLIENT"])
ADDRESS: dict[str, Any] = _GIVEN["address"]
DATABASE: str = _GIVEN["database"]

ASYNCPG: dict[str, Any] = ADDRESS | {
    "database": DATABASE,
    "ssl": ssl.create_default_context(cafile=_GIVEN["authority"]),
}
# Amazon's driver trusts OpenSSL's default file, which the tests have named in SSL_CERT_FILE.
AMAZON: dict[str, Any] = ADDRESS | {"database": DATABASE, "sslmode": "verify-full"}
# sqlalchemy-redshift demands verify-full of both its drivers; of psycopg2 with Amazon's authorities only.
SQLALCHEMY: dict[str, dict[str, Any]] = {
    "psycopg2": {"sslrootcert": _GIVEN["authority"]},
    "redshift_connector": {},
}
