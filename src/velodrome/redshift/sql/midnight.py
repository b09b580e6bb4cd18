"""The time 24:00:00, which PostgreSQL keeps as that and Redshift as 00:00:00: literals of TIME and TIMETZ.

What is sent as a parameter, or is written to a column without a cast, stays 24:00:00 here.
https://docs.aws.amazon.com/redshift/latest/dg/r_Datetime_types.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from velodrome.redshift.sql.tokens import STRING, Edit, Token, words

_MIDNIGHT = re.compile(r"'\s*24(?=:00(?::00(?:\.0*)?)?(?:\s*(?:[a-zA-Z]|[+-]\d)[^']*)?\s*'$)")
_TYPES = ("TIME", "TIMETZ")


def edits(tokens: Sequence[Token]) -> list[Edit]:
    """Edits that begin such a literal's day anew."""
    found: list[Edit] = []
    for at, token in enumerate(tokens):
        if token.kind != STRING or "24" not in token.text:
            continue
        hour = _MIDNIGHT.match(token.text)
        if hour is not None and _is_time(tokens, at):
            found.append(Edit(token.start, token.start + hour.end(), "'00"))
    return found


def _is_time(tokens: Sequence[Token], at: int) -> bool:
    """Whether a literal is cast to a time: TIME '…', '…'::TIME, CAST('…' AS TIME)."""
    if at and tokens[at - 1].word in _TYPES:
        return True
    cast = words(tokens, at + 1, "::") or (words(tokens, at + 1, "AS") and words(tokens, at - 2, "CAST", "("))
    return cast and at + 2 < len(tokens) and tokens[at + 2].word in _TYPES
