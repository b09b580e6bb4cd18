"""Random tables and options through query_export_to_s3 and back through table_import_from_s3.

What PostgreSQL's own COPY gives and takes for the same options says what is right. A thousand examples:

    python -m pytest tests/services/test_aws_s3_random.py --hypothesis-profile thousand
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from aws_s3_cases import BUCKET, EXPORT, IMPORT, REGION, Bucket
from aws_s3_options import Options, notations, options
from aws_s3_tables import GUARDS, NOT_IN_BINARY, TYPES, Column, Table, identifier, tables
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from psycopg import errors

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Case:
    table: Table
    chosen: tuple[Column, ...]  # which of its columns are exported, in which order
    options: Options
    export_options: str
    import_options: str
    file_size: str | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    table = draw(tables())
    everything = st.just(list(table.columns))
    some = st.lists(st.sampled_from(table.columns), min_size=1, unique=True)
    chosen = tuple(draw(everything | some))
    texts = [column.name + "".join(value or "" for value in column.pool) for column in chosen]
    # Above U+00FF is what LATIN1 lacks; and JSON's escapes may become it.
    latin1 = all(max(map(ord, text)) < 256 and "\\u" not in text for text in texts)
    given_options = draw(options([column.name for column in chosen], latin1=latin1))
    return Case(
        table,
        chosen,
        given_options,
        draw(notations(given_options, to=True)),
        draw(notations(given_options, to=False)),
        draw(st.sampled_from([None, None, "1kB", "100"])),
    )


def copy_to(db: Connection, source: str, given_options: str = "") -> bytes:
    with db.cursor().copy(f"COPY {source} TO STDOUT {given_options}".encode()) as copy:
        return b"".join(copy)


def rows(db: Connection, source: str) -> list[bytes]:
    """A line for each. They may lie in the table in another order: rows that came one by one fill the gaps."""
    return sorted(copy_to(db, source).splitlines(keepends=True))


class Outcome:
    """The content of a table after a load, or the error that it ended with."""

    def __init__(self, db: Connection, table: str) -> None:
        self.db, self.table = db, table
        self.error: psycopg.Error | None = None

    def __enter__(self) -> Outcome:
        self.db.execute("SAVEPOINT before")
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, psycopg.Error):
            self.error = error
            self.db.execute("ROLLBACK TO before")
        return isinstance(error, psycopg.Error)

    def found(self) -> str | list[bytes]:
        """The same for two loads that went the same way."""
        if self.error:
            return f"{self.error.sqlstate} {self.error.diag.message_primary}"
        return rows(self.db, self.table)


def bare(data: bytes, empty: bytes, form: str) -> bytes:
    """A file's rows alone; `empty` is what a file without any has."""
    if form != "binary":
        assert data.startswith(empty)
        return data[len(empty) :]
    assert (data[:19], data[-2:]) == (empty[:19], empty[19:])
    return data[19:-2]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
def test_there_and_back(db: Connection, bucket: Bucket, case: Case) -> None:
    try:
        there_and_back(db, bucket, case)
    finally:
        db.rollback()
        for key in bucket.keys("random"):
            bucket.s3.delete_object(Bucket=BUCKET, Key=key)


def there_and_back(db: Connection, bucket: Bucket, case: Case) -> None:
    make(db, case)
    names = ", ".join(identifier(column.name) for column in case.chosen)
    query = f"SELECT {names} FROM made.source"
    row = db.execute(EXPORT, [query, BUCKET, "random", REGION, case.export_options]).fetchone()
    keys = ["random", *(f"random_part{number}" for number in range(2, len(bucket.keys("random")) + 1))]
    files = [bucket.body(key) for key in keys]
    assert row == (case.table.rows, len(files), sum(map(len, files)))
    assert len(files) == 1 or case.file_size

    as_copied = copy_to(db, f"({query})", case.options.sql(to=True))
    empty = copy_to(db, f"({query} WHERE false)", case.options.sql(to=True))
    form = case.options.format
    assert b"".join(bare(data, empty, form) for data in files) == bare(as_copied, empty, form)

    with Outcome(db, "made.copied") as copied:
        for data in files:
            with db.cursor().copy(
                f"COPY made.copied ({names}) FROM STDIN {case.options.sql(to=False)}".encode()
            ) as copy:
                copy.write(data)
    columns = "" if case.chosen == case.table.columns and not case.table.guard else names
    said = []
    with Outcome(db, "made.target") as imported:
        for key in keys:
            answer = db.execute(IMPORT, ["made.target", columns, case.import_options, BUCKET, key, REGION]).fetchone()
            assert answer is not None
            said.append(int(answer[0].split()[0]))
    if form == "binary" and not {column.type for column in case.chosen}.isdisjoint(NOT_IN_BINARY):
        assert isinstance(imported.error, errors.FeatureNotSupported)
        return
    note(f"by COPY {copied.error!r}, by the import {imported.error!r}")
    assert imported.found() == copied.found()
    if faithful(db, names, case.options):
        assert imported.error is None
        assert sum(said) == case.table.rows
        assert rows(db, f"made.target ({names})") == rows(db, f"made.source ({names})")


def make(db: Connection, case: Case) -> None:
    """The source with its rows, and two empty tables alike."""
    table = case.table
    db.execute("CREATE SCHEMA made")
    db.execute(TYPES)
    for name in ("source", "copied", "target"):
        db.execute(f"CREATE TABLE made.{name} ({table.definition()})".encode())
    for name in ("copied", "target"):
        db.execute(GUARDS[table.guard].format(f"made.{name}").encode())
    with db.cursor().copy("COPY made.source FROM STDIN") as copy:
        for line in table.content():
            copy.write_row(line)
    if case.file_size:
        db.execute(f"SET LOCAL aws_s3.file_size = '{case.file_size}'".encode())


def faithful(db: Connection, names: str, given_options: Options) -> bool:
    """Whether the way back exists: in COPY's text format what is the marker of NULL becomes NULL."""
    if given_options.format != "text" or given_options.null is None:
        return True
    fields = copy_to(db, f"made.source ({names})").decode().replace("\n", "\t").split("\t")
    return given_options.null not in fields
