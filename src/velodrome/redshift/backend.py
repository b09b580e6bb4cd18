"""The backend's side of a session: walks over the answers and passes them on in as few writes as possible."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from velodrome.redshift import wire

log = logging.getLogger("velodrome.redshift")


class Front(Protocol):
    """What the backend's side knows of the client's."""

    @property
    def hiding(self) -> bool: ...
    def from_backend(self, kind: int, raw: bytes) -> bytes | None: ...
    def to_client(self, data: bytes) -> None: ...
    def pace(self) -> None: ...
    def backend_lost(self) -> None: ...


class Backend(asyncio.Protocol):
    """The backend's side: walks over the answers, passes them on in as few writes as possible."""

    def __init__(self, session: Front) -> None:
        self._session = session
        self._transport: asyncio.Transport | None = None
        self._tail: list[bytes] = []  # an incomplete message, joined only when it is whole
        self._missing = 0
        self.writable = asyncio.Event()
        self.writable.set()

    @property
    def full(self) -> bool:
        return not self.writable.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.set_write_buffer_limits(high=4 << 20)  # type: ignore[union-attr]

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        self.writable.clear()
        self._session.pace()

    def resume_writing(self) -> None:
        self.writable.set()
        self._session.pace()

    def connection_lost(self, error: Exception | None) -> None:
        self.writable.set()
        self._session.backend_lost()

    def data_received(self, data: bytes) -> None:
        if self._tail:
            self._tail.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._tail)
        at = start = 0
        session = self._session
        parts: list[bytes] = []
        while True:
            if not session.hiding:
                at = wire.skip_rows(data, at)
            found = wire.frame(data, at)
            if found is None or found[1] > len(data):
                break
            kind, end = found
            answer = session.from_backend(kind, data[at:end])
            if answer is not None:
                parts += (data[start:at], answer)
                start = end
            at = end
        self._tail = [data[at:]] if at < len(data) else []
        self._missing = (found[1] if found else at + 5) - len(data)
        if parts:
            parts.append(data[start:at])
            session.to_client(b"".join(parts))
        elif at:
            session.to_client(data if at == len(data) else data[:at])


async def send_and_close(socket: Path, data: bytes, then: Callable[[], None] | None = None) -> None:
    """Delivers a cancel request as its own connection, and waits until the server has taken it."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(data)
        await reader.read()
        writer.close()
    except OSError as error:
        log.warning("a cancel request could not be delivered: %s", error)
    finally:
        if then is not None:
            then()
