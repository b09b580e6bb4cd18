"""Row-level security in Redshift's syntax, seen by the users whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
import redshift_clients

from velodrome.settings import Settings

Connection = psycopg.Connection[Any]
Login = Callable[..., Connection]
PASSWORD = "Secret123"


@pytest.fixture
def login(redshift: Settings) -> Iterator[Login]:
    with ExitStack() as open_connections:

        def connect(user: str, password: str = PASSWORD) -> Connection:
            return open_connections.enter_context(redshift_clients.connect(redshift, user=user, password=password))

        yield connect


@pytest.fixture
def admin(redshift: Settings, login: Login) -> Iterator[Connection]:
    """The administrator, with a table of sales, two sellers and a role; all gone behind the test."""
    connection = login(redshift["REDSHIFT_USER"], redshift["REDSHIFT_PASSWORD"])
    for statement in (
        f"CREATE USER rls_ann PASSWORD '{PASSWORD}'",
        f"CREATE USER rls_bob PASSWORD '{PASSWORD}'",
        "CREATE ROLE rls_analyst",
        "GRANT ROLE rls_analyst TO rls_bob",
        "CREATE SCHEMA rls",
        "GRANT USAGE ON SCHEMA rls TO PUBLIC",
        "CREATE TABLE rls.sales (id int, region varchar(10), seller varchar(20))",
        "INSERT INTO rls.sales VALUES (1, 'eu', 'rls_ann'), (2, 'us', 'rls_bob'), (3, 'eu', 'rls_bob')",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON rls.sales TO rls_ann, rls_bob",
        "CREATE TABLE rls.regions (who varchar(20), region varchar(10))",
        "INSERT INTO rls.regions VALUES ('rls_bob', 'eu')",
        "CREATE RLS POLICY own_rows WITH (seller varchar(20), region varchar) AS s USING (s.seller = current_user)",
        "CREATE RLS POLICY own_regions WITH (region varchar(10)) AS s"
        " USING (s.region IN (SELECT r.region FROM rls.regions r WHERE r.who = current_user))",
    ):
        connection.execute(statement)
    yield connection
    for statement in (
        "DROP RLS POLICY IF EXISTS own_rows CASCADE",
        "DROP RLS POLICY IF EXISTS own_regions CASCADE",
        "DROP SCHEMA rls CASCADE",
        "DROP ROLE rls_analyst FORCE",
        "DROP USER rls_ann, rls_bob",
    ):
        connection.execute(statement)


def ids(connection: Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT id FROM rls.sales ORDER BY id").fetchall()]


def refused(connection: Connection, sql: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)  # type: ignore[arg-type]
    return caught.value.sqlstate or ""


def test_policies_of_a_user_add_up(admin: Connection, login: Login) -> None:
    ann, bob = login("rls_ann"), login("rls_bob")
    admin.execute("ALTER TABLE rls.sales ROW LEVEL SECURITY ON")
    assert (ids(admin), ids(ann), ids(bob)) == ([1, 2, 3], [], [])  # nothing is attached: nothing is seen
    admin.execute("ATTACH RLS POLICY own_rows ON rls.sales TO rls_ann, ROLE rls_analyst")
    assert (ids(ann), ids(bob)) == ([1], [2, 3])
    admin.execute(
        "ATTACH RLS POLICY own_regions ON TABLE rls.sales TO ROLE rls_analyst"
    )  # its lookup table is not bob's
    assert ids(bob) == [3]
    admin.execute("ALTER TABLE rls.sales ROW LEVEL SECURITY ON CONJUNCTION TYPE OR")
    assert ids(bob) == [1, 2, 3]
    admin.execute("DETACH RLS POLICY own_regions ON rls.sales FROM ROLE rls_analyst")
    assert ids(bob) == [2, 3]
    admin.execute("ALTER RLS POLICY own_rows USING (s.seller = current_user AND s.region = 'us')")
    assert ids(bob) == [2]
    admin.execute("ALTER TABLE rls.sales ROW LEVEL SECURITY OFF")
    assert ids(bob) == [1, 2, 3]


def test_changes_meet_the_rows_that_are_seen(admin: Connection, login: Login) -> None:
    bob = login("rls_bob")
    admin.execute("ATTACH RLS POLICY own_rows ON rls.sales TO PUBLIC")
    admin.execute("ALTER TABLE rls.sales ROW LEVEL SECURITY ON")
    bob.execute("INSERT INTO rls.sales VALUES (4, 'eu', 'rls_ann')")
    assert bob.execute("UPDATE rls.sales SET region = 'x'").rowcount == 2
    assert bob.execute("DELETE FROM rls.sales").rowcount == 2
    assert ids(admin) == [1, 4]


def test_who_may_ignore_them(admin: Connection, login: Login) -> None:
    admin.execute("ALTER TABLE rls.sales ROW LEVEL SECURITY ON")
    bob = login("rls_bob")
    assert ids(bob) == []
    admin.execute("GRANT IGNORE RLS TO ROLE rls_analyst")
    assert ids(bob) == [1, 2, 3]
    admin.execute("GRANT CREATE ON SCHEMA rls TO rls_ann")
    admin.execute("ALTER TABLE rls.sales OWNER TO rls_ann")
    assert ids(login("rls_ann")) == []  # the owner is not exempt
    admin.execute("ALTER TABLE rls.sales OWNER TO awsuser")


def test_policies_are_kept(admin: Connection, login: Login) -> None:
    admin.execute("ATTACH RLS POLICY own_regions ON rls.sales TO ROLE rls_analyst")
    assert refused(admin, "DROP TABLE rls.regions CASCADE") == "2BP01"
    assert refused(admin, "DROP RLS POLICY own_regions") == "2BP01"
    assert refused(admin, "CREATE RLS POLICY own_rows USING (true)") == "42710"
    assert refused(admin, "ATTACH RLS POLICY nowhere ON rls.sales TO PUBLIC") == "42704"
    assert refused(login("rls_bob"), "CREATE RLS POLICY mine USING (true)") == "42501"
    assert refused(login("rls_bob"), "ALTER TABLE rls.sales ROW LEVEL SECURITY OFF") == "42501"


def test_views(admin: Connection, login: Login) -> None:
    admin.execute("ATTACH RLS POLICY own_rows ON rls.sales TO rls_ann, ROLE rls_analyst")
    admin.execute("ALTER TABLE rls.sales ROW LEVEL SECURITY ON")
    attached = "SELECT relschema, relname, polname, grantee, granteekind, is_rls_on, rls_conjunction_type"
    assert admin.execute(f"{attached} FROM svv_rls_attached_policy ORDER BY grantee").fetchall() == [
        ("rls", "sales", "own_rows", "rls_analyst", "role", True, "and"),
        ("rls", "sales", "own_rows", "rls_ann", "user", True, "and"),
    ]
    policy = "SELECT poldb, polalias, polqual, polmodifiedby FROM svv_rls_policy WHERE polname = 'own_rows'"
    assert admin.execute(policy).fetchall() == [("dev", "s", "s.seller = current_user", "awsuser")]
    relation = "SELECT relname, is_rls_on FROM svv_rls_relation WHERE relschema = 'rls'"
    assert admin.execute(relation).fetchall() == [("sales", True)]
    assert login("rls_bob").execute(policy).fetchall() == []
