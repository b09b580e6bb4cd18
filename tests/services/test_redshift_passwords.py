"""Each way to prove a password, by drivers that know it: MD5, SCRAM, Amazon's digest, the password itself over TLS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import psycopg
import psycopg2
import pytest
import redshift_clients
import redshift_connector
import scramp

from velodrome.settings import Settings

PASSWORD = "Kept-4-nobody"
SHOWING_STATEMENTS = (
    "stv_recents",
    "stv_inflight",
    "sys_query_history",
    "sys_query_text",
    "stl_query",
    "stl_querytext",
    "svl_statementtext",
    "stl_ddltext",
    "stl_utilitytext",
    "stl_error",
    "stl_userlog",
    "pg_stat_activity",
    "pg_prepared_statements",
)
USERS = ("by_md5", "by_scram", "by_digest")


def address(settings: Settings, user: str, password: str = PASSWORD) -> dict[str, Any]:
    return redshift_clients.address(settings, user=user, password=password)


@pytest.fixture(scope="module")
def warehouse(redshift: Settings) -> Iterator[Settings]:
    administrator = redshift_clients.address(redshift)
    salt = b"some salt"
    digest = hashlib.sha256(PASSWORD.encode() + salt).hexdigest()
    salted, stored, server, iterations = scramp.ScramMechanism("SCRAM-SHA-256").make_auth_info(PASSWORD)
    encoded = [scramp.core.b64enc(part) for part in (salted, stored, server)]
    kept = {"by_md5": PASSWORD, "by_scram": PASSWORD, "by_digest": f"sha256|{digest}|{salt.hex()}"}
    with psycopg.connect(dbname="dev", autocommit=True, **administrator) as connection:
        for user, password in kept.items():
            connection.execute(f"create user {user} password '{password}'")
        # Redshift's SQL has no way to keep one, but a role of the server inside may come from elsewhere.
        inside = {"host": str(redshift.home / "data" / "redshift"), "port": redshift["REDSHIFT_PORT"], "user": "rdsdb"}
        verifier = f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"
        with psycopg.connect(dbname="dev", autocommit=True, **inside) as superuser:
            superuser.execute(f"alter role by_scram password '{verifier}'")
        yield redshift
        for user in kept:
            connection.execute(f"drop user {user}")


def amazons(settings: Settings, monkeypatch: pytest.MonkeyPatch, user: str, password: str, *, ssl: bool) -> str:
    monkeypatch.setenv("SSL_CERT_FILE", str(settings.certificates / "bundle.pem"))
    with redshift_connector.connect(database="dev", ssl=ssl, **address(settings, user, password)) as connection:
        cursor = connection.cursor()
        cursor.execute("select current_user")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("user", USERS)
class TestEveryDriver:
    def test_libpq_over_tls(self, warehouse: Settings, user: str) -> None:
        authority = str(warehouse.certificates / "authority.pem")
        for connect in (psycopg.connect, psycopg2.connect):
            with connect(
                dbname="dev", sslmode="verify-full", sslrootcert=authority, **address(warehouse, user)
            ) as there:
                cursor = there.cursor()
                cursor.execute("select current_user")
                assert cursor.fetchone() == (user,)

    def test_amazons_driver_over_tls(self, warehouse: Settings, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert amazons(warehouse, monkeypatch, user, PASSWORD, ssl=True) == user

    def test_a_wrong_password(self, warehouse: Settings, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        words = f'password authentication failed for user "{user}"'
        with pytest.raises(psycopg.OperationalError, match=words):
            psycopg.connect(dbname="dev", **address(warehouse, user, "Wrong-4-all"))
        with pytest.raises(redshift_connector.Error, match="password authentication failed"):
            amazons(warehouse, monkeypatch, user, "Wrong-4-all", ssl=True)


class TestWithoutTls:
    @pytest.mark.parametrize("user", ["by_md5", "by_scram"])
    def test_libpq_does_not_show_the_password(self, warehouse: Settings, user: str) -> None:
        with psycopg.connect(dbname="dev", sslmode="disable", **address(warehouse, user)) as connection:
            assert connection.pgconn.used_password and not connection.pgconn.ssl_in_use

    @pytest.mark.parametrize("user", ["by_md5", "by_digest"])
    def test_neither_does_amazons(self, warehouse: Settings, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert amazons(warehouse, monkeypatch, user, PASSWORD, ssl=False) == user

    def test_a_driver_that_would_have_to_is_told(self, warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(psycopg.OperationalError, match="can be checked over SSL only: connect with SSL"):
            psycopg.connect(dbname="dev", sslmode="disable", **address(warehouse, "by_digest"))
        with pytest.raises(redshift_connector.Error, match="can be checked over SSL only"):
            amazons(warehouse, monkeypatch, "by_scram", PASSWORD, ssl=False)


def test_a_password_that_has_expired(warehouse: Settings) -> None:
    administrator = redshift_clients.address(warehouse)
    with psycopg.connect(dbname="dev", autocommit=True, **administrator) as connection:
        connection.execute(f"create user by_date password '{PASSWORD}' valid until '2020-01-01'")
        with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "by_date"'):
            psycopg.connect(dbname="dev", **address(warehouse, "by_date"))
        connection.execute("alter user by_date valid until 'infinity'")
        psycopg.connect(dbname="dev", **address(warehouse, "by_date")).close()
        connection.execute("drop user by_date")


def test_superusers_are_reported_as_such(warehouse: Settings) -> None:
    administrator = redshift_clients.address(warehouse)
    for who, expected in ((administrator, "on"), (address(warehouse, "by_md5"), "off")):
        with psycopg.connect(dbname="dev", **who) as connection:
            assert connection.info.parameter_status("is_superuser") == expected


def test_no_session_reads_a_password_of_another_one(redshift: Settings) -> None:
    """Neither in what it runs, nor by the functions of the server inside that tell it as it is."""
    own = {"dbname": "dev", "autocommit": True, **redshift_clients.address(redshift)}
    with psycopg.connect(**own) as writing, psycopg.connect(**own) as reading:
        busy = "select current_query from pg_stat_activity where procpid = %s"
        for text, shown in (
            ("create user seen password '{}' valid until '2030-01-01'", "CALL velodrome.create_user('seen', '***')"),
            ("alter user seen createdb password '{}'", "CALL velodrome.alter_user('seen', '***')"),
            ("select 1; alter user seen password '{}'", "select 1;\nCALL velodrome.alter_user('seen', '***')"),
        ):
            writing.execute(text.format(PASSWORD).encode())
            assert reading.execute(busy, [writing.info.backend_pid]).fetchone() == (shown,)
        writing.execute("drop user seen")
        assert reading.execute("select distinct query from pg_stat_activity where usename = 'rdsdb'").fetchall() == [
            ("",)
        ]
        for function in ("pg_stat_get_activity(null)", "pg_stat_get_backend_activity(1)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reading.execute(f"select * from pg_catalog.{function}".encode())


def test_no_view_and_no_file_has_a_secret(redshift: Settings) -> None:
    """Neither for who wrote it, in the same session and in another one, nor for another user."""
    secret, own = "Unr3adable-by-all", {"dbname": "dev", "autocommit": True, **redshift_clients.address(redshift)}
    key = f"aws_access_key_id=AKIA{secret};aws_secret_access_key={secret}"
    with psycopg.connect(**own) as writing, psycopg.connect(**own) as reading:
        reading.execute("create user secret_reader password 'Other-word-1' syslog access unrestricted")
        with psycopg.connect(**own | {"user": "secret_reader", "password": "Other-word-1"}) as other:
            for sql, prepared, refused in (
                (f"create user secretive password '{secret}'", False, False),
                (f"create user secretive password '{secret}'", False, True),
                (f"alter user secretive /* x */ password '{secret}' valid until '2030-01-01'", True, False),
                (f"alter user nobody_there password '{secret}'", False, True),
                (f"copy nothing from 's3://b/k' credentials '{key}'", False, True),
                (f"copy nothing from 's3://b/k' access_key_id 'AKIA{secret}' secret_access_key '{secret}'", True, True),
                (f"unload ('select 1') to 's3://b/k' credentials '{key}'", False, True),
            ):
                try:
                    writing.execute(sql.encode(), prepare=prepared)
                    assert not refused
                except psycopg.Error as error:
                    assert refused and secret not in str(error)
                for session in (other, reading, writing):
                    shown = session.execute("select * from pg_stat_activity").fetchall()
                    assert secret not in str(shown)
            for session in (writing, reading, other):
                for view in SHOWING_STATEMENTS:
                    assert secret not in str(session.execute(f"select * from {view}".encode()).fetchall()), view
            texts = reading.execute("select query_text from sys_query_history").fetchall()
            assert any("create user secretive password '***'" in text for (text,) in texts)
        reading.execute("drop user secretive")
        reading.execute("drop user secret_reader")
    files = [file for file in redshift.home.rglob("*") if file.is_file() and "installs" not in file.parts]
    assert [file for file in files if secret.encode() in file.read_bytes()] == []
