"""Parameters whose types a client declares: those that a statement does not use, and those of type void.

Amazon's JDBC driver sends a procedure's OUT arguments as parameters of type void with a value of no meaning. Its
registerOutParameter(): https://docs.aws.amazon.com/redshift/latest/mgmt/jdbc20-api-support.html; what a procedure
returns: https://docs.aws.amazon.com/redshift/latest/dg/stored-procedure-result-set.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from velodrome.redshift.sql.tokens import PARAMETER, Edit, LexicalError, apply, tokenize, words

VOID = 2278
_TEXT = 25
_UNKNOWN = (0, 705)
_PARAMETER = re.compile(r"\$[0-9]+")
_HIDES_PARAMETERS = ("'", '"', "--", "/*", "$$")  # with one of them in a text, a $1 in it may be none


def without_void(sql: str, types: Sequence[int]) -> str:
    """The statement with NULL in place of each void parameter, CALL without those at its end, as Redshift leaves OUT
    arguments away. Declared and unused, a parameter keeps its type and may have any value."""
    if VOID not in types:
        return sql
    void = {f"${number}" for number, oid in enumerate(types, 1) if oid == VOID}
    try:
        tokens = tokenize(sql)
    except LexicalError:
        return sql  # the translation says what is wrong
    edits = [Edit(token.start, token.end, "NULL") for token in tokens if token.text in void]
    if words(tokens, 0, "CALL"):
        last = next((at for at in range(len(tokens) - 1, 0, -1) if tokens[at].text == ")"), 0)
        first = last
        while first and tokens[first - 1].text in void:
            first -= 2 if words(tokens, first - 2, ",") else 1
        if first < last:
            edits = [edit for edit in edits if edit.start < tokens[first].start]
            edits.append(Edit(tokens[first].start, tokens[last].start, ""))
    return apply(sql, 0, len(sql), edits)


def complete(sql: str, types: Sequence[int]) -> Sequence[int]:
    """The types with one for each parameter that is declared without and not used, which PostgreSQL asks for
    (42P18) and Redshift does not. Its value has no meaning: any is text."""
    unknown = [number for number, oid in enumerate(types, 1) if oid in _UNKNOWN]
    if not unknown:
        return types
    used = set(_PARAMETER.findall(sql))
    if any(sign in sql for sign in _HIDES_PARAMETERS):
        try:
            used = {token.text for token in tokenize(sql) if token.kind == PARAMETER}
        except LexicalError:
            return types
    unused = {number for number in unknown if f"${number}" not in used}
    return [_TEXT if number in unused else oid for number, oid in enumerate(types, 1)] if unused else types
