"""Bodies of stored procedures and SQL functions: the same edits of tokens; no syntax tree inside PL/pgSQL.

https://docs.aws.amazon.com/redshift/latest/dg/c_PLpgSQL-structure.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import ddl, refuse
from velodrome.redshift.sql.query import needs_tree_at, query, rewrites
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import DOLLAR, STRING, Edit, LexicalError, Token, statements, tokenize, words


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """CREATE [OR REPLACE] PROCEDURE or FUNCTION; None for other CREATEs."""
    if not any(token.word in ("PROCEDURE", "FUNCTION") for token in tokens[:4]):
        return None
    return Statement(query(sql, tokens, _routine(sql, tokens)))


def _routine(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    edits: list[Edit] = []
    for token in tokens:
        if token.word == "NONATOMIC":
            raise refuse.not_here(sql, token, "a NONATOMIC procedure")
        if token.kind == DOLLAR:
            opening = token.text.index("$", 1) + 1
            inside = token.text[opening:-opening]
            offset = token.start + opening
            edits += _body(sql, inside, offset)
        elif token.kind == STRING and words(tokens, tokens.index(token) - 1, "AS"):
            raise refuse.not_here(sql, token, "a procedure body in quotes (write it in $$)")
    return edits


def _body(sql: str, inside: str, offset: int) -> list[Edit]:
    try:
        tokens = [Token(t.kind, t.text, t.start + offset, t.end + offset, t.word) for t in tokenize(inside)]
    except LexicalError as error:
        raise Refused(refuse.SYNTAX, str(error), error.position + offset) from None
    edits: list[Edit] = []
    for part in statements(tokens):
        edits += _body_statement(sql, part)
    for at, token in enumerate(tokens):
        if needs_tree_at(tokens, at):
            raise refuse.not_here(sql, token, f"{token.word} inside a procedure")
        if token.word in ("COPY", "UNLOAD", "VACUUM") and (
            at == 0 or tokens[at - 1].text in (";", "BEGIN", "THEN", "ELSE", "LOOP")
        ):
            raise refuse.not_here(sql, token, f"{token.word} inside a procedure")
    return edits + rewrites(sql, tokens)


def _body_statement(sql: str, part: Sequence[Token]) -> list[Edit]:
    """Table definitions inside a body lose their attributes; nothing of them is noted in the catalog."""
    for at in range(len(part)):
        if words(part, at, "CREATE") and any(words(part, i, "TABLE") for i in range(at + 1, min(at + 4, len(part)))):
            return ddl.create_table(sql, part[at:])[0]
        if words(part, at, "ALTER", "TABLE"):
            return ddl.alter_table(sql, part[at:])[0]
    refuse.pieces(sql, [token for token in part if token.kind != DOLLAR])
    return []
