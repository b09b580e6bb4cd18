"""The sessions' gRPC proxy between a real client and a real server: who is let through, and that nothing changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from velodrome.certificates import AUTHORITY, server_certificate
from velodrome.emr_serverless.sessions.proxy import REFUSED, SessionProxy
from velodrome.emr_serverless.sessions.tokens import Route
from velodrome.testing import free_port, wait_until

SERVICE = "/spark.connect.SparkConnectService/"
GOOD = "good"
NO_LIMIT = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Server(grpc.GenericRpcHandler):
    """Stands for Spark Connect: says what it was told, and does what the method's name says."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.cancelled = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8), handlers=[self], options=NO_LIMIT)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        self.told = dict(details.invocation_metadata)
        return grpc.stream_stream_rpc_method_handler(getattr(self, details.method.rpartition("/")[2]))

    def Echo(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.send_initial_metadata([("begun", "yes")])
        context.set_trailing_metadata([("told-bin", b"\0\xff")])
        yield from requests

    def Fail(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        yield next(requests)
        context.set_trailing_metadata([("grpc-status-details-bin", b"d" * 50_000)])
        context.abort(grpc.StatusCode.INTERNAL, "no such table: é")

    def ExecutePlan(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.cancelled.set)
        yield next(requests)
        self.cancelled.wait(30)


@dataclass
class Gate:
    """Who knows the sessions: one, whose token is `good`."""

    port: int
    calls: list[str] = field(default_factory=list)

    def route(self, token: str) -> Route | None:
        return Route("00s", self.port, "inner") if token == GOOD else None

    def is_live(self, id: str) -> bool:
        return id == "00s"

    def call_begins(self, id: str, method: str) -> None:
        self.calls.append(f"{id} begins {method}")

    def call_ends(self, id: str, method: str) -> None:
        self.calls.append(f"{id} ends {method}")


@contextmanager
def served(proxy: SessionProxy) -> Iterator[None]:
    """The proxy in an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(30)
        yield
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class World:
    """A client of the proxy, and the two that stand behind it."""

    channel: grpc.Channel
    server: Server
    gate: Gate

    def call(self, method: str, *messages: bytes, token: str | None = GOOD, **metadata: Any) -> grpc.Call:
        own = [*metadata.items(), *([("x-aws-proxy-auth", token)] if token is not None else [])]
        return self.channel.stream_stream(SERVICE + method)(iter(messages), metadata=own, timeout=60)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    server = Server()
    gate, port = Gate(server.port), free_port()
    certificate = server_certificate(tmp_path, ("localhost",))
    credentials = grpc.ssl_channel_credentials((tmp_path / AUTHORITY).read_bytes())
    options = [*NO_LIMIT, ("grpc.enable_http_proxy", 0), ("grpc.max_metadata_size", 2**20)]
    options.append(("grpc.absolute_max_metadata_size", 2**20))
    try:
        with (
            served(SessionProxy(gate, "127.0.0.1", port, certificate)),
            grpc.secure_channel(f"localhost:{port}", credentials, options) as channel,
        ):
            yield World(channel, server, gate)
    finally:
        server.stop()


def test_everything_passes_unchanged(world: World) -> None:
    call = world.call("Echo", b"one", b"", b"x" * (6 * 2**20), own="value", authorization="Bearer theirs")
    assert [len(message) for message in call] == [3, 0, 6 * 2**20]
    assert dict(call.initial_metadata())["begun"] == "yes"
    assert dict(call.trailing_metadata())["told-bin"] == b"\0\xff"
    assert call.code() is grpc.StatusCode.OK
    assert world.server.told["own"] == "value"
    # The server is shown the token that it asks for, and not the one that was for the proxy.
    assert world.server.told["authorization"] == "Bearer inner"
    assert "x-aws-proxy-auth" not in world.server.told
    assert world.gate.calls == ["00s begins Echo", "00s ends Echo"]


def test_an_error_keeps_its_code_words_and_details(world: World) -> None:
    call = world.call("Fail", b"one")
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INTERNAL, "no such table: é")
    assert dict(caught.value.trailing_metadata())["grpc-status-details-bin"] == b"d" * 50_000
    assert world.gate.calls == ["00s begins Fail", "00s ends Fail"]


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_without_a_good_token(world: World, token: str | None) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(world.call("Echo", b"one", token=token))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, REFUSED)
    assert (world.gate.calls, world.server.told) == ([], {})


def test_a_client_that_goes_away(world: World) -> None:
    call = world.call("ExecutePlan", b"one")
    assert next(iter(call)) == b"one"
    assert world.gate.calls == ["00s begins ExecutePlan"]
    call.cancel()
    wait_until("the server to hear of it", world.server.cancelled.is_set)
    wait_until("the call to have ended", lambda: world.gate.calls[1:] == ["00s ends ExecutePlan"])


def test_a_server_that_went_away(world: World) -> None:
    world.server.stop()
    with pytest.raises(grpc.RpcError) as caught:
        list(world.call("Echo", b"one"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert world.gate.calls == ["00s begins Echo", "00s ends Echo"]


def test_a_port_that_is_taken(world: World, tmp_path: Path) -> None:
    certificate = server_certificate(tmp_path, ("localhost",))
    message = r"sessions cannot be served on 127\.0\.0\.1:\d+ \(EMR_SERVERLESS_SESSIONS_PORT\)"
    with (
        pytest.raises(OSError, match=message),
        served(SessionProxy(world.gate, "127.0.0.1", world.server.port, certificate)),
    ):
        pass
