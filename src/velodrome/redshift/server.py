"""The PostgreSQL inside: made once, given Redshift's functions and views, reached through its Unix socket only."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from psycopg import sql

from velodrome.postgres import Server, ensure_database
from velodrome.redshift import catalog_files
from velodrome.redshift.sql import parameters
from velodrome.settings import Settings

# Redshift's own superuser bears this name too; no client can log in as it.
SUPERUSER = "rdsdb"

# At which Redshift turns a client away: https://docs.aws.amazon.com/redshift/latest/mgmt/amazon-redshift-limits.html
CONNECTION_LIMIT = 500

# Only who runs the server can enter the socket's folder, and the gateway has checked its clients' passwords before
# (authentication.py). What it says of roles that may not log in, of databases and limits is the server's.
_HBA = "local  all  all  trust\n"

_PARAMETERS = {
    # A backslash escapes in plain strings, as in Redshift: '\\\\d' is how a pattern is written there.
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "on",
    "client_connection_check_interval": "2s",
    "lc_messages": "C",
    "log_min_error_statement": "panic",  # a statement may hold a password
    "log_min_messages": "log",  # without errors, which clients are told: this log is about the server
    "idle_in_transaction_session_timeout": "0",
    # Joins on equality are by hash or merge, as on Redshift, which has no index to look rows up in either; nested loops
    # are for the others. By its guesses, of the history above all, PostgreSQL would choose some that take minutes.
    # https://docs.aws.amazon.com/redshift/latest/dg/c-the-query-plan.html
    "enable_nestloop": "off",
    "max_connections": str(CONNECTION_LIMIT + 20),
    "password_encryption": "md5",
    "md5_password_warnings": "off",
    **parameters.INSIDE,
}


class Inside(Server):
    """A server that is watched, and whose owner finds nothing by name that a client has made."""

    def conninfo(self, database: str) -> str:
        return f"{super().conninfo(database)} options='{catalog_files.SAFE_PATH}'"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


def server(settings: Settings) -> Inside:
    """The server of these settings, initialized."""
    data = settings.path("VELODROME_HOME") / "data" / "redshift"
    data.parent.mkdir(parents=True, exist_ok=True)
    hba = data.parent / "redshift.pg_hba.conf"
    draft = hba.with_suffix(".new")
    draft.write_text(_HBA)
    draft.chmod(0o600)
    draft.replace(hba)
    # The port is only part of the socket's name: nothing listens on it.
    found = Inside(
        data,
        port=settings.integer("REDSHIFT_PORT"),
        superuser=SUPERUSER,
        password=None,
        listen="",
        parameters=_PARAMETERS | {"hba_file": str(hba)},
    )
    found.initialize()
    if os.geteuid() == 0:
        owner = found.data.stat()
        os.chown(hba, owner.st_uid, owner.st_gid)
    return found


def prepare(running: Server, settings: Settings) -> None:
    """Catalog, role and database; does what is missing, so a kill at any point is mended by the next start."""
    catalog_files.install(running, "template1")
    user, database = settings["REDSHIFT_USER"], settings["REDSHIFT_DATABASE"]
    ensure_database(running, database, user, settings["REDSHIFT_PASSWORD"])
    with psycopg.connect(running.conninfo("postgres"), autocommit=True) as connection:
        digest = connection.pgconn.encrypt_password(
            settings["REDSHIFT_PASSWORD"].encode(), user.encode(), b"md5"
        ).decode()
        role, verifier = sql.Identifier(user), sql.Literal(digest)
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, verifier))
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN ('postgres', 'template1')"
        )
        names = [str(row[0]) for row in rows]
    for name in names:
        catalog_files.install(running, name)
    with psycopg.connect(running.conninfo(database), autocommit=True) as connection:
        connection.execute("CALL velodrome.set_superuser(%s, true)", [user])


def socket_path(running: Server) -> Path:
    return running.socket_dir / f".s.PGSQL.{running.port}"
