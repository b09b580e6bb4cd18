"""Row-level security: read here, done by procedures of the server inside (catalog/15_row_security.sql).

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_RLS_POLICY.html, …/r_ATTACH_RLS_POLICY.html,
…/r_DETACH_RLS_POLICY.html, …/r_ALTER_RLS_POLICY.html, …/r_DROP_RLS_POLICY.html, …/r_ALTER_TABLE.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.reader import Reader, json_literal
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, closing, identifier, literal, split_list, words

# The column under which a policy's expression finds who asks: inside, it runs as the policy's owner.
_ASKING = '"velodrome user"'


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """{CREATE | ALTER | DROP | ATTACH | DETACH} RLS POLICY …; None for anything else."""
    if words(tokens, 1, "MASKING", "POLICY"):
        raise refuse.not_here(sql, tokens[1], f"{tokens[0].word} MASKING POLICY")
    if not words(tokens, 1, "RLS", "POLICY"):
        return None
    reader = Reader(sql, tokens, 3)
    command = tokens[0].word
    call = {"CREATE": _create, "ALTER": _alter, "DROP": _drop, "ATTACH": _attach, "DETACH": _attach}[command](reader)
    reader.end()
    return Statement(f"CALL velodrome.{call}", tag=f"{command} RLS POLICY")


def alter_table(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """ALTER TABLE t ROW LEVEL SECURITY {ON | OFF} [CONJUNCTION TYPE {AND | OR}]"""
    if not words(tokens, 1, "TABLE") or not any(words(tokens, at, "ROW", "LEVEL", "SECURITY") for at in range(3, 9)):
        return None
    reader = Reader(sql, tokens, 2)
    table = _table(reader)
    reader.expect("ROW", "LEVEL", "SECURITY")
    switch = reader.take_any("ON", "OFF")
    if not switch:
        raise reader.error()
    kind = ""
    if reader.take("CONJUNCTION", "TYPE"):
        kind = reader.take_any("AND", "OR")
    if reader.sees("FOR", "DATASHARES"):
        raise reader.not_here("ROW LEVEL SECURITY FOR DATASHARES")
    reader.end()
    arguments = f"{table}, {str(switch == 'ON').lower()}, {literal(kind.lower())}"
    return Statement(f"CALL velodrome.switch_row_security({arguments})", tag="ALTER TABLE")


def _table(reader: Reader) -> str:
    return literal(".".join(identifier(part) for part in reader.dotted())) + "::regclass"


def _create(reader: Reader) -> str:
    name = literal(reader.name())
    columns: list[tuple[str, str]] = []
    alias = ""
    if reader.take("WITH"):
        columns = _columns(reader)
        if reader.take("AS") or not reader.sees("USING"):
            alias = reader.name()
    written, inside = _using(reader)
    arguments = f"{name}, {json_literal(columns)}, {literal(alias)}, {literal(written)}, {literal(inside)}"
    return f"create_rls_policy({arguments})"


def _columns(reader: Reader) -> list[tuple[str, str]]:
    if not reader.sees("("):
        raise reader.error()
    end = closing(reader.tokens, reader.at)
    found: list[tuple[str, str]] = []
    for first, last in split_list(reader.tokens, reader.at + 1, end):
        column = Reader(reader.sql, reader.tokens[:last], first)
        name = column.name()
        if column.ended:
            raise column.error()
        found.append((name, query(reader.sql, reader.tokens[column.at : last])))
    reader.at = end + 1
    return found


def _using(reader: Reader) -> tuple[str, str]:
    """The expression as it was written, and as the server inside takes it."""
    reader.expect("USING")
    if not reader.sees("("):
        raise reader.error()
    end = closing(reader.tokens, reader.at)
    inner = reader.tokens[reader.at + 1 : end]
    if not inner or end == len(reader.tokens):
        raise reader.error()
    reader.at = end + 1
    refuse.pieces(reader.sql, inner)
    asking = [
        Edit(token.start, token.end, _ASKING)
        for token in inner
        if token.word in ("CURRENT_USER", "USER", "SESSION_USER")
    ]
    return reader.sql[inner[0].start : inner[-1].end], query(reader.sql, inner, asking)


def _alter(reader: Reader) -> str:
    name = literal(reader.name())
    written, inside = _using(reader)
    return f"alter_rls_policy({name}, {literal(written)}, {literal(inside)})"


def _drop(reader: Reader) -> str:
    if_exists = reader.take("IF", "EXISTS")
    name = literal(reader.name())
    cascade = reader.take_any("CASCADE", "RESTRICT") == "CASCADE"
    return f"drop_rls_policy({name}, {str(if_exists).lower()}, {str(cascade).lower()})"


def _attach(reader: Reader) -> str:
    change = reader.tokens[0].word.lower()
    name = literal(reader.name())
    reader.expect("ON")
    reader.take("TABLE")
    tables = [_table(reader)]
    while reader.take(","):
        tables.append(_table(reader))
    reader.expect("TO" if reader.sees("TO") or change == "attach" else "FROM")
    grantees: dict[str, list[str]] = {}
    while not grantees or reader.take(","):
        if reader.take("PUBLIC"):
            grantees.setdefault("public", []).append("public")
        else:
            kind = "role" if reader.take("ROLE") else "user"
            grantees.setdefault(kind, []).append(reader.name())
    return f"attach_rls_policy('{change}', {name}, ARRAY[{', '.join(tables)}], {json_literal(grantees)})"
