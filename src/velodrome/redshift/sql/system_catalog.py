"""Queries of the system catalog: what has no place in Redshift may stand in them, and its tables are views of ours.

Redshift's tables of pg_catalog have columns that PostgreSQL's lack, and rows for constraints that PostgreSQL does not
know; views of the same names have them (catalog/31_pg_catalog.sql) and are read in their place.
https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.tokens import (
    QUOTED,
    WORD,
    Edit,
    Token,
    closing,
    vocabulary,
    words,
)

_TABLES = vocabulary(
    """
    pg_attrdef pg_attribute pg_auth_members pg_class pg_constraint pg_database pg_default_acl pg_depend
    pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_index pg_matviews
    pg_namespace pg_proc pg_roles pg_stat_activity pg_trigger pg_type pg_user_mappings
    """
)
# What a table's name follows; after a comma it may be another table of a FROM.
_BEFORE_TABLE = vocabulary("FROM JOIN ONLY , (")

_XMIN = "(SELECT hidden.xmin FROM {table} AS hidden WHERE {same})"


def edits(tokens: Sequence[Token]) -> list[Edit]:
    """What a query of the catalog has changed beside what every query has (query.py)."""
    found = _hidden_columns(tokens)
    for at, token in enumerate(tokens):
        if token.kind in (WORD, QUOTED) and token.value in _TABLES:
            found += _table(tokens, at)
        elif token.word == "PG_GET_EXPR":
            found += _default(tokens, at)
    return found


def _table(tokens: Sequence[Token], at: int) -> list[Edit]:
    if words(tokens, at - 1, "."):
        schema = tokens[at - 2]
        if schema.kind in (WORD, QUOTED) and schema.value == "pg_catalog":
            return [Edit(schema.start, schema.end, "velodrome")]
        return []
    token = tokens[at]
    before = (tokens[at - 1].word or tokens[at - 1].text) if at else ""
    if before in _BEFORE_TABLE and not words(tokens, at + 1, ".") and not words(tokens, at + 1, "("):
        return [Edit(token.start, token.start, "velodrome.")]
    return []


def _hidden_columns(tokens: Sequence[Token]) -> list[Edit]:
    """alias.tableoid and alias.xmin, which a view has not."""
    named: dict[str, str] = {}
    for at, token in enumerate(tokens[:-1]):
        if token.kind in (WORD, QUOTED) and token.value in _TABLES:
            after = tokens[at + 2] if words(tokens, at + 1, "AS") and at + 2 < len(tokens) else tokens[at + 1]
            named[after.value if after.kind in (WORD, QUOTED) else token.value] = token.value
    edits: list[Edit] = []
    for at, token in enumerate(tokens):
        alias = tokens[at - 2] if at >= 2 and words(tokens, at - 1, ".") else None
        if token.word in ("TABLEOID", "XMIN") and alias is not None and alias.value in named:
            table = f"pg_catalog.{named[alias.value]}"
            held = f"'{table}'::regclass::oid" if token.word == "TABLEOID" else _xmin(table, alias.text)
            edits.append(Edit(alias.start, token.end, held))
    return edits


def _xmin(table: str, alias: str) -> str:
    keys = {"pg_catalog.pg_attribute": ("attrelid", "attnum"), "pg_catalog.pg_index": ("indexrelid",)}.get(
        table, ("oid",)
    )
    same = " AND ".join(f"hidden.{key} = {alias}.{key}" for key in keys)
    return _XMIN.format(table=table, same=same)


def _default(tokens: Sequence[Token], at: int) -> list[Edit]:
    """pg_get_expr(d.adbin, d.adrelid) is d.adsrc, which knows identity columns; PostgreSQL has no default for them."""
    close = closing(tokens, at + 1)
    parts = [token.value for token in tokens[at + 2 : close] if token.kind in (WORD, QUOTED)]
    names = [part for part in parts if part not in ("true", "false")]
    start = tokens[at - 2].start if words(tokens, at - 1, ".") and at >= 2 else tokens[at].start
    if (
        close < len(tokens)
        and len(names) in (2, 4)
        and names[-1] == "adrelid"
        and names[len(names) // 2 - 1] == "adbin"
    ):
        source = tokens[at + 2].text + ".adsrc" if len(names) == 4 else "adsrc"
        return [Edit(start, tokens[close].end, source)]
    return []
