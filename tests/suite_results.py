"""What a run of another project's suite says, and whether it is as expected: known failures are named with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree


def results(report: Path) -> dict[str, bool]:
    """Whether each test of a JUnit report passed; a test whose clean-up fails has failed."""
    found: dict[str, bool] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest has written it
        kinds = {child.tag for child in case}
        name = f"{case.get('classname')}::{case.get('name')}"
        if "skipped" not in kinds:
            found[name] = found.get(name, True) and not kinds & {"failure", "error"}
    return found


def expected(text: str) -> dict[str, str]:
    """The reason for each expected failure: names of tests below the comment that says why. A ``*`` in a name stands
    for any text: it names all tests that fail for one reason, and none that passes."""
    reasons: dict[str, str] = {}
    reason = ""
    fresh = False
    for line in text.splitlines():
        if line.startswith("#"):
            reason = f"{reason} {line[1:].strip()}".strip() if fresh else line[1:].strip()
            fresh = True
        elif line.strip():
            if not reason:
                raise ValueError(f"{line} has no reason above it")
            reasons[line.strip()] = reason
            fresh = False
        else:
            reason, fresh = "", False
    return reasons


def verdict(found: Mapping[str, bool], reasons: Iterable[str]) -> list[str]:
    """What is not as expected, a line a test, or a line a pattern that names tests which pass."""
    listed = set(reasons)
    patterns = {each: _pattern(each) for each in sorted(listed) if "*" in each and each not in found}
    known: set[str] = set()
    wide: list[str] = []
    for text, pattern in patterns.items():
        matching = [name for name in found if pattern.fullmatch(name)]
        known.update(matching)
        if passing := sorted(name for name in matching if found[name]):
            wide.append(f"TOO WIDE, {len(passing)} of {len(matching)} pass: {text} ({passing[0]})")
    failed = sorted(name for name, passed in found.items() if not passed and name not in listed | known)
    passed = sorted(name for name, passed in found.items() if passed and name in listed)
    return [
        *(f"FAILED, and not expected to: {name}" for name in failed),
        *(f"PASSED, and expected to fail: {name}" for name in passed),
        *wide,
    ]


def _pattern(text: str) -> re.Pattern[str]:
    """Of fnmatch's wildcards the asterisk alone: names of tests have brackets and question marks of their own."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)
