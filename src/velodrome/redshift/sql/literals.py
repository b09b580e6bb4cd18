"""Literals that become columns of a table or a view: each is as long and as precise as it is written.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_AS.html; the branches of a UNION share the longest:
https://docs.aws.amazon.com/redshift/latest/dg/r_UNION.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.numbers import Decimal, literal_type
from velodrome.redshift.sql.selects import SETS, Item, Select, selects
from velodrome.redshift.sql.tokens import NUMBER, STRING, Edit, Token, words

_LONGEST = 65535
# Types of text that are as long as what they are made of, and the name of a column of each.
# https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html
_AS_LONG = {
    ("TEXT",): "text",
    ("VARCHAR",): "varchar",
    ("CHARACTER", "VARYING"): "varchar",
}


def types(tokens: Sequence[Token]) -> list[Edit]:
    """Casts for the items of every SELECT that are nothing but a literal, also one as text. In a set, all branches have
    one at the place, or none is cast: a string beside a date is a date."""
    edits: list[Edit] = []
    for branches in _sets(tokens):
        for items in zip(*(select.items for select in branches), strict=False):
            found = [_of(tokens, item) for item in items]
            if all(isinstance(one, int) for one in found):
                length = min(max(one for one in found if isinstance(one, int)), _LONGEST)
                edits += [edit for item in items for edit in _cast(tokens, item, f"VARCHAR({length})")]
            elif all(isinstance(one, Decimal) for one in found):
                decimals = [one for one in found if isinstance(one, Decimal)]
                scale = max(one.scale for one in decimals)
                precision = max(one.precision - one.scale for one in decimals) + scale
                edits += [edit for item in items for edit in _cast(tokens, item, f"NUMERIC({precision},{scale})")]
    return edits


def _sets(tokens: Sequence[Token]) -> list[list[Select]]:
    """The SELECTs, each with those that it is in one UNION, INTERSECT or EXCEPT with; none where a branch stands in
    parentheses."""
    found: list[list[Select]] = []
    begun: dict[int, list[Select]] = {}  # by the word that the next branch stands behind
    for select in sorted(selects(tokens), key=lambda each: each.at):
        branches = [*begun.pop(_before(tokens, select.at), []), select]
        if select.in_set:
            begun[select.end] = branches
        elif not _is_branch(tokens, branches[0].at, select.end):
            found.append(branches)
    return found


def _is_branch(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether what stands here is, perhaps in parentheses, one branch of a set."""
    before = _before(tokens, start)
    if before > 0 and tokens[before].text == "(":
        before = _before(tokens, before)
    follows = before >= 0 and tokens[before].word in SETS
    return follows or (words(tokens, end, ")") and end + 1 < len(tokens) and tokens[end + 1].word in SETS)


def _before(tokens: Sequence[Token], at: int) -> int:
    return at - 2 if at > 1 and tokens[at - 1].word in ("ALL", "DISTINCT") else at - 1


def _of(tokens: Sequence[Token], item: Item) -> int | Decimal | None:
    """A string's length in bytes, or a fraction's type; None for what is no literal, or an integer."""
    if (text := _as_text(tokens, item)) is not None:
        return max(1, len(text[0].value.encode()))
    last = tokens[item.past - 1]
    signed = item.past - item.first == 2 and tokens[item.first].text in ("-", "+") and last.kind == NUMBER
    if item.past - item.first != 1 and not signed:
        return None
    if last.kind == STRING:
        return max(1, len(last.value.encode()))
    type_ = literal_type(last.text) if last.kind == NUMBER else None
    return type_ if isinstance(type_, Decimal) else None


def _as_text(tokens: Sequence[Token], item: Item) -> tuple[Token, str] | None:
    """The string of CAST('…' AS TEXT) or '…'::TEXT, and the column's name; None for what is neither."""
    span = tokens[item.first : item.past]
    if len(span) > 2 and span[0].kind == STRING and span[1].text == "::":
        string, type_ = span[0], span[2:]
    elif len(span) > 5 and words(span, 0, "CAST", "(") and span[2].kind == STRING and words(span, 3, "AS"):
        string, type_ = span[2], span[4:-1]
    else:
        return None
    name = _AS_LONG.get(tuple(token.word for token in type_))
    return None if name is None else (string, name)


def _cast(tokens: Sequence[Token], item: Item, type_: str) -> list[Edit]:
    """The cast, and the name that the item had without it: the server inside would name it by the type."""
    first, last = tokens[item.first], tokens[item.past - 1]
    text = _as_text(tokens, item)
    name = "" if item.named else f' AS "{text[1] if text else "?column?"}"'
    if text:
        return [Edit(last.end, last.end, f"::{type_}{name}")]
    if first is last:
        return [Edit(last.end, last.end, f"::{type_}{name}")]
    return [Edit(first.start, first.start, "("), Edit(last.end, last.end, f")::{type_}{name}")]
