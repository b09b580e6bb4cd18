"""COMMENT ON VIEW, which on Redshift may be a materialized one: the server inside tells which
(catalog/21_materialized_views.sql).

https://docs.aws.amazon.com/redshift/latest/dg/r_COMMENT.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import ddl, refuse
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import DOLLAR, STRING, Token, literal, name_end, name_parts, words


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """COMMENT ON VIEW name IS {'text' | NULL}; None for a COMMENT on something else."""
    if not words(tokens, 1, "ON", "VIEW"):
        return None
    end = name_end(tokens, 3)
    if not words(tokens, end, "IS") or len(tokens) < end + 2:
        raise refuse.syntax_error(tokens[min(end, len(tokens) - 1)])
    text = _text(tokens[end + 1])
    if len(tokens) > end + 2:
        raise refuse.syntax_error(tokens[end + 2])
    name = literal(ddl.quoted_name(name_parts(tokens, 3, end)))
    return Statement(f"CALL velodrome.comment_on_view({name}, {text})", tag="COMMENT")


def _text(token: Token) -> str:
    if token.kind == DOLLAR:
        opening = token.text.index("$", 1) + 1
        return literal(token.text[opening:-opening])
    if token.kind == STRING:
        return literal(token.value)
    if token.word == "NULL":
        return "NULL"
    raise refuse.syntax_error(token)
