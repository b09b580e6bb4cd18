"""S3's store without LocalStack: values as JSON, bodies and their readers, the index's commits and failures."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from velodrome.s3.durable import codec
from velodrome.s3.durable.bodies import SMALL, Body, BodyGone
from velodrome.s3.durable.index import Gone, Index, Row
from velodrome.s3.durable.schema import FormatError, check_format


class Kind(str, Enum):  # noqa: UP042 - as LocalStack's are before 3.11's StrEnum
    STANDARD = "STANDARD"

    def __str__(self) -> str:
        return self.value


class TestCodec:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            1.5,
            2**70,
            "é \U0001f6b2 \x00",
            [1, [2, {"a": None}]],
            {"a": {"b": []}},
            {1: "number", "1": "text"},
            {"$datetime": "text that looks like a type"},
            {"$pairs": 1, "b": 2},
            b"\x00\xff",
            datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        ],
    )
    def test_there_and_back(self, value: Any) -> None:
        assert codec.loads(codec.dumps({"value": value})) == {"value": value}

    def test_an_enumeration_is_its_text(self) -> None:
        assert codec.loads(codec.dumps([Kind.STANDARD])) == ["STANDARD"]

    def test_what_has_no_form_is_refused(self) -> None:
        with pytest.raises(TypeError, match="has no form in the store"):
            codec.dumps({"a": Path("x")})

    def test_an_unknown_type_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"unknown type \$call"):
            codec.loads('{"a": {"$call": "os.system"}}')


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def made(index: Index, data: bytes) -> Body:
    draft = index.bodies.draft()
    for start in range(0, len(data), 1000):
        draft.write(data[start : start + 1000])
    return draft.finish()


def read(index: Index, body: Body) -> bytes:
    reader = index.bodies.open(body)
    found, position = b"", 0
    while data := reader.read_at(position, 7000):
        found += data
        position += len(data)
    reader.close()
    return found


def commit(index: Index, *changes: Row | Gone, fresh: set[str] | None = None) -> None:
    with index.lock:
        ticket = index.enqueue(changes, {change.bucket for change in changes}, fresh or set())
    index.commit(ticket)


def version(key: str, place: int, body: Body | None = None, name: str = "null", kind: str = "S3Object") -> Row:
    fields = {"last_modified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "size": body.size if body else 0}
    return Row("object", "b", key, name, place, body, codec.dumps({"type": kind, "fields": fields}))


def stored(index: Index, key: str) -> Body:
    found = index.object("b", key, None)
    assert found is not None
    assert found.body is not None
    return found.body


class TestBodies:
    @pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 100_000])
    def test_a_body_is_what_was_written(self, index: Index, tmp_path: Path, size: int) -> None:
        data = bytes(number % 251 for number in range(size))
        commit(index, version("k", 1, made(index, data)))
        assert read(index, stored(index, "k")) == data
        index.close()
        again = Index(tmp_path)
        assert read(again, stored(again, "k")) == data
        assert len(list((tmp_path / "objects").iterdir())) == (size > SMALL)

    def test_several_segments_and_their_links(self, index: Index, tmp_path: Path) -> None:
        parts = [bytes([number]) * size for number, size in enumerate((40_000, 5, 30_000, 0))]
        whole = Body(segment for part in parts for segment in made(index, part).segments)
        linked = index.bodies.link(whole)
        assert linked.names().isdisjoint(whole.names())
        index.bodies.remove(whole.names())
        assert read(index, linked) == b"".join(parts)
        with pytest.raises(BodyGone):
            index.bodies.open(whole)

    def test_a_reader_reads_to_the_end(self, index: Index, tmp_path: Path) -> None:
        body = Body(segment for _ in range(2) for segment in made(index, b"x" * 50_000).segments)
        reader = index.bodies.open(body)
        index.bodies.remove(body.names())
        assert reader.read_at(60_000, 10) == b"x" * 10
        with pytest.raises(BodyGone):
            index.bodies.open(body)
        reader.close()
        assert not list((tmp_path / "objects").iterdir())

    def test_a_discarded_draft_leaves_nothing(self, index: Index, tmp_path: Path) -> None:
        draft = index.bodies.draft()
        draft.write(b"x" * 100_000)
        draft.discard()
        assert not list((tmp_path / "objects").iterdir())


class TestIndex:
    def test_an_overwrite_removes_the_old_body(self, index: Index, tmp_path: Path) -> None:
        for number in range(3):
            commit(index, version("k", number, made(index, bytes([number]) * 50_000)))
        assert read(index, stored(index, "k")) == b"\x02" * 50_000
        assert len(list((tmp_path / "objects").iterdir())) == 1
        commit(index, Gone("b"))
        assert not list((tmp_path / "objects").iterdir())

    def test_a_part_that_becomes_an_object_stays(self, index: Index) -> None:
        body = made(index, b"p" * 50_000)
        commit(index, Row("part", "b", "u", "1", 1, body, "{}"))
        commit(index, Gone("b", "part", "u"), version("k", 2, body))
        assert read(index, stored(index, "k")) == b"p" * 50_000
        assert not list(index.rows("part"))

    def test_many_threads_share_commits(self, index: Index) -> None:
        def write(number: int) -> None:
            commit(index, version(f"k{number}", number, made(index, b"x")))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with index.reading() as run:
            assert run("SELECT COUNT(*) FROM object").fetchone() == (40,)
        assert index.settle("b")

    def test_a_failed_commit_undoes_all_that_was_queued(self, index: Index, tmp_path: Path) -> None:
        undone: list[frozenset[str]] = []
        index.on_failure = undone.append
        kept, lost = made(index, b"k" * 50_000), made(index, b"l" * 50_000)
        commit(index, version("kept", 1, kept))
        bad = Row("bucket", "c", data="\ud800")  # SQLite takes no lone surrogates
        with index.lock:
            first = index.enqueue([version("kept", 2, lost)], {"b"}, lost.names())
            second = index.enqueue([bad], {"c"}, ())
        with pytest.raises(UnicodeEncodeError):
            index.commit(first)
        with pytest.raises(UnicodeEncodeError):
            index.commit(second)
        assert undone == [frozenset({"b", "c"})]
        assert read(index, stored(index, "kept")) == b"k" * 50_000
        assert {file.name for file in (tmp_path / "objects").iterdir()} == kept.names()
        commit(index, version("later", 4, made(index, b"x")))
        assert read(index, stored(index, "later")) == b"x"

    def test_the_sweep_keeps_what_is_known(self, index: Index, tmp_path: Path) -> None:
        body = made(index, b"x" * 50_000)
        (tmp_path / "objects" / "half").write_bytes(b"")
        shutil.copytree(tmp_path / "objects", tmp_path / "objects" / "folder")
        commit(index, version("k", 1, body), version("lost", 2, lost := made(index, b"y" * 50_000)))
        index.bodies.remove(lost.names())
        assert index.bodies.sweep(index.known_files) == (2, 1)
        assert {file.name for file in (tmp_path / "objects").iterdir()} == body.names()
        assert index.missing_files(2) == []
        assert index.missing_files(1) == list(lost.names())


def _later(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 7")
    connection.close()


class TestFormat:
    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (_later, "is of format 7, and this release reads format 2"),
            (lambda file: file.write_bytes(b"nothing of the kind" * 50), "cannot be read"),
        ],
    )
    def test_another_one_is_refused_by_name(self, tmp_path: Path, change: Callable[[Path], None], text: str) -> None:
        Index(tmp_path).close()
        change(tmp_path / "index.db")
        with pytest.raises(FormatError, match=text) as caught:
            check_format(tmp_path)
        assert str(tmp_path) in str(caught.value)

    def test_an_index_whose_making_was_cut_off_is_made_anew(self, tmp_path: Path) -> None:
        (tmp_path / "index.db").touch()
        index = Index(tmp_path)
        commit(index, Row("bucket", "b", data="{}"))
        assert [row.bucket for row in index.rows("bucket")] == ["b"]
