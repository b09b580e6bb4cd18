"""The load's rules on the Redshift stand-in: named cases first, then random windows against the oracle's own rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import loader
import oracle
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from velodrome.testing import run_service

START = date(2024, 1, 1)
EVER = oracle.EVER

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with run_service("redshift", home=tmp_path_factory.mktemp("redshift")) as service:
        of = service.settings
        with psycopg.connect(
            host=of["REDSHIFT_HOST"],
            port=of.integer("REDSHIFT_PORT"),
            dbname=of["REDSHIFT_DATABASE"],
            user=of["REDSHIFT_USER"],
            password=of["REDSHIFT_PASSWORD"],
            autocommit=True,
        ) as connection:
            loader.create(connection)
            yield connection


class Loads:
    """A warehouse that was just created, loaded window by window; each is checked against the oracle."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.oracle = oracle.Warehouse()
        self.hi = 0
        with connection.transaction():
            for table in ("fact_sales", *(f"dim_{name}" for name in oracle.DIMENSIONS), "dim_date", "load_windows"):
                connection.execute(f"DELETE FROM serving.{table}")
            for table in loader.STAGING_TABLES:
                connection.execute(f"DELETE FROM staging.{table}")

    def stage(self, window: oracle.Window) -> None:
        loader.fill_staging(self.connection, loader.staged(window))

    def load(self, window: oracle.Window) -> None:
        lo, self.hi = self.hi, self.hi + 10
        self.stage(window)
        loader.load(self.connection, lo, self.hi)
        self.oracle.load(window)
        assert oracle.compare(self.connection, self.oracle.frames()) == []

    def load_again(self, window: oracle.Window) -> None:
        self.stage(window)
        loader.load(self.connection, self.hi - 10, self.hi)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement).fetchall()

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every serving table as it is, surrogate keys included."""
        tables = ("fact_sales", *(f"dim_{name}" for name in oracle.DIMENSIONS), "dim_date", "load_windows")
        return {table: sorted(self.rows(f"SELECT * FROM serving.{table}"), key=str) for table in tables}

    def versions(self, customer: str = "1") -> list[tuple[Any, ...]]:
        """A customer's history: phone, first and last day of 2024-01, flag (None as last day: open)."""
        rows = self.rows(
            "SELECT phone, eff_date, exp_date, active_flag FROM serving.dim_customers"
            f" WHERE customer_id = '{customer}' ORDER BY eff_date"
        )
        return [(phone, eff.day, None if exp == EVER else exp.day, flag) for phone, eff, exp, flag in rows]


@pytest.fixture
def loads(connection: Connection) -> Loads:
    return Loads(connection)


# ---- rows of a window ---------------------------------------------------------------------------------------------


def at(day: int) -> dict[str, Any]:
    return {"updated_at": datetime(2024, 1, day, 12, tzinfo=UTC), "is_active": "Y"}


def customer(day: int, phone: str | None = "A", active: str = "Y", key: str = "1") -> oracle.Row:
    empty = dict.fromkeys(("email", "street", "city", "state", "zip_code"))
    return {
        "customer_id": key,
        "first_name": "Ada",
        "last_name": "King",
        "phone": phone,
        **empty,
        **at(day),
        "is_active": active,
    }


def product(day: int, price: str = "10.00", active: str = "Y", key: str = "1") -> oracle.Row:
    return {
        "product_id": key,
        "product_name": "Trek",
        "brand_name": "Trek",
        "category_name": None,
        "model_year": 2024,
        "list_price": Decimal(price),
        **at(day),
        "is_active": active,
    }


def staff(day: int, manager: str | None = "1", active: str = "Y", key: str = "1") -> oracle.Row:
    return {
        "staff_id": key,
        "first_name": "Mary",
        "last_name": "Moss",
        "email": None,
        "phone": None,
        "manager_id": manager,
        **at(day),
        "is_active": active,
    }


def store(day: int, city: str | None = "Baldwin", active: str = "Y", key: str = "1") -> oracle.Row:
    empty = dict.fromkeys(("phone", "email", "street", "state", "zip_code"))
    return {"store_id": key, "store_name": "Shop", "city": city, **empty, **at(day), "is_active": active}


def order(
    day: int, items: dict[int, int], key: str = "1", active: str = "Y", ordered: int = 1, **other: Any
) -> list[oracle.Row]:
    """An order's rows: `items` is the quantity of each item."""
    head = {
        "order_id": key,
        "customer_id": "1",
        "order_status": 1,
        "order_date": date(2024, 1, ordered),
        "required_date": date(2024, 1, ordered) + timedelta(3),
        "shipped_date": None,
        "store_id": "1",
        "staff_id": "1",
        **at(day),
        "is_active": active,
        **other,
    }
    none: list[tuple[int | None, int | None]] = [(None, None)]
    return [
        {
            **head,
            "item_id": item,
            "product_id": item and other.get("product_id", "1"),
            "quantity": quantity,
            "list_price": quantity and Decimal("599.99"),
            "discount": quantity and Decimal("0.07"),
        }
        for item, quantity in (list(items.items()) or none)
    ]


def everything(day: int = 1, **tables: list[oracle.Row]) -> dict[str, list[oracle.Row]]:
    """A window with one of each."""
    first = {"customers": [customer(day)], "products": [product(day)], "staffs": [staff(day)], "stores": [store(day)]}
    return {**first, "orders": order(day, {1: 1, 2: 2}), **tables}


# ---- rule 1: history by day ---------------------------------------------------------------------------------------

HISTORIES = {
    "a change ends the day before the next begins": (
        [customer(1, "A"), customer(3, "B")],
        [("A", 1, 2, "N"), ("B", 3, None, "Y")],
    ),
    "a version that changes nothing makes no row": ([customer(1, "A"), customer(3, "A")], [("A", 1, None, "Y")]),
    "null is a value": (
        [customer(1, None), customer(2, None), customer(3, "A"), customer(4, None)],
        [(None, 1, 2, "N"), ("A", 3, 3, "N"), (None, 4, None, "Y")],
    ),
    "the day's last version stays": ([customer(1, "A"), customer(1, "B")], [("B", 1, None, "Y")]),
    "changed and changed back on one day": (
        [customer(1, "A"), customer(3, "B"), customer(3, "A")],
        [("A", 1, None, "Y")],
    ),
    "deleted": ([customer(1, "A"), customer(3, "A", "N")], [("A", 1, 3, "N")]),
    "deleted on the day its version began": (
        [customer(1, "A"), customer(3, "B"), customer(3, "B", "N")],
        [("A", 1, 2, "N"), ("B", 3, 3, "N")],
    ),
    "changed and deleted on one day, seen once": (
        [customer(1, "A"), customer(3, "B", "N")],
        [("A", 1, 2, "N"), ("B", 3, 3, "N")],
    ),
    "first seen deleted": ([customer(3, "A", "N")], [("A", 3, 3, "N")]),
    "deleted again": ([customer(1, "A"), customer(3, "A", "N"), customer(5, "B", "N")], [("A", 1, 3, "N")]),
    "comes back as it was": (
        [customer(1, "A"), customer(3, "A", "N"), customer(5, "A")],
        [("A", 1, 3, "N"), ("A", 5, None, "Y")],
    ),
    "comes back changed the next day": (
        [customer(1, "A"), customer(3, "A", "N"), customer(4, "B")],
        [("A", 1, 3, "N"), ("B", 4, None, "Y")],
    ),
    "comes back as it was on the day of its deletion": (
        [customer(1, "A"), customer(3, "A", "N"), customer(3, "A")],
        [("A", 1, None, "Y")],
    ),
    "comes back changed on the day of its deletion": (
        [customer(1, "A"), customer(3, "A", "N"), customer(3, "B")],
        [("A", 1, 2, "N"), ("B", 3, None, "Y")],
    ),
    "comes back changed, then as it was, on one day": (
        [customer(1, "A"), customer(3, "A", "N"), customer(6, "B"), customer(6, "A")],
        [("A", 1, 3, "N"), ("A", 6, None, "Y")],
    ),
    "an earlier clock in a later window": ([customer(5, "A"), customer(3, "B")], [("B", 5, None, "Y")]),
    "an earlier clock after a deletion": (
        [customer(1, "A"), customer(5, "A", "N"), customer(3, "B")],
        [("A", 1, 4, "N"), ("B", 5, None, "Y")],
    ),
    "two rows of one window": ([[customer(2, "A"), customer(3, "B")]], [("B", 3, None, "Y")]),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_history(loads: Loads, case: str) -> None:
    windows, history = HISTORIES[case]
    for staged in windows:
        rows = staged if isinstance(staged, list) else [staged]
        loads.stage({"customers": rows})
        loads.hi += 10
        loader.load(loads.connection, loads.hi - 10, loads.hi)
    assert loads.versions() == history


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (
            "customers",
            [customer(1, "A"), customer(2, "B"), customer(2, "A"), customer(3, None), customer(4, None, "N")],
        ),
        ("products", [product(1), product(2, "9.99"), product(2), product(3, "11.00"), product(4, "11.00", "N")]),
        ("staffs", [staff(1), staff(2, "2"), staff(2), staff(3, None), staff(4, None, "N")]),
        ("stores", [store(1), store(2, "Rowlett"), store(2), store(3, None), store(4, None, "N")]),
    ],
)
def test_every_dimension_follows_the_rules_and_its_facts_follow_it(
    loads: Loads, table: str, rows: list[oracle.Row]
) -> None:
    loads.load(everything(orders=order(1, {1: 1}, ordered=1) + order(1, {1: 1}, key="2", ordered=3)))
    for row in rows:
        loads.load({table: [row]})


def test_versions_keep_their_keys(loads: Loads) -> None:
    loads.load({"customers": [customer(1, "A")]})
    [(first,)] = loads.rows("SELECT customer_key FROM serving.dim_customers")
    loads.load({"customers": [customer(3, "B")]})
    loads.load({"customers": [customer(3, "C")]})
    loads.load({"customers": [customer(3, "A")]})
    assert loads.rows("SELECT customer_key FROM serving.dim_customers") == [(first,)]


# ---- rule 2: facts and versions -----------------------------------------------------------------------------------


def phone_of(loads: Loads, order_id: str = "1") -> str:
    [(phone,)] = loads.rows(
        "SELECT DISTINCT phone FROM serving.fact_sales JOIN serving.dim_customers USING (customer_key)"
        f" WHERE order_id = '{order_id}'"
    )
    return str(phone)


def test_fact_takes_the_version_of_its_date(loads: Loads) -> None:
    loads.load(everything())
    loads.load({"customers": [customer(5, "B")]})
    loads.load({"orders": order(9, {1: 1}, key="old", ordered=4) + order(9, {1: 1}, key="new", ordered=5)})
    assert (phone_of(loads, "old"), phone_of(loads, "new")) == ("A", "B")


def test_fact_older_than_all_takes_the_earliest_version(loads: Loads) -> None:
    loads.load(everything(5, orders=order(5, {1: 1}, ordered=2)))
    loads.load({"customers": [customer(7, "B")]})
    assert phone_of(loads) == "A"


def test_fact_after_a_deletion_takes_the_deleted_version(loads: Loads) -> None:
    loads.load(everything(1))
    loads.load({"customers": [customer(3, "A", "N")]})
    loads.load({"orders": order(6, {1: 1}, key="2", ordered=6)})
    assert phone_of(loads, "2") == "A"


def test_loaded_facts_move_to_a_version_that_begins_on_or_before_their_date(loads: Loads) -> None:
    loads.load(everything(1, orders=order(1, {1: 1}, ordered=8)))
    before = loads.rows("SELECT sales_id FROM serving.fact_sales")
    loads.load({"customers": [customer(8, "B")]})
    assert phone_of(loads) == "B"
    assert loads.rows("SELECT sales_id FROM serving.fact_sales") == before


def test_facts_survive_a_version_that_never_was(loads: Loads) -> None:
    loads.load(everything(1, orders=order(1, {1: 1}, ordered=8)))
    loads.load({"customers": [customer(8, "B")]})
    loads.load({"customers": [customer(8, "A")]})
    assert phone_of(loads) == "A"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("customer_id", "serving.dim_customers has no row with customer_id = 99, which order 1 needs"),
        ("product_id", "serving.dim_products has no row with product_id = 99, which order 1 needs"),
        ("store_id", "serving.dim_stores has no row with store_id = 99, which order 1 needs"),
        ("staff_id", "serving.dim_staffs has no row with staff_id = 99, which order 1 needs"),
        ("order_status", "serving.dim_order_status has no row with order_status_id = 99, which order 1 needs"),
    ],
)
def test_missing_key_is_named_and_the_window_leaves_nothing_behind(loads: Loads, column: str, message: str) -> None:
    key: Any = 99 if column == "order_status" else "99"
    before = loads.content()
    loads.stage(everything(orders=order(1, {1: 1}, **{column: key})))
    with pytest.raises(psycopg.Error) as raised:
        loader.load(loads.connection, 0, 10)
    assert message in str(raised.value)
    assert loads.content() == before


def test_missing_date_is_named(loads: Loads) -> None:
    tables = loader.staged(everything())
    loader.fill_staging(loads.connection, {**tables, "stg_date": []})
    with pytest.raises(
        psycopg.Error, match=r"serving\.dim_date has no row with date_key = 20240101, which order 1 needs"
    ):
        loader.load(loads.connection, 0, 10)


# ---- rule 3: order lines ------------------------------------------------------------------------------------------


def sales(loads: Loads) -> dict[int, int]:
    return dict(loads.rows("SELECT item_id, sales_id FROM serving.fact_sales WHERE order_id = '1'"))


def test_changed_order_replaces_its_lines_and_unchanged_lines_keep_their_id(loads: Loads) -> None:
    loads.load(everything(orders=order(1, {1: 1, 2: 2, 3: 3}) + order(1, {1: 1}, key="2")))
    before = sales(loads)
    loads.load({"orders": order(2, {1: 1, 3: 4, 4: 4})})
    after = sales(loads)
    assert set(after) == {1, 3, 4}
    assert (after[1], after[3]) == (before[1], before[3])
    assert after[4] not in before.values()


def test_deleted_order_and_order_without_items_leave_no_line(loads: Loads) -> None:
    loads.load(everything(orders=order(1, {1: 1}) + order(1, {1: 1}, key="2") + order(1, {1: 1}, key="3")))
    loads.load({"orders": order(2, {1: 1}, active="N") + order(2, {}, key="2")})
    assert loads.rows("SELECT order_id FROM serving.fact_sales") == [("3",)]
    loads.load({"orders": order(3, {1: 1})})
    assert loads.rows("SELECT order_id FROM serving.fact_sales ORDER BY order_id") == [("1",), ("3",)]


def test_line_staged_twice_is_named(loads: Loads) -> None:
    loads.stage(everything(orders=order(1, {7: 1}) + order(1, {7: 2})))
    with pytest.raises(psycopg.Error, match=r"staging\.stg_sales has order_id 1, item_id 7 more than once"):
        loader.load(loads.connection, 0, 10)


# ---- rules 4 and 5: windows ---------------------------------------------------------------------------------------


def test_window_loaded_twice_changes_nothing(loads: Loads) -> None:
    loads.load(everything())
    change = {"customers": [customer(2, "B")], "products": [product(2, active="N")], "orders": order(2, {2: 9})}
    loads.load(change)
    before = loads.content()
    loads.load_again(change)
    assert loads.content() == before


def test_windows_load_in_order(loads: Loads) -> None:
    loads.load(everything())
    loads.load({"customers": [customer(2, "B")]})
    for lo, hi in ((0, 10), (30, 40), (10, 30)):
        with pytest.raises(psycopg.Error, match=rf"window \[{lo}, {hi}\) does not follow the last one"):
            loader.load(loads.connection, lo, hi)
    with pytest.raises(psycopg.Error, match=r"window \[20, 10\) ends before it begins"):
        loader.load(loads.connection, 20, 10)


def test_watermark_names_the_window_and_its_run(loads: Loads) -> None:
    loads.stage(everything())
    loader.load(loads.connection, 0, 10, run_id="manual__it's")
    assert loads.rows("SELECT lo, hi, run_id, customers, order_lines FROM serving.load_windows") == [
        (0, 10, "manual__it's", 1, 2)
    ]


def test_staging_is_cleared(loads: Loads) -> None:
    loads.load(everything())
    assert [loads.rows(f"SELECT COUNT(*) FROM staging.{table}") for table in loader.STAGING_TABLES] == [[(0,)]] * 6


def test_schema_is_created_again_harmlessly(loads: Loads) -> None:
    loads.load(everything())
    before = loads.content()
    loader.create(loads.connection)
    assert loads.content() == before
    assert loads.rows("SELECT * FROM serving.dim_order_status ORDER BY 1") == list(oracle.STATUS.items())


# ---- random windows -----------------------------------------------------------------------------------------------

KEYS = [str(number) for number in range(20)]
MAKERS: dict[Any, list[Any]] = {
    customer: ["A", "B", None],
    product: ["10.00", "9.99"],
    staff: ["1", "2", None],
    store: ["Baldwin", None],
}


def random_window(random: Random, day: int, share: float) -> dict[str, list[oracle.Row]]:
    """Many keys at once, each with a fate of its own; clocks mostly stand still or go on, and sometimes back."""

    def some(keys: list[str]) -> list[str]:
        return [key for key in keys if random.random() < share]

    def clock() -> int:
        return min(max(day + random.choice([0, 0, 0, 0, 1, -1]), 1), 28)

    def flag() -> str:
        return random.choice("YYYN")

    window = {
        f"{make.__name__}s": [make(clock(), random.choice(values), flag(), key=key) for key in some(KEYS)]
        for make, values in MAKERS.items()
    }
    orders = [
        order(
            clock(),
            {item: random.randint(1, 2) for item in range(1, 4) if random.random() < 0.6},
            key=key,
            active=flag(),
            ordered=random.randint(1, 12),
            order_status=random.randint(1, 3),
            **{name: random.choice(KEYS) for name in ("customer_id", "store_id", "staff_id", "product_id")},
        )
        for key in some([str(number) for number in range(30)])
    ]
    return {**window, "orders": [line for lines in orders for line in lines]}


# A failure names table and row; shrinking would take minutes and add nothing to that.
@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0), st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.2, 0.5, 1.0])), min_size=4, max_size=8))
def test_any_windows_give_what_the_rules_say(
    connection: Connection, seed: int, windows: list[tuple[int, float]]
) -> None:
    random, day = Random(seed), 4
    loads = Loads(connection)
    loads.load({f"{make.__name__}s": [make(day, key=key) for key in KEYS] for make in MAKERS})
    for days, share in windows:
        day += days
        window = random_window(random, day, share)
        before = loads.content()
        loads.load(window)
        after = loads.content()
        check_keys(before, after)
        check_intervals(loads)
        loads.load_again(window)
        assert loads.content() == after


def check_keys(before: dict[str, list[tuple[Any, ...]]], after: dict[str, list[tuple[Any, ...]]]) -> None:
    """What is there before and after has kept its surrogate key; no key is given twice."""
    for table in ("fact_sales", *(f"dim_{name}" for name in oracle.DIMENSIONS)):
        natural = (lambda row: row[1:3]) if table == "fact_sales" else (lambda row: (row[1], row[-3]))
        old, new = ({natural(row): row[0] for row in rows[table]} for rows in (before, after))
        assert len(new) == len(after[table]) == len({row[0] for row in after[table]})
        assert {key: new[key] for key in old.keys() & new.keys()} == {key: old[key] for key in old.keys() & new.keys()}


def check_intervals(loads: Loads) -> None:
    """Versions of a key follow each other without overlap; the open one, and only it, is active."""
    for table, (key, _) in oracle.DIMENSIONS.items():
        last: tuple[str, date] | None = None
        for one, eff, exp, flag in loads.rows(
            f"SELECT {key}, eff_date, exp_date, active_flag FROM serving.dim_{table} ORDER BY {key}, eff_date"
        ):
            assert eff <= exp
            assert (flag == "Y") == (exp == EVER)
            assert last is None or last[0] != one or last[1] < eff
            last = (one, exp)
