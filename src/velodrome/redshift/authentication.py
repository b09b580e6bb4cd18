"""Proves a client's password: MD5, SCRAM, Amazon's digest, or the password itself over TLS, by what the server keeps.

| kept in pg_authid | libpq and its kin | Amazon's drivers |
|---|---|---|
| md5… (what CREATE USER keeps) | MD5 | MD5 |
| SCRAM-SHA-256$… | SCRAM-SHA-256 | the password, over TLS only: they cannot read an offer of SCRAM |
| sha256\\|…\\|… (kept as SCRAM of no iterations) | the password, over TLS only | digest |

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html, https://www.postgresql.org/docs/current/auth-password.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
import scramp  # type: ignore[import-untyped]

from velodrome.redshift import wire

Ask = Callable[[bytes, bytes], Awaitable[bytes]]
"""Sends a request, returns the body of the answer; its type must be one of the second argument's letters."""

_NO_SERVER_KEY = bytes(32)
# Nobody has it: an unknown user is asked for a password as everybody is, and cannot know it.
_NOBODY = "md5" + "0" * 32


class AuthenticationError(Exception):
    """A client that is not let in; the message is the server's."""

    code = "28000"


@dataclass(frozen=True)
class Verifier:
    """What the server keeps of a user's password (pg_authid.rolpassword), and whether he is one of Redshift's
    superusers, who are none inside (catalog/10_users.sql)."""

    text: str
    superuser: bool = False

    @property
    def scram(self) -> tuple[bytes, bytes, bytes, int] | None:
        """(salt, stored key, server key, iterations) of a SCRAM-SHA-256 verifier."""
        try:
            name, iterations_salt, keys = self.text.split("$")
            iterations, salt = iterations_salt.split(":")
            stored, server = keys.split(":")
            parts = [base64.b64decode(part, validate=True) for part in (salt, stored, server)]
            return (parts[0], parts[1], parts[2], int(iterations)) if name == "SCRAM-SHA-256" else None
        except (ValueError, binascii.Error):
            return None

    @property
    def sha256(self) -> tuple[bytes, bytes] | None:
        """(salt, SHA-256 of password and salt): `sha256|digest|salt` of CREATE USER, in the one form of PostgreSQL's
        that has room for it; a real SCRAM verifier's server key is not zero."""
        scram = self.scram
        return (scram[0], scram[1]) if scram is not None and scram[2] == _NO_SERVER_KEY else None


def sha256_verifier(digest: bytes, salt: bytes) -> str:
    """What pg_authid keeps for `PASSWORD 'sha256|digest|salt'`."""
    encoded = [base64.b64encode(part).decode() for part in (salt, digest, _NO_SERVER_KEY)]
    return f"SCRAM-SHA-256$1:{encoded[0]}${encoded[1]}:{encoded[2]}"


class Roles:
    """Looks verifiers up in the server inside, through one connection of its superuser's."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.AsyncConnection[tuple[str | None, bool, bool]] | None = None

    async def verifier(self, user: str) -> Verifier | None:
        """None for who is unknown, has no password, or whose password has expired."""
        query = """
            SELECT rolpassword, coalesce(rolvaliduntil < now(), false),
                rolcreaterole OR pg_has_role(oid, 'sys:superuser', 'MEMBER')
            FROM pg_authid WHERE rolname = %s
        """
        for attempt in (1, 2):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                row = await (await self._connection.execute(query, [user])).fetchone()
                break
            except psycopg.OperationalError:  # the server inside has restarted meanwhile
                self._connection = None
                if attempt == 2:
                    raise
        return Verifier(row[0], row[2]) if row is not None and row[0] is not None and not row[1] else None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


async def authenticate(user: str, verifier: Verifier | None, ask: Ask, *, amazon: bool, encrypted: bool) -> bytes:
    """Returns what the client is sent before AuthenticationOk; raises AuthenticationError."""
    kept = verifier or Verifier(_NOBODY)
    scram, sha256 = kept.scram, kept.sha256
    last = b""
    if scram is None:
        good = await _md5(kept.text, ask)
    elif sha256 is not None and amazon:
        good = await _digest(*sha256, ask)
    elif sha256 is not None or amazon:
        if not encrypted:
            raise AuthenticationError(f'the password of user "{user}" can be checked over SSL only: connect with SSL')
        good = await _password(scram, sha256, ask)
    else:
        good, last = await _scram(scram, ask)
    if verifier is None or not good:
        raise AuthenticationError(f'password authentication failed for user "{user}"')
    return last


async def _md5(kept: str, ask: Ask) -> bool:
    salt = secrets.token_bytes(4)
    answer = wire.read_password(await ask(wire.authentication(5, salt), b"p"))
    expected = "md5" + hashlib.md5(kept[3:].encode() + salt, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(answer, expected.encode())


async def _digest(salt: bytes, kept: bytes, ask: Ask) -> bool:
    nonce = secrets.token_bytes(16)
    answer, client_nonce = wire.read_digest(await ask(wire.digest_request(salt, nonce), b"d"))
    return hmac.compare_digest(answer, hashlib.sha256(kept + nonce + client_nonce).digest())


async def _password(scram: tuple[bytes, bytes, bytes, int], sha256: tuple[bytes, bytes] | None, ask: Ask) -> bool:
    given = wire.read_password(await ask(wire.authentication(3), b"p"))
    if sha256 is not None:
        return hmac.compare_digest(hashlib.sha256(given + sha256[0]).digest(), sha256[1])
    salt, stored, _, iterations = scram
    salted = hashlib.pbkdf2_hmac("sha256", given, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored)


async def _scram(scram: tuple[bytes, bytes, bytes, int], ask: Ask) -> tuple[bool, bytes]:
    server = scramp.ScramMechanism("SCRAM-SHA-256").make_server(lambda _: scram)
    mechanism, first = wire.read_sasl_initial(await ask(wire.sasl_mechanisms(["SCRAM-SHA-256"]), b"p"))
    if mechanism != "SCRAM-SHA-256":
        raise wire.ProtocolError("client selected an invalid SASL authentication mechanism")
    try:
        # libpq gives no name (PostgreSQL takes that of the startup packet), which scramp does not take.
        flag, identity, bare = first.decode().split(",", 2)
        server.set_client_first(f"{flag},{identity},{bare.replace('n=,', 'n=*,', 1)}")
        server.client_first_bare = bare
        final = await ask(wire.authentication(11, server.get_server_first().encode()), b"p")
        server.set_client_final(final.decode())
        return True, wire.authentication(12, server.get_server_final().encode())
    except (scramp.ScramException, ValueError):
        return False, b""
