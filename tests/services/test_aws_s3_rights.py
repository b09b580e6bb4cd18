"""Whoever may call aws_s3 gains nothing by it: no shell, no file, no other table, no other role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from aws_s3_cases import BUCKET, EXPORT, IMPORT, REGION, Bucket, Rds
from psycopg import errors


@pytest.fixture
def guest(rds: Rds, bucket: Bucket) -> Iterator[psycopg.Connection[Any]]:
    """A role of its own, which owns nothing but what it makes."""
    with rds.connect() as db:
        if db.execute("SELECT FROM pg_roles WHERE rolname = 'guest'").fetchone() is None:
            db.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
            db.execute("CREATE TABLE secret (id int)")
            db.execute("CREATE TABLE partly (id int, hidden int)")
            db.execute("INSERT INTO secret VALUES (1)")
            db.execute("GRANT USAGE ON SCHEMA aws_s3, aws_commons TO guest")
            db.execute("GRANT CREATE ON SCHEMA public TO guest")
            db.execute("GRANT SELECT (id), INSERT (id) ON partly TO guest")
    bucket.put("one.csv", b"1\n")
    with rds.connect("guest", "guest") as connection:
        yield connection
        connection.rollback()


def refused(guest: psycopg.Connection[Any], statement: str, parameters: list[Any] | None = None) -> str:
    """The message of the refusal."""
    with pytest.raises(errors.InsufficientPrivilege) as caught, guest.transaction():
        guest.execute(statement.encode(), parameters)
    return str(caught.value.diag.message_primary)


def test_tables_that_are_not_his(guest: psycopg.Connection[Any]) -> None:
    place = [BUCKET, "k", REGION]
    assert refused(guest, EXPORT, ["SELECT * FROM secret", *place, None]) == "permission denied for table secret"
    assert refused(guest, EXPORT, ["SELECT hidden FROM partly", *place, None]) == "permission denied for table partly"
    place[1] = "one.csv"
    assert refused(guest, IMPORT, ["secret", "", "", *place]) == "permission denied for table secret"
    assert refused(guest, IMPORT, ["partly", "", "", *place]) == "permission denied for table partly"
    assert refused(guest, IMPORT, ["pg_class", "relname", "", *place]) == "permission denied for table pg_class"
    guest.execute(EXPORT, ["SELECT id FROM partly", BUCKET, "k", REGION, None])
    guest.execute(IMPORT, ["partly", "id", "", *place])


def test_no_shell_and_no_files(guest: psycopg.Connection[Any]) -> None:
    for statement in ("COPY (SELECT 1) TO PROGRAM 'true'", "SELECT pg_read_file('pg_hba.conf')"):
        refused(guest, statement)


RUN = """
CREATE FUNCTION pg_temp.run(statement text) RETURNS text LANGUAGE plpgsql AS 'BEGIN EXECUTE statement; RETURN 1; END'
"""


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('pg_hba.conf')",
        "INSERT INTO secret VALUES (2)",
        "ALTER ROLE guest SUPERUSER",
        "SET ROLE rdsadmin",
        "SET SESSION AUTHORIZATION rdsadmin",
    ],
)
def test_not_from_within_a_query_either(guest: psycopg.Connection[Any], statement: str) -> None:
    guest.execute(RUN.encode())
    refused(
        guest,
        EXPORT,
        [f"SELECT pg_temp.run($x${statement}$x$) FROM generate_series(1, 200)", BUCKET, "k", REGION, None],
    )


def test_no_inner_function_gives_more(guest: psycopg.Connection[Any]) -> None:
    guest.execute(RUN.encode())
    guest.execute("CREATE FUNCTION pg_temp.token(int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    uri = "aws_commons.create_s3_uri('b', 'k', 'r')"
    for statement in (
        "SELECT aws_s3._run('put', '{}')",
        "SELECT aws_s3._result(gen_random_uuid())",
        "SELECT aws_s3._caller('token')",
        "SELECT aws_s3._keep('{}', NULL)",
        "SELECT aws_s3._drop_import('secret')",
        f"SELECT aws_s3._receive('token', 'secret', '{{id}}', {uri}, '', '', NULL)",
        f"SELECT aws_s3._receive('token', 'partly', '{{hidden}}', {uri}, '', '', NULL)",
    ):
        refused(guest, statement)
    with pytest.raises(errors.UndefinedFunction), guest.transaction():
        guest.execute("SELECT aws_s3._export('secret', '{a}', '{23}', 'b', 'k', 'r', '', '')")


def test_a_fetcher_of_his_own_runs_as_himself(guest: psycopg.Connection[Any], bucket: Bucket) -> None:
    guest.execute(
        "CREATE FUNCTION pg_temp.mine(int) RETURNS SETOF record LANGUAGE plpgsql SECURITY INVOKER AS "
        "$$ BEGIN PERFORM set_config('aws_s3.ended', 'true', true); RETURN QUERY SELECT current_user::text; END $$"
    )
    guest.execute(
        "SELECT aws_s3._export('mine', '{who}', ARRAY['text'::regtype], %s, 'mine', %s, 'format csv', NULL)",
        [BUCKET, REGION],
    )
    assert bucket.body("mine") == b"guest\n"


WHO = """
CREATE FUNCTION pg_temp.look(v int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'ran as %', current_user; RETURN v > 0; END $$;
CREATE FUNCTION pg_temp.fires() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'ran as %', current_user; RETURN NEW; END $$;
CREATE DOMAIN pg_temp.looking AS int CHECK (pg_temp.look(VALUE));
"""


@pytest.fixture
def ran_as(guest: psycopg.Connection[Any]) -> list[str]:
    """Whom the functions of WHO have run as since."""
    guest.execute(WHO.encode())
    found: list[str] = []
    guest.add_notice_handler(lambda notice: found.append(str(notice.message_primary).removeprefix("ran as ")))
    return found


@pytest.mark.parametrize(
    "table",
    [
        "(id int, looks bool DEFAULT pg_temp.look(1))",
        "(id pg_temp.looking)",
        "(id int, also pg_temp.looking DEFAULT 1)",
        "(id int CHECK (pg_temp.look(id)))",
        "(id int, looks bool GENERATED ALWAYS AS (pg_temp.look(id)) STORED)",
        "(id int); CREATE INDEX ON his (pg_temp.look(id))",
        "(id int); CREATE INDEX ON his (id) WHERE pg_temp.look(id)",
        "(id int, EXCLUDE USING btree (pg_temp.look(id) WITH =))",
        "(id int); CREATE TRIGGER t BEFORE INSERT ON his FOR EACH ROW EXECUTE FUNCTION pg_temp.fires()",
        "(id int); CREATE TRIGGER t AFTER INSERT ON his EXECUTE FUNCTION pg_temp.fires()",
        "(id int); ALTER TABLE his ENABLE ROW LEVEL SECURITY; ALTER TABLE his FORCE ROW LEVEL SECURITY;"
        " CREATE POLICY w ON his WITH CHECK (pg_temp.look(id)); CREATE POLICY r ON his FOR SELECT USING (true)",
        "(id int) PARTITION BY LIST (pg_temp.look(id)); CREATE TEMP TABLE part PARTITION OF his DEFAULT",
        "(id int) PARTITION BY LIST (id); CREATE TEMP TABLE part PARTITION OF his (CHECK (pg_temp.look(id))) DEFAULT",
    ],
)
def test_code_of_his_table_runs_as_himself(
    guest: psycopg.Connection[Any], bucket: Bucket, ran_as: list[str], table: str
) -> None:
    guest.execute(f"CREATE TEMP TABLE his {table}".encode())
    ran_as.clear()
    guest.execute(IMPORT, ["his", "id", "format csv", BUCKET, "one.csv", REGION])
    assert guest.execute("SELECT id FROM his").fetchall() == [(1,)]
    assert set(ran_as) == {"guest"}


def test_defaults_that_copy_puts_in_run_in_nobodys_name(
    guest: psycopg.Connection[Any], bucket: Bucket, ran_as: list[str]
) -> None:
    bucket.put("default.csv", b"D\n")
    guest.execute("CREATE TEMP TABLE his (looks bool DEFAULT pg_temp.look(1))")
    ran_as.clear()
    with pytest.raises(errors.FeatureNotSupported, match='COPY option "default" is not supported for this table'):
        guest.execute(IMPORT, ["his", "looks", "format csv, default 'D'", BUCKET, "default.csv", REGION])
    assert ran_as == []


def test_code_of_his_query_runs_as_himself(guest: psycopg.Connection[Any], bucket: Bucket, ran_as: list[str]) -> None:
    guest.execute("CREATE TEMP VIEW seen AS SELECT current_user FROM generate_series(1, 150) n WHERE pg_temp.look(n)")
    guest.execute(EXPORT, ["SELECT * FROM seen", BUCKET, "who", REGION, "format csv"])
    assert bucket.body("who") == b"guest\n" * 150
    assert ran_as == ["guest"] * 150


def test_policies_hold(rds: Rds, guest: psycopg.Connection[Any], bucket: Bucket) -> None:
    with rds.connect() as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS rented (id int, who text)")
        owner.execute("TRUNCATE rented")
        owner.execute("INSERT INTO rented VALUES (1, 'guest'), (2, 'other')")
        owner.execute("ALTER TABLE rented ENABLE ROW LEVEL SECURITY")
        owner.execute("DROP POLICY IF EXISTS own ON rented")
        owner.execute("CREATE POLICY own ON rented USING (who = current_user)")
        owner.execute("GRANT SELECT, INSERT ON rented TO guest")
    guest.execute(EXPORT, ["SELECT * FROM rented", BUCKET, "rented", REGION, "format csv"])
    assert bucket.body("rented") == b"1,guest\n"
    bucket.put("rented", b"3,other\n")
    assert "row-level security" in refused(guest, IMPORT, ["rented", "", "format csv", BUCKET, "rented", REGION])
    bucket.put("rented", b"4,guest\n")
    guest.execute(IMPORT, ["rented", "", "format csv", BUCKET, "rented", REGION])
    assert guest.execute("SELECT id FROM rented ORDER BY id").fetchall() == [(1,), (4,)]


def test_a_function_of_the_owners_lends_his_rights(rds: Rds, guest: psycopg.Connection[Any], bucket: Bucket) -> None:
    with rds.connect() as owner:
        call = f"query_export_to_s3('SELECT id, current_user FROM secret', '{BUCKET}', 'lent', options := 'format csv')"
        body = f"SELECT rows_uploaded FROM aws_s3.{call}"
        owner.execute(
            f"CREATE OR REPLACE FUNCTION lent() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $x$ {body} $x$".encode()
        )
    assert guest.execute("SELECT lent()").fetchone() == (1,)
    assert bucket.body("lent") == f"1,{rds.user}\n".encode()


def test_without_usage_of_the_schema(rds: Rds, bucket: Bucket) -> None:
    with rds.connect() as db:
        if db.execute("SELECT FROM pg_roles WHERE rolname = 'stranger'").fetchone() is None:
            db.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with rds.connect("stranger", "stranger") as stranger:
        assert (
            refused(stranger, EXPORT, ["SELECT 1", BUCKET, "k", REGION, None]) == "permission denied for schema aws_s3"
        )
