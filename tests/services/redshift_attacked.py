"""A warehouse of its own for tests that attack it, and what must be as before when they have ended."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from velodrome.redshift import wire
from velodrome.redshift.server import SUPERUSER
from velodrome.settings import Settings
from velodrome.testing import RunningService, run_service, wait_until

SETTLE_SECONDS = 30.0
SPARE_DESCRIPTORS = 8  # idle connections to S3 that its client keeps for the next load
SSL_REQUEST = struct.pack("!II", 8, wire.SSL_REQUEST)


@dataclass(frozen=True)
class Held:
    """What a gateway and its server hold."""

    descriptors: int
    memory: int  # kB
    backends: int
    locks: int


@dataclass(frozen=True)
class Attacked:
    """A running warehouse: its address, and the view from inside, of the superuser whom no client can be."""

    running: RunningService
    inside: psycopg.Connection[Any]

    @property
    def settings(self) -> Settings:
        return self.running.settings

    @property
    def address(self) -> tuple[str, int]:
        return self.settings["REDSHIFT_HOST"], self.settings.integer("REDSHIFT_PORT")

    @property
    def gateway(self) -> int:
        """The gateway's process: the start script's own, or its child."""
        found = subprocess.run(
            ["pgrep", "-f", "-g", str(self.running.process.pid), "python.* -m velodrome.redshift"],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(found.stdout.split()[0])

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        host, port = self.address
        given = {"host": host, "port": port, "dbname": "dev", "autocommit": True, "connect_timeout": 20}
        given |= {"user": self.settings["REDSHIFT_USER"], "password": self.settings["REDSHIFT_PASSWORD"]}
        return psycopg.connect(**(given | options))

    def serves(self, **options: Any) -> bool:
        """Whether the next client is served."""
        with self.connect(**options) as connection:
            return connection.execute("select nvl(null, 1)").fetchone() == (1,)

    def login(self, application: str = "raw", encrypted: ssl.SSLContext | None = None) -> socket.socket:
        return log_in(self.settings, application, encrypted)[0]

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.settings.certificates / "authority.pem"))
        context.check_hostname = True
        return context

    def held(self) -> Held:
        process = Path("/proc") / str(self.gateway)
        status = (process / "status").read_text()
        memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        counts = self.inside.execute(
            "SELECT count(*), (SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid() AND NOT fastpath"
            " AND locktype <> 'virtualxid') FROM pg_stat_activity"
            f" WHERE backend_type = 'client backend' AND usename <> '{SUPERUSER}'"
        ).fetchone()
        assert counts is not None
        return Held(len(list((process / "fd").iterdir())), memory, *counts)

    def settles(self, before: Held) -> Held:
        """Waits until nothing more is held than before, but for memory."""

        def settled() -> bool:
            now = self.held()
            spare = SPARE_DESCRIPTORS + before.descriptors - now.descriptors
            return spare >= 0 and now.backends <= before.backends and now.locks <= before.locks

        try:
            wait_until("what was held to be given back", settled, SETTLE_SECONDS)
        except TimeoutError:
            left = self.inside.execute(
                "SELECT * FROM pg_stat_activity WHERE backend_type = 'client backend'"
            ).fetchall()
            raise AssertionError(f"held before {before}, now {self.held()}: {left}") from None
        return self.held()


def log_in(
    settings: Settings, application: str = "raw", encrypted: ssl.SSLContext | None = None
) -> tuple[socket.socket, bytes]:
    """A session on a bare socket, which can be cut and stalled as no driver would, and its key to cancel with."""
    host = settings["REDSHIFT_HOST"]
    peer = socket.create_connection((host, settings.integer("REDSHIFT_PORT")), timeout=20)
    if encrypted is not None:
        peer.sendall(SSL_REQUEST)
        assert peer.recv(1) == b"S"
        peer = encrypted.wrap_socket(peer, server_hostname=host)
    user, password = settings["REDSHIFT_USER"], settings["REDSHIFT_PASSWORD"]
    peer.sendall(wire.startup({"user": user, "database": "dev", "application_name": application}))
    kind, body = receive(peer)
    assert (kind, body[:4]) == (ord("R"), b"\0\0\0\5"), body
    peer.sendall(wire.message(b"p", b"md5" + md5(md5((password + user).encode()) + body[4:]) + b"\0"))
    key = b""
    while kind != ord("Z"):
        kind, body = receive(peer)
        key = body if kind == ord("K") else key
    return peer, key


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


def receive(peer: socket.socket) -> tuple[int, bytes]:
    """(type, body) of the next message."""
    head = exactly(peer, 5)
    return head[0], exactly(peer, int.from_bytes(head[1:], "big") - 4)


def exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        assert part, "the server has closed the connection"
        data += part
    return data


def until_ready(peer: socket.socket) -> None:
    while receive(peer)[0] != ord("Z"):
        pass


@contextmanager
def attacked(home: Path, settings: Settings | None = None) -> Iterator[Attacked]:
    with run_service("redshift", home, settings) as running:
        where = running.settings.path("VELODROME_HOME") / "data" / "redshift"
        port = running.settings["REDSHIFT_PORT"]
        with psycopg.connect(host=str(where), port=port, user=SUPERUSER, dbname="postgres", autocommit=True) as inside:
            yield Attacked(running, inside)
        for trace in ("Traceback", "was never retrieved", "Exception in callback", "PANIC"):
            at = running.log.find(trace)
            assert at < 0, running.log[at - 500 : at + 3000]
