"""Writes a bike store's nine files from a seed: same seed, same bytes, on every Python.

Shape: one completed order a customer up to March 2018; then a month of orders still pending or in process, and a few
late rejected ones, all of them by early customers. Stores serve their state. Models of a year sell in that year and
after. Fields are as untidy as in life: no telephone, blanks behind the street, quotes and apostrophes in names.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from math import gcd, isqrt
from pathlib import Path
from random import Random
from typing import TextIO, TypeVar

from velodrome.dataset import words
from velodrome.dataset.schema import COMPLETED, NULL, PENDING, PROCESSING, REJECTED, TABLES

FIRST_DAY, SPRING, LAST_DAY = date(2016, 1, 1), date(2018, 4, 1), date(2018, 12, 28)
SELLERS_PER_STORE = 2

Row = Sequence[object]
T = TypeVar("T")


class Dice:
    """Random choices from random.Random.random() alone: only its numbers are the same on every Python."""

    def __init__(self, seed: int, purpose: str) -> None:
        self.roll = Random(f"{seed}/{purpose}").random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self.roll() * limit)

    def between(self, least: int, most: int) -> int:
        """A whole number, both ends included."""
        return least + self.below(most - least + 1)

    def of(self, choices: Sequence[T]) -> T:
        """One of `choices`, each as likely."""
        return choices[self.below(len(choices))]

    def weighted(self, weights: Sequence[float]) -> int:
        """An index, as likely as its weight."""
        point = self.roll() * sum(weights)
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(weights) - 1

    def shuffle(self, items: array[int]) -> None:
        """Put the items into another order, in place."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


class Deal:
    """Hands out a fixed number of each kind in random order, without holding them: the totals come out exactly."""

    def __init__(self, dice: Dice, counts: Sequence[int]) -> None:
        self._dice, self._left = dice, list(counts)

    def next(self) -> int:
        """The index of the next kind."""
        kind = self._dice.weighted(self._left)
        self._left[kind] -= 1
        return kind


class Sizes:
    """Rows of each kind at a scale.

    Customers and orders grow with it, stores and products with its square root.
    """

    def __init__(self, scale: float) -> None:
        if not 0.01 <= scale <= 10_000:
            raise ValueError(f"scale {scale} is not between 0.01 and 10000")
        root = isqrt(round(scale * 1_000_000)) / 1000
        self.stores = max(3, round(3 * root))
        self.staffs = 1 + 3 * self.stores
        self.products = max(40, round(321 * root))
        self.unstocked = max(1, round(8 * root))
        self.customers = round(1445 * scale)
        self.early_rejected = round(33 * scale)
        self.spring = max(2, round(125 * scale))
        self.late_rejected = max(1, round(12 * scale))
        self.orders = self.customers + self.early_rejected + self.spring + self.late_rejected
        shares = [round(count * scale) for count in (288, 375, 371, 334, 247)]
        shares[2] += self.orders - sum(shares)  # what rounding left over
        self.items = shares

    @property
    def repeated(self) -> int:
        """Orders by customers who have one already."""
        return self.early_rejected + self.spring + self.late_rejected


def generate(folder: Path, seed: int = 1, scale: float = 1.0) -> dict[str, int]:
    """Write the nine files into `folder`, which must be new or empty; all of them or none. Returns the rows of each."""
    sizes = Sizes(scale)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already and not an empty folder; remove it or name another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draft.chmod(0o755)
        written = _write(draft, seed, sizes)
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return written


def _write(folder: Path, seed: int, sizes: Sizes) -> dict[str, int]:
    written: dict[str, int] = {}

    def save(table: str, rows: Iterable[Row]) -> None:
        with _open(folder, table) as stream:
            writer = csv.writer(stream, lineterminator="\r\n")
            writer.writerow([column.name for column in TABLES[table].columns])
            count = 0
            for row in rows:
                writer.writerow(row)
                count += 1
            written[table] = count

    save("brands", enumerate(words.BRANDS, 1))
    save("categories", enumerate(words.CATEGORIES, 1))
    save("stores", _stores(seed, sizes))
    save("staffs", _staffs(seed, sizes))
    products = list(_products(seed, sizes))
    save("products", products)
    states = bytearray(sizes.customers)  # the state of each customer, by its index in words.STATES
    save("customers", _customers(seed, sizes, states))
    written["order_items"] = _write_orders(folder, seed, sizes, states, products)
    written["orders"] = sizes.orders
    save("stocks", _stocks(seed, sizes))
    return {name: written[name] for name in TABLES}


def _open(folder: Path, table: str) -> TextIO:
    return (folder / TABLES[table].file).open("x", newline="", encoding="utf-8")


def _stores(seed: int, sizes: Sizes) -> Iterator[Row]:
    dice, towns = Dice(seed, "stores"), _towns(seed)
    for number in range(sizes.stores):
        state = number % len(words.STATES)
        town, zip_code = dice.of(towns[state])
        mail = f"{town.replace(' ', '').lower()}{number + 1}@velo.example"
        street = f"{dice.between(100, 9999)} {dice.of(words.STREETS)} {dice.of(words.STREET_KINDS)}"
        yield number + 1, f"{town} Bikes", _phone(dice), mail, street, town, words.STATES[state][0], zip_code


def _staffs(seed: int, sizes: Sizes) -> Iterator[Row]:
    dice = Dice(seed, "staffs")
    for number in range(1, sizes.staffs + 1):
        # The head sits in store 1; then each store has a manager and two others under them.
        store, place = (1, 0) if number == 1 else ((number - 2) // 3 + 1, (number - 2) % 3)
        manager = 1 if place == 0 else number - place
        first = dice.of(words.FIRST_STEMS) + dice.of(words.FIRST_ENDINGS)
        last = dice.of(words.LAST_STEMS) + dice.of(words.LAST_ENDINGS)
        mail = f"{first}.{last}{number if number > 10 else ''}@velo.example".lower()
        yield number, first, last, mail, _phone(dice), 1, store, manager


def _products(seed: int, sizes: Sizes) -> Iterator[Row]:
    dice = Dice(seed, "products")
    years = _model_years(sizes.products)
    previous: list[tuple[str, int, int, str]] = []
    shares = [share for _, _, share in words.RANGE]
    number = 0
    for year, count in years.items():
        previous.clear()
        for _ in range(count):
            number += 1
            if previous and dice.roll() < 0.09:
                # The same bicycle again, listed in another category.
                name, brand, category, price = dice.of(previous)
                category = category % len(words.CATEGORIES) + 1
            else:
                brand, category, _ = words.RANGE[dice.weighted(shares)]
                size = f' {dice.of((16, 20, 24))}"' if category == 1 and dice.roll() < 0.13 else dice.of(words.VARIANTS)
                years_text = f"{year - 1}/{year}" if dice.roll() < 0.06 else str(year)
                name = f"{words.BRANDS[brand - 1]} {dice.of(words.MODELS)}{size} - {years_text}"
                price = _price(dice, category)
                previous.append((name, brand, category, price))
            yield number, name, brand, category, year, price


def _model_years(products: int) -> dict[int, int]:
    """How many models of each year: few of the first, most of the third, a handful of the year to come."""
    counts = {2016: max(6, products * 26 // 321), 2017: products * 85 // 321, 2019: max(1, products * 6 // 321)}
    counts[2018] = products - sum(counts.values())
    return dict(sorted(counts.items()))


def _price(dice: Dice, category: int) -> str:
    least, most = words.PRICES[category - 1]
    # Squared: most bicycles are near the lower end.
    point = dice.roll()
    dollars = (least + int((most - least) * point * point)) // 10 * 10 + 9
    kind = dice.roll()
    if kind < 0.045:
        return str(dollars)
    return f"{dollars}.9" if kind < 0.05 else f"{dollars}.99"


def _towns(seed: int) -> list[list[tuple[str, str]]]:
    """Towns with their zip code, by state; the same ones for every table."""
    dice = Dice(seed, "towns")
    names = array("I", range(len(words.TOWN_STEMS) * len(words.TOWN_ENDINGS)))
    dice.shuffle(names)
    towns: list[list[tuple[str, str]]] = []
    start = 0
    for _, share, (least, most) in words.STATES:
        count = round(195 * share)
        towns.append([])
        for index, name in enumerate(names[start : start + count]):
            stem, ending = divmod(name, len(words.TOWN_ENDINGS))
            zip_code = f"{least + index % (most - least + 1)}{dice.between(1, 9)}{index // (most - least + 1):02d}"
            towns[-1].append((words.TOWN_STEMS[stem] + words.TOWN_ENDINGS[ending], zip_code))
        start += count
    return towns


def _phone(dice: Dice) -> str:
    # 555-01xx is kept free for fiction.
    return f"({dice.between(201, 989)}) 555-01{dice.below(100):02d}"


def _customers(seed: int, sizes: Sizes, states: bytearray) -> Iterator[Row]:
    """The rows; notes each one's state in `states`."""
    dice, towns, count = Dice(seed, "customers"), _towns(seed), sizes.customers
    first_names = [stem + ending for stem in words.FIRST_STEMS for ending in words.FIRST_ENDINGS]
    last_names = [stem + ending for stem in words.LAST_STEMS for ending in words.LAST_ENDINGS]
    # Each pair of names once, in leaps through the list of all: a step without a common divisor visits every pair.
    pairs = len(first_names) * len(last_names)
    step, place = pairs * 618 // 1000, dice.below(pairs)
    while gcd(step, pairs) > 1:
        step += 1
    shares = [round(count * share) for _, share, _ in words.STATES]
    shares[1] += count - sum(shares)
    state_of = Deal(dice, shares)
    for number in range(count):
        place = (place + step) % pairs
        first, last = first_names[place // len(last_names)], last_names[place % len(last_names)]
        if dice.roll() < 1 / 60:
            last = dice.of(words.LAST_WITH_APOSTROPHE)
        # The few names with an apostrophe recur, and so does all after the last pair: the number keeps addresses apart.
        again = number + 1 if "'" in last or number >= pairs else ""
        state = states[number] = state_of.next()
        town, zip_code = towns[state][int(len(towns[state]) * min(dice.roll(), 1.3 * dice.roll()) * 0.999)]
        phone = _phone(dice) if dice.roll() < (0.085 if state == 1 else 0.215) else NULL
        letter = dice.of("ABC") if dice.roll() < 0.03 else ""
        highest = dice.of((99, 999, 9999, 9999))
        street = f"{dice.between(1, highest)}{letter} {dice.of(words.STREETS)} {dice.of(words.STREET_KINDS)} "
        mail = f"{first}.{last}{again}@{dice.of(words.MAIL_DOMAINS)}".lower()
        yield number + 1, first, last, phone, mail, street, town, words.STATES[state][0], zip_code


def _stocks(seed: int, sizes: Sizes) -> Iterator[Row]:
    dice = Dice(seed, "stocks")
    for store in range(1, sizes.stores + 1):
        for product in range(1, sizes.products - sizes.unstocked + 1):
            yield store, product, dice.below(31)


def _days(dice: Dice, first: date, last: date, orders: int) -> Iterator[date]:
    """A day for each of `orders`, in order; some days bring none, some many, the first and the last at least one."""
    days = (last - first).days + 1
    weights = [dice.roll() + (dice.roll() if dice.roll() < 0.1 else 0.0) for _ in range(days)]
    total, passed, done = sum(weights), 0.0, 0
    for number, weight in enumerate(weights):
        passed += weight
        due = orders if number == days - 1 else min(int(orders * passed / total + 0.5), orders - 1)
        if number == 0:
            due = max(due, 1)
        for _ in range(done, due):
            yield first + timedelta(days=number)
        done = max(done, due)


def _repeating(seed: int, sizes: Sizes) -> array[int]:
    """Customers of the orders beyond a customer's first: early ones, most of them once more, some twice more."""
    dice = Dice(seed, "repeating")
    twice = min(sizes.repeated * 39 // 170, sizes.repeated // 2)
    wanted = sizes.repeated - twice
    chosen = array("L", range(1, min(sizes.customers, wanted * 2) + 1))
    dice.shuffle(chosen)
    # A data set of a few orders has fewer customers than that asks for.
    again = array("L", (chosen[index % len(chosen)] for index in range(wanted)))
    again.extend(again[:twice])
    dice.shuffle(again)
    return again


def _orders(seed: int, sizes: Sizes, states: bytearray) -> Iterator[tuple[str, date, int, int, int, int, str]]:
    """Status, day, customer, store, staff, days until required, days until shipped (as text, empty for never)."""
    dice = Dice(seed, "orders")
    firsts = array("L", range(1, sizes.customers + 1))
    dice.shuffle(firsts)
    first, again = iter(firsts), iter(_repeating(seed, sizes))
    stores = [
        [s + 1 for s in range(sizes.stores) if s % len(words.STATES) == state] for state in range(len(words.STATES))
    ]

    def placed(status: str, day: date, customer: int) -> tuple[str, date, int, int, int, int, str]:
        state = states[customer - 1]
        store = stores[state][customer % len(stores[state])]
        # The head (staff 1) sells nothing; of each store, its first two do.
        staff = 2 + 3 * (store - 1) + dice.below(SELLERS_PER_STORE)
        done = status == COMPLETED
        required, shipped = (dice.between(1, 3), str(dice.between(1, 3))) if done else (0, "")
        return status, day, customer, store, staff, required, shipped

    early = Deal(dice, (sizes.customers, sizes.early_rejected))
    for day in _days(dice, FIRST_DAY, SPRING - timedelta(days=1), sizes.customers + sizes.early_rejected):
        yield placed(REJECTED, day, next(again)) if early.next() else placed(COMPLETED, day, next(first))
    open_orders = Deal(dice, (sizes.spring // 2, sizes.spring - sizes.spring // 2))
    for day in _days(dice, SPRING, date(2018, 4, 30), sizes.spring):
        yield placed((PENDING, PROCESSING)[open_orders.next()], day, next(again))
    for day in list(_days(dice, date(2018, 6, 17), LAST_DAY, sizes.late_rejected + 1))[1:]:
        yield placed(REJECTED, day, next(again))


def _write_orders(folder: Path, seed: int, sizes: Sizes, states: bytearray, products: Sequence[Row]) -> int:
    """Orders and their items side by side, row by row: these two are the large files. Returns the number of items."""
    dice = Dice(seed, "items")
    by_year = {year: [row for row in products if row[4] == year] for year in (2016, 2017, 2018)}
    # Share of a year's items that are models of 2016, 2017 and 2018.
    shares = {2016: (1.0, 0.0, 0.0), 2017: (0.24, 0.76, 0.0), 2018: (0.064, 0.275, 0.661)}
    items_of = Deal(dice, sizes.items)
    discounts = ("0.05", "0.07", "0.1", "0.2")
    count = 0
    with _open(folder, "orders") as orders, _open(folder, "order_items") as items:
        # Plain joins: no value of these files needs quotes, and csv.writer takes twice the time.
        orders.write(",".join(column.name for column in TABLES["orders"].columns) + "\r\n")
        items.write(",".join(column.name for column in TABLES["order_items"].columns) + "\r\n")
        for number, order in enumerate(_orders(seed, sizes, states), 1):
            status, day, customer, store, staff, required, shipped = order
            required_date = day + timedelta(days=required)
            shipped_date = str(day + timedelta(days=int(shipped))) if shipped else NULL
            orders.write(f"{number},{customer},{status},{day},{required_date},{shipped_date},{store},{staff}\r\n")
            taken: set[object] = set()
            for item in range(1, items_of.next() + 2):
                product = dice.of(by_year[2016 + dice.weighted(shares[day.year])])
                while product[0] in taken:
                    product = dice.of(by_year[2016 + dice.weighted(shares[day.year])])
                taken.add(product[0])
                items.write(f"{number},{item},{product[0]},{1 + dice.below(2)},{product[5]},{dice.of(discounts)}\r\n")
                count += 1
    return count
