"""Calls that PostgreSQL's grammar or functions of the same names do not have: each becomes one of the server inside.

Only the words around arguments are edited, never an argument itself, so that what stands in it is edited by the same
rules, and nothing else of a statement is written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velodrome.redshift.sql.tokens import (
    NUMBER,
    QUOTED,
    STRING,
    WORD,
    Edit,
    Token,
    closing,
    literal,
    piece,
    split_list,
    vocabulary,
    words,
)

# Called by another name inside, because PostgreSQL has a function of that name that answers differently, or its column
# would be called otherwise. AVG of integers is an integer (r_AVG.html), REGEXP_REPLACE replaces every match
# (REGEXP_REPLACE.html), CONCAT with a NULL is NULL (r_CONCAT.html). NVL and ISNULL are COALESCE in Redshift's own plans
# (r_NVL_function.html). Parameters that PostgreSQL lacks are kept under names of their own (parameters.py).
_RENAMED = {
    "AVG": "velodrome.avg",
    "CONCAT": "velodrome.concat",
    "CURRENT_SETTING": "velodrome.current_setting",
    "DATEADD": "velodrome.date_add",
    "DATEDIFF": "velodrome.date_diff",
    "DATEPART": "velodrome.pgdate_part",
    "DATE_ADD": "velodrome.date_add",
    "DATE_DIFF": "velodrome.date_diff",
    "DATE_PART": "velodrome.pgdate_part",
    "DATE_TRUNC": "velodrome.date_trunc",
    "EXP": "velodrome.exp",
    "ISNULL": "COALESCE",
    "LN": "velodrome.ln",
    "LOG": "velodrome.log",
    "MEDIAN": "velodrome.median",
    "NVL": "COALESCE",
    "PG_CANCEL_BACKEND": "velodrome.pg_cancel_backend",
    "PG_TERMINATE_BACKEND": "velodrome.pg_terminate_backend",
    "POW": "velodrome.power",
    "POWER": "velodrome.power",
    "REGEXP_REPLACE": "velodrome.regexp_replace",
    "SET_CONFIG": "velodrome.set_config",
    "SQRT": "velodrome.sqrt",
    **{name: f"velodrome.{name.lower()}" for name in ("STDDEV", "STDDEV_POP", "STDDEV_SAMP")},
    **{name: f"velodrome.{name.lower()}" for name in ("VARIANCE", "VAR_POP", "VAR_SAMP")},
}

# The first argument is a date part, which may stand without quotes.
# https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html
_DATE_PART_FIRST = vocabulary("DATEADD DATE_ADD DATEDIFF DATE_DIFF DATE_PART DATEPART DATE_TRUNC")

_WINDOW = " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"


def calls(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Edits of every call in these tokens, the innermost first."""
    edits: list[Edit] = []
    for at in range(len(tokens) - 2, -1, -1):
        if tokens[at].kind == WORD and words(tokens, at + 1, "(") and not _is_of_somebody(tokens, at):
            edits += _call(sql, tokens, at, edits)
    return edits


def _is_of_somebody(tokens: Sequence[Token], at: int) -> bool:
    """Whether a schema stands before it: only pg_catalog's functions are the warehouse's."""
    return words(tokens, at - 1, ".")


def _call(sql: str, tokens: Sequence[Token], at: int, inner: list[Edit]) -> list[Edit]:
    token = tokens[at]
    special = _SPECIAL.get(token.word)
    close = closing(tokens, at + 1)
    if special is not None:
        return special(sql, tokens, at, close, inner) if close < len(tokens) else []
    edits: list[Edit] = []
    if token.word in _RENAMED:
        edits.append(Edit(token.start, token.end, _RENAMED[token.word]))
    if token.word in _DATE_PART_FIRST and words(tokens, at + 3, ","):
        part = tokens[at + 2]
        if part.kind in (WORD, QUOTED):
            edits.append(Edit(part.start, part.end, literal(part.value)))
    return edits


def _arguments(tokens: Sequence[Token], at: int, close: int) -> list[tuple[int, int]]:
    return split_list(tokens, at + 2, close)


def _extract(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """EXTRACT(part FROM value): https://docs.aws.amazon.com/redshift/latest/dg/r_EXTRACT_function.html"""
    part = tokens[at + 2]
    if not words(tokens, at + 3, "FROM") or part.kind not in (WORD, QUOTED, STRING):
        return []
    text = part.text if part.kind == STRING else literal(part.value)
    return [
        Edit(tokens[at].start, tokens[at].end, "velodrome.date_part"),
        Edit(part.start, tokens[at + 3].end, f"{text},"),
    ]


def _nvl2(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """In parentheses, as PL/pgSQL would take a THEN for its own: https://docs.aws.amazon.com/redshift/latest/dg/r_NVL2.html"""
    arguments = _arguments(tokens, at, close)
    if len(arguments) != 3:
        return []
    first, second = (tokens[past] for _, past in arguments[:2])
    return [
        Edit(tokens[at].start, tokens[at + 1].end, "(CASE WHEN ("),
        Edit(first.start, first.end, ") IS NOT NULL THEN "),
        Edit(second.start, second.end, " ELSE "),
        Edit(tokens[close].start, tokens[close].end, " END)"),
    ]


def _decode(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """A NULL is the same as a NULL there: https://docs.aws.amazon.com/redshift/latest/dg/r_DECODE_expression.html"""
    arguments = _arguments(tokens, at, close)
    if len(arguments) < 3:
        return []
    first, past = arguments[0]
    value = piece(sql, tokens[first].start, tokens[past - 1].end, inner)
    if past - first > 1:
        value = f"({value})"
    edits = [Edit(tokens[at].start, tokens[past].end, "(CASE")]
    pairs = arguments[1:]
    for number in range(0, len(pairs) - 1, 2):
        start, end = pairs[number]
        searched = tokens[start:end]
        comma = tokens[end]
        if len(searched) == 1 and searched[0].word == "NULL":
            edits.append(Edit(tokens[start].start, comma.end, f" WHEN {value} IS NULL THEN "))
        elif len(searched) == 1 and searched[0].kind in (STRING, NUMBER):
            edits.append(Edit(tokens[start].start, tokens[start].start, f" WHEN {value} = "))
            edits.append(Edit(comma.start, comma.end, " THEN "))
        else:
            edits.append(Edit(tokens[start].start, tokens[start].start, f" WHEN {value} IS NOT DISTINCT FROM ("))
            edits.append(Edit(comma.start, comma.end, ") THEN "))
        separator = tokens[pairs[number + 1][1]]
        if separator.text == "," and number + 2 < len(pairs):
            edits.append(Edit(separator.start, separator.end, ""))
    if len(pairs) % 2:
        start = pairs[-1][0]
        edits.append(Edit(tokens[start].start, tokens[start].start, " ELSE "))
    edits.append(Edit(tokens[close].start, tokens[close].end, " END)"))
    return edits


def _convert(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """CONVERT(type, value): https://docs.aws.amazon.com/redshift/latest/dg/r_CONVERT-function.html"""
    arguments = _arguments(tokens, at, close)
    if len(arguments) != 2:
        return []
    (first, past), (start, _) = arguments
    type_ = sql[tokens[first].start : tokens[past - 1].end]
    return [
        Edit(tokens[at].start, tokens[start].start, "CAST("),
        Edit(tokens[close].start, tokens[close].start, f" AS {_precise(tokens[first:past], type_)}"),
    ]


def _precise(tokens: Sequence[Token], text: str) -> str:
    bare = len(tokens) == 1
    if bare and tokens[0].word in ("DECIMAL", "NUMERIC", "DEC"):
        return text + "(18,0)"
    if len(tokens) == 4 and tokens[2].word == "MAX":
        return tokens[0].text
    return text


def _list_aggregate(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """LISTAGG([DISTINCT] value [, delimiter]) [WITHIN GROUP (ORDER BY …)] [OVER (PARTITION BY …)]; any type becomes a
    VARCHAR: https://docs.aws.amazon.com/redshift/latest/dg/r_LISTAGG.html, …/r_WF_LISTAGG.html"""
    first = at + 2
    distinct = words(tokens, first, "DISTINCT")
    if distinct or words(tokens, first, "ALL"):
        first += 1
    arguments = split_list(tokens, first, close)
    if not arguments:
        return []
    name = "velodrome.listagg_once" if distinct else "velodrome.listagg"
    start, past = arguments[0]
    edits = [
        Edit(tokens[at].start, tokens[start].start, f"{name}(("),
        Edit(tokens[past - 1].end, tokens[past - 1].end, ")::VARCHAR"),
    ]
    return edits + _ordered(sql, tokens, close, inner, keep=True)


def _percentile(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """Over a window PostgreSQL has no ordered-set aggregates: https://docs.aws.amazon.com/redshift/latest/dg/r_WF_PERCENTILE_CONT.html"""
    group = _group(tokens, close)
    if group is None or not words(tokens, group[1] + 1, "OVER"):
        return []
    order, end = group
    value = piece(sql, tokens[order].start, tokens[end - 1].end, inner)
    descending = tokens[end - 1].word == "DESC"
    if tokens[end - 1].word in ("ASC", "DESC"):
        value = piece(sql, tokens[order].start, tokens[end - 2].end, inner)
    fraction = piece(sql, tokens[at + 2].start, tokens[close - 1].end, inner)
    if descending:
        fraction = f"1 - ({fraction})"
    name = f"velodrome.{tokens[at].word.lower()}"
    return [Edit(tokens[at].start, tokens[end].end, f"{name}({value}, {fraction})")]


def _group(tokens: Sequence[Token], close: int) -> tuple[int, int] | None:
    """WITHIN GROUP (ORDER BY …) behind a call: the first token of the order, and the parenthesis behind it."""
    if not words(tokens, close + 1, "WITHIN", "GROUP", "(", "ORDER", "BY"):
        return None
    return close + 6, closing(tokens, close + 3)


def _ordered(sql: str, tokens: Sequence[Token], close: int, inner: list[Edit], *, keep: bool) -> list[Edit]:
    """The order of an aggregate goes into its parentheses, or into those of its window, which then has all its rows."""
    group = _group(tokens, close)
    end = close if group is None else group[1]
    over = words(tokens, end + 1, "OVER", "(")
    if group is None and not over:
        return []
    order = "" if group is None else piece(sql, tokens[group[0]].start, tokens[group[1] - 1].end, inner)
    order = f" ORDER BY {order}" if order else ""
    if not over:
        return [Edit(tokens[close].start, tokens[end].end, f"{order})")]
    window = closing(tokens, end + 2)
    frame = f"{order}{_WINDOW}" if order else ""
    return [
        Edit(tokens[close].end, tokens[end].end, ""),
        Edit(tokens[window].start, tokens[window].start, frame),
    ]


def _once(sql: str, tokens: Sequence[Token], at: int, close: int, inner: list[Edit]) -> list[Edit]:
    """Asked once for a statement, not for each row that it is compared with: it reads the history."""
    if close > at + 2:
        return []
    return [
        Edit(tokens[at].start, tokens[at].start, "(SELECT "),
        Edit(tokens[close].end, tokens[close].end, ")"),
    ]


_Special = Callable[[str, Sequence[Token], int, int, list[Edit]], list[Edit]]
_SPECIAL: dict[str, _Special] = {
    "CONVERT": _convert,
    "DECODE": _decode,
    "EXTRACT": _extract,
    "LISTAGG": _list_aggregate,
    "NVL2": _nvl2,
    "PERCENTILE_CONT": _percentile,
    "PERCENTILE_DISC": _percentile,
    **{f"PG_LAST_{what}": _once for what in ("COPY_COUNT", "COPY_ID", "QUERY_ID", "UNLOAD_COUNT", "UNLOAD_ID")},
}

# All that is not called inside by its own name.
EDITED = frozenset(_RENAMED) | frozenset(_SPECIAL)
