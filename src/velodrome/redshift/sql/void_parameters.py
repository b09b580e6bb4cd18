"""A procedure's OUT arguments, which Amazon's JDBC driver sends as parameters of type void with a value of no meaning.

The driver's registerOutParameter(): https://docs.aws.amazon.com/redshift/latest/mgmt/jdbc20-api-support.html; what a
procedure returns: https://docs.aws.amazon.com/redshift/latest/dg/stored-procedure-result-set.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.tokens import Edit, LexicalError, apply, tokenize

VOID = 2278


def without(sql: str, types: Sequence[int]) -> str:
    """NULL in place of each void parameter: declared and unused, it keeps its type and may have any value."""
    if VOID not in types:
        return sql
    void = {f"${number}" for number, oid in enumerate(types, 1) if oid == VOID}
    try:
        tokens = tokenize(sql)
    except LexicalError:
        return sql  # the translation says what is wrong
    edits = [Edit(token.start, token.end, "NULL") for token in tokens if token.text in void]
    return apply(sql, 0, len(sql), edits)
