"""The bike store's data set: its files, their columns, and what a row must hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


class DatasetError(ValueError):
    """The data set cannot be used; the message names file, line and reason."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        where = file if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {reason}")


Check = Callable[[str], object]


def _text(length: int) -> Check:
    def check(value: str) -> None:
        if len(value) > length:
            raise ValueError(f"is longer than {length} characters")
        if "\0" in value:
            raise ValueError("holds a character NUL")

    return check


def _integer(value: str) -> None:
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        raise ValueError("is not a whole number")
    number = int(value)
    if not -(2**31) <= number < 2**31:
        raise ValueError("is out of range")


def _decimal(digits: int, scale: int) -> Check:
    def check(value: str) -> None:
        if not re.fullmatch(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)", value):
            raise ValueError("is not a number")
        number = Decimal(value)
        if abs(round(number, scale)) >= 10 ** (digits - scale):
            raise ValueError(f"does not fit DECIMAL({digits}, {scale})")

    return check


def _date(value: str) -> None:
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            raise ValueError(value)
        date.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a date (yyyy-mm-dd)") from None


def _order_status(value: str) -> None:
    if value not in ("1", "2", "3", "4"):
        raise ValueError("is none of 1, 2, 3, 4")


@dataclass(frozen=True)
class Column:
    """One column of a file. `references` is the table whose key it holds."""

    name: str
    check: Check
    required: bool = True
    references: str | None = None


_id, _name, _number, _price = _text(15), _text(255), _integer, _decimal(10, 2)


def _optional(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, _name, required=False) for name in names)


# The first column of a table is its key, but for order_items and stocks, whose keys the database checks.
TABLES: dict[str, tuple[Column, ...]] = {
    "brands": (Column("brand_id", _number), Column("brand_name", _name)),
    "categories": (Column("category_id", _number), Column("category_name", _name)),
    "stores": (
        Column("store_id", _id),
        Column("store_name", _name),
        *_optional("phone", "email", "street", "city", "state", "zip_code"),
    ),
    "staffs": (
        Column("staff_id", _id),
        Column("first_name", _name),
        Column("last_name", _name),
        *_optional("email", "phone"),
        Column("store_id", _id, references="stores"),
        Column("manager_id", _id, required=False, references="staffs"),
    ),
    "products": (
        Column("product_id", _id),
        Column("product_name", _name),
        Column("brand_id", _number, references="brands"),
        Column("category_id", _number, references="categories"),
        Column("model_year", _number),
        Column("list_price", _price),
    ),
    "customers": (
        Column("customer_id", _id),
        Column("first_name", _name),
        Column("last_name", _name),
        *_optional("phone", "email", "street", "city", "state", "zip_code"),
    ),
    "orders": (
        Column("order_id", _id),
        Column("customer_id", _id, required=False, references="customers"),
        Column("order_status", _order_status),
        Column("order_date", _date),
        Column("required_date", _date),
        Column("shipped_date", _date, required=False),
        Column("store_id", _id, references="stores"),
        Column("staff_id", _id, references="staffs"),
    ),
    "order_items": (
        Column("order_id", _id, references="orders"),
        Column("item_id", _number),
        Column("product_id", _id, references="products"),
        Column("quantity", _number),
        Column("list_price", _price),
        Column("discount", _decimal(4, 2)),
    ),
    "stocks": (
        Column("store_id", _id, references="stores"),
        Column("product_id", _id, references="products"),
        Column("quantity", _number, required=False),
    ),
}
WITHOUT_OWN_KEY = frozenset({"order_items", "stocks"})

Row = dict[str, str | None]


def read(file: str, columns: Iterable[Column], lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """The rows of a CSV file with their line numbers, checked; `NULL` and nothing at all are null."""
    columns = tuple(columns)
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise DatasetError(file, None, "is empty: not even a header")
        missing = [column.name for column in columns if column.name not in header]
        if missing:
            raise DatasetError(file, 1, f"column {', '.join(missing)} is missing")
        positions = [(column, header.index(column.name)) for column in columns]
        line = reader.line_num + 1
        for values in reader:
            # A row starts after the last one's end; a quoted value may go over several lines. Blank lines are no rows.
            if values:
                if len(values) != len(header):
                    raise DatasetError(file, line, f"{len(values)} values, but the header has {len(header)}")
                yield (
                    line,
                    {column.name: _value(file, line, column, values[position]) for column, position in positions},
                )
            line = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(file, reader.line_num, str(error)) from None
    except UnicodeDecodeError:
        raise DatasetError(file, reader.line_num + 1, "is not UTF-8") from None


def _value(file: str, line: int, column: Column, text: str) -> str | None:
    if text in ("", "NULL"):
        if column.required:
            raise DatasetError(file, line, f"{column.name} has no value")
        return None
    try:
        column.check(text)
    except ValueError as reason:
        raise DatasetError(file, line, f"{column.name} {text!r} {reason}") from None
    return text
