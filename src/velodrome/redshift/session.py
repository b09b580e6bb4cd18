"""One client and its backend, from the first packet to the end of both."""

from __future__ import annotations

import asyncio
import logging

import psycopg

from velodrome.redshift import login, wire
from velodrome.redshift.backend import Opening, Refusal, deliver_cancel, open_backend
from velodrome.redshift.conversation import DATASHARES, NOT_REDSHIFTS, SHOW_DISCOVERY, STATUSES, Conversation
from velodrome.redshift.history import Peer
from velodrome.redshift.place import Place
from velodrome.redshift.sql.parameters import keeps_case
from velodrome.redshift.sql.statement import CONNECTED

log = logging.getLogger("velodrome.redshift")


class Session(Conversation):
    """The client's side; owns the backend's."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.backend_key = b""
        self._who: login.Login | None = None
        self._key = b""  # as the client knows it
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.place.arriving[self] = None
        self._task = self.loop.create_task(self._log_in())
        if len(self.place.arriving) > login.MOST_ARRIVING:
            next(iter(self.place.arriving)).end()

    # -- login ------------------------------------------------------------------------------------------------------

    async def _log_in(self) -> None:
        try:
            async with asyncio.timeout(login.TIMEOUT):
                packet = await login.requested(self, self.place.tls)
                if packet.code == wire.CANCEL_REQUEST:
                    await self._cancel(packet.key)
                else:
                    await self._enter(packet)
        except wire.ProtocolError as error:
            self.end(wire.error("08P01", str(error), severity="FATAL"))
        except login.LoginError as error:
            log.info("%s", error)
            if error.who is not None:
                self.place.history.refused(self._peer(error.who, b""))
            self.end(error.response)
        except Refusal as refusal:
            self.end(refusal.message)
        except (TimeoutError, ConnectionResetError):  # it took too long, or went while we talked
            self.end()
        except (OSError, psycopg.OperationalError) as error:  # the server inside comes or goes
            reason = error.strerror if isinstance(error, OSError) else "its connections have ended"
            self.end(wire.error("57P03", f"the database system is starting up ({reason})", severity="FATAL"))

    async def _cancel(self, key: bytes) -> None:
        session = self.place.keys.get(key)
        if session is not None:
            await deliver_cancel(self.place.socket, session.backend_key)
        self.end()

    async def _enter(self, packet: wire.Startup) -> None:
        who = await login.log_in(self, packet, self.place.roles, self.place.sessions)
        self.place.arriving.pop(self, None)
        self.place.sessions.add(self)
        backend, opening = await open_backend(self.place.socket, who.startup(who.database))
        if self.phase == "closed":
            backend.close()
            return
        self._who, self.amazon, self.protocol = who, who.amazon, who.protocol
        self.backend_key = self._key = opening.key
        self.place.keys[self._key] = self
        self.peer = self._peer(who, opening.key)
        self.place.history.connected(self.peer)
        backend.front = self
        self.keeps_case = keeps_case(opening.statuses)
        statuses = opening.statuses | STATUSES | {"is_superuser": "on" if who.superuser else "off"}
        if who.amazon:
            statuses |= DATASHARES | {"server_protocol_version": str(who.protocol)}
        if "driver_discovery_version" in who.given:
            statuses |= SHOW_DISCOVERY
        told = [wire.status(name, value) for name, value in statuses.items() if name not in NOT_REDSHIFTS]
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
            protocol=who.protocol,
            tls=cipher,
        )

    # -- USE --------------------------------------------------------------------------------------------------------

    def move(self, database: str, ready: bytes) -> None:
        self._task = self.loop.create_task(self._move(database, ready))

    async def _move(self, database: str, ready: bytes) -> None:
        """USE: the session goes on with a backend in another database."""
        if self._who is None or self.backend is None:
            return
        given = {} if database == CONNECTED else {"velodrome.used": database}
        database = self._who.database if database == CONNECTED else database
        if database == self.peer.database:  # it is there already, with its temporary tables and parameters
            self.to_client(ready)
            self.release()
            return
        try:
            backend, opening = await open_backend(self.place.socket, self._who.startup(database) | given)
        except Refusal as refusal:
            self.end(refusal.message)
            return
        except OSError:  # the server inside is gone
            self.backend_lost()
            return
        if self.status == b"T":
            await opening.run(backend, "BEGIN")
        left, self.backend = self.backend, backend
        left.front = Opening.of_nobody()
        left.close()
        self.backend_key = opening.key
        self.peer.database = database
        self.keeps_case = keeps_case(opening.statuses)
        self.prepared.clear()
        backend.front = self
        self.to_client(ready)
        self.release()

    def cancel(self) -> None:
        self.loop.create_task(deliver_cancel(self.place.socket, self.backend_key))

    # -- end --------------------------------------------------------------------------------------------------------

    def leave(self, message: bytes) -> None:
        if self.phase == "ready" and (self.steps or self.status != b"I"):
            self.leaving = message
        else:
            self.end(message)

    def backend_lost(self) -> None:
        if self.phase != "closed":
            text = "terminating connection: the backend process has ended"
            self.end(b"" if self.told_end else wire.error("57P01", text, severity="FATAL"))

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
        self.place.sessions.discard(self)
        self.place.arriving.pop(self, None)
        if self.place.keys.pop(self._key, None) is not None:
            self.place.history.disconnected(self.peer)
        for task in (self._task, self.loading, self.looking):
            if task is not None and not task.done() and task is not asyncio.current_task():
                task.cancel()
        if self.backend is not None:
            if busy:
                # A backend that computes does not look at its socket: it is told to stop.
                self.loop.create_task(deliver_cancel(self.place.socket, self.backend_key))
            self.backend.close()
        # Breaks circles: what a load or a result holds is given back at once, not when Python next looks for them.
        self.backend = self.loading = self.looking = self._task = None
        self.steps.clear()
