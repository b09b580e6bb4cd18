"""dbt-redshift runs a whole project on the warehouse, as its users do: tests/redshift_dbt, by its run.py.

The workshop's counter has three bikes and three repairs at first; between the two builds one bike is painted, one is
gone, one is new, and so is a repair (run.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redshift_clients import environ, libpq

from velodrome.runtime import install
from velodrome.settings import Settings

PROJECT = Path(__file__).parents[1] / "redshift_dbt"


@dataclass(frozen=True)
class Project:
    """What came of the project's commands, and a connection to where it built."""

    outcomes: dict[str, Any]
    target: Path
    connection: psycopg.Connection[Any]

    def statuses(self, command: str) -> Counter[str]:
        return Counter(status for status, *_ in self.outcomes[command]["nodes"].values())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def artifact(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.target / name).read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def project(redshift: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    install.ensure("dbt-redshift", redshift, lambda text: print(f"dbt-redshift: {text}", file=sys.stderr))
    target = tmp_path_factory.mktemp("dbt")
    where = {
        "WAREHOUSE_HOST": redshift["REDSHIFT_HOST"],
        "WAREHOUSE_PORT": redshift["REDSHIFT_PORT"],
        "WAREHOUSE_USER": redshift["REDSHIFT_USER"],
        "WAREHOUSE_PASSWORD": redshift["REDSHIFT_PASSWORD"],
        "WAREHOUSE_SSLMODE": "verify-full",
    }
    own = {"DBT_PROFILES_DIR": str(PROJECT), "DBT_LOG_PATH": str(target / "logs"), "DO_NOT_TRACK": "1"}
    python = redshift.installs / "dbt-redshift" / "bin" / "python"
    result = subprocess.run(
        [str(python), str(PROJECT / "run.py"), str(target)],
        env=environ(redshift) | where | own,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, result.stdout[-4000:] + result.stderr[-4000:]
    outcomes = json.loads(lines[-1].removeprefix("RESULT "))
    with psycopg.connect(**libpq(redshift), autocommit=True) as connection:
        yield Project(outcomes, target, connection)


COMMANDS = (
    *("debug", "first", "freshness", "second", "full", "docs", "show", "inline", "operation"),
    *("shared", "shared docs", "new column"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_succeeds(project: Project, command: str) -> None:
    outcome = project.outcomes[command]
    failed = {name: found for name, found in outcome["nodes"].items() if found[0] not in ("success", "pass")}
    assert outcome["success"] and not failed, (outcome["error"], failed)


def test_a_build_runs_models_seeds_snapshots_and_every_kind_of_test(project: Project) -> None:
    assert set(project.outcomes) == set(COMMANDS)
    kinds = Counter(name.split(".")[0] for name in project.outcomes["second"]["nodes"])
    assert kinds == {"model": 10, "function": 1, "test": 18, "seed": 2, "snapshot": 2, "unit_test": 2, "operation": 2}
    assert project.statuses("second") == {"success": 17, "pass": 20}


def test_incremental_models(project: Project) -> None:
    """Each strategy in the second build; those afterwards make the same rows of the same sources."""
    assert project.rows("select repair_id from workshop.repair_log order by 1") == [(1,), (2,), (3,), (4,)]
    assert project.rows("select bike_id, repairs from workshop.bike_totals order by 1") == [(1, 2), (2, 1), (4, 1)]
    assert project.rows("select repair_id, status from workshop.repairs_by_day order by 1") == [
        (1, "done"),
        (2, "done"),
        (3, "done"),
        (4, "waiting"),
    ]
    assert project.rows("select bike_id, colour from workshop.bike_state order by 1") == [
        (1, "green"),
        (3, "blue"),
        (4, "black"),
    ]


def test_a_merge_updates_what_it_may_and_deletes_nothing(project: Project) -> None:
    assert project.outcomes["second"]["rows"] == [
        [1, "green", True],
        [2, "unpainted", False],
        [3, "blue", False],
        [4, "black", False],
    ]


def test_snapshots_keep_history(project: Project) -> None:
    by_time = project.rows(
        "select bike_id, trim(colour), dbt_valid_to is null from workshop.bikes_by_time order by 1, dbt_valid_from"
    )
    assert by_time == [(1, "red", False), (1, "green", True), (2, None, False), (3, "blue", True), (4, "black", True)]
    by_value = project.rows(
        "select bike_id, colour, dbt_is_deleted, dbt_valid_to > '9999-01-01' from workshop.bikes_by_value"
        " order by 1, dbt_valid_from, 3"
    )
    assert by_value == [
        (1, "red", "False", False),
        (1, "green", "False", True),
        (2, "unpainted", "False", False),
        (2, "unpainted", "True", True),
        (3, "blue", "False", True),
        (4, "black", "False", True),
    ]


def test_layout_of_tables(project: Project) -> None:
    project.connection.execute("set search_path to workshop")
    keys = (
        'select tablename, "column", distkey, sortkey from pg_table_def'
        " where schemaname = 'workshop' and (distkey or sortkey <> 0) order by 1, 4, 2"
    )
    assert [row for row in project.rows(keys) if row[0] in ("bikes", "repairs")] == [
        ("bikes", "bike_id", False, 1),
        ("repairs", "bike_id", True, 0),
        ("repairs", "repaired_at", False, 1),
        ("repairs", "repair_id", False, 2),
    ]
    styles = dict(project.rows('select "table", diststyle from svv_table_info where "schema" = \'workshop\''))
    assert (styles["repairs"], styles["mechanics"], styles["repair_log"]) == ("KEY(bike_id)", "ALL", "EVEN")


def test_contracts_make_constraints(project: Project) -> None:
    found = project.rows(
        "select constraint_type from information_schema.table_constraints"
        " where table_schema = 'workshop' and table_name = 'bikes' order by 1"
    )
    assert found == [("PRIMARY KEY",), ("UNIQUE",)]
    columns = project.rows('select "column", "notnull" from pg_table_def where tablename = \'bikes\' order by 1')
    assert dict(columns)["bike_id"] is True and dict(columns)["frame"] is False


def test_grants(project: Project) -> None:
    can = "select has_table_privilege('reporter', 'workshop.{}', 'select')"
    assert project.rows(can.format("repairs")) == [(True,)]
    assert project.rows(can.format("mechanic_hours")) == [(True,)]
    assert project.rows(can.format("stg_bikes")) == [(False,)]


def test_hooks(project: Project) -> None:
    said = Counter(row[0] for row in project.rows("select said from workshop_log.runs"))
    assert said["before repairs"] == 4 and said["end"] >= 4


def test_a_new_column(project: Project) -> None:
    assert project.rows("select note from workshop.bike_state where bike_id = 4") == [("note of 4",)]


def test_the_materialized_view(project: Project) -> None:
    """dbt has altered it in its last run, having seen that it was refreshed automatically."""
    assert project.rows("select autorefresh from svv_mv_info where name = 'mechanic_hours'") == [("f",)]
    assert project.rows("select mechanic_id, repairs, minutes from workshop.mechanic_hours order by 1") == [
        (1, 2, 50),
        (2, 1, 15),
        (3, 1, 45),
    ]


def test_a_late_binding_view_outlives_its_table(project: Project) -> None:
    connection = project.connection
    connection.execute("alter table workshop_raw.repairs rename to repairs_moved")
    with pytest.raises(psycopg.errors.UndefinedTable):
        project.rows("select * from workshop.stg_repairs")
    connection.execute("alter table workshop_raw.repairs_moved rename to repairs")
    assert project.rows("select count(*) from workshop.stg_repairs") == [(4,)]


def test_a_function(project: Project) -> None:
    assert project.rows("select workshop.hours(90)") == [(1.5,)]


@pytest.mark.parametrize("command", ["docs", "shared docs"])
def test_the_catalog_of_the_docs(project: Project, command: str) -> None:
    """By queries of the system catalog, and by SHOW commands."""
    catalog = project.artifact(f"{command}.json")
    assert catalog["errors"] is None
    nodes, sources = catalog["nodes"], catalog["sources"]
    assert len(nodes) == 14 and len(sources) == 2
    kinds = {name.rpartition(".")[2]: node["metadata"]["type"] for name, node in nodes.items()}
    assert kinds["repairs"] == "BASE TABLE" and kinds["stg_bikes"] == "VIEW"
    assert kinds["stg_repairs"] == "LATE BINDING VIEW" and kinds["mechanic_hours"] == "MATERIALIZED VIEW"
    repairs = nodes["model.workshop.repairs"]
    assert repairs["metadata"]["comment"] == "One row per repair with its cost; keys of $dollars$ and it's quoted"
    assert {name: column["type"] for name, column in repairs["columns"].items()} == {
        "repair_id": "integer",
        "bike_id": "integer",
        "mechanic_id": "integer",
        "repaired_at": "timestamp without time zone",
        "repaired_on": "date",
        "status": "character varying(10)",
        "minutes": "integer",
        "cost": "numeric(10,2)",
        "visit": "bigint",
    }
    assert repairs["columns"]["cost"]["comment"] == "Work and part, in euro"
    stats = repairs["stats"]
    assert stats["diststyle"]["value"] == "KEY(bike_id)" and stats["sortkey1"]["value"] == "repaired_at"
    assert Decimal(stats["rows"]["value"]) == 4


def test_what_dbt_shows(project: Project) -> None:
    (shown,) = (found[2] for name, found in project.outcomes["show"]["nodes"].items() if name.startswith("model"))
    assert len(shown) == 2
    ((_, _, columns),) = project.outcomes["inline"]["nodes"].values()
    assert ["cost", "numeric(10,2)"] in columns and ["visit", "bigint"] in columns
