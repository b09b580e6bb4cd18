"""docs/emr_*.md: every operation and state has a row, and each row names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

from velodrome.awsapi.model import Service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "emr_serverless.md").read_text(encoding="utf-8")
THERE = {
    name
    for file in (ROOT / "tests" / "services").glob("test_emr_serverless_*.py")
    for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_test_that_is_named_is_there() -> None:
    for page in (ROOT / "docs").glob("emr_*.md"):
        named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
        assert sorted(named - THERE) == [], page.name


def test_every_operation_has_a_row_with_its_test() -> None:
    service = Service("emr-serverless")
    table = PAGE.partition("\n## Operations\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    operations = [name.strip() for row in rows for name in row[1].split(",")]
    assert sorted(operations) == sorted(service.operations)
    assert [row for row in rows if "`test_" not in row[3]] == []


def test_every_state_has_a_row_with_its_test() -> None:
    service = Service("emr-serverless")
    table = PAGE.partition("\n## States\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[3].strip() != "Shown by"]
    states = [name.strip() for row in rows for name in row[1].split(",")]
    shapes = [service.model.shape_for(name) for name in ("ApplicationState", "JobRunState")]
    assert sorted(states) == sorted(name for shape in shapes for name in shape.enum)
    assert [row for row in rows if "`test_" not in row[3]] == []
