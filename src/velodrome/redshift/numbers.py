"""DECIMALs of results without a precision and scale, which Amazon's drivers have to be told before the rows come.

Every DECIMAL of Redshift has both; the server inside loses them at an operator. Such a column is told to be of 38
digits, 18 of them behind the point, which is room for any BIGINT; where its expression divides, 20, as many as the
server inside gives for quotients: https://docs.aws.amazon.com/redshift/latest/dg/r_numeric_computations201.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from velodrome.redshift.wire_rows import NUMERIC, Field

_PRECISION, _SCALE, _SCALE_OF_QUOTIENTS = 38, 18, 20
_FUNCTIONS = r"\b(?:avg|stddev\w*|var_\w+|variance|ln|log|exp|power|pow|sqrt|ratio_to_report|percentile_cont|median)\b"
_DIVIDES = re.compile(rf"/(?!\*)|{_FUNCTIONS}", re.IGNORECASE)


def decimals(fields: Sequence[Field], text: str) -> list[Field]:
    """The fields with a modifier for each DECIMAL; `text` is the statement's."""
    loose = [number for number, field in enumerate(fields) if field.type == NUMERIC and field.modifier < 4]
    found = list(fields)
    if loose:
        items = _items(text, len(fields)) if _DIVIDES.search(text) else [""] * len(fields)
        for number in loose:
            scale = _SCALE_OF_QUOTIENTS if _DIVIDES.search(items[number]) else _SCALE
            found[number] = replace(fields[number], modifier=(_PRECISION << 16 | scale) + 4)
    return found


def _items(text: str, count: int) -> list[str]:
    """The expression of each column; the whole text where they cannot be told."""
    try:
        parsed = sqlglot.parse_one(text, read="redshift")
    except SqlglotError:
        return [text] * count
    items = parsed.selects if isinstance(parsed, exp.Query) else []
    return [item.sql(comments=False) for item in items] if len(items) == count else [text] * count
