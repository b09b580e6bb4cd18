"""Random tables for the tests of aws_s3: columns of all sorts of types, under names of all sorts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

# Made anew for each example, in the schema `made`.
TYPES = """
CREATE TYPE made."Mood" AS ENUM ('good', 'bad', 'it''s "so", so', '');
CREATE DOMAIN made.small AS int CHECK (VALUE < 100);
CREATE DOMAIN made.smaller AS made.small CHECK (VALUE > -100);
CREATE DOMAIN made.price AS numeric(8, 2);
CREATE DOMAIN made.word AS varchar(5) CHECK (VALUE !~ ' ');
CREATE TYPE made.pair AS (a int, b text);
CREATE FUNCTION made.good(int) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN true;
CREATE FUNCTION made.same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""

# What CSV, COPY's text format, a shell or a query may stumble over.
PIECES = [
    *("a", "B", "0", " ", "\n", "\r\n", "\r", "\t", "\\", "\\.", "\\N", "\\x41", "\x01", "\x02", "\x7f", ",", ";", "|"),
    *('"', '""', "'", "''", "$$", "$(x)", "`x`", "%s", "%", "NULL", "null", "é", "ß", "Σ", "😀", "{", "}", "(", ")"),
]
TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.sampled_from(["", "\\.", "\\N", "NULL", " ", "\n", '"', "end\\", "x" * 5000, "\ufeff", "\ufffd", "e\u0301"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
)


def whole(bits: int) -> st.SearchStrategy[str]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).map(str)


def decimals(digits: int, places: int) -> st.SearchStrategy[str]:
    bound = 10**digits - 1
    return st.integers(-bound, bound).map(lambda n: f"{n}e-{places}")


def array(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def literal(items: list[str | None]) -> str:
        escaped = ("NULL" if i is None else '"' + i.replace("\\", "\\\\").replace('"', '\\"') + '"' for i in items)
        return "{" + ",".join(escaped) + "}"

    return st.lists(st.none() | elements, max_size=4).map(literal)


def ranges(low: int, high: int) -> st.SearchStrategy[str]:
    def literal(ends: tuple[int, int, str, str]) -> str:
        return f"{ends[2]}{min(ends[:2])},{max(ends[:2])}{ends[3]}"

    number = st.integers(low, high)
    bounded = st.tuples(number, number, st.sampled_from("[("), st.sampled_from(")]")).map(literal)
    return bounded | st.sampled_from(["empty", "(,)", "[5,)", "(,5)"])


_DATES = st.dates().map(str) | st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "5874897-12-31", "epoch"])
_TIMES = st.datetimes().map(str) | st.sampled_from(["infinity", "-infinity", "0044-03-15 10:00:00.000001 BC", "epoch"])
_ZONED = st.datetimes().map(lambda time: f"{time}+05:30")
_FLOATS = st.floats().map(repr) | st.sampled_from(["NaN", "Infinity", "-Infinity", "-0", "1e-307"])
_SINGLES = st.floats(width=32).map(repr)
_INTERVALS = st.tuples(*(st.integers(-(10**6), 10**6) for _ in range(3))).map(
    lambda n: f"{n[0]} months {n[1]} days {n[2] / 1000} seconds"
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT.map(lambda text: text[:40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PIECES), inner, max_size=3),
    max_leaves=6,
).map(json.dumps)
_MOODS = st.sampled_from(["good", "bad", 'it\'s "so", so', ""])
_SMALL = st.integers(-99, 99).map(str)
_BITS = st.text("01", max_size=12)
_ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
)

# SQL's name of a type, and what its values look like. Values are made by PostgreSQL, from text.
KINDS: list[tuple[str, st.SearchStrategy[str]]] = [
    ("int2", whole(16)),
    ("int4", whole(32)),
    ("int8", whole(64)),
    ("numeric", decimals(40, 20) | st.sampled_from(["NaN", "Infinity", "-Infinity", "0.00", "1e100"])),
    ("numeric(10,2)", decimals(10, 2) | st.just("NaN")),
    ("numeric(3,-2)", whole(16)),
    ("float8", _FLOATS),
    ("float4", _SINGLES),
    ("bool", st.sampled_from(["true", "false"])),
    ("text", TEXT),
    ("text", TEXT),
    ("varchar", TEXT),
    ("varchar(8)", TEXT.map(lambda text: text[:8])),
    ("char(6)", TEXT.map(lambda text: text[:6])),
    ('"char"', st.sampled_from(["", "a", "\\", '"'])),
    ("name", TEXT.map(lambda text: text[:10])),
    ("bytea", st.binary(max_size=40).map(lambda data: "\\x" + data.hex())),
    ("bit varying(12)", _BITS),
    ("bit(3)", st.text("01", min_size=3, max_size=3)),
    ("date", _DATES),
    ("time", st.times().map(str)),
    ("timetz", st.times().map(lambda time: f"{time}-03:30")),
    ("timestamp", _TIMES),
    ("timestamp(0)", _TIMES),
    ("timestamptz", _ZONED),
    ("interval", _INTERVALS),
    ("interval hour to minute", _INTERVALS),
    ("uuid", st.uuids().map(str)),
    ("json", _JSON),
    ("jsonb", _JSON),
    ("inet", _ADDRESSES),
    ("macaddr", st.just("08:00:2b:01:02:03")),
    ("money", whole(32)),
    ("pg_lsn", st.just("16/B374D848")),
    ("tsvector", st.sampled_from(["'it''s':1A 'b':2,3", "", "'\\\\':1"])),
    ("point", st.tuples(_SINGLES, _SINGLES).map(lambda pair: f"({pair[0]},{pair[1]})")),
    ("regclass", st.sampled_from(["pg_class", "made.pair", "7"])),
    ("int4range", ranges(-(10**6), 10**6)),
    ("numrange", ranges(-(10**6), 10**6)),
    ("int8multirange", st.lists(ranges(-(10**6), 10**6), max_size=3).map(lambda many: "{" + ",".join(many) + "}")),
    ("int4[]", array(whole(32)) | st.sampled_from(["{{1,2},{3,NULL}}", "[0:1]={7,8}"])),
    ("numeric(6,1)[]", array(decimals(6, 1))),
    ("text[]", array(TEXT.map(lambda text: text[:30]))),
    ("date[]", array(st.dates().map(str))),
    ('made."Mood"', _MOODS),
    ("made.small", _SMALL),
    ("made.smaller", _SMALL),
    ("made.price", decimals(8, 2)),
    ("made.word", TEXT.map(lambda text: text.replace(" ", "")[:5])),
    ('made."Mood"[]', array(_MOODS)),
    ("made.small[]", array(_SMALL)),
    ("made.pair", st.sampled_from(["(1,)", '(,"a ""b"", c")', '(7,"x\n")'])),
]

_NAMES = st.sampled_from(
    ["id", "Upper", "two words", 'quo"te', "it's", "a,b", "a;b", "ünï", "名前", "$1", "%s", "select", "c1", "rows"]
) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda name: name.lower() not in ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
)

# Their binary form could only be read by code of the type's owner; the import says so.
NOT_IN_BINARY = {'made."Mood"[]', "made.small[]", "made.pair"}

# What may be about a table that the rows go into; each is SQL after its making.
GUARDS = {
    "": "",
    "a trigger": "CREATE TRIGGER same BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION made.same()",
    "a check by a function": "ALTER TABLE {} ADD CHECK (made.good(1))",
    "a plain check": "ALTER TABLE {} ADD CHECK (1 < 2)",
    "a serial": 'ALTER TABLE {} ADD "its own" serial',
}


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    pool: tuple[str | None, ...]


@dataclass(frozen=True)
class Table:
    """`rows` rows, each column's values taken from its pool by chance: few draws, and a table as large as one likes."""

    columns: tuple[Column, ...]
    rows: int
    seed: int
    guard: str

    def definition(self) -> str:
        return ", ".join(f"{identifier(column.name)} {column.type}" for column in self.columns)

    def content(self) -> list[list[str | None]]:
        chance = Random(self.seed)
        return [[chance.choice(column.pool) for column in self.columns] for _ in range(self.rows)]


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@st.composite
def tables(draw: st.DrawFn) -> Table:
    names = draw(st.lists(_NAMES, min_size=1, max_size=8, unique=True))
    columns = []
    for name in names:
        type_name, values = draw(st.sampled_from(KINDS))
        pool = draw(st.lists(st.none() | values, min_size=1, max_size=5))
        columns.append(Column(name, type_name, tuple(pool)))
    return Table(
        tuple(columns),
        rows=draw(st.integers(0, 200)),
        seed=draw(st.integers(0, 10**6)),
        guard=draw(st.sampled_from(sorted(GUARDS))),
    )
