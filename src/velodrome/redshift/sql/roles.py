"""CREATE, ALTER and DROP of groups and roles: read here, done by procedures of the server inside.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_GROUP.html, …/r_CREATE_ROLE.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.reader import Reader, strings
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Token, literal


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """None for what is about something else than groups and roles."""
    reader = Reader(sql, tokens, 1)
    kind = reader.take_any("GROUP", "ROLE")
    if not kind:
        return None
    call = _KINDS[kind, tokens[0].word](reader)
    reader.end()
    return Statement(f"CALL velodrome.{call}", tag=f"{tokens[0].word} {kind}")


def _create_group(reader: Reader) -> str:
    name = reader.name()
    reader.take("WITH")
    users = reader.names() if reader.take("USER") else []
    return f"create_group({literal(name)}, {strings(users)})"


def _alter_group(reader: Reader) -> str:
    name = literal(reader.name())
    if reader.take("RENAME", "TO"):
        return f"alter_group({name}, 'rename', {strings([reader.name()])})"
    change = reader.take_any("ADD", "DROP")
    reader.expect("USER")
    if not change:
        raise reader.error()
    return f"alter_group({name}, '{change.lower()}', {strings(reader.names())})"


def _drop_group(reader: Reader) -> str:
    if_exists = reader.take("IF", "EXISTS")
    return f"drop_group({literal(reader.name())}, {str(if_exists).lower()})"


def _create_role(reader: Reader) -> str:
    name = literal(reader.name())
    external = _external_id(reader) if reader.take("EXTERNALID") else "NULL"
    return f"create_role({name}, {external})"


def _alter_role(reader: Reader) -> str:
    name = literal(reader.name())
    reader.take("WITH")
    if reader.take("RENAME"):
        reader.expect("TO")
        return f"alter_role({name}, 'rename', {literal(reader.name())})"
    if reader.take("OWNER"):
        reader.expect("TO")
        return f"alter_role({name}, 'owner', {literal(reader.name())})"
    reader.expect("EXTERNALID")
    reader.take("TO")
    return f"alter_role({name}, 'external_id', {_external_id(reader)})"


def _external_id(reader: Reader) -> str:
    return literal(reader.string() if reader.here.kind == "string" else reader.name())


def _drop_role(reader: Reader) -> str:
    name = literal(reader.name())
    forced = reader.take_any("FORCE", "RESTRICT") == "FORCE"
    return f"drop_role({name}, {str(forced).lower()})"


_KINDS = {
    ("GROUP", "CREATE"): _create_group,
    ("GROUP", "ALTER"): _alter_group,
    ("GROUP", "DROP"): _drop_group,
    ("ROLE", "CREATE"): _create_role,
    ("ROLE", "ALTER"): _alter_role,
    ("ROLE", "DROP"): _drop_role,
}
