"""Results in the bytes of Amazon's protocols: where fields come from, and numbers as integers of a scale."""

from __future__ import annotations

import struct
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velodrome.redshift import wire
from velodrome.redshift.numbers import decimals
from velodrome.redshift.wire_rows import (
    NUMERIC,
    Field,
    NumericOverflowError,
    Origin,
    read_row_description,
    row_description,
    rows_with_numerics,
)


def sent(value: str) -> bytes:
    """A number as PostgreSQL sends it in binary: groups of four digits."""
    if value == "NaN":
        return struct.pack("!hhHh", 0, 0, 0xC000, 0)
    whole, _, fraction = value.lstrip("-").partition(".")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    digits = whole + fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        groups, weight = groups[1:], weight - 1
    while groups and groups[-1] == 0:
        groups.pop()
    sign = 0x4000 if value.startswith("-") and groups else 0
    return struct.pack(f"!hhHh{len(groups)}h", len(groups), weight, sign, len(fraction), *groups)


def row(*values: bytes | None) -> bytes:
    packed = [struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value for value in values]
    return wire.message(b"D", struct.pack("!h", len(values)), *packed)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28))
def test_numbers(value: Decimal) -> None:
    text = f"{value:f}"
    rows, end = rows_with_numerics(row(b"a", sent(text), None), 0, {1: (38, 9)})
    ((_, body),) = wire.messages(rows)
    first, number, last = wire.read_row(body)
    assert (first, last, len(number or b"")) == (b"a", None, 16) and end == len(row(b"a", sent(text), None))
    assert int.from_bytes(number or b"", signed=True) == int(value.scaleb(9, Context(prec=60)))


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("1.50", (9, 2), (150).to_bytes(8)),
        ("-0.01", (9, 2), (-1).to_bytes(8, signed=True)),
        ("0", (9, 2), bytes(8)),
        ("9223372036854775807", (19, 0), (2**63 - 1).to_bytes(8)),
        ("9999999999999999999", (19, 0), (10**19 - 1).to_bytes(16)),
        ("0.00005", (38, 4), (1).to_bytes(16)),
        ("-0.00005", (38, 4), (-1).to_bytes(16, signed=True)),
        ("0.00004", (38, 4), bytes(16)),
    ],
)
def test_length_and_rounding(text: str, kind: tuple[int, int], expected: bytes) -> None:
    rows, _ = rows_with_numerics(row(sent(text)), 0, {0: kind})
    assert rows == row(expected)


@pytest.mark.parametrize("text", ["NaN", "9" * 38 + ".5"])
def test_no_room(text: str) -> None:
    with pytest.raises(NumericOverflowError):
        rows_with_numerics(row(sent(text)), 0, {0: (38, 1)})


def test_half_a_row_is_left() -> None:
    whole = row(sent("1.5"))
    rows, end = rows_with_numerics(whole * 2 + whole[:9], 0, {0: (9, 1)})
    assert (rows, end) == (row((15).to_bytes(8)) * 2, 2 * len(whole))
    with pytest.raises(wire.ProtocolError, match="a row of another result"):
        rows_with_numerics(whole, 0, {1: (9, 1)})


FIELD = Field(b"a", 16400, 2, 1043, -1, 24, 0)


@pytest.mark.parametrize(
    ("protocol", "flags"), [(0, None), (1, 0x1011), (2, 0x1011), (3, 0x1013)]
)  # fmt: skip
def test_descriptions(protocol: int, flags: int | None) -> None:
    origin = Origin("s", "t", "c", True, True)
    described = row_description([FIELD], protocol, "dev", {(16400, 2): origin})
    plain = row_description([FIELD], 0, "dev", {})
    assert read_row_description(plain[5:]) == [FIELD]
    more = b"" if flags is None else b"s\0t\0c\0dev\0" + struct.pack("!h", flags)
    assert described[5:] == plain[5:] + more


def test_a_number_without_a_scale_is_given_one() -> None:
    bare, bound = Field(b"n", 0, 0, NUMERIC, -1, -1, 1), Field(b"m", 0, 0, NUMERIC, -1, (9 << 16 | 2) + 4, 1)
    assert [field.numeric for field in decimals([bare, bound], "select n, m")] == [(38, 18), (9, 2)]
    assert [field.numeric for field in decimals([bare], "select a / b")] == [(38, 20)]
    both = decimals([bare, bare, bare], "select /* / */ AVG(b), max(c), stddev_pop(d) from t union all select 1, 2, 3")
    assert [field.numeric for field in both] == [(38, 20), (38, 18), (38, 20)]
    assert [field.numeric for field in decimals([bare, bare], "select *, a / b from t")] == [(38, 18), (38, 20)]
    assert [field.numeric for field in decimals([bare, bare], "select * from t where a / b > 1")] == [(38, 20)] * 2
    assert decimals([FIELD], "select a") == [FIELD]
