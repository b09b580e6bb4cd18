"""INSERT … VALUES of many rows: rows of nothing but literals need no translation, and are not looked at one by one.

Drivers without COPY send tens of thousands of rows this way; https://docs.aws.amazon.com/redshift/latest/dg/r_INSERT_30.html
"""

from __future__ import annotations

import re

# Shorter texts are quick anyway, and may be among the cached.
SHORTEST = 8192

# Groups are atomic and not possessive: Python up to 3.11.4 does not find what a possessive group matches
# (https://github.com/python/cpython/issues/106052). Their loops are bounded: each round is remembered until the end.
_NAME = r'(?:[^\W\d]\w*+|"[^"]++")'
_HEAD = re.compile(
    rf"\s*+INSERT\s++INTO\s++{_NAME}(?>(?:\s*+\.\s*+{_NAME}){{0,2}})\s*+"
    rf"(?>(?:\((?>(?:\s*+{_NAME}\s*+,?+){{1,5000}})\)\s*+)?)VALUES\s*+(?=\()",
    re.IGNORECASE,
)


def _rows(string: str) -> re.Pattern[str]:
    """A part of the literals and of what stands between them, as long as the loops allow.

    Whether they make rows is the server's to say: nothing in here has another meaning to Redshift than to PostgreSQL.
    """
    between = r"[0-9 \n\t\r,().+-]*+"
    # Nearly all of a text, so a loop without alternatives: a third of the time.
    strings = f"(?>(?:{string}{between}){{0,500}})"
    word = (  # re.IGNORECASE would take twice as long
        "[Nn][Uu][Ll][Ll]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Dd][Ee][Ff][Aa][Uu][Ll][Tt]|(?<=[0-9])[eE](?=[0-9+-])"
    )
    return re.compile(rf"{between}{strings}(?>(?:(?:{word}){between}{strings}){{0,200}})", re.DOTALL)


_ROWS = _rows("'[^']++'")
_ROWS_WITH_BACKSLASHES = _rows(r"'[^'\\]*+(?>(?:\\.[^'\\]*+)*)'")  # twice the time
_END = re.compile(r";?\s*+\Z")


def values(sql: str) -> tuple[int, int] | None:
    """Where the rows of such a statement, which must be all of the text, begin and end."""
    if len(sql) < SHORTEST:
        return None
    head = _HEAD.match(sql)
    if head is None:
        return None
    if sql.find("--", head.end()) >= 0:  # it may begin a comment, in which a quote opens nothing
        return None
    rows = _ROWS_WITH_BACKSLASHES if "\\" in sql else _ROWS
    begin, end = -1, head.end()
    while end > begin and (part := rows.match(sql, end)):
        begin, end = end, part.end()
    return (head.end(), end) if _END.match(sql, end) else None
