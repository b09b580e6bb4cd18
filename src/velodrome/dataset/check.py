"""Whether a folder holds a data set that the source database will take: every fault with file, line and reason."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from velodrome.dataset.schema import COMPLETED, FILES, NULLS, TABLES, Column, Table

# Values of a column that were found good, kept so that each is looked at once: dates, prices and names repeat.
_REMEMBERED = 50_000


class _Reader(Protocol):
    """The type of csv.reader's result, which the csv module does not name."""

    @property
    def line_num(self) -> int:
        """Lines read so far."""
        ...

    def __iter__(self) -> Iterator[list[str]]: ...


@dataclass(frozen=True)
class Problem:
    """One fault. `line` is where the row begins, counted from 1; None means the whole file."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.reason}"


def check(folder: Path, limit: int = 100) -> list[Problem]:
    """The faults of the data set in `folder`, at most `limit`; none means that it can be loaded."""
    if not folder.is_dir():
        return [Problem(str(folder), None, "is not a folder")]
    missing = [Problem(file, None, f"is missing in {folder}") for file in FILES if not (folder / file).is_file()]
    if missing:
        return missing[:limit]
    problems: list[Problem] = []
    keys: dict[str, set[str]] = {}
    for table in TABLES.values():
        for problem in _check_table(folder, table, keys):
            problems.append(problem)
            if len(problems) >= limit:
                return problems
    return problems


def _check_table(folder: Path, table: Table, keys: dict[str, set[str]]) -> Iterator[Problem]:
    # utf-8-sig: spreadsheets write a mark in front of the header.
    complete = False
    with (folder / table.file).open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                yield Problem(table.file, None, "is empty: not even a header")
                return
            names = [column.name for column in table.columns if column.needed and column.name not in header]
            if names:
                yield Problem(table.file, 1, f"column {', '.join(names)} is missing")
                return
            yield from _check_rows(table, header, reader, keys)
            complete = True
        except csv.Error as error:
            yield Problem(table.file, reader.line_num, f"is not CSV: {error}")
        except UnicodeDecodeError:
            yield Problem(table.file, _line_that_is_not_utf8(folder / table.file), "is not UTF-8")
    if not complete:
        # What its unread rows hold is unknown: nothing that refers to them can be called wrong.
        keys.pop(table.name, None)


def _line_that_is_not_utf8(file: Path) -> int | None:
    # The decoder reads ahead, so the row that was reached says nothing.
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def _check_rows(table: Table, header: list[str], reader: _Reader, keys: dict[str, set[str]]) -> Iterator[Problem]:
    columns = [
        (column, header.index(column.name), _checker(column)) for column in table.columns if column.name in header
    ]
    # A reference into the table itself may point forward: it waits until all keys are known.
    references = [(c, i, keys[c.references]) for c, i, _ in columns if c.references in keys]
    waiting: list[tuple[int, str]] = []
    own = next(((c, i) for c, i, _ in columns if c.references == table.name), None)
    key_columns = [(c, i) for name in table.key for c, i, _ in columns if c.name == name]
    seen = keys.setdefault(table.name, set())
    status, shipped = (header.index(n) if n in header else -1 for n in ("order_status", "shipped_date"))
    line = reader.line_num + 1
    for values in reader:
        first, line = line, reader.line_num + 1
        if not values:
            continue  # a blank line is no row
        if len(values) != len(header):
            yield Problem(table.file, first, f"{len(values)} values, but the header has {len(header)}")
            continue
        faults = [reason for _, i, checker in columns if (reason := checker(values[i]))]
        if faults:
            yield from (Problem(table.file, first, reason) for reason in faults)
            # Its key is there all the same, or each row that refers to it would be a fault as well.
            if all(checker(values[i]) is None for column, i, checker in columns if column.name in table.key):
                seen.add("\0".join(column.type.key(values[i]) for column, i in key_columns))
            continue
        parts = [column.type.key(values[i]) for column, i in key_columns]
        key = "\0".join(parts)
        if key in seen:
            name = ", ".join(table.key)
            yield Problem(table.file, first, f"{name} {', '.join(map(repr, parts))} is there twice")
        seen.add(key)
        for column, i, known in references:
            if values[i] not in NULLS and column.type.key(values[i]) not in known:
                yield Problem(table.file, first, f"{column.name} {values[i]!r} is not in {column.references}.csv")
        if own:
            # The preparation gives a row without a manager the first one.
            waiting.append((first, "1" if values[own[1]] in NULLS else own[0].type.key(values[own[1]])))
        if status >= 0 and values[status].lstrip("+0") == COMPLETED and values[shipped] in NULLS:
            yield Problem(table.file, first, f"shipped_date has no value, but order_status is {COMPLETED} (completed)")
    for first, key in waiting:
        if own and key not in seen:
            yield Problem(table.file, first, f"{own[0].name} {key!r} is not in {table.file}")


def _checker(column: Column) -> Callable[[str], str | None]:
    """What finds the fault of one value of this column."""
    good: set[str] = set()
    refusal = column.type.refusal

    def fault(value: str) -> str | None:
        if value in good:
            return None
        if value in NULLS:
            return None if column.null else f"{column.name} has no value"
        reason = refusal(value)
        if reason is None:
            if len(good) < _REMEMBERED:
                good.add(value)
            return None
        shown = value if len(value) <= 40 else f"{value[:40]}…"
        return f"{column.name} {shown!r} {reason}"

    return fault
