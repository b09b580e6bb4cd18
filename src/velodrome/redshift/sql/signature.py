"""The one procedure that a statement is about, told by its arguments: ALTER, DROP, and GRANT ON PROCEDURE.

https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_PROCEDURE.html, …/r_ALTER_PROCEDURE.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.reader import Reader, strings
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, apply, closing, literal, split_list, vocabulary, words


def change(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """{ALTER | DROP} PROCEDURE [IF EXISTS] name ([[argname] [argmode] argtype [, …]]) …; None for anything else."""
    reader = Reader(sql, tokens, 1)
    if not reader.take("PROCEDURE"):
        return None
    if_exists = reader.take("IF", "EXISTS")
    found = on_procedure(reader, f"{tokens[0].word} PROCEDURE", sql, tokens, if_exists=if_exists)
    if found is None:
        raise reader.not_here(f"{tokens[0].word} PROCEDURE of this form (name one procedure, with its arguments)")
    return Statement(found.sql, tag=f"{tokens[0].word} PROCEDURE")


def on_procedure(
    reader: Reader, before: str, sql: str, tokens: Sequence[Token], *, if_exists: bool = False
) -> Statement | None:
    """A statement about the one procedure that stands here; None if several do, or one without its arguments.

    OUT parameters may be left away, so that only the server inside knows which procedure is meant.
    """
    name = reader.dotted()
    if not reader.sees("("):
        return None
    end = closing(tokens, reader.at)
    if words(tokens, end + 1, ","):
        return None
    types = [_type(sql, tokens[first:last]) for first, last in split_list(tokens, reader.at + 1, end)]
    behind = sql[tokens[end + 1].start : tokens[-1].end] if end + 1 < len(tokens) else ""
    arguments = [literal(before), strings(name), strings([text for text in types if text]), literal(behind)]
    return Statement(f"CALL velodrome.on_procedure({', '.join(arguments)}, {str(if_exists).lower()})")


_YEARS = vocabulary("YEAR MONTH")
_FIELDS = _YEARS | vocabulary("DAY HOUR MINUTE SECOND")


def intervals(tokens: Sequence[Token], first: int, end: int) -> list[Edit]:
    """The fields of an interval are no part of an argument's type for the server inside: a type each stands for them.

    https://docs.aws.amazon.com/redshift/latest/dg/r_interval_data_types.html (catalog/06_types.sql)
    """
    edits: list[Edit] = []
    for at in range(first, end - 1):
        if tokens[at].word != "INTERVAL" or tokens[at + 1].word not in _FIELDS:
            continue
        last = at + 1
        if words(tokens, last + 1, "("):
            last = closing(tokens, last + 1)
        if words(tokens, last + 1, "TO") and last + 2 < end and tokens[last + 2].word in _FIELDS:
            last += 2
            if words(tokens, last + 1, "("):
                last = closing(tokens, last + 1)
        name = "intervaly2m" if tokens[at + 1].word in _YEARS else "intervald2s"
        edits.append(Edit(tokens[at].start, tokens[min(last, end - 1)].end, f"pg_catalog.{name}"))
    return edits


def _type(sql: str, tokens: Sequence[Token]) -> str:
    """The type of `[argname] [argmode] argtype`; empty for an OUT parameter."""
    mode = next((at for at, token in enumerate(tokens) if token.word in ("IN", "OUT", "INOUT")), None)
    if mode is not None and tokens[mode].word == "OUT":
        return ""
    # With the name in front, if it is no type by itself: find_procedure tries both.
    kept = tokens if mode is None else tokens[mode + 1 :] if mode else tokens[1:]
    return apply(sql, kept[0].start, kept[-1].end, intervals(kept, 0, len(kept))) if kept else ""
