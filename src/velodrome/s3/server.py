"""LocalStack's runtime on a socket that is already ours: one server, plain HTTP, and an end when a hook fails."""

# LocalStack is installed only where it runs, has no types, and shares its name with a folder of this project.
# mypy: disable-error-code="import-not-found, import-untyped, attr-defined, misc, method-assign, no-untyped-call"

from __future__ import annotations

import asyncio
import http
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.run import worker_serve
from hypercorn.config import Config, Sockets
from hypercorn.protocol.h11 import H11Protocol
from localstack.aws import spec
from localstack.aws.components import AwsComponents
from localstack.logging.setup import setup_hypercorn_logger, setup_logging_from_config
from localstack.runtime import current, hooks
from localstack.runtime.init import State, init_script_manager
from localstack.runtime.runtime import LocalstackRuntime
from localstack.runtime.server.core import RuntimeServer
from rolo.asgi import RawHTTPRequestEventStreamAdapter
from rolo.gateway.asgi import AsgiGateway

from localstack import config, constants
from velodrome.s3.durable.provider import install


class LoopbackServer(RuntimeServer):
    """Serves LocalStack's gateway on one listening socket, without the certificate that LocalStack makes or loads."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._app: Any = None
        self._config = Config()
        self._config.h11_pass_raw_headers = True
        self._config.graceful_timeout = 1.0
        setup_hypercorn_logger(self._config)
        # It has a handler of its own; the root logger's would print each line a second time.
        logging.getLogger("hypercorn.error").propagate = False

    def register(self, gateway: Any, listen: Any, ssl_creds: tuple[str, str] | None = None) -> None:
        """Set what is served; the address is the socket's."""
        self._app = AsgiGateway(gateway, event_loop=self._loop)

    def run(self) -> None:
        """Serve until `shutdown`."""
        asyncio.set_event_loop(self._loop)
        sockets = Sockets(secure_sockets=[], insecure_sockets=[self._listener], quic_sockets=[])
        app = ASGIWrapper(self._app)
        serving = worker_serve(app, self._config, sockets=sockets, shutdown_trigger=self._closing.wait)
        self._loop.run_until_complete(serving)

    def shutdown(self) -> None:
        """Let `run` return; callable from any thread, also before it was called."""
        self._loop.call_soon_threadsafe(self._closing.set)


class Runtime(LocalstackRuntime):
    """LocalStack's runtime, ready only when every ready.d hook succeeded."""

    def _init_gateway_server(self) -> None:
        self.components.runtime_server.register(self.components.gateway, self.config.GATEWAY_LISTEN)

    def _run_ready_monitor(self) -> None:
        # The socket listens already, so the hooks' requests wait in its queue until the loop runs.
        try:
            hooks.on_runtime_ready.run()
            failed = [
                script.path
                for scripts in init_script_manager().scripts.values()
                for script in scripts
                if script.state is not State.SUCCESSFUL and script.stage.name == "READY"
            ]
            if failed:
                raise RuntimeError(f"S3 stops because this hook failed, see above: {', '.join(failed)}")
        except Exception:
            traceback.print_exc(limit=0)
            self.exit(1)
            return
        print(constants.READY_MARKER_OUTPUT, flush=True)
        self.ready.set()


def mend_expect_continue() -> None:
    """Give informational responses their reason phrase: `HTTP/1.1 100 Continue`.

    hypercorn sends `HTTP/1.1 100 `, which RFC 9112 allows. botocore 1.35 splits the line at blanks, wants three parts,
    takes this one for the final answer and fails each upload with ConnectionClosedError. S3 itself sends the phrase.
    """
    send = H11Protocol._send_h11_event

    async def send_with_reason(self: H11Protocol, event: Any) -> None:
        if isinstance(event, h11.InformationalResponse) and not event.reason:
            phrase = http.HTTPStatus(event.status_code).phrase.encode("ascii")
            event = h11.InformationalResponse(
                status_code=event.status_code, headers=list(event.headers.raw_items()), reason=phrase
            )
        await send(self, event)

    H11Protocol._send_h11_event = send_with_reason


def mend_cut_off_bodies() -> None:
    """Let a request whose client goes away fail: its body would seem to have ended, and half an object be stored."""
    make = RawHTTPRequestEventStreamAdapter.__init__

    def make_with_end(self: Any, receive: Any, event_loop: Any = None) -> None:
        async def receive_body() -> Any:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away before the end of its request")
            return event

        make(self, receive_body, event_loop)

    RawHTTPRequestEventStreamAdapter.__init__ = make_with_end


def share_catalog(folder: Path) -> None:
    """Keep LocalStack's index of all AWS services in the installation: each data folder would take 4 s to make one."""
    file = folder / spec._get_catalog_filename()
    if not file.exists():
        draft = file.with_suffix(f".{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            spec.build_service_index_cache(str(draft))
            draft.replace(file)
        except OSError as error:
            # A read-only installation: LocalStack makes one in its data folder.
            print(f"s3: cannot keep the service index in {folder}: {error.strerror}", flush=True)
            return
    config.dirs.static_libs = str(folder)


def main(listener: socket.socket, folder: Path, hooks_folder: Path) -> int:
    """Run until SIGTERM or SIGINT (0) or a failed hook (1)."""
    setup_logging_from_config()
    # Health checks would fill the log.
    logging.getLogger("localstack.request.http").setLevel(logging.WARNING)
    mend_expect_continue()
    mend_cut_off_bodies()
    share_catalog(Path(sys.prefix) / "share" / "localstack")
    init_script_manager().script_root = str(hooks_folder)
    install(folder)
    components = AwsComponents()
    components.runtime_server = LoopbackServer(listener)
    runtime = Runtime(components)
    current.set_current_runtime(runtime)

    def stop(number: int, frame: Any) -> None:
        runtime.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    runtime.run()
    return int(runtime.exit_code)


if __name__ == "__main__":
    code = main(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.flush()
    # A request that still runs in a worker thread must not keep the process: what it has not acknowledged may be lost.
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)
