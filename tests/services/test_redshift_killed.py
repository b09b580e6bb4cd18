"""500 clients that vanish at the worst moment: no backend, lock, descriptor or memory of theirs is left."""

from __future__ import annotations

import io
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator

import boto3
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from redshift_attacked import SSL_REQUEST, Attacked, attacked, receive, until_ready

from velodrome.awsapi import profile
from velodrome.redshift import wire
from velodrome.testing import own_settings, run_service, wait_until

AT_ONCE = 20
# Rounds of each moment, 20 clients in each, after a first one: 560 clients; and kB of memory that caches and pools may
# take on the way. Arrow's pool takes and gives back by tens of MB; what a load holds, if lost, would be over 250.
ROUNDS, GROWTH = 4, 24_000
LOADS, GROWTH_OF_LOADS = 8, 100_000
BUCKET = "killed-test"
ENDLESS = "select count(*) from generate_series(1, 100000000000) a"
WIDE = "select repeat('x', 10000) from generate_series(1, 100000)"
COPY = f"copy killed_load from 's3://{BUCKET}/rows' iam_role default format as parquet"
TRANSACTION = "begin; create table killed_made (a int); insert into killed_into values (1); lock table killed_into"
PROCESS = """
import sys, psycopg
connections = [psycopg.connect(sys.argv[1], autocommit=True) for _ in range(int(sys.argv[2]))]
for connection in connections:
    connection.pgconn.send_query(sys.argv[3].encode())
    connection.pgconn.flush()
print("sent", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    home = tmp_path_factory.mktemp("killed")
    settings = own_settings(home)
    with run_service("s3", home, settings) as s3, attacked(home, settings) as found:
        where = profile.load(s3.settings.path("AWS_CONFIG_FILE"), s3.settings["AWS_PROFILE"])
        client = boto3.client(
            "s3",
            endpoint_url=where.endpoint("s3"),
            region_name=where.region,
            aws_access_key_id=where.access_key_id,
            aws_secret_access_key=where.secret_access_key,
            config=Config(s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=BUCKET)
        rows = io.BytesIO()
        pq.write_table(pa.table({"a": pa.array(range(300_000), pa.int32()), "b": ["x" * 50] * 300_000}), rows)
        client.put_object(Bucket=BUCKET, Key="rows.parquet", Body=rows.getvalue())
        with found.connect() as connection:
            connection.execute("create table killed_load (a int, b varchar(50))")
            connection.execute("create table killed_into (a int)")
        whole_loads(found)
        yield found


def whole_loads(warehouse: Attacked) -> None:
    """As many as run at the same time: what they need is there before it is measured."""
    peers = [warehouse.login("whole") for _ in range(6)]
    for peer in peers:
        peer.sendall(wire.query(f"begin; {COPY}; rollback"))
    for peer in peers:
        until_ready(peer)
        peer.close()


def reset(peer: socket.socket) -> None:
    """Ends a connection as a machine does that has lost it: no FIN, a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def sessions(
    warehouse: Attacked, name: str, sql: str, condition: str, encrypted: ssl.SSLContext | None, first: str = "true"
) -> None:
    """Clients that send a query, and are gone once the server is at it, for one of them also in a `first` state."""
    peers = [warehouse.login(name, encrypted if number % 2 else None) for number in range(AT_ONCE)]
    for peer in peers:
        peer.sendall(wire.query(sql))
    count = f"SELECT count(*) FROM pg_stat_activity a WHERE application_name = '{name}' AND {condition}"
    wait_until(f"{name}: {AT_ONCE} sessions", lambda: warehouse.inside.execute(count).fetchone() == (AT_ONCE,))
    wait_until(f"{name}: {first}", lambda: warehouse.inside.execute(f"{count} AND {first}").fetchone() != (0,))
    for peer in peers:
        reset(peer)


def in_mid_query(warehouse: Attacked) -> None:
    sessions(warehouse, "query", ENDLESS, "state = 'active'", warehouse.tls())


def in_mid_result(warehouse: Attacked) -> None:
    """Nobody reads the rows: the backend waits for its socket."""
    sessions(warehouse, "result", WIDE, "wait_event = 'ClientWrite'", warehouse.tls())


def in_mid_load(warehouse: Attacked) -> None:
    loading = "EXISTS (SELECT FROM pg_stat_progress_copy c WHERE c.pid = a.pid{})"
    sessions(warehouse, "load", COPY, loading.format(""), warehouse.tls(), loading.format(" AND bytes_processed > 0"))


def in_mid_transaction(warehouse: Attacked) -> None:
    """One holds the locks, the others wait for them."""
    sessions(warehouse, "transaction", TRANSACTION, "(state = 'idle in transaction' OR wait_event_type = 'Lock')", None)


def in_mid_login(warehouse: Attacked) -> None:
    """Before the password, after the request for TLS, in the middle of its handshake, and just after."""
    context = warehouse.tls()
    peers: list[socket.socket] = []
    for number in range(AT_ONCE):
        peer = socket.create_connection(warehouse.address, timeout=20)
        if number % 4:
            peer.sendall(SSL_REQUEST)
            assert peer.recv(1) == b"S"
        if number % 4 == 0:
            peer.sendall(wire.startup({"user": warehouse.settings["REDSHIFT_USER"], "database": "dev"}))
            assert receive(peer)[0] == ord("R")
        elif number % 4 == 2:
            outgoing = ssl.MemoryBIO()
            hello = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
            with pytest.raises(ssl.SSLWantReadError):
                hello.do_handshake()
            peer.sendall(outgoing.read()[:-100])
        elif number % 4 == 3:
            peer = context.wrap_socket(peer, server_hostname=warehouse.address[0])
        peers.append(peer)
    for peer in peers:
        reset(peer)


def with_its_process(warehouse: Attacked) -> None:
    """SIGKILL: the machine closes its sockets."""
    host, port = warehouse.address
    user, password = warehouse.settings["REDSHIFT_USER"], warehouse.settings["REDSHIFT_PASSWORD"]
    where = psycopg.conninfo.make_conninfo(
        host=host, port=port, user=user, password=password, dbname="dev", application_name="process"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, where, str(AT_ONCE), ENDLESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"sent\n"
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    process.stdin.close()


MOMENTS: tuple[Callable[[Attacked], None], ...] = (
    in_mid_query,
    in_mid_result,
    in_mid_load,
    in_mid_transaction,
    in_mid_login,
    with_its_process,
)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_nothing_is_left_of_a_client_that_vanishes(warehouse: Attacked, moment: Callable[[Attacked], None]) -> None:
    assert warehouse.serves()
    empty = warehouse.settles(warehouse.held())
    moment(warehouse)  # warms up what is kept for good
    before = warehouse.settles(empty)
    rounds, growth = (LOADS, GROWTH_OF_LOADS) if moment is in_mid_load else (ROUNDS, GROWTH)
    for _ in range(rounds):
        moment(warehouse)
        assert warehouse.serves()
    after = warehouse.settles(before)
    assert after.memory - before.memory < growth
    with warehouse.connect() as connection:
        assert connection.execute("select count(*) from killed_into").fetchone() == (0,)
        assert connection.execute("select count(*) from pg_tables where tablename = 'killed_made'").fetchone() == (0,)
