"""S3's HTTP server with a small application, through raw sockets: framing, connections, and its end."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from velodrome.s3 import serving
from velodrome.s3.serving import Server
from velodrome.testing import wait_until

LARGE = bytes(range(256)) * 4096 * 3


class Echo:
    """Answers as the path says."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.entered, self.leave = threading.Event(), threading.Event()
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        action, data = environ["PATH_INFO"], b""
        if action == "/fail":
            raise ValueError("of the test")
        if action == "/wait":
            self.entered.set()
            self.leave.wait(10)
        if action == "/parts":
            start_response("200 OK", [])
            return self.parts()
        if action != "/ignore":
            try:
                data = environ["wsgi.input"].read()
            except ConnectionError as error:
                self.failures.append(str(error))
                raise
        if action == "/environ":
            data = "\n".join(f"{name}={value}" for name, value in sorted(environ.items())).encode()
        start_response("200 OK", [("Content-Length", str(len(data))), ("X-Case", "Kept")])
        return [data]

    def parts(self) -> Iterator[bytes]:
        try:
            yield b"one,"
            yield b""
            yield b"two"
        finally:
            self.closed += 1


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def address(echo: Echo) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener, echo)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield listener.getsockname()
    server.shutdown()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    client.request(method, path, body)
    answer = client.getresponse()
    return answer.status, answer.read()


def talk(address: tuple[str, int], *sent: bytes) -> bytes:
    """All that the server sends until it ends the connection."""
    with socket.create_connection(address, timeout=10) as connection:
        for data in sent:
            connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


class TestRequests:
    def test_one_connection_takes_bodies_of_any_kind(self, client: http.client.HTTPConnection) -> None:
        for body in (b"", b"short", LARGE, [b"in ", b"chunks"], [LARGE[:100_000], LARGE[100_000:]]):
            expected = body if isinstance(body, bytes) else b"".join(body)
            assert ask(client, "PUT", "/echo", iter(body) if isinstance(body, list) else body) == (200, expected)
            kept = client.sock
        assert client.sock is kept is not None

    def test_what_nobody_reads_is_skipped(self, client: http.client.HTTPConnection) -> None:
        for body in (LARGE, iter([LARGE, b"more"])):
            assert ask(client, "PUT", "/ignore", body) == (200, b"")
        assert ask(client, "PUT", "/echo", b"next") == (200, b"next")

    def test_requests_that_arrive_together(self, address: tuple[str, int]) -> None:
        first = b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst"
        second = b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n"
        last = b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = talk(address, first + second + last)
        assert [part.rpartition(b"\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")] == [
            b"",
            b"first",
            b"second",
            b"",
        ]

    def test_the_environ(self, client: http.client.HTTPConnection) -> None:
        client.request("GET", "/environ?a=%2F", headers={"x-amz-Meta-Name": "value"})
        lines = client.getresponse().read().decode().splitlines()
        expected = {
            "QUERY_STRING=a=%2F",
            "RAW_URI=/environ?a=%2F",
            "HTTP_X_AMZ_META_NAME=value",
            "REMOTE_ADDR=127.0.0.1",
        }
        assert expected <= set(lines)
        assert any("(b'x-amz-Meta-Name', b'value')" in line for line in lines if line.startswith("rolo.headers"))


class TestAnswers:
    def test_without_a_length_it_comes_in_chunks(self, client: http.client.HTTPConnection, echo: Echo) -> None:
        assert ask(client, "GET", "/parts") == (200, b"one,two")
        assert ask(client, "GET", "/parts") == (200, b"one,two")
        assert echo.closed == 2

    def test_head_has_no_body(self, client: http.client.HTTPConnection) -> None:
        client.request("HEAD", "/environ")
        answer = client.getresponse()
        assert (answer.read(), int(answer.headers["Content-Length"]) > 100) == (b"", True)
        assert ask(client, "PUT", "/echo", b"next") == (200, b"next")

    def test_an_application_that_fails(self, address: tuple[str, int]) -> None:
        assert talk(address, b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n").startswith(
            b"HTTP/1.1 500 Internal Server Error\r\n"
        )

    @pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"])
    def test_what_is_not_http(self, address: tuple[str, int], sent: bytes) -> None:
        assert talk(address, sent).startswith(b"HTTP/1.1 400 Bad Request\r\n")

    def test_too_long_a_head(self, address: tuple[str, int]) -> None:
        assert talk(address, b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000).startswith(b"HTTP/1.1 431 ")

    def test_an_old_client_is_answered_once(self, address: tuple[str, int]) -> None:
        assert talk(address, b"GET /echo HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


class TestExpectContinue:
    HEAD = b" HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"

    def test_leave_is_given_when_the_body_is_wanted(self, address: tuple[str, int]) -> None:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(b"PUT /echo" + self.HEAD + b"Connection: close\r\n\r\n")
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"hello")
            assert b"".join(iter(lambda: connection.recv(100), b"")).endswith(b"\r\n\r\nhello")

    def test_a_refusal_comes_instead(self, address: tuple[str, int]) -> None:
        answer = talk(address, b"PUT /ignore" + self.HEAD + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nconnection: close\r\n" in answer.lower()


class TestEnds:
    @pytest.mark.parametrize(
        "sent",
        [
            b"Content-Length: 100\r\n\r\nnot all",
            b"Transfer-Encoding: chunked\r\n\r\n64\r\nnot all",
            b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        ],
    )
    def test_a_body_that_is_cut_off_is_not_a_body(self, address: tuple[str, int], echo: Echo, sent: bytes) -> None:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(b"PUT /echo HTTP/1.1\r\nHost: a\r\n" + sent)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        assert len(echo.failures) == 1
        assert echo.failures[0].startswith("the request's body is cut off: ")

    def test_a_shutdown_ends_idle_connections_and_lets_requests_end(self, echo: Echo) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        idle, busy, silent = (http.client.HTTPConnection(*listener.getsockname(), timeout=10) for _ in range(3))
        server = Server(listener, echo)
        thread = threading.Thread(target=server.serve)
        thread.start()
        silent.connect()
        assert ask(idle, "PUT", "/echo", b"1") == (200, b"1")
        busy.request("GET", "/wait")
        assert echo.entered.wait(10)
        server.shutdown()
        assert idle.sock.recv(1) == silent.sock.recv(1) == b""
        assert thread.is_alive()
        echo.leave.set()
        assert busy.getresponse().status == 200
        thread.join(10)
        assert not thread.is_alive()

    def test_it_may_be_ended_before_it_serves(self, echo: Echo) -> None:
        server = Server(socket.create_server(("127.0.0.1", 0)), echo)
        server.shutdown()
        server.serve()


class TestClientsThatDoNotEnd:
    """A request's rest that does not come, and more connections than there is room for."""

    def test_a_body_that_stalls(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        monkeypatch.setattr(serving, "STALLED", 0.2)
        address, echo = request.getfixturevalue("address"), request.getfixturevalue("echo")
        for head in (b"Content-Length: 10", b"Transfer-Encoding: chunked"):
            answer = talk(address, b"PUT /echo HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n5\r\nha")
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert b"<Code>RequestTimeout</Code><Message>Your socket connection to the server was not read" in answer
        assert echo.failures == ["nothing of the request's body for 0.2 s"] * 2
        # The head of a request likewise, and one that nobody reads.
        assert talk(address, b"PUT /echo HTTP/1.1\r\nHost:") == b""
        assert talk(address, b"PUT /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").endswith(b"\r\n\r\n")

    def test_one_that_leaves_is_one_quiet_line(
        self, address: tuple[str, int], echo: Echo, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, logger=serving.__name__)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        wait_until("the server to see that", lambda: bool(caplog.records))
        (record,) = caplog.records
        assert (record.levelname, record.exc_info) == ("INFO", None)
        assert record.getMessage().startswith("a client left while it sent a request: ")

    def test_who_is_turned_away_reads_so_and_the_end(
        self, address: tuple[str, int], echo: Echo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether his request has arrived by then or not: it was a reset in one of some hundred cases."""
        monkeypatch.setattr(serving, "CONNECTIONS", 1)
        with socket.create_connection(address, timeout=10) as busy:
            busy.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            assert echo.entered.wait(10)
            for _ in range(1000):
                assert talk(address, b"GET /echo HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 503 Slow Down\r\n")
            echo.leave.set()

    def test_more_than_there_is_room_for(
        self, address: tuple[str, int], echo: Echo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(serving, "CONNECTIONS", 2)
        with (
            socket.create_connection(address, timeout=10) as idle,
            socket.create_connection(address, timeout=10) as busy,
        ):
            busy.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            assert echo.entered.wait(10)
            answer = talk(address)
            assert answer.startswith(b"HTTP/1.1 503 Slow Down\r\n") and b"<Code>SlowDown</Code>" in answer
            assert idle.recv(1) == b""  # who waited for nothing made room
            wait_until("room", lambda: talk(address, b"GET /echo HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"))
            echo.leave.set()
            assert busy.recv(15) == b"HTTP/1.1 200 OK"
