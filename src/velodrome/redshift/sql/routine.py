"""CREATE PROCEDURE and CREATE FUNCTION.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_PROCEDURE.html, …/r_CREATE_FUNCTION.html
What a body says is in procedure_body.py. The client's own text goes along in a comment, which an event trigger keeps
(catalog/14_routines.sql).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from velodrome.redshift.sql import procedure_body, refuse, signature
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import (
    DOLLAR,
    NUMBER,
    PARAMETER,
    STRING,
    Edit,
    LexicalError,
    Token,
    closing,
    name_end,
    split_list,
    tokenize,
    words,
)

_QUOTE = "$velodrome$"


def create(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """CREATE [OR REPLACE] PROCEDURE or FUNCTION; None for other CREATEs."""
    kind = next((at for at, token in enumerate(tokens[:4]) if token.word in ("PROCEDURE", "FUNCTION")), 0)
    if not kind:
        return None
    quoted = next((at for at, t in enumerate(tokens) if t.kind == STRING and words(tokens, at - 1, "AS")), None)
    if quoted is not None:
        return _quoted_body(sql, tokens, quoted)
    if not any(token.kind == DOLLAR and words(tokens, at - 1, "AS") for at, token in enumerate(tokens)):
        raise refuse.syntax_error(next((token for token in tokens if token.word == "RETURN"), tokens[-1]))
    edits: list[Edit] = []
    opening = name_end(tokens, kind + 1)
    if not words(tokens, opening, "("):
        raise refuse.syntax_error(tokens[min(opening, len(tokens) - 1)])
    is_procedure = tokens[kind].word == "PROCEDURE"
    edits += signature.intervals(tokens, opening, closing(tokens, opening))
    first_out = 0
    if is_procedure:
        edits += _parameters(sql, tokens, opening, closing(tokens, opening))
        first_out = _first_out(tokens, opening, closing(tokens, opening))
    for at, token in enumerate(tokens):
        if token.word == "NONATOMIC":
            raise refuse.not_here(sql, token, "a NONATOMIC procedure")
        if token.word == "SECURITY" and not is_procedure:
            raise refuse.syntax_error(token)
        if token.word == "LANGUAGE" and is_procedure and not words(tokens, at + 1, "PLPGSQL"):
            language = tokens[min(at + 1, len(tokens) - 1)]
            raise Refused(
                refuse.UNSUPPORTED, f'language "{language.value}" is not supported for procedures', token.start
            )
        if token.kind == DOLLAR:
            edits += _body(sql, token, is_procedure=is_procedure, first_out=first_out)
    note: dict[str, object] = {"name": [t.value for t in tokens[kind + 1 : opening] if t.text != "."]}
    note["text"] = _body_text(tokens)
    if any(sizes := _sizes(tokens, opening, closing(tokens, opening))):
        note["sizes"] = sizes
    comment = "/*velodrome-routine:" + json.dumps(note).replace("*", "\\u002a") + ":velodrome*/"
    return Statement(query(sql, tokens, edits) + " " + comment)


def _sizes(tokens: Sequence[Token], opening: int, end: int) -> list[list[int]]:
    """The numbers behind the type of each argument, which the server inside forgets: [10, 5] of DECIMAL(10, 5)."""
    found = split_list(tokens, opening + 1, end)
    return [[int(t.text) for t in tokens[first:last] if t.kind == NUMBER and t.text.isdigit()] for first, last in found]


def _body_text(tokens: Sequence[Token]) -> str:
    body = next((token.text for token in tokens if token.kind == DOLLAR), "")
    tag = body.index("$", 1) + 1 if body else 0
    return body[tag : len(body) - tag]


def _quoted_body(sql: str, tokens: Sequence[Token], at: int) -> Statement | None:
    """A body in quotes is one in dollars, written otherwise."""
    body = tokens[at]
    if _QUOTE in body.value:
        raise refuse.syntax_error(body)
    start = tokens[0].start
    text = sql[start : body.start] + _QUOTE + body.value + _QUOTE + sql[body.end : tokens[-1].end]
    try:
        return create(text, tokenize(text))
    except Refused as refused:
        raise Refused(refused.code, refused.message, body.start, hint=refused.hint) from None


def _parameters(sql: str, tokens: Sequence[Token], opening: int, end: int) -> list[Edit]:
    """CALL leaves OUT parameters away: inside they are INOUT ones that are NULL if not given, and marked as such
    (catalog/06_types.sql)."""
    edits: list[Edit] = []
    seen_out: Token | None = None
    for first, last in split_list(tokens, opening + 1, end):
        for token in tokens[first:last]:
            if token.word in ("DEFAULT", "VARIADIC") or token.text in ("=", ":="):
                raise refuse.syntax_error(token)
        out = next((token for token in tokens[first:last] if token.word == "OUT"), None)
        if out is not None:
            if seen_out is None:
                start = tokens[first].start
                edits.append(Edit(start, start, "velodrome_out anyenum DEFAULT NULL::velodrome.out_mark, "))
            seen_out = out
            edits += [
                Edit(out.start, out.end, "INOUT"),
                Edit(tokens[last - 1].end, tokens[last - 1].end, " DEFAULT NULL"),
            ]
        elif seen_out is not None:
            raise refuse.not_here(sql, seen_out, "an OUT parameter before one that is not")
    return edits


def _first_out(tokens: Sequence[Token], opening: int, end: int) -> int:
    """Which of the parameters is the first OUT one, from 1; 0 if there is none."""
    found = split_list(tokens, opening + 1, end)
    return next(
        (at for at, (first, last) in enumerate(found, 1) if any(t.word == "OUT" for t in tokens[first:last])), 0
    )


def _body(sql: str, token: Token, *, is_procedure: bool, first_out: int) -> list[Edit]:
    opening = token.text.index("$", 1) + 1
    offset = token.start + opening
    try:
        tokens = [
            Token(t.kind, t.text, t.start + offset, t.end + offset, t.word)
            for t in tokenize(token.text[opening:-opening])
        ]
    except LexicalError as error:
        raise Refused(refuse.SYNTAX, str(error), error.position + offset) from None
    if not tokens:
        return []
    refuse.inner_schema(tokens)
    if not is_procedure:
        return procedure_body.function_edits(sql, tokens)
    # The mark stands in front of the first OUT parameter.
    numbered = [t for t in tokens if first_out and t.kind == PARAMETER and int(t.text[1:]) >= first_out]
    shifted = [Edit(t.start, t.end, f"${int(t.text[1:]) + 1}") for t in numbered]
    return [*procedure_body.edits(sql, tokens), *shifted]
