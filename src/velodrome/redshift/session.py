"""One client and its backend: what the client asks is translated, what the backend answers passes in whole buffers.

Every message that will be answered is a step in a queue, in the order in which the backend answers. That is how a
refusal, a COPY or a hidden statement finds its place between the answers of pipelined messages. A refused statement is
sent on as one that is sure to fail, and the error that comes back is replaced: the backend itself then keeps the
transaction's state, skips to the next Sync, and so on.
https://www.postgresql.org/docs/current/protocol-flow.html
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from velodrome.awsapi.profile import Profile
from velodrome.redshift import wire
from velodrome.redshift.backend import Backend, send_and_close
from velodrome.redshift.copy import Column, CopyError, Load
from velodrome.redshift.server import SUPERUSER
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import literal
from velodrome.redshift.sql.translate import Statement, position, translate

log = logging.getLogger("velodrome.redshift")

SERVER_VERSION = "8.0.2"
# Fails while it is parsed, whatever the transaction's state: https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSED = "velodrome_refused"
_REFUSED_SQL = f"SELECT {_REFUSED}"
_HIDDEN = "velodrome_hidden"  # name of the prepared statement and portal of hidden statements
_LONGEST_INPUT = 1 << 20  # of a client that is held; beyond it, its socket is no longer read

# What PostgreSQL understands of a startup packet; redshift_connector and Amazon's JDBC and ODBC drivers send more.
_STARTUP_PARAMETERS = frozenset(
    {
        "user",
        "database",
        "application_name",
        "client_encoding",
        "datestyle",
        "timezone",
        "extra_float_digits",
        "options",
    }
)

# redshift_connector asks for intervals (1186) in binary and reads 12 bytes where PostgreSQL sends 16: a silent error.
# Under SUPER's number (4000) it asks for text.
_AMAZON_TYPES = {1186: 4000}


@dataclass(slots=True)
class Step:
    """A message on its way through the backend. `hidden` answers are the gateway's own, `pieces` a query's statements
    ('v' visible, 'h' hidden, 'c' a COPY; empty: all visible), `error` what replaces the error that is provoked."""

    kind: str
    hidden: bool = False
    pieces: str = ""
    piece: int = 0
    error: bytes = b""
    copies: list[Copy] = field(default_factory=list)
    load: Load | None = None

    @property
    def hiding(self) -> bool:
        return self.hidden or (self.piece < len(self.pieces) and self.pieces[self.piece] == "h")


@dataclass(frozen=True)
class Place:
    """What all sessions share."""

    socket: Path
    profile: Callable[[], Profile]
    pool: Executor
    sessions: set[Session] = field(default_factory=set)


class Session(asyncio.Protocol):
    """The client's side; owns the backend's."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._client: asyncio.Transport | None = None
        self._backend: Backend | None = None
        self._input = bytearray()
        self._phase = "startup"  # startup, connecting, login, ready, closed
        self._held = False
        self._reading = True
        self._amazon = False
        self._key = b""
        self.steps: deque[Step] = deque()
        self._skipping = False  # an error has been seen, the backend waits for a Sync that the client has not sent yet
        self._columns: list[Column] = []
        self._told = False  # the backend itself has said why it ends
        self._special: dict[str, Statement] = {}
        self._portals: dict[str, Statement] = {}
        self._task: asyncio.Task[None] | None = None

    # -- the client's transport -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = transport  # type: ignore[assignment]  # a socket's transport always is one
        self._place.sessions.add(self)

    def data_received(self, data: bytes) -> None:
        self._input += data
        try:
            self._read()
        except wire.ProtocolError as error:
            self.end(wire.error("08P01", str(error), severity="FATAL"))

    def _read(self) -> None:
        if self._phase == "startup":
            self._read_startup()
        if self._phase == "login":
            self._read_login()
        at = 0
        buffer = self._input
        while self._phase == "ready" and not self._held:
            found = wire.frame(buffer, at)
            if found is None or found[1] > len(buffer):
                break
            raw = bytes(buffer[at : found[1]])
            at = found[1]
            self._from_client(found[0], raw)
        del buffer[:at]
        self.pace()

    def pace(self) -> None:
        if self._client is None or self._phase == "closed":
            return
        full = (self._held or self._phase != "ready") and len(self._input) > _LONGEST_INPUT
        blocked = full or (self._backend is not None and self._backend.full)
        if blocked and self._reading:
            self._client.pause_reading()
        elif not blocked and not self._reading:
            self._client.resume_reading()
        self._reading = not blocked

    def pause_writing(self) -> None:
        if self._backend is not None:
            self._backend.pause()

    def resume_writing(self) -> None:
        if self._backend is not None:
            self._backend.resume()

    def connection_lost(self, error: Exception | None) -> None:
        if self._phase != "closed":
            self._finish()

    # -- startup ----------------------------------------------------------------------------------------------------

    def _read_startup(self) -> None:
        while self._phase == "startup":
            length = wire.startup_length(self._input)
            if length is None or len(self._input) < length:
                return
            packet = wire.read_startup(bytes(self._input[:length]))
            del self._input[:length]
            if packet.code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
                self.to_client(b"N")
            elif packet.code == wire.CANCEL_REQUEST:
                self._phase = "closed"
                self._loop.create_task(send_and_close(self._place.socket, packet.raw, self._close_client))
            else:
                self._start(packet)

    def _start(self, packet: wire.Startup) -> None:
        given = {name.lower(): value for name, value in packet.parameters.items()}
        user = given.get("user", "")
        self._amazon = "client_protocol_version" in given
        if not user or user == SUPERUSER or "replication" in given:
            what = (
                f'password authentication failed for user "{user}"'
                if user
                else "no PostgreSQL user name specified in startup packet"
            )
            self.end(wire.error("28P01" if user else "28000", what, severity="FATAL"))
            return
        if "standard_conforming_strings" in given.get("options", ""):
            self.end(wire.error("0A000", "changing standard_conforming_strings is not supported", severity="FATAL"))
            return
        parameters = {name: value for name, value in given.items() if name in _STARTUP_PARAMETERS}
        self._phase = "connecting"
        self._task = self._loop.create_task(self._connect(wire.startup(parameters)))

    async def _connect(self, packet: bytes) -> None:
        try:
            _, backend = await self._loop.create_unix_connection(lambda: Backend(self), str(self._place.socket))
        except OSError as error:
            self.end(wire.error("57P03", f"the database system is starting up ({error.strerror})", severity="FATAL"))
            return
        if self._phase == "closed":
            backend.close()
            return
        self._backend = backend
        self._phase = "login"
        backend.write(packet)
        self._read()

    def _read_login(self) -> None:
        """Passwords pass through; anything else that comes early waits."""
        while (found := wire.frame(self._input, 0)) is not None and found[1] <= len(self._input):
            if found[0] not in b"pX":
                return
            raw = bytes(self._input[: found[1]])
            del self._input[: found[1]]
            self.to_backend(raw)

    # -- from the client --------------------------------------------------------------------------------------------

    def _from_client(self, kind: int, raw: bytes) -> None:
        body = raw[5:]
        if kind == 81:  # Q
            self._query(wire.read_query(body), raw)
        elif kind == 80:  # P
            self._parse(wire.read_parse(body), raw)
        elif kind == 66:  # B
            portal, name = wire.read_bind(body)
            self._remember(self._portals, portal, self._special.get(name))
            self._send(Step("bind"), raw)
        elif kind == 68:  # D
            wire.read_target(body)
            self._send(Step("describe"), raw)
        elif kind == 69:  # E
            self._execute(wire.read_execute(body), raw)
        elif kind == 67:  # C
            target, name = wire.read_target(body)
            (self._special if target == "S" else self._portals).pop(name, None)
            self._send(Step("close"), raw)
        elif kind == 83:  # S
            wire.read_empty(body)
            self._skipping = False
            self._portals.clear()
            self._send(Step("sync"), raw)
        elif kind == 72 or kind == 88:  # H
            self.to_backend(raw)
        elif kind in b"dcf":
            pass  # left over from a COPY … FROM STDIN, which was refused
        else:
            raise wire.ProtocolError(f"invalid frontend message type {kind}")

    @staticmethod
    def _remember(where: dict[str, Statement], name: str, statement: Statement | None) -> None:
        if statement is None:
            where.pop(name, None)
        else:
            where[name] = statement

    def _send(self, step: Step, raw: bytes) -> None:
        if not self._skipping:
            self.steps.append(step)
        self.to_backend(raw)

    def _query(self, sql: str, raw: bytes) -> None:
        self._skipping = False
        try:
            found = translate(sql)
        except Refused as refused:
            self._send(Step("query", error=_refusal(sql, refused)), wire.query(_REFUSED_SQL))
            return
        if len(found) == 1 and found[0].is_all_of(sql):
            self._send(Step("query"), raw)
            return
        texts: list[str] = []
        step = Step("query")
        for statement in found:
            if statement.copy is not None:
                texts += (_target_sql(statement.copy), statement.sql)
                step.pieces += "hc"
                step.copies.append(statement.copy)
            else:
                if statement.before:
                    texts.append(statement.before)
                    step.pieces += "h"
                texts.append(statement.sql)
                step.pieces += "v"
                if statement.then:
                    texts.append(statement.then)
                    step.pieces += "h"
        self._held = bool(step.copies)
        self._send(step, wire.query(";\n".join(texts)))

    def _parse(self, message: wire.Parse, raw: bytes) -> None:
        try:
            found = translate(message.query)
        except Refused as refused:
            self._remember(self._special, message.name, None)
            error = _refusal(message.query, refused)
            self._send(Step("parse", error=error), wire.parse(message.name, _REFUSED_SQL))
            return
        single = found[0] if len(found) == 1 else None
        if single is not None and single.is_all_of(message.query):
            self._remember(self._special, message.name, None)
            self._send(Step("parse"), raw)
            return
        special = single if single is not None and not single.plain else None
        self._remember(self._special, message.name, special)
        if single is not None and single.before:  # what it makes is there when the statement itself is parsed
            self._hidden_statement(single.before)
        text = ";\n".join(statement.sql for statement in found)  # several: the backend refuses them itself
        self._send(Step("parse"), wire.parse(message.name, text, message.types))

    def _execute(self, portal: str, raw: bytes) -> None:
        statement = self._portals.get(portal)
        if statement is None or self._skipping:
            self._send(Step("execute"), raw)
        elif statement.copy is not None:
            self._hidden_statement(_target_sql(statement.copy))
            self._held = True
            self._send(Step("execute", copies=[statement.copy]), raw)
        else:
            self._send(Step("execute"), raw)
            if statement.then:
                self._hidden_statement(statement.then)

    def _hidden_statement(self, sql: str) -> None:
        """Runs a statement of the gateway's own between the client's; closing it first forgets one that failed."""
        self._send(Step("close", hidden=True), wire.close("S", _HIDDEN))
        self._send(Step("parse", hidden=True), wire.parse(_HIDDEN, sql))
        self._send(Step("bind", hidden=True), wire.bind(_HIDDEN, _HIDDEN))
        self._send(Step("execute", hidden=True), wire.execute(_HIDDEN))

    def to_backend(self, data: bytes) -> None:
        if self._backend is not None:
            self._backend.write(data)

    # -- from the backend -------------------------------------------------------------------------------------------

    def to_client(self, data: bytes) -> None:
        if self._client is not None and not self._client.is_closing():
            self._client.write(data)

    @property
    def hiding(self) -> bool:
        return bool(self.steps) and self.steps[0].hiding

    def from_backend(self, kind: int, raw: bytes) -> bytes | None:
        """What the client gets in place of a message: None is the message itself, nothing is b""."""
        step = self.steps[0] if self.steps else None
        hiding = step is not None and step.hiding
        if kind == 90:  # Z
            self._ready(step)
            return None
        if kind == 69:  # E
            return self._failed(step, raw)
        if kind == 83:  # S
            name, _ = wire.read_status(raw[5:])
            return wire.status(name, SERVER_VERSION) if name == "server_version" else None
        if kind == 75:  # K
            self._key = raw[5:]
            return None
        if step is None or kind in b"NAR":
            return b"" if hiding and kind == 78 else None
        if kind == 71:  # G
            self._start_load(step)
            return b""
        if kind == 68 and hiding:  # D
            self._collect(raw)
            return b""
        answer = b"" if hiding else None
        if kind == 67:  # C
            return self._complete(step, answer)
        if kind == 84 and self._amazon and not hiding:  # T
            answer = wire.retyped(raw, _AMAZON_TYPES)
        if kind == 73 and step.kind == "query":  # I: its ReadyForQuery follows
            return answer
        if kind in b"123Is" or (kind in b"nT" and step.kind == "describe"):
            self.steps.popleft()
        return answer

    def _ready(self, step: Step | None) -> None:
        if step is not None and step.kind in ("query", "sync"):
            self.steps.popleft()
            if step.copies:
                self._release()
        elif self._phase == "login":
            self._phase = "ready"
            self._loop.call_soon(self._resume)

    def _complete(self, step: Step, answer: bytes | None) -> bytes | None:
        load = step.load
        if load is not None:
            step.load = None
            # The driver of Amazon reads a number behind every tag, psql and psycopg show the tag as it is.
            tag = "COPY 0" if self._amazon else "COPY"
            answer = wire.info(load.message) + wire.command_complete(tag)
            log.info("%s %d object(s) of s3://%s/%s", load.message, load.objects, load.copy.bucket, load.copy.prefix)
        if step.kind == "query":
            step.piece += 1
        else:
            self.steps.popleft()
            if load is not None:
                self._release()
        return answer

    def _failed(self, step: Step | None, raw: bytes) -> bytes | None:
        answer: bytes | None = None
        self._columns = []
        self._told = b"SFATAL\0" in raw or b"SPANIC\0" in raw
        if step is not None:
            if step.hiding:  # the words are meant for the client, where they come from is not
                found = wire.read_fields(raw[5:])
                answer = wire.fields(b"E", {key: found[key] for key in "SVCM" if key in found})
            if step.error:
                found = wire.read_fields(raw[5:])
                expected = found.get("C") == "57014" if step.copies else _REFUSED in found.get("M", "")
                answer = step.error if expected else None
            if step.load is not None:
                step.load = None  # its task notices
            if step.kind != "query":
                self._skip()
        return answer

    def _skip(self) -> None:
        """After an error of the extended protocol the backend answers nothing until the next Sync."""
        while self.steps and self.steps[0].kind not in ("sync", "query"):
            self.steps.popleft()
        self._skipping = not self.steps
        if self._held:
            self._release()

    def _release(self) -> None:
        self._held = False
        self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self._phase != "closed":
            self.data_received(b"")

    # -- COPY -------------------------------------------------------------------------------------------------------

    def _collect(self, raw: bytes) -> None:
        """A row of velodrome.copy_target()."""
        name, type_, modifier, identity = ((value or b"").decode() for value in wire.read_row(raw[5:]))
        self._columns.append(Column(name, type_, int(modifier), identity))

    def _start_load(self, step: Step) -> None:
        if not step.copies:
            self.to_backend(wire.copy_fail("COPY FROM STDIN is not supported"))
            return
        columns, self._columns = self._columns, []
        done = step.pieces[: step.piece].count("c")
        load = Load(step.copies[done], self._place.profile(), columns)
        step.load, step.error = load, b""
        self._task = self._loop.create_task(self._run(step, load))

    async def _run(self, step: Step, load: Load) -> None:
        chunks = load.chunks()
        try:
            while (chunk := await self._loop.run_in_executor(self._place.pool, next, chunks, None)) is not None:
                if step.load is not load or self._backend is None:
                    return  # the backend has refused the rows already sent
                self._backend.write(wire.copy_data(chunk))
                await self._backend.writable.wait()
            if step.load is load:
                # The client's own Sync is held: without a Flush the backend would keep its answer.
                self.to_backend(wire.copy_done() + wire.FLUSH)
        except CopyError as error:
            step.error = wire.error(error.code, error.message, detail=error.detail)
            self.to_backend(wire.copy_fail("the load failed"))
        except Exception:
            log.exception("COPY from s3://%s/%s failed", load.copy.bucket, load.copy.prefix)
            step.error = wire.error("XX000", "COPY failed inside the warehouse; its log has the reason")
            self.to_backend(wire.copy_fail("the load failed"))
            raise

    # -- end --------------------------------------------------------------------------------------------------------

    def backend_lost(self) -> None:
        if self._phase != "closed":
            text = "terminating connection: the backend process has ended"
            self.end(b"" if self._told else wire.error("57P01", text, severity="FATAL"))

    def end(self, message: bytes = b"") -> None:
        """Says why, and closes both sides."""
        if self._phase == "closed":
            return
        if message:
            self.to_client(message)
        self._finish()
        self._close_client()

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()

    def _finish(self) -> None:
        busy = any(step.kind in ("query", "execute") for step in self.steps)
        self._phase = "closed"
        self._place.sessions.discard(self)
        if self._task is not None and not self._task.done() and self._task is not asyncio.current_task():
            self._task.cancel()
        if self._backend is not None:
            if busy and self._key:
                # A backend that computes does not look at its socket: it is told to stop.
                self._loop.create_task(send_and_close(self._place.socket, wire.cancel(self._key)))
            self._backend.close()


def _refusal(sql: str, refused: Refused) -> bytes:
    return wire.error(refused.code, refused.message, hint=refused.hint, position=position(sql, refused.start))


def _target_sql(copy: Copy) -> str:
    listed = literal(json.dumps(copy.columns)) if copy.columns else "''"
    return f"SELECT name, type, modifier, identity FROM velodrome.copy_target({literal(copy.target)}, {listed})"  # noqa: S608 (literals)
