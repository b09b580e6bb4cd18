"""What is refused, as data: SQL that Redshift lacks, in its words, and what this warehouse cannot do yet, by name.

Unsupported PostgreSQL features: https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html,
data types: …/c_unsupported-postgresql-datatypes.html, functions: …/c_unsupported-postgresql-functions.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.tokens import DOLLAR, QUOTED, SYMBOL, WORD, Token, vocabulary, words

SYNTAX, UNSUPPORTED, NO_FUNCTION = "42601", "0A000", "42883"


class Refused(Exception):
    """A statement that is not executed. `start` is the character (from 0) it is refused for."""

    def __init__(self, code: str, message: str, start: int, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.start = start
        self.hint = hint


# Pieces of syntax that Redshift does not parse: the words, and the one its error points at.
_NOT_IN_REDSHIFT: tuple[tuple[tuple[str, ...], int], ...] = (
    (("ON", "CONFLICT"), 1),
    (("IS", "DISTINCT", "FROM"), 1),
    (("IS", "NOT", "DISTINCT", "FROM"), 2),
    (("RETURNING",), 0),
    (("ARRAY", "["), 1),
    (("LATERAL",), 0),
    (("FILTER", "(", "WHERE"), 1),
    (("SELECT", "DISTINCT", "ON", "("), 2),
    (("FOR", "UPDATE"), 0),
    (("FOR", "SHARE"), 0),
    (("TABLESAMPLE",), 0),
    (("FOR", "NO", "KEY", "UPDATE"), 0),
)

# What Redshift has and this warehouse has not: the words, and how it is called.
_NOT_HERE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("PIVOT", "("), "PIVOT"),
    (("UNPIVOT", "("), "UNPIVOT"),
    (("UNPIVOT", "INCLUDE"), "UNPIVOT"),
    (("IGNORE", "NULLS"), "IGNORE NULLS"),
    (("RESPECT", "NULLS"), "RESPECT NULLS"),
    (("CONNECT", "BY"), "CONNECT BY"),
    (("WITH", "NO", "SCHEMA", "BINDING"), "a late-binding view"),
    (("REMOVE", "DUPLICATES"), "MERGE … REMOVE DUPLICATES"),
    (("EXCLUDE", "("), "SELECT * EXCLUDE"),
    (("[",), "navigation into SUPER values"),
)  # fmt: skip

_OPERATORS = frozenset({"->", "->>", "@>", "<@"})

FOREIGN_TYPES = vocabulary(
    """
    SERIAL BIGSERIAL SMALLSERIAL SERIAL4 SERIAL8 JSON JSONB UUID BYTEA MONEY XML INET CIDR MACADDR BIT TSVECTOR
    TSQUERY POINT LINE BOX PATH POLYGON CIRCLE HSTORE CITEXT ENUM INT4RANGE INT8RANGE DATERANGE TSRANGE
    """
)
MISSING_TYPES = vocabulary("SUPER VARBYTE VARBINARY GEOMETRY GEOGRAPHY HLLSKETCH")

# PostgreSQL has these, Redshift has not.
_FOREIGN_FUNCTIONS = vocabulary(
    """
    STRING_AGG ARRAY_AGG JSON_AGG JSONB_AGG JSON_OBJECT_AGG JSONB_OBJECT_AGG ROW_TO_JSON TO_JSON TO_JSONB
    JSONB_BUILD_OBJECT JSON_BUILD_OBJECT JSONB_SET JSONB_ARRAY_ELEMENTS JSON_ARRAY_ELEMENTS UNNEST ARRAY_LENGTH
    ARRAY_TO_STRING STRING_TO_ARRAY REGEXP_MATCHES REGEXP_SPLIT_TO_TABLE REGEXP_SPLIT_TO_ARRAY MAKE_DATE
    MAKE_TIMESTAMP MAKE_INTERVAL AGE GEN_RANDOM_UUID CONCAT_WS FORMAT PG_SLEEP SETVAL NEXTVAL CURRVAL LASTVAL
    STATEMENT_TIMESTAMP CLOCK_TIMESTAMP TRANSACTION_TIMESTAMP DATE_BIN BOOL_XOR EVERY NUM_NULLS NUM_NONNULLS
    JUSTIFY_DAYS JUSTIFY_HOURS JUSTIFY_INTERVAL PG_READ_FILE PG_LS_DIR LO_IMPORT LO_EXPORT DBLINK OVERLAY
    TO_ASCII ENCODE SCALE MIN_SCALE TRIM_SCALE GCD LCM
    """
)

_FEATURES = {
    "UNLOAD": "UNLOAD",
    "DESC": "DESC DATASHARE",
}

# First words that Redshift knows, with or without what follows; anything else is a syntax error there.
_COMMANDS = vocabulary(
    """
    SELECT WITH ( INSERT UPDATE DELETE MERGE CREATE DROP ALTER TRUNCATE COPY BEGIN START COMMIT END ROLLBACK
    ABORT SET RESET SHOW REFRESH USE EXPLAIN ANALYZE ANALYSE VACUUM GRANT REVOKE COMMENT CALL PREPARE EXECUTE DEALLOCATE
    DECLARE FETCH CLOSE LOCK VALUES CANCEL ATTACH DETACH
    """
)
_OBJECTS = vocabulary("TABLE VIEW MATERIALIZED SCHEMA DATABASE USER GROUP ROLE PROCEDURE FUNCTION RLS")
_OBJECTS_ELSEWHERE = vocabulary(
    """
    INDEX SEQUENCE TRIGGER RULE TYPE DOMAIN AGGREGATE OPERATOR CAST CONVERSION TABLESPACE EXTENSION
    """
)
_OBJECTS_NOT_HERE = vocabulary(
    """
    EXTERNAL MODEL LIBRARY DATASHARE IDENTITY MASKING WORKLOAD TEMPLATE DEFAULT CATALOG
    """
)


def syntax_error(token: Token) -> Refused:
    return Refused(SYNTAX, f'syntax error at or near "{token.text}"', token.start)


def not_here(sql: str, token: Token, feature: str) -> Refused:
    """Redshift does it, this warehouse does not."""
    line = sql.count("\n", 0, token.start) + 1
    column = token.start - (sql.rfind("\n", 0, token.start) + 1) + 1
    text = f"{feature} is not supported by this local warehouse (line {line}, column {column}: near {token.text!r})"
    return Refused(UNSUPPORTED, text, token.start, hint="Amazon Redshift supports it; Velodrome does not yet.")


def unsupported_type(column: str, token: Token) -> Refused:
    return Refused(UNSUPPORTED, f'Column "{column}" has unsupported type "{token.text.lower()}".', token.start)


def command(sql: str, tokens: Sequence[Token]) -> None:
    """Refuses a statement by its first words."""
    first = tokens[0]
    word = first.word or first.text
    if word in _FEATURES:
        raise not_here(sql, first, _FEATURES[word])
    if word == "ANALYZE" and words(tokens, 1, "COMPRESSION"):
        raise not_here(sql, tokens[1], "ANALYZE COMPRESSION")
    if word in ("SAVEPOINT", "RELEASE") or (word == "ROLLBACK" and any(token.word == "TO" for token in tokens)):
        raise Refused(UNSUPPORTED, 'SQL command "SAVEPOINT" not supported.', first.start)
    if word not in _COMMANDS:
        raise syntax_error(first)
    if word in ("CREATE", "DROP"):
        _object(sql, tokens)


def _object(sql: str, tokens: Sequence[Token]) -> None:
    at = 3 if words(tokens, 1, "OR", "REPLACE") else 1
    while at < len(tokens) and tokens[at].word in ("LOCAL", "TEMP", "TEMPORARY"):
        at += 1
    if at >= len(tokens):
        raise syntax_error(tokens[-1])
    kind = tokens[at].word
    if kind in ("UNIQUE", "CONSTRAINT", "EVENT") or kind in _OBJECTS_ELSEWHERE:
        text = sql[tokens[0].start : tokens[-1].end]
        raise Refused(UNSUPPORTED, f'SQL command "{text}" not supported on Redshift tables.', tokens[0].start)
    if kind in _OBJECTS_NOT_HERE or words(tokens, at, "SCHEMA", "EXTERNAL"):
        raise not_here(sql, tokens[at], f"{tokens[0].word} {' '.join(t.word for t in tokens[at : at + 2] if t.word)}")
    if words(tokens, at, "EXTERNAL"):
        raise not_here(sql, tokens[at], "external tables")
    if kind not in _OBJECTS:
        raise syntax_error(tokens[at])
    if kind == "FUNCTION" and tokens[0].word == "CREATE":
        _function_language(sql, tokens)


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
        elif token.kind == SYMBOL and token.text in _OPERATORS:
            raise Refused(NO_FUNCTION, f"operator does not exist: {token.text}", token.start)
        elif token.text == "[" and token.kind == SYMBOL:
            raise not_here(sql, token, "navigation into SUPER values")
        elif token.kind == DOLLAR and tokens[0].word not in ("COMMENT", "CREATE", "SELECT", "INSERT", "UPDATE"):
            raise syntax_error(token)


def _word(sql: str, tokens: Sequence[Token], index: int) -> None:
    token = tokens[index]
    if index and tokens[index - 1].text == ".":
        return  # a column or a table of that name
    for pattern, at in _NOT_IN_REDSHIFT:
        if token.word == pattern[0] and words(tokens, index, *pattern):
            raise syntax_error(tokens[index + at])
    for pattern, feature in _NOT_HERE:
        if token.word == pattern[0] and words(tokens, index, *pattern):
            raise not_here(sql, token, feature)
    if words(tokens, index + 1, "(") and token.word in _FOREIGN_FUNCTIONS:
        raise Refused(NO_FUNCTION, f"function {token.text.lower()} does not exist", token.start)
    if (index and tokens[index - 1].text == "::") or (words(tokens, index - 1, "AS") and words(tokens, index + 1, ")")):
        if token.word in FOREIGN_TYPES:
            raise Refused("42704", f'type "{token.text.lower()}" does not exist', token.start)
        if token.word in MISSING_TYPES:
            raise not_here(sql, token, f"type {token.word}")


def reads_catalog(tokens: Sequence[Token]) -> bool:
    """Drivers and tools read the system catalog in PostgreSQL's own SQL, which is left alone."""
    return any(
        (token.word.startswith("PG_") and not token.word.startswith("PG_LAST_")) or token.word == "INFORMATION_SCHEMA"
        for token in tokens
    ) or any(token.kind == QUOTED and token.value == "pg_catalog" for token in tokens)
