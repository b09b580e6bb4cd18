"""The Spark Connect server of one session: its command, where it listens, when it is ready.

https://spark.apache.org/docs/4.0.2/spark-connect-overview.html
"""

from __future__ import annotations

import re
import secrets
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from velodrome.awsapi.profile import Profile

from .jvm import SparkInstall
from .objects import Objects
from .parameters import SubmitParameters
from .spark_submit import SPARK_INTERNAL, Job, Machine, Submission

_MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
_ADDRESS = "127.0.0.1"
# Below the ports that systems give to outgoing connections: between choosing one and the server's listening there, no
# client of this machine can be given it.
_PORTS = range(20000, 32768)
_CONNECT_SECONDS = 0.5
_TAIL = 64 * 2**10
_ERROR = re.compile(r"(?:Exception|Error)\b(?:: |$)")


class ConnectServer:
    """One server, in `scratch`, a folder that is its own; its token is what only this service knows."""

    def __init__(
        self,
        session_id: str,
        name: str,
        submit: SubmitParameters,
        spark: SparkInstall,
        profile: Profile,
        machine: Machine,
        scratch: Path,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` and `environment` are the service's own (credentials of the execution role, the UI)."""
        self.port = free_port()
        self.token = secrets.token_urlsafe(32)
        own = {
            "spark.connect.grpc.binding.address": _ADDRESS,
            "spark.connect.grpc.binding.port": str(self.port),
            # Its own end of sessions is not to come before EMR Serverless's idle timeout.
            "spark.connect.session.manager.defaultSessionTimeout": "365d",
        }
        # In the environment, not among the settings: a command line is everybody's to read.
        secret = {"SPARK_CONNECT_AUTHENTICATE_TOKEN": self.token}
        submit.main_class = _MAIN
        self._submission = Submission(
            Job(session_id, name, SPARK_INTERNAL, [], submit),
            spark,
            profile,
            machine,
            scratch,
            own | dict(settings or {}),
            secret | dict(environment or {}),
        )

    def launch(self, objects: Objects, logs: Path) -> subprocess.Popen[bytes]:
        """Fetch the session's files and start the server, with stdout and stderr in `logs`. Raises ObjectError."""
        logs.mkdir(parents=True, exist_ok=True)
        stderr = logs / "stderr"

        def note(text: str) -> None:
            with stderr.open("a", encoding="utf-8") as stream:
                stream.write(f"EMR Serverless: {text}\n")

        command = self._submission.prepare(objects)
        return self._submission.launch(command, logs / "stdout", stderr, note)

    def listens(self) -> bool:
        """Whether the server takes connections; it listens only once its Spark session is there."""
        try:
            with socket.create_connection((_ADDRESS, self.port), timeout=_CONNECT_SECONDS):
                return True
        except OSError:
            return False


def free_port() -> int:
    """A port of the loopback interface that nobody listens on and that no outgoing connection is given."""
    for port in secrets.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((_ADDRESS, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of {_PORTS} is free")


def last_error(stderr: Path) -> str | None:
    """The line in which a server that failed says why: the last that names an exception, else the last at all."""
    if not stderr.is_file():
        return None
    with stderr.open("rb") as stream:
        stream.seek(max(0, stderr.stat().st_size - _TAIL))
        text = stream.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("\tat ")]
    named = [line for line in lines if _ERROR.search(line)]
    found = named or lines
    return found[-1] if found else None
