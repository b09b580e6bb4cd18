"""CREATE, ALTER and DROP USER: read here, done by procedures of the server inside (catalog/10_users.sql).

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html, …/r_ALTER_USER.html, …/r_DROP_USER.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from velodrome.redshift.sql import long_names, refuse, settings
from velodrome.redshift.sql.reader import Reader, json_literal, strings
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Token, literal

Options = dict[str, object]

_SWITCHES = {
    "CREATEDB": ("createdb", True),
    "NOCREATEDB": ("createdb", False),
    "CREATEUSER": ("createuser", True),
    "NOCREATEUSER": ("createuser", False),
}


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """None for what is about something else than users."""
    reader = Reader(sql, tokens, 1)
    if not reader.take("USER"):
        return None
    return {"CREATE": _create, "ALTER": _alter, "DROP": _drop}[tokens[0].word](reader)


def _create(reader: Reader) -> Statement:
    name = reader.name()
    reader.take("WITH")
    options = _of_long_name(name, _options(reader, creating=True))
    return Statement(f"CALL velodrome.create_user({literal(name)}, {json_literal(options)})", tag="CREATE USER")


def _alter(reader: Reader) -> Statement:
    name = reader.name()
    user = literal(name)
    tag = "ALTER USER"
    if reader.take("RENAME", "TO"):
        sql = f"CALL velodrome.rename_user({user}, {literal(reader.name())})"
        reader.end()
        return Statement(sql, tag=tag)
    if reader.take("SET"):
        parameter, values = settings.assignment(reader)
        value = "NULL" if values is None else strings(values)
        return Statement(f"CALL velodrome.alter_user_parameter({user}, {literal(parameter)}, {value})", tag=tag)
    if reader.take("RESET"):
        if reader.sees("SESSION", "TIMEOUT"):
            reader.at += 2
            reader.end()
            return Statement(f"CALL velodrome.alter_user({user}, {json_literal({'session_timeout': None})})", tag=tag)
        parameter = reader.name()
        reader.end()
        return Statement(f"CALL velodrome.alter_user_parameter({user}, {literal(parameter)}, NULL)", tag=tag)
    reader.take("WITH")
    if reader.ended:
        raise reader.error()
    options = _of_long_name(name, _options(reader, creating=False))
    return Statement(f"CALL velodrome.alter_user({user}, {json_literal(options)})", tag=tag)


def _of_long_name(name: str, options: Options) -> Options:
    """An MD5 verifier holds the name that the client knows, which is not the one inside."""
    password = options.get("password")
    real = long_names.NAMES.real(name.encode())
    if real == name.encode() or not isinstance(password, str) or re.match(r"md5|sha256\||SCRAM-", password):
        return options
    if not 8 <= len(password) <= 64 or not all(re.search(some, password) for some in ("[A-Z]", "[a-z]", "[0-9]")):
        return options  # the server inside says what is wrong with it
    digest = hashlib.md5(password.encode() + real, usedforsecurity=False).hexdigest()
    return {**options, "password": f"md5{digest}"}


def _drop(reader: Reader) -> Statement:
    if_exists = reader.take("IF", "EXISTS")
    names = reader.names()
    reader.end()
    return Statement(f"CALL velodrome.drop_users({strings(names)}, {str(if_exists).lower()})", tag="DROP USER")


def _options(reader: Reader, *, creating: bool) -> Options:
    options: Options = {}
    while not reader.ended:
        where = reader.here
        name, value = _option(reader, creating=creating)
        if name in options:
            raise Refused(refuse.SYNTAX, "conflicting or redundant options", where.start)
        options[name] = value
    return options


def _option(reader: Reader, *, creating: bool) -> tuple[str, object]:
    switch = reader.take_any(*_SWITCHES)
    if switch:
        return _SWITCHES[switch]
    if reader.take("PASSWORD"):
        return "password", None if reader.take("DISABLE") else reader.string()
    if reader.take("SYSLOG", "ACCESS"):
        access = reader.take_any("RESTRICTED", "UNRESTRICTED")
        if not access:
            raise reader.error()
        return "syslog_access", access
    if reader.take("VALID", "UNTIL"):
        return "valid_until", reader.string()
    if reader.take("CONNECTION", "LIMIT"):
        return "connection_limit", -1 if reader.take("UNLIMITED") else reader.integer()
    if reader.take("SESSION", "TIMEOUT"):
        return "session_timeout", reader.integer()
    if reader.take("EXTERNALID"):
        return "external_id", reader.name() if reader.here.kind != "string" else reader.string()
    if creating and reader.take("IN", "GROUP"):
        return "groups", reader.names()
    raise reader.error()
