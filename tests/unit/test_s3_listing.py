"""Pages of S3's listings against a plain list of all keys, and that no page reads what it does not show."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velodrome.s3.durable import codec, listing, listing_xml
from velodrome.s3.durable.index import Gone, Index, Row
from velodrome.s3.durable.schema import FORMAT

BUCKET = "b"
TEXT = st.text(st.sampled_from("a/b =+%&~é日\U0001f6b2\uffff\U0010ffff\x01\n"), max_size=6)
DELIMITERS = st.sampled_from(["", "/", "=", "\U0010ffff", "a/", "é"])
KEYS = st.sets(TEXT.filter(bool), max_size=20)


def row(key: str, place: int, version: str = "null", marker: bool = False, bucket: str = BUCKET) -> Row:
    fields = {"last_modified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "size": place, "etag": f"{place:x}"}
    kind = "S3DeleteMarker" if marker else "S3Object"
    return Row("object", bucket, key, version, place, None, codec.dumps({"type": kind, "fields": fields}))


def commit(index: Index, *changes: Row | Gone) -> None:
    with index.lock:
        ticket = index.enqueue(changes, {change.bucket for change in changes}, ())
    index.commit(ticket)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(tmp_path_factory.mktemp("index"))
    yield made
    made.close()


def fill(index: Index, *rows: Row) -> None:
    commit(index, Gone(BUCKET), *rows)


def naive(keys: list[str], prefix: str, delimiter: str) -> list[str]:
    """Keys and folders in order, as the documentation describes them."""
    shown: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        name = f"{prefix}{head}{found}" if found else key
        if name not in shown:
            shown.append(name)
    return shown


class TestObjects:
    @settings(deadline=None, max_examples=60)
    @given(
        keys=KEYS,
        prefix=TEXT,
        delimiter=DELIMITERS,
        limit=st.integers(1, 4),
    )
    def test_the_pages_are_the_whole(
        self, index: Index, keys: set[str], prefix: str, delimiter: str, limit: int
    ) -> None:
        fill(index, *(row(key, place + 1) for place, key in enumerate(keys)))
        shown: list[str] = []
        begin: str | None = ""
        while begin is not None:
            with index.reading() as run:
                page = listing.objects(run, BUCKET, begin, prefix, delimiter, limit)
            names = sorted([line.key for line in page.lines] + page.folders, key=str.encode)
            assert len(names) == limit or page.next_key is None
            shown += names
            begin = page.next_key
        assert shown == naive(list(keys), prefix, delimiter)

    def test_folders_are_jumped_over(self, index: Index) -> None:
        fill(
            index,
            *(
                row(f"{folder}/{number:04}", place)
                for place, (folder, number) in enumerate(
                    ((folder, number) for folder in "abc" for number in range(500)), 1
                )
            ),
        )
        fetched: list[str] = []

        def counted(query: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
            cursor: sqlite3.Cursor = run(query, values)
            cursor.row_factory = lambda _, found: fetched.append(found[0]) or found
            return cursor

        with index.reading() as run:
            page = listing.objects(counted, BUCKET, "", "", "/", 1000)
        assert page.folders == ["a/", "b/", "c/"]
        assert fetched == ["a/0000", "b/0000", "c/0000"]

    @pytest.mark.parametrize("query", ["objects", "versions"])
    def test_a_page_is_read_from_where_it_begins(self, index: Index, query: str) -> None:
        plans: list[str] = []

        def explained(text: str, values: tuple[Any, ...]) -> Any:
            plans.extend(found[3] for found in run(f"EXPLAIN QUERY PLAN {text}", values))
            return run(text, values)

        with index.reading() as run:
            if query == "objects":
                listing.objects(explained, BUCKET, "m", "a", "/", 1000)
            else:
                listing.versions(explained, BUCKET, "m", 7, "m", "/", 1000)
        assert plans
        assert all(plan.startswith("SEARCH object USING") and "bucket=?" in plan for plan in plans)

    def test_a_delete_marker_hides_a_key_until_it_goes(self, index: Index) -> None:
        def keys() -> list[str]:
            with index.reading() as run:
                return [line.key for line in listing.objects(run, BUCKET, "", "", "", 10).lines]

        fill(index, row("k", 1, "v1"), row("k", 2, "v2"), row("l", 3, "v3"))
        assert keys() == ["k", "l"]
        commit(index, row("k", 4, "v4", marker=True))
        assert keys() == ["l"]
        commit(index, Gone(BUCKET, "object", "k", "v4"))
        assert keys() == ["k", "l"]
        commit(index, Gone(BUCKET, "object", "k", "v1"), Gone(BUCKET, "object", "k", "v2"))
        assert keys() == ["l"]


class TestVersions:
    @settings(deadline=None, max_examples=60)
    @given(
        stacks=st.dictionaries(TEXT.filter(bool), st.integers(1, 4), max_size=6),
        prefix=TEXT,
        delimiter=st.sampled_from(["", "/"]),
        limit=st.integers(1, 4),
    )
    def test_the_pages_are_the_whole(
        self, index: Index, stacks: dict[str, int], prefix: str, delimiter: str, limit: int
    ) -> None:
        made = [row(key, 0, f"v{number}") for key, count in stacks.items() for number in range(count)]
        made = [row(one.name, place, one.detail) for place, one in enumerate(made, 1)]
        fill(index, *made)
        whole = [(one.name, one.detail) for one in sorted(made, key=lambda one: (one.name.encode(), -one.place))]
        folded = {key for key in stacks if delimiter and delimiter in key[len(prefix) :]}
        expected = [(key, version) for key, version in whole if key.startswith(prefix) and key not in folded]
        shown: list[tuple[str, str]] = []
        begin, older = "", None
        while True:
            with index.reading() as run:
                page = listing.versions(run, BUCKET, begin, older, prefix, delimiter, limit)
            shown += [(line.key, line.version) for line in page.lines]
            for line in page.lines:
                assert line.latest == (line.version == f"v{stacks[line.key] - 1}")
            if page.next_key is None:
                break
            if isinstance(page.last, str):
                begin, older = listing.after(page.last) or "", None
            else:
                assert page.last is not None
                begin, older = page.last.key, page.last.place
        assert shown == expected

    def test_a_marker_whose_version_is_gone(self, index: Index) -> None:
        fill(index, *(row("k", place, f"v{place}") for place in (1, 2, 4, 5)))
        with index.reading() as run:
            assert listing.place_of(run, BUCKET, "k", "v4", lambda other: other < "v4") == 4
            place = listing.place_of(run, BUCKET, "k", "v3", lambda other: other < "v3")
            page = listing.versions(run, BUCKET, "k", place, "", "", 10)
            assert [line.version for line in page.lines] == ["v2", "v1"]
            assert listing.place_of(run, BUCKET, "k", "null", lambda other: False) is None


class TestQueued:
    """What is not committed is seen by who has the lock, and by nobody else."""

    def test_both_views(self, index: Index) -> None:
        fill(index, row("k", 1, "v1"), row("k", 2, "v2"))
        with index.lock:
            index.enqueue([row("k", 3, "v3")], {BUCKET}, ())
            last = index.enqueue([Gone(BUCKET, "object", "k", "v3"), Gone(BUCKET, "object", "k", "v2")], {BUCKET}, ())
            queued = index.queued_object(BUCKET, "k", None)
            assert queued is not None
            assert queued.detail == "v1"
            assert index.queued_object(BUCKET, "k", "v2") is None
            assert index.queued_object(BUCKET, "k", None, ["v1"]) is None
            committed = index.object(BUCKET, "k", None)
            assert committed is not None
            assert committed.detail == "v2"
        index.commit(last)
        committed = index.object(BUCKET, "k", None)
        assert committed is not None
        assert committed.detail == "v1"
        assert not index._pending

    def test_an_empty_bucket(self, index: Index) -> None:
        fill(index, row("k", 1))
        with index.lock:
            assert index.has_objects(BUCKET)
            gone = index.enqueue([Gone(BUCKET, "object", "k", "null")], {BUCKET}, ())
            assert not index.has_objects(BUCKET)
            back = index.enqueue([row("l", 2)], {BUCKET}, ())
            assert index.has_objects(BUCKET)
        index.commit(gone)
        index.commit(back)


class TestSpelling:
    @given(TEXT)
    def test_quoted_is_as_python_quotes(self, text: str) -> None:
        assert listing_xml.quoted(text) == quote(text)

    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
    def test_escaped_is_read_back(self, text: str) -> None:
        assert unescape(listing_xml.escaped(text), {"&quot;": '"'}) == text

    def test_a_restored_object(self) -> None:
        note = 'ongoing-request="false", expiry-date="Fri, 02 Jan 2026 00:00:00 GMT"'
        line = listing.Version("k", 1, "e", "m", "GLACIER", "", "", note)
        assert "<IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2026-01-02T00:00:00.000Z" in (
            listing_xml.objects([line], listing_xml.escaped, "", restores=True)
        )
        assert "Restore" not in listing_xml.objects([line], listing_xml.escaped, "", restores=False)


class TestFormat1:
    """What the release before wrote: all kinds in one table."""

    def test_it_is_brought_forward(self, tmp_path: Path) -> None:
        connection = sqlite3.connect(tmp_path / "index.db")
        connection.executescript(
            "CREATE TABLE entry (kind TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL,"
            " place INTEGER NOT NULL, body TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, bucket, name, detail))"
            " WITHOUT ROWID;"
            "CREATE TABLE small (number INTEGER PRIMARY KEY, data BLOB NOT NULL);"
            "PRAGMA application_id = 1447375699; PRAGMA user_version = 1;"
        )
        data = row("k", 1).data
        marker = row("k", 1, marker=True).data
        insert = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)"
        connection.execute("INSERT INTO small VALUES (7, ?)", (b"small",))
        connection.executemany(
            insert,
            [
                ("bucket", BUCKET, "", "", 0, None, "{}"),
                ("object", BUCKET, "k", "v2", 9, '[["f2", 70000, false]]', data),
                ("object", BUCKET, "k", "v1", 5, '[["small-7", 5, true]]', data),
                ("object", BUCKET, "l", "v3", 6, None, data),
                ("object", BUCKET, "l", "v4", 7, None, marker),
                ("part", BUCKET, "u", "1", 1, '[["f3", 70000, false]]', "{}"),
            ],
        )
        connection.commit()
        connection.close()
        index = Index(tmp_path)
        with index.reading() as run:
            assert [line.key for line in listing.objects(run, BUCKET, "", "", "", 9).lines] == ["k"]
            found = listing.versions(run, BUCKET, "", None, "", "", 9).lines
            assert run("PRAGMA user_version").fetchone() == (FORMAT,)
            assert run("SELECT DISTINCT kind FROM entry ORDER BY kind").fetchall() == [("bucket",), ("part",)]
        assert [(line.key, line.version, line.latest, line.marker) for line in found] == [
            ("k", "v2", 1, 0),
            ("k", "v1", 0, 0),
            ("l", "v4", 1, 1),
            ("l", "v3", 0, 0),
        ]
        assert found[0].modified == "2026-01-02T03:04:05.000Z"
        assert index.known_files(["f1", "f2", "f3"]) == {"f2", "f3"}
        assert next(index.places) == 5
        assert next(index.bodies.small_numbers) == 8
        oldest = index.object(BUCKET, "k", "v1")
        assert oldest is not None
        assert oldest.body is not None
        assert index.bodies.open(oldest.body).read_at(0, 5) == b"small"
        index.close()
