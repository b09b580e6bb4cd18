"""The backend's side of a session: opens it, walks over its answers and passes them on in as few writes as possible."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from velodrome.redshift import wire, wire_rows

log = logging.getLogger("velodrome.redshift")

_LONGEST_OUTPUT = 4 << 20  # to a backend that does not read; beyond it, its client's socket is no longer read


class Front(Protocol):
    """What the backend's side knows of the client's."""

    @property
    def hiding(self) -> bool: ...
    @property
    def numerics(self) -> Mapping[int, tuple[int, int]]: ...
    def from_backend(self, kind: int, raw: bytes) -> bytes | None: ...
    def overflow(self) -> None: ...
    def to_client(self, data: bytes) -> None: ...
    def pace(self) -> None: ...
    def backend_lost(self) -> None: ...


class Wait(Exception):
    """A message cannot be passed on yet: it comes again after `go_on`."""


class Refusal(Exception):
    """The server inside does not take a connection; `message` is its ErrorResponse."""

    def __init__(self, message: bytes) -> None:
        super().__init__(wire.read_fields(message[5:]).get("M", ""))
        self.message = message


class Opening:
    """The front of a backend until it is ready: keeps what it says of itself."""

    hiding = True
    numerics: Mapping[int, tuple[int, int]] = {}

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        self.key = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def from_backend(self, kind: int, raw: bytes) -> bytes | None:
        if kind == 83:  # S
            name, value = wire.read_status(raw[5:])
            self.statuses[name] = value
        elif kind == 75:  # K
            self.key = raw[5:]
        elif kind == 69 and not self.ready.done():  # E
            self.ready.set_exception(Refusal(raw))
        elif kind == 90 and not self.ready.done():  # Z
            self.ready.set_result(None)
        return b""

    @classmethod
    def of_nobody(cls) -> Opening:
        """The front of a backend that is left: nobody waits for it."""
        nobody = cls()
        nobody.ready.cancel()
        return nobody

    async def run(self, backend: Backend, sql: str) -> None:
        """A statement before anybody else's."""
        self.ready = asyncio.get_running_loop().create_future()
        backend.write(wire.query(sql))
        await self.ready

    def to_client(self, data: bytes) -> None:
        """Nothing is meant for a client yet."""

    def pace(self) -> None:
        """Nobody waits yet."""

    def overflow(self) -> None:
        """Nothing is read as a number yet."""

    def backend_lost(self) -> None:
        if not self.ready.done():
            text = "the database system is shutting down"
            self.ready.set_exception(Refusal(wire.error("57P03", text, severity="FATAL")))


async def open_backend(socket: Path, parameters: Mapping[str, str]) -> tuple[Backend, Opening]:
    """A backend that is ready for queries; raises Refusal, or OSError if there is no server."""
    opening = Opening()
    _, backend = await asyncio.get_running_loop().create_unix_connection(lambda: Backend(opening), str(socket))
    try:
        backend.write(wire.startup(parameters))
        await opening.ready
    except BaseException:
        backend.close()
        raise
    return backend, opening


class Backend(asyncio.Protocol):
    """One connection to the server inside; `front` is who gets its answers."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self._transport: asyncio.Transport | None = None
        self._tail: list[bytes] = []  # an incomplete message, joined only when it is whole
        self._missing = 0
        self._waiting = False
        self.writable = asyncio.Event()
        self.writable.set()

    @property
    def full(self) -> bool:
        return not self.writable.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.set_write_buffer_limits(high=_LONGEST_OUTPUT)  # type: ignore[union-attr]

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._waiting:
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        self.writable.clear()
        self.front.pace()

    def resume_writing(self) -> None:
        self.writable.set()
        self.front.pace()

    def connection_lost(self, error: Exception | None) -> None:
        self.writable.set()
        self.front.backend_lost()

    def go_on(self) -> None:
        """After a Wait: what came meanwhile is read."""
        self._waiting = False
        data, self._tail = b"".join(self._tail), []
        self.resume()
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self._tail:
            self._tail.append(data)
            self._missing -= len(data)
            if self._missing > 0 or self._waiting:
                return
            data = b"".join(self._tail)
        at = start = 0
        front = self.front
        parts: list[bytes] = []
        while True:
            if not front.hiding:
                if front.numerics:
                    rows, end = self._rows(data, at)
                    parts += (data[start:at], rows)
                    at = start = end
                else:
                    at = wire.skip_rows(data, at)
            found = wire.frame(data, at)
            if found is None or found[1] > len(data):
                break
            kind, end = found
            try:
                answer = front.from_backend(kind, data[at:end])
            except Wait:
                self._waiting = True
                self.pause()
                break
            if answer is not None:
                parts += (data[start:at], answer)
                start = end
            at = end
        self._tail = [data[at:]] if at < len(data) else []
        self._missing = (found[1] if found else at + 5) - len(data)
        if parts:
            parts.append(data[start:at])
            front.to_client(b"".join(parts))
        elif at:
            front.to_client(data if at == len(data) else data[:at])

    def _rows(self, data: bytes, at: int) -> tuple[bytes, int]:
        try:
            return wire_rows.rows_with_numerics(data, at, self.front.numerics)
        except wire_rows.NumericOverflowError:
            self.front.overflow()
            return b"", at


async def deliver_cancel(socket: Path, key: bytes) -> None:
    """Sends a cancel request on a connection of its own, and waits until the server has taken it."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(wire.cancel(key))
        await reader.read()
        writer.close()
    except OSError as error:
        log.warning("a cancel request could not be delivered: %s", error)
