"""Parameters that are declared: OUT arguments, as Amazon's JDBC driver sends them, and those that are not used."""

from __future__ import annotations

import pytest

from velodrome.redshift.sql.declared_parameters import complete, without_void


@pytest.mark.parametrize(
    ("sql", "types", "expected"),
    [
        ("call p($1, $2, $3)", (23, 2278, 0), "call p($1, NULL, $3)"),
        ("call p($1, '$2', $2)", (2278, 2278), "call p(NULL, '$2')"),
        ("call p($1, $2, $3)", (23, 2278, 2278), "call p($1)"),
        ("CALL s.p($1, $2)", (2278, 2278), "CALL s.p()"),
        ("select p($1, $2)", (23, 2278), "select p($1, NULL)"),
        ("call p($1, $11)", (2278,), "call p(NULL, $11)"),
        ("call p($1)", (23,), "call p($1)"),
        ("call p($1, 'open", (2278,), "call p($1, 'open"),
    ],
)
def test_void_parameters_are_null_or_left_away(sql: str, types: tuple[int, ...], expected: str) -> None:
    assert without_void(sql, types) == expected


@pytest.mark.parametrize(
    ("sql", "types", "expected"),
    [
        ("select 1", (705,), (25,)),
        ("select $1", (0, 705, 23), (0, 25, 23)),
        ("select '$2', $1 -- $3", (705, 705, 0), (705, 25, 25)),
        ("select $1, $2", (705, 0), (705, 0)),
        ("select $12", (705,), (25,)),
        ("select 'open", (705,), (705,)),
    ],
)
def test_a_parameter_that_is_not_used_is_text(sql: str, types: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(complete(sql, types)) == expected
