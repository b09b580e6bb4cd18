"""Requests to cancel on bare sockets: plain and over TLS, right and wrong, in time and too late."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from redshift_attacked import SSL_REQUEST, exactly, log_in, receive, until_ready
from redshift_clients import libpq

from velodrome.redshift import wire
from velodrome.settings import Settings
from velodrome.testing import wait_until

ENDLESS = "select count(*) from generate_series(1, 100000000000) a"


@pytest.fixture
def watcher(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**libpq(redshift), autocommit=True) as connection:
        yield connection


class Cancelling:
    """A session on a bare socket, and requests to cancel what it does."""

    def __init__(self, settings: Settings, watcher: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.watcher = watcher
        self.peer, self.key = log_in(settings)

    def start(self) -> None:
        self.peer.sendall(wire.query(ENDLESS))
        wait_until("the query to run", lambda: self.runs)

    @property
    def runs(self) -> bool:
        pid = int.from_bytes(self.key[:4], "big")
        active = "select count(*) from pg_stat_activity where state = 'active' and pid = %s"
        return self.watcher.execute(active, [pid]).fetchone() == (1,)

    def request(self, key: bytes, encrypted: bool = False) -> None:
        """Sends a request, and waits until the server has closed its connection."""
        where = self.settings["REDSHIFT_HOST"], self.settings.integer("REDSHIFT_PORT")
        peer = socket.create_connection(where, timeout=20)
        if encrypted:
            peer.sendall(SSL_REQUEST)
            assert exactly(peer, 1) == b"S"
            context = ssl.create_default_context(cafile=str(self.settings.certificates / "authority.pem"))
            peer = context.wrap_socket(peer, server_hostname=where[0])
        with peer:
            peer.sendall(wire.cancel(key))
            while peer.recv(4096):  # nothing, unless the packet itself is wrong
                pass

    def cancelled(self) -> bool:
        """Whether the query's answer is that it was, and the session goes on."""
        kind, body = receive(self.peer)
        if kind == ord("T"):  # a query's columns come before it computes
            kind, body = receive(self.peer)
        assert kind == ord("E")
        until_ready(self.peer)
        return wire.read_fields(body)["C"] == "57014" and self.answers()

    def answers(self) -> bool:
        self.peer.sendall(wire.query("select 1"))
        kind, _ = receive(self.peer)
        until_ready(self.peer)
        return kind == ord("T")


@pytest.fixture
def session(redshift: Settings, watcher: psycopg.Connection[Any]) -> Iterator[Cancelling]:
    made = Cancelling(redshift, watcher)
    with made.peer:
        yield made


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_request_with_the_sessions_key(session: Cancelling, encrypted: bool) -> None:
    session.start()
    session.request(session.key, encrypted)
    assert session.cancelled()


def test_requests_with_other_keys_do_nothing(session: Cancelling) -> None:
    session.start()
    pid, secret = session.key[:4], session.key[4:]
    for wrong in (bytes(len(secret)), bytes([secret[0] ^ 1]) + secret[1:], secret[:-1], secret + b"\0"):
        session.request(pid + wrong)
    assert session.runs
    session.request(session.key)
    assert session.cancelled()


def test_a_request_that_comes_too_late(session: Cancelling) -> None:
    for _ in range(3):
        session.request(session.key)
    assert session.answers()


def test_the_same_session_again_and_again(session: Cancelling) -> None:
    for _ in range(3):
        session.start()
        session.request(session.key)
        assert session.cancelled()


def test_what_waits_for_a_lock(session: Cancelling, redshift: Settings, watcher: psycopg.Connection[Any]) -> None:
    watcher.execute("create table if not exists cancel_locked (a int)")
    with psycopg.connect(**libpq(redshift)) as other:
        other.execute("lock table cancel_locked")
        session.peer.sendall(wire.query("insert into cancel_locked values (1)"))
        wait_until("it to wait", lambda: session.runs)
        session.request(session.key)
        assert session.cancelled()
    watcher.execute("drop table cancel_locked")
