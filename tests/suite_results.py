"""What a run of another project's suite says, and whether it is as expected: known failures are named with a reason."""

from __future__ import annotations

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
    """The reason for each expected failure: names of tests below the comment that says why."""
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


def verdict(found: dict[str, bool], reasons: dict[str, str]) -> list[str]:
    """What is not as expected, a line a test."""
    unexpected = [f"FAILED, and not expected to: {name}" for name in sorted(found) if not found[name]]
    unexpected = [line for line in unexpected if line.partition(": ")[2] not in reasons]
    passed = [f"PASSED, and expected to fail: {name}" for name in sorted(reasons) if found.get(name)]
    return unexpected + passed
