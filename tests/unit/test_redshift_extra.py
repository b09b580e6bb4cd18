"""`pip install velodrome[redshift]` brings all that the warehouse's own environment has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_extra_has_what_the_warehouse_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = {_name(line) for line in project["optional-dependencies"]["redshift"]}
    required = (ROOT / "warehouse" / "requirements.in").read_text(encoding="utf-8").splitlines()
    assert {_name(line) for line in required if line and not line.startswith("#")} <= extra


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?", requirement)
    assert found, requirement
    return found.group()
