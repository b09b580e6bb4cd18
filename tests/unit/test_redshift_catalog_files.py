"""The files of the warehouse's catalog: each view names the page that it follows, the book's table names each view."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from velodrome.redshift import catalog_files

BOOK = Path(__file__).parents[2] / "docs" / "redshift_catalog.md"
VIEW = re.compile(r"^CREATE (?:OR REPLACE )?VIEW (pg_catalog|velodrome|information_schema)\.(\w+)", re.MULTILINE)
PAGE = re.compile(r"…/\w+\.html|https://(docs\.aws\.amazon\.com/redshift|www\.postgresql\.org/docs/8\.0)/\S+")


def views(name: str, text: str) -> list[tuple[str, str, str]]:
    """(file, schema and view, comment above it) of each view of a file."""
    found = []
    for match in VIEW.finditer(text):
        above = text[: match.start()].rstrip("\n").split("\n")
        comment: list[str] = []
        while above and above[-1].startswith(("--", "DROP VIEW")):
            comment.insert(0, above.pop())
        found.append((name, f"{match[1]}.{match[2]}", "\n".join(comment)))
    return found


ALL = [view for name, text in catalog_files.texts().items() for view in views(name, text)]
SHOWN = [view for view in ALL if not view[1].startswith("velodrome.") or view[1].startswith("velodrome.pg_")]


@pytest.mark.parametrize(("file", "view", "comment"), SHOWN, ids=lambda value: value if "." in value else "")
def test_a_view_names_its_page(file: str, view: str, comment: str) -> None:
    text = catalog_files.texts()[file]
    block = next(block for block in text.split("\n\n") if re.search(rf"VIEW {re.escape(view)}\b", block))
    assert PAGE.search(comment + block), f"{file}: no page in the comment above {view}"


def test_the_book_has_every_view() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", BOOK.read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+(?:\.\w+)?)`", row)]
    made = [view.removeprefix("pg_catalog.").removeprefix("velodrome.") for file, view, _ in SHOWN if file[:1] == "3"]
    assert sorted(named) == sorted(made)
