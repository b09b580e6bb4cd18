"""CREATE, ALTER and REFRESH MATERIALIZED VIEW: what only Redshift knows goes as a note to event triggers.

https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-create-sql-command.html
https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_MATERIALIZED_VIEW.html
https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-refresh-sql-command.html
(catalog/21_materialized_views.sql)
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import ddl, refuse, view
from velodrome.redshift.sql.ddl import Notes
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, literal, name_end, name_parts, vocabulary, words

# What keeps Redshift from refreshing a view incrementally, and makes it compute it anew instead:
# https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-refresh.html
_RECOMPUTED = vocabulary(
    """
    LEFT RIGHT FULL UNION INTERSECT EXCEPT MINUS MEDIAN PERCENTILE_CONT PERCENTILE_DISC LISTAGG STDDEV STDDEV_SAMP
    STDDEV_POP VARIANCE VAR_SAMP VAR_POP APPROXIMATE BIT_AND BIT_OR BOOL_AND BOOL_OR DISTINCT OVER QUALIFY LIMIT ORDER
    GETDATE SYSDATE NOW RANDOM CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURRENT_SETTING
    """
)


def create(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """CREATE MATERIALIZED VIEW name [attributes] [AUTO REFRESH {YES | NO}] AS query; None for every other CREATE."""
    if not words(tokens, 1, "MATERIALIZED", "VIEW"):
        return None
    end = name_end(tokens, 3)
    query_at = next((at for at in range(end, len(tokens)) if words(tokens, at, "AS")), len(tokens))
    if end > query_at or query_at + 1 >= len(tokens):
        raise refuse.syntax_error(tokens[-1])
    auto, attributes = _auto_refresh(tokens, end, query_at)
    notes = Notes(name_parts(tokens, 3, end))
    ddl.table_attributes(sql, attributes, 0, len(attributes), notes)
    inner = tokens[query_at + 1 :]
    several = sum(token.word == "SELECT" for token in inner) > 1
    note = view.named(notes.table) | {
        "auto": auto or False,
        "incremental": not several and not any(token.word in _RECOMPUTED for token in inner),
        "layout": notes.values,
        "source": sql[tokens[0].start : tokens[-1].end] + ";",
    }
    made = f"CREATE MATERIALIZED VIEW {ddl.quoted_name(notes.table)} AS {view.translated(sql, inner)}"
    return Statement(f"{made}\nWITH NO DATA {view.comment(note)}")


def alter(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """ALTER MATERIALIZED VIEW name {AUTO REFRESH {YES | NO} | ALTER DISTSTYLE …}; None for every other ALTER."""
    if not words(tokens, 1, "MATERIALIZED", "VIEW"):
        return None
    end = name_end(tokens, 3)
    notes = Notes(name_parts(tokens, 3, end))
    note = view.named(notes.table)
    if words(tokens, end, "AUTO"):
        auto, rest = _auto_refresh(tokens, end, len(tokens))
        if rest:
            raise refuse.syntax_error(rest[0])
        note["auto"] = auto
    elif words(tokens, end, "ALTER") and end + 1 < len(tokens):
        ddl.alter_layout(sql, tokens, end + 1, notes)
        note["layout"] = notes.values
    elif words(tokens, end, "OWNER") or words(tokens, end, "RENAME") or words(tokens, end, "SET"):
        return None
    else:
        raise refuse.not_here(sql, tokens[min(end, len(tokens) - 1)], "this form of ALTER MATERIALIZED VIEW")
    # It finds the view, checks its owner and changes nothing.
    return Statement(f"ALTER MATERIALIZED VIEW {ddl.quoted_name(notes.table)} RESET (fillfactor) {view.comment(note)}")


def refresh(sql: str, tokens: Sequence[Token]) -> Statement:
    """REFRESH MATERIALIZED VIEW name [RESTRICT | CASCADE]"""
    if not words(tokens, 1, "MATERIALIZED", "VIEW") or len(tokens) < 4:
        raise refuse.syntax_error(tokens[min(1, len(tokens) - 1)])
    end = name_end(tokens, 3)
    mode = [token.word for token in tokens[end:]]
    if mode not in ([], ["RESTRICT"], ["CASCADE"]):
        raise refuse.syntax_error(tokens[end])
    name = name_parts(tokens, 3, end)
    note = view.named(name) | {"refresh": "cascade" if mode == ["CASCADE"] else "restrict"}
    return Statement(f"REFRESH MATERIALIZED VIEW {ddl.quoted_name(name)} {view.comment(note)}")


def inside(sql: str, part: Sequence[Token], call: str = "PERFORM") -> list[Edit]:
    """CREATE and REFRESH in a procedure's body, where a note reaches no event trigger; other CREATEs are left alone.
    `call` is how a function is called there for its effect: SELECT in the text of an EXECUTE."""
    if part[0].word == "REFRESH":
        text = refresh(sql, part).sql.partition(" /*velodrome-view:")[0]
        if words(part, len(part) - 1, "CASCADE"):
            name = ddl.quoted_name(name_parts(part, 3, name_end(part, 3)))
            text = f"{call} velodrome.refresh_bases({literal(name)}); {text}"
        return [Edit(part[0].start, part[-1].end, text)]
    made = create(sql, part) if part[0].word == "CREATE" else None
    if made is None:
        return []
    if any(words(part, at, "AUTO", "REFRESH", "YES") for at in range(len(part))):
        raise refuse.not_here(sql, part[0], "AUTO REFRESH YES inside a procedure")
    return [Edit(part[0].start, part[-1].end, made.sql.partition(" /*velodrome-view:")[0])]


def _auto_refresh(tokens: Sequence[Token], at: int, end: int) -> tuple[bool | None, list[Token]]:
    """(whether AUTO REFRESH is wanted, the other tokens)."""
    auto: bool | None = None
    rest: list[Token] = []
    while at < end:
        if words(tokens, at, "AUTO", "REFRESH"):
            if at + 2 >= end or tokens[at + 2].word not in ("YES", "NO"):
                raise refuse.syntax_error(tokens[min(at + 2, len(tokens) - 1)])
            auto = tokens[at + 2].word == "YES"
            at += 3
        else:
            rest.append(tokens[at])
            at += 1
    return auto, rest
