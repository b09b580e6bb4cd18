"""Rewrites by syntax tree, for statements that PostgreSQL's grammar does not have; sqlglot parses and writes them.

Here only where sqlglot's own output would answer differently from Redshift, each with the page it follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.tokens import Token


def rewrite(sql: str, tokens: Sequence[Token], text: str) -> str:
    """The whole statement, parsed as Redshift's and written as PostgreSQL's."""
    try:
        parsed = sqlglot.parse_one(text, read="redshift")
        if isinstance(parsed, exp.Command):
            raise refuse.not_here(sql, tokens[0], f"this form of {tokens[0].text.upper()}")
        parsed = parsed.transform(_list_aggregate).transform(_qualify)
        return parsed.sql(dialect="postgres", unsupported_level=ErrorLevel.RAISE)
    except _QualifyError:
        where = next(token for token in tokens if token.word == "QUALIFY")
        raise refuse.not_here(sql, where, "QUALIFY with * and several tables (name the columns)") from None
    except SqlglotError as error:
        errors = getattr(error, "errors", None) or [{}]
        reason = errors[0].get("description") or str(error).split("\n", 1)[0]
        raise refuse.not_here(sql, tokens[0], f"this statement ({reason})") from None


class _QualifyError(Exception):
    pass


def _list_aggregate(node: exp.Expr) -> exp.Expr:
    """LISTAGG(x [, delimiter]) WITHIN GROUP (ORDER BY …) is STRING_AGG(x, delimiter ORDER BY …).

    Any type is cast to VARCHAR, and the delimiter is empty if not given:
    https://docs.aws.amazon.com/redshift/latest/dg/r_LISTAGG.html
    """
    if isinstance(node, exp.WithinGroup) and isinstance(node.this, exp.GroupConcat):
        aggregate = node.this.copy()
        order = node.expression
        _text_and_delimiter(aggregate)
        aggregate.set("this", exp.Order(this=aggregate.this, expressions=[item.copy() for item in order.expressions]))
        return aggregate
    if isinstance(node, exp.GroupConcat) and not isinstance(node.this, exp.Order):
        _text_and_delimiter(node)
    return node


def _text_and_delimiter(aggregate: exp.Expr) -> None:
    value = aggregate.this
    if isinstance(value, exp.Distinct):
        # No cast here: PostgreSQL sorts a DISTINCT aggregate by its own argument only.
        if len(value.expressions) > 1:
            aggregate.set("separator", value.expressions[1].copy())
            value.set("expressions", [value.expressions[0].copy()])
    elif not isinstance(value, exp.Cast):
        value.replace(exp.cast(value.copy(), "varchar"))
    if aggregate.args.get("separator") is None:
        aggregate.set("separator", exp.Literal.string(""))


def _qualify(node: exp.Expr) -> exp.Expr:
    """QUALIFY over `SELECT *`: the rows come as one value, so that the condition's column does not show.

    https://docs.aws.amazon.com/redshift/latest/dg/r_QUALIFY_clause.html
    """
    if not isinstance(node, exp.Select) or not node.args.get("qualify"):
        return node
    stars = [column for column in node.expressions if column.is_star]
    if not stars:
        return node
    source = node.args.get("from_") or node.args.get("from")
    if len(node.expressions) > 1 or node.args.get("joins") or source is None or node.args.get("group"):
        raise _QualifyError
    alias = source.this.alias_or_name
    if not alias:
        raise _QualifyError
    inner = node.copy()
    condition = inner.args["qualify"].this
    outside = {key: inner.args.get(key) for key in ("order", "limit", "offset", "distinct", "with_", "with")}
    for key in ("qualify", *outside):
        inner.set(key, None)
    inner.set(
        "expressions", [exp.alias_(exp.column(alias, quoted=True), "_row"), exp.alias_(condition.copy(), "_keep")]
    )
    if outside["order"] is not None:
        raise _QualifyError
    star = exp.Dot(this=exp.Paren(this=exp.column("_row", table="_rows")), expression=exp.Star())
    outer = exp.select(star).from_(inner.subquery("_rows")).where(exp.column("_keep"))
    for key, value in outside.items():
        if value is not None:
            outer.set(key, value)
    return outer
