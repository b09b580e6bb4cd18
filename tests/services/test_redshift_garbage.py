"""10,000 connections of malformed, truncated and shuffled packets, plain and over TLS: the next client is served."""

from __future__ import annotations

import contextlib
import random
import re
import selectors
import socket
import ssl
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from redshift_attacked import Attacked, attacked

from velodrome.redshift import wire

SEED = 20_240_229
BATCH = 500
BATCHES = 14  # before a login; then sessions, and connections over TLS: 10,000 in all
SESSIONS = 1_000
ENCRYPTED = 2_000
AT_ONCE = 25
LONGEST_SECONDS = 5.0  # that a connection may stay open after its client has sent all and said so
PATIENCE_SECONDS = 0.05
GROWTH = 24_000  # kB of memory that caches and pools may take on the way

Make = Callable[[random.Random], bytes]


def int32(value: int) -> bytes:
    return struct.pack("!I", value & 0xFFFFFFFF)


def text(value: str) -> bytes:
    return value.encode() + b"\0"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with attacked(tmp_path_factory.mktemp("garbage")) as found:
        yield found


class Fuzzer:
    """Makes bytes that a client could send before it is known: from recorded good packets, and from nothing."""

    def __init__(self, user: str) -> None:
        startup = wire.startup({"user": user, "database": "dev", "client_encoding": "UTF8"})
        amazon = {"user": user, "database": "dev", "client_protocol_version": "2", "driver_version": "x" * 40}
        self.good = [
            startup,
            wire.startup(amazon),
            wire.startup({"user": user, "database": "dev", "replication": "database"}),
            int32(8) + int32(wire.SSL_REQUEST),
            int32(8) + int32(wire.GSS_REQUEST),
            int32(16) + int32(wire.CANCEL_REQUEST) + int32(1) + int32(2),
        ]
        self.messages = [
            wire.message(b"p", text("md5" + "0" * 32)),
            wire.message(b"p", text("SCRAM-SHA-256"), int32(8), b"n,,n=,r="),
            wire.query("select 1"),
            wire.parse("s", "select $1", (23,)),
            wire.bind("", "s"),
            wire.message(b"B", b"\0s\0", struct.pack("!hhih", 0, 1, 1, 0), b"1"),
            wire.message(b"D", b"Ss\0"),
            wire.execute(""),
            wire.close("S", "s"),
            wire.SYNC,
            wire.FLUSH,
            wire.copy_data(b"1\n"),
            wire.copy_done(),
            wire.copy_fail("no"),
            wire.message(b"F", int32(0)),
            wire.TERMINATE,
        ]

    def conversation(self, chance: random.Random) -> bytes:
        made = chance.choice((self.noise, self.mutated, self.mutated, self.shuffled, self.truncated, self.lying))
        return made(chance)

    def noise(self, chance: random.Random) -> bytes:
        return chance.randbytes(chance.choice((0, 1, 4, 7, 8, 9, 40, 400, 20_000)))

    def whole(self, chance: random.Random) -> bytes:
        count = chance.randrange(6)
        return chance.choice(self.good) + b"".join(chance.choices(self.messages, k=count))

    def mutated(self, chance: random.Random) -> bytes:
        data = bytearray(self.whole(chance))
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(len(data))
            match chance.randrange(5):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 2:
                    del data[at : at + chance.randrange(1, 9)]
                case 3:
                    data[at:at] = chance.randbytes(chance.randrange(1, 9))
                case _:
                    data[at : at + 4] = int32(chance.choice((0, 3, 4, 5, 7, 2**16, 2**30, 2**31 - 1, 2**31, 2**32 - 1)))
            if not data:
                break
        return bytes(data)

    def shuffled(self, chance: random.Random) -> bytes:
        """Messages before their startup, startups in mid-session, and all of them again."""
        parts = [*chance.choices(self.messages, k=4), chance.choice(self.good)]
        chance.shuffle(parts)
        return b"".join(parts)

    def truncated(self, chance: random.Random) -> bytes:
        data = self.whole(chance)
        return data[: chance.randrange(len(data))]

    def lying(self, chance: random.Random) -> bytes:
        """Lengths and counts that are not those of what follows."""
        kind = bytes([chance.randrange(256)])
        body = chance.randbytes(chance.randrange(40))
        length = chance.choice(
            (0, 1, 3, 4, len(body), len(body) + 3, len(body) + 5, 2**24, 2**30 + 1, 2**31 - 1, 2**32 - 1)
        )
        return self.good[chance.randrange(2)] + kind + int32(length) + body


class Peers:
    """Many connections at a time; each sends its bytes, says that it is at its end, and reads to the server's."""

    def __init__(self, warehouse: Attacked) -> None:
        self._warehouse = warehouse
        self.refused: Counter[bytes] = Counter()  # by SQLSTATE

    def send(self, conversations: list[bytes]) -> None:
        waiting = iter(conversations)
        with selectors.DefaultSelector() as selector:
            for data in waiting:
                self._open(selector, data)
                if len(selector.get_map()) >= AT_ONCE:
                    self._drain(selector, AT_ONCE // 2)
            self._drain(selector, 0)

    def _open(self, selector: selectors.BaseSelector, data: bytes) -> None:
        peer = socket.create_connection(self._warehouse.address, timeout=20)
        with contextlib.suppress(ConnectionError):  # it may be refused before all is sent
            peer.sendall(data)
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ)

    def _drain(self, selector: selectors.BaseSelector, left: int) -> None:
        """Reads until so many are left. Whom the server lets wait says that nothing more will come."""
        while len(selector.get_map()) > left:
            ready = selector.select(PATIENCE_SECONDS) or self._end(selector)
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                answer = _answer(key.fileobj)
                self.refused.update(re.findall(rb"\0C([0-9A-Z]{5})\0", answer))
                if not answer:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    def _end(self, selector: selectors.BaseSelector) -> list[tuple[selectors.SelectorKey, int]]:
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            with contextlib.suppress(OSError):
                key.fileobj.shutdown(socket.SHUT_WR)
        ready = selector.select(LONGEST_SECONDS)
        assert ready, "connections stay open after their clients have gone"
        return ready


def _answer(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65536)
    except ConnectionError:
        return b""


def test_before_a_login(warehouse: Attacked) -> None:
    print(f"seed {SEED}", file=sys.stderr)
    chance = random.Random(SEED)
    fuzzer = Fuzzer(warehouse.settings["REDSHIFT_USER"])
    peers = Peers(warehouse)
    peers.send([fuzzer.conversation(chance) for _ in range(BATCH)])  # warms up what is kept for good
    assert warehouse.serves()
    before = warehouse.settles(warehouse.held())
    for _ in range(BATCHES):
        peers.send([fuzzer.conversation(chance) for _ in range(BATCH)])
        assert warehouse.serves()
    after = warehouse.settles(before)
    assert after.memory - before.memory < GROWTH
    assert {b"08P01", b"28000", b"0A000"} <= set(peers.refused), peers.refused


def test_after_a_login(warehouse: Attacked) -> None:
    """The same to a backend: a client that is known sends what no client would."""
    print(f"seed {SEED}", file=sys.stderr)
    chance = random.Random(SEED + 1)
    fuzzer = Fuzzer(warehouse.settings["REDSHIFT_USER"])
    context = warehouse.tls()
    assert warehouse.serves()
    before = warehouse.settles(warehouse.held())
    for number in range(SESSIONS):
        with_tls = context if number % 4 == 0 else None
        inside(warehouse.login(encrypted=with_tls), b"".join(session(fuzzer, chance) for _ in range(4)))
        if number % 100 == 0:
            assert warehouse.serves()
    assert warehouse.serves()
    after = warehouse.settles(before)
    assert after.memory - before.memory < GROWTH


def session(fuzzer: Fuzzer, chance: random.Random) -> bytes:
    """A few messages of a session, one of them damaged, often with a Sync behind."""
    parts = chance.choices(fuzzer.messages, k=chance.randrange(1, 6))
    at = chance.randrange(len(parts))
    damaged = bytearray(parts[at])
    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    if chance.random() < 0.5:  # its length is right all the same: the body is read
        damaged[1:5] = int32(len(damaged) - 1)
    parts[at] = bytes(damaged)
    return b"".join(parts) + (wire.SYNC if chance.random() < 0.7 else b"")


def inside(peer: socket.socket, data: bytes) -> None:
    """Sends bytes on a session's socket, and reads until the server closes it."""
    peer.settimeout(LONGEST_SECONDS)
    with peer, contextlib.suppress(ConnectionError, ssl.SSLError):
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass


def test_over_tls(warehouse: Attacked) -> None:
    print(f"seed {SEED}", file=sys.stderr)
    chance = random.Random(SEED + 2)
    fuzzer = Fuzzer(warehouse.settings["REDSHIFT_USER"])
    context = warehouse.tls()
    assert warehouse.serves(sslmode="require")
    before = warehouse.settles(warehouse.held())
    for number in range(ENCRYPTED):
        encrypted(warehouse, context, fuzzer.conversation(chance), chance)
        if number % BATCH == 0:
            assert warehouse.serves(sslmode="require")
    assert warehouse.serves(sslmode="require")
    after = warehouse.settles(before)
    assert after.memory - before.memory < GROWTH


def encrypted(warehouse: Attacked, context: ssl.SSLContext, data: bytes, chance: random.Random) -> None:
    """Bytes inside TLS, or in place of the handshake, or a handshake that breaks off."""
    with socket.create_connection(warehouse.address, timeout=LONGEST_SECONDS) as peer:
        peer.sendall(int32(8) + int32(wire.SSL_REQUEST))
        assert peer.recv(1) == b"S"
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            if chance.random() < 0.3:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
                return
            with context.wrap_socket(peer, server_hostname=warehouse.address[0]) as tls:
                tls.sendall(data)
                tls.shutdown(socket.SHUT_WR)
