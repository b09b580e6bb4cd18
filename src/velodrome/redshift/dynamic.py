"""Answers the server inside, which asks what the text of a procedure's EXECUTE becomes when it runs.

The server is a client here: of a Unix socket beside its own, by PostgreSQL's protocol, since dblink speaks it
(catalog/70_dynamic.sql). A question is a JSON object in the place of a query; an answer is one row.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from velodrome.redshift import wire
from velodrome.redshift.masking import masked
from velodrome.redshift.sql import dynamic, long_names
from velodrome.redshift.sql.refuse import Refused

log = logging.getLogger("velodrome.redshift")

# Of the socket's name alone, as libpq wants a port: no server's is so low.
_PORT = 1
_GREETING = b"".join(
    [
        wire.authentication(0),
        *(wire.status(name, "UTF8") for name in ("client_encoding", "server_encoding")),
        wire.key_data(bytes(8)),
        wire.ready(),
    ]
)
_COLUMNS = ("sqlstate", "message", "hint", "text")

Answer = tuple[str | None, str | None, str | None, str | None]


@asynccontextmanager
async def answering(folder: Path) -> AsyncIterator[None]:
    """Serves in the folder of the server's own socket, which nobody else may enter; raises OSError."""
    socket = folder / f".s.PGSQL.{_PORT}"
    socket.unlink(missing_ok=True)
    server = await asyncio.get_running_loop().create_unix_server(_Answering, str(socket))
    socket.chmod(0o600)
    if os.geteuid() == 0:  # the server then may be another user's
        os.chown(socket, folder.stat().st_uid, -1)
    try:
        yield
    finally:
        server.close()
        socket.unlink(missing_ok=True)


class _Answering(asyncio.Protocol):
    """One connection of a backend, kept as long as its session."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a socket's transport always is one

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._greeted:
            length = wire.startup_length(self._buffer)
            if length is None or length > len(self._buffer):
                return
            self._buffer = self._buffer[length:]
            self._greeted = True
            self._send(_GREETING)
        while (found := wire.frame(self._buffer, 0)) is not None and found[1] <= len(self._buffer):
            kind, body = found[0], self._buffer[5 : found[1]]
            self._buffer = self._buffer[found[1] :]
            if kind == ord("Q"):
                self._send(_reply(wire.read_query(body)))

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _reply(question: str) -> bytes:
    asked = json.loads(question)
    answer = _answer(asked["text"], asked["database"], asked["sensitive"], long_names.NAMES.version)
    return wire.text_row(_COLUMNS, answer) + wire.command_complete("SELECT 1") + wire.ready()


@lru_cache(maxsize=1024)
def _answer(text: str, database: str, sensitive: bool, names: int) -> Answer:
    try:
        return None, None, None, dynamic.translate(text, database, sensitive=sensitive)
    except Refused as refused:
        return refused.code, refused.message, refused.hint, None
    except Exception:  # a fault of ours ends the statement, not the session
        log.error("the text of an EXECUTE could not be translated: %s", masked(traceback.format_exc()))
        return "XX000", "could not translate the statement; the warehouse's log has the reason", "", None
