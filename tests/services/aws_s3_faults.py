"""Calls of aws_s3 that wait in their middle, and what lies between them and an S3 that can be broken."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from aws_s3_cases import BUCKET, EXPORT, IMPORT, REGION, Bucket, Rds

from velodrome.testing import RunningService, start_service, wait_until

_GATE = 7  # the number of an advisory lock
# 30 MB; the first 20 MB make two parts, which are on their way while the query waits.
LARGE = (
    "SELECT repeat('x', 1000) FROM generate_series(1, 30000) AS n"
    f" WHERE n <> 20000 OR pg_advisory_xact_lock_shared({_GATE})::text IS NOT NULL"
)
SMALL = LARGE.replace("30000", "10").replace("20000", "5")


@dataclass
class World:
    """An S3 and a source database of this module's own, to be broken."""

    s3: RunningService
    rds: Rds
    bucket: Bucket

    def restart_s3(self) -> None:
        """On the same port, with the same data."""
        self.s3 = start_service("s3", self.s3.settings)

    @contextmanager
    def through(self, port: int) -> Iterator[None]:
        """Helpers reach S3 by this port meanwhile."""
        config = self.s3.settings.path("AWS_CONFIG_FILE")
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(f":{self.s3.settings['S3_PORT']}", f":{port}"), encoding="utf-8")
        try:
            yield
        finally:
            config.write_text(text, encoding="utf-8")

    def check(self, key: str) -> None:
        """Nothing of what has failed is left, and the server goes on."""
        self.rds.wait_clean(self.bucket)
        assert self.bucket.keys(key) == []
        with self.rds.connect() as db:
            assert db.execute(EXPORT, ["SELECT 1", BUCKET, "goes-on", REGION, ""]).fetchone() == (1, 1, 2)
        assert self.bucket.body("goes-on") == b"1\n"

    def crash(self, backend: int) -> None:
        """Kill a backend, and wait until the server knows it: it ends all other sessions then, and recovers.

        Before that it may still let somebody in.
        """
        with suppress(psycopg.OperationalError), self.rds.connect() as other:
            os.kill(backend, signal.SIGKILL)
            wait_until("the server to end other sessions", lambda: other.execute("SELECT 1") is None)

    def wait_up(self) -> None:
        """Until the server has recovered from a crash."""

        def answers() -> bool:
            with suppress(psycopg.OperationalError), self.rds.connect():
                return True
            return False

        wait_until("the server to recover", answers)


class Call:
    """An export or import that runs in a session of its own."""

    def __init__(self, rds: Rds, statement: str, parameters: list[str], settings: str = "") -> None:
        self.db = rds.connect()
        if settings:
            self.db.execute(settings.encode())
            self.db.commit()
        self.backend = self.db.info.backend_pid
        self._pool = ThreadPoolExecutor(1)
        self._future: Future[Any] = self._pool.submit(self._run, statement, parameters)

    def _run(self, statement: str, parameters: list[str]) -> Any:
        row = self.db.execute(statement.encode(), parameters).fetchone()
        self.db.commit()
        return row

    def result(self) -> Any:
        """The row that it answers with; raises its error."""
        return self._future.result(60)

    def running(self) -> bool:
        return not self._future.done()

    def close(self) -> None:
        with suppress(Exception):  # it has been looked at, or the test has failed before
            self.result()
        self._pool.shutdown()
        self.db.close()


class Held(Call):
    """Waits for the transaction of `gate`."""

    def __init__(self, rds: Rds, gate: psycopg.Connection[Any], statement: str, parameters: list[str]) -> None:
        self.gate = gate
        super().__init__(rds, statement, parameters)

        def waits() -> bool:
            query = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            if not self.running():
                self.result()
            with rds.superuser() as look:
                return look.execute(query, [self.backend]).fetchone() is not None

        wait_until("the call to be in its middle", waits)

    def go_on(self) -> None:
        self.gate.rollback()


@contextmanager
def held_export(world: World, key: str, query: str = LARGE) -> Iterator[Held]:
    """Parts of it are in S3 already, if it is large."""
    with world.rds.connect() as gate:
        gate.execute("SELECT pg_advisory_xact_lock(%s)", [_GATE])
        held = Held(world.rds, gate, EXPORT, [query, BUCKET, key, REGION, ""])
        if query == LARGE:
            wait_until("an upload in parts", lambda: world.bucket.uploads() == [key])
        try:
            yield held
        finally:
            with suppress(psycopg.OperationalError):  # a crash has ended it
                held.go_on()
            held.close()


@contextmanager
def held_import(world: World, table: str) -> Iterator[Held]:
    """60 MB into a table whose row 15,000 another transaction is about to make. It is empty at first.

    What is left is more than the pipe and the sockets on the way can hold.
    """
    key = f"{table}.csv"
    world.bucket.put(key, b"".join(b"%d,%s\n" % (n, b"x" * 1000) for n in range(60_000)))
    with world.rds.connect() as gate:
        gate.execute(f"CREATE TABLE {table} (n int PRIMARY KEY, v text)".encode())
        gate.commit()
        gate.execute(f"INSERT INTO {table} VALUES (15000)".encode())
        held = Held(world.rds, gate, IMPORT, [table, "", "format csv", BUCKET, key, REGION])
        try:
            yield held
        finally:
            with suppress(psycopg.OperationalError):
                held.go_on()
            held.close()


def uploader(rds: Rds) -> int:
    """The process that reads COPY's rows and uploads: it leads a session of its own."""
    found: list[int] = []

    def there() -> bool:
        with suppress(ProcessLookupError):  # one of an earlier call has just ended
            found[:] = [process for process in rds.helpers() if os.getsid(process) == process]
        return len(found) == 1

    wait_until("one uploader", there)
    return found[0]


class Proxy:
    """Between helpers and S3: forwards, but for what its attributes say. Counts are of connections or bytes."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.broken = 0  # how many connections break after `after` bytes to S3
        self.answers_lost = 0  # how many requests that begin with `losing` are answered by the end of the connection
        self.losing = b"-"
        self.after = 1_000_000
        self.piece = 65536
        self.pause = 0.0  # seconds after each piece
        self.open = threading.Event()  # while it is not set, nothing goes on after `after` bytes, to S3 or from it
        self.open.set()
        self.stalled = threading.Event()  # something waits for `open`
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.open.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                lost = threading.Event()
                for run, ends in ((self._to_s3, (client, server)), (self._from_s3, (server, client))):
                    threading.Thread(target=run, args=(*ends, lost), daemon=True).start()

    def _take(self, name: str) -> bool:
        """One of those still to be broken."""
        with self._lock:
            left: int = getattr(self, name)
            setattr(self, name, max(left - 1, 0))
            return left > 0

    def _to_s3(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        count = 0
        with suppress(OSError):
            while data := client.recv(self.piece):
                if self.losing in data.split(b"\r\n", 1)[0] and self._take("answers_lost"):
                    lost.set()
                before, count = count, count + len(data)
                if before < self.after <= count and self._take("broken"):
                    break
                self._wait(count)
                server.sendall(data)
                threading.Event().wait(self.pause)
        _end(client, server)

    def _from_s3(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        count = 0
        with suppress(OSError):
            while data := server.recv(self.piece):
                if lost.is_set():
                    break
                count += len(data)
                self._wait(count)
                client.sendall(data)
        _end(client, server)

    def _wait(self, count: int) -> None:
        if count >= self.after and not self.open.is_set():
            self.stalled.set()
            self.open.wait(60)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
