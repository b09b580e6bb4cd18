"""ALTER TABLE target APPEND FROM source: an event trigger moves the rows, once the target has been found and locked.

https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE_APPEND.html (catalog/25_tables.sql)
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import ddl, refuse, view
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Token, name_end, name_parts, words


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """None for every other ALTER. "Automatically commits immediately upon completion of the operation": that page."""
    if not words(tokens, 1, "TABLE"):
        return None
    at = name_end(tokens, 2)
    if not words(tokens, at, "APPEND", "FROM") or at + 2 >= len(tokens):
        return None
    end = name_end(tokens, at + 2)
    mode = [token.word for token in tokens[end:]]
    if mode not in ([], ["IGNOREEXTRA"], ["FILLTARGET"]):
        raise refuse.syntax_error(tokens[end])
    target, source = name_parts(tokens, 2, at), name_parts(tokens, at + 2, end)
    note = view.named(target) | {"append": ddl.quoted_name(source), "mode": mode[0] if mode else ""}
    return Statement(
        f"ALTER TABLE {ddl.quoted_name(target)} RESET (fillfactor) {view.comment(note)}",
        then="COMMIT",
        alone="ALTER TABLE APPEND",
    )
