"""OUT arguments of a procedure, as Amazon's JDBC driver sends them."""

from __future__ import annotations

import pytest

from velodrome.redshift.sql.void_parameters import without


@pytest.mark.parametrize(
    ("sql", "types", "expected"),
    [
        ("call p($1, $2, $3)", (23, 2278, 0), "call p($1, NULL, $3)"),
        ("call p($1, '$2', $2)", (2278, 2278), "call p(NULL, '$2', NULL)"),
        ("call p($1, $11)", (2278,), "call p(NULL, $11)"),
        ("call p($1)", (23,), "call p($1)"),
        ("call p($1, 'open", (2278,), "call p($1, 'open"),
    ],
)
def test_void_parameters_become_null(sql: str, types: tuple[int, ...], expected: str) -> None:
    assert without(sql, types) == expected
