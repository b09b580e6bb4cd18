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
import ssl
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from velodrome.awsapi.profile import Profile
from velodrome.redshift import intervals, login, wire
from velodrome.redshift.authentication import Roles
from velodrome.redshift.backend import Refusal, deliver_cancel, open_backend
from velodrome.redshift.client import Client
from velodrome.redshift.copy import Column, CopyError, Load
from velodrome.redshift.intervals import from_amazon
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import literal
from velodrome.redshift.sql.translate import Statement, position, translate

log = logging.getLogger("velodrome.redshift")

T = TypeVar("T")

SERVER_VERSION = "8.0.2"
# What Redshift reports of itself at the start of a session. asyncpg, lib/pq's forks and Amazon's ODBC driver know it by
# padb_version and padb_revision.
_STATUSES = {"server_version": SERVER_VERSION, "padb_version": "1.0.0", "padb_revision": "1.0.0"}
_NOT_REDSHIFTS = frozenset({"in_hot_standby", "default_transaction_read_only", "scram_iterations", "search_path"})
# Fails while it is parsed, whatever the transaction's state: https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSED = "velodrome_refused"
_REFUSED_SQL = f"SELECT {_REFUSED}"
_HIDDEN = "velodrome_hidden"  # name of the prepared statement and portal of hidden statements


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
    roles: Roles
    tls: ssl.SSLContext | None
    sessions: set[Session] = field(default_factory=set)
    keys: dict[bytes, Session] = field(default_factory=dict)


class Session(Client):
    """The client's side; owns the backend's."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._who: login.Login | None = None
        self._amazon = False
        self._status = b"I"  # of the transaction, as of the last ReadyForQuery
        self._key = b""  # as the client knows it
        self._backend_key = b""
        self.steps: deque[Step] = deque()
        self._skipping = False  # an error has been seen, the backend waits for a Sync that the client has not sent yet
        self._columns: list[Column] = []
        self._told = False  # the backend itself has said why it ends
        self._special: dict[str, Statement] = {}
        self._portals: dict[str, Statement] = {}
        self._intervals: dict[str, frozenset[int]] = {}  # of a prepared statement: which parameters are intervals
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._place.sessions.add(self)
        self._task = self.loop.create_task(self._log_in())

    # -- login ------------------------------------------------------------------------------------------------------

    async def _log_in(self) -> None:
        try:
            async with asyncio.timeout(login.TIMEOUT):
                packet = await login.requested(self, self._place.tls)
                if packet.code == wire.CANCEL_REQUEST:
                    await self._cancel(packet.key)
                else:
                    await self._enter(packet)
        except wire.ProtocolError as error:
            self.end(wire.error("08P01", str(error), severity="FATAL"))
        except login.LoginError as error:
            log.info("%s", error)
            self.end(error.response)
        except Refusal as refusal:
            self.end(refusal.message)
        except TimeoutError:
            self.end()
        except OSError as error:  # also a client that went while we talked
            self.end(wire.error("57P03", f"the database system is starting up ({error.strerror})", severity="FATAL"))

    async def _cancel(self, key: bytes) -> None:
        session = self._place.keys.get(key)
        if session is not None:
            await deliver_cancel(self._place.socket, session._backend_key)
        self.end()

    async def _enter(self, packet: wire.Startup) -> None:
        who = await login.log_in(self, packet, self._place.roles, len(self._place.sessions))
        backend, opening = await open_backend(
            self._place.socket, {"user": who.user, "database": who.database, **who.parameters}
        )
        if self.phase == "closed":
            backend.close()
            return
        self._who, self._amazon = who, who.amazon
        self._backend_key = self._key = opening.key
        self._place.keys[self._key] = self
        backend.front = self
        statuses = opening.statuses | _STATUSES
        told = [wire.status(name, value) for name, value in statuses.items() if name not in _NOT_REDSHIFTS]
        self.begin(backend, b"".join([*told, wire.key_data(self._key), wire.ready()]))

    # -- from the client --------------------------------------------------------------------------------------------

    def from_client(self, kind: int, raw: bytes) -> None:
        body = raw[5:]
        if kind == 81:  # Q
            self._query(wire.read_query(body), raw)
        elif kind == 80:  # P
            self._parse(wire.read_parse(body), raw)
        elif kind == 66:  # B
            self._bind(body, raw)
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
    def _remember(where: dict[str, T], name: str, what: T | None) -> None:
        if what is None:
            where.pop(name, None)
        else:
            where[name] = what

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
        self.held = bool(step.copies)
        self._send(step, wire.query(";\n".join(texts)))

    def _parse(self, message: wire.Parse, raw: bytes) -> None:
        if self._amazon:
            numbers = frozenset(number for number, oid in enumerate(message.types) if oid == intervals.OID)
            self._remember(self._intervals, message.name, numbers or None)
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

    def _bind(self, body: bytes, raw: bytes) -> None:
        portal, name = wire.read_bind(body)
        self._remember(self._portals, portal, self._special.get(name))
        if numbers := self._intervals.get(name):
            raw = wire.bind_values(raw, lambda number, value: from_amazon(value) if number in numbers else value)
        self._send(Step("bind"), raw)

    def _execute(self, portal: str, raw: bytes) -> None:
        statement = self._portals.get(portal)
        if statement is None or self._skipping:
            self._send(Step("execute"), raw)
        elif statement.copy is not None:
            self._hidden_statement(_target_sql(statement.copy))
            self.held = True
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
        if self.backend is not None:
            self.backend.write(data)

    # -- from the backend -------------------------------------------------------------------------------------------

    @property
    def hiding(self) -> bool:
        return bool(self.steps) and self.steps[0].hiding

    def from_backend(self, kind: int, raw: bytes) -> bytes | None:
        """What the client gets in place of a message: None is the message itself, nothing is b""."""
        step = self.steps[0] if self.steps else None
        hiding = step is not None and step.hiding
        if kind == 90:  # Z
            self._ready(step, raw)
            return None
        if kind == 69:  # E
            return self._failed(step, raw)
        if kind == 83:  # S
            name, _ = wire.read_status(raw[5:])
            return b"" if name in _STATUSES or name in _NOT_REDSHIFTS else None
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
        if kind == 73 and step.kind == "query":  # I: its ReadyForQuery follows
            return answer
        if kind in b"123Is" or (kind in b"nT" and step.kind == "describe"):
            self.steps.popleft()
        return answer

    def _ready(self, step: Step | None, raw: bytes) -> None:
        self._status = raw[5:6]
        if step is not None and step.kind in ("query", "sync"):
            self.steps.popleft()
            if step.copies:
                self.release()

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
                self.release()
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
        if self.held:
            self.release()

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
        self._task = self.loop.create_task(self._run(step, load))

    async def _run(self, step: Step, load: Load) -> None:
        chunks = load.chunks()
        try:
            while (chunk := await self.loop.run_in_executor(self._place.pool, next, chunks, None)) is not None:
                if step.load is not load or self.backend is None:
                    return  # the backend has refused the rows already sent
                self.backend.write(wire.copy_data(chunk))
                await self.backend.writable.wait()
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

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, not even a transaction."""
        return not self.steps and self._status == b"I"

    def backend_lost(self) -> None:
        if self.phase != "closed":
            text = "terminating connection: the backend process has ended"
            self.end(b"" if self._told else wire.error("57P01", text, severity="FATAL"))

    def end(self, message: bytes = b"") -> None:
        if self.phase == "closed":
            return
        if message:
            self.to_client(message)
        self.lost()
        self.close()

    def lost(self) -> None:
        if self.phase == "closed":
            return
        busy = any(step.kind in ("query", "execute") for step in self.steps)
        self.phase = "closed"
        self._place.sessions.discard(self)
        self._place.keys.pop(self._key, None)
        if self._task is not None and not self._task.done() and self._task is not asyncio.current_task():
            self._task.cancel()
        if self.backend is not None:
            if busy:
                # A backend that computes does not look at its socket: it is told to stop.
                self.loop.create_task(deliver_cancel(self._place.socket, self._backend_key))
            self.backend.close()


def _refusal(sql: str, refused: Refused) -> bytes:
    return wire.error(refused.code, refused.message, hint=refused.hint, position=position(sql, refused.start))


def _target_sql(copy: Copy) -> str:
    listed = literal(json.dumps(copy.columns)) if copy.columns else "''"
    return f"SELECT name, type, modifier, identity FROM velodrome.copy_target({literal(copy.target)}, {listed})"  # noqa: S608 (literals)
