"""INSERT … VALUES of many rows: rows of nothing but literals need no translation, and are not looked at one by one.

Drivers without COPY send tens of thousands of rows this way; https://docs.aws.amazon.com/redshift/latest/dg/r_INSERT_30.html
"""

from __future__ import annotations

import re

# Shorter texts are quick anyway, and may be among the cached.
SHORTEST = 8192

_NAME = r'(?:[^\W\d]\w*+|"[^"]++")'
_HEAD = re.compile(
    rf"\s*+INSERT\s++INTO\s++{_NAME}(?:\s*+\.\s*+{_NAME}){{0,2}}+\s*+(?:\((?:\s*+{_NAME}\s*+,?+)++\)\s*+)?+VALUES\s*+(?=\()",
    re.IGNORECASE,
)
# Literals and what stands between them, possessive so that what does not match fails at once. Whether they make rows is
# the server's to say: nothing in here has another meaning to Redshift than to PostgreSQL. Numbers and plain strings, of
# which nearly all rows consist, have a loop without alternatives: a third of the time.
_BETWEEN = r"[0-9 \n\t\r,().+-]*+"
_PLAIN = rf"{_BETWEEN}(?:'[^'\\]*+'{_BETWEEN})*+"
_OTHER = (
    r"'[^'\\]*+(?:\\.[^'\\]*+)*+'|[Nn][Uu][Ll][Ll]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]"
    r"|[Dd][Ee][Ff][Aa][Uu][Ll][Tt]|(?<=[0-9])[eE](?=[0-9+-])"
)
_ROWS = re.compile(
    rf"{_PLAIN}(?:(?:{_OTHER}){_PLAIN})*+(?=;?\s*+\Z)",
    re.DOTALL,  # re.IGNORECASE would take twice as long
)


def values(sql: str) -> tuple[int, int] | None:
    """Where the rows of such a statement, which must be all of the text, begin and end."""
    if len(sql) < SHORTEST:
        return None
    head = _HEAD.match(sql)
    rows = _ROWS.match(sql, head.end()) if head is not None else None
    return rows.span() if rows is not None else None
