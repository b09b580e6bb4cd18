"""Where the parts of a SELECT stand: its items and their names, its clauses, its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from velodrome.redshift.sql.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    STRING,
    WORD,
    Token,
    closing,
    split_list,
    vocabulary,
    words,
)

_CLAUSES = vocabulary("INTO FROM WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT OFFSET")
SETS = vocabulary("UNION INTERSECT EXCEPT MINUS")
# What may stand at the end of an expression and is no alias.
_NO_ALIAS = vocabulary("END NULL TRUE FALSE ISNULL NOTNULL SYSDATE CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP USER")
_CALLED_OTHERWISE = {"EXTRACT": "date_part", "NVL": "coalesce", "ISNULL": "coalesce", "NVL2": "case", "DECODE": "case"}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list: its expression's first token and the one behind it, the one behind all of it, its name."""

    first: int
    past: int
    end: int
    name: str
    named: bool  # by an alias

    def is_star(self, tokens: Sequence[Token]) -> bool:
        return tokens[self.past - 1].text == "*" and self.past - self.first in (1, 3, 5)


@dataclass(slots=True)
class Select:
    """A SELECT by the indexes of its tokens; each clause from its first word to the token behind it."""

    at: int
    list_start: int = 0
    list_end: int = 0
    distinct: int = -1
    top: tuple[int, int] | None = None
    clauses: dict[str, tuple[int, int]] = field(default_factory=dict)
    end: int = 0
    in_set: bool = False
    items: list[Item] = field(default_factory=list)


def selects(tokens: Sequence[Token]) -> Iterator[Select]:
    """Each SELECT of these tokens, the innermost and last first."""
    for at in range(len(tokens) - 1, -1, -1):
        if tokens[at].word == "SELECT" and not words(tokens, at - 1, "."):
            yield read(tokens, at)


def read(tokens: Sequence[Token], at: int) -> Select:
    found = Select(at)
    index = at + 1
    if index < len(tokens) and tokens[index].word in ("DISTINCT", "ALL"):
        found.distinct = index if tokens[index].word == "DISTINCT" else -1
        index += 1
    if words(tokens, index, "TOP") and index + 1 < len(tokens):
        if tokens[index + 1].kind in (NUMBER, PARAMETER):
            found.top = (index, index + 2)
        elif words(tokens, index + 1, "("):
            found.top = (index, min(closing(tokens, index + 1) + 1, len(tokens)))
        if found.top is not None:
            index = found.top[1]
    found.list_start = index
    clause, start = "", index
    while index < len(tokens):
        word = tokens[index].word
        if words(tokens, index, "("):
            index = closing(tokens, index)
        elif words(tokens, index, ")") or (word in SETS and not words(tokens, index - 1, ".")):
            found.in_set = word in SETS
            break
        elif word in _CLAUSES and word not in found.clauses and _begins(tokens, index):
            _close(found, clause, start, index)
            clause, start = word, index
        index += 1
    found.end = min(index, len(tokens))
    _close(found, clause, start, found.end)
    found.items = [_item(tokens, *span) for span in split_list(tokens, found.list_start, found.list_end)]
    return found


def _begins(tokens: Sequence[Token], at: int) -> bool:
    word = tokens[at].word
    if words(tokens, at - 1, ".") or words(tokens, at - 1, "AS"):
        return False
    if word in ("GROUP", "ORDER"):
        return words(tokens, at + 1, "BY")
    return not (word == "FROM" and words(tokens, at - 1, "DISTINCT") and words(tokens, at - 2, "IS"))


def _close(found: Select, clause: str, start: int, end: int) -> None:
    if clause:
        found.clauses[clause] = (start, end)
    else:
        found.list_end = end


def _item(tokens: Sequence[Token], first: int, end: int) -> Item:
    last = tokens[end - 1]
    if end - first > 2 and words(tokens, end - 2, "AS") and last.kind in (WORD, QUOTED):
        return Item(first, end - 2, end, last.value, True)
    if end - first > 1 and last.kind in (WORD, QUOTED) and last.word not in _NO_ALIAS:
        before = tokens[end - 2]
        ends = before.kind in (QUOTED, STRING, NUMBER, PARAMETER, WORD) or before.text in (")", "]")
        if ends and before.word not in _OPERATORS and not _is_type(tokens, end - 1):
            return Item(first, end - 1, end, last.value, True)
    return Item(first, end, end, _name(tokens, first, end), False)


_OPERATORS = vocabulary(
    """
    AND OR NOT IS IN LIKE ILIKE SIMILAR TO BETWEEN DISTINCT CASE WHEN THEN ELSE ALL ANY SOME INTERVAL ZONE COLLATE
    ESCAPE OVER
    """
)


def _is_type(tokens: Sequence[Token], at: int) -> bool:
    """Whether it is the last word of a type of two: a::double precision."""
    pairs = {"PRECISION": "DOUBLE", "VARYING": "CHARACTER", "ZONE": "TIME"}
    return tokens[at].word in pairs and tokens[at - 1].word == pairs[tokens[at].word]


def _name(tokens: Sequence[Token], first: int, end: int) -> str:
    """As PostgreSQL and Redshift name what has no alias."""
    start = first
    if words(tokens, start + 1, "(") and tokens[start].kind in (WORD, QUOTED) and closing(tokens, start + 1) == end - 1:
        return _CALLED_OTHERWISE.get(tokens[start].word, tokens[start].value)
    if tokens[first].word == "CASE":
        return "case"
    if tokens[first].kind in (WORD, QUOTED) and all(
        tokens[at].text == "." if (at - first) % 2 else tokens[at].kind in (WORD, QUOTED) for at in range(first, end)
    ):
        return tokens[end - 1].value
    return "?column?"
