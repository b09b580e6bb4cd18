"""A client's way from its first packet to a session: TLS, protocol version, password, and a backend of its own."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sized
from dataclasses import dataclass, replace
from typing import Protocol

from velodrome.redshift import wire
from velodrome.redshift.authentication import AuthenticationError, Roles, authenticate
from velodrome.redshift.server import CONNECTION_LIMIT, SUPERUSER
from velodrome.redshift.sql import long_names
from velodrome.redshift.startup_options import OptionError, checked
from velodrome.redshift.wire_rows import NEWEST

# Seconds to get through, PostgreSQL's authentication_timeout:
# https://www.postgresql.org/docs/current/runtime-config-connection.html
TIMEOUT = 60
# How many may be on their way at once: the one that has been for longest goes when another comes.
MOST_ARRIVING = 200

# What PostgreSQL understands of a startup packet; Amazon's Python, JDBC and ODBC drivers send more.
_PASSED_ON = frozenset(
    {"application_name", "client_encoding", "datestyle", "timezone", "extra_float_digits", "options"}
)


class Door(Protocol):
    """What a login needs of a client's connection."""

    encrypted: bool

    async def startup_packet(self) -> wire.Startup: ...
    async def message(self) -> tuple[int, bytes]: ...
    async def start_tls(self, context: ssl.SSLContext) -> None: ...
    def to_client(self, data: bytes) -> None: ...


class LoginError(Exception):
    """A client that is turned away, with the ErrorResponse that says why."""

    def __init__(self, code: str, message: str, who: Login | None = None) -> None:
        super().__init__(message)
        self.response = wire.error(code, message, severity="FATAL")
        self.who = who


@dataclass(frozen=True)
class Login:
    """Who has come in, and with which startup parameters; `parameters` are those that a backend gets too."""

    user: str
    database: str
    amazon: bool
    parameters: Mapping[str, str]
    given: Mapping[str, str]
    superuser: bool = False

    @property
    def protocol(self) -> int:
        """Of Amazon's drivers: the newest that both sides know (wire_rows.py)."""
        version = self.given.get("client_protocol_version", "")
        return min(int(version), NEWEST) if re.fullmatch("[0-9]{1,4}", version) else 0

    def startup(self, database: str) -> dict[str, str]:
        """The startup parameters of a backend in a database."""
        return {"user": self.user, "database": database, **self.parameters}


async def requested(door: Door, context: ssl.SSLContext | None) -> wire.Startup:
    """The first packet that asks for a session or for a cancel, after TLS if the client wants it and we have it."""
    while True:
        packet = await door.startup_packet()
        if packet.code == wire.SSL_REQUEST and context is not None and not door.encrypted:
            await door.start_tls(context)
        elif packet.code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
            door.to_client(b"N")
        else:
            return packet


async def log_in(door: Door, packet: wire.Startup, roles: Roles, sessions: Sized) -> Login:
    """Checks who it is; raises LoginError, ProtocolError. `sessions` are those that are logged in."""
    given = {name.lower(): value for name, value in packet.parameters.items()}
    options = sorted(name for name in packet.parameters if name.startswith("_pq_."))
    if packet.minor or options:
        door.to_client(wire.negotiate(0, options))
    user = long_names.of_login(given.get("user", ""))
    if not user:
        raise LoginError("28000", "no PostgreSQL user name specified in startup packet")
    if "replication" in given:
        raise LoginError("0A000", "replication connections are not supported")
    amazon = "client_protocol_version" in given

    async def ask(request: bytes, kinds: bytes) -> bytes:
        door.to_client(request)
        kind, body = await door.message()
        if kind == 88:  # X: the client goes, to come again with a password
            raise ConnectionResetError
        if kind not in kinds:
            raise wire.ProtocolError(f"expected password response, got message type {kind}")
        return body

    parameters = {name: value for name, value in given.items() if name in _PASSED_ON}
    try:
        parameters |= {"options": checked(given["options"])} if "options" in given else {}
    except OptionError as error:
        raise LoginError(error.code, str(error)) from None
    who = Login(user, long_names.of_login(given.get("database") or user), amazon, parameters, given)
    verifier = None if user == SUPERUSER else await roles.verifier(user)
    who = replace(who, superuser=verifier is not None and verifier.superuser)
    try:
        last = await authenticate(user, verifier, ask, amazon=amazon, encrypted=door.encrypted)
    except AuthenticationError as error:
        raise LoginError(error.code, str(error), who) from None
    if len(sessions) >= CONNECTION_LIMIT:
        raise LoginError("53300", f'connection limit "{CONNECTION_LIMIT}" exceeded for non-bootstrap users', who)
    door.to_client(last + wire.authentication(0))
    return who
