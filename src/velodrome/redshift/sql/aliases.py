"""`SELECT n.nspname AS schema … WHERE schema = 'x'`: a WHERE may name what its own SELECT list has just named.

Redshift takes an alias wherever no table has a column of that name; PostgreSQL takes none. Tools ask the catalog so
(sqlalchemy-redshift in each of its queries). Only an alias of a plain column is replaced, by that column.
https://docs.aws.amazon.com/redshift/latest/dg/r_SELECT_list.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from velodrome.redshift.sql.tokens import QUOTED, WORD, Edit, Token, closing, name_end, split_list, vocabulary, words

_AFTER_WHERE = vocabulary("GROUP HAVING ORDER LIMIT OFFSET UNION INTERSECT EXCEPT MINUS QUALIFY WINDOW")


def in_where(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Edits of each WHERE that names an alias of its own SELECT."""
    selects = (index for index, token in enumerate(tokens) if token.word == "SELECT")
    return [edit for select in selects for edit in _in_where(sql, tokens, select)]


def _in_where(sql: str, tokens: Sequence[Token], select: int) -> list[Edit]:
    from_ = _next(tokens, select + 1, vocabulary("FROM"))
    where = _next(tokens, from_, vocabulary("WHERE") | _AFTER_WHERE)
    if not words(tokens, where, "WHERE"):
        return []
    known = _aliases(sql, tokens, select + 1, from_)
    return _replaced(tokens, where + 1, _next(tokens, where, _AFTER_WHERE), known) if known else []


def _next(tokens: Sequence[Token], at: int, wanted: frozenset[str]) -> int:
    """Index of the first of these words in the SELECT itself; where it ends, if it has none."""
    index = at
    while index < len(tokens):
        if words(tokens, index, "("):
            index = closing(tokens, index)
        elif words(tokens, index, ")") or (index > at and tokens[index].word in wanted):
            return index
        index += 1
    return len(tokens)


def _aliases(sql: str, tokens: Sequence[Token], start: int, end: int) -> dict[str, str]:
    """The columns that have an alias of another name."""
    known = {}
    for first, past in split_list(tokens, start, end):
        plain = tokens[first].kind in (WORD, QUOTED) and name_end(tokens, first) == past - 2
        if plain and words(tokens, past - 2, "AS") and tokens[past - 3].value != tokens[past - 1].value:
            known[tokens[past - 1].value] = sql[tokens[first].start : tokens[past - 3].end]
    return known


def _replaced(tokens: Sequence[Token], start: int, end: int, known: Mapping[str, str]) -> list[Edit]:
    edits: list[Edit] = []
    index = start
    while index < end:
        token = tokens[index]
        if words(tokens, index, "(", "SELECT"):
            index = closing(tokens, index)  # it has names of its own
        elif token.kind in (WORD, QUOTED) and token.value in known:
            qualified = words(tokens, index - 1, ".") or words(tokens, index + 1, ".")
            if not qualified and not words(tokens, index + 1, "(") and not words(tokens, index - 1, "::"):
                edits.append(Edit(token.start, token.end, known[token.value]))
        index += 1
    return edits
