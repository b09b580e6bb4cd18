"""Intervals as Amazon's drivers write them: 8 bytes of microseconds, 2 of days, 2 of months; PostgreSQL has 8, 4, 4.
Those of years and months are 4 bytes of months, those of days and seconds 8 of microseconds, each of a type of its own.

https://github.com/aws/amazon-redshift-python-driver (interval_send_integer, intervaly2m_send_integer)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from velodrome.redshift.wire_rows import INTERVAL_KINDS, Field

OID = 1186
OIDS = frozenset(INTERVAL_KINDS)
_YEARS_TO_MONTHS, _DAYS_TO_SECONDS = 1188, 1190
# Fields of years and months in a modifier, YEAR is 4, MONTH is 2: src/include/utils/datetime.h of PostgreSQL
_MONTHS_ALONE = (2, 4, 6)
_AMAZON = struct.Struct("!qhh")
_POSTGRES = struct.Struct("!qii")
_MONTHS = struct.Struct("!i")
_MICROSECONDS = struct.Struct("!q")
_DAY = 86_400_000_000


def known(types: Sequence[int]) -> Sequence[int]:
    """Declared types of parameters as the server inside knows them; the same object if it knows all."""
    return [OID if oid in OIDS else oid for oid in types] if not OIDS.isdisjoint(types) else types


def described(fields: Sequence[Field]) -> list[Field]:
    """The fields of a result with the types that Amazon's drivers know of intervals: a modifier tells which it is."""
    return [
        replace(field, type=_YEARS_TO_MONTHS if (field.modifier >> 16) & 32767 in _MONTHS_ALONE else _DAYS_TO_SECONDS)
        if field.type == OID and field.modifier >= 0
        else field
        for field in fields
    ]


def from_amazon(value: bytes) -> bytes:
    """The same interval as PostgreSQL reads it; a value of any other length is left to its error."""
    if len(value) == _AMAZON.size:
        return _POSTGRES.pack(*_AMAZON.unpack(value))
    if len(value) == _MONTHS.size:
        return _POSTGRES.pack(0, 0, *_MONTHS.unpack(value))
    if len(value) == _MICROSECONDS.size:
        (whole,) = _MICROSECONDS.unpack(value)
        days, rest = divmod(abs(whole), _DAY)
        return _POSTGRES.pack(*((rest, days, 0) if whole >= 0 else (-rest, -days, 0)))
    return value
