"""LocalStack's runtime on a socket that is already ours: one server, plain HTTP, and an end when a hook fails."""

# LocalStack is installed only where it runs, has no types, and shares its name with a folder of this project.
# mypy: disable-error-code="import-not-found, import-untyped, attr-defined, misc, method-assign, no-untyped-call"

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from localstack.aws import spec
from localstack.aws.components import AwsComponents
from localstack.logging.setup import setup_logging_from_config
from localstack.runtime import current, hooks
from localstack.runtime.init import State, init_script_manager
from localstack.runtime.runtime import LocalstackRuntime
from localstack.runtime.server.core import RuntimeServer
from rolo.gateway.wsgi import WsgiGateway

from localstack import config, constants
from velodrome.s3.durable.provider import install
from velodrome.s3.serving import Server


class LoopbackServer(RuntimeServer):
    """Serves LocalStack's gateway on one listening socket, without the certificate that LocalStack makes or loads."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._server: Any = None

    def register(self, gateway: Any, listen: Any, ssl_creds: tuple[str, str] | None = None) -> None:
        """Set what is served; the address is the socket's."""
        self._server = Server(self._listener, WsgiGateway(gateway))

    def run(self) -> None:
        """Serve until `shutdown`."""
        self._server.serve()

    def shutdown(self) -> None:
        """Let `run` return; callable from any thread, also before it was called."""
        self._server.shutdown()


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
