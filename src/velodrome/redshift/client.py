"""The client's end of a session: its bytes, its TLS, and who waits for whom."""

from __future__ import annotations

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod

from velodrome.redshift import wire
from velodrome.redshift.backend import Backend
from velodrome.redshift.sql.long_names import MARK, NAMES

log = logging.getLogger("velodrome.redshift")

_LONGEST_INPUT = 1 << 20  # of a client that is held; beyond it, its socket is no longer read
_LONGEST_OUTPUT = 1 << 20  # to a client that does not read; beyond it, its backend's socket is no longer read


class Client(asyncio.Protocol, ABC):
    """Reads packets for a login one by one, and for a session, which overrides `from_client`, as they come.

    `phase` is `login`, `ready` or `closed`. While the session is `held`, what the client sends waits.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.backend: Backend | None = None
        self.encrypted = False
        self.phase = "login"
        self.held = False
        self._input = bytearray()
        self._arrived: asyncio.Future[None] | None = None
        self._reading = True

    @abstractmethod
    def from_client(self, kind: int, raw: bytes) -> None:
        """A whole message of a session."""

    @abstractmethod
    def lost(self) -> None:
        """The connection has ended."""

    @abstractmethod
    def end(self, message: bytes = b"") -> None:
        """Says why, and closes both sides."""

    # -- the transport ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a socket's transport always is one

    def data_received(self, data: bytes) -> None:
        if self.phase == "ready" and not self._input and not self.held:
            # Most often one whole message: no copies.
            size = len(data)
            if size >= 5 and (found := self._frame(data)) is not None and found[1] == size:
                self._from_client(found[0], data)
                return
        self._input += data
        if self.phase == "ready":
            self.read()
        else:
            self._wake()
            self.pace()

    def _frame(self, data: bytes | bytearray, at: int = 0) -> tuple[int, int] | None:
        try:
            return wire.frame(data, at)
        except wire.ProtocolError as error:
            self.end(wire.error("08P01", str(error), severity="FATAL"))
            return None

    def _from_client(self, kind: int, raw: bytes) -> None:
        try:
            self.from_client(kind, raw)
        except wire.ProtocolError as error:
            self.end(wire.error("08P01", str(error), severity="FATAL"))

    def read(self) -> None:
        """Goes on with what has come."""
        at = 0
        buffer = self._input
        while self.phase == "ready" and not self.held:
            found = self._frame(buffer, at)
            if found is None or found[1] > len(buffer):
                break
            raw = bytes(buffer[at : found[1]])
            at = found[1]
            self._from_client(found[0], raw)
        del buffer[:at]
        self.pace()

    def release(self) -> None:
        """Ends a hold."""
        self.held = False
        self.loop.call_soon(self.read)

    def pace(self) -> None:
        """Reads from the client only what can be passed on or kept."""
        if self.transport is None or self.phase == "closed":
            return
        full = (self.held or self.phase != "ready") and len(self._input) > _LONGEST_INPUT
        blocked = full or (self.backend is not None and self.backend.full)
        if blocked and self._reading:
            self.transport.pause_reading()
        elif not blocked and not self._reading:
            self.transport.resume_reading()
        self._reading = not blocked

    def pause_writing(self) -> None:
        if self.backend is not None:
            self.backend.pause()

    def resume_writing(self) -> None:
        if self.backend is not None:
            self.backend.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost()
        self._wake()
        self.transport = None

    def to_client(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            if NAMES.known and MARK.search(data):
                data = wire.changed(data, MARK, NAMES.real)
            self.transport.write(data)

    def to_backend(self, data: bytes) -> None:
        if self.backend is not None:
            self.backend.write(data)

    def address(self) -> tuple[str, int, str]:
        """(host, port, TLS version and cipher) of the peer."""
        if self.transport is None:
            return "", 0, ""
        host, port = (self.transport.get_extra_info("peername") or ("", 0))[:2]
        cipher = self.transport.get_extra_info("cipher")
        return host, port, f"{cipher[1]} {cipher[0]}" if cipher else ""

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    # -- packets of a login -----------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    async def _more(self) -> None:
        if self.phase == "closed":
            raise ConnectionResetError
        self._arrived = self.loop.create_future()
        await self._arrived
        self._arrived = None

    async def startup_packet(self) -> wire.Startup:
        """The client's next packet without a type; raises ConnectionResetError when it goes."""
        while (length := wire.startup_length(self._input)) is None or len(self._input) < length:
            await self._more()
        packet = wire.read_startup(bytes(self._input[:length]))
        del self._input[:length]
        return packet

    async def message(self) -> tuple[int, bytes]:
        """(type, body) of its next message."""
        while (found := wire.frame(self._input, 0, wire.LONGEST_STARTUP)) is None or found[1] > len(self._input):
            await self._more()
        body = bytes(self._input[5 : found[1]])
        del self._input[: found[1]]
        return found[0], body

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Answers a request for TLS, and goes on encrypted."""
        if self._input:  # somebody in between may have put it there, to be read as if it had come encrypted
            raise wire.ProtocolError("received unencrypted data after SSL request")
        if self.transport is None:
            raise ConnectionResetError
        self.to_client(b"S")
        try:
            encrypted = await self.loop.start_tls(self.transport, self, context, server_side=True)
        except (ssl.SSLError, OSError) as error:
            log.info("a TLS handshake failed: %s", error)
            raise ConnectionResetError from None
        if encrypted is None:
            raise ConnectionResetError
        self.transport, self.encrypted = encrypted, True

    def begin(self, backend: Backend, greeting: bytes) -> None:
        """The login is over."""
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=_LONGEST_OUTPUT)
        self.backend = backend
        self.to_client(greeting)
        self.phase = "ready"
        self.read()
