"""Where the fields of a result come from: looked up in the server inside, and kept until a definition changes.

A driver that asks for it is told each field's schema, table and column (wire_rows.py). What a transaction has made and
not committed yet is seen by nobody else: its own backend is asked for it, behind each statement that makes a table.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import psycopg

from velodrome.redshift import wire
from velodrome.redshift.sql.tokens import vocabulary
from velodrome.redshift.wire_rows import Origin

_MOST = 20_000  # columns that are kept
# Command tags after which what is known still holds.
_HARMLESS = vocabulary(
    "SELECT INSERT UPDATE DELETE MERGE COPY FETCH BEGIN SET RESET SHOW ROLLBACK PREPARE EXECUTE DECLARE CLOSE"
)
_COLUMNS = """
    SELECT a.attrelid::bigint, a.attnum, n.nspname::text, c.relname::text, a.attname::text,
        velodrome.is_not_null(a), a.attidentity <> ''
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND
"""
_QUERY = f"{_COLUMNS} a.attrelid = ANY (%s::bigint[]::oid[])"
# What is as young as the transaction, which has other numbers for what its procedures make.
MADE_QUERY = f"""{_COLUMNS}
    least(pg_catalog.age(a.xmin), pg_catalog.age(c.xmin))
    <= pg_catalog.age(pg_catalog.xid(pg_catalog.pg_current_xact_id_if_assigned()))
"""
_MAKES = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
    r"(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:LOCAL\s+)?TEMP(?:ORARY)?\s+|MATERIALIZED\s+)?(?:TABLE|VIEW)"
    r"|ALTER\s+TABLE|CALL|(?:SELECT|WITH)\b.*\bINTO)\b",
    re.IGNORECASE | re.DOTALL,
)
Found = dict[tuple[int, int], Origin]


def makes_columns(sql: str) -> bool:
    """Whether a statement may make, name or change columns."""
    return _MAKES.match(sql) is not None


def made(raw: bytes) -> tuple[tuple[int, int], Origin]:
    """A row of MADE_QUERY."""
    table, number, *names, not_null, identity = ((value or b"").decode() for value in wire.read_row(raw[5:]))
    return (int(table), int(number)), Origin(names[0], names[1], names[2], not_null == "t", identity == "t")


class Origins:
    """Of all databases of a warehouse; `conninfo` says how the owner of the server inside reaches one."""

    def __init__(self, conninfo: Callable[[str], str]) -> None:
        self._conninfo = conninfo
        self._known: dict[str, Found] = {}
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
