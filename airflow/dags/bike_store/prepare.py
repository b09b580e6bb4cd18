"""The setup's first step: the data set as it came becomes what the source imports, file by file, row by row."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import IO, TYPE_CHECKING

from bike_store.dataset import TABLES, WITHOUT_OWN_KEY, DatasetError, Row, read

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

FIRST_DAY = date(2016, 1, 1)
AUDIT_COLUMNS = ("created_at", "updated_at", "is_active")
ORDER_STATUS = {1: "Pending", 2: "Rejected", 3: "Completed"}
STATUS_IDS = {"1": "1", "2": "1", "3": "2", "4": "3"}
# In the order of their foreign keys.
ORDER_OF_TABLES = (
    "brands",
    "categories",
    "stores",
    "staffs",
    "products",
    "customers",
    "orders",
    "order_items",
    "stocks",
)

# Opens a table's CSV file; raises FileNotFoundError if there is none.
Opener = Callable[[str], AbstractContextManager[Iterable[str]]]


@dataclass
class Preparation:
    """One data set on its way. `time_zone` is where the data set's dates are days."""

    open: Opener
    time_zone: str = "UTC"
    _keys: dict[str, set[str]] = field(default_factory=dict)
    _first_orders: dict[str, date] = field(default_factory=dict)

    def tables(self) -> Iterator[tuple[str, tuple[str, ...], Iterator[Row]]]:
        """Name, columns and rows of each table to import. The rows must be taken before the next table is asked for."""
        self._check_files()
        self._collect("staffs")  # managers come anywhere in the file
        for _, order in self._read("orders"):
            self._note_first_order(order)
        yield "order_status", ("order_status_id", "order_status"), self._order_status()
        for table in ORDER_OF_TABLES:
            names = tuple(column.name for column in TABLES[table])
            match table:
                case "customers":
                    yield table, (*names, *AUDIT_COLUMNS), self._customers()
                case "staffs":
                    yield table, (*names, *AUDIT_COLUMNS), self._staffs()
                case "products" | "stores":
                    yield table, (*names, *AUDIT_COLUMNS), self._dated(table)
                case "orders":
                    names = tuple("order_status_id" if name == "order_status" else name for name in names)
                    yield table, (*names, *AUDIT_COLUMNS), self._orders()
                case _:
                    yield table, names, (row for _, row in self._checked(table))

    def _order_status(self) -> Iterator[Row]:
        for number, name in ORDER_STATUS.items():
            yield {"order_status_id": str(number), "order_status": name}

    def _dated(self, table: str) -> Iterator[Row]:
        for _, row in self._checked(table):
            yield row | self._audit(FIRST_DAY, FIRST_DAY)

    def _staffs(self) -> Iterator[Row]:
        for line, row in self._checked("staffs"):
            manager = row["manager_id"] or "1"
            if manager not in self._keys["staffs"]:
                raise DatasetError("staffs.csv", line, "manager_id has no value, and there is no staff 1 to stand in")
            yield row | {"manager_id": manager} | self._audit(FIRST_DAY, FIRST_DAY)

    def _customers(self) -> Iterator[Row]:
        for _, row in self._checked("customers"):
            day = self._first_orders.get(str(row["customer_id"]), FIRST_DAY)
            yield row | self._audit(day, day)

    def _orders(self) -> Iterator[Row]:
        for line, row in self._checked("orders"):
            ordered = date.fromisoformat(str(row["order_date"]))
            status = STATUS_IDS[str(row.pop("order_status"))]
            if status == "3":
                if row["shipped_date"] is None:
                    raise DatasetError(
                        "orders.csv", line, "shipped_date has no value, but order_status is 4 (completed)"
                    )
                changed = date.fromisoformat(str(row["shipped_date"]))
            elif status == "2":
                changed = date.fromisoformat(str(row["required_date"])) + timedelta(days=1)
            else:
                changed = ordered
            yield row | {"order_status_id": status} | self._audit(ordered, changed)

    def _audit(self, created: date, updated: date) -> Row:
        # A day begins where the business is: as a moment it would be the day before, west of UTC.
        return {
            "created_at": f"{created} 00:00:00 {self.time_zone}",
            "updated_at": f"{updated} 00:00:00 {self.time_zone}",
            "is_active": "Y",
        }

    def _note_first_order(self, order: Row) -> None:
        if order["customer_id"] is not None:
            day = date.fromisoformat(str(order["order_date"]))
            customer = str(order["customer_id"])
            self._first_orders[customer] = min(day, self._first_orders.get(customer, day))

    def _check_files(self) -> None:
        """All that is missing at once, before anything is read in full."""
        missing = []
        for table in ORDER_OF_TABLES:
            try:
                with self.open(table):
                    pass
            except FileNotFoundError:
                missing.append(f"{table}.csv")
        if missing:
            raise DatasetError(", ".join(missing), None, "missing in the data set")

    def _read(self, table: str) -> Iterator[tuple[int, Row]]:
        with self.open(table) as lines:
            yield from read(f"{table}.csv", TABLES[table], lines)

    def _collect(self, table: str) -> None:
        """Every key of a table, each once."""
        key, keys = TABLES[table][0].name, self._keys.setdefault(table, set())
        for line, row in self._read(table):
            self._add_key(table, line, key, str(row[key]), keys)

    def _add_key(self, table: str, line: int, column: str, key: str, keys: set[str]) -> None:
        if key in keys:
            raise DatasetError(f"{table}.csv", line, f"{column} {key!r} is there twice")
        keys.add(key)

    def _checked(self, table: str) -> Iterator[tuple[int, Row]]:
        """The rows, their keys unique and what they refer to known from the tables before."""
        collected = table in self._keys
        keys = self._keys.setdefault(table, set())
        key = TABLES[table][0].name
        references = [(column.name, column.references) for column in TABLES[table] if column.references]
        for line, row in self._read(table):
            if table not in WITHOUT_OWN_KEY and not collected:
                self._add_key(table, line, key, str(row[key]), keys)
            for name, target in references:
                value = row[name]
                if value is not None and value not in self._keys[target]:
                    raise DatasetError(f"{table}.csv", line, f"{name} {value!r} is not in {target}.csv")
            yield line, row


def to_csv(columns: tuple[str, ...], rows: Iterable[Row], out: IO[bytes]) -> int:
    """Write rows as PostgreSQL's COPY reads them: nothing between two commas is null."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    text.detach()
    return count


def prepare(hook: S3Hook, bucket: str, time_zone: str) -> dict[str, int]:
    """`dataset/` of the bucket into its `input/`; returns the number of rows of each table. Raises DatasetError."""

    @contextmanager
    def open_object(table: str) -> Iterator[Iterable[str]]:
        key = f"dataset/{table}.csv"
        if not hook.check_for_key(key, bucket):
            raise FileNotFoundError(key)
        body = hook.get_key(key, bucket).get()["Body"]
        try:
            yield _decoded(body.iter_lines(2**16, keepends=True))
        finally:
            body.close()

    counts = {}
    for table, columns, rows in Preparation(open_object, time_zone).tables():
        with tempfile.SpooledTemporaryFile(max_size=16 * 2**20) as file:
            counts[table] = to_csv(columns, rows, file)
            file.seek(0)
            hook.load_file_obj(file, f"input/{table}.csv", bucket, replace=True)
    return counts


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")
