"""Redshift's functions and views inside: the files of catalog/, installed in a database whenever they have changed.

The first of them takes away the views of earlier ones, the last gives back the rights that users had on those: a view
may change its columns from one version to the next, tables of notes only gain some.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

import psycopg

from velodrome.postgres import Server

# Everybody may make functions and operators in public: what runs as the owner of the server inside finds its own only.
SAFE_PATH = "-c search_path=pg_catalog,pg_temp"

_LOCK = 0x56454C4F
_OPTIONS = f"{SAFE_PATH} -c standard_conforming_strings=on -c client_min_messages=warning -c allow_system_table_mods=on"


def texts() -> dict[str, str]:
    """The files by name, in the order in which they run."""
    folder = files("velodrome.redshift") / "catalog"
    found = {item.name: item for item in folder.iterdir() if item.name.endswith(".sql")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def install(running: Server, database: str) -> None:
    """One transaction a database, and only when the files have changed since."""
    sources = texts().values()
    digest = hashlib.sha256("\0".join(sources).encode()).hexdigest()
    with psycopg.connect(running.conninfo(database), options=_OPTIONS) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute("CREATE SCHEMA IF NOT EXISTS velodrome")
        connection.execute("CREATE TABLE IF NOT EXISTS velodrome.catalog_version (digest text NOT NULL)")
        row = connection.execute("SELECT digest FROM velodrome.catalog_version").fetchone()
        if row is not None and row[0] == digest:
            return
        for text in sources:
            connection.execute(text.encode())
        connection.execute("DELETE FROM velodrome.catalog_version")
        connection.execute("INSERT INTO velodrome.catalog_version VALUES (%s)", [digest])
