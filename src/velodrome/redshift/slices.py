"""Rows of Parquet files in slices of bounded size: what a load holds does not grow with the length of its values.

A column that a file keeps as a dictionary stays one until its rows are sliced: a few long values that every row repeats
are megabytes in the file and gigabytes as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

MOST_ROWS = 50_000
SLICE_BYTES = 4 << 20
_BATCH_BYTES = 32 << 20
_FIXED_BYTES = 16  # of a value that is no text: the largest is a decimal's


def slices(file: pq.ParquetFile, source: Any, most_bytes: int = SLICE_BYTES) -> Iterator[pa.RecordBatch]:
    """The rows in order. A slice holds as many as fit into the bytes, and at least one; `source` is what the file was
    opened from."""
    columns = _dictionaries(file)
    if columns:
        file = pq.ParquetFile(source, metadata=file.metadata, read_dictionary=columns, coerce_int96_timestamp_unit="us")
    for batch in file.iter_batches(batch_size=_batch_rows(file.metadata)):
        yield from _sliced(batch, most_bytes)


def _dictionaries(file: pq.ParquetFile) -> list[str]:
    """The columns of text that are dictionaries in the file."""
    meta = file.metadata
    if not meta.num_row_groups or len(file.schema) != len(file.schema_arrow):
        return []  # nested columns are refused
    first = meta.row_group(0)
    return [
        first.column(number).path_in_schema
        for number, field in enumerate(file.schema_arrow)
        if _is_text(field.type)
        if any("DICTIONARY" in encoding for encoding in first.column(number).encodings)
    ]


def _batch_rows(meta: pq.FileMetaData) -> int:
    groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
    widest = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=0)
    return max(1, min(MOST_ROWS, int(_BATCH_BYTES / max(widest, 1))))


def _sliced(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    start = 0
    for end in _ends(_row_bytes(batch), most_bytes):
        part = batch.slice(start, end - start)
        yield pa.RecordBatch.from_arrays([_plain(array) for array in part.columns], names=part.schema.names)
        start = end


def _ends(sizes: pa.Array, most_bytes: int) -> Iterator[int]:
    """Past the last row of each slice."""
    if (pc.sum(sizes).as_py() or 0) <= most_bytes:
        yield len(sizes)
        return
    total = 0
    for row, size in enumerate(sizes.to_pylist()):
        if total and total + size > most_bytes:
            yield row
            total = 0
        total += size
    yield len(sizes)


def _row_bytes(batch: pa.RecordBatch) -> pa.Array:
    """How many bytes the values of each row are, with their lengths."""
    sizes = pa.repeat(pa.scalar(2 + (4 + _FIXED_BYTES) * batch.num_columns, pa.int64()), batch.num_rows)
    for array in batch.columns:
        values = array.dictionary if pa.types.is_dictionary(array.type) else array
        if not _is_text(values.type):
            continue
        lengths = pc.cast(pc.binary_length(values), pa.int64())
        if values is not array:
            lengths = pc.take(lengths, array.indices)
        sizes = pc.add(sizes, pc.fill_null(lengths, 0))
    return sizes


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_binary(kind) or types.is_large_string(kind))


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
