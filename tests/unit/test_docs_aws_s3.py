"""docs/aws_s3.md: each behaviour names tests that there are, and no test of aws_s3 is left out of it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_behaviour_names_its_tests() -> None:
    page = (ROOT / "docs" / "aws_s3.md").read_text(encoding="utf-8")
    table = page.partition("\n## What it does, and which test shows it\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    there = {
        name
        for file in (ROOT / "tests" / "services").glob("test_aws_s3_*.py")
        for name in re.findall(r"^ *def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = [set(re.findall(r"`(test_\w+)`", row.split("|")[-2])) for row in rows]
    assert [row for row, tests in zip(rows, named, strict=True) if not tests or not tests <= there] == []
    assert sorted(there - set().union(*named)) == []
