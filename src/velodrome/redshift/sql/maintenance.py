"""VACUUM and ANALYZE."""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import ddl, refuse
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, apply, name_end, words


def analyze(sql: str, tokens: Sequence[Token]) -> Statement:
    """ANALYZE [VERBOSE] [table [(columns)]] [PREDICATE COLUMNS | ALL COLUMNS]: r_ANALYZE.html"""
    edits = [
        Edit(tokens[at - 1].end, tokens[at + 1].end, "")
        for at in range(1, len(tokens))
        if words(tokens, at, "PREDICATE", "COLUMNS") or words(tokens, at, "ALL", "COLUMNS")
    ]
    return Statement(apply(sql, tokens[0].start, tokens[-1].end, edits))


def vacuum(sql: str, tokens: Sequence[Token]) -> Statement:
    """VACUUM [FULL | SORT ONLY | DELETE ONLY | …] [table] [TO n PERCENT] [BOOST]: r_VACUUM_command.html"""
    at = 1
    if at < len(tokens) and tokens[at].word in ("FULL", "REINDEX", "RECLUSTER"):
        at += 1
    elif at < len(tokens) and tokens[at].word in ("SORT", "DELETE"):
        at += 2 if words(tokens, at + 1, "ONLY") else 1
    if at >= len(tokens) or tokens[at].word in ("TO", "BOOST"):
        return Statement("VACUUM")
    end = name_end(tokens, at)
    rest = [token.word for token in tokens[end:] if token.word]
    if rest not in ([], ["BOOST"], ["TO", "PERCENT"], ["TO", "PERCENT", "BOOST"]):
        raise refuse.syntax_error(tokens[end])
    name = ddl.quoted_name([token.value for token in tokens[at:end] if token.text != "."])
    return Statement(f"VACUUM {name}")
