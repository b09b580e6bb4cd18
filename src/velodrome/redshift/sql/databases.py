"""CREATE and ALTER DATABASE: PostgreSQL's own, without what every database has here, and with what none has refused.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_DATABASE.html, …/r_ALTER_DATABASE.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, words

# What every database is: "The default isolation level is SNAPSHOT", and the default collation is sensitive to case.
_AS_IT_IS = (("COLLATE", "CASE_SENSITIVE"), ("COLLATE", "CS"), ("ISOLATION", "LEVEL", "SNAPSHOT"))
_NOT_HERE = (
    ("COLLATE", "CASE_INSENSITIVE"),
    ("COLLATE", "CI"),
    ("ISOLATION", "LEVEL", "SERIALIZABLE"),
    ("FROM", "DATASHARE"),
    ("FROM", "INTEGRATION"),
    ("FROM", "ARN"),
    ("WITH", "PERMISSIONS"),
    ("WITH", "NO", "DATA", "CATALOG", "SCHEMA"),
    ("WITH", "DATA", "CATALOG", "SCHEMA"),
    ("INTEGRATION",),
)


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """CREATE or ALTER DATABASE name …; None for what is about something else."""
    if not words(tokens, 1, "DATABASE") or len(tokens) < 4:
        return None
    edits: list[Edit] = []
    kept = 3
    at = 3
    while at < len(tokens):
        for feature in _NOT_HERE:
            if words(tokens, at, *feature):
                raise refuse.not_here(sql, tokens[at], f"{tokens[0].word} DATABASE … {' '.join(feature)}")
        gone = next((len(text) for text in _AS_IT_IS if words(tokens, at, *text)), 0)
        if gone:
            edits.append(Edit(tokens[at - 1].end, tokens[at + gone - 1].end, ""))
        elif words(tokens, at, "CONNECTION", "LIMIT", "UNLIMITED"):
            edits.append(Edit(tokens[at + 2].start, tokens[at + 2].end, "-1"))
            gone, kept = 3, kept + 3
        elif not words(tokens, at, "WITH"):
            kept += 1
        at += gone or 1
    if kept == 3 and tokens[0].word == "ALTER":
        # Nothing changes, for whoever may change it.
        edits.append(Edit(tokens[-1].end, tokens[-1].end, " RESET velodrome.nothing"))
    return Statement(query(sql, tokens, edits))
