"""A bike store's changes to its source, said twice: in SQL, and as the rows of the window that they make."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg

Row = dict[str, Any]
Window = dict[str, list[Row]]


def _renewed(rows: list[Row], chosen: Callable[[Row], bool], **values: Any) -> list[Row]:
    now = datetime.now(UTC)
    return [{**row, **values, "updated_at": now} for row in rows if chosen(row)]


def day_in_the_store(source: psycopg.Connection[Any], loaded: Window) -> Window:
    """Insert, update and delete in the source, one transaction each; returns the window that the warehouse must take
    up.

    `loaded` is what the warehouse was loaded with: the rows that stay as they were come from there.
    """
    today = datetime.now(UTC).date()
    orders = loaded["orders"]
    product = next(row for row in orders if row["product_id"])["product_id"]
    deleted = orders[0]["order_id"]
    shortened = next(row["order_id"] for row in orders if row["item_id"] == 2 and row["order_id"] != deleted)
    shipped = next(
        row["order_id"] for row in orders if row["order_status"] == 1 and row["order_id"] not in (deleted, shortened)
    )
    brand = next(row["brand_name"] for row in loaded["products"] if row["product_id"] != product)
    with source.transaction():
        source.execute(
            "INSERT INTO store.customers (customer_id, first_name, last_name, email, state)"
            " VALUES (%s, %s, %s, %s, %s)",
            ("90001", "Zoë", 'O"Neil, Jr.', "zoe@example.com", "NY"),
        )
        source.execute(
            "INSERT INTO store.orders"
            " (order_id, customer_id, order_status_id, order_date, required_date, store_id, staff_id)"
            " VALUES ('90001', '90001', 1, %s, %s, %s, %s)",
            (today, today, orders[0]["store_id"], orders[0]["staff_id"]),
        )
        source.execute(
            "INSERT INTO store.order_items VALUES ('90001', 1, %s, 2, 100.05, 0.15), ('90001', 2, %s, 1, 19.99, 0)",
            (product, product),
        )
    with source.transaction():
        source.execute("UPDATE store.products SET list_price = 1234.56 WHERE product_id = %s", (product,))
    with source.transaction():
        source.execute("UPDATE store.brands SET brand_name = 'Renamed' WHERE brand_name = %s", (brand,))
    with source.transaction():
        source.execute("UPDATE store.stores SET phone = NULL WHERE store_id = %s", (loaded["stores"][0]["store_id"],))
    with source.transaction():
        source.execute("DELETE FROM store.orders WHERE order_id = %s", (deleted,))
    with source.transaction():
        source.execute("DELETE FROM store.staffs WHERE staff_id = %s", (loaded["staffs"][-1]["staff_id"],))
    with source.transaction():
        source.execute("DELETE FROM store.order_items WHERE order_id = %s AND item_id = 2", (shortened,))
    with source.transaction():
        source.execute(
            "UPDATE store.orders SET order_status_id = 3, shipped_date = %s WHERE order_id = %s", (today, shipped)
        )

    head = {
        "order_id": "90001",
        "customer_id": "90001",
        "order_status": 1,
        "order_date": today,
        "required_date": today,
        "shipped_date": None,
        "store_id": orders[0]["store_id"],
        "staff_id": orders[0]["staff_id"],
        "updated_at": datetime.now(UTC),
        "is_active": "Y",
        "product_id": product,
    }
    lines = [
        {**head, "item_id": 1, "quantity": 2, "list_price": Decimal("100.05"), "discount": Decimal("0.15")},
        {**head, "item_id": 2, "quantity": 1, "list_price": Decimal("19.99"), "discount": Decimal("0")},
    ]
    customer = dict.fromkeys(loaded["customers"][0])
    customer |= {"customer_id": "90001", "first_name": "Zoë", "last_name": 'O"Neil, Jr.', "email": "zoe@example.com"}
    customer |= {"state": "NY", "updated_at": datetime.now(UTC), "is_active": "Y"}
    products = _renewed(
        [
            row | ({"list_price": Decimal("1234.56")} if row["product_id"] == product else {})
            for row in loaded["products"]
        ],
        lambda row: row["product_id"] == product or row["brand_name"] == brand,
    )
    for row in products:
        row["brand_name"] = "Renamed" if row["brand_name"] == brand else row["brand_name"]
    return {
        "customers": [customer],
        "products": products,
        "stores": _renewed(loaded["stores"][:1], lambda row: True, phone=None),
        "staffs": _renewed(loaded["staffs"][-1:], lambda row: True, is_active="N"),
        "orders": [
            *lines,
            *_renewed(orders, lambda row: row["order_id"] == deleted, is_active="N"),
            *_renewed(orders, lambda row: row["order_id"] == shortened and row["item_id"] != 2),
            *_renewed(orders, lambda row: row["order_id"] == shipped, order_status=3, shipped_date=today),
        ],
    }
