"""Amazon's JDBC driver, unmodified, over TLS: redshift_jdbc.py runs it once, each test looks at what it met."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from velodrome.emr_serverless.spark.install import install_jars
from velodrome.emr_serverless.spark.jvm import SparkInstall
from velodrome.runtime import install
from velodrome.settings import Settings

SCRIPT = Path(__file__).with_name("redshift_jdbc.py")
TEXTS = [
    "32767", "-5", "1152921504606846976", "1.5", "2.25", "123.4567", "abc  ", "é", "t", "2024-02-29",
    "2024-02-29 01:02:03.5", "2024-02-29 01:02:03.5+00", "04:05:06", "04:05:06+00",
]  # fmt: skip
KEY = "PKTABLE_NAME PKCOLUMN_NAME FKTABLE_NAME FKCOLUMN_NAME KEY_SEQ"

Met = dict[str, Any]


@pytest.fixture(scope="module")
def driver(redshift: Settings, tmp_path_factory: pytest.TempPathFactory) -> Met:
    """What the driver met, by the case's name. Java, and the registry's client for the driver itself, are Spark's."""
    installs = redshift.installs
    for name in ("spark", "redshift-jdbc"):
        install.ensure(name, redshift, lambda text: print(text, file=sys.stderr))
    spark, jars = installs / "spark", installs / "redshift-jdbc-jars"
    install_jars(spark, SCRIPT.parents[1] / "redshift-jdbc" / "jars.txt", jars, print)
    other = tmp_path_factory.mktemp("other") / "authority.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=other",
            "-keyout",
            "/dev/null",
            "-out",
            other,
        ],
        check=True,
        capture_output=True,
    )
    given = {
        "jvm": str(SparkInstall(spark, jars).java_home / "lib" / "server" / "libjvm.so"),
        "jars": [str(jar) for jar in jars.glob("*.jar")],
        "address": f"{redshift['REDSHIFT_HOST']}:{redshift['REDSHIFT_PORT']}",
        "other_authority": str(other),
        "properties": {
            "user": redshift["REDSHIFT_USER"],
            "password": redshift["REDSHIFT_PASSWORD"],
            "sslmode": "verify-full",
            "sslrootcert": str(redshift.certificates / "authority.pem"),
        },
    }
    done = subprocess.run(
        [str(installs / "redshift-jdbc" / "bin" / "python"), str(SCRIPT)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        pytest.fail(done.stderr[-4000:], pytrace=False)
    return dict(json.loads(done.stdout))


def value(met: Met, case: str) -> Any:
    assert "value" in met[case], met[case]
    return met[case]["value"]


class TestConnections:
    def test_it_meets_redshift(self, driver: Met) -> None:
        assert value(driver, "versions") == ["Redshift", "8.0.2"]

    def test_every_kind_of_tls(self, driver: Met) -> None:
        assert value(driver, "ssl_modes") == {mode: [["in"]] for mode in ("none", "verify-ca", "verify-full")}

    def test_a_certificate_of_an_unknown_authority(self, driver: Met) -> None:
        assert "unable to find valid certification path" in value(driver, "an_unknown_authority")["message"]

    def test_a_wrong_password(self, driver: Met) -> None:
        met = value(driver, "a_wrong_password")
        assert met["state"].startswith("28")
        assert met["message"] == 'FATAL: password authentication failed for user "awsuser"'

    def test_a_wrong_database(self, driver: Met) -> None:
        met = value(driver, "a_wrong_database")
        assert met == {"state": "3D000", "message": 'FATAL: database "gone" does not exist'}

    def test_the_session(self, driver: Met) -> None:
        assert value(driver, "the_session") == ["jdbc_shop", "dev", True, [["named"]]]

    def test_a_read_only_connection(self, driver: Met) -> None:
        refused, after = value(driver, "read_only")
        assert "read-only" in refused["message"]
        assert after == [["1"]]


class TestValues:
    @pytest.mark.parametrize("way", ["binary", "text", "protocol 0", "not prepared"])
    def test_every_type(self, driver: Met, way: str) -> None:
        assert value(driver, "types")[way] == [TEXTS, [None] * len(TEXTS)]

    def test_classes(self, driver: Met) -> None:
        numbers = ["java.lang.Integer"] * 2 + ["java.lang.Long", "java.lang.Float", "java.lang.Double"]
        others = ["java.math.BigDecimal", "java.lang.String", "java.lang.String", "java.lang.Boolean", "java.sql.Date"]
        assert value(driver, "objects") == [*numbers, *others, "java.sql.Timestamp", "java.sql.Time"]

    def test_intervals(self, driver: Met) -> None:
        assert value(driver, "intervals") == [["1 year 2 mons", "3 days 04:00:00"]]

    def test_parameters(self, driver: Met) -> None:
        assert value(driver, "parameters") == [["2024-03-01 00:00:00", "none", "9"]]
        assert value(driver, "about_parameters")[0] == "int4"

    def test_what_a_result_tells_of_itself(self, driver: Met) -> None:
        assert value(driver, "about_results") == [
            ["id", "id", "int4", 10, 0, "items", "jdbc_shop", 0],
            ["n", "n", "varchar", 10, 0, "items", "jdbc_shop", 0],
            ["price", "price", "numeric", 8, 2, "items", "jdbc_shop", 1],
        ]

    def test_escapes(self, driver: Met) -> None:
        assert value(driver, "escapes") == [["X", "2024-02-29", "2024-02-29 01:02:03", "ab"]]


class TestStatements:
    @pytest.mark.parametrize("rewritten", ["false", "true"])
    def test_a_batch(self, driver: Met, rewritten: str) -> None:
        assert value(driver, "batches")[rewritten] == [500, ["500", "124750"]]

    def test_a_batch_that_fails(self, driver: Met) -> None:
        met = value(driver, "a_batch_that_fails")
        assert met["state"] == "23502" and met["message"].startswith("Batch entry 2 insert into batch values (null)")

    def test_transactions(self, driver: Met) -> None:
        gone, aborted, savepoint, isolation = value(driver, "transactions")
        assert [gone["state"], aborted["state"], savepoint["state"], isolation] == ["42P01", "25P02", "0A000", 8]
        assert 'SQL command "SAVEPOINT" not supported.' in savepoint["message"]

    def test_a_cursor(self, driver: Met) -> None:
        assert value(driver, "a_cursor") == 500500

    def test_scrolling(self, driver: Met) -> None:
        assert value(driver, "scrolling") == [True, 7, True, 1]

    def test_several_statements(self, driver: Met) -> None:
        assert value(driver, "several_statements") == [[0, 2], True, [["2"]]]

    @pytest.mark.parametrize("case", ["a_cancelled_query", "a_query_that_takes_too_long"])
    def test_a_query_is_cancelled(self, driver: Met, case: str) -> None:
        met, after = value(driver, case)
        assert (met[0] if isinstance(met, list) else met)["state"] == "57014"
        assert after == [["next"]]

    def test_a_procedure_with_results(self, driver: Met) -> None:
        assert value(driver, "a_procedure") == [42, "hi!"]

    def test_notices(self, driver: Met) -> None:
        assert "gone" in value(driver, "notices")

    def test_refusals(self, driver: Met) -> None:
        index, missing, returning, blob = value(driver, "refusals")
        assert [met["state"] for met in (index, missing, returning, blob)] == ["0A000", "42P01", "42601", "0A000"]
        assert "not supported on Redshift tables." in index["message"]
        assert returning["message"] == 'ERROR: syntax error at or near "returning"\n  Position: 49'


class TestMetadata:
    """What DatabaseMetaData answers: some of the columns of each of its results."""

    @pytest.mark.parametrize(
        ("call", "columns", "expected"),
        [
            ("catalogs", "TABLE_CAT", ["dev"]),
            ("schemas like", "TABLE_SCHEM TABLE_CATALOG", ["jdbc_shop dev"]),
            ("tables", "TABLE_SCHEM TABLE_NAME TABLE_TYPE", [
                "jdbc_shop cheap VIEW", "jdbc_shop items TABLE", "jdbc_shop orders TABLE",
            ]),
            ("tables of a type", "TABLE_NAME", ["items", "orders"]),
            ("columns", "COLUMN_NAME DATA_TYPE TYPE_NAME COLUMN_SIZE DECIMAL_DIGITS NULLABLE ORDINAL_POSITION", [
                "id 4 int4 10 0 0 1", "name 12 varchar 10 0 0 2", "price 2 numeric 8 2 1 3",
            ]),
            ("primary keys", "TABLE_NAME COLUMN_NAME KEY_SEQ PK_NAME", ["items id 1 items_pkey"]),
            ("imported keys", KEY, ["items id orders item 1"]),
            ("exported keys", KEY, ["items id orders item 1"]),
            ("cross reference", "PKTABLE_NAME FKTABLE_NAME FKCOLUMN_NAME", ["items orders item"]),
            ("best row", "COLUMN_NAME", ["id"]),
            ("procedures", "PROCEDURE_NAME", ["double"]),
            ("procedure columns", "PROCEDURE_NAME COLUMN_NAME COLUMN_TYPE TYPE_NAME", [
                "double a 1 int4", "double c 2 varchar", "double b 4 int4",
            ]),
            ("functions", "FUNCTION_SCHEM FUNCTION_NAME", ["jdbc_shop f_add"]),
            ("user types", "TYPE_NAME", []),
        ],
    )  # fmt: skip
    def test_shows_what_was_made(self, driver: Met, call: str, columns: str, expected: list[str]) -> None:
        met = value(driver, "catalogs_of_the_driver")[call]
        found = [" ".join(str(row[column]) for column in columns.split()) for row in met.get("value", [met])]
        assert found == expected

    @pytest.mark.parametrize(
        ("call", "column", "some"),
        [
            ("schemas", "TABLE_SCHEM", {"jdbc_shop", "public", "pg_catalog"}),
            ("table types", "TABLE_TYPE", {"TABLE", "VIEW", "EXTERNAL TABLE"}),
            ("types", "TYPE_NAME", {"int4", "int8", "varchar", "timestamptz", "bool"}),
            ("table privileges", "PRIVILEGE", {"SELECT", "INSERT"}),
            ("column privileges", "COLUMN_NAME", {"name"}),
            ("function columns", "FUNCTION_NAME", {"f_add"}),
        ],
    )
    def test_knows_of(self, driver: Met, call: str, column: str, some: set[str]) -> None:
        met = value(driver, "catalogs_of_the_driver")[call]
        assert some <= {row[column] for row in met.get("value", [met])}

    def test_shows_nothing_of_the_warehouses_own(self, driver: Met) -> None:
        assert "velodrome" not in json.dumps(value(driver, "catalogs_of_the_driver")["schemas"])
