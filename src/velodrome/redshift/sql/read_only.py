"""SET readonly: how Amazon's JDBC driver makes a session read-only.

https://docs.oracle.com/en/java/javase/17/docs/api/java.sql/java/sql/Connection.html#setReadOnly(boolean)
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, apply, words


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """SET or RESET of this parameter under the name that the server inside has for it; None for others."""
    at = 2 if words(tokens, 1, "SESSION") else 1
    if not words(tokens, at, "READONLY"):
        return None
    edits = [Edit(tokens[at].start, tokens[at].end, "default_transaction_read_only")]
    return Statement(apply(sql, tokens[0].start, tokens[-1].end, edits))
