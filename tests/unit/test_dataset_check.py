"""The check of a data set: each kind of fault is named with file, line and reason; a good set has none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from velodrome.dataset import check, generate, schema
from velodrome.dataset.__main__ import main


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "dataset"
    generate.generate(folder, seed=7, scale=0.05)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of a good data set, to be broken."""
    return Path(shutil.copytree(good, tmp_path / "dataset"))


def lines_of(file: Path) -> list[str]:
    return file.read_bytes().decode().split("\r\n")


def set_value(folder: Path, table: str, line: int, column: str, value: str) -> None:
    """Replace one value; lines are counted as the check counts them, the header being 1."""
    file = folder / f"{table}.csv"
    lines = lines_of(file)
    values = lines[line - 1].split(",")
    values[lines[0].split(",").index(column)] = value
    lines[line - 1] = ",".join(values)
    file.write_bytes("\r\n".join(lines).encode())


def faults(folder: Path) -> list[str]:
    return [str(problem) for problem in check.check(folder)]


def test_a_good_set_has_no_fault(good: Path) -> None:
    assert faults(good) == []


@pytest.mark.parametrize(
    ("table", "column", "value", "expected"),
    [
        ("orders", "order_date", "01/02/2016", "order_date '01/02/2016' is not a date (yyyy-mm-dd)"),
        ("orders", "order_date", "2017-02-29", "order_date '2017-02-29' is not a day of the calendar"),
        ("orders", "order_date", "NULL", "order_date has no value"),
        ("orders", "order_status", "5", "order_status '5' is not between 1 and 4"),
        ("orders", "customer_id", "99999", "customer_id '99999' is not in customers.csv"),
        ("orders", "store_id", "9", "store_id '9' is not in stores.csv"),
        ("orders", "staff_id", "99", "staff_id '99' is not in staffs.csv"),
        ("order_items", "product_id", "nothing", "product_id 'nothing' is not in products.csv"),
        ("order_items", "order_id", "0", "order_id '0' is not in orders.csv"),
        ("order_items", "quantity", "1.5", "quantity '1.5' is not a whole number"),
        ("order_items", "quantity", "3000000000", "is not between -2147483648 and 2147483647"),
        ("order_items", "quantity", "٣", "quantity '٣' is not a whole number"),
        ("order_items", "list_price", "12,5", "7 values, but the header has 6"),
        ("order_items", "list_price", "cheap", "list_price 'cheap' is not a number"),
        ("order_items", "list_price", "123456789.00", "list_price '123456789.00' does not fit DECIMAL(10, 2)"),
        ("order_items", "discount", "99.995", "discount '99.995' does not fit DECIMAL(4, 2)"),
        ("products", "brand_id", "77", "brand_id '77' is not in brands.csv"),
        ("products", "category_id", "", "category_id has no value"),
        ("products", "product_name", "x" * 256, f"product_name '{'x' * 40}…' is longer than 255 characters"),
        ("customers", "customer_id", "1234567890123456", "customer_id '1234567890123456' is longer than 15 characters"),
        ("customers", "first_name", "NULL", "first_name has no value"),
        ("customers", "customer_id", "1", "customer_id '1' is there twice"),
        ("customers", "city", "a\0b", "holds a character NUL"),
        ("brands", "brand_id", "01", "brand_id '1' is there twice"),
        ("staffs", "manager_id", "99", "manager_id '99' is not in staffs.csv"),
        ("stocks", "product_id", "999", "product_id '999' is not in products.csv"),
    ],
)
def test_a_fault_is_named_with_file_line_and_reason(
    folder: Path, table: str, column: str, value: str, expected: str
) -> None:
    set_value(folder, table, 4, column, value)
    found = [fault for fault in faults(folder) if fault.startswith(f"{table}.csv, line 4: ")]
    assert len(found) == 1
    assert expected in found[0]


def test_a_completed_order_needs_its_shipped_date(folder: Path) -> None:
    lines = lines_of(folder / "orders.csv")
    line = next(number for number, text in enumerate(lines, 1) if text.split(",")[2] == schema.COMPLETED)
    set_value(folder, "orders", line, "shipped_date", "NULL")
    assert faults(folder) == [f"orders.csv, line {line}: shipped_date has no value, but order_status is 4 (completed)"]


def test_a_pair_of_keys_is_there_once(folder: Path) -> None:
    file = folder / "stocks.csv"
    lines = lines_of(file)
    file.write_bytes("\r\n".join([*lines[:-1], lines[1], ""]).encode())
    assert faults(folder) == [f"stocks.csv, line {len(lines)}: store_id, product_id '1', '1' is there twice"]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("customers", "phone", "NULL"),
        ("customers", "zip_code", ""),
        ("staffs", "manager_id", "NULL"),
        ("orders", "customer_id", "NULL"),
        ("stocks", "quantity", "0"),
        ("order_items", "list_price", "1549"),
        ("order_items", "list_price", ".5"),
        ("order_items", "discount", "0.075"),
        ("products", "product_name", '"Tern 16"" - 2016"'),
    ],
)
def test_what_the_source_takes_is_no_fault(folder: Path, table: str, column: str, value: str) -> None:
    set_value(folder, table, 4, column, value)
    assert faults(folder) == []


@pytest.mark.parametrize("file", schema.FILES)
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert faults(folder) == [f"{file}: is missing in {folder}"]


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path)) == 9
    assert faults(tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'}: is not a folder"]


def test_a_missing_column_is_named(folder: Path) -> None:
    file = folder / "products.csv"
    file.write_text(file.read_text().replace("list_price", "price").replace("model_year", "year"))
    assert faults(folder) == ["products.csv, line 1: column model_year, list_price is missing"]


def test_columns_may_stand_in_another_order_and_beside_others(folder: Path) -> None:
    (folder / "brands.csv").write_text(
        "note,brand_name,brand_id\n" + "".join(f"x,Brand {number},{number}\n" for number in range(1, 10))
    )
    (folder / "staffs.csv").write_text(
        "\n".join(",".join(v for i, v in enumerate(t.split(",")) if i != 5) for t in lines_of(folder / "staffs.csv"))
    )
    assert faults(folder) == []


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda file: file.write_bytes(b""), "brands.csv: is empty: not even a header"),
        (lambda file: file.write_bytes(file.read_bytes() + b"10,\xff\r\n"), "brands.csv, line 11: is not UTF-8"),
        (lambda file: file.write_bytes(file.read_bytes() + b'10,"open\r\n'), "brands.csv, line 11: is not CSV"),
        (lambda file: file.write_bytes(file.read_bytes() + b"10\r\n"), "brands.csv, line 11: 1 values, but the header"),
        (lambda file: file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes()), None),
        (lambda file: file.write_bytes(file.read_bytes() + b"\r\n\r\n"), None),
    ],
)
def test_a_file_that_is_not_csv(folder: Path, break_it: Callable[[Path], object], expected: str | None) -> None:
    break_it(folder / "brands.csv")
    found = [fault for fault in faults(folder) if fault.startswith("brands.csv")]
    assert bool(found) == bool(expected)
    if expected:
        assert found[0].startswith(expected)


def test_a_row_begins_where_its_first_line_is(folder: Path) -> None:
    file = folder / "categories.csv"
    file.write_text(file.read_text() + '8,"two\nlines"\nnine,x\n')
    assert faults(folder) == ["categories.csv, line 11: category_id 'nine' is not a whole number"]


def test_the_list_of_faults_ends(folder: Path) -> None:
    (folder / "products.csv").write_text("product_id,product_name,brand_id,category_id,model_year,list_price\n")
    assert len(check.check(folder)) == 100
    assert len(check.check(folder, limit=3)) == 3


def test_the_command_tells_by_its_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["dataset", "check", str(folder)])
    assert main() == 0
    set_value(folder, "brands", 2, "brand_name", "")
    assert main() == 1
    assert capsys.readouterr().out.endswith("brands.csv, line 2: brand_name has no value\n")
