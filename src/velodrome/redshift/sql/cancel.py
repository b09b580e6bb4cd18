"""CANCEL process_id ['message']: https://docs.aws.amazon.com/redshift/latest/dg/r_CANCEL.html"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import NUMBER, STRING, Token, literal


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement:
    """A procedure of the server inside (catalog/44_cancel.sql): it answers with no rows."""
    if len(tokens) < 2 or tokens[1].kind != NUMBER or not tokens[1].text.isdigit():
        raise refuse.syntax_error(tokens[min(1, len(tokens) - 1)])
    message = tokens[2].value if len(tokens) > 2 else ""
    if len(tokens) > 3 or (len(tokens) == 3 and tokens[2].kind != STRING):
        raise refuse.syntax_error(tokens[-1])
    return Statement(f"CALL velodrome.cancel({tokens[1].text}, {literal(message)})", tag="CANCEL")
