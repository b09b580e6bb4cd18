"""SHOW and USE, as people type them and as drivers ask for metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redshift_connector
from redshift_clients import address, connect

from velodrome.settings import Settings

MADE = """
    CREATE SCHEMA shown;
    CREATE TABLE shown.parent (id int PRIMARY KEY, name varchar(20) NOT NULL ENCODE zstd, day date DEFAULT '2020-01-01')
        DISTSTYLE KEY DISTKEY (id) SORTKEY (day);
    CREATE TABLE shown.child (a int REFERENCES shown.parent (id), b numeric(8, 2), i bigint IDENTITY(1, 1))
        DISTSTYLE ALL;
    CREATE VIEW shown.v AS SELECT id FROM shown.parent;
    CREATE VIEW shown.late AS SELECT id FROM shown.parent WITH NO SCHEMA BINDING;
    CREATE MATERIALIZED VIEW shown.m AS SELECT id FROM shown.parent;
    CREATE PROCEDURE shown.run(x IN int, y OUT varchar) AS $$ BEGIN y := 'a'; END $$ LANGUAGE plpgsql;
    CREATE FUNCTION shown.add(int, int) RETURNS int STABLE AS $$ SELECT $1 + $2 $$ LANGUAGE sql;
    GRANT SELECT ON shown.parent TO PUBLIC;
    CREATE ROLE shown_role;
    GRANT INSERT ON shown.parent TO ROLE shown_role;
    GRANT UPDATE (b) ON shown.child TO PUBLIC
"""


@pytest.fixture(scope="module")
def db(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(redshift) as connection:
        connection.execute(MADE)
        yield connection
        connection.execute("DROP SCHEMA shown CASCADE")
        connection.execute("DROP ROLE shown_role")


AWSUSER = "awsuser"
CASES: list[tuple[str, list[str], list[tuple[Any, ...]]]] = [
    (
        "SHOW DATABASES LIKE 'dev'",
        [
            "database_name",
            "database_owner",
            "database_type",
            "database_acl",
            "parameters",
            "database_isolation_level",
        ],
        [("dev", ..., "local", ..., None, "Snapshot Isolation")],
    ),
    (
        "SHOW SCHEMAS FROM DATABASE dev LIKE 'sho%' LIMIT 1",
        [
            "database_name",
            "schema_name",
            "schema_owner",
            "schema_type",
            "schema_acl",
            "source_database",
            "schema_option",
        ],
        [("dev", "shown", ..., "local", None, None, None)],
    ),
    (
        "SHOW TABLES FROM SCHEMA dev.shown",
        [
            "database_name",
            "schema_name",
            "table_name",
            "table_type",
            "table_acl",
            "remarks",
            "owner",
            "last_altered_time",
            "last_modified_time",
            "dist_style",
            "table_subtype",
        ],
        [
            ("dev", "shown", "child", "TABLE", None, None, AWSUSER, None, None, "ALL", "REGULAR TABLE"),
            ("dev", "shown", "late", "VIEW", None, None, AWSUSER, None, None, None, "LATE BINDING VIEW"),
            ("dev", "shown", "m", "VIEW", None, None, AWSUSER, None, None, None, "MATERIALIZED VIEW"),
            ("dev", "shown", "parent", "TABLE", ..., None, AWSUSER, None, None, "KEY(id)", "REGULAR TABLE"),
            ("dev", "shown", "v", "VIEW", None, None, AWSUSER, None, None, None, "REGULAR VIEW"),
        ],
    ),
    (
        "SHOW COLUMNS FROM TABLE dev.shown.parent",
        [
            "database_name",
            "schema_name",
            "table_name",
            "column_name",
            "ordinal_position",
            "column_default",
            "is_nullable",
            "data_type",
            "character_maximum_length",
            "numeric_precision",
            "numeric_scale",
            "remarks",
            "sort_key_type",
            "sort_key",
            "dist_key",
            "encoding",
            "collation",
        ],
        [
            ("dev", "shown", "parent", "id", 1, None, "NO", "integer", None, 32, 0, None, None, 0, 1, "az64", None),
            (
                "dev",
                "shown",
                "parent",
                "name",
                2,
                None,
                "NO",
                "character varying",
                20,
                *([None] * 4),
                0,
                0,
                "zstd",
                "case_sensitive",
            ),
            (
                "dev",
                "shown",
                "parent",
                "day",
                3,
                "'2020-01-01'::date",
                "YES",
                "date",
                *([None] * 4),
                "COMPOUND",
                1,
                0,
                "none",
                None,
            ),
        ],
    ),
    (
        "SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE shown.parent",
        ["database_name", "schema_name", "table_name", "pk_name", "column_name", "key_seq"],
        [("dev", "shown", "parent", "parent_pkey", "id", 1)],
    ),
    (
        "SHOW CONSTRAINTS FOREIGN KEYS EXPORTED FROM TABLE shown.parent",
        [
            "pk_database_name",
            "pk_schema_name",
            "pk_table_name",
            "pk_column_name",
            "fk_database_name",
            "fk_schema_name",
            "fk_table_name",
            "fk_column_name",
            "key_seq",
            "fk_name",
            "pk_name",
            "update_rule",
            "delete_rule",
            "deferrability",
        ],
        [("dev", "shown", "parent", "id", "dev", "shown", "child", "a", 1, "child_a_fkey", "parent_pkey", *[None] * 3)],
    ),
    (
        "SHOW PROCEDURES FROM SCHEMA shown LIKE 'r_n'",
        [
            "database_name",
            "schema_name",
            "procedure_name",
            "number_of_arguments",
            "argument_list",
            "return_type",
            "remarks",
        ],
        [("dev", "shown", "run", 1, "integer", "character varying", None)],
    ),
    (
        "SHOW FUNCTIONS FROM SCHEMA dev.shown",
        [
            "database_name",
            "schema_name",
            "function_name",
            "number_of_arguments",
            "argument_list",
            "return_type",
            "remarks",
        ],
        [("dev", "shown", "add", 2, "integer, integer", "integer", None)],
    ),
    (
        "SHOW PARAMETERS OF PROCEDURE shown.run(integer)",
        [
            "database_name",
            "schema_name",
            "procedure_name",
            "parameter_name",
            "ordinal_position",
            "parameter_type",
            "data_type",
            "character_maximum_length",
            "numeric_precision",
            "numeric_scale",
        ],
        [
            ("dev", "shown", "run", "x", 1, "IN", "integer", None, 32, 0),
            ("dev", "shown", "run", "y", 2, "OUT", "character varying", None, None, None),
        ],
    ),
    (
        "SHOW GRANTS ON TABLE shown.parent FOR PUBLIC",
        [
            "database_name",
            "schema_name",
            "object_name",
            "object_type",
            "privilege_type",
            "identity_id",
            "identity_name",
            "identity_type",
            "admin_option",
            "privilege_scope",
            "grantor_name",
        ],
        [("dev", "shown", "parent", "TABLE", "SELECT", 0, "public", "public", False, "TABLE", AWSUSER)],
    ),
    (
        "SHOW GRANTS FOR ROLE shown_role",
        [
            "database_name",
            "schema_name",
            "object_name",
            "object_type",
            "privilege_type",
            "identity_id",
            "identity_name",
            "identity_type",
            "admin_option",
            "privilege_scope",
            "grantor_name",
        ],
        [("dev", "shown", "parent", "TABLE", "INSERT", ..., "shown_role", "role", False, "TABLE", AWSUSER)],
    ),
    (
        "SHOW COLUMN GRANTS ON TABLE dev.shown.child LIMIT 5",
        [
            "database_name",
            "schema_name",
            "table_name",
            "column_name",
            "object_type",
            "privilege_type",
            "identity_id",
            "identity_name",
            "identity_type",
            "admin_option",
            "privilege_scope",
            "grantor_name",
        ],
        [("dev", "shown", "child", "b", "COLUMN", "UPDATE", 0, "public", "public", False, "COLUMN", AWSUSER)],
    ),
    (
        "SHOW TABLE shown.parent",
        ["Show Table DDL statement"],
        [
            (
                "CREATE TABLE shown.parent (\n    id integer NOT NULL ENCODE az64 distkey,\n"
                "    name character varying(20) NOT NULL ENCODE zstd COLLATE case_sensitive,\n"
                "    day date DEFAULT '2020-01-01'::date,\n    PRIMARY KEY (id)\n)\n"
                "DISTSTYLE KEY\nSORTKEY ( day );",
            )
        ],
    ),
    (
        "SHOW VIEW shown.late",
        ["Show View DDL statement"],
        [("CREATE VIEW shown.late AS SELECT id FROM shown.parent WITH NO SCHEMA BINDING;",)],
    ),
]


@pytest.mark.parametrize(("sql", "columns", "expected"), CASES, ids=[case[0].lower() for case in CASES])
def test_show(db: psycopg.Connection[Any], sql: str, columns: list[str], expected: list[tuple[Any, ...]]) -> None:
    cursor = db.execute(sql.encode())
    assert [column.name for column in cursor.description or ()] == columns
    found = cursor.fetchall()
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert [value for value, want in zip(row, wanted, strict=True) if want is not ...] == [
            want for want in wanted if want is not ...
        ]


def test_definitions_make_the_same_again(db: psycopg.Connection[Any]) -> None:
    ((text,),) = db.execute("SHOW TABLE shown.child").fetchall()
    db.execute(text.replace("shown.child", "shown.again").encode())
    ((again,),) = db.execute("SHOW TABLE shown.again").fetchall()
    assert again == text.replace("shown.child", "shown.again")
    db.execute("DROP TABLE shown.again")
    ((text,),) = db.execute("SHOW PROCEDURE shown.run(int)").fetchall()
    db.execute(text.encode())
    ((text,),) = db.execute("SHOW VIEW shown.v").fetchall()
    db.execute(text.encode())


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW SCHEMAS FROM DATABASE nothing",
        "SHOW TABLES FROM DATABASE nothing",
        "SHOW TABLES FROM SCHEMA nothing",
        "SHOW TABLES FROM SCHEMA nothing.shown",
        "SHOW COLUMNS FROM TABLE dev.shown.nothing",
        "SHOW COLUMNS FROM TABLE dev.nothing.parent",
        "SHOW COLUMNS FROM TABLE nothing.shown.parent",
        "SHOW CONSTRAINTS PRIMARY KEYS FROM TABLE dev.shown.nothing",
        "SHOW CONSTRAINTS FOREIGN KEYS FROM TABLE nothing.shown.parent",
        "SHOW CONSTRAINTS FOREIGN KEYS EXPORTED FROM TABLE dev.nothing.parent",
        "SHOW PROCEDURES FROM SCHEMA dev.nothing",
        "SHOW FUNCTIONS FROM SCHEMA nothing.shown",
        "SHOW GRANTS ON TABLE dev.shown.nothing",
        "SHOW GRANTS ON SCHEMA nothing",
        "SHOW GRANTS ON DATABASE nothing",
        "SHOW COLUMN GRANTS ON TABLE dev.shown.nothing",
    ],
)
def test_what_is_not_there_has_no_rows(db: psycopg.Connection[Any], sql: str) -> None:
    assert db.execute(sql.encode()).fetchall() == []


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SHOW TABLE shown.nothing", 'relation "shown.nothing" does not exist'),
        ("SHOW TABLE shown.v", '"v" is not a table'),
        ("USE nothing", 'database "nothing" does not exist'),
    ],
)
def test_refusals(db: psycopg.Connection[Any], sql: str, message: str) -> None:
    with pytest.raises(psycopg.Error, match=f"^{message}"):
        db.execute(sql.encode())


def test_use(db: psycopg.Connection[Any], redshift: Settings) -> None:
    db.execute("CREATE DATABASE shown_other")
    with connect(redshift) as connection:
        connection.execute("USE shown_other")
        assert connection.execute("SELECT current_database()").fetchall() == [("shown_other",)]
        connection.execute("CREATE TABLE there (a int)")
    with connect(redshift, dbname="shown_other") as connection:
        assert connection.execute("SELECT count(*) FROM there").fetchall() == [(0,)]
    db.execute("DROP DATABASE shown_other")


def test_use_is_shown_and_reset(db: psycopg.Connection[Any], redshift: Settings) -> None:
    """https://docs.aws.amazon.com/redshift/latest/dg/r_USE_command.html"""
    db.execute("CREATE DATABASE shown_other")
    with connect(redshift) as connection:

        def where() -> tuple[str, str]:
            shown = connection.execute("SHOW USE")
            assert [column.name for column in shown.description or []] == ["Use Database"]
            (used,) = shown.fetchone() or ()
            return used, (connection.execute("SELECT current_database()").fetchone() or ("",))[0]

        connection.execute("CREATE TEMP TABLE kept (a int)")
        assert where() == ("", "dev")
        assert connection.execute("RESET USE").statusmessage == "RESET"
        assert connection.execute("USE dev").statusmessage == "USE"
        assert where() == ("dev", "dev")
        connection.execute("SELECT a FROM kept")  # nothing of the session is lost where it stays in its database
        connection.execute("USE shown_other")
        assert where() == ("shown_other", "shown_other")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction, match="USE cannot run inside"):
            connection.execute("SELECT 1; RESET USE")
        connection.execute("RESET USE", prepare=True)
        assert where() == ("", "dev")
    db.execute("DROP DATABASE shown_other")


class TestDriver:
    """redshift_connector's metadata calls: version 5 of SHOW is announced, version 4 works too."""

    @pytest.fixture(params=[4, 5])
    def cursor(
        self, request: pytest.FixtureRequest, db: psycopg.Connection[Any], redshift: Settings
    ) -> Iterator[redshift_connector.Cursor]:
        with redshift_connector.connect(database="dev", ssl=False, **address(redshift)) as connection:
            cursor = connection.cursor()
            assert cursor.get_show_discovery_version() == 5
            announced = [status for status in connection.parameter_statuses if status[0] != b"show_discovery"]
            connection.parameter_statuses.clear()
            connection.parameter_statuses.extend([*announced, (b"show_discovery", str(request.param).encode())])
            yield cursor
            connection.rollback()

    def test_lists(self, cursor: redshift_connector.Cursor) -> None:
        assert ["dev"] in [list(row) for row in cursor.get_catalogs()]
        assert ["shown", "dev"] in [list(row)[:2] for row in cursor.get_schemas(schema_pattern="sh%")]
        tables = cursor.get_tables(schema_pattern="shown", table_name_pattern="%")
        assert sorted(row[2] for row in tables) == ["child", "late", "m", "parent", "v"]
        columns = cursor.get_columns(schema_pattern="shown", tablename_pattern="parent")
        assert [(row[3], row[5]) for row in columns] == [("id", "int4"), ("name", "varchar"), ("day", "date")]

    def test_keys(self, cursor: redshift_connector.Cursor) -> None:
        assert [row[3] for row in cursor.get_primary_keys(schema="shown", table="parent")] == ["id"]
        for keys in (
            cursor.get_imported_keys(schema="shown", table="child"),
            cursor.get_exported_keys(schema="shown", table="parent"),
        ):
            assert [(row[2], row[3], row[6], row[7]) for row in keys] == [("parent", "id", "child", "a")]

    def test_routines_and_rights(self, cursor: redshift_connector.Cursor) -> None:
        assert [row[2] for row in cursor.get_procedures(schema_pattern="shown")] == ["run"]
        assert [row[3] for row in cursor.get_procedure_columns(schema_pattern="shown")] == ["x", "y"]
        assert [row[2] for row in cursor.get_functions(schema_pattern="shown")] == ["add"]
        assert len(cursor.get_function_columns(schema_pattern="shown", function_name_pattern="add")) == 3
        granted = cursor.get_table_privileges(schema_pattern="shown", table_name_pattern="parent")
        assert [(row[2], row[4], row[5]) for row in sorted(granted)] == [
            ("parent", "public", "SELECT"),
            ("parent", "shown_role", "INSERT"),
        ]
