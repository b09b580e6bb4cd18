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

from velodrome.awsapi.profile import Profile
from velodrome.redshift import intervals, login, wire
from velodrome.redshift.authentication import Roles
from velodrome.redshift.backend import Opening, Refusal, deliver_cancel, open_backend
from velodrome.redshift.client import Client
from velodrome.redshift.copy import Column, CopyError, Load
from velodrome.redshift.history import History, Peer
from velodrome.redshift.intervals import from_amazon
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import literal
from velodrome.redshift.sql.translate import Statement, position, translate
from velodrome.redshift.step import COPY, HIDDEN, TARGET, VISIBLE, Step

log = logging.getLogger("velodrome.redshift")

SERVER_VERSION = "8.0.2"
# What Redshift reports of itself at the start of a session. asyncpg, lib/pq's forks and Amazon's ODBC driver know it by
# padb_version and padb_revision.
_STATUSES = {"server_version": SERVER_VERSION, "padb_version": "1.0.0", "padb_revision": "1.0.0"}
_NOT_REDSHIFTS = frozenset({"in_hot_standby", "default_transaction_read_only", "scram_iterations", "search_path"})
# Fails while it is parsed, whatever the transaction's state: https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSED = "velodrome_refused"
_REFUSED_SQL = f"SELECT {_REFUSED}"
_HIDDEN = "velodrome_hidden"  # name of the prepared statement and portal of hidden statements


@dataclass(frozen=True)
class Place:
    """What all sessions share."""

    socket: Path
    profile: Callable[[], Profile]
    pool: Executor
    roles: Roles
    tls: ssl.SSLContext | None
    history: History
    sessions: set[Session] = field(default_factory=set)
    keys: dict[bytes, Session] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared statement: what else it does, the client's own text, and which of its parameters are intervals."""

    statement: Statement | None
    text: str
    intervals: frozenset[int]


class Session(Client):
    """The client's side; owns the backend's."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._who: login.Login | None = None
        self.peer = Peer(0, "", "")
        self._amazon = False
        self._status = b"I"  # of the transaction, as of the last ReadyForQuery
        self._key = b""  # as the client knows it
        self._backend_key = b""
        self.steps: deque[Step] = deque()
        self._skipping = False  # an error has been seen, the backend waits for a Sync that the client has not sent yet
        self._columns: list[Column] = []
        self._told = False  # the backend itself has said why it ends
        self._prepared: dict[str, Prepared] = {}
        self._portals: dict[str, Prepared] = {}
        self._just_begun = False  # the transaction holds nothing but its BEGIN
        self._next_database = ""  # of USE, from its answer to the ReadyForQuery behind it
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
            if error.who is not None:
                self._place.history.refused(self._peer(error.who, b""))
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
        backend, opening = await open_backend(self._place.socket, who.startup(who.database))
        if self.phase == "closed":
            backend.close()
            return
        self._who, self._amazon = who, who.amazon
        self._backend_key = self._key = opening.key
        self._place.keys[self._key] = self
        self.peer = self._peer(who, opening.key)
        self._place.history.connected(self.peer)
        backend.front = self
        statuses = opening.statuses | _STATUSES
        told = [wire.status(name, value) for name, value in statuses.items() if name not in _NOT_REDSHIFTS]
        self.begin(backend, b"".join([*told, wire.key_data(self._key), wire.ready()]))

    def _peer(self, who: login.Login, key: bytes) -> Peer:
        host, port, cipher = self.address()
        return Peer(
            int.from_bytes(key[:4]),
            who.user,
            who.database,
            host=host,
            port=port,
            application=who.given.get("application_name", ""),
            driver=who.given.get("driver_version", ""),
            platform=who.given.get("os_version", ""),
            protocol=int(who.given.get("client_protocol_version", "0") or 0),
            tls=cipher,
        )

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
            (self._prepared if target == "S" else self._portals).pop(name, None)
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

    def _send(self, step: Step, raw: bytes) -> None:
        if not self._skipping:
            self.steps.append(step)
            if step.texts:
                step.query = self._place.history.begin(self.peer, step.texts[0])
        self.to_backend(raw)

    def _translate(self, sql: str) -> tuple[Statement, ...]:
        found = translate(sql)
        for statement in found:
            if statement.use and not (self._status == b"I" or self._just_begun):
                raise Refused("25001", "USE cannot run inside a transaction block", 0)
            if statement.reads_history:
                self._place.history.flush()
        return found

    def _query(self, sql: str, raw: bytes) -> None:
        self._skipping = False
        try:
            found = self._translate(sql)
        except Refused as refused:
            step = Step("query", error=_refusal(sql, refused), texts=(sql,))
            self._send(step, wire.query(_REFUSED_SQL))
            return
        if len(found) == 1 and found[0].is_all_of(sql):
            self._send(Step("query", texts=(sql,)), raw)
            return
        texts: list[str] = []
        pieces = ""
        copies: list[Copy] = []
        for statement in found:
            if statement.copy is not None:
                texts += (_target_sql(statement.copy), statement.sql)
                pieces += TARGET + COPY
                copies.append(statement.copy)
                continue
            around = ((statement.before, HIDDEN), (statement.sql, VISIBLE), (statement.then, HIDDEN))
            texts += [text for text, _ in around if text]
            pieces += "".join(kind for text, kind in around if text)
        use = next((statement.use for statement in found if statement.use), "")
        self.held = bool(copies or use)
        step = Step("query", pieces, texts=tuple(statement.source for statement in found), copies=copies, use=use)
        self._send(step, wire.query(";\n".join(texts)))

    def _parse(self, message: wire.Parse, raw: bytes) -> None:
        numbers: frozenset[int] = frozenset()
        if self._amazon:
            numbers = frozenset(number for number, oid in enumerate(message.types) if oid == intervals.OID)
        try:
            found = self._translate(message.query)
        except Refused as refused:
            self._prepared[message.name] = Prepared(None, message.query, numbers)
            step = Step("parse", error=_refusal(message.query, refused), texts=(message.query,))
            self._send(step, wire.parse(message.name, _REFUSED_SQL))
            return
        single = found[0] if len(found) == 1 else None
        plain = single is not None and single.is_all_of(message.query)
        special = single if single is not None and not single.plain else None
        self._prepared[message.name] = Prepared(special, message.query, numbers)
        if plain:
            self._send(Step("parse"), raw)
            return
        if single is not None and single.before:  # what it makes is there when the statement itself is parsed
            self._hidden_statement(single.before)
        text = ";\n".join(statement.sql for statement in found)  # several: the backend refuses them itself
        self._send(Step("parse"), wire.parse(message.name, text, message.types))

    def _bind(self, body: bytes, raw: bytes) -> None:
        portal, name = wire.read_bind(body)
        prepared = self._prepared.get(name)
        if prepared is None:
            self._portals.pop(portal, None)
        else:
            self._portals[portal] = prepared
            if numbers := prepared.intervals:
                raw = wire.bind_values(raw, lambda number, value: from_amazon(value) if number in numbers else value)
        self._send(Step("bind"), raw)

    def _execute(self, portal: str, raw: bytes) -> None:
        prepared = self._portals.get(portal)
        if prepared is None or self._skipping:
            self._send(Step("execute"), raw)
            return
        statement, texts = prepared.statement, (prepared.text,)
        if statement is None:
            self._send(Step("execute", texts=texts), raw)
        elif statement.copy is not None:
            self._hidden_statement(_target_sql(statement.copy), TARGET)
            self.held = True
            self._send(Step("execute", COPY, texts=texts, copies=[statement.copy]), raw)
        else:
            self._send(Step("execute", use=statement.use, texts=texts), raw)
            if statement.then:
                self._hidden_statement(statement.then)

    def _hidden_statement(self, sql: str, piece: str = HIDDEN) -> None:
        """Runs a statement of the gateway's own between the client's; closing it first forgets one that failed."""
        self._send(Step("close", HIDDEN), wire.close("S", _HIDDEN))
        self._send(Step("parse", HIDDEN), wire.parse(_HIDDEN, sql))
        self._send(Step("bind", HIDDEN), wire.bind(_HIDDEN, _HIDDEN))
        self._send(Step("execute", piece), wire.execute(_HIDDEN))

    # -- from the backend -------------------------------------------------------------------------------------------

    @property
    def hiding(self) -> bool:
        return bool(self.steps) and self.steps[0].hiding

    def from_backend(self, kind: int, raw: bytes) -> bytes | None:
        """What the client gets in place of a message: None is the message itself, nothing is b""."""
        step = self.steps[0] if self.steps else None
        if kind == 90:  # Z
            return self._ready(step, raw)
        if kind == 69:  # E
            return self._failed(step, raw)
        if kind == 83:  # S
            name, _ = wire.read_status(raw[5:])
            return b"" if name in _STATUSES or name in _NOT_REDSHIFTS else None
        if step is None or kind in b"NA":
            return b"" if step is not None and step.hiding and kind == 78 else None
        answer = b"" if step.hiding else None
        if kind == 67:  # C
            return self._complete(step, raw, answer)
        if kind == 71:  # G
            self._start_load(step)
            return b""
        if kind == 68 and step.hiding:  # D
            if step.asks_target:
                self._columns.append(_target_column(raw))
            return b""
        if kind in b"123s" or (kind in b"nT" and step.kind == "describe") or (kind == 73 and step.kind != "query"):
            self.steps.popleft()  # I of a query is followed by its ReadyForQuery
        return answer

    def _ready(self, step: Step | None, raw: bytes) -> bytes | None:
        self._status = raw[5:6]
        if self._status == b"I":
            self.peer.transaction = 0
        if step is None or step.kind not in ("query", "sync"):
            return None
        self.steps.popleft()
        if step.query is not None:  # an empty query has no other end
            self._place.history.end(step.query, "")
        if self._next_database:
            self._task = self.loop.create_task(self._move(self._next_database, raw))
            self._next_database = ""
            return b""
        if step.copies or step.use:
            self.release()
        return None

    def _complete(self, step: Step, raw: bytes, answer: bytes | None) -> bytes | None:
        load = step.load
        tag = raw[5:-1].decode()
        if load is not None:
            step.load = None
            # The driver of Amazon reads a number behind every tag, psql and psycopg show the tag as it is.
            answer = wire.info(load.message) + wire.command_complete("COPY 0" if self._amazon else "COPY")
            log.info("%s %d object(s) of s3://%s/%s", load.message, load.objects, load.copy.bucket, load.copy.prefix)
        if not step.hiding:
            if step.use:
                self._next_database = step.use
                answer = wire.command_complete("USE")
            if step.query is not None:
                self._told_history(step, tag, load.rows if load is not None else -1)
        self._just_begun = tag == "BEGIN" or (self._just_begun and step.hiding)
        step.advance()
        if step.kind != "query":
            self.steps.popleft()
            if load is not None:
                self.release()
        return answer

    def _told_history(self, step: Step, tag: str, rows: int) -> None:
        """One statement of a step is over, the next begins."""
        if step.query is not None:
            self._place.history.end(step.query, tag, rows=rows)
        step.told += 1
        following = step.texts[step.told] if step.told < len(step.texts) else None
        step.query = self._place.history.begin(self.peer, following) if following is not None else None

    def _failed(self, step: Step | None, raw: bytes) -> bytes | None:
        answer: bytes | None = None
        self._columns = []
        self._next_database = ""
        self._told = b"SFATAL\0" in raw or b"SPANIC\0" in raw
        if step is not None:
            found = wire.read_fields(raw[5:])
            if step.hiding:  # the words are meant for the client, where they come from is not
                answer = wire.fields(b"E", {key: found[key] for key in "SVCM" if key in found})
            if step.error:
                expected = found.get("C") == "57014" if step.copies else _REFUSED in found.get("M", "")
                if expected:
                    answer = step.error
                    found = wire.read_fields(answer[5:])
            if step.query is not None:
                self._place.history.end(step.query, "", found.get("C", ""), found.get("M", ""))
                step.query = None
            step.load = None  # its task notices
            if step.kind != "query":
                self._skip()
        return answer

    def _skip(self) -> None:
        """After an error of the extended protocol the backend answers nothing until the next Sync."""
        while self.steps and self.steps[0].kind not in ("sync", "query"):
            skipped = self.steps.popleft()
            if skipped.query is not None:
                self._place.history.forget(skipped.query)
        self._skipping = not self.steps
        if self.held:
            self.release()

    async def _move(self, database: str, ready: bytes) -> None:
        """USE: the session goes on with a backend in another database."""
        if self._who is None or self.backend is None:
            return
        try:
            backend, opening = await open_backend(self._place.socket, self._who.startup(database))
        except Refusal as refusal:
            self.end(refusal.message)
            return
        if self._status == b"T":
            await opening.run(backend, "BEGIN")
        left, self.backend = self.backend, backend
        left.front = Opening()
        left.close()
        self._backend_key = opening.key
        self.peer.database = database
        self._prepared.clear()
        backend.front = self
        self.to_client(ready)
        self.release()

    # -- COPY -------------------------------------------------------------------------------------------------------

    def _start_load(self, step: Step) -> None:
        if not step.copies:
            self.to_backend(wire.copy_fail("COPY FROM STDIN is not supported"))
            return
        columns, self._columns = self._columns, []
        done = step.pieces[: step.done].count(COPY)
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
        if self._place.keys.pop(self._key, None) is not None:
            self._place.history.disconnected(self.peer)
        if self._task is not None and not self._task.done() and self._task is not asyncio.current_task():
            self._task.cancel()
        if self.backend is not None:
            if busy:
                # A backend that computes does not look at its socket: it is told to stop.
                self.loop.create_task(deliver_cancel(self._place.socket, self._backend_key))
            self.backend.close()


def _refusal(sql: str, refused: Refused) -> bytes:
    return wire.error(refused.code, refused.message, hint=refused.hint, position=position(sql, refused.start))


def _target_column(raw: bytes) -> Column:
    """A row of velodrome.copy_target()."""
    name, type_, modifier, identity = ((value or b"").decode() for value in wire.read_row(raw[5:]))
    return Column(name, type_, int(modifier), identity)


def _target_sql(copy: Copy) -> str:
    listed = literal(json.dumps(copy.columns)) if copy.columns else "''"
    return f"SELECT name, type, modifier, identity FROM velodrome.copy_target({literal(copy.target)}, {listed})"  # noqa: S608 (literals)
