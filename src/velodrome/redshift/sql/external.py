"""What only external schemas and tables have: refused by name, for there are none here.

https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE_external-table.html, …/r_DROP_SCHEMA.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Token, name_end, words

_OF_TABLES = (
    ("SET", "TABLE", "PROPERTIES"),
    ("SET", "LOCATION"),
    ("SET", "FILE", "FORMAT"),
    ("ADD", "PARTITION"),
    ("ADD", "IF", "NOT", "EXISTS", "PARTITION"),
    ("DROP", "PARTITION"),
    ("PARTITION",),
)


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """None for every statement that is about tables and schemas of the warehouse's own."""
    if words(tokens, 0, "ALTER", "TABLE"):
        at = name_end(tokens, 2)
        for action in _OF_TABLES:
            if words(tokens, at, *action):
                raise refuse.not_here(sql, tokens[at], f"ALTER TABLE … {' '.join(action)} of an external table")
    if words(tokens, 0, "DROP", "SCHEMA"):
        for at in range(3, len(tokens)):
            if words(tokens, at, "DROP", "EXTERNAL", "DATABASE"):
                raise refuse.not_here(sql, tokens[at], "DROP SCHEMA … DROP EXTERNAL DATABASE")
    return None
