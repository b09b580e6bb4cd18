"""Rewrites of queries: single tokens wherever they stand (names, types), calls, and the clauses of a SELECT.

Redshift's functions themselves are functions of the server inside (catalog/), so that views, defaults and procedures
have them too.
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import (
    aliases,
    column_lists,
    ddl,
    functions,
    literals,
    midnight,
    numbers,
    qualify,
    system_catalog,
)
from velodrome.redshift.sql.selects import selects
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
    keeps_case,
    tokenize,
    words,
)


def query(
    sql: str, tokens: Sequence[Token], edits: Sequence[Edit] = (), *, catalog: bool = False, makes: bool = False
) -> str:
    """The text of these tokens with edits of their own and those of every query made; `catalog` for a query of the
    system catalog, `makes` for one whose columns become a table's or view's."""
    named = aliases.lateral(sql, tokens, where=catalog)
    if named:
        sql = apply(sql, tokens[0].start, tokens[-1].end, [*edits, *named])
        tokens, edits = tokenize(sql), ()
    computed = numbers.computations(tokens)
    others = [*edits, *computed, *_columns(tokens, computed, makes), *rewrites(sql, tokens)]
    if catalog:
        others += system_catalog.edits(tokens)
    return apply(sql, tokens[0].start, tokens[-1].end, [*others, *qualify.clauses(sql, tokens, others)])


def _columns(tokens: Sequence[Token], computed: Sequence[Edit], makes: bool) -> list[Edit]:
    """Names that a computation's column had as it was written, and the types of literals that become columns."""
    makes = makes or (any(token.word == "INTO" for token in tokens[1:]) and tokens[0].word in ("SELECT", "WITH"))
    dated = any(token.word == "SYSDATE" for token in tokens)
    if not (computed or makes or dated):
        return []
    edits = literals.types(tokens) if makes else []
    for select in selects(tokens):
        for item in select.items:
            start, end = tokens[item.first].start, tokens[item.past - 1].end
            if dated and not item.named and item.past - item.first == 1 and tokens[item.first].word == "SYSDATE":
                edits.append(Edit(end, end, ' AS "timestamp"'))  # as r_SYSDATE.html prints it
            if not item.named and item.name == "?column?" and any(start <= edit.start < end for edit in computed):
                edits.append(Edit(end, end, ' AS "?column?"'))
    return edits


def rewrites(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Edits of single tokens and calls, wherever they stand."""
    edits = [*column_lists.without_types(tokens), *functions.calls(sql, tokens), *midnight.edits(tokens)]
    for at, token in enumerate(tokens):
        if token.kind == QUOTED:
            edits += in_lower_case(token)
        elif token.kind == WORD and token.text.startswith("#"):
            edits.append(Edit(token.start, token.end, identifier(token.value)))
        elif token.kind == WORD and not words(tokens, at - 1, "."):
            edits += [*apart(tokens, at), *word(tokens, at)]
    return edits


def in_lower_case(token: Token) -> list[Edit]:
    """Quoted or not, names are stored in lower case, unless the session keeps their case: r_names.html"""
    if token.text == folded(token.text) or keeps_case.get() or federated(token.text[1:]):
        return []
    return [Edit(token.start, token.end, folded(token.text))]


def apart(tokens: Sequence[Token], at: int) -> list[Edit]:
    """A blank between a number and the word that follows it at once, as drivers write `THEN 4WHEN`: PostgreSQL 8.0 took
    that for two tokens, 15 and later refuse it."""
    touches = at and tokens[at - 1].end == tokens[at].start and tokens[at - 1].kind in (NUMBER, PARAMETER)
    return [Edit(tokens[at].start, tokens[at].start, " ")] if touches else []


def word(tokens: Sequence[Token], at: int) -> list[Edit]:
    token = tokens[at]
    edits: list[Edit] = []
    if words(tokens, at + 1, "("):
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


def needs_whole(sql: str, tokens: Sequence[Token]) -> bool:
    """Whether a query in these tokens has a clause that changes more than the words it stands at."""
    return qualify.has_clauses(tokens) or bool(aliases.lateral(sql, tokens))
