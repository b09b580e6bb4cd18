"""Who may do what: users, groups, roles, superusers and grants, each asked through the user's own connection."""

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
    """A connection of a user; of the administrator if none is named."""
    with ExitStack() as open_connections:

        def connect(user: str = redshift["REDSHIFT_USER"], password: str = PASSWORD, dbname: str = "dev") -> Connection:
            if user == redshift["REDSHIFT_USER"]:
                password = redshift["REDSHIFT_PASSWORD"]
            return open_connections.enter_context(
                redshift_clients.connect(redshift, user=user, password=password, dbname=dbname)
            )

        yield connect


@pytest.fixture
def admin(login: Login) -> Connection:
    return login()


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()  # type: ignore[arg-type]


def shows(connection: Connection, sql: str, *expected: tuple[Any, ...]) -> None:
    assert rows(connection, sql) == list(expected)


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
        assert refused(plain, "CALL velodrome.set_superuser('u_plain', true)")[0] == "3F000"
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
        for command, code in {
            "SELECT pg_read_file(''PG_VERSION'')": "42883",
            "SELECT pg_catalog.pg_read_file(''PG_VERSION'')": "42883",
            "DELETE FROM velodrome.rls_policies": "3F000",
        }.items():
            admin.execute(
                f"CREATE OR REPLACE PROCEDURE reaches() AS $$ DECLARE command varchar(100) := '{command}';"
                " BEGIN EXECUTE command; END $$ LANGUAGE plpgsql"
            )
            assert refused(admin, "CALL reaches()")[0] == code
        admin.execute("DROP PROCEDURE reaches()")
        assert rows(admin, "SHOW is_superuser") == [("on",)]

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

    def test_a_user_gives_himself_no_system_permission(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER u_sly PASSWORD '{PASSWORD}'")
        session = login("u_sly")
        session.execute(
            "CREATE PROCEDURE sly() AS $$ DECLARE"
            " command varchar(100) := 'ALTER ROLE u_sly SET velodrome.system_privileges TO ''CREATE USER''';"
            " BEGIN EXECUTE command; END $$ LANGUAGE plpgsql"
        )
        assert refused(session, "CALL sly()")[0] == "42601"
        assert refused(session, f"CREATE USER u_new PASSWORD '{PASSWORD}'")[0] == "42501"
        assert refused(session, "ALTER USER u_sly SET administrator TO 'true'")[0] == "42704"
        session.execute("DROP PROCEDURE sly()")
        admin.execute("DROP USER u_sly")

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


class TestViews:
    def test_who_there_is(self, admin: Connection) -> None:
        options = "CONNECTION LIMIT 7 SESSION TIMEOUT 90 EXTERNALID abc VALID UNTIL '2099-01-01'"
        admin.execute(f"CREATE USER v_user PASSWORD '{PASSWORD}' {options}")
        admin.execute("CREATE GROUP v_group WITH USER v_user")
        admin.execute("CREATE ROLE v_role EXTERNALID xyz")
        admin.execute("CREATE ROLE v_inner")
        admin.execute("GRANT ROLE v_role TO v_user WITH ADMIN OPTION")
        admin.execute("GRANT ROLE v_inner TO ROLE v_role")
        shows(
            admin,
            "SELECT usename, usecreatedb, usesuper, usecatupd, passwd, valuntil::date::text FROM pg_user"
            " WHERE usename = 'v_user'",
            ("v_user", False, False, False, "********", "2099-01-01"),
        )
        shows(admin, "SELECT usesuper FROM pg_user WHERE usename = current_user", (True,))
        shows(admin, "SELECT useconnlimit FROM pg_user_info WHERE usename = 'v_user'", ("7",))
        shows(
            admin,
            "SELECT usename FROM pg_user u JOIN pg_group g ON u.usesysid = ANY (g.grolist) WHERE groname = 'v_group'",
            ("v_user",),
        )
        shows(
            admin,
            "SELECT superuser, connection_limit, syslog_access, session_timeout, external_user_id FROM svv_user_info"
            " WHERE user_name = 'v_user'",
            (False, "7", "RESTRICTED", 90, "abc"),
        )
        shows(admin, "SELECT role_owner, external_id FROM svv_roles WHERE role_name = 'v_role'", ("awsuser", "xyz"))
        shows(admin, "SELECT role_name, admin_option FROM svv_user_grants WHERE user_name = 'v_user'", ("v_role", True))
        shows(admin, "SELECT granted_role_name FROM svv_role_grants WHERE role_name = 'v_role'", ("v_inner",))
        shows(
            admin, "SELECT user_is_member_of('v_user', 'v_inner'), role_is_member_of('v_role', 'v_inner')", (True, True)
        )
        shows(admin, "SELECT user_is_member_of(current_user, 'v_inner')", (False,))
        shows(admin, "SELECT user_name FROM svv_user_info WHERE user_id = current_user_id", ("awsuser",))
        admin.execute("DROP ROLE v_inner FORCE")
        admin.execute("DROP ROLE v_role FORCE")
        admin.execute("DROP GROUP v_group")
        admin.execute("DROP USER v_user")

    def test_who_may_do_what(self, admin: Connection, login: Login) -> None:
        admin.execute(f"CREATE USER p_user PASSWORD '{PASSWORD}'")
        admin.execute(f"CREATE USER p_other PASSWORD '{PASSWORD}'")
        admin.execute("CREATE GROUP p_group")
        admin.execute("CREATE ROLE p_role")
        admin.execute("CREATE SCHEMA p_schema")
        admin.execute("CREATE TABLE p_schema.t (a int, b int)")
        admin.execute("CREATE FUNCTION p_schema.f(int) RETURNS int STABLE AS $$ SELECT $1 $$ LANGUAGE sql")
        admin.execute("GRANT USAGE ON SCHEMA p_schema TO GROUP p_group")
        admin.execute("GRANT SELECT ON p_schema.t TO p_user WITH GRANT OPTION")
        admin.execute("GRANT UPDATE (b) ON p_schema.t TO ROLE p_role")
        admin.execute("GRANT EXECUTE ON FUNCTION p_schema.f(int) TO p_user")
        admin.execute("GRANT TEMP ON DATABASE dev TO p_user")
        admin.execute("GRANT CREATE USER, IGNORE RLS TO ROLE p_role")
        admin.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA p_schema GRANT SELECT ON TABLES TO p_user")
        mine = "identity_name, identity_type, privilege_type"
        of = "namespace_name = 'p_schema' AND identity_name LIKE 'p!_%' ESCAPE '!'"
        shows(
            admin,
            f"SELECT {mine}, admin_option FROM svv_relation_privileges WHERE {of}",
            ("p_user", "user", "SELECT", True),
        )
        shows(
            admin,
            f"SELECT {mine}, column_name FROM svv_column_privileges WHERE {of}",
            ("p_role", "role", "UPDATE", "b"),
        )
        shows(
            admin,
            f"SELECT {mine}, privilege_scope FROM svv_schema_privileges WHERE {of}",
            ("p_group", "group", "USAGE", "SCHEMA"),
        )
        shows(
            admin,
            f"SELECT {mine}, argument_types FROM svv_function_privileges WHERE {of}",
            ("p_user", "user", "EXECUTE", "integer"),
        )
        shows(
            admin,
            f"SELECT {mine} FROM svv_database_privileges WHERE identity_name = 'p_user'",
            ("p_user", "user", "TEMP"),
        )
        shows(
            admin,
            "SELECT system_privilege FROM svv_system_privileges WHERE identity_name = 'p_role' ORDER BY 1",
            ("CREATE USER",),
            ("IGNORE RLS",),
        )
        shows(
            admin,
            "SELECT schema_name, object_type, owner_name, privilege_type, grantee_type"
            " FROM svv_default_privileges WHERE grantee_name = 'p_user'",
            ("p_schema", "RELATION", "awsuser", "SELECT", "user"),
        )
        assert ("sql", "public") in rows(admin, "SELECT language_name, identity_type FROM svv_language_privileges")
        assert rows(login("p_other"), f"SELECT * FROM svv_relation_privileges WHERE {of}") == []
        assert len(rows(login("p_user"), f"SELECT * FROM svv_relation_privileges WHERE {of}")) == 1
        assert (
            rows(admin, "SELECT * FROM svv_masking_policy")
            == rows(admin, "SELECT * FROM svv_attached_masking_policy")
            == []
        )
        admin.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA p_schema REVOKE SELECT ON TABLES FROM p_user")
        admin.execute("REVOKE TEMP ON DATABASE dev FROM p_user")
        admin.execute("DROP SCHEMA p_schema CASCADE")
        admin.execute("DROP ROLE p_role FORCE")
        admin.execute("DROP GROUP p_group")
        admin.execute("DROP USER p_user, p_other")

    def test_drivers_ask_who_they_are(self, admin: Connection) -> None:
        found = "has_table_privilege('pg_class', 'select'), has_schema_privilege('public', 'usage')"
        shows(admin, f"SELECT {found}", (True, True))
