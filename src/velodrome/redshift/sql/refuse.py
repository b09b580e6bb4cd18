"""Refuses what is not executed here: SQL that Redshift lacks, in its words, and what this warehouse cannot do yet, by
name. The tables of both are in foreign.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from velodrome.redshift.sql import foreign
from velodrome.redshift.sql.foreign import FOREIGN_TYPES, MISSING_TYPES
from velodrome.redshift.sql.tokens import (
    DOLLAR,
    NUMBER,
    PARAMETER,
    QUOTED,
    STRING,
    SYMBOL,
    WORD,
    Edit,
    Token,
    apply,
    closing,
    name_end,
    split_list,
    vocabulary,
    words,
)

SYNTAX, UNSUPPORTED, NO_FUNCTION = "42601", "0A000", "42883"


class Refused(Exception):
    """A statement that is not executed. `start` is the character (from 0) it is refused for."""

    def __init__(self, code: str, message: str, start: int, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.start = start
        self.hint = hint


_FEATURES = {
    "UNLOAD": "UNLOAD",
    "DESC": "DESC",
}

# First words that Redshift knows, with or without what follows; anything else is a syntax error there.
_COMMANDS = vocabulary(
    """
    SELECT WITH ( INSERT UPDATE DELETE MERGE CREATE DROP ALTER TRUNCATE COPY BEGIN START COMMIT END ROLLBACK
    ABORT SET RESET SHOW REFRESH USE EXPLAIN ANALYZE ANALYSE VACUUM GRANT REVOKE COMMENT CALL PREPARE EXECUTE DEALLOCATE
    DECLARE FETCH CLOSE LOCK CANCEL ATTACH DETACH
    """
)
_OBJECTS = vocabulary("TABLE VIEW MATERIALIZED SCHEMA DATABASE USER GROUP ROLE PROCEDURE FUNCTION RLS")
_OBJECTS_ELSEWHERE = vocabulary(
    """
    INDEX SEQUENCE TRIGGER RULE TYPE DOMAIN AGGREGATE OPERATOR CAST CONVERSION TABLESPACE EXTENSION
    COLLATION STATISTICS POLICY PUBLICATION SUBSCRIPTION SERVER TRANSFORM LANGUAGE
    """
)
_OBJECTS_NOT_HERE = vocabulary(
    """
    EXTERNAL MODEL LIBRARY DATASHARE IDENTITY MASKING WORKLOAD TEMPLATE DEFAULT CATALOG
    """
)


def shown(token: Token) -> str:
    """A token in an error's words. A literal may be a password or a key: none is repeated."""
    return "'***'" if token.kind in (STRING, DOLLAR) else token.text


def syntax_error(token: Token) -> Refused:
    return Refused(SYNTAX, f'syntax error at or near "{shown(token)}"', token.start)


def ends_early(sql: str) -> Refused:
    return Refused(SYNTAX, "syntax error at end of input", len(sql))


def inner_schema(tokens: Sequence[Token]) -> None:
    """The schema that the gateway keeps its own things in is not there for a client, who may still call an alias so;
    and nobody spells names by U&"…", which Redshift has not.
    """
    for before, after in pairwise(tokens):
        if before.text == "&" and after.kind in (QUOTED, STRING) and before.end == after.start:
            raise syntax_error(before)
    named = [at for at, token in enumerate(tokens) if len(token.text) in (9, 11) and _is_inner(token)]
    dotted = [at for at in named if words(tokens, at + 1, ".")]
    for at in dotted:
        if words(tokens, at - 1, "SET") or words(tokens, at - 1, "RESET") or words(tokens, at - 1, "SHOW"):
            continue  # a parameter's name, which settings.py refuses
        if len(dotted) == len(named) or words(tokens, name_end(tokens, at), "("):
            raise Refused("3F000", 'schema "velodrome" does not exist', tokens[at].start)


def _is_inner(token: Token) -> bool:
    return token.kind in (WORD, QUOTED) and token.value == "velodrome"


def foreign_command(sql: str, tokens: Sequence[Token]) -> Refused:
    """A statement about objects that Redshift has not."""
    edits = [Edit(token.start, token.end, shown(token)) for token in tokens if token.kind in (STRING, DOLLAR)]
    text = apply(sql, tokens[0].start, tokens[-1].end, edits)
    return Refused(UNSUPPORTED, f'SQL command "{text}" not supported on Redshift tables.', tokens[0].start)


def not_here(sql: str, token: Token, feature: str) -> Refused:
    """Redshift does it, this warehouse does not."""
    line = sql.count("\n", 0, token.start) + 1
    column = token.start - (sql.rfind("\n", 0, token.start) + 1) + 1
    near = "a literal" if token.kind in (STRING, DOLLAR) else repr(token.text)
    text = f"{feature} is not supported by this local warehouse (line {line}, column {column}: near {near})"
    return Refused(UNSUPPORTED, text, token.start, hint="Amazon Redshift supports it; Velodrome does not yet.")


def unsupported_type(column: str, token: Token, type_: str) -> Refused:
    """`column` is table.column, without the schema: https://github.com/salsita/node-pg-migrate/issues/767"""
    return Refused(UNSUPPORTED, f'Column "{column}" has unsupported type "{type_}".', token.start)


def command(sql: str, tokens: Sequence[Token]) -> None:
    """Refuses a statement by its first words."""
    first = tokens[0]
    word = first.word or first.text
    if word == "ANALYZE" and words(tokens, 1, "COMPRESSION"):
        raise not_here(sql, tokens[1], "ANALYZE COMPRESSION")
    if word in ("SAVEPOINT", "RELEASE") or (word == "ROLLBACK" and any(token.word == "TO" for token in tokens)):
        raise Refused(UNSUPPORTED, 'SQL command "SAVEPOINT" not supported.', first.start)
    if word not in _COMMANDS and word not in _FEATURES:
        raise syntax_error(first)
    if word in ("CREATE", "DROP"):
        _object(sql, tokens)
    if word == "ALTER":
        _altered(sql, tokens)
    for at in range(len(tokens) - 1):
        if words(tokens, at + 1, "(") and tokens[at].kind in (WORD, QUOTED) and foreign.never(_called(tokens, at)):
            raise _no_function(tokens[at])
    _clauses(tokens)


def not_carried(sql: str, tokens: Sequence[Token]) -> None:
    """Refuses what Redshift has and no rewriter has taken."""
    first = tokens[0]
    word = first.word or first.text
    if word in _FEATURES:
        raise not_here(sql, first, _FEATURES[word])
    at = 3 if words(tokens, 1, "OR", "REPLACE") else 1
    kinds = {"CREATE": _OBJECTS_NOT_HERE, "DROP": _OBJECTS_NOT_HERE, "ALTER": _ALTERED_NOT_HERE}.get(word, frozenset())
    if at < len(tokens) and (tokens[at].word in kinds or words(tokens, at, "SCHEMA", "EXTERNAL")):
        raise not_here(sql, tokens[at], f"{word} {_kind(tokens, at)}")


# Second words of the kinds of objects that have two.
_SECOND = vocabulary("SCHEMA TABLE VIEW FUNCTION MODEL PROVIDER POLICY PRIVILEGES EXTERNAL GROUP")


def _kind(tokens: Sequence[Token], at: int) -> str:
    return " ".join(each.word for each in tokens[at : at + 2] if each == tokens[at] or each.word in _SECOND)


def _no_function(token: Token) -> Refused:
    return Refused(NO_FUNCTION, f"function {token.value} does not exist", token.start)


def _clauses(tokens: Sequence[Token]) -> None:
    """Refuses clauses that Redshift's own form of a statement lacks."""
    for first, patterns in foreign.CLAUSES.get(tokens[0].word, ()):
        if not words(tokens, 0, *first):
            continue
        for at, token in enumerate(tokens):
            for pattern, marked in patterns.get(token.word or token.text, ()):
                if words(tokens, at, *pattern) and not _is_a_name(tokens, at, len(pattern)):
                    raise syntax_error(tokens[at + marked])


_BEFORE_NAME = vocabulary(". ADD ALTER COLUMN DROP RENAME TO")


def _is_a_name(tokens: Sequence[Token], at: int, length: int) -> bool:
    """Whether words that could be such a clause are names: WITH data AS (…), ADD COLUMN inherit INT."""
    if words(tokens, at, "WITH", "DATA"):
        return words(tokens, at + 2, "AS") or words(tokens, at + 2, "(")
    before = (tokens[at - 1].word or tokens[at - 1].text) if at else ""
    return before == "." or (length == 1 and before in _BEFORE_NAME)


# https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html, from ALTER DATABASE to ALTER USER.
_ALTERED = vocabulary("DATABASE FUNCTION GROUP ROLE PROCEDURE SCHEMA TABLE USER")
_ALTERED_NOT_HERE = vocabulary("DATASHARE EXTERNAL IDENTITY MASKING MATERIALIZED RLS SYSTEM TEMPLATE")


def _altered(sql: str, tokens: Sequence[Token]) -> None:
    if len(tokens) < 2:
        raise syntax_error(tokens[0])
    kind = tokens[1]
    if kind.word in _OBJECTS_ELSEWHERE or words(tokens, 1, "EVENT", "TRIGGER"):
        raise foreign_command(sql, tokens)
    if kind.word not in _ALTERED | _ALTERED_NOT_HERE and not words(tokens, 1, "DEFAULT", "PRIVILEGES"):
        raise syntax_error(kind)
    if kind.word == "TABLE":
        _altered_column(tokens)
        actions = split_list(tokens, 2, len(tokens))
        if len(actions) > 1 and tokens[name_end(tokens, 2) % len(tokens)].word in ("ADD", "DROP"):
            raise syntax_error(tokens[actions[0][1]])  # one column a statement


def _altered_column(tokens: Sequence[Token]) -> None:
    """Only a column's type and encoding can be altered: https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""
    for at, token in enumerate(tokens):
        if at < 2 or token.word != "ALTER":
            continue
        action = at + 3 if words(tokens, at + 1, "COLUMN") else at + 2
        if action + 1 < len(tokens) and tokens[action].word in ("SET", "DROP", "RESTART"):
            if words(tokens, action, "SET", "DATA") or tokens[action + 1].word == "ENCODE":
                continue
            what = " ".join(each.word for each in tokens[action : action + 3] if each.word)
            raise Refused(UNSUPPORTED, f"ALTER COLUMN {what} is not supported", token.start)


def _object(sql: str, tokens: Sequence[Token]) -> None:
    at = 3 if words(tokens, 1, "OR", "REPLACE") else 1
    while at < len(tokens) and tokens[at].word in ("LOCAL", "TEMP", "TEMPORARY"):
        at += 1
    if at >= len(tokens):
        raise syntax_error(tokens[-1])
    kind = tokens[at].word
    if kind in ("UNIQUE", "CONSTRAINT", "EVENT") or kind in _OBJECTS_ELSEWHERE:
        raise foreign_command(sql, tokens)
    if words(tokens, at, "EXTERNAL"):
        raise not_here(sql, tokens[at], f"{tokens[0].word} {_kind(tokens, at)}")
    if kind not in _OBJECTS | _OBJECTS_NOT_HERE:
        raise syntax_error(tokens[at])
    if kind in ("FUNCTION", "PROCEDURE") and tokens[0].word == "CREATE":
        _argument_types(sql, tokens, at)
    if kind == "FUNCTION" and tokens[0].word == "CREATE":
        _function_language(sql, tokens)


def _argument_types(sql: str, tokens: Sequence[Token], start: int) -> None:
    for at in range(start, len(tokens)):
        if tokens[at].word == "AS":
            return
        ends = at + 1 < len(tokens) and tokens[at + 1].text in (",", ")", "[")
        if (ends or words(tokens, at - 1, "RETURNS")) and not words(tokens, at - 1, "."):
            _type(sql, tokens[at])


def _function_language(sql: str, tokens: Sequence[Token]) -> None:
    """Redshift's user-defined functions are SQL or Python; PL/pgSQL is for procedures only."""
    for index, token in enumerate(tokens):
        if token.word == "LANGUAGE" and index + 1 < len(tokens):
            language = tokens[index + 1]
            if language.value != "sql":
                if language.value == "plpgsql":
                    raise Refused(UNSUPPORTED, 'language "plpgsql" is not supported for functions', language.start)
                raise not_here(sql, language, f"a function in {language.value}")


def pieces(sql: str, tokens: Sequence[Token]) -> None:
    """Refuses a statement for anything inside it."""
    for index, token in enumerate(tokens):
        if token.kind == WORD:
            _word(sql, tokens, index)
        elif token.kind == QUOTED and words(tokens, index + 1, "("):
            _call(sql, tokens, index)
        elif token.kind == SYMBOL:
            _symbol(sql, tokens, index)
        elif token.kind == DOLLAR and tokens[0].word not in ("COMMENT", "CREATE", "SELECT", "INSERT", "UPDATE"):
            raise syntax_error(token)


def _symbol(sql: str, tokens: Sequence[Token], index: int) -> None:
    token = tokens[index]
    if token.text == "[":
        raise not_here(sql, token, "navigation into SUPER values")
    _syntax(sql, tokens, index)
    operator = token.text
    if index and tokens[index - 1].kind == SYMBOL and tokens[index - 1].end == token.start and operator in "@&#>-|/":
        return  # its first character has been looked at
    for following in tokens[index + 1 : index + 3]:
        if following.kind != SYMBOL or following.start != token.start + len(operator) or following.text in "()[],;":
            break
        operator += following.text
    for length in (3, 2):
        if operator[:length] in foreign.OPERATORS:
            raise Refused(NO_FUNCTION, f"operator does not exist: {operator[:length]}", token.start)


def _syntax(sql: str, tokens: Sequence[Token], index: int) -> None:
    token = tokens[index]
    first = token.word or token.text
    for pattern, at in foreign.SYNTAX.get(first, ()):
        if words(tokens, index, *pattern):
            raise syntax_error(tokens[index + at])
    for names, feature in foreign.NOT_HERE.get(first, ()):
        if words(tokens, index, *names):
            raise not_here(sql, token, feature)


def _word(sql: str, tokens: Sequence[Token], index: int) -> None:
    token = tokens[index]
    if words(tokens, index + 1, "("):
        _call(sql, tokens, index)
    if index and tokens[index - 1].text == ".":
        return  # a column or a table of that name
    _syntax(sql, tokens, index)
    _more_syntax(tokens, index)
    cast = words(tokens, index - 1, "::") or (words(tokens, index - 1, "AS") and words(tokens, index + 1, ")"))
    typed = index + 1 < len(tokens) and tokens[index + 1].kind == STRING and not words(tokens, index - 1, "AS")
    if cast or typed:
        _type(sql, token)


def _more_syntax(tokens: Sequence[Token], index: int) -> None:
    """What fixed words cannot tell."""
    token = tokens[index]
    following = tokens[index + 1] if index + 1 < len(tokens) else None
    if following is None:
        return
    if token.word == "FETCH" and index and following.word in ("FIRST", "NEXT") and tokens[0].word != "CREATE":
        raise syntax_error(token)  # LIMIT is all there is
    if token.word == "GROUPS" and following.kind in (NUMBER, PARAMETER):
        raise syntax_error(token)
    if token.word == "WINDOW" and words(tokens, index + 2, "AS", "("):
        raise syntax_error(following)
    if token.word == "COLLATE" and following.kind == QUOTED:
        raise syntax_error(following)
    if (
        token.word == "CYCLE"
        and index + 2 < len(tokens)
        and any(each.word == "USING" for each in tokens[index + 2 : index + 8])
    ):
        raise syntax_error(token)
    if token.word == "RANGE":
        bound = tokens[index + 2] if following.word == "BETWEEN" and index + 2 < len(tokens) else following
        if bound.kind in (NUMBER, PARAMETER, STRING) or bound.word == "INTERVAL":
            raise Refused(UNSUPPORTED, "RANGE PRECEDING is only supported with UNBOUNDED", token.start)


def _called(tokens: Sequence[Token], index: int) -> str:
    """The function of Redshift or PostgreSQL that is called there, in capitals; empty if none is."""
    if words(tokens, index - 1, ".") and not (index > 1 and tokens[index - 2].value == "pg_catalog"):
        return ""  # a function of the user's own
    return "" if _is_named(tokens, index) else tokens[index].value.upper()


def _call(sql: str, tokens: Sequence[Token], index: int) -> None:
    name = _called(tokens, index)
    if name in foreign.FOREIGN_FUNCTIONS:
        raise _no_function(tokens[index])
    if foreign.missing(name):
        raise not_here(sql, tokens[index], f"function {name}")


_NAMING = vocabulary(
    "INTO TABLE EXISTS REFERENCES VIEW FUNCTION PROCEDURE WITH RECURSIVE AS UPDATE MERGE COPY VACUUM ANALYZE"
)


def _is_named(tokens: Sequence[Token], index: int) -> bool:
    """Whether it is a name with a list of columns or arguments behind it, not a call: INSERT INTO format (a)."""
    start = index
    while words(tokens, start - 1, ".") and start >= 2:
        start -= 2
    if start and tokens[start - 1].word in _NAMING:
        return True
    return words(tokens, closing(tokens, index + 1) + 1, "AS", "(")  # one of several common table expressions


def _type(sql: str, token: Token) -> None:
    if token.word in FOREIGN_TYPES:
        raise Refused("42704", f'type "{token.value}" does not exist', token.start)
    if token.word in MISSING_TYPES:
        raise not_here(sql, token, f"type {token.word}")


def reads_catalog(tokens: Sequence[Token]) -> bool:
    """Drivers and tools read the system catalog in PostgreSQL's own SQL, which is left alone. A function of the
    catalog reads it as a table only: SELECT pg_catalog.length(a) FROM t is a query like others."""
    return any(_is_of_catalog(tokens, at) for at in range(len(tokens)))


def _is_of_catalog(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.word == "INFORMATION_SCHEMA":
        return True
    qualifier = token.kind in (WORD, QUOTED) and token.value == "pg_catalog"
    if not qualifier and (not token.word.startswith("PG_") or token.word.startswith("PG_LAST_")):
        return False
    called = words(tokens, at + (3 if qualifier else 1), "(")
    return not called or (at > 0 and tokens[at - 1].word in ("FROM", "JOIN"))
