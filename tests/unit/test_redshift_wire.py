"""Bytes of the protocol: what is written reads back, and what is too short, too long or malformed is refused."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velodrome.redshift import wire

TEXT = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@given(TEXT, TEXT, st.lists(st.integers(0, 2**31 - 1), max_size=4))
def test_parse_reads_back(name: str, query: str, types: list[int]) -> None:
    ((kind, body),) = wire.messages(wire.parse(name, query, types))
    assert kind == ord("P")
    assert wire.read_parse(body) == wire.Parse(name, query, tuple(types))


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=4))
def test_startup_reads_back(parameters: dict[str, str]) -> None:
    packet = wire.startup(parameters)
    assert wire.startup_length(packet) == len(packet)
    assert wire.read_startup(packet).parameters == parameters


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (wire.read_query, b"select 1"),
        (wire.read_query, b"select 1\0x"),
        (wire.read_query, b"\xff\0"),
        (wire.read_parse, b"\0select 1\0\0\1"),
        (wire.read_parse, b"\0select 1\0\0\0\0"),
        (wire.read_bind, b"\0\0\0\0\0\1\0\0\0\5ab\0\0"),
        (wire.read_execute, b"\0\0\0"),
        (wire.read_target, b"Xname\0"),
        (wire.read_row, b"\0\1\0\0\0\4ab"),
        (wire.read_fields, b"Mtext\0"),
        (wire.read_empty, b"x"),
    ],
)
def test_a_malformed_body_is_refused(read: object, body: bytes) -> None:
    assert callable(read)
    with pytest.raises(wire.ProtocolError):
        read(body)


@pytest.mark.parametrize("length", [0, 7, wire.LONGEST_STARTUP + 1, -1])
def test_a_startup_packet_of_impossible_length(length: int) -> None:
    with pytest.raises(wire.ProtocolError, match="invalid length of startup packet"):
        wire.startup_length(struct.pack("!i", length))


def test_an_old_protocol_is_refused() -> None:
    with pytest.raises(wire.ProtocolError, match=r"unsupported frontend protocol 2\.0"):
        wire.read_startup(struct.pack("!ii", 8, 2 << 16))


@given(st.binary(max_size=60))
def test_frames_never_read_beyond_what_they_have(data: bytes) -> None:
    try:
        found = wire.frame(data, 0)
    except wire.ProtocolError:
        return
    assert found is None or found[1] >= 5


def test_rows_are_walked_over_to_the_first_other_or_incomplete_message() -> None:
    row = wire.message(b"D", b"\0\0")
    assert wire.skip_rows(row * 3 + wire.command_complete("SELECT 3"), 0) == 3 * len(row)
    assert wire.skip_rows(row * 2 + row[:-1], 0) == 2 * len(row)
    assert wire.skip_rows(b"D\0\0\0\0" + row, 0) == 0


def test_only_binary_values_of_a_bind_are_changed() -> None:
    def bound(formats: tuple[int, ...], *values: bytes | None) -> bytes:
        parts = [struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value for value in values]
        head = struct.pack(f"!h{len(formats)}hh", len(formats), *formats, len(values))
        return wire.message(b"B", b"p\0s\0", head, *parts, struct.pack("!hh", 1, 1))

    def double(_: int, value: bytes) -> bytes:
        return value * 2

    assert wire.bind_values(bound((1, 0), b"ab", b"cd"), double) == bound((1, 0), b"abab", b"cd")
    assert wire.bind_values(bound((1,), b"a", None, b""), double) == bound((1,), b"aa", None, b"")
    assert wire.bind_values(bound((), b"a"), double) == bound((), b"a")


READERS: tuple[Callable[[bytes], object], ...] = (
    wire.read_query,
    wire.read_parse,
    wire.read_bind,
    wire.read_execute,
    wire.read_target,
    wire.read_empty,
    wire.read_password,
    wire.read_sasl_initial,
    wire.read_digest,
    wire.read_row,
    wire.read_fields,
    wire.read_status,
    wire.startup_length,
    wire.read_startup,
    lambda data: wire.frame(data, 0),
    lambda data: wire.skip_rows(data, 0),
    lambda data: wire.bind_values(wire.message(b"B", data), lambda _, value: value),
    lambda data: list(wire.messages(data)),
)
GOOD = (
    b"select 1\0",
    b"name\0select $1\0\0\1\0\0\0\x17",
    b"portal\0name\0\0\1\0\1\0\2\0\0\0\1x\xff\xff\xff\xff\0\1\0\0",
    b"portal\0\0\0\0\0",
    b"Sname\0",
    b"SCRAM-SHA-256\0\0\0\0\5n,,n=",
    b"\0\2\0\0\0\1x\xff\xff\xff\xff",
    b"SERROR\0C42601\0Mtext\0\0",
    wire.startup({"user": "u", "database": "d"}),
    wire.query("select 1") + wire.SYNC,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good body cut, or with a few of its bytes exchanged, left out or put in."""
    data = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 4))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at + gone :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@settings(max_examples=1000)
@given(st.one_of(damaged(), st.binary(max_size=80)))
def test_no_reader_raises_anything_but_a_protocol_error(data: bytes) -> None:
    for read in READERS:
        with contextlib.suppress(wire.ProtocolError):
            read(data)
