"""The endpoint of all sessions: a gRPC proxy that finds a call's session by its token, and forwards what is said.

Clients send the token as metadata ``x-aws-proxy-auth``:
https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/spark-connect.html
It knows no message of Spark Connect: whatever client and server say to each other passes as bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import grpc
import grpc.aio

from velodrome.certificates import ServerCertificate

from .tokens import Route

TOKEN_KEY = "x-aws-proxy-auth"  # noqa: S105
REFUSED = (
    "The token in x-aws-proxy-auth is missing, unknown or expired, or its session has ended; "
    "GetSessionEndpoint gives a new one"
)
# What gRPC itself sets anew for the next hop, and what is the proxy's own affair.
_NOT_FORWARDED = ("user-agent", "authorization", TOKEN_KEY)
_SECONDS_TO_STOP = 1.0
# Spark's own limits hold, not gRPC's: messages up to what client and server allow each other, and errors with their
# whole text in the trailing metadata, for which gRPC's 8 KiB are too few.
_UNLIMITED = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 2**20),
    ("grpc.absolute_max_metadata_size", 2**21),
)
# Without so_reuseport: off, a second copy would listen on the same port, and each get half of the calls.
_SERVER_OPTIONS = (*_UNLIMITED, ("grpc.so_reuseport", 0))
_CHANNEL_OPTIONS = (
    *_UNLIMITED,
    ("grpc.enable_http_proxy", 0),
    # Two channels to ports that one after the other had are not to share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)


class Gate(Protocol):
    """Who knows the sessions."""

    def route(self, token: str) -> Route | None:
        """Where the calls of this token go; None if they are refused."""

    def is_live(self, id: str) -> bool:
        """Whether a session has not ended."""

    def call_begins(self, id: str, method: str) -> None:
        """A call to a session begins."""

    def call_ends(self, id: str, method: str) -> None:
        """It ended, in whatever way."""


class SessionProxy(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Listens on one port for the clients of all sessions."""

    def __init__(self, gate: Gate, host: str, port: int, certificate: ServerCertificate) -> None:
        self._gate = gate
        self._address = f"{host}:{port}"
        self._certificate = certificate
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError if the port cannot be had."""
        server = grpc.aio.server(handlers=[self], options=_SERVER_OPTIONS)
        pair = (self._certificate.key.read_bytes(), self._certificate.chain.read_bytes())
        try:
            server.add_secure_port(self._address, grpc.ssl_server_credentials([pair]))
        except RuntimeError as error:
            raise OSError(
                f"EMR Serverless's sessions cannot be served on {self._address} (EMR_SERVERLESS_SESSIONS_PORT): {error}"
            ) from error
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Refuse new calls, end those that still run, and let go of the port."""
        if self._server is not None:
            await self._server.stop(_SECONDS_TO_STOP)
            self._server = None
        for id in list(self._channels):
            await self._channels.pop(id).close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """What answers a call: every method is one of streams of bytes, of which one message is a special case."""
        method = handler_call_details.method

        async def answer(requests: AsyncIterator[bytes], context: Any) -> None:
            await self._forward(method, requests, context)

        return grpc.stream_stream_rpc_method_handler(answer)

    async def _forward(self, method: str, requests: AsyncIterator[bytes], context: Any) -> None:
        sent = list(context.invocation_metadata() or ())
        token = next((value for key, value in sent if key == TOKEN_KEY), None)
        route = self._gate.route(token) if isinstance(token, str) else None
        if route is None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSED)
            return  # not reached: abort raises
        metadata = [(key, value) for key, value in sent if key not in _NOT_FORWARDED and not key.startswith("grpc-")]
        metadata.append(("authorization", f"Bearer {route.server_token}"))
        name = method.rpartition("/")[2]
        call: Any = None
        # Not in threads of their own: a call that is cancelled meanwhile would end before it begins. Each is one small
        # write to the database at most.
        self._gate.call_begins(route.session_id, name)
        try:
            channel = await self._channel(route)
            call = channel.stream_stream(method)(requests, metadata=metadata, timeout=context.time_remaining())
            await context.send_initial_metadata(await call.initial_metadata())
            async for message in call:
                await context.write(message)
            status = (await call.code(), await call.details(), await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            status = (error.code(), error.details(), error.trailing_metadata())
        finally:
            if call is not None:
                call.cancel()  # nothing if it has ended; the server must not work on for a client that went away
            self._gate.call_ends(route.session_id, name)
        code, details, trailing = status
        if code is grpc.StatusCode.OK:
            context.set_trailing_metadata(trailing or ())
            return
        await context.abort(code, details or "", tuple(trailing or ()))

    async def _channel(self, route: Route) -> grpc.aio.Channel:
        """The connection to a session's server, made at its first call."""
        known = self._channels.get(route.session_id)
        if known is not None:
            return known
        for ended in [id for id in self._channels if not self._gate.is_live(id)]:
            await self._channels.pop(ended).close()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{route.port}", options=_CHANNEL_OPTIONS)
        self._channels[route.session_id] = channel
        return channel
