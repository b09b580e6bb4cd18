"""LocalStack's runtime on a socket that is already ours: one server, plain HTTP, and an end when a hook fails."""

# LocalStack is installed only where it runs, has no types, and shares its name with a folder of this project.
# mypy: disable-error-code="import-not-found, import-untyped, attr-defined, misc, method-assign, no-untyped-call"

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localstack.aws import spec
from localstack.aws.components import AwsComponents
from localstack.logging.setup import setup_logging_from_config
from localstack.runtime import current, hooks
from localstack.runtime.init import State, init_script_manager
from localstack.runtime.runtime import LocalstackRuntime
from localstack.runtime.server.core import RuntimeServer
from rolo.gateway.wsgi import WsgiGateway

from localstack import config, constants
from velodrome.awsapi.keys import Keys, own_key
from velodrome.s3 import launch, validation
from velodrome.s3.durable.provider import install
from velodrome.s3.front.application import Application, Front
from velodrome.s3.iam_answers import answered
from velodrome.s3.identities import Identities, users_key
from velodrome.s3.public import LocalStack
from velodrome.s3.serving import Server


class LoopbackServer(RuntimeServer):
    """Serves LocalStack's gateway on one listening socket, without the certificate that LocalStack makes or loads.

    The socket listens from the beginning, and whoever connects waits until `open`: nothing is answered by a server that
    is not whole. The hooks, which make it whole, have a socket of their own meanwhile.
    """

    def __init__(self, listener: socket.socket, front: Callable[[Application], Application]) -> None:
        self._front = front
        self._listeners = (launch.take_port("127.0.0.1", 0), listener)
        self._servers: list[Server] = []
        self._decided = threading.Event()
        self._stopped = False

    @property
    def hooks_url(self) -> str:
        """Where the hooks reach it."""
        return f"http://127.0.0.1:{self._listeners[0].getsockname()[1]}"

    def register(self, gateway: Any, listen: Any, ssl_creds: tuple[str, str] | None = None) -> None:
        """Set what is served; the address is the socket's."""
        application = self._front(WsgiGateway(gateway))
        self._servers = [Server(listener, application) for listener in self._listeners]

    def run(self) -> None:
        """Serve until `shutdown`."""
        for_hooks, for_all = self._servers
        threading.Thread(target=for_hooks.serve, name="s3-hooks", daemon=True).start()
        self._decided.wait()
        for_hooks.shutdown()
        if not self._stopped:
            for_all.serve()

    def open(self) -> None:
        """Answer everybody."""
        self._decided.set()

    def shutdown(self) -> None:
        """Let `run` return; callable from any thread, also before it was called."""
        self._stopped = True
        self._decided.set()
        self._servers[1].shutdown()


class Runtime(LocalstackRuntime):
    """LocalStack's runtime, ready only when every ready.d hook succeeded."""

    def _init_gateway_server(self) -> None:
        self.components.runtime_server.register(self.components.gateway, self.config.GATEWAY_LISTEN)

    def _run_ready_monitor(self) -> None:
        try:
            load_services(self.components.gateway)
            os.environ["S3_ENDPOINT_URL"] = self.components.runtime_server.hooks_url
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
        self.components.runtime_server.open()
        print(constants.READY_MARKER_OUTPUT, flush=True)
        self.ready.set()


def load_services(gateway: Any) -> None:
    """All of them, before anybody asks: LocalStack loads one at its first request, and says of it to whoever asks
    meanwhile that no operation is there (501, which no client tries again)."""
    for name in ("s3", "iam", "sts"):
        skeleton = gateway.service_manager.require(name).skeleton
        if name != "s3":  # whose rules are of its own
            skeleton.dispatch_table = {
                operation: answered(validation.checked(handler))
                for operation, handler in skeleton.dispatch_table.items()
            }
        gateway.service_request_router.add_skeleton(skeleton)


def make_front(environ: Mapping[str, str]) -> Callable[[Application], Application]:
    """What stands before the gateway: only whom it knows is let in."""
    own = own_key(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ["AWS_ACCOUNT_ID"])
    keys = Keys(own, users_key)
    identities = Identities()
    identities.install(keys)
    hosts = ("localhost", urlsplit(environ["S3_ENDPOINT_URL"]).hostname or "localhost")
    return lambda gateway: Front(identities.around(gateway), LocalStack(), keys, hosts)


def share_catalog(folder: Path) -> None:
    """Keep LocalStack's index of all AWS services in the installation: each data folder would take 4 s to make one.

    A process of its own makes it, since the models of all services, read for it, would stay in this one (350 MB).
    """
    file = folder / spec._get_catalog_filename()
    if not file.exists():
        draft = file.with_suffix(f".{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            draft.touch()
            fork = multiprocessing.get_context("fork")
            maker = fork.Process(target=spec.build_service_index_cache, args=[str(draft)])
            maker.start()
            maker.join()
            if maker.exitcode:
                draft.unlink()
                return  # it has said why; LocalStack makes one in its data folder
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
    validation.install()
    components = AwsComponents()
    components.runtime_server = LoopbackServer(listener, make_front(os.environ))
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
