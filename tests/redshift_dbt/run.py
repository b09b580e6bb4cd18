"""Runs the project as its users do, in one process: two builds with changes between them, a full one, and what else dbt
does; prints what came of each command as JSON. Runs in dbt's own environment: ``run.py TARGET_FOLDER``.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import redshift_connector
from dbt.cli.main import dbtRunner

NOW = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
FIRST_DAY = (NOW - datetime.timedelta(days=3)).date().isoformat()
VARIABLES = {"first_day": FIRST_DAY}
BEFORE = (
    "create schema if not exists workshop_raw",
    "create schema if not exists workshop_log",
    "create table workshop_raw.bikes (bike_id int, frame varchar(20), colour varchar(20), updated_at timestamp,"
    " loaded_at timestamp default getdate()) diststyle all",
    "create table workshop_raw.repairs (repair_id int, bike_id int, mechanic_id int, part_code varchar(10),"
    " minutes int, repaired_at timestamp, status char(1), loaded_at timestamp default getdate()) distkey (bike_id)",
    "insert into workshop_raw.bikes values (1, 'A-1 ', 'red', {0}), (2, 'B-2', null, {0}), (3, 'C-3', 'blue', {0})",
    "insert into workshop_raw.repairs values (1, 1, 1, 'TUBE', 30, {0}, 'd'), (2, 2, 2, null, 15, {0}, 'd'),"
    " (3, 1, 3, 'CHAIN', 45, {1}, 'w')",
    "create user reporter password 'Reporter1'",
)
BETWEEN = (
    "update workshop_raw.bikes set colour = 'green', updated_at = {2} where bike_id = 1",
    "delete from workshop_raw.bikes where bike_id = 2",
    "insert into workshop_raw.bikes values (4, 'D-4', 'black', {2})",
    "insert into workshop_raw.repairs values (4, 4, 1, 'BRAKE', 20, {2}, 'w')",
    "update workshop_raw.repairs set status = 'd' where repair_id = 3",
)
# Each as dbt's command line takes it, by the name under which what came of it is printed.
COMMANDS: dict[str, Sequence[str]] = {
    "debug": ("debug",),
    "first": ("build",),
    "freshness": ("source", "freshness"),
    "second": ("build",),
    "full": ("build", "--full-refresh"),
    "docs": ("docs", "generate"),
    "show": ("show", "--select", "bikes", "--limit", "2", "--output", "json"),
    "inline": (
        "show",
        "--inline",
        "select name, type from {{ ref('columns_of_repairs') }} order by name",
        "--limit",
        "20",
    ),
    "operation": ("run-operation", "tidy", "--args", "{schema: workshop_spare}"),
    # dbt reads the project anew for another target, and for other variables.
    "shared": ("run", "--target", "shared"),
    "shared docs": ("docs", "generate", "--target", "shared"),
    "new column": ("run", "--select", "bike_state", "mechanic_hours"),
}


# What only increments leave behind, asked for before a full build makes it the same as the sources.
AFTER_SECOND = "select bike_id, colour, first_seen < last_seen from workshop.bike_state order by bike_id"


def execute(statements: Sequence[str]) -> list[list[Any]]:
    """SQL of the counter, which dbt does not own; {n} is the n-th day of the data. Returns the last one's rows."""
    days = [f"'{NOW - datetime.timedelta(days=ago)}'" for ago in (3, 2, 0)]
    with redshift_connector.connect(
        host=os.environ["WAREHOUSE_HOST"],
        port=int(os.environ["WAREHOUSE_PORT"]),
        user=os.environ["WAREHOUSE_USER"],
        password=os.environ["WAREHOUSE_PASSWORD"],
        database="dev",
        ssl=os.environ["WAREHOUSE_SSLMODE"] != "disable",
    ) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.format(*days))
        return list(cursor.fetchall()) if cursor.description else []


def outcome(result: Any) -> dict[str, Any]:
    """What a command came to: each node's status and message, or what it printed."""
    nodes: dict[str, Any] = {}
    for item in getattr(result.result, "results", None) or ():
        node = item.node.unique_id if hasattr(item, "node") else item.unique_id
        nodes[node] = [str(item.status), getattr(item, "message", "")]
        table = getattr(item, "agate_table", None)
        if table is not None:
            nodes[node].append([[str(cell) for cell in row] for row in table.rows])
    error = repr(result.exception) if result.exception else ""
    return {"success": result.success, "error": error, "nodes": nodes}


def main(target: str) -> None:
    execute(BEFORE)
    runner = dbtRunner()
    found = {}
    for name, command in COMMANDS.items():
        if name == "second":
            execute(BETWEEN)
        variables = VARIABLES | ({"with_note": True, "auto_refresh": False} if name == "new column" else {})
        more = ["--vars", json.dumps(variables), "--target-path", target] if command[0] != "debug" else []
        found[name] = outcome(runner.invoke([*command, "--quiet", *more]))
        if name == "second":
            found[name]["rows"] = execute([AFTER_SECOND])
        if command[0] == "docs":  # the next one writes over it
            shutil.copy(f"{target}/catalog.json", f"{target}/{name}.json")
    print("RESULT", json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
