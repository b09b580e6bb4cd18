"""SELECT TOP n and QUALIFY, clauses that PostgreSQL has not: LIMIT, and a condition around the SELECT.

https://docs.aws.amazon.com/redshift/latest/dg/r_SELECT_list.html, …/r_QUALIFY_clause.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.selects import Select, selects
from velodrome.redshift.sql.tokens import (
    NUMBER,
    QUOTED,
    WORD,
    Edit,
    Token,
    closing,
    identifier,
    name_end,
    piece,
    split_list,
    vocabulary,
    words,
)

_ROWS = "velodrome_rows"
_KEEP = "velodrome_keep"
_BEHIND_TABLE = vocabulary(
    "WHERE GROUP HAVING QUALIFY ORDER LIMIT OFFSET JOIN ON USING INNER LEFT RIGHT FULL CROSS NATURAL AS"
)


def clauses(sql: str, tokens: Sequence[Token], others: list[Edit]) -> list[Edit]:
    """Edits of every SELECT with one of them; `others` are those of what stands in it."""
    if not has_clauses(tokens):
        return []
    edits: list[Edit] = []
    for select in selects(tokens):
        if select.top is not None:
            edits += _top(sql, tokens, select)
        if "QUALIFY" in select.clauses:
            edits += _qualify(sql, tokens, select, [*others, *edits])
    return edits


def has_clauses(tokens: Sequence[Token]) -> bool:
    return any(
        token.word == "QUALIFY" or (token.word == "TOP" and _is_top(tokens, at)) for at, token in enumerate(tokens)
    )


def _is_top(tokens: Sequence[Token], at: int) -> bool:
    return at > 0 and tokens[at - 1].word in ("SELECT", "DISTINCT", "ALL")


def _top(sql: str, tokens: Sequence[Token], select: Select) -> list[Edit]:
    first, past = select.top or (0, 0)
    number = sql[tokens[first].end : tokens[past - 1].end].strip()
    end = tokens[select.end - 1].end
    edits = [Edit(tokens[first].start, tokens[past].start if past < len(tokens) else tokens[past - 1].end, "")]
    if select.in_set:
        edits += [Edit(tokens[select.at].start, tokens[select.at].start, "("), Edit(end, end, f" LIMIT {number})")]
    else:
        edits.append(Edit(end, end, f" LIMIT {number}"))
    return edits


def _qualify(sql: str, tokens: Sequence[Token], select: Select, others: list[Edit]) -> list[Edit]:
    def text(first: int, past: int) -> str:
        return piece(sql, tokens[first].start, tokens[past - 1].end, others)

    start, past = select.clauses["QUALIFY"]
    outer: list[str] = []
    edits: list[Edit] = []
    for number, item in enumerate(select.items):
        if item.is_star(tokens):
            rows = _rows(sql, tokens, select) if item.past - item.first == 1 else [text(item.first, item.past - 2)]
            inner = [f"{row} AS velodrome_row_{number}_{at}" for at, row in enumerate(rows)]
            outer += [f"({_ROWS}.velodrome_row_{number}_{at}).*" for at in range(len(rows))]
            edits.append(Edit(tokens[item.first].start, tokens[item.end - 1].end, ", ".join(inner)))
            continue
        name = f"velodrome_item_{number}"
        outer.append(f"{_ROWS}.{name} AS {identifier(item.name)}")
        edits.append(Edit(tokens[item.past - 1].end, tokens[item.end - 1].end, f" AS {name}"))
    added = [f"({text(start + 1, past)}) AS {_KEEP}"]
    edits += _order(tokens, select, added, text)
    last = tokens[select.items[-1].end - 1].end
    distinct = ""
    if select.distinct >= 0:
        distinct = "DISTINCT "
        token = tokens[select.distinct]
        edits.append(Edit(token.start, token.end, ""))
    begin = tokens[select.at].start
    return [
        Edit(begin, begin, f"SELECT {distinct}{', '.join(outer)} FROM ("),  # noqa: S608 (edited names)
        *edits,
        Edit(last, last, f", {', '.join(added)}"),
        Edit(tokens[start].start, tokens[past - 1].end, f") AS {_ROWS} WHERE {_KEEP}"),
    ]


def _order(tokens: Sequence[Token], select: Select, added: list[str], text: object) -> list[Edit]:
    """ORDER BY stands outside: what it names and no item does comes along."""
    if "ORDER" not in select.clauses:
        return []
    first, past = select.clauses["ORDER"]
    names = {item.name for item in select.items if not item.is_star(tokens)}
    edits = []
    for number, (start, end) in enumerate(split_list(tokens, first + 2, past)):
        stop = end
        while tokens[stop - 1].word in ("ASC", "DESC", "NULLS", "FIRST", "LAST"):
            stop -= 1
        one = tokens[start]
        if stop - start == 1 and (one.kind == NUMBER or (one.kind in (WORD, QUOTED) and one.value in names)):
            continue
        added.append(f"({text(start, stop)}) AS velodrome_order_{number}")  # type: ignore[operator]
        edits.append(Edit(one.start, tokens[stop - 1].end, f"{_ROWS}.velodrome_order_{number}"))
    return edits


def _rows(sql: str, tokens: Sequence[Token], select: Select) -> list[str]:
    """The names of a FROM's tables, each of which stands for a whole row."""
    if "FROM" not in select.clauses:
        raise refuse.not_here(sql, tokens[select.at], "QUALIFY with * and no table")
    first, past = select.clauses["FROM"]
    found: list[str] = []
    at, wanted = first + 1, True
    while at < past:
        token = tokens[at]
        if token.word in ("USING", "NATURAL"):
            raise refuse.not_here(sql, token, "QUALIFY with * and several tables (name the columns)")
        if wanted and (token.kind in (WORD, QUOTED) or token.text == "("):
            end = closing(tokens, at) + 1 if token.text == "(" else name_end(tokens, at)
            if words(tokens, end, "AS"):
                end += 1
            if end < past and tokens[end].kind in (WORD, QUOTED) and tokens[end].word not in _BEHIND_TABLE:
                found.append(identifier(tokens[end].value))
                end += 1
            elif token.text != "(":
                found.append(identifier(tokens[end - 1].value))
            at, wanted = end, False
            continue
        if token.text == "(":
            at = closing(tokens, at)
        wanted = token.text == "," or token.word == "JOIN"
        at += 1
    return found
