"""Bytes of results: RowDescription as Amazon's drivers read it, and DataRow with their binary form of DECIMAL.

Protocol 1 adds to each field where it comes from, 2 has numbers as integers of a scale, 3 adds whether case matters; a
driver says which it knows (client_protocol_version), and is told which it gets (server_protocol_version).
https://github.com/aws/amazon-redshift-python-driver (handle_ROW_DESCRIPTION, numeric_in_binary)
https://github.com/aws/amazon-redshift-jdbc-driver (QueryExecutorImpl.receiveFields, ByteConverter.redshiftNumeric)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from velodrome.redshift.wire import ProtocolError, Reader, message

NEWEST = 3
EXTENDED, BINARY, CASE = 1, 2, 3

NUMERIC = 1700
# Intervals, those of years and months, those of days and seconds: in place of a DECIMAL's precision.
INTERVAL_KINDS = {1186: (-1, 0), 1188: (-2, 0), 1190: (-3, 0)}
_CASE_MATTERS = frozenset({18, 19, 25, 1042, 1043})  # types of characters
_NOT_NULL, _CASE, _IDENTITY, _READ_ONLY, _SEARCHABLE = 1 << 0, 1 << 1, 1 << 4, 1 << 8, 1 << 12

_FIELD = struct.Struct("!ihihih")
_HEAD = struct.Struct("!hhHh")
_LENGTH = struct.Struct("!i")
_COUNT = struct.Struct("!h")
_FRAME = struct.Struct("!cIh")
_INTERVAL, _AMAZONS_INTERVAL = struct.Struct("!qii"), struct.Struct("!qhh")
_MONTHS, _MICROSECONDS = struct.Struct("!i"), struct.Struct("!q")
_SIGNS = {0x0000: 1, 0x4000: -1}
_SHORT_PRECISION = 19  # that fits into 8 bytes


class NumericOverflowError(ValueError):
    """A number that the form of its column has no room for."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of RowDescription, `table` and `number` of the column that it is (0 if it is none)."""

    label: bytes
    table: int
    number: int
    type: int
    size: int
    modifier: int
    format: int

    @property
    def numeric(self) -> tuple[int, int]:
        """(precision, scale) of a DECIMAL."""
        return (self.modifier - 4) >> 16 & 0xFFFF, (self.modifier - 4) & 0xFFFF


@dataclass(frozen=True, slots=True)
class Origin:
    """The column that a field is."""

    schema: str
    table: str
    column: str
    not_null: bool
    identity: bool


def read_row_description(body: bytes) -> list[Field]:
    reader = Reader(body)
    fields = [Field(reader.raw_string(), *_FIELD.unpack(reader.take(_FIELD.size))) for _ in range(reader.int16())]
    reader.end()
    return fields


def row_description(
    fields: Sequence[Field], protocol: int, catalog: str, origins: Mapping[tuple[int, int], Origin]
) -> bytes:
    """RowDescription of a protocol; a field whose column is not among the origins comes from none."""
    parts = [_COUNT.pack(len(fields))]
    for field in fields:
        values = (field.table, field.number, field.type, field.size, field.modifier, field.format)
        parts.append(field.label + b"\0" + _FIELD.pack(*values))
        if protocol >= EXTENDED:
            parts.append(_metadata(field, protocol, catalog, origins.get((field.table, field.number))))
    return message(b"T", *parts)


def _metadata(field: Field, protocol: int, catalog: str, origin: Origin | None) -> bytes:
    flags = _CASE if protocol >= CASE and field.type in _CASE_MATTERS else 0
    if origin is None:
        return b"\0\0\0\0" + _COUNT.pack(flags | _READ_ONLY)
    flags |= (_NOT_NULL if origin.not_null else 0) | (_IDENTITY if origin.identity else 0) | _SEARCHABLE
    names = (origin.schema, origin.table, origin.column, catalog)
    return b"".join(name.encode() + b"\0" for name in names) + _COUNT.pack(flags)


def read_result_formats(body: bytes) -> tuple[int, ...]:
    """A Bind's format codes of the results: none (all text), one for all, or one for each."""
    reader = Reader(body)
    reader.raw_string()
    reader.raw_string()
    reader.take(2 * reader.int16())
    for _ in range(reader.int16()):
        length = reader.int32()
        if length != -1:
            reader.take(length)
    formats = tuple(reader.int16() for _ in range(reader.int16()))
    reader.end()
    return formats


def rows_with_numerics(buffer: bytes, at: int, columns: Mapping[int, tuple[int, int]]) -> tuple[bytes, int]:
    """The whole DataRow messages at a position with the DECIMALs and intervals of these columns, (precision, scale) or
    one of INTERVAL_KINDS by their number from 0, in Redshift's binary form; and where what follows begins. Raises
    NumericOverflowError."""
    size, rows = len(buffer), bytearray()
    last = max(columns)
    while size - at >= 7 and buffer[at] == 68:  # 'D'
        _, length, count = _FRAME.unpack_from(buffer, at)
        end = at + 1 + length
        if end > size or end < at + 7:
            break
        if count <= last:
            raise ProtocolError("a row of another result")
        start = len(rows)
        rows += buffer[at : at + 7]
        place = copied = at + 7
        for number in range(last + 1):
            width = int(_LENGTH.unpack_from(buffer, place)[0])
            place += 4
            if width < 0:
                continue
            kind = columns.get(number)
            if kind is not None:
                value = (_interval if kind[0] < 0 else _integer)(buffer[place : place + width], *kind)
                rows += buffer[copied : place - 4]
                rows += _LENGTH.pack(len(value))
                rows += value
                copied = place + width
            place += width
        rows += buffer[copied:end]
        rows[start + 1 : start + 5] = (len(rows) - start - 1).to_bytes(4)
        at = end
    return bytes(rows), at


def _interval(value: bytes, kind: int, _: int) -> bytes:
    """PostgreSQL's binary interval as Amazon's drivers read it."""
    microseconds, days, months = _INTERVAL.unpack(value)
    try:
        if kind == INTERVAL_KINDS[1188][0]:
            return _MONTHS.pack(months)
        if kind == INTERVAL_KINDS[1190][0]:
            return _MICROSECONDS.pack(microseconds + (days + 30 * months) * 86_400_000_000)
        return _AMAZONS_INTERVAL.pack(microseconds, days, months)
    except struct.error:
        raise NumericOverflowError("an interval that is too long") from None


def _integer(value: bytes, precision: int, scale: int) -> bytes:
    """PostgreSQL's binary numeric as an integer of 8 or 16 bytes."""
    count, weight, sign, _ = _HEAD.unpack_from(value)
    if sign not in _SIGNS:
        raise NumericOverflowError("a number that is none or infinite")
    number: int = 0
    for digit in struct.unpack_from(f"!{count}h", value, _HEAD.size):
        number = number * 10_000 + digit
    shift = 4 * (weight - count + 1) + scale
    factor = int(10 ** abs(shift))
    number = number * factor if shift >= 0 else (number + factor // 2) // factor
    try:
        if precision <= _SHORT_PRECISION and number < 1 << 63:
            return (number * _SIGNS[sign]).to_bytes(8, signed=True)
        return (number * _SIGNS[sign]).to_bytes(16, signed=True)
    except OverflowError:
        raise NumericOverflowError("a number of more than 38 digits") from None
