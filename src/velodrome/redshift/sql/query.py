"""Rewrites of single tokens, wherever they stand: names, types, functions, date parts; the rest by syntax tree.

Redshift's functions themselves are functions of the server inside (catalog/), so that views, defaults and procedures
have them too.
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import column_lists, ddl, tree
from velodrome.redshift.sql.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    WORD,
    Edit,
    Token,
    apply,
    federated,
    folded,
    identifier,
    vocabulary,
    words,
)

# Called by another name inside, because PostgreSQL has a function of that name that answers differently:
# AVG of integers is an integer (r_AVG.html), REGEXP_REPLACE replaces every match (REGEXP_REPLACE.html),
# CONCAT with a NULL is NULL (r_CONCAT.html). NVL and ISNULL are COALESCE in Redshift's own plans (r_NVL_function.html).
_FUNCTIONS = {
    "AVG": "velodrome.avg",
    "REGEXP_REPLACE": "velodrome.regexp_replace",
    "CONCAT": "velodrome.concat",
    "NVL": "COALESCE",
    "ISNULL": "COALESCE",
    "DATE_TRUNC": "velodrome.date_trunc",
    # Parameters that PostgreSQL lacks are kept under names of their own (parameters.py).
    "CURRENT_SETTING": "velodrome.current_setting",
    "SET_CONFIG": "velodrome.set_config",
    "PG_CANCEL_BACKEND": "velodrome.pg_cancel_backend",
    "PG_TERMINATE_BACKEND": "velodrome.pg_terminate_backend",
}

# The first argument is a date part, which may stand without quotes.
# https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html
_DATE_PART_FUNCTIONS = vocabulary("DATEADD DATE_ADD DATEDIFF DATE_DIFF DATE_PART DATEPART DATE_TRUNC")

# Only a syntax tree can rewrite these.
_TREE_FUNCTIONS = vocabulary("LISTAGG DECODE NVL2 MEDIAN CONVERT")


def query(sql: str, tokens: Sequence[Token], edits: Sequence[Edit] = ()) -> str:
    """The text of these tokens with edits of their own and those of every query made."""
    text = apply(sql, tokens[0].start, tokens[-1].end, [*edits, *rewrites(sql, tokens)])
    if needs_tree(tokens):
        text = tree.rewrite(sql, tokens, text)
    return text


def rewrites(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Edits of single tokens, wherever they stand."""
    edits = column_lists.without_types(tokens)
    for at, token in enumerate(tokens):
        if token.kind == QUOTED and token.text != folded(token.text) and not federated(token.text[1:]):
            # Quoted or not, names are stored in lower case: r_names.html
            edits.append(Edit(token.start, token.end, folded(token.text)))
        elif token.kind == WORD and token.text.startswith("#"):
            edits.append(Edit(token.start, token.end, identifier(token.value)))
        elif token.kind == WORD and not words(tokens, at - 1, "."):
            edits += [*apart(tokens, at), *word(tokens, at)]
    return edits


def apart(tokens: Sequence[Token], at: int) -> list[Edit]:
    """A blank between a number and the word that follows it at once, as drivers write `THEN 4WHEN`: PostgreSQL 8.0 took
    that for two tokens, 15 and later refuse it."""
    touches = at and tokens[at - 1].end == tokens[at].start and tokens[at - 1].kind in (NUMBER, PARAMETER)
    return [Edit(tokens[at].start, tokens[at].start, " ")] if touches else []


def word(tokens: Sequence[Token], at: int) -> list[Edit]:
    token = tokens[at]
    edits: list[Edit] = []
    if words(tokens, at + 1, "("):
        if token.word in _FUNCTIONS:
            edits.append(Edit(token.start, token.end, _FUNCTIONS[token.word]))
        if token.word in _DATE_PART_FUNCTIONS and at + 3 < len(tokens) and words(tokens, at + 3, ","):
            part = tokens[at + 2]
            if part.kind == WORD:
                edits.append(Edit(part.start, part.end, f"'{part.value}'"))
        if token.word in ("VARCHAR", "NVARCHAR", "CHAR", "VARYING") and not words(tokens, 0, "CREATE", "TABLE"):
            edits += ddl.default_precision(tokens, at, len(tokens))
    elif token.word == "INTO" and at + 1 < len(tokens) and tokens[at + 1].text.startswith("#"):
        if tokens[0].word in ("SELECT", "WITH"):
            edits.append(Edit(token.end, token.end, " TEMP"))
    elif token.word == "SYSDATE":
        edits.append(Edit(token.start, token.end, "pg_catalog.sysdate()"))
    elif token.word == "CURRENT_USER_ID":
        edits.append(Edit(token.start, token.end, "velodrome.current_user_id()"))
    elif token.word in ("DECIMAL", "NUMERIC", "DEC") and (words(tokens, at - 1, "::") or _closes_cast(tokens, at)):
        edits += ddl.default_precision(tokens, at, len(tokens))
    elif token.word == "MINUS" and at + 1 < len(tokens) and tokens[at + 1].word in ("SELECT", "ALL"):
        edits.append(Edit(token.start, token.end, "EXCEPT"))
    elif token.word == "APPROXIMATE" and at + 1 < len(tokens) and tokens[at + 1].word in ("COUNT", "PERCENTILE_DISC"):
        edits.append(Edit(token.start, tokens[at + 1].start, ""))
    return edits


def _closes_cast(tokens: Sequence[Token], at: int) -> bool:
    return words(tokens, at - 1, "AS") and words(tokens, at + 1, ")")


def needs_tree(tokens: Sequence[Token]) -> bool:
    """Whether PostgreSQL's grammar lacks something in these tokens."""
    return any(needs_tree_at(tokens, index) for index in range(len(tokens)))


def needs_tree_at(tokens: Sequence[Token], at: int) -> bool:
    """Whether it lacks what begins at one of them."""
    token = tokens[at]
    if token.word == "QUALIFY":
        return True
    if token.word in _TREE_FUNCTIONS and words(tokens, at + 1, "(") and not words(tokens, at - 1, "."):
        return True
    return token.word == "TOP" and at > 0 and tokens[at - 1].word in ("SELECT", "DISTINCT", "ALL")
