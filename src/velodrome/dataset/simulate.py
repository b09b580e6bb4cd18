"""A day of business in the source database: orders, deliveries, corrections, departures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from velodrome.dataset import words
from velodrome.dataset.generate import Dice

if TYPE_CHECKING:
    import psycopg

PENDING, REJECTED, COMPLETED = 1, 2, 3  # the source's order_status_id


@dataclass
class Activity:
    """How many rows of each kind the day changed."""

    customers_new: int = 0
    customers_moved: int = 0
    customers_deleted: int = 0
    orders_new: int = 0
    orders_completed: int = 0
    orders_rejected: int = 0
    orders_deleted: int = 0
    items_new: int = 0
    items_changed: int = 0
    items_removed: int = 0
    prices_changed: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in vars(self).items())


def simulate(connection: psycopg.Connection[Any], day: date, seed: int = 1, size: int = 10) -> Activity:
    """Do the business of `day`: `size` new orders and what goes with them. One transaction, or part of the caller's.

    The same seed and day on the same database does the same.
    """
    with connection.transaction():
        return _Day(connection, day, Dice(seed, f"day {day}"), size).run()


class _Day:
    def __init__(self, connection: psycopg.Connection[Any], day: date, dice: Dice, size: int) -> None:
        self.connection, self.day, self.dice, self.size = connection, day, dice, size
        self.done = Activity()

    def run(self) -> Activity:
        for _ in range(max(1, self.size // 5)):
            self.new_customer()
        for _ in range(self.size):
            self.new_order()
        self.deliver()
        self.correct_items()
        for _ in range(max(1, self.size // 5)):
            self.move_customer()
        for _ in range(max(1, self.size // 10)):
            self.change_price()
        if self.size >= 5:
            self.delete_order()
            self.delete_customer()
        return self.done

    def rows(self, query: Any, *values: object) -> Sequence[tuple[Any, ...]]:
        """The query's rows. Every query here orders them, or the seed would not decide."""
        return self.connection.execute(query, values).fetchall()

    def pick(self, query: Any, *values: object) -> tuple[Any, ...] | None:
        """One of the query's rows."""
        rows = self.rows(query, *values)
        return self.dice.of(rows) if rows else None

    def next_id(self, query: Any) -> str:
        """One more than the highest of the ids that are numbers."""
        (highest,) = self.rows(query)[0]
        return str(int(highest or 0) + 1)

    def new_customer(self) -> None:
        number = self.next_id("SELECT max(customer_id::numeric) FROM store.customers WHERE customer_id ~ '^[0-9]+$'")
        first = self.dice.of(words.FIRST_STEMS) + self.dice.of(words.FIRST_ENDINGS)
        last = self.dice.of(words.LAST_STEMS) + self.dice.of(words.LAST_ENDINGS)
        mail = f"{first}.{last}{number}@{self.dice.of(words.MAIL_DOMAINS)}".lower()
        home = self.pick("SELECT DISTINCT city, state, zip_code FROM store.customers ORDER BY 1, 2, 3") or (None,) * 3
        self.connection.execute(
            """INSERT INTO store.customers (customer_id, first_name, last_name, email, street, city, state, zip_code)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
            (number, first, last, mail, self.street(), *home),
        )
        self.done.customers_new += 1

    def street(self) -> str:
        return f"{self.dice.between(1, 9999)} {self.dice.of(words.STREETS)} {self.dice.of(words.STREET_KINDS)} "

    def new_order(self) -> None:
        customer = self.pick("SELECT customer_id FROM store.customers WHERE is_active = 'Y' ORDER BY customer_id")
        staff = self.pick("SELECT store_id, staff_id FROM store.staffs WHERE is_active = 'Y' ORDER BY staff_id")
        if not customer or not staff:
            return
        number = self.next_id("SELECT max(order_id::numeric) FROM store.orders WHERE order_id ~ '^[0-9]+$'")
        self.connection.execute(
            """INSERT INTO store.orders
                 (order_id, customer_id, order_status_id, order_date, required_date, store_id, staff_id)
               VALUES (%s, %s, %s, %s, %s, %s, %s)""",
            (number, *customer, PENDING, self.day, self.day + timedelta(days=self.dice.between(1, 3)), *staff),
        )
        self.done.orders_new += 1
        for item in range(1, self.dice.between(1, 5) + 1):
            self.add_item(number, item)

    def add_item(self, order: str, item: int) -> None:
        product = self.pick(
            "SELECT product_id, list_price FROM store.products WHERE is_active = 'Y' ORDER BY product_id"
        )
        if product:
            key, price = product
            self.connection.execute(
                """INSERT INTO store.order_items (order_id, item_id, product_id, quantity, list_price, discount)
                   VALUES (%s, %s, %s, %s, %s, %s)""",
                (order, item, key, self.dice.between(1, 2), price, self.dice.of(("0.05", "0.07", "0.10", "0.20"))),
            )
            self.done.items_new += 1

    def deliver(self) -> None:
        """Most of the older orders that wait leave the house, one in ten is refused."""
        waiting = self.rows(
            """SELECT order_id FROM store.orders WHERE is_active = 'Y' AND order_status_id = %s AND order_date < %s
               ORDER BY order_date, order_id LIMIT %s""",
            PENDING,
            self.day,
            self.size,
        )
        for (order,) in waiting:
            if self.dice.roll() < 0.1:
                self.connection.execute(
                    "UPDATE store.orders SET order_status_id = %s WHERE order_id = %s", (REJECTED, order)
                )
                self.done.orders_rejected += 1
            else:
                self.connection.execute(
                    "UPDATE store.orders SET order_status_id = %s, shipped_date = %s WHERE order_id = %s",
                    (COMPLETED, self.day, order),
                )
                self.done.orders_completed += 1

    def correct_items(self) -> None:
        """Of waiting orders: a quantity changes, a line comes, a line goes."""
        for change in range(max(1, self.size // 3)):
            order = self.pick(
                """SELECT o.order_id, max(i.item_id)
                   FROM store.orders o JOIN store.order_items i USING (order_id)
                   WHERE o.is_active = 'Y' AND o.order_status_id = %s
                   GROUP BY o.order_id HAVING count(*) >= %s ORDER BY o.order_id""",
                PENDING,
                2 if change % 3 == 2 else 1,  # an order keeps its last line
            )
            if not order:
                return
            number, highest = order
            if change % 3 == 0:
                self.connection.execute(
                    "UPDATE store.order_items SET quantity = quantity + 1 WHERE order_id = %s AND item_id = %s",
                    (number, highest),
                )
                self.done.items_changed += 1
            elif change % 3 == 1:
                self.add_item(number, highest + 1)
            else:
                self.connection.execute(
                    "DELETE FROM store.order_items WHERE order_id = %s AND item_id = %s", (number, highest)
                )
                self.done.items_removed += 1

    def move_customer(self) -> None:
        customer = self.pick("SELECT customer_id FROM store.customers WHERE is_active = 'Y' ORDER BY customer_id")
        if customer:
            self.connection.execute(
                "UPDATE store.customers SET street = %s WHERE customer_id = %s", (self.street(), *customer)
            )
            self.done.customers_moved += 1

    def change_price(self) -> None:
        product = self.pick("SELECT product_id FROM store.products WHERE is_active = 'Y' ORDER BY product_id")
        if product:
            self.connection.execute(
                "UPDATE store.products SET list_price = round(list_price * %s::numeric, 2) WHERE product_id = %s",
                (self.dice.of(("0.95", "1.02", "1.05")), *product),
            )
            self.done.prices_changed += 1

    def delete_order(self) -> None:
        order = self.pick(
            "SELECT order_id FROM store.orders WHERE is_active = 'Y' AND order_status_id = %s ORDER BY order_id",
            PENDING,
        )
        if order:
            self.connection.execute("DELETE FROM store.orders WHERE order_id = %s", order)
            self.done.orders_deleted += 1

    def delete_customer(self) -> None:
        customer = self.pick(
            """SELECT customer_id FROM store.customers c WHERE is_active = 'Y' AND NOT EXISTS
                 (SELECT FROM store.orders o WHERE o.customer_id = c.customer_id AND o.order_status_id = %s)
               ORDER BY customer_id""",
            PENDING,
        )
        if customer:
            self.connection.execute("DELETE FROM store.customers WHERE customer_id = %s", customer)
            self.done.customers_deleted += 1
