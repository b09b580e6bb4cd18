"""What the warehouse must hold, in plain Python straight from the data set; nothing here comes from the SQL or the job.

`expected(dataset)` is the warehouse after the full load. For what happens afterwards, load windows into a `Warehouse`:

    warehouse = Warehouse()
    warehouse.load(full_load(dataset))
    warehouse.load({"customers": [{"customer_id": "1", …, "updated_at": datetime(…), "is_active": "Y"}]})
    assert compare(connection, warehouse.frames()) == []

A window is a dict from table (customers, stores, staffs, products, orders) to rows with the columns of its extract.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

Row = dict[str, Any]
Window = Mapping[str, Sequence[Row]]

EVER = date(9999, 12, 31)
FIRST_DAY = date(2016, 1, 1)
ONE_DAY = timedelta(days=1)
CENT = Decimal("0.01")

STATUS = {1: "Pending", 2: "Rejected", 3: "Completed"}
STATUS_OF_FILE = {"1": 1, "2": 1, "3": 2, "4": 3}

# table of the source -> its key, what its dimension keeps
DIMENSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "customers": (
        "customer_id",
        ("first_name", "last_name", "phone", "email", "street", "city", "state", "zip_code"),
    ),
    "products": ("product_id", ("product_name", "brand_name", "category_name", "model_year", "list_price")),
    "staffs": ("staff_id", ("first_name", "last_name", "email", "phone", "manager_id")),
    "stores": ("store_id", ("store_name", "phone", "email", "street", "city", "state", "zip_code")),
}
DATE_COLUMNS = (
    "date_key",
    "date",
    "year",
    "month",
    "day",
    "quarter",
    "day_of_week",
    "month_name",
    "week_of_year",
)
FACT_DATES = ("order_date", "required_date", "shipped_date", "rejected_date")
MEASURES = ("quantity", "discount_percent", "discount_amount", "total_price", "total_price_with_discount")


# ---- the data set as the first window -----------------------------------------------------------------------------


def read(dataset: Path, table: str) -> list[dict[str, str | None]]:
    with (dataset / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {name: None if value == "NULL" else value for name, value in row.items()} for row in csv.DictReader(file)
        ]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_of(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def full_load(dataset: Path) -> dict[str, list[Row]]:
    """The data set's files as the extracts of the first window, typed."""
    start = {"updated_at": midnight(FIRST_DAY), "is_active": "Y"}
    brands = {row["brand_id"]: row["brand_name"] for row in read(dataset, "brands")}
    categories = {row["category_id"]: row["category_name"] for row in read(dataset, "categories")}
    orders = read(dataset, "orders")
    first_order: dict[str | None, date] = {}
    for order in orders:
        ordered = date.fromisoformat(str(order["order_date"]))
        first_order[order["customer_id"]] = min(ordered, first_order.get(order["customer_id"], ordered))

    items: dict[str | None, list[Row]] = {}
    for row in read(dataset, "order_items"):
        items.setdefault(row["order_id"], []).append(row)

    return {
        "customers": [
            {**row, **start, "updated_at": midnight(first_order.get(row["customer_id"], FIRST_DAY))}
            for row in read(dataset, "customers")
        ],
        "stores": [{**row, **start} for row in read(dataset, "stores")],
        "staffs": [{**row, **start, "manager_id": row["manager_id"] or "1"} for row in read(dataset, "staffs")],
        "products": [
            {
                **row,
                **start,
                "brand_name": brands[row["brand_id"]],
                "category_name": categories[row["category_id"]],
                "model_year": int(str(row["model_year"])),
                "list_price": Decimal(str(row["list_price"])),
            }
            for row in read(dataset, "products")
        ],
        "orders": [line for order in orders for line in order_lines(order, items.get(order["order_id"], []))],
    }


def order_lines(order: Mapping[str, str | None], items: Iterable[Row]) -> list[Row]:
    """An order's rows in its extract: one per item, or one with no item."""
    status = STATUS_OF_FILE[str(order["order_status"])]
    ordered, required, shipped = (day_of(order[name]) for name in ("order_date", "required_date", "shipped_date"))
    changed = {1: ordered, 2: required and required + ONE_DAY, 3: shipped}[status]
    if changed is None:
        raise ValueError(f"order {order['order_id']} has no date for its status {status}")
    head: Row = {
        "order_id": order["order_id"],
        "customer_id": order["customer_id"],
        "store_id": order["store_id"],
        "staff_id": order["staff_id"],
        "order_status": status,
        "order_date": ordered,
        "required_date": required,
        "shipped_date": shipped,
        "updated_at": midnight(changed),
        "is_active": "Y",
    }
    none = {"item_id": None, "product_id": None, "quantity": None, "list_price": None, "discount": None}
    return [
        {
            **head,
            "item_id": int(item["item_id"]),
            "product_id": item["product_id"],
            "quantity": int(item["quantity"]),
            "list_price": Decimal(item["list_price"]),
            "discount": Decimal(item["discount"]),
        }
        for item in items
    ] or [{**head, **none}]


# ---- the rules ----------------------------------------------------------------------------------------------------


@dataclass
class Version:
    values: tuple[Any, ...]
    eff_date: date
    exp_date: date

    @property
    def is_open(self) -> bool:
        return self.exp_date == EVER


def kept(row: Row, column: str) -> Any:
    """A value as the warehouse keeps it: double quotes leave product names."""
    return row[column].replace('"', "") if column == "product_name" else row[column]


def observe(versions: list[Version], values: tuple[Any, ...], day: date, active: bool) -> None:
    """Takes up what a window says of a key: from `day` on it has these values, or is deleted."""
    latest = versions[-1] if versions else None
    if latest is not None:
        # A later window is newer, whatever its clock said.
        day = max(day, latest.eff_date if latest.is_open else latest.exp_date)
        same = latest.values == values
        if active and latest.is_open and same:
            return
        if not active and not latest.is_open and (same or latest.exp_date < day):
            return
    last = EVER if active else day
    if latest is not None and latest.eff_date == day and latest.values != values:
        # The day's last version replaces it; what stands before may be just that.
        versions.pop()
        if versions and versions[-1].exp_date == day - ONE_DAY and versions[-1].values == values:
            versions[-1].exp_date = last
            return
    elif latest is not None and latest.exp_date >= day:
        if latest.values == values:
            latest.exp_date = last
            return
        latest.exp_date = day - ONE_DAY
    versions.append(Version(values, day, last))


def measures(row: Row) -> Row:
    """An order line's numbers; all null for an order without items."""
    if row["item_id"] is None:
        return dict.fromkeys(MEASURES)
    total = (row["list_price"] * row["quantity"]).quantize(CENT, ROUND_HALF_UP)
    off = (total * row["discount"]).quantize(CENT, ROUND_HALF_UP)
    return {
        "quantity": row["quantity"],
        "discount_percent": row["discount"] * 100,
        "discount_amount": off,
        "total_price": total,
        "total_price_with_discount": total - off,
    }


def valid_on(versions: Sequence[Version], day: date) -> Version:
    """The version for a fact of that day: the last that had begun, or the earliest."""
    begun = [version for version in versions if version.eff_date <= day]
    return begun[-1] if begun else versions[0]


@dataclass
class Warehouse:
    """The warehouse's content, window by window."""

    time_zone: str = "UTC"
    versions: dict[str, dict[str, list[Version]]] = field(default_factory=lambda: {table: {} for table in DIMENSIONS})
    lines: dict[tuple[str, int], Row] = field(default_factory=dict)
    dates: set[date] = field(default_factory=set)

    def day(self, row: Row) -> date:
        """The date of `updated_at` in the business time zone."""
        changed: datetime = row["updated_at"]
        return changed.astimezone(ZoneInfo(self.time_zone)).date()

    def load(self, window: Window) -> None:
        for table, (key, columns) in DIMENSIONS.items():
            for row in window.get(table, ()):
                values = tuple(kept(row, name) for name in columns)
                versions = self.versions[table].setdefault(row[key], [])
                observe(versions, values, self.day(row), row["is_active"] == "Y")
                self.dates.add(self.day(row))

        orders = window.get("orders", ())
        changed = {row["order_id"] for row in orders}
        self.lines = {line: row for line, row in self.lines.items() if line[0] not in changed}
        for row in orders:
            occurring = {row["order_date"], row["required_date"], row["shipped_date"], self.day(row)}
            self.dates |= occurring - {None}
            if row["is_active"] == "Y" and row["item_id"] is not None:
                self.lines[row["order_id"], row["item_id"]] = row

    def dates_of(self, row: Row) -> Row:
        rejected = self.day(row) if row["order_status"] == 2 else None
        days = (row["order_date"], row["required_date"], row["shipped_date"], rejected)
        return {name: day and f"{day:%Y%m%d}" for name, day in zip(FACT_DATES, days, strict=True)}

    def fact(self, row: Row) -> Row:
        fact: Row = {"order_id": row["order_id"], "item_id": row["item_id"]}
        for table, (key, _) in DIMENSIONS.items():
            version = valid_on(self.versions[table][row[key]], row["order_date"])
            # the natural key of a version
            fact |= {key: row[key], key.replace("_id", "_eff_date"): version.eff_date}
        return {**fact, **self.dates_of(row), "order_status_id": row["order_status"], **measures(row)}

    def frames(self) -> dict[str, pd.DataFrame]:
        """Every serving table, by natural keys: surrogate keys are replaced by id and eff_date of the version."""
        frames = {}
        for table, (key, columns) in DIMENSIONS.items():
            rows = [
                (one, *version.values, version.eff_date, version.exp_date, "Y" if version.is_open else "N")
                for one, versions in self.versions[table].items()
                for version in versions
            ]
            frames[f"dim_{table}"] = frame(rows, (key, *columns, "eff_date", "exp_date", "active_flag"))
        frames["dim_date"] = frame([date_row(day) for day in self.dates], DATE_COLUMNS)
        frames["dim_order_status"] = frame(list(STATUS.items()), ("order_status_id", "order_status"))
        facts = [self.fact(row) for row in self.lines.values()]
        frames["fact_sales"] = frame([tuple(fact.values()) for fact in facts], FACT_COLUMNS)
        return frames


FACT_COLUMNS = (
    "order_id",
    "item_id",
    *(name for key, _ in DIMENSIONS.values() for name in (key, key.replace("_id", "_eff_date"))),
    *FACT_DATES,
    "order_status_id",
    *MEASURES,
)


def date_row(day: date) -> tuple[Any, ...]:
    return (
        f"{day:%Y%m%d}",
        day,
        day.year,
        day.month,
        day.day,
        (day.month + 2) // 3,
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[day.weekday()],
        f"{day:%B}",
        day.isocalendar().week,
    )


def frame(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns), dtype=object)


def expected(dataset: Path) -> dict[str, pd.DataFrame]:
    """Every serving table after the full load."""
    warehouse = Warehouse()
    warehouse.load(full_load(dataset))
    return warehouse.frames()


def revenue(frames: Mapping[str, pd.DataFrame]) -> Decimal:
    return sum(frames["fact_sales"]["total_price_with_discount"], Decimal(0))


# ---- the warehouse's own content ----------------------------------------------------------------------------------


def query(table: str, columns: Sequence[str]) -> str:
    """SQL of a serving table with natural keys in place of surrogate ones."""
    if table != "fact_sales":
        return f"SELECT {', '.join(columns)} FROM serving.{table}"
    joins, names = [], {name: f"fact_sales.{name}" for name in columns}
    for dimension, (key, _) in DIMENSIONS.items():
        one = key.removesuffix("_id")
        # left joins: a fact whose dimension is gone must show
        joins.append(f"LEFT JOIN serving.dim_{dimension} {one} ON fact_sales.{one}_key = {one}.{one}_key")
        names |= {key: f"{one}.{key}", f"{one}_eff_date": f"{one}.eff_date"}
    return f"SELECT {', '.join(names.values())} FROM serving.fact_sales {' '.join(joins)}"


def fetch(connection: Any, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows through any DB-API connection (psycopg, psycopg2, redshift_connector)."""
    cursor = connection.cursor()
    try:
        cursor.execute(query(table, columns))
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()


def compare(connection: Any, expected: Mapping[str, pd.DataFrame], limit: int = 5) -> list[str]:
    """What differs between the warehouse and what it should hold, in words: at most `limit` rows a table and way."""
    differences = []
    for table, rows in expected.items():
        columns = list(rows.columns)
        want = Counter(rows.itertuples(index=False, name=None))
        have = Counter(fetch(connection, table, columns))
        for kind, surplus in (("is missing", want - have), ("should not be there", have - want)):
            shown = sorted(surplus.elements(), key=str)
            for row in shown[:limit]:
                values = ", ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))
                differences.append(f"{table}: row {kind}: {values}")
            if len(shown) > limit:
                differences.append(f"{table}: {len(shown) - limit} more rows {kind.replace('is ', 'are ')}")
    return differences
