"""Where the fields of a result come from: looked up in the server inside, and kept until a definition changes.

A driver that asks for it is told each field's schema, table and column (wire_rows.py). What a transaction has made and
not committed yet is seen by nobody else, and has no origin here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg

from velodrome.redshift.sql.tokens import vocabulary
from velodrome.redshift.wire_rows import Origin

_MOST = 20_000  # columns that are kept
# Command tags after which what is known still holds.
_HARMLESS = vocabulary(
    "SELECT INSERT UPDATE DELETE MERGE COPY FETCH BEGIN SET RESET SHOW ROLLBACK PREPARE EXECUTE DECLARE CLOSE"
)
_QUERY = """
    SELECT a.attrelid::bigint, a.attnum, n.nspname::text, c.relname::text, a.attname::text, a.attnotnull,
        a.attidentity <> ''
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attrelid = ANY (%s::bigint[]::oid[]) AND NOT a.attisdropped
"""


class Origins:
    """Of all databases of a warehouse; `conninfo` says how the owner of the server inside reaches one."""

    def __init__(self, conninfo: Callable[[str], str]) -> None:
        self._conninfo = conninfo
        self._known: dict[str, dict[tuple[int, int], Origin]] = {}
        self._tables: dict[str, set[int]] = {}
        self._lock = asyncio.Lock()

    def known(self, database: str, tables: Collection[int]) -> Mapping[tuple[int, int], Origin] | None:
        """None if one of the tables has not been looked up."""
        if not self._tables.get(database, set()).issuperset(tables):
            return None if tables else {}
        return self._known.get(database, {})

    def changed(self, tag: str) -> None:
        """A statement has been run, with this command tag."""
        if self._tables and tag.split(" ", 1)[0] not in _HARMLESS:
            self._known.clear()
            self._tables.clear()

    async def look_up(self, database: str, tables: Collection[int]) -> Mapping[tuple[int, int], Origin]:
        """What is known of these tables; what is committed is kept."""
        async with self._lock:
            try:
                rows = await self._rows(database, tables)
            except psycopg.OperationalError:  # the database has gone, or the server inside
                return {}
        found = {(table, number): Origin(*rest) for table, number, *rest in rows}
        kept = self._known.setdefault(database, {})
        if len(kept) > _MOST:
            kept.clear()
            self._tables.pop(database, None)
        kept |= found
        self._tables.setdefault(database, set()).update(table for table, _ in found)
        return found

    async def _rows(self, database: str, tables: Collection[int]) -> list[tuple[Any, ...]]:
        # Not kept open: a database that somebody is connected to cannot be dropped.
        async with await psycopg.AsyncConnection.connect(self._conninfo(database), autocommit=True) as connection:
            return await (await connection.execute(_QUERY, [list(tables)])).fetchall()
