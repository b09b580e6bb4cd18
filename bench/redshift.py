"""The warehouse's gateway against a direct connection to the PostgreSQL inside it: same machine, same run, interleaved.

usage: python bench/redshift.py [--runs 5] [--only rows]     (with the tests' Python, on a machine that is idle else)
Prints a Markdown table: medians through the gateway, through a relay that does nothing (relay.py), and directly (Unix
socket, no password); the gateway against the direct connection, and the bar.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from measuring import busy
from psycopg import pq

from velodrome.postgres import binaries
from velodrome.redshift.server import SUPERUSER
from velodrome.redshift.sql import translate as translation
from velodrome.settings import Settings
from velodrome.testing import RunningService, run_service

ROWS, INSERTED, CONNECTIONS = 1_000_000, 10_000, 200
WIDE = """
CREATE TABLE bench.wide AS
SELECT g AS id, g % 1000 AS store_id, g::bigint * 7 AS amount, g / 3.0::float8 AS ratio,
    (g % 9973)::numeric(18, 2) AS price, 'customer number ' || g AS name,
    'street ' || g % 77 || ', a town of a usual length' AS address,
    '2026-01-01'::date + g % 365 AS day, '2026-01-01'::timestamp + g % 86400 * interval '1 second' AS at,
    g % 2 = 0 AS active, 'a note that is the same for all of them' AS note, g % 5 AS a, g % 7 AS b, g % 11 AS c,
    'x' AS d
FROM (SELECT generate_series(1, {rows}) AS g) s
"""
# As pgbench's own mix, in words that Redshift has too.
MIX = """
\\set aid random(1, 100000)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE bench.accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM bench.accounts WHERE aid = :aid;
INSERT INTO bench.history (aid, change, mtime) VALUES (:aid, :delta, CURRENT_TIMESTAMP);
END;
"""
# Of everyday kinds: reports, a driver's question, what a load runs. %d makes each text a new one.
QUERIES = (
    "SELECT %d",
    "SELECT s.store_name, DATE_TRUNC('month', f.day) AS month, SUM(f.amount) AS total, AVG(f.qty)"
    " FROM serving.fact_sales f JOIN serving.dim_stores s ON s.id = f.store_id"
    " WHERE f.day >= DATEADD(day, -%d, GETDATE()) GROUP BY 1, 2 ORDER BY 1",
    "SELECT id, NVL(name, '?'), DATEDIFF(day, a, b) FROM t WHERE x = %d AND y ILIKE '%%a' ORDER BY 2 DESC LIMIT 100",
    "WITH r AS (SELECT id, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t DESC) AS n FROM s.u WHERE v > %d)"
    " SELECT COUNT(DISTINCT id) FROM r WHERE n = 1 AND id NOT IN (SELECT id FROM s.w)",
    "SELECT customer_id, LISTAGG(product, ', ') WITHIN GROUP (ORDER BY product) FROM sales WHERE d = %d GROUP BY 1",
    "SELECT * FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = %d",
    "SELECT DECODE(status, 1, 'new', 2, 'paid', 'other'), TOP_N FROM orders WHERE id = %d",
    "CREATE TABLE sales_%d (id BIGINT IDENTITY(1,1), store INT ENCODE az64, note VARCHAR(200) ENCODE zstd, day DATE)"
    " DISTSTYLE KEY DISTKEY (store) COMPOUND SORTKEY (day, store)",
    "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a + %d WHEN NOT MATCHED THEN INSERT (id, a)"
    " VALUES (s.id, s.a)",
    "UPDATE serving.dim_customers SET exp_date = DATEADD(day, -1, c.eff), active_flag = 'N' FROM staging.customers c"
    " WHERE dim_customers.id = c.id AND c.id > %d",
)


class Bench:
    """A running warehouse, reached both ways."""

    def __init__(self, running: RunningService, relay: int, runs: int) -> None:
        self.settings: Settings = running.settings
        self.gateway = running.process.pid
        self.relay = relay  # its port
        self.runs = runs
        self._address = {
            "host": self.settings["REDSHIFT_HOST"],
            "port": self.settings["REDSHIFT_PORT"],
            "user": self.settings["REDSHIFT_USER"],
            "password": self.settings["REDSHIFT_PASSWORD"],
        }
        self._socket = str(self.settings.home / "data" / "redshift")

    def through(self, **more: Any) -> psycopg.Connection[Any]:
        """Through the gateway."""
        options = {"sslmode": "disable", "dbname": "dev", "autocommit": True, **self._address, **more}
        return psycopg.connect(**options)

    def direct(self, **more: Any) -> psycopg.Connection[Any]:
        """To the server inside."""
        place = {"host": self._socket, "port": self.settings["REDSHIFT_PORT"], "user": self.settings["REDSHIFT_USER"]}
        return psycopg.connect(dbname="dev", autocommit=True, **place | more)

    def relayed(self) -> psycopg.Connection[Any]:
        """To the server inside, through the relay."""
        return self.direct(host="127.0.0.1", port=self.relay, sslmode="disable")

    def compared(self, work: Callable[[psycopg.Connection[Any]], float]) -> tuple[float, float, float]:
        """Medians of a work's figure through the gateway, through the relay and directly, in turns."""
        with self.through() as through, self.relayed() as relayed, self.direct() as direct:
            ways = (through, relayed, direct)
            for connection in ways:
                work(connection)
            figures = [[work(connection) for connection in ways] for _ in range(self.runs)]
        ours, relays, theirs = (statistics.median(of_one_way) for of_one_way in zip(*figures, strict=True))
        return ours, relays, theirs

    # -- what is measured -------------------------------------------------------------------------------------------

    def small(self) -> None:
        """`select 1`, p50."""

        def work(connection: psycopg.Connection[Any]) -> float:
            samples = []
            for _ in range(2000):
                begun = time.perf_counter()
                connection.pgconn.exec_(b"select 1")
                samples.append(time.perf_counter() - begun)
            return statistics.median(samples) * 1e6

        figures = self.compared(work)
        ours, _, theirs = figures
        row("`select 1`, p50", *(f"{figure:.0f} µs" for figure in figures), f"+{ours - theirs:.0f} µs", "+60 µs")

    def rows(self) -> None:
        """A million wide rows into a client's memory."""
        with self.through() as connection:
            connection.execute(WIDE.format(rows=ROWS).encode())

        def fetch(connection: psycopg.Connection[Any]) -> float:
            begun = time.perf_counter()
            with connection.cursor() as cursor:
                cursor.execute("select * from bench.wide")
                while cursor.fetchmany(10_000):
                    pass
            return ROWS / (time.perf_counter() - begun)

        def raw(connection: psycopg.Connection[Any]) -> float:
            begun = time.perf_counter()
            result = connection.pgconn.exec_(b"select * from bench.wide")
            assert result.status == pq.ExecStatus.TUPLES_OK and result.ntuples == ROWS
            return ROWS / (time.perf_counter() - begun)

        for name, work in (("as Python's values (psycopg)", fetch), ("as bytes (libpq alone)", raw)):
            figures = self.compared(work)
            shown = (f"{figure / 1000:.0f} k/s" for figure in figures)
            row(f"a million rows of 15 columns, {name}", *shown, f"{figures[0] / figures[2]:.2f}", "0.95")

    def mix(self) -> None:
        """Eight clients that update, select and insert, in tables as Redshift has them: without an index.

        With one, that Redshift would not have, statements take so little that the processors' time is all there is.
        """
        with self.through() as connection:
            connection.execute(
                "CREATE TABLE bench.accounts AS SELECT generate_series(1, 100000) AS aid, 0 AS abalance;"
                " CREATE TABLE bench.history (aid INT, change INT, mtime TIMESTAMP)"  # delta is a word of Redshift's
            )
        for indexed in (False, True):
            if indexed:
                with self.direct(user=SUPERUSER) as connection:  # it is refused to others
                    connection.execute("CREATE INDEX ON bench.accounts (aid)")
            ways = (
                (self._address["host"], self._address["port"]),
                ("127.0.0.1", str(self.relay)),
                (self._socket, self._address["port"]),
            )
            with tempfile.TemporaryDirectory() as folder:
                script = Path(folder) / "mix.sql"
                script.write_text(MIX)
                runs = [[self._pgbench(script, *way) for way in ways] for _ in range(self.runs)]
            figures = [statistics.median(of_one_way) for of_one_way in zip(*runs, strict=True)]
            name = ", with an index that Redshift has not" if indexed else ""
            shown = (f"{figure:.0f} tps" for figure in figures)
            bar = "" if indexed else "0.85"
            row(f"8 clients of pgbench: update, select, insert{name}", *shown, f"{figures[0] / figures[2]:.2f}", bar)

    def _pgbench(self, script: Path, host: str, port: str) -> float:
        argv = [str(binaries() / "pgbench"), "-n", "-c", "8", "-j", "1", "-T", "5", "-f", str(script)]
        environ = os.environ | {"PGHOST": host, "PGPORT": port, "PGDATABASE": "dev"}
        environ |= {"PGUSER": self._address["user"], "PGPASSWORD": self._address["password"]}
        output = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout
        return next(float(line.split()[2]) for line in output.splitlines() if line.startswith("tps = "))

    def translation(self) -> None:
        """In this process, without a connection."""
        first: list[float] = []
        again: list[float] = []
        for number in range(200):
            for query in QUERIES:
                text = query.replace("%d", str(number)).replace("%%", "%")
                for samples in (first, again):
                    begun = time.perf_counter()
                    translation.translate(text)
                    samples.append(time.perf_counter() - begun)
        seen = statistics.quantiles(first, n=20)[-1] * 1000
        row("translation of a query first seen, p95", f"{seen:.2f} ms", "", "", "", "2 ms")
        known = statistics.quantiles(again, n=20)[-1] * 1e6
        row("translation of a query seen before, p95", f"{known:.1f} µs", "", "", "", "5 µs")

    def insert(self) -> None:
        """Ten thousand rows in one INSERT."""
        with self.through() as connection:
            connection.execute("CREATE TABLE bench.inserted (id INT, name VARCHAR(40), price DECIMAL(10, 2), day DATE)")
        count = 0

        def work(connection: psycopg.Connection[Any]) -> float:
            nonlocal count
            count += 1  # a text that neither side has seen
            rows = ", ".join(f"({i}, 'name {count} {i}', {i}.25, '2026-01-31')" for i in range(INSERTED))
            text = f"INSERT INTO bench.inserted VALUES {rows}".encode()
            begun = time.perf_counter()
            result = connection.pgconn.exec_(text)
            assert result.status == pq.ExecStatus.COMMAND_OK, result.error_message
            return (time.perf_counter() - begun) * 1000

        figures = self.compared(work)
        shown = (f"{figure:.0f} ms" for figure in figures)
        row("INSERT of 10,000 rows of VALUES", *shown, f"{figures[0] / figures[2]:.2f}", "1.1")

    def connections(self) -> None:
        """What an open connection costs the gateway."""
        for mode in ("disable", "require"):
            before = resident(self.gateway)
            opened = [self.through(sslmode=mode) for _ in range(CONNECTIONS)]
            for connection in opened:
                connection.execute("select 1")
            each = (resident(self.gateway) - before) / CONNECTIONS / 1024
            for connection in opened:
                connection.close()
            name = "with TLS" if mode == "require" else "without TLS"
            row(f"{CONNECTIONS} open connections {name}, each in the gateway", f"{each:.0f} KB", "", "", "", "100 KB")


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def relaying(running: RunningService) -> Iterator[int]:
    """A relay to the server inside; its port."""
    settings = running.settings
    socket = settings.home / "data" / "redshift" / f".s.PGSQL.{settings['REDSHIFT_PORT']}"
    python = settings.installs / "redshift" / "bin" / "python"  # the gateway's own, which has uvloop
    argv = [python, Path(__file__).with_name("relay.py"), socket]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def row(what: str, ours: str, relayed: str, direct: str, result: str, bar: str) -> None:
    """A line of the table."""
    print(f"| {what} | {ours} | {relayed} | {direct} | {result} | {bar} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each measurement, each way")
    parser.add_argument("--only", default="", help="small, rows, mix, translation, insert or connections")
    options = parser.parse_args()
    if busy() > 0.3:
        print("others use this machine now: the figures will be too bad")
    home = tempfile.TemporaryDirectory(prefix="velodrome-bench-")
    with home as folder, run_service("redshift", Path(folder)) as running, relaying(running) as relay:
        bench = Bench(running, relay, options.runs)
        with bench.through() as connection:
            connection.execute("CREATE SCHEMA bench")
        row("what", "gateway", "relay", "direct", "gateway to direct", "bar")
        print("|---|---|---|---|---|---|")
        for name in ("connections", "small", "insert", "translation", "mix", "rows"):
            if name.startswith(options.only):
                getattr(bench, name)()


if __name__ == "__main__":
    main()
