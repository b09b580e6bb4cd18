"""Who may do what: users, groups, roles, superusers and grants, each asked through the user's own connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from velodrome.settings import Settings

Connection = psycopg.Connection[Any]
Login = Callable[..., Connection]
PASSWORD = "Secret123"


@pytest.fixture
def login(redshift: Settings) -> Iterator[Login]:
    """A connection of a user; of the administrator if none is named."""
    with ExitStack() as open_connections:

        def connect(user: str = redshift["REDSHIFT_USER"], password: str = PASSWORD, dbname: str = "dev") -> Connection:
            if user == redshift["REDSHIFT_USER"]:
                password = redshift["REDSHIFT_PASSWORD"]
            return open_connections.enter_context(
                psycopg.connect(
                    host=redshift["REDSHIFT_HOST"],
                    port=redshift.integer("REDSHIFT_PORT"),
                    user=user,
                    password=password,
                    dbname=dbname,
                    autocommit=True,
                )
            )

        yield connect


@pytest.fixture
def admin(login: Login) -> Connection:
    return login()


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()  # type: ignore[arg-type]


def refused(connection: Connection, sql: str) -> tuple[str, str]:
    """SQLSTATE and message of a statement that has to fail."""
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)  # type: ignore[arg-type]
    return caught.value.sqlstate or "", caught.value.diag.message_primary or ""


class TestUsers:
    def test_a_user_lives_and_dies(self, admin: Connection, login: Login) -> None:
        admin.execute(
            f"CREATE USER u_life WITH PASSWORD '{PASSWORD}' CREATEDB VALID UNTIL '2099-01-01' CONNECTION LIMIT 3"
            " SESSION TIMEOUT 120 SYSLOG ACCESS UNRESTRICTED EXTERNALID ABC123"
        )
        assert rows(login("u_life"), "SELECT current_user") == [("u_life",)]
        admin.execute("ALTER USER u_life RENAME TO u_later")
        admin.execute("ALTER USER u_later PASSWORD 'Another456'")
        assert rows(login("u_later", "Another456"), "SELECT current_user") == [("u_later",)]
        admin.execute("DROP USER u_later")
        assert refused(admin, "DROP USER u_later") == ("42704", 'user "u_later" does not exist')
        admin.execute("DROP USER IF EXISTS u_later")

    @pytest.mark.parametrize(
        "password", ["Short1", "nouppercase1", "NOLOWERCASE1", "NoDigits", "Slash/123", 'Quote"123']
    )
    def test_a_password_that_breaks_the_rules(self, admin: Connection, password: str) -> None:
        code, message = refused(admin, f"CREATE USER u_weak PASSWORD '{password}'")
        assert code == "22023" and message.startswith("password ")

    def test_passwords_as_hashes(self, admin: Connection, login: Login) -> None:
        admin.execute("CREATE USER u_md5 PASSWORD 'md5153c434b4b77c89e6b94f12c5393af5b'")  # of the page's example
        admin.execute("CREATE USER u_sha PASSWORD 'sha256|Mypassword1'")
        assert rows(login("u_sha", "Mypassword1"), "SELECT 1") == [(1,)]
        admin.execute("ALTER USER u_sha PASSWORD DISABLE")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            login("u_sha", "Mypassword1")
        admin.execute("DROP USER u_md5, u_sha")

    def test_only_superusers_make_users(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_plain PASSWORD '{PASSWORD}'")
        admin.execute(f"CREATE USER u_super PASSWORD '{PASSWORD}' CREATEUSER")
        plain, further = login("u_plain"), login("u_super")
        assert refused(plain, "CREATE USER u_x PASSWORD 'Secret123'") == ("42501", "must be superuser to create users")
        assert refused(plain, "CREATE GROUP g_x") == ("42501", "must be superuser to create groups")
        assert refused(plain, "ALTER USER u_plain CREATEUSER") == ("42501", "permission denied")
        assert refused(plain, "CALL velodrome.set_superuser('u_plain', true)")[0] == "42501"
        plain.execute("ALTER USER u_plain PASSWORD 'Another456'")
        further.execute("CREATE USER u_x PASSWORD 'Secret123'")
        further.execute("DROP USER u_x")
        admin.execute("ALTER USER u_super NOCREATEUSER")
        assert refused(further, "DROP USER u_plain") == ("42501", "must be superuser to drop users")
        admin.execute("DROP USER u_plain, u_super")

    def test_a_superuser_rules_what_others_own(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_owner PASSWORD '{PASSWORD}'")
        login("u_owner").execute("CREATE TABLE t_owned (a int)")
        admin.execute("INSERT INTO t_owned VALUES (1)")
        assert refused(admin, "DROP USER u_owner") == (
            "55006",
            'user "u_owner" can\'t be dropped because the user owns some object',
        )
        admin.execute("ALTER TABLE t_owned OWNER TO awsuser")
        admin.execute("GRANT SELECT ON t_owned TO u_owner")
        assert refused(admin, "DROP USER u_owner") == (
            "55006",
            'user "u_owner" can\'t be dropped because the user has a privilege on some object',
        )
        admin.execute("DROP TABLE t_owned")
        admin.execute("DROP USER u_owner")

    def test_no_superuser_of_the_server_inside(self, admin: Connection) -> None:
        assert rows(admin, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]

    def test_a_user_has_parameters_of_his_own(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_param PASSWORD '{PASSWORD}'")
        admin.execute("ALTER USER u_param SET query_group TO 'nightly'")
        admin.execute("ALTER USER u_param SET search_path TO '$user', other, public")
        session = login("u_param")
        assert rows(session, "SHOW query_group") == [("nightly",)]
        assert rows(session, "SHOW search_path") == [('"$user", other, public',)]
        assert refused(admin, "ALTER USER u_param SET velodrome.administrator TO 'true'")[0] == "42704"
        assert refused(admin, "ALTER USER u_param SET session_preload_libraries TO 'x'")[0] == "42704"
        admin.execute("ALTER USER u_param RESET query_group")
        assert rows(login("u_param"), "SHOW query_group") == [("unset",)]
        admin.execute("DROP USER u_param")

    def test_session_authorization(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_other PASSWORD '{PASSWORD}'")
        admin.execute("CREATE TABLE t_hidden (a int)")
        admin.execute("SET SESSION AUTHORIZATION 'u_other'")
        assert rows(admin, "SELECT current_user") == [("u_other",)]
        assert refused(admin, "SELECT * FROM t_hidden")[0] == "42501"
        assert refused(admin, "CREATE USER u_x PASSWORD 'Secret123'")[0] == "42501"
        admin.execute("SET SESSION AUTHORIZATION DEFAULT")
        assert rows(admin, "SELECT * FROM t_hidden") == []
        assert refused(login("u_other"), "SET SESSION AUTHORIZATION awsuser") == (
            "42501",
            "permission denied to set session authorization",
        )
        admin.execute("DROP TABLE t_hidden")
        admin.execute("DROP USER u_other")


class TestGroupsAndRoles:
    def test_a_group_has_rights_for_its_users(self, admin: Connection, login: Login) -> None:
        admin.execute("CREATE GROUP team")
        admin.execute(f"CREATE USER team PASSWORD '{PASSWORD}'")  # a name of users is another than one of groups
        admin.execute("CREATE SCHEMA s_team")
        admin.execute("CREATE TABLE s_team.t (a int)")
        admin.execute("GRANT USAGE ON SCHEMA s_team TO GROUP team")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA s_team TO GROUP team")
        session = login("team")
        assert refused(session, "SELECT * FROM s_team.t") == ("42501", "permission denied for schema s_team")
        admin.execute("ALTER GROUP team ADD USER team")
        assert rows(session, "SELECT * FROM s_team.t") == []
        admin.execute("ALTER GROUP team RENAME TO squad")
        admin.execute("ALTER GROUP squad DROP USER team")
        assert refused(session, "SELECT * FROM s_team.t")[0] == "42501"
        assert refused(admin, "DROP GROUP squad")[0] == "55006"
        assert refused(admin, "GRANT USAGE ON SCHEMA s_team TO squad") == ("42704", 'user "squad" does not exist')
        admin.execute("DROP SCHEMA s_team CASCADE")
        admin.execute("DROP GROUP squad")
        admin.execute("DROP USER team")

    def test_roles_are_nested_and_granted(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_roles PASSWORD '{PASSWORD}'")
        admin.execute("CREATE ROLE r_inner")
        admin.execute("CREATE ROLE r_outer EXTERNALID XYZ")
        admin.execute("CREATE TABLE t_roles (a int, b int)")
        admin.execute("GRANT SELECT (a), UPDATE (b) ON t_roles TO ROLE r_inner")
        admin.execute("GRANT ROLE r_inner TO ROLE r_outer")
        admin.execute("GRANT ROLE r_outer TO u_roles WITH ADMIN OPTION")
        session = login("u_roles")
        assert rows(session, "SELECT a FROM t_roles") == []
        assert refused(session, "SELECT b FROM t_roles")[0] == "42501"
        session.execute("REVOKE ROLE r_outer FROM u_roles")
        assert refused(session, "GRANT ROLE r_outer TO u_roles")[0] == "42501"
        assert refused(admin, "DROP ROLE r_inner")[0] == "2BP01"
        admin.execute("DROP TABLE t_roles")
        admin.execute("DROP ROLE r_inner FORCE")
        admin.execute("DROP ROLE r_outer")
        admin.execute("DROP USER u_roles")

    def test_a_role_does_not_log_in(self, admin: Connection, login: Login) -> None:
        admin.execute("CREATE ROLE r_silent")
        with pytest.raises(psycopg.OperationalError):
            login("r_silent")
        admin.execute("DROP ROLE r_silent")

    def test_system_permissions(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_hr PASSWORD '{PASSWORD}'")
        admin.execute("CREATE ROLE r_hr")
        admin.execute("GRANT CREATE USER, DROP USER TO ROLE r_hr")
        admin.execute("GRANT ROLE r_hr TO u_hr")
        session = login("u_hr")
        session.execute(f"CREATE USER u_new PASSWORD '{PASSWORD}'")
        assert refused(session, f"CREATE USER u_root PASSWORD '{PASSWORD}' CREATEUSER")[0] == "42501"
        session.execute("DROP USER u_new")
        admin.execute("REVOKE CREATE USER FROM ROLE r_hr")
        assert refused(session, f"CREATE USER u_new PASSWORD '{PASSWORD}'")[0] == "42501"
        assert refused(admin, "GRANT CREATE TABLE TO ROLE r_hr")[0] == "0A000"
        admin.execute("DROP ROLE r_hr FORCE")
        admin.execute("DROP USER u_hr")

    def test_system_defined_roles(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_sys PASSWORD '{PASSWORD}'")
        admin.execute("GRANT ROLE sys:secadmin TO u_sys")
        session = login("u_sys")
        session.execute("CREATE ROLE r_bysec")
        session.execute("DROP ROLE r_bysec")
        assert refused(session, "GRANT ROLE sys:superuser TO u_sys")[0] == "42501"
        admin.execute("GRANT ROLE sys:superuser TO u_sys")
        session.execute("CREATE GROUP g_bysuper")
        session.execute("DROP GROUP g_bysuper")
        assert refused(admin, 'DROP ROLE "sys:dba"')[0] == "42501"
        admin.execute("DROP USER u_sys")


class TestGrants:
    def test_grant_option_and_default_privileges(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_first PASSWORD '{PASSWORD}'")
        admin.execute(f"CREATE USER u_second PASSWORD '{PASSWORD}'")
        admin.execute("CREATE GROUP g_readers WITH USER u_second")
        admin.execute("CREATE SCHEMA s_grant AUTHORIZATION u_first")
        first, second = login("u_first"), login("u_second")
        admin.execute(
            "ALTER DEFAULT PRIVILEGES FOR USER u_first IN SCHEMA s_grant GRANT SELECT ON TABLES TO GROUP g_readers"
        )
        first.execute("CREATE TABLE s_grant.t (a int)")
        first.execute("GRANT USAGE ON SCHEMA s_grant TO PUBLIC")
        assert rows(second, "SELECT * FROM s_grant.t") == []
        first.execute("GRANT ALL ON s_grant.t TO u_second WITH GRANT OPTION")
        second.execute("INSERT INTO s_grant.t VALUES (1)")
        assert refused(second, "TRUNCATE s_grant.t")[0] == "42501"
        assert refused(first, "GRANT SELECT ON s_grant.t TO GROUP g_readers WITH GRANT OPTION") == (
            "0LP01",
            "grant options can only be granted to users",
        )
        assert refused(admin, "GRANT DROP ON s_grant.t TO u_second")[0] == "0A000"
        admin.execute("DROP SCHEMA s_grant CASCADE")
        admin.execute("ALTER DEFAULT PRIVILEGES FOR USER u_first REVOKE ALL ON TABLES FROM GROUP g_readers")
        admin.execute("DROP GROUP g_readers")
        admin.execute("DROP USER u_first, u_second")
