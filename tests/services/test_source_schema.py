"""The source's schema on a real PostgreSQL: audit columns, soft deletes, related rows, windows under writers."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from velodrome.postgres import Server
from velodrome.testing import free_port, wait_until

DAGS_SQL = Path(__file__).parents[2] / "airflow" / "dags" / "sql"
KEYS = {
    "customers": "customer_id",
    "staffs": "staff_id",
    "products": "product_id",
    "stores": "store_id",
    "orders": "order_id",
}

# Rows as the import brings them: before the triggers, with dates of their own.
ROWS = """
INSERT INTO store.brands VALUES (1, 'Trek'), (2, 'Haro');
INSERT INTO store.categories VALUES (1, 'Road'), (2, 'Mountain');
INSERT INTO store.order_status VALUES (1, 'Pending'), (2, 'Rejected'), (3, 'Completed');
INSERT INTO store.stores (store_id, store_name, created_at, updated_at)
    SELECT n, 'store ' || n, '2016-01-01Z', '2016-01-01Z' FROM generate_series(1, 2) AS n;
INSERT INTO store.staffs (staff_id, first_name, last_name, store_id, manager_id, created_at, updated_at)
    SELECT n, 'first', 'last', '1', '1', '2016-01-01Z', '2016-01-01Z' FROM generate_series(1, 2) AS n;
INSERT INTO store.products
    (product_id, product_name, brand_id, category_id, model_year, list_price, created_at, updated_at)
    SELECT n, 'product ' || n, 1 + n % 2, 1 + n % 2, 2016, 100, '2016-01-01Z', '2016-01-01Z'
    FROM generate_series(1, 6) AS n;
INSERT INTO store.customers (customer_id, first_name, last_name, created_at, updated_at)
    SELECT n, 'first', 'last', '2016-01-01Z', '2016-01-01Z' FROM generate_series(1, 6) AS n;
INSERT INTO store.orders
    (order_id, customer_id, order_status_id, order_date, required_date, store_id, staff_id, updated_at)
    SELECT n, 1 + n % 6, 1, '2016-01-01', '2016-01-03', '1', '1', '2016-01-01Z' FROM generate_series(1, 8) AS n;
INSERT INTO store.order_items
    SELECT o, i, 1 + (o + i) % 6, 1, 100, 0.1 FROM generate_series(1, 8) AS o, generate_series(1, 2) AS i;
"""

Session = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # fsync off: what is tested is not durability.
    server = Server(
        tmp_path_factory.mktemp("source") / "data",
        port=free_port(),
        superuser="postgres",
        password="test",
        parameters={"fsync": "off"},
    )
    server.initialize()
    server.start()
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled")
    with psycopg.connect(server.conninfo("filled"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA store")
        run_file(connection, "tables.sql")
        connection.execute(ROWS)
        for name in ("audit.sql", "soft_delete.sql", "related.sql", "window.sql"):
            run_file(connection, name)
    yield server
    server.stop()


@pytest.fixture
def connect(server: Server, request: pytest.FixtureRequest) -> Iterator[Callable[[], Session]]:
    """Opens sessions on a database of the test's own."""
    name = sql.Identifier("test_" + str(abs(hash(request.node.nodeid))))
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE filled").format(name))
    opened: list[Session] = []

    def connect() -> Session:
        session = psycopg.connect(server.conninfo(name.as_string().strip('"')), row_factory=psycopg.rows.dict_row)
        session.autocommit = True
        opened.append(session)
        return session

    yield connect
    for session in opened:
        session.close()
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def db(connect: Callable[[], Session]) -> Session:
    return connect()


def run_file(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute((DAGS_SQL / "source" / name).read_bytes())


def row(db: Session, table: str, key: str) -> dict[str, Any]:
    found = db.execute(
        sql.SQL("SELECT * FROM store.{} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(KEYS[table])),
        [key],
    ).fetchone()
    assert found is not None
    return found


def delete(db: Session, table: str, key: str) -> None:
    db.execute(
        sql.SQL("DELETE FROM store.{} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(KEYS[table])), [key]
    )


def renewed(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a row shows a change; half a renewal is an error."""
    later, newer = after["updated_at"] > before["updated_at"], int(after["changed_in"]) > int(before["changed_in"])
    assert later == newer
    assert after["created_at"] == before["created_at"]
    return newer


def test_files_run_again_without_a_change(db: Session) -> None:
    before = {table: row(db, table, "1") for table in KEYS}
    for name in ("tables.sql", "audit.sql", "soft_delete.sql", "related.sql", "window.sql"):
        run_file(db, name)
    assert {table: row(db, table, "1") for table in KEYS} == before


@pytest.mark.parametrize("table", KEYS)
def test_import_kept_the_dates(db: Session, table: str) -> None:
    assert row(db, table, "1")["updated_at"].isoformat() == "2016-01-01T00:00:00+00:00"


def test_insert_sets_the_audit_columns_whatever_is_given(db: Session) -> None:
    db.execute(
        "INSERT INTO store.customers "
        "(customer_id, first_name, last_name, created_at, updated_at, is_active, changed_in) "
        "VALUES ('new', 'a', 'b', '2000-01-01', '2000-01-01', 'N', '1')"
    )
    found = row(db, "customers", "new")
    assert found["created_at"] == found["updated_at"]
    assert found["updated_at"].year > 2000
    assert found["is_active"] == "Y"
    assert int(found["changed_in"]) > 1


@pytest.mark.parametrize("table", KEYS)
def test_update_renews_the_row(db: Session, table: str) -> None:
    before = row(db, table, "1")
    statement = sql.SQL(
        "UPDATE store.{} SET created_at = '2000-01-01', changed_in = '1', is_active = 'N' WHERE {} = '1'"
    )
    db.execute(statement.format(sql.Identifier(table), sql.Identifier(KEYS[table])))
    assert renewed(before, row(db, table, "1"))


@pytest.mark.parametrize("table", KEYS)
def test_delete_marks_the_row_once(db: Session, table: str) -> None:
    before = row(db, table, "1")
    delete(db, table, "1")
    deleted = row(db, table, "1")
    assert deleted["is_active"] == "N"
    assert renewed(before, deleted)
    delete(db, table, "1")
    assert row(db, table, "1") == deleted


def test_deleted_rows_come_back_by_an_update(db: Session) -> None:
    delete(db, "products", "1")
    db.execute("UPDATE store.products SET is_active = 'Y' WHERE product_id = '1'")
    assert row(db, "products", "1")["is_active"] == "Y"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM store.customers",
        "DELETE FROM store.customers USING store.orders AS o WHERE customers.customer_id = o.customer_id",
        "WITH gone AS (DELETE FROM store.customers RETURNING *) SELECT count(*) FROM gone",
    ],
)
def test_delete_of_many_rows(db: Session, statement: str) -> None:
    before = {key: row(db, "customers", key) for key in "123456"}
    db.execute(statement.encode())
    for key in before:
        assert row(db, "customers", key)["is_active"] == "N"
        assert renewed(before[key], row(db, "customers", key))


def test_delete_returns_what_it_marked(db: Session) -> None:
    statement = "DELETE FROM store.customers WHERE customer_id IN ('1', '2') RETURNING customer_id, is_active"
    assert len(db.execute(statement).fetchall()) == 2
    assert db.execute(statement).fetchall() == []


@pytest.mark.parametrize("table", KEYS)
def test_keys_stay(db: Session, table: str) -> None:
    db.execute("DELETE FROM store.order_items")
    statement = sql.SQL("UPDATE store.{0} SET {1} = 'x' WHERE {1} = '2'").format(
        sql.Identifier(table), sql.Identifier(KEYS[table])
    )
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match=f"the key of store.{table} cannot change"):
        db.execute(statement)


@pytest.mark.parametrize("table", [*KEYS, "brands", "categories"])
def test_truncate_of_tracked_rows_is_refused(db: Session, table: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="use DELETE"):
        db.execute(sql.SQL("TRUNCATE store.{} CASCADE").format(sql.Identifier(table)))


@pytest.mark.parametrize(
    ("change", "orders"),
    [
        ("INSERT INTO store.order_items VALUES ('1', 3, '1', 1, 10, 0), ('2', 3, '1', 1, 10, 0)", "12"),
        ("UPDATE store.order_items SET quantity = 5 WHERE order_id = '3'", "3"),
        ("DELETE FROM store.order_items WHERE order_id IN ('4', '5')", "45"),
        ("UPDATE store.order_items SET order_id = '7', item_id = 9 WHERE order_id = '6' AND item_id = 1", "67"),
        ("UPDATE store.order_items SET quantity = 5 WHERE order_id = 'none'", ""),
        ("TRUNCATE store.order_items", "12345678"),
    ],
)
def test_items_renew_their_orders(db: Session, change: str, orders: str) -> None:
    before = {key: row(db, "orders", key) for key in "12345678"}
    db.execute(change)
    assert "".join(key for key in before if renewed(before[key], row(db, "orders", key))) == orders


@pytest.mark.parametrize(
    ("change", "products"),
    [
        ("UPDATE store.brands SET brand_name = 'Trek Bikes' WHERE brand_id = 1", "246"),
        ("UPDATE store.categories SET category_name = 'Hills' WHERE category_id = 2", "135"),
        ("UPDATE store.brands SET brand_name = brand_name", ""),
    ],
)
def test_names_renew_their_products(db: Session, change: str, products: str) -> None:
    before = {key: row(db, "products", key) for key in "123456"}
    db.execute(change)
    assert "".join(key for key in before if renewed(before[key], row(db, "products", key))) == products


def test_a_product_waits_for_the_name_it_takes(connect: Callable[[], Session]) -> None:
    """Otherwise the renaming transaction, which does not see the new product, would never renew it."""
    renaming, inserting, watching = connect(), connect(), connect()
    renaming.execute("BEGIN")
    renaming.execute("UPDATE store.brands SET brand_name = 'renamed' WHERE brand_id = 1")
    insert = "INSERT INTO store.products VALUES ('new', 'new', 1, 1, 2020, 10)"
    thread = threading.Thread(target=inserting.execute, args=(insert,))
    thread.start()
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = %s"
    wait_until("the insert to wait", lambda: watching.execute(waiting, [insert]).fetchone() is not None)
    renaming.execute("COMMIT")
    thread.join(10)
    brand = renaming.execute("SELECT xmin::text::bigint AS changed_in FROM store.brands WHERE brand_id = 1").fetchone()
    assert brand is not None
    assert int(row(db=watching, table="products", key="new")["changed_in"]) > brand["changed_in"]


def test_window_ends_below_what_still_runs(connect: Callable[[], Session]) -> None:
    writer, other, reader = connect(), connect(), connect()
    writer.execute("BEGIN")
    writer.execute("UPDATE store.customers SET city = 'x' WHERE customer_id = '1'")
    other.execute("UPDATE store.customers SET city = 'x' WHERE customer_id = '2'")
    mine = int(row(writer, "customers", "1")["changed_in"])
    started = time.monotonic()
    notices: list[str | None] = []
    reader.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    found = reader.execute("SELECT store.window_end('200 milliseconds')::text::bigint AS hi").fetchone()
    assert found == {"hi": mine}
    assert 0.2 <= time.monotonic() - started < 5
    assert notices[0] is not None and notices[0].startswith(f"transaction {mine} has run for over")


def test_window_waits_for_what_began_before_it(connect: Callable[[], Session]) -> None:
    """A change that was committed before the run, while an older transaction still ran, is inside."""
    old, quick, reader, watching = connect(), connect(), connect(), connect()
    old.execute("BEGIN")
    old.execute("UPDATE store.stores SET city = 'old' WHERE store_id = '1'")
    quick.execute("UPDATE store.stores SET city = 'quick' WHERE store_id = '2'")
    found: dict[str, Any] = {}
    call = "SELECT * FROM store.next_window(0)"
    thread = threading.Thread(target=lambda: found.update(reader.execute(call).fetchone() or {}))
    thread.start()
    waiting = "SELECT FROM pg_stat_activity WHERE query = %s AND wait_event = 'PgSleep'"
    wait_until("the window to wait", lambda: watching.execute(waiting, [call]).fetchone() is not None)
    old.execute("COMMIT")
    thread.join(10)
    assert found["hi"] > int(row(watching, "stores", "2")["changed_in"])
    assert found["lo"] == 0
    assert found["changes"] == 6 + 2 + 6 + 2 + 8


def test_an_empty_window(db: Session) -> None:
    first = db.execute("SELECT hi FROM store.next_window(0)").fetchone()
    assert first is not None
    second = db.execute("SELECT * FROM store.next_window(%s)", [first["hi"]]).fetchone()
    assert second is not None and second["changes"] == 0


def test_a_watermark_of_another_database_is_refused(db: Session) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="watermark 4000000000 is ahead of this database"):
        db.execute("SELECT * FROM store.next_window(4000000000)")


def test_window_end_needs_new_snapshots(db: Session) -> None:
    with db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(psycopg.errors.RaiseException, match="READ COMMITTED"), db.transaction():
            db.execute("SELECT store.window_end()")


def extract(db: Session, table: str, lo: int, hi: int) -> list[dict[str, Any]]:
    """What the extract's own query of a table exports of a window."""
    text = (
        (DAGS_SQL / "extract" / f"{table}.sql")
        .read_text()
        .replace("{{ lo | int }}", str(lo))
        .replace("{{ hi | int }}", str(hi))
    )
    query = re.search(r"\$query\$(.*)\$query\$", text, re.DOTALL)
    assert query is not None
    return db.execute(query[1].encode()).fetchall()


HEADERS = {
    "customers": "customer_id first_name last_name phone email street city state zip_code updated_at is_active",
    "stores": "store_id store_name phone email street city state zip_code updated_at is_active",
    "staffs": "staff_id first_name last_name email phone store_id manager_id updated_at is_active",
    "products": "product_id product_name brand_name category_name model_year list_price updated_at is_active",
    "orders": "order_id item_id customer_id order_status order_date required_date shipped_date store_id staff_id "
    "product_id quantity list_price discount updated_at is_active",
}


@pytest.mark.parametrize("table", HEADERS)
def test_extract_has_the_agreed_columns(db: Session, table: str) -> None:
    rows = extract(db, table, 0, 10**12)
    assert " ".join(rows[0]) == HEADERS[table]
    assert rows[0]["updated_at"] == "2016-01-01T00:00:00.000000Z"
    assert len(rows) == {"customers": 6, "stores": 2, "staffs": 2, "products": 6, "orders": 16}[table]


def test_an_order_without_items_has_one_line(db: Session) -> None:
    db.execute("DELETE FROM store.order_items WHERE order_id = '3'")
    lines = [line for line in extract(db, "orders", 0, 10**12) if line["order_id"] == "3"]
    assert [line["item_id"] for line in lines] == [None]


def test_a_dimension_row_comes_with_the_order_that_needs_it(db: Session) -> None:
    """The customer was renewed after the window ended; without the row, the window's order would have no customer."""
    db.execute(
        "INSERT INTO store.customers (customer_id, first_name, last_name) VALUES ('new', 'a', 'b'), ('other', 'a', 'b')"
    )
    db.execute("UPDATE store.orders SET customer_id = 'new' WHERE order_id = '1'")
    lo, hi = int(row(db, "customers", "new")["changed_in"]), int(row(db, "orders", "1")["changed_in"]) + 1
    db.execute("UPDATE store.customers SET city = 'later' WHERE customer_id IN ('new', 'other')")
    assert [line["customer_id"] for line in extract(db, "customers", lo, hi)] == ["new"]


CHANGES = (
    "UPDATE store.customers SET city = %(text)s WHERE customer_id = %(six)s",
    "UPDATE store.products SET product_name = %(text)s WHERE product_id = %(six)s",
    "UPDATE store.brands SET brand_name = %(text)s WHERE brand_id = %(two)s",
    "UPDATE store.order_items SET quantity = quantity + 1 WHERE order_id = %(eight)s",
    "UPDATE store.orders SET customer_id = %(six)s WHERE order_id = %(eight)s",
    "DELETE FROM store.order_items WHERE order_id = %(eight)s AND item_id = 2",
    "INSERT INTO store.order_items VALUES (%(eight)s, 2, %(six)s, 1, 10, 0) ON CONFLICT DO NOTHING",
    "DELETE FROM store.staffs WHERE staff_id = '2'",
    "UPDATE store.staffs SET is_active = 'Y' WHERE staff_id = '2'",
    "INSERT INTO store.customers (customer_id, first_name, last_name) VALUES (%(new)s, 'new', 'new')",
)


def test_no_change_is_lost_between_windows(connect: Callable[[], Session]) -> None:
    """Five writers with short transactions, windows taken meanwhile: what arrived is what the source holds."""
    ended = time.monotonic() + 4
    failures: list[Exception] = []

    def write(number: int, db: Session) -> None:
        choice = random.Random(number)
        count = 0
        try:
            while time.monotonic() < ended:
                count += 1
                values = {"text": f"{number}-{count}", "six": choice.randint(1, 6), "new": f"{number}-{count}"}
                values |= {"two": choice.randint(1, 2), "eight": choice.randint(1, 8)}
                try:
                    with db.transaction():
                        for change in choice.sample(CHANGES, 2):
                            db.execute(change, {name: str(value) for name, value in values.items()})
                            db.execute("SELECT pg_sleep(%s)", [choice.random() * 0.02])
                except psycopg.errors.DeadlockDetected:
                    pass  # two writers, two rows, two orders: the writer's own affair, it changed nothing
        except Exception as error:
            failures.append(error)
            raise

    writers = [threading.Thread(target=write, args=(number, connect())) for number in range(5)]
    bounds, reader = connect(), connect()
    arrived: dict[str, dict[Any, Any]] = {table: {} for table in KEYS}
    lo, windows = 0, 0

    def take_window() -> None:
        nonlocal lo, windows
        found = bounds.execute("SELECT * FROM store.next_window(%s)", [lo]).fetchone()
        assert found is not None
        hi = found["hi"]
        with reader.transaction():
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            lines = {table: extract(reader, table, lo, hi) for table in KEYS}
        for table in KEYS.keys() - {"orders"}:
            arrived[table] |= {line[KEYS[table]]: line for line in lines[table]}
        for order in {line["order_id"] for line in lines["orders"]}:
            arrived["orders"][order] = [line for line in lines["orders"] if line["order_id"] == order]
        for line in lines["orders"]:  # no fact comes without its dimension rows
            assert line["customer_id"] in arrived["customers"]
            assert line["product_id"] is None or line["product_id"] in arrived["products"]
        lo, windows = hi, windows + 1

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        take_window()
    for writer in writers:
        writer.join()
    assert not failures
    take_window()

    assert windows > 5
    everything = {table: extract(reader, table, 0, 10**12) for table in KEYS}
    assert len(everything["customers"]) > 20
    for table in KEYS.keys() - {"orders"}:
        assert arrived[table] == {line[KEYS[table]]: line for line in everything[table]}
    assert [line for order in sorted(arrived["orders"]) for line in arrived["orders"][order]] == everything["orders"]
