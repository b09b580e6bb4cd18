"""The nine CSV files: columns, types, keys, and what refers to what."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal as Number
from typing import Protocol

# How the files spell null; a value of no characters is null too.
NULL = "NULL"
NULLS = frozenset({"", NULL})

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:([0-9]+)(?:[.][0-9]*)?|[.][0-9]+)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Type(Protocol):
    """What a value must be."""

    def refusal(self, value: str) -> str | None:
        """Why the value does not fit, or None."""
        ...

    def key(self, value: str) -> str:
        """The value in the one spelling in which equal values are equal."""
        ...


@dataclass(frozen=True)
class Text:
    """`VARCHAR(length)`."""

    length: int

    def refusal(self, value: str) -> str | None:
        """Too long, or a character that PostgreSQL cannot hold."""
        if len(value) > self.length:
            return f"is longer than {self.length} characters"
        return "holds a character NUL" if "\0" in value else None

    def key(self, value: str) -> str:
        """Texts are equal as they are."""
        return value


@dataclass(frozen=True)
class Integer:
    """`INT`, or the part of it between `least` and `most`."""

    least: int = -(2**31)
    most: int = 2**31 - 1

    def refusal(self, value: str) -> str | None:
        """Not digits, or out of range."""
        if not _WHOLE.fullmatch(value) or not value.isascii():
            return "is not a whole number"
        # A number of more than 4,300 digits raises in int().
        if len(value) > 20 or not self.least <= int(value) <= self.most:
            return f"is not between {self.least} and {self.most}"
        return None

    def key(self, value: str) -> str:
        """7, 07 and +7 are one number."""
        return str(int(value))


@dataclass(frozen=True)
class Decimal:
    """`DECIMAL(digits, scale)`; the database rounds further digits after the point."""

    digits: int
    scale: int

    def refusal(self, value: str) -> str | None:
        """Not a number, or too many digits before the point."""
        match = _NUMBER.fullmatch(value)
        if not match or not value.isascii():
            return "is not a number"
        whole = (match[1] or "").lstrip("0")
        # Rounding may carry into one digit more: 99.995 is 100.00.
        most = 10 ** (self.digits - self.scale)
        if len(whole) > self.digits or abs(round(Number(value[: 2 * self.digits + 8]), self.scale)) >= most:
            return f"does not fit DECIMAL({self.digits}, {self.scale})"
        return None

    def key(self, value: str) -> str:
        """No key is a decimal."""
        return value


@dataclass(frozen=True)
class Date:
    """`DATE`, written yyyy-mm-dd."""

    def refusal(self, value: str) -> str | None:
        """Another form, or no day of the calendar."""
        if not _DATE.fullmatch(value) or not value.isascii():
            return "is not a date (yyyy-mm-dd)"
        try:
            date.fromisoformat(value)
        except ValueError:
            return "is not a day of the calendar"
        return None

    def key(self, value: str) -> str:
        """One day has one spelling."""
        return value


@dataclass(frozen=True)
class Column:
    """One column. `references` names the table whose key it holds; if not `needed`, a file may come without it."""

    name: str
    type: Type
    null: bool = False
    references: str | None = None
    needed: bool = True


@dataclass(frozen=True)
class Table:
    """One file, `<name>.csv`."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    file: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", f"{self.name}.csv")


_ID, _NAME, _INT, _PRICE = Text(15), Text(255), Integer(), Decimal(10, 2)


def _names(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, _NAME) for name in names)


def _contact(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, _NAME, null=True) for name in names)


# What a table refers to stands before it; staffs refers to itself.
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("brands", (Column("brand_id", _INT), *_names("brand_name")), ("brand_id",)),
        Table("categories", (Column("category_id", _INT), *_names("category_name")), ("category_id",)),
        Table(
            "stores",
            (
                Column("store_id", _ID),
                *_names("store_name"),
                *_contact("phone", "email", "street", "city", "state", "zip_code"),
            ),
            ("store_id",),
        ),
        Table(
            "staffs",
            (
                Column("staff_id", _ID),
                *_names("first_name", "last_name"),
                *_contact("email", "phone"),
                Column("active", _INT, null=True, needed=False),
                Column("store_id", _ID, references="stores"),
                Column("manager_id", _ID, null=True, references="staffs"),
            ),
            ("staff_id",),
        ),
        Table(
            "products",
            (
                Column("product_id", _ID),
                *_names("product_name"),
                Column("brand_id", _INT, references="brands"),
                Column("category_id", _INT, references="categories"),
                Column("model_year", _INT),
                Column("list_price", _PRICE),
            ),
            ("product_id",),
        ),
        Table(
            "customers",
            (
                Column("customer_id", _ID),
                *_names("first_name", "last_name"),
                *_contact("phone", "email", "street", "city", "state", "zip_code"),
            ),
            ("customer_id",),
        ),
        Table(
            "orders",
            (
                Column("order_id", _ID),
                # An order of an unknown customer is put aside later, in the transform.
                Column("customer_id", _ID, null=True, references="customers"),
                Column("order_status", Integer(1, 4)),
                Column("order_date", Date()),
                Column("required_date", Date()),
                Column("shipped_date", Date(), null=True),
                Column("store_id", _ID, references="stores"),
                Column("staff_id", _ID, references="staffs"),
            ),
            ("order_id",),
        ),
        Table(
            "order_items",
            (
                Column("order_id", _ID, references="orders"),
                Column("item_id", _INT),
                Column("product_id", _ID, references="products"),
                Column("quantity", _INT),
                Column("list_price", _PRICE),
                Column("discount", Decimal(4, 2)),
            ),
            ("order_id", "item_id"),
        ),
        Table(
            "stocks",
            (
                Column("store_id", _ID, references="stores"),
                Column("product_id", _ID, references="products"),
                Column("quantity", _INT, null=True),
            ),
            ("store_id", "product_id"),
        ),
    )
}
FILES: tuple[str, ...] = tuple(table.file for table in TABLES.values())

# Values of order_status.
PENDING, PROCESSING, REJECTED, COMPLETED = "1", "2", "3", "4"
