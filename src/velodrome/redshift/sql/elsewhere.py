"""CREATE and DROP of schemas and tables in another database: run there by the server inside
(catalog/27_asked_databases.sql).

"You can query and write across databases … regardless of which database you are connected to":
https://docs.aws.amazon.com/redshift/latest/dg/cross-database-overview.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Token, literal, name_end, name_parts, words

_PARTS = {"SCHEMA": 2, "TABLE": 3}


def database(tokens: Sequence[Token]) -> str:
    """The one that every schema or table to be made or dropped has in its name; empty if there is none, and for
    CREATE TABLE … AS, whose query may read where the session is."""
    kind = tokens[1].word if len(tokens) > 1 else ""
    if tokens[0].word not in ("CREATE", "DROP") or kind not in _PARTS or any(token.word == "AS" for token in tokens):
        return ""
    at = 2
    while at < len(tokens) and tokens[at].word in ("IF", "NOT", "EXISTS"):
        at += 1
    named: set[str] = set()
    while at < len(tokens):
        end = name_end(tokens, at)
        parts = name_parts(tokens, at, end)
        named.add(parts[0] if len(parts) == _PARTS[kind] else "")
        if tokens[0].word == "CREATE" or not words(tokens, end, ","):
            break
        at = end + 1
    return named.pop() if len(named) == 1 else ""


def run(there: str, statement: Statement, tokens: Sequence[Token]) -> Statement:
    """A statement for that database, from this one; it commits there by itself."""
    tag = f"{tokens[0].word} {tokens[1].word}"
    call = f"CALL velodrome.run_elsewhere({literal(there)}, {literal(statement.sql)})"
    return Statement(call, tag=tag, alone=f"{tag} in another database")
