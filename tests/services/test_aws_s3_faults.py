"""Exports and imports whose session, helper, S3 or network fails in their middle: all or nothing, and nothing left."""

from __future__ import annotations

import gzip
import os
import resource
import signal
from collections.abc import Iterator

import psycopg
import pytest
from aws_s3_cases import BUCKET, EXPORT, IMPORT, REGION, Bucket, Rds
from aws_s3_faults import SMALL, Call, Held, Proxy, World, held_export, held_import, uploader
from aws_s3_servers import run_rds
from postgres_versions import MAJORS
from psycopg import errors

from velodrome.testing import run_service, wait_until

UNREACHABLE = "Amazon S3 client returned 'Unable to connect to endpoint'."
NO_ROOM = "Amazon S3 client returned 'We encountered an internal error. Please try again.'."


@pytest.fixture(scope="module", params=MAJORS, ids=lambda major: f"pg{major}")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        run_service("s3", home=tmp_path_factory.mktemp("faults")) as s3,
        run_rds(request.param, s3.settings, tmp_path_factory.mktemp("own")) as rds,
    ):
        bucket = Bucket(s3.settings)
        bucket.s3.create_bucket(Bucket=BUCKET)
        made = World(s3, rds, bucket)
        yield made
        made.s3.stop()


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    """The helpers' way to S3 in this test."""
    made = Proxy(world.s3.settings.integer("S3_PORT"))
    with world.through(made.port):
        yield made
    made.close()


def rows(rds: Rds, table: str) -> int:
    """How many there are now; the table is dropped."""
    with rds.connect() as db:
        found = db.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        db.execute(f"DROP TABLE {table}".encode())
    assert found is not None
    return int(found[0])


def signal_backend(rds: Rds, function: str, backend: int) -> None:
    with rds.connect() as db:
        db.execute(f"SELECT {function}(%s)".encode(), [backend])


@pytest.mark.parametrize(
    ("function", "error"),
    [("pg_cancel_backend", errors.QueryCanceled), ("pg_terminate_backend", errors.AdminShutdown)],
)
class TestSessionsThatAreEnded:
    def test_in_an_export(self, world: World, function: str, error: type[psycopg.Error]) -> None:
        with held_export(world, "ended/large") as held:
            signal_backend(world.rds, function, held.backend)
            with pytest.raises(error):
                held.result()
        world.check("ended/large")

    def test_in_an_import(self, world: World, function: str, error: type[psycopg.Error]) -> None:
        with held_import(world, "ended") as held:
            signal_backend(world.rds, function, held.backend)
            with pytest.raises(error):
                held.result()
            world.check("no-object")
        assert rows(world.rds, "ended") == 0


def test_a_statement_that_takes_too_long(world: World) -> None:
    query = "SELECT repeat('x', 1000) FROM generate_series(1, 20000) UNION ALL SELECT pg_sleep(60)::text"
    with world.rds.connect() as db:
        db.execute("SET statement_timeout = '1s'")
        db.commit()
        with pytest.raises(errors.QueryCanceled, match="statement timeout"):
            db.execute(EXPORT, [query, BUCKET, "late", REGION, ""])
    world.check("late")


class TestCrashes:
    """A backend that is killed takes all sessions with it; the server starts them anew."""

    def test_in_an_export(self, world: World) -> None:
        with held_export(world, "killed/large") as held:
            world.crash(held.backend)
            with pytest.raises(psycopg.OperationalError):
                held.result()
        world.wait_up()
        world.check("killed/large")

    def test_in_an_import(self, world: World) -> None:
        with held_import(world, "killed") as held:
            world.crash(held.backend)
            with pytest.raises(psycopg.OperationalError):
                held.result()
        world.wait_up()
        world.check("no-object")
        assert rows(world.rds, "killed") == 0

    def test_between_the_last_row_and_the_objects_appearance(self, world: World) -> None:
        with held_export(world, "killed/late", SMALL) as held:
            process = uploader(world.rds)
            os.kill(process, signal.SIGSTOP)  # it neither reads the rows nor says that it has them
            try:
                held.go_on()
                wait_until("all rows to be sent", lambda: sent(world.rds, held.backend) == 10)
                world.crash(held.backend)
                with pytest.raises(psycopg.OperationalError):
                    held.result()
            finally:
                os.kill(process, signal.SIGCONT)
        world.wait_up()
        world.check("killed/late")


def sent(rds: Rds, backend: int) -> int | None:
    """How many rows COPY has passed on."""
    with rds.superuser() as look:
        query = "SELECT tuples_processed FROM pg_stat_progress_copy WHERE pid = %s"
        found = look.execute(query, [backend]).fetchone()
    return found and found[0]


class TestHelpersThatAreKilled:
    def test_of_an_export(self, world: World) -> None:
        with held_export(world, "helper/export") as held:
            os.kill(uploader(world.rds), signal.SIGKILL)
            held.go_on()
            with pytest.raises(errors.SystemError, match="could not upload to Amazon S3") as caught:
                held.result()
        said = "Amazon S3 client returned 'the upload is gone: its process has ended'."
        assert caught.value.diag.message_detail == said
        # Its note is there, by which the next export gives the upload up.
        assert [name.endswith(".upload") for name in world.rds.left_over()] == [True]
        assert world.bucket.uploads() == ["helper/export"]
        with world.rds.connect() as db:
            db.execute(EXPORT, ["SELECT 1", BUCKET, "next", REGION, ""])
        world.check("helper/export")

    def test_of_an_import(self, world: World) -> None:
        with held_import(world, "helper") as held:
            for process in world.rds.helpers():
                os.kill(process, signal.SIGKILL)
            held.go_on()
            with pytest.raises(errors.ExternalRoutineException):
                held.result()
        world.check("no-object")
        assert rows(world.rds, "helper") == 0


class TestS3ThatIsKilled:
    def test_in_an_export(self, world: World) -> None:
        with held_export(world, "down/large") as held:
            self.fails(world, held)
            assert world.rds.helpers() != []  # it waits for S3, to give its upload up
            world.restart_s3()
        world.check("down/large")

    def test_before_a_small_export_ends(self, world: World) -> None:
        with held_export(world, "down/small", SMALL) as held:
            self.fails(world, held)
            world.restart_s3()
        world.check("down/small")

    def fails(self, world: World, held: Held) -> None:
        world.s3.kill()
        held.go_on()
        with pytest.raises(errors.SystemError, match="could not upload to Amazon S3") as caught:
            held.result()
        assert caught.value.diag.message_detail == UNREACHABLE

    def test_in_an_import(self, world: World) -> None:
        with held_import(world, "down") as held:
            world.s3.kill()
            try:
                held.go_on()
                with pytest.raises(errors.SystemError, match="could not read from Amazon S3") as caught:
                    held.result()
            finally:
                world.restart_s3()
        assert "Connection was lost" in str(caught.value.diag.message_detail)
        world.check("no-object")
        assert rows(world.rds, "down") == 0


# A limit on the size of a file is what an ordinary user can set; to S3 it is an error of the disk.
@pytest.mark.parametrize("allowed", [500_000, 1_000], ids=["for the parts", "for the index too"])
def test_a_full_disk(world: World, allowed: int) -> None:
    pid = world.s3.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    with held_export(world, "full/large") as held:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (allowed, limits[1]))
        try:
            held.go_on()
            with pytest.raises(errors.SystemError, match="could not upload to Amazon S3") as caught:
                held.result()
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    assert caught.value.diag.message_detail == NO_ROOM
    world.check("full/large")


class TestNetwork:
    """20 MB: two full parts and a rest."""

    QUERY = "SELECT repeat(n::text, 1000) FROM generate_series(10000, 14000) AS n"
    BODY = b"".join(b"%d" % n * 1000 + b"\n" for n in range(10000, 14001))

    def export(self, world: World, key: str) -> Call:
        return Call(world.rds, EXPORT, [self.QUERY, BUCKET, key, REGION, ""])

    def succeeds(self, world: World, call: Call, key: str) -> None:
        try:
            assert call.result() == (4001, 1, len(self.BODY))
        finally:
            call.close()
        assert world.bucket.body(key) == self.BODY
        world.rds.wait_clean(world.bucket)

    def fails(self, world: World, call: Call, key: str) -> None:
        with pytest.raises(errors.SystemError, match="could not upload to Amazon S3") as caught:
            call.result()
        call.close()
        assert caught.value.diag.message_detail == UNREACHABLE
        world.check(key)

    def test_a_slow_one(self, world: World, proxy: Proxy) -> None:
        proxy.piece, proxy.pause = 16384, 0.005
        self.succeeds(world, self.export(world, "net/slow"), "net/slow")

    def test_one_that_stalls(self, world: World, proxy: Proxy) -> None:
        proxy.open.clear()
        call = self.export(world, "net/stalls")
        wait_until("it to stall", proxy.stalled.is_set)
        assert call.running()
        proxy.open.set()
        self.succeeds(world, call, "net/stalls")

    def test_an_export_is_cancelled_while_it_stalls(self, world: World, proxy: Proxy) -> None:
        proxy.open.clear()
        query = "SELECT repeat('x', 1000) FROM generate_series(1, 60000)"
        call = Call(world.rds, EXPORT, [query, BUCKET, "net/cancelled", REGION, ""])
        # What the helper keeps in memory, and the pipe.
        wait_until("the server to wait for the helper", lambda: (sent(world.rds, call.backend) or 0) > 26_000)
        self.is_cancelled(world, proxy, call)
        world.check("net/cancelled")

    def test_an_import_is_cancelled_while_it_stalls(self, world: World, proxy: Proxy) -> None:
        world.bucket.put("stalls.csv", self.BODY)
        with world.rds.connect() as db:
            db.execute("CREATE TABLE stalled (v text)")
        proxy.open.clear()
        self.is_cancelled(world, proxy, Call(world.rds, IMPORT, ["stalled", "", "", BUCKET, "stalls.csv", REGION]))
        world.check("no-object")
        assert rows(world.rds, "stalled") == 0

    def is_cancelled(self, world: World, proxy: Proxy, call: Call) -> None:
        """Although S3 has not gone on."""
        wait_until("it to stall", proxy.stalled.is_set)
        signal_backend(world.rds, "pg_cancel_backend", call.backend)
        with pytest.raises(errors.QueryCanceled):
            call.result()
        assert not proxy.open.is_set()
        call.close()
        proxy.open.set()

    def test_one_that_breaks_twice(self, world: World, proxy: Proxy) -> None:
        proxy.broken = 2
        self.succeeds(world, self.export(world, "net/twice"), "net/twice")
        assert proxy.broken == 0

    def test_one_that_always_breaks(self, world: World, proxy: Proxy) -> None:
        proxy.broken = 1000
        self.fails(world, self.export(world, "net/always"), "net/always")

    def test_a_parts_answer_is_lost(self, world: World, proxy: Proxy) -> None:
        proxy.losing, proxy.answers_lost = b"partNumber=2", 1
        self.succeeds(world, self.export(world, "net/part"), "net/part")
        assert proxy.answers_lost == 0

    def test_the_last_answer_is_lost(self, world: World, proxy: Proxy) -> None:
        proxy.losing, proxy.answers_lost = b"POST /rds-test/net/last?uploadId", 1
        self.succeeds(world, self.export(world, "net/last"), "net/last")
        assert proxy.answers_lost == 0

    def test_the_first_answer_is_lost(self, world: World, proxy: Proxy) -> None:
        proxy.losing, proxy.answers_lost = b"POST /rds-test/net/first?uploads", 1
        call = self.export(world, "net/first")
        wait_until("it to be lost", lambda: proxy.answers_lost == 0)
        # Nobody has heard the number of that upload. It has no parts, and a rule of the bucket's would end it.
        wait_until("another to be begun", lambda: len(world.bucket.uploads()) == 2 or not call.running())
        call.close()
        assert world.bucket.body("net/first") == self.BODY
        for upload in world.bucket.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]:
            place = {"Bucket": BUCKET, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            assert "Parts" not in world.bucket.s3.list_parts(**place)
            world.bucket.s3.abort_multipart_upload(**place)
        world.rds.wait_clean(world.bucket)


PACKED = gzip.compress(b"".join(b"%d\n" % n for n in range(500_000)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (PACKED[:-9], "the gzip file ends too early"),
        (PACKED[: len(PACKED) // 2], "the gzip file ends too early"),
        (PACKED[:1000] + bytes(100) + PACKED[1100:], "the gzip file is damaged: "),
        (PACKED[:-8] + bytes(8), "the gzip file is damaged: "),
        (PACKED + b"and more", "the gzip file is damaged: "),
        (b"1\n2\n", "the gzip file is damaged: "),
        (b"", "the gzip file ends too early"),
    ],
    ids=["without its end", "half", "damaged", "another sum", "more", "none", "empty"],
)
def test_gzip_that_is_broken(world: World, body: bytes, said: str) -> None:
    world.bucket.put("broken.gz", body, ContentEncoding="gzip")
    with world.rds.connect() as db:
        db.execute("CREATE TABLE unpacked (n int)")
        db.commit()
        with pytest.raises(errors.SystemError, match="could not read from Amazon S3") as caught, db.transaction():
            db.execute(IMPORT, ["unpacked", "", "", BUCKET, "broken.gz", REGION])
    assert str(caught.value.diag.message_detail).startswith(f"Amazon S3 client returned '{said}")
    world.check("no-object")
    assert rows(world.rds, "unpacked") == 0
