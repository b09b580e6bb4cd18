"""Intervals as Amazon's drivers write them: 8 bytes of microseconds, 2 of days, 2 of months; PostgreSQL has 8, 4, 4.

The way back is a function of the server inside (catalog/05_wire.sql).
https://github.com/aws/amazon-redshift-python-driver (interval_send_integer)
"""

from __future__ import annotations

import struct

OID = 1186
_AMAZON = struct.Struct("!qhh")
_POSTGRES = struct.Struct("!qii")


def from_amazon(value: bytes) -> bytes:
    """The same interval as PostgreSQL reads it; a value of any other length is left to its error."""
    return _POSTGRES.pack(*_AMAZON.unpack(value)) if len(value) == _AMAZON.size else value
