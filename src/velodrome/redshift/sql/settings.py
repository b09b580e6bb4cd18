"""SET, RESET and SHOW of the session's parameters.

https://docs.aws.amazon.com/redshift/latest/dg/r_SET.html, …/r_RESET.html, …/r_SHOW.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import parameters, refuse
from velodrome.redshift.sql.reader import Reader
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import QUOTED, STRING, SYMBOL, Token, apply, folded, identifier, literal, vocabulary

# Redshift has the value that the translation relies on; changing it would change what a string literal means.
FIXED = vocabulary("STANDARD_CONFORMING_STRINGS BACKSLASH_QUOTE SESSION_REPLICATION_ROLE")
# PostgreSQL's parameters that Redshift shows otherwise.
_SHOWN_OTHERWISE = ("statement_timeout", "is_superuser")
_SHOWN_OBJECTS = vocabulary(
    """
    TABLES SCHEMAS DATABASES COLUMNS TABLE VIEW PROCEDURES PROCEDURE FUNCTIONS PARAMETERS GRANTS CONSTRAINTS
    DATASHARES
    """
)


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement:
    """The statement with Redshift's own parameters under the names that the server inside keeps them by."""
    reader = Reader(sql, tokens, 1)
    if reader.ended:
        raise reader.error()
    return {"SET": _set, "RESET": _reset, "SHOW": _show}[tokens[0].word](reader)


def _as_it_is(reader: Reader) -> Statement:
    tokens = reader.tokens
    return Statement(apply(reader.sql, tokens[0].start, tokens[-1].end, []))


def _set(reader: Reader) -> Statement:
    if reader.sees("SESSION", "AUTHORIZATION") or reader.sees("LOCAL", "SESSION", "AUTHORIZATION"):
        return _session_authorization(reader)
    if reader.sees("ROLE"):
        raise refuse.syntax_error(reader.tokens[-1])
    if reader.sees("SESSION", "CHARACTERISTICS") or reader.here.word in ("TRANSACTION", "NAMES", "TIME"):
        return _as_it_is(reader)
    scope = reader.take_any("SESSION", "LOCAL")
    start = reader.at
    name, values = assignment(reader)
    if name not in parameters.OWN:
        reader.at = start
        return _as_it_is(reader)
    value = "DEFAULT" if values is None else literal(values[0])
    if name == parameters.CASE and values is not None:
        value = parameters.CASE_VALUES[values[0]]
    return Statement(f"SET {scope + ' ' if scope else ''}{parameters.inside(name)} TO {value}")


def assignment(reader: Reader) -> tuple[str, list[str] | None]:
    """name {TO | =} {value [, …] | DEFAULT}, checked; None stands for the default."""
    where = reader.here
    name = ".".join(reader.dotted())
    _known(reader, where, name)
    if not (reader.take("TO") or reader.take("=")):
        raise reader.error()
    if reader.take("DEFAULT"):
        reader.end()
        return name, None
    at = reader.here
    values = [_value(reader)]
    while reader.take(","):
        values.append(_value(reader))
    reader.end()
    if name == "search_path" and "velodrome" in (folded(value) for text in values for value in text.split(",")):
        raise Refused("42501", "permission denied for schema velodrome", at.start)
    if name in parameters.OWN:
        values = [_checked(reader, name, ",".join(values), (where, at))]
    return name, values


def _value(reader: Reader) -> str:
    """A string, a number, a word or a quoted name."""
    if reader.ended or (reader.here.kind == SYMBOL and not reader.sees("-") and not reader.sees("+")):
        raise reader.error()
    sign = reader.take_any("-", "+").replace("+", "")
    token = reader.here
    reader.at += 1
    return sign + (token.value if token.kind in (STRING, QUOTED) else token.text)


def _checked(reader: Reader, name: str, value: str, places: tuple[Token, Token]) -> str:
    where, at = places
    found = parameters.problem(name, value)
    if found is not None:
        raise Refused(found[0], found[1], at.start)
    value = parameters.normal(name, value)
    if parameters.OWN[name].only not in ("", value):
        raise refuse.not_here(reader.sql, where, name)
    return value


def _known(reader: Reader, where: Token, name: str) -> None:
    if name.upper() in FIXED:
        raise refuse.not_here(reader.sql, where, f"changing {name}")
    if name in ("role", parameters.CASE_CARRIER) or name.startswith("velodrome."):
        raise Refused("42704", f'unrecognized configuration parameter "{name}"', where.start)


def _reset(reader: Reader) -> Statement:
    if reader.take("ALL"):
        reader.end()
        return Statement("RESET ALL")
    if reader.take("SESSION", "AUTHORIZATION"):
        reader.end()
        return Statement("RESET ROLE", tag="RESET")
    where = reader.here
    name = ".".join(reader.dotted())
    _known(reader, where, name)
    reader.end()
    return Statement(f"RESET {parameters.inside(name)}") if name in parameters.OWN else _as_it_is(reader)


def _show(reader: Reader) -> Statement:
    name = reader.here
    if name.word in _SHOWN_OBJECTS:
        raise refuse.not_here(reader.sql, name, f"SHOW {name.word}")
    if reader.take("ALL"):
        reader.end()
        return Statement("SELECT name, setting FROM velodrome.show_all()", tag="SHOW")
    if name.value not in parameters.OWN and name.value not in _SHOWN_OTHERWISE:
        if name.value in ("velodrome", parameters.CASE_CARRIER):
            _known(reader, name, ".".join(reader.dotted()))
        return _as_it_is(reader)
    reader.name()
    reader.end()
    shown = f"SELECT velodrome.shown({literal(name.value)}) AS {identifier(name.value)}"
    return Statement(shown, tag="SHOW")


def _session_authorization(reader: Reader) -> Statement:
    """Only a superuser of the server inside could change the session's own user: the current user is changed.

    https://docs.aws.amazon.com/redshift/latest/dg/r_SET_SESSION_AUTHORIZATION.html
    """
    scope = reader.take_any("LOCAL")
    reader.expect("SESSION", "AUTHORIZATION")
    if reader.take("DEFAULT"):
        reader.end()
        return Statement("RESET ROLE", tag="SET")
    user = reader.string() if reader.here.kind == STRING else reader.name()
    reader.end()
    check = f"CALL velodrome.expect_session_user({literal(user)})"
    return Statement(f"SET {scope + ' ' if scope else ''}ROLE {identifier(user)}", before=check, tag="SET")
