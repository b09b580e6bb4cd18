"""SHOW of databases, schemas, tables and what is in them, and USE: functions of the server inside answer.

Names and patterns may be parameters, which is how drivers ask. Each SHOW has its page below
https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html (catalog/23_show.sql).
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.statement import CONNECTED, Statement
from velodrome.redshift.sql.tokens import (
    NUMBER,
    PARAMETER,
    QUOTED,
    STRING,
    WORD,
    Token,
    closing,
    literal,
    split_list,
    words,
)

# The words, how many names may stand in the dotted name after them, the function, and the column that LIKE filters.
_FORMS: tuple[tuple[tuple[str, ...], int, str, str], ...] = (
    (("DATABASES",), 0, "show_databases", "database_name"),
    (("SCHEMAS", "FROM", "DATABASE"), 1, "show_schemas", "schema_name"),
    (("TABLES", "FROM", "SCHEMA"), 2, "show_tables", "table_name"),
    (("TABLES", "FROM", "DATABASE"), 1, "show_all_tables", "table_name"),
    (("COLUMNS", "FROM", "TABLE"), 3, "show_columns", "column_name"),
    (("COLUMNS", "FROM", "DATABASE"), 1, "show_all_columns", "column_name"),
    (("CONSTRAINTS", "PRIMARY", "KEYS", "FROM", "TABLE"), 3, "show_primary_keys", ""),
    (("CONSTRAINTS", "FOREIGN", "KEYS", "FROM", "TABLE"), 3, "show_foreign_keys", ""),
    (("CONSTRAINTS", "FOREIGN", "KEYS", "EXPORTED", "FROM", "TABLE"), 3, "show_exported_keys", ""),
    (("PROCEDURES", "FROM", "SCHEMA"), 2, "show_procedures", "procedure_name"),
    (("FUNCTIONS", "FROM", "SCHEMA"), 2, "show_functions", "function_name"),
    (("PARAMETERS", "OF", "PROCEDURE"), 3, "show_procedure_parameters", "parameter_name"),
    (("PARAMETERS", "OF", "FUNCTION"), 3, "show_function_parameters", "parameter_name"),
    (("GRANTS", "ON", "TABLES", "FROM", "DATABASE"), 1, "show_all_grants", ""),
    (("GRANTS", "ON", "TABLE"), 3, "show_grants_on_table", ""),
    (("GRANTS", "ON", "SCHEMA"), 2, "show_grants_on_schema", ""),
    (("GRANTS", "ON", "DATABASE"), 1, "show_grants_on_database", ""),
    (("GRANTS", "ON", "FUNCTION"), 3, "show_grants_on_function", ""),
    (("GRANTS", "ON", "PROCEDURE"), 3, "show_grants_on_procedure", ""),
    (("COLUMN", "GRANTS", "ON", "TABLE"), 3, "show_column_grants", "column_name"),
    (("GRANTS",), 0, "show_grants", ""),
    (("TABLE",), 3, "show_table", ""),
    (("VIEW",), 3, "show_view", ""),
    (("PROCEDURE",), 3, "show_procedure", ""),
)
_WITH_ARGUMENTS = ("parameters", "procedure", "on_function")
_NOT_HERE = ("EXTERNAL", "MODEL", "DATASHARES", "RLS", "MASKING", "TEMPLATE", "TEMPLATES")
_FILTERS = ("SCHEMA_NAME", "TABLE_NAME", "COLUMN_NAME", "DATABASE_NAME", "TABLE_TYPE")


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """Any SHOW of the table above; None for a parameter's."""
    found = next((form for form in _FORMS if words(tokens, 1, *form[0])), None)
    if found is None:
        if len(tokens) > 1 and tokens[1].word in _NOT_HERE:
            raise refuse.not_here(sql, tokens[1], " ".join(["SHOW", *(token.word for token in tokens[1:3])]).strip())
        return None
    form, names, function, like = found
    at = 1 + len(form)
    if words(tokens, at, "FROM", "DATA", "CATALOG"):
        raise refuse.not_here(sql, tokens[at + 1], "SHOW DATABASES FROM DATA CATALOG")
    arguments: list[str] = []
    if names:
        arguments, at = _name(tokens, at, names)
    if any(part in function for part in _WITH_ARGUMENTS) and "procedures" not in function:
        types, at = _argument_types(tokens, at)
        arguments.append(types)
    conditions, at = _conditions(tokens, at, like, "object_name" if "grants" in function else "table_name")
    limit = ""
    if words(tokens, at, "LIMIT") and at + 1 < len(tokens) and tokens[at + 1].kind in (NUMBER, PARAMETER):
        limit, at = f" LIMIT {tokens[at + 1].text}", at + 2
    if at < len(tokens):
        raise refuse.syntax_error(tokens[at])
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    asked = "asked_" if names and function != "show_grants_on_database" else ""  # a database may be named
    called = f"velodrome.{asked}{function}({', '.join(arguments)})"
    return Statement(f"SELECT * FROM {called}{where}{limit}")  # noqa: S608 (literals and names of the table above)


def used(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """SHOW USE: what the last USE named, empty without one; None for every other SHOW."""
    if len(tokens) != 2 or not words(tokens, 1, "USE"):
        return None
    return Statement("SELECT coalesce(current_setting('velodrome.used', true), '') AS \"Use Database\"", tag="SHOW")


def reset_use(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """RESET USE: back to the database that the session was opened in; None for every other RESET."""
    if len(tokens) != 2 or not words(tokens, 1, "USE"):
        return None
    return Statement("SET velodrome.used TO ''", use=CONNECTED, tag="RESET")


def use(sql: str, tokens: Sequence[Token]) -> Statement:
    """USE database: https://docs.aws.amazon.com/redshift/latest/dg/r_USE_command.html"""
    if len(tokens) != 2 or tokens[1].kind not in (WORD, QUOTED):
        raise refuse.syntax_error(tokens[min(1, len(tokens) - 1)] if len(tokens) < 3 else tokens[2])
    database = tokens[1].value
    check = f"SELECT velodrome.check_database({literal(database)})"
    return Statement(f"SET velodrome.used TO {literal(database)}", before=check, use=database, tag="USE")


def _name(tokens: Sequence[Token], at: int, most: int) -> tuple[list[str], int]:
    """The parts of a dotted name as arguments, NULL for those in front that are not given."""
    parts: list[str] = []
    while True:
        if at >= len(tokens):
            raise refuse.syntax_error(tokens[-1])
        parts.append(_value(tokens[at]))
        at += 1
        if not words(tokens, at, "."):
            break
        at += 1
    if len(parts) > most:
        raise refuse.syntax_error(tokens[at - 1])
    return ["NULL"] * (most - len(parts)) + parts, at


def _value(token: Token) -> str:
    if token.kind == PARAMETER:
        return f"{token.text}::text"
    if token.kind not in (WORD, QUOTED, STRING):
        raise refuse.syntax_error(token)
    return literal(token.value)


def _argument_types(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """(an array of types' names, past the parenthesis); NULL if there is none."""
    if not words(tokens, at, "("):
        return "NULL", at
    end = closing(tokens, at)
    if end == len(tokens):
        raise refuse.syntax_error(tokens[-1])
    types = [tokens[first:last] for first, last in split_list(tokens, at + 1, end)]
    found = [_type(tokens[at], kind) for kind in types]
    return f"ARRAY[{', '.join(found)}]::text[]", end + 1


def _type(before: Token, tokens: Sequence[Token]) -> str:
    """A parameter, or the words of a type: `double precision`, `character varying(10)`."""
    if not tokens:
        raise refuse.syntax_error(before)
    if len(tokens) == 1 and tokens[0].kind == PARAMETER:
        return _value(tokens[0])
    for token in tokens:
        if token.kind not in (WORD, QUOTED, NUMBER) and token.text not in ("(", ")", ","):
            raise refuse.syntax_error(token)
    return literal(_type_name([token.value for token in tokens]))


def _type_name(written: list[str]) -> str:
    """A type as the catalog names it: an interval by its fields (catalog/06_types.sql)."""
    if written[0] != "interval" or len(written) == 1:
        return " ".join(written)
    return "intervaly2m" if written[1] in ("year", "month") else "intervald2s"


def _conditions(tokens: Sequence[Token], at: int, like: str, table: str) -> tuple[list[str], int]:
    """LIKE 'pattern', FOR user, DRIVER_TOKEN '…' and WHERE column LIKE 'pattern' AND …"""
    found: list[str] = []
    if words(tokens, at, "DRIVER_TOKEN") and at + 1 < len(tokens) and tokens[at + 1].kind == STRING:
        at += 2
    if like and words(tokens, at, "LIKE") and at + 1 < len(tokens):
        found.append(f"{like} LIKE {_value(tokens[at + 1])}")
        at += 2
    if words(tokens, at, "FOR") and at + 1 < len(tokens):
        if words(tokens, at + 1, "PUBLIC"):
            found, at = [*found, "identity_type = 'public'"], at + 2
        elif words(tokens, at + 1, "ROLE") and at + 2 < len(tokens):
            found += ["identity_type = 'role'", f"identity_name = {_value(tokens[at + 2])}"]
            at += 3
        else:
            found, at = [*found, "identity_type = 'user'", f"identity_name = {_value(tokens[at + 1])}"], at + 2
    joiner = "WHERE"
    while words(tokens, at, joiner):
        if at + 3 >= len(tokens) or tokens[at + 1].word not in _FILTERS:
            raise refuse.syntax_error(tokens[min(at + 1, len(tokens) - 1)])
        operator = tokens[at + 2].word or tokens[at + 2].text
        if operator not in ("LIKE", "="):
            raise refuse.syntax_error(tokens[at + 2])
        column = table if tokens[at + 1].word == "TABLE_NAME" else tokens[at + 1].value
        found.append(f"{column} {operator} {_value(tokens[at + 3])}")
        at, joiner = at + 4, "AND"
    return found, at
