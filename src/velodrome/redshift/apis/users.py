"""Users with temporary passwords, as IAM authentication makes them.

https://docs.aws.amazon.com/redshift/latest/mgmt/generating-user-credentials.html
"""

from __future__ import annotations

import datetime
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

Connect = Callable[[], psycopg.Connection]


@dataclass(frozen=True)
class Credentials:
    """Who logs in, with what, until when."""

    user: str
    password: str
    expiration: datetime.datetime


class TemporaryUsers:
    """Gives users of the warehouse passwords that end. A password that has not ended is given again and ends later, so
    that what one client was given stays good when the next one asks: AWS keeps several of a user, PostgreSQL one."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._given: dict[str, Credentials] = {}

    def own(self, user: str, seconds: int) -> Credentials:
        """Credentials of the user whom IAM knows by this name; made if missing."""
        with self._lock, self._connect() as connection:
            _ensure_user(connection, user)
            connection.execute(sql.SQL("ALTER ROLE {} RESET role").format(sql.Identifier(user)))
            return self._give(connection, user, seconds)

    def of(self, user: str, seconds: int, create: bool, groups: Sequence[str]) -> Credentials:
        """Credentials of a user of the database: a login of their own, which works as that user.

        Without `create`, a user who is not there cannot log in, and is not told so here.
        """
        login = ":".join(("IAMA" if create else "IAM", user, *groups))
        with self._lock, self._connect() as connection:
            if create:
                _ensure_user(connection, user)
            elif not _ordinary(connection, user):
                return Credentials(login, secrets.token_urlsafe(48), _end(seconds))
            _ensure(connection, login)
            names = {"login": sql.Identifier(login), "user": sql.Identifier(user)}
            connection.execute(sql.SQL("GRANT {user} TO {login}").format(**names))
            connection.execute(sql.SQL("ALTER ROLE {login} SET role = {user}").format(**names))
            for group in groups:
                _join(connection, group, user)
            return self._give(connection, login, seconds)

    def _give(self, connection: psycopg.Connection, login: str, seconds: int) -> Credentials:
        end = _end(seconds)
        before = self._given.get(login)
        password = secrets.token_urlsafe(48)
        if before is not None and before.expiration > _end(0):
            password, end = before.password, max(end, before.expiration)
        given = Credentials(login, password, end)
        verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"md5").decode()
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} VALID UNTIL {}").format(
                sql.Identifier(login), sql.Literal(verifier), sql.Literal(end.isoformat())
            )
        )
        self._given[login] = given
        return given


def _end(seconds: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)


def _ordinary(connection: psycopg.Connection, user: str) -> bool:
    """Whether it is a user, and not the superuser inside."""
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolcanlogin AND NOT rolsuper", [user])
    return found.fetchone() is not None


def _ensure(connection: psycopg.Connection, user: str) -> None:
    if not _ordinary(connection, user):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))


def _ensure_user(connection: psycopg.Connection, user: str) -> None:
    """One whom superusers rule, as they do every user: catalog/10_users.sql"""
    if not _ordinary(connection, user):
        _ensure(connection, user)
        grant = sql.SQL('GRANT {} TO "sys:superuser" WITH INHERIT TRUE, SET TRUE, ADMIN TRUE')
        connection.execute(grant.format(sql.Identifier(user)))


def _join(connection: psycopg.Connection, group: str, user: str) -> None:
    """To a group that is there; names of others are passed over, as Redshift does."""
    inside = f"group {group}"
    row = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND NOT rolcanlogin AND NOT rolsuper", [inside])
    if row.fetchone() is not None:
        names = sql.Identifier(inside), sql.Identifier(user)
        connection.execute(sql.SQL("GRANT {} TO {} WITH INHERIT TRUE, SET FALSE").format(*names))
