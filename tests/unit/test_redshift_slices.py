"""Rows of Parquet files in slices of bounded bytes, whatever the file makes of them."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from velodrome.redshift.slices import MOST_ROWS, slices

LONG = "y" * 43_000


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize(
    ("rows", "value", "most", "expected"),
    [
        (100, lambda row: LONG, 200_000, 25),
        (100, lambda row: f"{row}{LONG}", 200_000, 25),
        (10, lambda row: LONG if row == 5 else "", 1_000, 3),
        (3, lambda row: LONG, 1, 3),
        (MOST_ROWS + 1, lambda row: "", 1 << 30, 2),
        (2, lambda row: None, 1_000, 1),
        (0, lambda row: "", 1_000, 0),
    ],
)  # fmt: skip
def test_slices(dictionary: bool, rows: int, value: object, most: int, expected: int) -> None:
    texts = [value(row) for row in range(rows)]  # type: ignore[operator]
    table = pa.table({"id": pa.array(range(rows), pa.int32()), "text": pa.array(texts, pa.string())})
    file = io.BytesIO()
    pq.write_table(table, file, use_dictionary=dictionary)
    found = list(slices(pq.ParquetFile(file), file, most))
    assert len(found) == expected
    assert all(part.num_rows == 1 or part.nbytes <= most + 1_000 for part in found)
    assert pa.Table.from_batches(found, table.schema) == table if found else not rows
