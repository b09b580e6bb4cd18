"""Precision and scale of DECIMAL computations, and where a statement gets them."""

from __future__ import annotations

import pytest

from velodrome.redshift.sql.numbers import Decimal, computations, literal_type, result
from velodrome.redshift.sql.tokens import apply, tokenize


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("/", (8, 2), (8, 2), (17, 9)),  # the page's own example
        ("*", (8, 2), (5, 0), (13, 2)),
        ("+", (7, 2), (15, 3), (16, 3)),
        ("-", (8, 2), (8, 2), (9, 2)),
        ("/", (38, 0), (38, 0), (38, 4)),
        ("*", (38, 10), (38, 10), (38, 20)),
    ],
)
def test_rules(operator: str, left: tuple[int, int], right: tuple[int, int], expected: tuple[int, int]) -> None:
    assert result(operator, Decimal(*left), Decimal(*right)) == Decimal(*expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", "int4"), ("3000000000", "int8"), ("2.0", Decimal(2, 1)), (".5", Decimal(1, 1)), ("1e3", "float")],
)
def test_literals(text: str, expected: object) -> None:
    assert literal_type(text) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("SELECT 7/2.0", "SELECT velodrome.quotient(7,2.0,4)::NUMERIC(15,4)"),
        ("SELECT 1.5 * 2 + 1", "SELECT ((1.5 * 2)::NUMERIC(12,1) + 1)::NUMERIC(13,1)"),
        ("SELECT (1.5 - 1) * -2", "SELECT (((1.5 - 1)::NUMERIC(12,1)) * -2)::NUMERIC(22,1)"),
        ("SELECT COUNT(*) / 2.0, a * 1.5", "SELECT velodrome.quotient(COUNT(*) , 2.0,4)::NUMERIC(24,4), a * 1.5"),
        ("SELECT 2 * 3, 1.5 ^ 2, 'a' || 1.5 FROM t", "SELECT 2 * 3, 1.5 ^ 2, 'a' || 1.5 FROM t"),
        ("SELECT *, t.* FROM t WHERE a IN (1.5, 2)", "SELECT *, t.* FROM t WHERE a IN (1.5, 2)"),
    ],
)
def test_computations_of_known_types_are_cast(source: str, expected: str) -> None:
    assert apply(source, 0, len(source), computations(tokenize(source))) == expected
