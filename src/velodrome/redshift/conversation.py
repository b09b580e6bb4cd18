"""What a client asks is translated, what its backend answers passes in whole buffers.

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
import re
import secrets
import traceback
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping

from velodrome.redshift import intervals, wire, wire_rows
from velodrome.redshift.backend import Wait
from velodrome.redshift.client import Client
from velodrome.redshift.copy import Column, Load
from velodrome.redshift.history import Peer
from velodrome.redshift.intervals import from_amazon
from velodrome.redshift.loading import feed
from velodrome.redshift.masking import masked, without_secrets
from velodrome.redshift.numbers import decimals
from velodrome.redshift.origins import MADE_QUERY, Found, made, makes_columns
from velodrome.redshift.place import Place
from velodrome.redshift.sql import declared_parameters, long_names
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.parameters import CASE_CARRIER, keeps_case
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import literal
from velodrome.redshift.sql.translate import Statement, position, translate
from velodrome.redshift.step import COPY, HIDDEN, MADE, TARGET, VISIBLE, Portal, Prepared, Step
from velodrome.redshift.wire_rows import INTERVAL_KINDS, Origin
from velodrome.redshift.wording import in_redshifts_words

log = logging.getLogger("velodrome.redshift")

# What Redshift reports of itself at the start of a session. asyncpg, lib/pq's forks and Amazon's ODBC driver know it by
# padb_version and padb_revision.
STATUSES = {"server_version": "8.0.2", "padb_version": "1.0.0", "padb_revision": "1.0.0"}
# For drivers that say which SHOW commands they know: they then ask for metadata with those (sql/show.py).
SHOW_DISCOVERY = {"show_discovery": "5"}
# For Amazon's drivers: they then look for schemas and tables in all databases, if they are asked to.
DATASHARES = {"datashare_enabled": "on"}
NOT_REDSHIFTS = frozenset({"in_hot_standby", "default_transaction_read_only", "scram_iterations", "search_path"})

_NO_NUMERICS: Mapping[int, tuple[int, int]] = {}

# No name has a character 0, which the server inside does not even read: a pattern with one finds nothing.
_SHOWS, _NEVER_IN_NAMES = re.compile(r"\s*show\b", re.IGNORECASE), b"\1"

# Fails while it is parsed, whatever the transaction's state: https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSED = "velodrome_refused"
_REFUSED_SQL = f"SELECT {_REFUSED}"
# https://docs.aws.amazon.com/redshift/latest/dg/cancel_query.html
_CANCELLED = "canceling statement due to user request"
# Name of the prepared statement and portal of hidden statements, which no client can guess.
_HIDDEN = f"velodrome_hidden_{secrets.token_hex(8)}"


class Conversation(Client):
    """A session from the end of its login on."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.peer = Peer(0, "", "")
        self.amazon = False
        self.keeps_case = False  # enable_case_sensitive_identifier, as of the last ReadyForQuery
        self.protocol = 0  # of Amazon's drivers: wire_rows.py
        self.status = b"I"  # of the transaction, as of the last ReadyForQuery
        self.steps: deque[Step] = deque()
        self.told_end = False  # the backend itself has said why it ends
        self.leaving = b""  # what the client is told as soon as nothing is under way
        self.loading: asyncio.Task[None] | None = None
        self.prepared: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self._skipping = False  # an error has been seen, the backend waits for a Sync that the client has not sent yet
        self._columns: list[Column] = []
        self._looked_up: Mapping[tuple[int, int], Origin] | None = None  # for the description that waits
        self._made: Found = {}  # columns that the transaction has made, which nobody else sees yet
        self.looking: asyncio.Task[None] | None = None
        self._just_begun = False  # the transaction holds nothing but its BEGIN
        self._next_database = ""  # of USE, from its answer to the ReadyForQuery behind it

    @abstractmethod
    def move(self, database: str, ready: bytes) -> None:
        """USE: goes on in another database, or in that of its login (CONNECTED); tells the client that it is ready."""

    @abstractmethod
    def cancel(self) -> None:
        """Tells the backend to end what it does."""

    @abstractmethod
    def leave(self, message: bytes) -> None:
        """Ends the session as soon as nothing is under way."""

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
            target, name = wire.read_target(body)
            portal = self._portals.get(name) if target == "P" else None
            described = self.prepared.get(name) if target == "S" else portal.prepared if portal else None
            self._send(Step("describe", prepared=described), raw)
        elif kind == 69:  # E
            self._execute(wire.read_execute(body), raw)
        elif kind == 67:  # C
            self._close(body, raw)
        elif kind == 83:  # S
            wire.read_empty(body)
            self._skipping = False
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
                step.query = self.place.history.begin(self.peer, step.texts[0])
        self.to_backend(raw)

    def _translate(self, sql: str) -> tuple[Statement, ...]:
        try:
            found = translate(sql, self.peer.database, sensitive=self.keeps_case)
        except Refused:
            raise
        except Exception:  # a fault of ours ends the statement, not the session
            log.error("a statement could not be translated: %s", masked(traceback.format_exc()))
            raise Refused("XX000", "could not translate the statement; the warehouse's log has the reason", 0) from None
        for statement in found:
            name = "USE" if statement.use else statement.alone
            if name and (len(found) > 1 or not (self.status == b"I" or self._just_begun)):
                raise Refused("25001", f"{name} cannot run inside a transaction block", 0)
            if statement.reads_history:
                self.place.history.flush()
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
        step.tags = tuple(statement.tag for statement in found)
        text = ";\n".join(texts)
        step.changed = (text, sql)
        self._send(step, wire.query(text))

    def _parse(self, message: wire.Parse, raw: bytes) -> None:
        if self._skipping:  # the backend does not read it either
            self.to_backend(raw)
            return
        numbers: frozenset[int] = frozenset()
        if self.amazon:
            numbers = frozenset(number for number, oid in enumerate(message.types) if oid in intervals.OIDS)
        query = declared_parameters.without_void(message.query, message.types)
        types = declared_parameters.complete(query, intervals.known(message.types))
        try:
            found = self._translate(query)
        except Refused as refused:
            step = Step("parse", error=_refusal(query, refused), texts=(message.query,))
            self._send(step, wire.parse(message.name, _REFUSED_SQL))
            return
        single = found[0] if len(found) == 1 else None
        same = query is message.query and types is message.types
        plain = single is not None and same and single.is_all_of(query)
        special = single if single is not None and not single.plain else None
        if single is not None and single.before:  # what it makes is there when the statement itself is parsed
            self._hidden_statement(single.before)
        before = (message.name, self.prepared.get(message.name))
        self.prepared[message.name] = Prepared(special, message.query, numbers)
        if plain:
            self._send(Step("parse", replaced=before), raw)
            return
        text = ";\n".join(statement.sql for statement in found)  # several: the backend refuses them itself
        step = Step("parse", changed=(text, message.query), replaced=before)
        self._send(step, wire.parse(message.name, text, types))

    def _close(self, body: bytes, raw: bytes) -> None:
        target, name = wire.read_target(body)
        if self._skipping or target == "P":
            self._send(Step("close"), raw)
        else:
            self._send(Step("close", replaced=(name, self.prepared.pop(name, None))), raw)

    def _bind(self, body: bytes, raw: bytes) -> None:
        portal, name = wire.read_bind(body)
        prepared = self.prepared.get(name)
        if prepared is None:
            self._portals.pop(portal, None)
        else:
            formats = wire_rows.read_result_formats(body) if self.amazon else ()
            self._portals[portal] = Portal(prepared, formats)
            if numbers := prepared.intervals:
                raw = wire.bind_values(raw, lambda number, value: from_amazon(value) if number in numbers else value)
            if _SHOWS.match(prepared.text):
                raw = wire.bind_values(raw, lambda _, value: value.replace(b"\0", _NEVER_IN_NAMES), codes=(0,))
            if long_names.asks(prepared.text):
                raw = wire.bind_values(raw, lambda _, value: long_names.NAMES.asked_bytes(value), codes=(0, 1))
        self._send(Step("bind"), raw)

    def _execute(self, portal: str, raw: bytes) -> None:
        bound = self._portals.get(portal)
        if bound is None or self._skipping:
            self._send(Step("execute"), raw)
            return
        statement, texts = bound.prepared.statement, (bound.prepared.text,)
        if statement is None:
            self._send(Step("execute", texts=texts, portal=bound), raw)
            self._ask_for_made(bound.prepared.text)
        elif statement.copy is not None:
            self._hidden_statement(_target_sql(statement.copy), TARGET)
            self.held = True
            self._send(Step("execute", COPY, texts=texts, copies=[statement.copy]), raw)
        else:
            step = Step("execute", use=statement.use, texts=texts, tags=(statement.tag,), portal=bound)
            self._send(step, raw)
            if statement.then:
                self._hidden_statement(statement.then)
            self._ask_for_made(bound.prepared.text)

    def _ask_for_made(self, sql: str) -> None:
        if self.protocol >= wire_rows.EXTENDED and makes_columns(sql):
            self._hidden_statement(MADE_QUERY, MADE)

    def _hidden_statement(self, sql: str, piece: str = HIDDEN) -> None:
        """Runs a statement of the gateway's own between the client's, and leaves nothing of it: a transaction may have
        any number of them. Closing it first forgets one that failed."""
        steps = [Step("close", HIDDEN), Step("parse", HIDDEN), Step("bind", HIDDEN), Step("execute", piece)]
        if not self._skipping:
            self.steps += [*steps, Step("close", HIDDEN), Step("close", HIDDEN)]
        closed = (wire.close("P", _HIDDEN), wire.close("S", _HIDDEN))
        run = (wire.parse(_HIDDEN, sql), wire.bind(_HIDDEN, _HIDDEN), wire.execute(_HIDDEN))
        self.to_backend(b"".join([closed[1], *run, *closed]))

    # -- from the backend -------------------------------------------------------------------------------------------

    @property
    def hiding(self) -> bool:
        return bool(self.steps) and self.steps[0].hiding

    @property
    def numerics(self) -> Mapping[int, tuple[int, int]]:
        """The columns of the rows that come now which are in Redshift's own binary form."""
        if not self.amazon or not self.steps or (portal := self.steps[0].portal) is None:
            return _NO_NUMERICS
        return portal.binary_numerics

    def overflow(self) -> None:
        """A number does not fit: the statement is ended, and an error is what the client gets."""
        step, message = self.steps[0], "Numeric data overflow (result precision)"
        step.error, step.hiding, step.overflowed = wire.error("22003", message), True, True
        if step.query is not None:
            self.place.history.end(step.query, "", "22003", message)
            step.query = None
        self.cancel()

    def _row_description(self, step: Step, raw: bytes) -> bytes:
        fields = wire_rows.read_row_description(raw[5:])
        own = {table for table, _ in self._made}
        asked = fields if self.protocol >= wire_rows.EXTENDED else ()
        tables = {field.table for field in asked if field.table and field.number > 0} - own
        database = self.peer.database
        origins = self._looked_up or self.place.origins.known(database, tables)
        if origins is None and self._looked_up is None:
            self.looking = self.loop.create_task(self._look_up(database, tables))
            raise Wait
        self._looked_up = None
        fields = intervals.described(fields)
        if step.kind == "describe" and step.prepared is not None:
            found = {at: kind for at, field in enumerate(fields) if (kind := INTERVAL_KINDS.get(field.type))}
            if self.protocol >= wire_rows.BINARY:
                fields = decimals(fields, step.prepared.text)
                found |= {at: field.numeric for at, field in enumerate(fields) if field.type == wire_rows.NUMERIC}
            step.prepared.numerics = found
        return wire_rows.row_description(fields, self.protocol, database, {**(origins or {}), **self._made})

    async def _look_up(self, database: str, tables: set[int]) -> None:
        self._looked_up = await self.place.origins.look_up(database, tables)
        if self.backend is not None:
            self.backend.go_on()

    def from_backend(self, kind: int, raw: bytes) -> bytes | None:
        """What the client gets in place of a message: None is the message itself, nothing is b""."""
        step = self.steps[0] if self.steps else None
        if kind == 90:  # Z
            return self._ready(step, raw)
        if kind == 69:  # E
            return self._failed(step, raw)
        if kind == 83:  # S
            name, value = wire.read_status(raw[5:])
            if name == CASE_CARRIER:
                self.keeps_case = keeps_case({name: value})
            return b"" if name in STATUSES or name in NOT_REDSHIFTS else None
        if step is None or kind in b"NA":
            return b"" if step is not None and step.hiding and kind == 78 else None
        answer = b"" if step.hiding else None
        if kind == 84 and self.amazon and not step.hiding:  # T
            answer = self._row_description(step, raw)
        if kind == 115 and step.overflowed:  # s
            answer = step.error
        if kind == 67:  # C
            return self._complete(step, raw, answer)
        if kind == 71:  # G
            self._start_load(step)
            return b""
        if kind == 68 and step.hiding:  # D
            if step.piece == TARGET:
                self._columns.append(_target_column(raw))
            elif step.piece == MADE:
                self._made.update([made(raw)])
            return b""
        if kind in b"123s" or (kind in b"nT" and step.kind == "describe") or (kind == 73 and step.kind != "query"):
            self.steps.popleft()  # I of a query is followed by its ReadyForQuery
        return answer

    def _ready(self, step: Step | None, raw: bytes) -> bytes | None:
        self.status = raw[5:6]
        if self.status == b"I":
            self.peer.transaction = 0
            self._made = {}
        if step is None or step.kind not in ("query", "sync"):
            return None
        self.steps.popleft()
        if self.status == b"I" and not self.steps:  # portals end with their transaction
            self._portals.clear()
        if step.query is not None:  # an empty query has no other end
            self.place.history.end(step.query, "")
        if self._next_database:
            self.held = True  # until the new backend is there
            self.move(self._next_database, raw)
            self._next_database = ""
            return b""
        if step.copies or step.use:
            self.release()
        if self.leaving:
            self.loop.call_soon(self.leave, self.leaving)
        return None

    def _complete(self, step: Step, raw: bytes, answer: bytes | None) -> bytes | None:
        load = step.load
        tag = raw[5:-1].decode()
        if load is not None:
            step.load = None
            # The driver of Amazon reads a number behind every tag, psql and psycopg show the tag as it is.
            answer = wire.info(load.message) + wire.command_complete("COPY 0" if self.amazon else "COPY")
            log.info("%s %d object(s) of s3://%s/%s", load.message, load.objects, load.copy.bucket, load.copy.prefix)
            if step.query is not None:
                self.place.history.loaded(step.query, load.loading)
        if not step.hiding:
            if step.use:
                self._next_database = step.use
            if step.told < len(step.tags) and step.tags[step.told]:
                tag = step.tags[step.told]
                answer = wire.command_complete(tag)
            if step.query is not None:
                self._told_history(step, tag, load.rows if load is not None else -1)
        self.place.origins.changed(tag)
        if step.overflowed:
            answer = step.error
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
            self.place.history.end(step.query, tag, rows=rows)
        step.told += 1
        following = step.texts[step.told] if step.told < len(step.texts) else None
        step.query = self.place.history.begin(self.peer, following) if following is not None else None

    def _failed(self, step: Step | None, raw: bytes) -> bytes | None:
        answer: bytes | None = None
        self._columns = []
        self._next_database = ""
        self.told_end = b"SFATAL\0" in raw or b"SPANIC\0" in raw
        if step is not None:
            sent = wire.read_fields(raw[5:])
            found = in_redshifts_words(sent, step.changed, hidden=step.hiding)
            if step.query is not None and found.get("M") == _CANCELLED:
                found["M"] = f"Query ({step.query.id}) cancelled on user's request"
            for text in (*step.texts, step.changed[1] if step.changed else ""):
                found = without_secrets(found, text)
            words = found.get("M", "")
            if found != sent:
                answer = wire.fields(b"E", found)
            if step.error:
                cancelled = step.copies or step.overflowed
                expected = sent.get("C") == "57014" if cancelled else _REFUSED in sent.get("M", "")
                if expected:
                    answer = step.error
                    found = wire.read_fields(answer[5:])
                    words = found.get("M", "")
            if step.query is not None:
                if step.load is not None:
                    self.place.history.loaded(step.query, step.load.failed(found.get("C", ""), words))
                self.place.history.end(step.query, "", found.get("C", ""), words)
                step.query = None
            step.load = None  # its task notices
            if step.kind != "query":
                self._skip()
        return answer

    def _skip(self) -> None:
        """After an error of the extended protocol the backend answers nothing until the next Sync: what was sent
        meanwhile has not happened."""
        skipped: list[Step] = []
        while self.steps and self.steps[0].kind not in ("sync", "query"):
            skipped.append(self.steps.popleft())
        for step in reversed(skipped):
            if step.query is not None:
                self.place.history.forget(step.query)
            if step.replaced is not None:
                name, earlier = step.replaced
                if earlier is None:
                    self.prepared.pop(name, None)
                else:
                    self.prepared[name] = earlier
        self._skipping = not self.steps
        if self.held:
            self.release()

    def _start_load(self, step: Step) -> None:
        if not step.copies or self.backend is None:
            self.to_backend(wire.copy_fail("COPY FROM STDIN is not supported"))
            return
        columns, self._columns = self._columns, []
        done = step.pieces[: step.done].count(COPY)
        load = Load(step.copies[done], self.place.profile(), columns)
        step.load, step.error = load, b""
        self.loading = self.loop.create_task(feed(step, load, self.backend, self.place.pool))


def _refusal(sql: str, refused: Refused) -> bytes:
    at = str(position(sql, refused.start))
    found = {"S": "ERROR", "V": "ERROR", "C": refused.code, "M": refused.message}
    found |= {"H": refused.hint, "P": at} if refused.hint else {"P": at}
    return wire.fields(b"E", without_secrets(found, sql))


def _target_column(raw: bytes) -> Column:
    """A row of velodrome.copy_target()."""
    name, type_, modifier, identity = ((value or b"").decode() for value in wire.read_row(raw[5:]))
    return Column(name, type_, int(modifier), identity)


def _target_sql(copy: Copy) -> str:
    listed = literal(json.dumps(copy.columns)) if copy.columns else "''"
    return f"SELECT name, type, modifier, identity FROM velodrome.copy_target({literal(copy.target)}, {listed})"  # noqa: S608 (literals)
