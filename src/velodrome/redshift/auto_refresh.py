"""Refreshes materialized views that are AUTO REFRESH YES, soon after what they read has changed.

https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-refresh.html: "Amazon Redshift autorefreshes
materialized views as soon as possible after base tables changes" and puts clients' work first. Here a refresh waits for
no lock: what is in use is refreshed a round later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psycopg

from velodrome.redshift.catalog_files import SAFE_PATH

log = logging.getLogger("velodrome.redshift")

_EVERY_SECONDS = 1.0
_OPTIONS = f"-c lock_timeout=50ms -c application_name=velodrome_auto_refresh {SAFE_PATH}"
# Databases that hold such views, noted by catalog/21_materialized_views.sql where all databases can see it.
_DATABASES = """
    SELECT d.datname FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
    WHERE s.setrole = 0 AND 'velodrome.auto_refresh=on' = ANY (s.setconfig) AND d.datallowconn
"""


async def run(conninfo: Callable[[str], str]) -> None:
    """Until cancelled; `conninfo` says how the owner of the server inside reaches a database."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            async with await psycopg.AsyncConnection.connect(conninfo("postgres"), autocommit=True) as connection:
                names = [str(name) for (name,) in await (await connection.execute(_DATABASES)).fetchall()]
            for name in names:
                await _refresh_database(conninfo(name))
        except psycopg.Error as error:  # the next round may do better
            log.warning("materialized views could not be looked at: %s", str(error).strip())


async def _refresh_database(conninfo: str) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True, options=_OPTIONS) as connection:
        views = await (await connection.execute("SELECT * FROM velodrome.views_to_refresh()")).fetchall()
        for (view,) in views:
            try:
                await connection.execute("CALL velodrome.refresh_automatically(%s)", [view])
            except psycopg.errors.LockNotAvailable:
                continue  # a client uses it
            except psycopg.Error as error:
                log.warning("materialized view %s could not be refreshed: %s", view, str(error).strip())
                await connection.execute("CALL velodrome.note_failed_refresh(%s)", [view])
