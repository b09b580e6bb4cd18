"""The lists of foreign tests that are expected to fail: each has a reason, and what is not as listed is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_results import expected, verdict

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("suites", ["s3_suites", "redshift_suites"])
def test_each_expected_failure_has_a_reason(suites: str) -> None:
    reasons = expected((TESTS / suites / "expected_failures.txt").read_text(encoding="utf-8"))
    assert reasons
    assert all("::" in name and reason for name, reason in reasons.items())


def test_a_failure_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="a::b has no reason above it"):
        expected("# of another\nc::d\n\na::b\n")


def test_what_is_not_as_listed_is_named() -> None:
    found = {"m::good": True, "m::bad": False, "m::known": False, "m::mended": True}
    assert verdict(found, {"m::known": "so", "m::mended": "so", "m::not run": "so"}) == [
        "FAILED, and not expected to: m::bad",
        "PASSED, and expected to fail: m::mended",
    ]


def test_an_asterisk_names_all_tests_that_fail_for_one_reason() -> None:
    found = {"m::t[super-1]": False, "m::t[super-2]": False, "m::t[int-1]": False, "m::t[date-1]": True}
    assert verdict(found, {"m::t[super-*]": "so"}) == ["FAILED, and not expected to: m::t[int-1]"]


def test_an_asterisk_that_names_tests_which_pass_is_too_wide() -> None:
    found = {"m::t[super-1]": False, "m::t[date-1]": True, "m::t[date-2]": True}
    assert verdict(found, {"m::t[*]": "so"}) == ["TOO WIDE, 2 of 3 pass: m::t[*] (m::t[date-1])"]


def test_brackets_and_question_marks_of_a_name_stand_for_themselves() -> None:
    found = {"m::t[a?b]": False, "m::ta": True, "m::t[aXb]": True}
    assert verdict(found, {"m::t[a?*": "so"}) == []


def test_an_asterisk_of_a_tests_own_name_stands_for_itself() -> None:
    found = {"m::t[select *]": False, "m::t[select 1]": True}
    assert verdict(found, {"m::t[select *]": "so"}) == []
