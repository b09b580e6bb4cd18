"""HTTP/1.1 for one WSGI application: a thread a connection, and a body goes from the socket to whoever reads it."""

from __future__ import annotations

import io
import logging
import select
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import h11

from velodrome.s3.front.errors import S3Error, request_id

LOG = logging.getLogger(__name__)
Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Seconds that a connection is kept for its next request.
IDLE = 60.0
# Seconds that requests have to end when the server does.
GRACE = 1.0
RECEIVED = 64 * 1024
# Seconds without a byte of what a client has begun to send: https://repost.aws/knowledge-center/s3-socket-connection-timeout-error
STALLED = 20.0
# Connections at once, each with a thread.
CONNECTIONS = 512
# Bytes of a body that nobody reads, beyond which the connection is given up instead.
SKIPPED = 64 * 1024 * 1024
TIMED_OUT = S3Error(
    400,
    "RequestTimeout",
    "Your socket connection to the server was not read from or written to within the timeout period. Idle connections "
    "will be closed.",
)
SLOW_DOWN = S3Error(503, "SlowDown", "Please reduce your request rate.")


class RequestBody(io.RawIOBase):
    """A request's body. Raises ConnectionError when it ends too early: half an object must not be taken for one."""

    def __init__(self, connection: socket.socket, wire: h11.Connection, length: int | None) -> None:
        super().__init__()
        self._socket, self._wire = connection, wire
        self._left = length  # None: in chunks
        self._arrived = memoryview(b"")
        self._rest = b""
        self._whole = self._broken = False
        self.timed_out = False
        if length is not None:
            # h11 knows the head only; what it copies thrice is large.
            arrived = wire.trailing_data[0]
            self._arrived, self._rest = memoryview(arrived)[:length], arrived[length:]

    def readable(self) -> bool:
        """As io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes, as many as the buffer takes."""
        if self._broken:
            raise ConnectionResetError("the request's body is cut off")
        if self._wire.they_are_waiting_for_100_continue:
            # botocore 1.35 takes a line without the phrase for the final answer.
            leave = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self._socket.sendall(self._wire.send(leave) or b"")
        try:
            return self._fill(memoryview(buffer).cast("B"))
        except BlockingIOError as error:  # as the kernel says that STALLED is over
            self._broken = self.timed_out = True
            raise ConnectionResetError(f"nothing of the request's body for {STALLED} s") from error
        except (OSError, h11.RemoteProtocolError) as error:
            self._broken = True
            raise ConnectionResetError(f"the request's body is cut off: {error}") from error

    def _fill(self, view: memoryview) -> int:
        if self._left is None:
            self._next_chunk()
        else:
            view = view[: self._left]
        if self._arrived:
            count = min(len(view), len(self._arrived))
            view[:count] = self._arrived[:count]
            self._arrived = self._arrived[count:]
        elif self._left:
            # All at once: each shorter piece would be a fight for the interpreter's lock of its own.
            count = self._socket.recv_into(view, 0, socket.MSG_WAITALL)
            if not count:
                raise ConnectionResetError("the client went away")
        else:
            return 0
        if self._left is not None:
            self._left -= count
        return count

    def _next_chunk(self) -> None:
        while not self._arrived and not self._whole:
            event = self._wire.next_event()
            if event is h11.NEED_DATA:
                self._wire.receive_data(self._socket.recv(RECEIVED))
            elif isinstance(event, h11.Data):
                self._arrived = memoryview(event.data)
            else:
                self._whole = True

    def finish(self) -> bytes:
        """Skip what nobody has read; returns what has arrived of the next request. Raises ConnectionError."""
        scrap, skipped = bytearray(RECEIVED), 0
        while count := self.readinto(scrap):
            skipped += count
            if skipped > SKIPPED:
                raise ConnectionResetError("nobody reads the request's body")
        return self._rest if self._left is not None else self._wire.trailing_data[0]


class Connection:
    """One client's connection, served by one thread."""

    def __init__(self, application: Application, accepted: socket.socket) -> None:
        self._application, self._socket = application, accepted
        self._lock = threading.Lock()
        self._idle, self._ending = True, False
        self._arrived = b""
        # The kernel's own, in seconds and microseconds: with one of Python's, MSG_WAITALL would not wait.
        accepted.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(STALLED), int(STALLED % 1 * 1e6))
        )

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return self._idle

    def serve(self) -> None:
        """Answer requests until the client or the server ends it."""
        with self._socket:
            try:
                while self._serve_one():
                    pass
            except OSError as error:
                LOG.debug("a client went away: %s", error)
            except Exception:
                LOG.exception("a connection failed")

    def end(self) -> None:
        """End it as soon as no request is under way; callable from any thread."""
        with self._lock:
            self._ending = True
            if self._idle:
                with suppress(OSError):  # it has ended by itself
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _set_idle(self, idle: bool) -> bool:
        with self._lock:
            self._idle = idle
            return not self._ending

    def _serve_one(self) -> bool:
        """Whether another request may follow."""
        wire = h11.Connection(h11.SERVER)
        try:
            request = self._receive_head(wire)
        except h11.RemoteProtocolError as error:
            self._refuse(wire, error.error_status_hint)
            return False
        if request is None:
            return False
        body = RequestBody(self._socket, wire, _body_length(request))
        if not self._answer(wire, request, body):
            return False
        self._arrived = body.finish()
        return wire.our_state is h11.DONE and self._set_idle(idle=True)

    def _receive_head(self, wire: h11.Connection) -> h11.Request | None:
        if self._arrived:
            self._set_idle(idle=False)
            wire.receive_data(self._arrived)
        elif not self._readable():
            return None
        while (event := wire.next_event()) is h11.NEED_DATA:
            data = self._socket.recv(RECEIVED)
            self._set_idle(idle=False)
            wire.receive_data(data)
        return event if isinstance(event, h11.Request) else None

    def _readable(self) -> bool:
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return bool(waiting.poll(IDLE * 1000))

    def _answer(self, wire: h11.Connection, request: h11.Request, body: RequestBody) -> bool:
        """Whether the request's body is still to be expected, if it has one."""
        head: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, error: Any = None) -> None:
            head[:] = [(status, headers)]

        parts: Iterable[bytes] = ()
        try:
            try:
                parts = self._application(_environ(request, body, self._socket), start_response)
                ((status, headers),) = head
                # After a bad request, what else the client has sent may belong to it; S3 ends the connection, too.
                last = wire.they_are_waiting_for_100_continue or status.startswith("400")
                response = _response(status, [*headers, ("connection", "close")] if last else headers)
            except ConnectionError as error:
                if not body.timed_out:
                    LOG.info("a client left while it sent a request: %s", error)
                    self._refuse(wire, 400)
                    return False
            except Exception:
                LOG.exception("a request failed")
                self._refuse(wire, 500)
                return False
            if body.timed_out:
                headers, content = _error(TIMED_OUT)
                self._send(wire, _response(f"{TIMED_OUT.status} Bad Request", headers), (content,))
                return False
            silent = request.method == b"HEAD" or response.status_code in (204, 304)
            self._send(wire, response, () if silent else parts)
            return not last
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def _send(self, wire: h11.Connection, response: h11.Response, parts: Iterable[bytes]) -> None:
        pending = wire.send(response) or b""
        for part in parts:
            if part:
                data = wire.send(h11.Data(data=part)) or b""
                self._socket.sendall(pending + data if pending else data)
                pending = b""
        if pending := pending + (wire.send(h11.EndOfMessage()) or b""):
            self._socket.sendall(pending)

    def _refuse(self, wire: h11.Connection, status: int) -> None:
        if wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            line = f"{status} {HTTPStatus(status).phrase}"
            self._send(wire, _response(line, [("content-length", "0"), ("connection", "close")]), ())


def _error(error: S3Error) -> tuple[Headers, bytes]:
    """The headers and the body of an error after which the connection ends."""
    id = request_id()
    content = error.body(id)
    headers = [("content-type", "application/xml"), ("x-amz-request-id", id), ("connection", "close")]
    return [*headers, ("content-length", str(len(content)))], content


def _response(status: str, headers: Headers) -> h11.Response:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if not any(name.lower() == b"date" for name, _ in encoded):
        encoded.append((b"date", formatdate(time.time(), usegmt=True).encode("ascii")))
    return h11.Response(status_code=int(status[:3]), headers=encoded, reason=status[4:].encode("latin-1"))


def _body_length(request: h11.Request) -> int | None:
    """None: the body comes in chunks and ends with an empty one. h11 has checked the headers."""
    headers = dict(request.headers)
    return None if b"transfer-encoding" in headers else int(headers.get(b"content-length", b"0"))


def _environ(request: h11.Request, body: RequestBody, connection: socket.socket) -> dict[str, Any]:
    """As PEP 3333 says, with what rolo and werkzeug want beside it."""
    target = request.target.decode("ascii")
    path, _, query = target.partition("?")
    server, client = connection.getsockname(), connection.getpeername()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method.decode("ascii"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path if path.startswith("/") else urlsplit(path).path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "REQUEST_URI": target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
    }
    for name, value in request.headers:
        key = name.decode("ascii").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ | {
        "rolo.headers": request.headers.raw_items(),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BufferedReader(body, RECEIVED),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


class Server:
    """Serves an application on a listening socket."""

    def __init__(self, listener: socket.socket, application: Application) -> None:
        self._listener, self._application = listener, application
        self._changed = threading.Condition()
        self._connections: set[Connection] = set()
        self._woken, self._waker = socket.socketpair()

    def serve(self) -> None:
        """Take connections until `shutdown`; requests that are under way then have a moment to end."""
        self._listener.setblocking(False)
        with selectors.DefaultSelector() as selector, self._listener, self._woken:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is self._listener for key, _ in selector.select()):
                self._accept()
        with self._changed:
            for connection in self._connections:
                connection.end()
            self._changed.wait_for(lambda: not self._connections, GRACE)

    def shutdown(self) -> None:
        """Let `serve` return; callable from any thread, also before it was called."""
        self._waker.close()

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except BlockingIOError:
            return  # it has gone away again
        except OSError as error:
            LOG.error("no connection can be taken: %s", error)
            time.sleep(0.1)
            return
        accepted.setblocking(True)  # macOS lets it inherit the listener's way
        with self._changed:
            full = len(self._connections) >= CONNECTIONS
            idle = [connection for connection in self._connections if connection.idle] if full else []
        if full:
            self._turn_away(accepted, idle)
            return
        connection = Connection(self._application, accepted)
        with self._changed:
            self._connections.add(connection)
        threading.Thread(target=self._run, args=(connection,), name="s3-client", daemon=True).start()

    def _turn_away(self, accepted: socket.socket, idle: list[Connection]) -> None:
        """Say that there is no room, in words after which clients try again; who waits for nothing makes some."""
        for connection in idle:
            connection.end()
        headers, content = _error(SLOW_DOWN)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        with accepted, suppress(OSError):
            accepted.setblocking(False)
            accepted.send(f"HTTP/1.1 503 Slow Down\r\n{head}\r\n".encode() + content)
            # What the client has sent is not read: without an end before it, the close would be a reset.
            accepted.shutdown(socket.SHUT_WR)

    def _run(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()
