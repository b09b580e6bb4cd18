"""`SELECT price * quantity AS paid, paid * 0.15 AS commission`: an item may name an earlier item of its own list.

A table's column of that name comes before the alias. Which columns there are, the text tells in part: an expression
that names itself (`upper(name) AS name`), a column that is named with its table, the lists of subqueries. What no
table has is taken for the alias. In a WHERE only an alias of a plain column is, in queries of the system catalog, as
tools ask them (sqlalchemy-redshift in each of its queries).
https://docs.aws.amazon.com/redshift/latest/dg/r_SELECT_list.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from velodrome.redshift.sql.selects import Item, Select, selects
from velodrome.redshift.sql.tokens import QUOTED, STRING, WORD, Edit, Token, closing, name_end, piece, vocabulary, words

_DATE_PART_FIRST = vocabulary("DATEADD DATE_ADD DATEDIFF DATE_DIFF DATE_PART DATEPART DATE_TRUNC EXTRACT")


def lateral(sql: str, tokens: Sequence[Token], *, where: bool = False) -> list[Edit]:
    """Edits that put an alias's expression in its place; `where` also in WHERE, for aliases of plain columns."""
    edits: list[Edit] = []
    for select in selects(tokens):
        if not any(item.named for item in select.items):
            continue
        found = _of_list(sql, tokens, select, edits)
        edits = [*found, *edits]
        if where and "WHERE" in select.clauses:
            edits += _replaced(tokens, *select.clauses["WHERE"], _plain(sql, tokens, select))
    return edits


def _plain(sql: str, tokens: Sequence[Token], select: Select) -> dict[str, str]:
    """The columns that have an alias of another name."""
    known = {}
    for item in select.items:
        plain = tokens[item.first].kind in (WORD, QUOTED) and name_end(tokens, item.first) == item.past
        if item.named and plain and tokens[item.past - 1].value != item.name and words(tokens, item.past, "AS"):
            known[item.name] = sql[tokens[item.first].start : tokens[item.past - 1].end]
    return known


def _of_list(sql: str, tokens: Sequence[Token], select: Select, inner: list[Edit]) -> list[Edit]:
    edits: list[Edit] = []
    known: dict[str, str] = {}
    columns = _columns(tokens, select)
    for item in select.items:
        if known:
            edits += _replaced(tokens, item.first, item.past, known)
        if item.named and item.name not in columns and not _names_itself(tokens, item):
            text = piece(sql, tokens[item.first].start, tokens[item.past - 1].end, [*edits, *inner])
            known[item.name] = text if _is_one(tokens, item) else f"({text})"
        else:
            known.pop(item.name, None)
    for clause in ("HAVING", "QUALIFY"):
        if known and clause in select.clauses:
            edits += _replaced(tokens, *select.clauses[clause], known)
    return edits


def _is_one(tokens: Sequence[Token], item: Item) -> bool:
    """Whether it needs no parentheses."""
    if item.past - item.first == 1:
        return True
    return words(tokens, item.first + 1, "(") and closing(tokens, item.first + 1) == item.past - 1


def _names_itself(tokens: Sequence[Token], item: Item) -> bool:
    return any(
        tokens[at].kind in (WORD, QUOTED) and tokens[at].value == item.name and _is_column(tokens, at)
        for at in range(item.first, item.past)
    )


def _columns(tokens: Sequence[Token], select: Select) -> set[str]:
    """What the text shows to be a column of a table of this SELECT."""
    found: set[str] = set()
    index = select.at
    while index < select.end:
        if words(tokens, index, "(", "SELECT") and index > select.list_end:
            end = closing(tokens, index)
            for inner in selects(tokens[index + 1 : end]):
                if inner.at == 0:
                    found |= {item.name for item in inner.items}
            index = end
        elif words(tokens, index, ".") and index + 1 < len(tokens) and not words(tokens, index + 2, "("):
            found.add(tokens[index + 1].value)
        index += 1
    seen: set[str] = set()
    for item in select.items:  # what is named before it is an alias
        if item.named and item.name in seen:
            found.add(item.name)
        seen |= {tokens[at].value for at in range(item.first, item.past) if _is_column(tokens, at)}
    return found


def _replaced(tokens: Sequence[Token], start: int, end: int, known: Mapping[str, str]) -> list[Edit]:
    edits: list[Edit] = []
    index = start
    while index < end:
        token = tokens[index]
        if words(tokens, index, "(", "SELECT"):
            index = closing(tokens, index)  # it has names of its own
        elif token.kind in (WORD, QUOTED) and token.value in known and _is_column(tokens, index):
            edits.append(Edit(token.start, token.end, known[token.value]))
        index += 1
    return edits


def _is_column(tokens: Sequence[Token], at: int) -> bool:
    if tokens[at].kind not in (WORD, QUOTED):
        return False
    if any(words(tokens, at - 1, before) for before in (".", "::", "AS")) or any(
        words(tokens, at + 1, after) for after in (".", "(")
    ):
        return False
    if at + 1 < len(tokens) and tokens[at + 1].kind == STRING:
        return False  # a type
    first_argument = words(tokens, at - 1, "(") and at > 1 and tokens[at - 2].word in _DATE_PART_FIRST
    return not first_argument
