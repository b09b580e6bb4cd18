"""Passes bytes between TCP clients and a Unix socket and does nothing with them: the least that any gateway costs.

usage: python relay.py SOCKET          (with a Python that has uvloop; prints the port it listens on)
"""

from __future__ import annotations

import asyncio
import sys

import uvloop


class End(asyncio.Protocol):
    """One of the two ends of a relayed connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a socket's transport always is one

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early += data

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def join(self, other: End) -> None:
        """Begins to relay."""
        self.other, other.other = other, self
        if self._early:
            self.data_received(self._early)


class Client(End):
    """The end that clients connect to."""

    path = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        _, server = await asyncio.get_running_loop().create_unix_connection(End, self.path)
        self.join(server)


async def main() -> None:
    """Relay until killed."""
    Client.path = sys.argv[1]
    server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
