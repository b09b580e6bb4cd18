"""SET, RESET and SHOW of the session's parameters."""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, apply, vocabulary, words

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


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement:
    """The statement with Redshift's own parameters under the names that the server inside keeps them by."""
    return Statement(apply(sql, tokens[0].start, tokens[-1].end, _setting(sql, tokens)))


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
