"""What `velodrome doctor` finds: one line a check, with the fix; and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

OK, WARN, FAIL = "ok", "warn", "fail"
_MARKS = {OK: ("✔", "green"), WARN: ("!", "yellow"), FAIL: ("✘", "red")}


@dataclass(frozen=True)
class Finding:
    """What a check found. A state of FAIL would stop `velodrome up`; `fix` is empty where nothing is to be done."""

    check: str
    state: str
    found: str
    fix: str = ""


def show(console: Console, findings: Sequence[Finding]) -> bool:
    """Print the findings, a table on a terminal and plain lines elsewhere; returns whether none of them is a FAIL."""
    if console.is_terminal:
        table = Table(Column(), Column("check", no_wrap=True), box=box.SIMPLE_HEAD)
        for title in ("found", "fix"):
            table.add_column(title, overflow="fold")  # a path is never cut off
        for finding in findings:
            mark, style = _MARKS[finding.state]
            table.add_row(Text(mark, style), *map(Text, (finding.check, finding.found, finding.fix)))
        console.print(table)
    else:
        width = max((len(finding.check) for finding in findings), default=0)
        for finding in findings:
            fix = f" | {finding.fix}" if finding.fix else ""
            line = f"{finding.state:4} {finding.check:{width}} {finding.found}{fix}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return all(finding.state != FAIL for finding in findings)
