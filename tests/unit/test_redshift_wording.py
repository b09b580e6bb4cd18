"""PostgreSQL's errors in Redshift's words."""

from __future__ import annotations

import pytest

from velodrome.redshift import wording


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("42501", "permission denied for table t", "permission denied for relation t"),
        ("42501", "permission denied for view v", "permission denied for relation v"),
        ("42501", "permission denied for schema s", "permission denied for schema s"),
        ("42501", "must be owner of table t", "must be owner of relation t"),
        ("42704", 'role "u" does not exist', 'user "u" does not exist'),
        ("42704", 'role "group g" does not exist', 'group "g" does not exist'),
        ("42501", 'permission denied to set role "u"', "permission denied to set session authorization"),
        ("28000", 'role "r" is not permitted to log in', 'password authentication failed for user "r"'),
        (
            "23502",
            'null value in column "Größe ""x" of relation "t" violates not-null constraint',
            'Cannot insert a NULL value into column Größe ""x',
        ),
        ("XX000", "permission denied for table t", "permission denied for table t"),
    ],
)
def test_message(code: str, text: str, expected: str) -> None:
    assert wording.message(code, text) == expected


def test_context_has_no_functions_of_the_warehouse() -> None:
    text = 'PL/pgSQL function velodrome.find_role(text,text) line 10\nSQL statement "SELECT 1"'
    assert wording.context(text) == 'SQL statement "SELECT 1"'
