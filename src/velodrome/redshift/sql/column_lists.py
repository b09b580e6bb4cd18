"""`pg_get_late_binding_view_cols() cols(view_schema name, …)`: what Redshift's own set functions return is spelled out.

PostgreSQL takes such types only of functions that return an unknown record; ours know theirs (catalog/), and keep the
names. https://docs.aws.amazon.com/redshift/latest/dg/PG_GET_LATE_BINDING_VIEW_COLS.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.tokens import Edit, Token, closing, split_list, vocabulary, words

_FUNCTIONS = vocabulary(
    "PG_GET_COLS PG_GET_LATE_BINDING_VIEW_COLS PG_GET_GRANTEE_BY_IAM_ROLE PG_GET_IAM_ROLE_BY_USER PG_GET_SESSION_ROLES"
)


def without_types(tokens: Sequence[Token]) -> list[Edit]:
    """Edits that leave the names of such lists."""
    edits: list[Edit] = []
    for at, token in enumerate(tokens):
        if token.word not in _FUNCTIONS or not words(tokens, at + 1, "("):
            continue
        alias = closing(tokens, at + 1) + 1
        if words(tokens, alias, "AS"):
            alias += 1
        if words(tokens, alias + 1, "("):
            for first, past in split_list(tokens, alias + 2, closing(tokens, alias + 1)):
                if past - first > 1:
                    edits.append(Edit(tokens[first].end, tokens[past - 1].end, ""))
    return edits
