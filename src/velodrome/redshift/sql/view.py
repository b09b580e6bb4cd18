"""CREATE VIEW; with WITH NO SCHEMA BINDING its text goes as a note to an event trigger, which reads it again and again.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html (catalog/20_late_binding_views.sql)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from velodrome.redshift.sql import ddl, refuse
from velodrome.redshift.sql.other_database import LATE_BINDING
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import (
    DOLLAR,
    QUOTED,
    STRING,
    Token,
    closing,
    folded,
    keeps_case,
    literal,
    name_end,
    name_parts,
    tokenize,
    words,
)

_NOT_QUALIFIED = "All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING."


def rewrite(sql: str, tokens: Sequence[Token], written: str = "") -> Statement | None:
    """CREATE [OR REPLACE] VIEW name [(columns)] AS query WITH NO SCHEMA BINDING; None for every other CREATE.
    `written` is the text that is shown as the view's, if it is not this one."""
    replace = words(tokens, 1, "OR", "REPLACE")
    at = 3 if replace else 1
    if not words(tokens, at, "VIEW") or not words(tokens, len(tokens) - 4, *LATE_BINDING):
        return None
    end = name_end(tokens, at + 1)
    name = name_parts(tokens, at + 1, end)
    columns: tuple[str, ...] = ()
    if words(tokens, end, "("):
        close = closing(tokens, end)
        columns = tuple(token.value for token in tokens[end + 1 : close] if token.text != ",")
        end = close + 1
    inner = tokens[end + 1 : -4]
    if not words(tokens, end, "AS") or not inner:
        raise refuse.syntax_error(tokens[min(end, len(tokens) - 1)])
    reads, selects = _relations(sql, inner)
    note = named(name) | {
        "query": _one_statement(sql, inner, translated(sql, inner)),
        "source": (written or sql[tokens[0].start : tokens[-1].end]) + ";",
        "columns": columns,
        "selects": selects,
        "reads": reads,
    }
    if replace:
        note["replace"] = True
    verb = "CREATE OR REPLACE VIEW" if replace else "CREATE VIEW"
    return Statement(f"{verb} {ddl.quoted_name(name)} AS SELECT {comment(note)}")


def named(name: tuple[str, ...]) -> dict[str, object]:
    """What a note says of the relation that it belongs to."""
    return {"name": ddl.quoted_name(name), "schema": name[-2] if len(name) > 1 else "", "relation": name[-1]}


def comment(note: Mapping[str, object]) -> str:
    """A note for the event triggers. Nothing in it may end the comment, or open one inside it."""
    text = json.dumps(note, ensure_ascii=True).replace("/", "\\u002f")
    return f"/*velodrome-view:{text}:velodrome*/"


def translated(sql: str, inner: Sequence[Token]) -> str:
    """A view's query for the server inside."""
    if refuse.reads_catalog(inner):
        return query(sql, inner, catalog=True, makes=True)
    refuse.pieces(sql, inner)
    return query(sql, inner, makes=True)


def _relations(sql: str, inner: Sequence[Token]) -> tuple[list[str], list[str]]:
    """(schema.name of what a query reads, its columns' names); refuses relations without their schema."""
    try:
        parsed = sqlglot.parse_one(sql[inner[0].start : inner[-1].end], read="redshift")
    except SqlglotError:
        return _dotted(inner), []
    made = {_name(cte.args["alias"].this) for cte in parsed.find_all(exp.CTE)}
    reads: list[str] = []
    for table in parsed.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a function
        if table.db:
            reads.append(f"{_name(table.args['db'])}.{_name(table.this)}")
        elif _name(table.this) not in made:
            where = next((token for token in inner if token.value == _name(table.this)), inner[0])
            raise Refused(refuse.UNSUPPORTED, _NOT_QUALIFIED, where.start)
    selects = (
        [name if keeps_case.get() else folded(name) for name in parsed.named_selects if name and name != "*"]
        if isinstance(parsed, exp.Query)
        else []
    )
    return sorted(set(reads)), selects


def _name(written: exp.Expr) -> str:
    kept = keeps_case.get() and isinstance(written, exp.Identifier) and written.quoted
    return written.name if kept else folded(written.name)


def _dotted(inner: Sequence[Token]) -> list[str]:
    """All that could be the name of a relation, where the query cannot be parsed."""
    return sorted(
        {f"{inner[at - 1].value}.{inner[at + 1].value}" for at in range(1, len(inner) - 1) if inner[at].text == "."}
    )


def _one_statement(sql: str, inner: Sequence[Token], text: str) -> str:
    """The text without comments and semicolons: the server inside takes it for one statement by that."""
    parts: list[str] = []
    at = 0
    for token in tokenize(text):
        gap = text[at : token.start]
        parts.append(" " if "--" in gap or "/*" in gap else gap)
        at = token.end
        if token.kind == DOLLAR:
            opening = token.text.index("$", 1) + 1
            parts.append(literal(token.text[opening:-opening]).replace(";", "\\073"))
        elif token.kind == STRING:
            parts.append(token.text.replace(";", "\\073"))
        elif token.kind == QUOTED and ";" in token.text:
            raise refuse.not_here(sql, inner[0], "a name with a semicolon in a late-binding view")
        else:
            parts.append(token.text)
    return "".join(parts)
