"""CREATE and ALTER SCHEMA: a QUOTA is taken out and noted for the catalog (catalog/12_schemas.sql), tables made with
a schema are made as by CREATE TABLE.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_SCHEMA.html, …/r_ALTER_SCHEMA.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from velodrome.redshift.sql import ddl, refuse
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.reader import Reader
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, closing, literal, words

_OPENING = "/*velodrome-quota:"
# "Amazon Redshift converts the selected value to megabytes. Gigabytes is the default unit of measurement."
_MEGABYTES = {"MB": 1, "GB": 1024, "TB": 1024 * 1024}


def create(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """CREATE SCHEMA {name [AUTHORIZATION user] | AUTHORIZATION user} [QUOTA …] [elements]; None for every other CREATE
    and for one that is PostgreSQL's, too."""
    reader = Reader(sql, tokens, 1)
    if not reader.take("SCHEMA") or reader.ended:
        return None
    name = _named(reader)
    edits: list[Edit] = []
    notes = ""
    if reader.sees("QUOTA"):
        first = reader.at
        quota = _quota(reader)
        notes = "" if quota is None else f"{_OPENING}{_note(name, quota)}:velodrome*/"
        edits.append(Edit(tokens[first - 1].end, tokens[reader.at - 1].end, ""))
    elif reader.ended:
        return None
    if not reader.ended and not (reader.sees("CREATE") or reader.sees("GRANT")):
        raise reader.error()
    for element in _elements(tokens, reader.at):
        if any(words(element, at, "TABLE") for at in range(1, min(4, len(element)))) and element[0].word == "CREATE":
            made, noted = ddl.create_table(sql, element)
            edits += made
            notes += noted
    refuse.pieces(sql, tokens[reader.at :])
    return Statement(f"{query(sql, tokens, edits, makes=True)} {notes}".rstrip())


def inside(sql: str, part: Sequence[Token]) -> list[Edit]:
    """Both in a procedure's body, where no comment reaches an event trigger: a quota stands in a parameter there."""
    made = create(sql, part) if part[0].word == "CREATE" else alter(sql, part)
    if made is None:
        return []
    text, _, notes = made.sql.partition(" /*velodrome")
    _, _, quota = f" /*velodrome{notes}".partition(_OPENING)
    if quota:
        note = literal(quota.partition(":velodrome*/")[0])
        text = f"SET LOCAL velodrome.schema_quota TO {note}; {text}; SET LOCAL velodrome.schema_quota TO ''"
    return [Edit(part[0].start, part[-1].end, text)]


def _named(reader: Reader) -> str:
    """The schema that is made; a user's has its name."""
    reader.take("IF", "NOT", "EXISTS")
    name = "" if reader.sees("AUTHORIZATION") else reader.name()
    owner = reader.name() if reader.take("AUTHORIZATION") else ""
    return name or owner


def _note(schema: str, megabytes: int) -> str:
    """What the event trigger reads. Nothing in it may end the comment, or open one inside it."""
    text = json.dumps({"schema": schema, "megabytes": megabytes}, ensure_ascii=True)
    return text.replace("/", "\\u002f")


def _elements(tokens: Sequence[Token], at: int) -> list[Sequence[Token]]:
    """The CREATE TABLE, CREATE VIEW and GRANT that follow, without anything between them."""
    starts: list[int] = []
    while at < len(tokens):
        if tokens[at].word in ("CREATE", "GRANT") and not words(tokens, at - 1, "."):
            starts.append(at)
        at = closing(tokens, at) + 1 if words(tokens, at, "(") else at + 1
    return [tokens[start:end] for start, end in zip(starts, [*starts[1:], len(tokens)], strict=False)]


def alter(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """ALTER SCHEMA name QUOTA …; None for every other ALTER."""
    reader = Reader(sql, tokens, 1)
    if not reader.take("SCHEMA") or reader.ended:
        return None
    name = reader.name()
    if not reader.sees("QUOTA"):
        return None
    quota = _quota(reader)
    reader.end()
    megabytes = "NULL" if quota is None else str(quota)
    return Statement(f"CALL velodrome.alter_schema_quota({literal(name)}, {megabytes})", tag="ALTER SCHEMA")


def _quota(reader: Reader) -> int | None:
    """In megabytes; None for UNLIMITED."""
    reader.expect("QUOTA")
    if reader.take("UNLIMITED"):
        return None
    return reader.integer() * _MEGABYTES[reader.take_any(*_MEGABYTES) or "GB"]
