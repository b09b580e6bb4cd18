"""Redshift's SQL into PostgreSQL's: what needs no change stays byte for byte.

Three layers, each only as heavy as needed: edits of single tokens (names, types, date parts), DDL attributes
(ddl.py), and sqlglot's syntax tree for what PostgreSQL cannot parse at all (QUALIFY, LISTAGG, DECODE, TOP …; tree.py).
Redshift's functions themselves are functions of the server inside (catalog/), so that views, defaults and procedures
have them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from velodrome.redshift.sql import copy_statement, ddl, refuse, tree
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import (
    DOLLAR,
    QUOTED,
    STRING,
    WORD,
    Edit,
    LexicalError,
    Token,
    apply,
    identifier,
    name_end,
    statements,
    tokenize,
    vocabulary,
    words,
)

LONGEST_CACHED = 100_000

# Called by another name inside, because PostgreSQL has a function of that name that answers differently:
# AVG of integers is an integer (r_AVG.html), REGEXP_REPLACE replaces every match (REGEXP_REPLACE.html),
# CONCAT with a NULL is NULL (r_CONCAT.html). NVL and ISNULL are COALESCE in Redshift's own plans (r_NVL_function.html).
_FUNCTIONS = {
    "AVG": "velodrome.avg",
    "REGEXP_REPLACE": "velodrome.regexp_replace",
    "CONCAT": "velodrome.concat",
    "NVL": "COALESCE",
    "ISNULL": "COALESCE",
    "DATE_TRUNC": "velodrome.date_trunc",
}

# The first argument is a date part, which may stand without quotes.
# https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html
_DATE_PART_FUNCTIONS = vocabulary("DATEADD DATE_ADD DATEDIFF DATE_DIFF DATE_PART DATEPART DATE_TRUNC")

# Rewritten in queries of the system catalog too; everything else there is PostgreSQL's own.
_CATALOG_FUNCTIONS = vocabulary("NVL ISNULL DATEADD DATE_ADD DATEDIFF DATE_DIFF")

# Only a syntax tree can rewrite these.
_TREE_FUNCTIONS = vocabulary("LISTAGG DECODE NVL2 MEDIAN CONVERT")

# Settings of Redshift's own; kept as custom settings of the session, so that SET and SHOW agree.
# https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_ConfigurationRef.html
_SETTINGS = vocabulary(
    """
    ANALYZE_THRESHOLD_PERCENT AUTO_ANALYZE AUTO_MV CAST_SUPER_NULL_ON_ERROR DATASHARE_BREAK_GLASS_SESSION_VAR
    DESCRIBE_FIELD_NAME_IN_UPPERCASE ENABLE_CASE_SENSITIVE_IDENTIFIER ENABLE_NUMERIC_ROUNDING
    ENABLE_RESULT_CACHE_FOR_SESSION ENABLE_VACUUM_BOOST ERROR_ON_NONDETERMINISTIC_UPDATE
    JSON_PARSE_DEDUP_ATTRIBUTES JSON_PARSE_TRUNCATE_STRINGS MAX_CONCURRENCY_SCALING_CLUSTERS
    MAX_CURSOR_RESULT_SET_SIZE MV_ENABLE_AQMV_FOR_SESSION NAVIGATE_SUPER_NULL_ON_ERROR PARSE_SUPER_NULL_ON_ERROR
    QUERY_GROUP SPECTRUM_ENABLE_PSEUDO_COLUMNS SPECTRUM_QUERY_MAXERROR STORED_PROC_LOG_MIN_MESSAGES USE_FIPS_SSL
    WLM_QUERY_SLOT_COUNT
    """
)
# Redshift has the value that the translation relies on; changing it would change what a string literal means.
_FIXED_SETTINGS = vocabulary("STANDARD_CONFORMING_STRINGS BACKSLASH_QUOTE SESSION_REPLICATION_ROLE")


@dataclass(frozen=True)
class Statement:
    """One statement for the server inside. `then` follows it unseen; `copy` is fed by the gateway."""

    sql: str
    then: str = ""
    copy: Copy | None = None

    def is_all_of(self, sql: str) -> bool:
        """Whether the text can be sent as the client wrote it."""
        return self.copy is None and not self.then and self.sql == sql


def translate(sql: str) -> tuple[Statement, ...]:
    """The statements of a text; raises Refused."""
    if len(sql) > LONGEST_CACHED:
        return _translate(sql)
    result = _cached(sql)
    if isinstance(result, Refused):
        raise Refused(result.code, result.message, result.start, hint=result.hint)
    return result


@lru_cache(maxsize=1024)
def _cached(sql: str) -> tuple[Statement, ...] | Refused:
    try:
        return _translate(sql)
    except Refused as refused:
        return refused.with_traceback(None)


def _translate(sql: str) -> tuple[Statement, ...]:
    try:
        tokens = tokenize(sql)
    except LexicalError as error:
        raise Refused(refuse.SYNTAX, str(error), error.position) from None
    found = [_statement(sql, part) for part in statements(tokens)]
    if len(found) == 1 and not found[0].then and found[0].copy is None:
        part = next(statements(tokens))
        if found[0].sql == sql[part[0].start : part[-1].end]:
            return (Statement(sql),)  # nothing changed: not even the comments around it
    return tuple(found)


def _statement(sql: str, tokens: Sequence[Token]) -> Statement:
    refuse.command(sql, tokens)
    start, end = tokens[0].start, tokens[-1].end
    first = tokens[0].word
    if first == "COPY":
        copy = copy_statement.read(sql, tokens)
        return Statement(copy.from_stdin, copy=copy)
    if first in ("SET", "RESET", "SHOW"):
        return Statement(apply(sql, start, end, _setting(sql, tokens)))
    if refuse.reads_catalog(tokens):
        return Statement(apply(sql, start, end, _vanished_columns(tokens)))
    if first == "VACUUM":
        return Statement(_vacuum(sql, tokens))
    edits, notes = _definition(sql, tokens)
    if first == "CREATE" and any(token.word in ("PROCEDURE", "FUNCTION") for token in tokens[:4]):
        edits += _routine(sql, tokens)
    else:
        refuse.pieces(sql, tokens)
    edits += rewrites(sql, tokens)
    text = apply(sql, start, end, edits)
    if any(token.word == "QUALIFY" for token in tokens) or any(
        _needs_tree(tokens, index) for index in range(len(tokens))
    ):
        text = tree.rewrite(sql, tokens, text)
    # "The TRUNCATE command commits the transaction in which it is run": r_TRUNCATE.html
    return Statement(text + notes, then="COMMIT" if first == "TRUNCATE" else "")


def _definition(sql: str, tokens: Sequence[Token]) -> tuple[list[Edit], str]:
    if tokens[0].word == "CREATE" and any(words(tokens, at, "TABLE") for at in range(1, min(4, len(tokens)))):
        return ddl.create_table(sql, tokens)
    if words(tokens, 0, "ALTER", "TABLE"):
        return ddl.alter_table(sql, tokens)
    if tokens[0].word in ("ANALYZE", "ANALYSE"):
        return [
            Edit(tokens[at - 1].end, tokens[at + 1].end, "")
            for at in range(1, len(tokens))
            if words(tokens, at, "PREDICATE", "COLUMNS") or words(tokens, at, "ALL", "COLUMNS")
        ], ""
    if tokens[0].word == "DELETE" and len(tokens) > 1 and tokens[1].word != "FROM":
        return [Edit(tokens[0].end, tokens[0].end, " FROM")], ""  # FROM is optional: r_DELETE.html
    return [], ""


def rewrites(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Edits of single tokens, wherever they stand."""
    edits: list[Edit] = []
    for at, token in enumerate(tokens):
        if token.kind == QUOTED and token.text[1:-1] != token.text[1:-1].lower():
            # Quoted or not, names are stored in lower case: r_names.html
            edits.append(Edit(token.start, token.end, token.text.lower()))
        elif token.kind == WORD and token.text.startswith("#"):
            edits.append(Edit(token.start, token.end, identifier(token.value)))
        elif token.kind == WORD and not words(tokens, at - 1, "."):
            edits += _word(tokens, at)
    return edits


def _word(tokens: Sequence[Token], at: int) -> list[Edit]:
    token = tokens[at]
    edits: list[Edit] = []
    if words(tokens, at + 1, "("):
        if token.word in _FUNCTIONS:
            edits.append(Edit(token.start, token.end, _FUNCTIONS[token.word]))
        if token.word in _DATE_PART_FUNCTIONS and at + 3 < len(tokens) and words(tokens, at + 3, ","):
            part = tokens[at + 2]
            if part.kind == WORD:
                edits.append(Edit(part.start, part.end, f"'{part.value}'"))
        if token.word in ("VARCHAR", "NVARCHAR", "CHAR", "VARYING") and not words(tokens, 0, "CREATE", "TABLE"):
            edits += ddl.default_precision(tokens, at, len(tokens))
    elif token.word == "INTO" and at + 1 < len(tokens) and tokens[at + 1].text.startswith("#"):
        if tokens[0].word in ("SELECT", "WITH"):
            edits.append(Edit(token.end, token.end, " TEMP"))
    elif token.word == "SYSDATE":
        edits.append(Edit(token.start, token.end, "pg_catalog.sysdate()"))
    elif token.word in ("DECIMAL", "NUMERIC", "DEC") and (words(tokens, at - 1, "::") or _closes_cast(tokens, at)):
        edits += ddl.default_precision(tokens, at, len(tokens))
    elif token.word == "MINUS" and at + 1 < len(tokens) and tokens[at + 1].word in ("SELECT", "ALL"):
        edits.append(Edit(token.start, token.end, "EXCEPT"))
    elif token.word == "APPROXIMATE" and at + 1 < len(tokens) and tokens[at + 1].word in ("COUNT", "PERCENTILE_DISC"):
        edits.append(Edit(token.start, tokens[at + 1].start, ""))
    return edits


def _closes_cast(tokens: Sequence[Token], at: int) -> bool:
    return words(tokens, at - 1, "AS") and words(tokens, at + 1, ")")


def _needs_tree(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.word in _TREE_FUNCTIONS and words(tokens, at + 1, "(") and not words(tokens, at - 1, "."):
        return True
    return token.word == "TOP" and at > 0 and tokens[at - 1].word in ("SELECT", "DISTINCT", "ALL")


def _setting(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    at = 1
    if at < len(tokens) and tokens[at].word in ("SESSION", "LOCAL") and not words(tokens, at + 1, "AUTHORIZATION"):
        at += 1
    if at >= len(tokens):
        raise refuse.syntax_error(tokens[-1])
    name = tokens[at]
    if tokens[0].word == "SHOW" and name.word in vocabulary(
        """
    TABLES SCHEMAS DATABASES COLUMNS TABLE VIEW PROCEDURES PROCEDURE FUNCTIONS PARAMETERS GRANTS CONSTRAINTS
    DATASHARES
    """
    ):
        raise refuse.not_here(sql, name, f"SHOW {name.word}")
    if tokens[0].word != "SHOW" and name.word in _FIXED_SETTINGS:
        raise refuse.not_here(sql, name, f"changing {name.value}")
    if name.word == "ENABLE_CASE_SENSITIVE_IDENTIFIER" and tokens[-1].value in ("true", "on", "1"):
        raise refuse.not_here(sql, name, "enable_case_sensitive_identifier")
    if name.word in _SETTINGS:
        return [Edit(name.start, name.end, f"velodrome.{name.value}")]
    return []


# Columns that old and new tools ask the catalog for, gone from PostgreSQL 9 to 12 on: what they held until then. {} is
# the table's name or alias with its dot, where the column has one.
_VANISHED = {
    "RELHASOIDS": "false",
    "RELTRIGGERS": "{}relhastriggers::int",
    "ADSRC": "pg_catalog.pg_get_expr({}adbin, {}adrelid)",
    "CONSRC": "NULL::text",
    "PROISAGG": "({}prokind = 'a')",
}


def _vanished_columns(tokens: Sequence[Token]) -> list[Edit]:
    edits: list[Edit] = []
    for at, token in enumerate(tokens):
        if token.word in _VANISHED:
            qualified = words(tokens, at - 1, ".") and at >= 2
            table = tokens[at - 2].text + "." if qualified else ""
            held = _VANISHED[token.word].replace("{}", table)
            edits.append(Edit(tokens[at - 2].start if qualified else token.start, token.end, held))
        elif token.word == "SYSDATE" or (token.word in _CATALOG_FUNCTIONS and words(tokens, at + 1, "(")):
            edits += _word(tokens, at)
    return edits


def _vacuum(sql: str, tokens: Sequence[Token]) -> str:
    """VACUUM [FULL | SORT ONLY | DELETE ONLY | …] [table] [TO n PERCENT] [BOOST]: r_VACUUM_command.html"""
    at = 1
    if at < len(tokens) and tokens[at].word in ("FULL", "REINDEX", "RECLUSTER"):
        at += 1
    elif at < len(tokens) and tokens[at].word in ("SORT", "DELETE"):
        at += 2 if words(tokens, at + 1, "ONLY") else 1
    if at >= len(tokens) or tokens[at].word in ("TO", "BOOST"):
        return "VACUUM"
    end = name_end(tokens, at)
    rest = [token.word for token in tokens[end:] if token.word]
    if rest not in ([], ["BOOST"], ["TO", "PERCENT"], ["TO", "PERCENT", "BOOST"]):
        raise refuse.syntax_error(tokens[end])
    return "VACUUM " + ddl.quoted_name([token.value for token in tokens[at:end] if token.text != "."])


def _routine(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """A stored procedure's or SQL function's body: the same edits of tokens; no syntax tree inside PL/pgSQL.

    https://docs.aws.amazon.com/redshift/latest/dg/c_PLpgSQL-structure.html
    """
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
        if token.word == "QUALIFY" or _needs_tree(tokens, at):
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


def position(sql: str, start: int) -> int:
    """Where an error points, in characters from 1, as the protocol has it."""
    return min(start, len(sql)) + 1


__all__ = ["Copy", "Refused", "Statement", "position", "translate"]
