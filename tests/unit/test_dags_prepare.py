"""The preparation of the data set: what it changes, and how it names what it cannot use."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "airflow" / "dags"
sys.path.append(str(DAGS))

from bike_store.dataset import DatasetError  # noqa: E402
from bike_store.prepare import Preparation, to_csv  # noqa: E402

# Shaped as the real ones: CRLF, blanks at the end, quotes, the text NULL.
FILES = {
    "brands": "brand_id,brand_name\r\n1,Electra\r\n2,Haro\r\n",
    "categories": "category_id,category_name\r\n1,Children Bicycles\r\n",
    "stores": "store_id,store_name,phone,email,street,city,state,zip_code\r\n"
    "1,Santa Cruz Bikes,(831) 476-4321,santacruz@bikes.shop,3700 Portola Drive,Santa Cruz,CA,95060\r\n",
    "staffs": "staff_id,first_name,last_name,email,phone,active,store_id,manager_id\r\n"
    "2,Mireya,Copeland,mireya.copeland@bikes.shop,(831) 555-5555,1,1,1\r\n"
    "1,Fabiola,Jackson,fabiola.jackson@bikes.shop,(831) 555-5554,1,1,NULL\r\n"
    "3,Genna,Serrano,genna.serrano@bikes.shop,(831) 555-5556,0,1,\r\n",
    "products": "product_id,product_name,brand_id,category_id,model_year,list_price\r\n"
    '1,"Electra Girl\'s Hawaii 1 16"" - 2017",1,1,2017,299.99\r\n',
    "customers": "customer_id,first_name,last_name,phone,email,street,city,state,zip_code\r\n"
    "1,Debra,Burks,NULL,debra.burks@yahoo.com,9273 Thorne Ave. ,Orchard Park,NY,14127\r\n"
    "2,Kasha,Todd,NULL,kasha.todd@yahoo.com,910 Vine Street ,Campbell,CA,95008\r\n",
    "orders": "order_id,customer_id,order_status,order_date,required_date,shipped_date,store_id,staff_id\r\n"
    "1,1,4,2016-03-01,2016-03-03,2016-03-02,1,2\r\n"
    "2,1,3,2016-02-28,2016-02-29,NULL,1,2\r\n"
    "3,1,2,2016-04-01,2016-04-03,NULL,1,2\r\n"
    "4,NULL,1,2016-01-05,2016-01-07,NULL,1,2\r\n",
    "order_items": "order_id,item_id,product_id,quantity,list_price,discount\r\n"
    "1,1,1,2,299.99,0.2\r\n1,2,1,1,299.99,0.07\r\n",
    "stocks": "store_id,product_id,quantity\r\n1,1,27\r\n",
}

Prepare = Callable[..., dict[str, list[dict[str, str]]]]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Prepares the files above, with some of them changed; None is a file that is not there."""

    def run(time_zone: str = "UTC", **changes: str | None) -> dict[str, list[dict[str, str]]]:
        for table, text in (FILES | changes).items():
            if text is not None:
                (tmp_path / f"{table}.csv").write_bytes(text.encode("utf-8", "surrogateescape"))

        @contextmanager
        def opener(table: str) -> Iterator[Iterable[str]]:
            with (tmp_path / f"{table}.csv").open(encoding="utf-8-sig", newline="") as lines:
                yield lines

        found = {}
        for table, columns, rows in Preparation(opener, time_zone).tables():
            file = io.BytesIO()
            count = to_csv(columns, rows, file)
            found[table] = list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))
            assert len(found[table]) == count
        return found

    return run


def test_values_stay_as_they_are(prepare: Prepare) -> None:
    found = prepare()
    assert found["products"][0]["product_name"] == "Electra Girl's Hawaii 1 16\" - 2017"
    assert found["customers"][0]["street"] == "9273 Thorne Ave. "
    assert found["order_items"][1] == {
        "order_id": "1",
        "item_id": "2",
        "product_id": "1",
        "quantity": "1",
        "list_price": "299.99",
        "discount": "0.07",
    }
    assert found["stocks"] == [{"store_id": "1", "product_id": "1", "quantity": "27"}]


def test_null_is_nothing_between_two_commas(prepare: Prepare) -> None:
    assert prepare()["customers"][0]["phone"] == ""


def test_customers_begin_with_their_first_order(prepare: Prepare) -> None:
    first, second = prepare()["customers"]
    assert first["created_at"] == first["updated_at"] == "2016-02-28 00:00:00 UTC"
    assert second["created_at"] == second["updated_at"] == "2016-01-01 00:00:00 UTC"
    assert first["is_active"] == second["is_active"] == "Y"


def test_staffs_have_a_manager_and_no_flag_of_their_own(prepare: Prepare) -> None:
    staffs = prepare()["staffs"]
    assert "active" not in staffs[0]
    assert [staff["manager_id"] for staff in staffs] == ["1", "1", "1"]
    assert [staff["is_active"] for staff in staffs] == ["Y", "Y", "Y"]


def test_orders_get_status_and_date(prepare: Prepare) -> None:
    orders = prepare()["orders"]
    assert "order_status" not in orders[0]
    assert [(order["order_status_id"], order["updated_at"]) for order in orders] == [
        ("3", "2016-03-02 00:00:00 UTC"),
        ("2", "2016-03-01 00:00:00 UTC"),
        ("1", "2016-04-01 00:00:00 UTC"),
        ("1", "2016-01-05 00:00:00 UTC"),
    ]
    assert [order["customer_id"] for order in orders] == ["1", "1", "1", ""]


def test_order_status_is_new(prepare: Prepare) -> None:
    assert prepare()["order_status"] == [
        {"order_status_id": "1", "order_status": "Pending"},
        {"order_status_id": "2", "order_status": "Rejected"},
        {"order_status_id": "3", "order_status": "Completed"},
    ]


def test_days_are_those_of_the_business(prepare: Prepare) -> None:
    assert prepare("America/New_York")["products"][0]["updated_at"] == "2016-01-01 00:00:00 America/New_York"


def test_further_columns_a_byte_order_mark_and_blank_lines_do_no_harm(prepare: Prepare) -> None:
    found = prepare(brands="\ufeffbrand_name,note,brand_id\nElectra,x,1\n\nHaro,y,2\n\n")
    assert found["brands"] == [{"brand_id": "1", "brand_name": "Electra"}, {"brand_id": "2", "brand_name": "Haro"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stocks": None, "brands": None}, "brands.csv, stocks.csv: missing in the data set"),
        ({"brands": ""}, "brands.csv: is empty: not even a header"),
        ({"brands": "brand_id,name\n1,x\n"}, "brands.csv, line 1: column brand_name is missing"),
        ({"brands": "brand_id,brand_name\n1\n"}, "brands.csv, line 2: 1 values, but the header has 2"),
        ({"brands": "brand_id,brand_name\n1,NULL\n"}, "brands.csv, line 2: brand_name has no value"),
        ({"brands": "brand_id,brand_name\none,x\n"}, "brands.csv, line 2: brand_id 'one' is not a whole number"),
        (
            {"brands": "brand_id,brand_name\n3000000000,x\n"},
            "brands.csv, line 2: brand_id '3000000000' is out of range",
        ),
        ({"brands": 'brand_id,brand_name\n1,"two\nlines"\n1,x\n'}, "brands.csv, line 4: brand_id '1' is there twice"),
        ({"brands": 'brand_id,brand_name\n1,"x\n'}, "brands.csv, line 2: unexpected end of data"),
        ({"brands": "brand_id,brand_name\n1,\udcff\n"}, "brands.csv, line 1: is not UTF-8"),
        (
            {"products": FILES["products"].replace("299.99", "12345678901")},
            "products.csv, line 2: list_price '12345678901' does not fit DECIMAL(10, 2)",
        ),
        (
            {"products": FILES["products"].replace("299.99", "nan")},
            "products.csv, line 2: list_price 'nan' is not a number",
        ),
        (
            {"products": FILES["products"].replace(",1,1,2017", ",9,1,2017")},
            "products.csv, line 2: brand_id '9' is not in brands.csv",
        ),
        (
            {"customers": FILES["customers"].replace("2,Kasha", "1234567890123456,Kasha")},
            "customers.csv, line 3: customer_id '1234567890123456' is longer than 15 characters",
        ),
        (
            {"staffs": FILES["staffs"].replace("1,Fabiola", "4,Fabiola")},
            "staffs.csv, line 2: manager_id '1' is not in staffs.csv",
        ),
        (
            {"staffs": FILES["staffs"].replace("1,Fabiola", "4,Fabiola").replace("1,1,1\r", "1,1,4\r")},
            "staffs.csv, line 3: manager_id has no value, and there is no staff 1 to stand in",
        ),
        ({"staffs": FILES["staffs"].replace("3,Genna", "2,Genna")}, "staffs.csv, line 4: staff_id '2' is there twice"),
        (
            {"orders": FILES["orders"].replace("2016-02-29", "2017-02-29")},
            "orders.csv, line 3: required_date '2017-02-29' is not a date (yyyy-mm-dd)",
        ),
        (
            {"orders": FILES["orders"].replace("1,1,4,", "1,1,5,")},
            "orders.csv, line 2: order_status '5' is none of 1, 2, 3, 4",
        ),
        (
            {"orders": FILES["orders"].replace("2016-03-02", "NULL")},
            "orders.csv, line 2: shipped_date has no value, but order_status is 4 (completed)",
        ),
        (
            {"order_items": FILES["order_items"].replace("1,2,1,", "9,2,1,")},
            "order_items.csv, line 3: order_id '9' is not in orders.csv",
        ),
    ],
)
def test_errors_name_file_line_and_reason(prepare: Prepare, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(DatasetError) as error:
        prepare(**changes)
    assert str(error.value) == message
