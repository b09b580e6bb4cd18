"""The list of foreign tests that are expected to fail: each has a reason, and what is not as listed is named."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SUITES = Path(__file__).parents[1] / "s3_suites"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("s3_suites_run", SUITES / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as its dataclass looks for it
    spec.loader.exec_module(module)
    return module


def test_each_expected_failure_has_a_reason(run: ModuleType) -> None:
    reasons = run.expected((SUITES / "expected_failures.txt").read_text(encoding="utf-8"))
    assert reasons
    assert all("::" in name and reason for name, reason in reasons.items())
    with pytest.raises(ValueError, match="a::b has no reason above it"):
        run.expected("# of another\nc::d\n\na::b\n")


def test_what_is_not_as_listed_is_named(run: ModuleType) -> None:
    found = {"m::good": True, "m::bad": False, "m::known": False, "m::mended": True}
    assert run.verdict(found, {"m::known": "so", "m::mended": "so", "m::not run": "so"}) == [
        "FAILED, and not expected to: m::bad",
        "PASSED, and expected to fail: m::mended",
    ]
