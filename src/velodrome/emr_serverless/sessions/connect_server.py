"""The Spark Connect server of one session: its command, where it listens, when it is ready.

https://spark.apache.org/docs/4.0.2/spark-connect-overview.html
"""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from velodrome.awsapi.profile import Profile

from ..logs import DriverLogs
from ..objects import Objects
from ..spark.jvm import SparkInstall
from ..spark.machine import Share
from ..spark.parameters import SubmitParameters
from ..spark.spark_submit import SPARK_INTERNAL, Job, Submission

_MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
_ADDRESS = "127.0.0.1"
# Below the ports that systems give to outgoing connections: between choosing one and the server's listening there, no
# client of this machine can be given it.
_PORTS = range(20000, 32768)
_CONNECT_SECONDS = 0.5


class ConnectServer:
    """One server, in `scratch`, a folder that is its own; its token is what only this service knows."""

    def __init__(
        self,
        session_id: str,
        name: str,
        submit: SubmitParameters,
        spark: SparkInstall,
        profile: Profile,
        share: Share,
        scratch: Path,
        environment: Mapping[str, str],
        settings: Mapping[str, str],
        secret_settings: Mapping[str, str],
    ) -> None:
        """`environment` and the settings are the service's own: where the server finds the credentials of the execution
        role, and what its UI and event log need."""
        self.port = free_port()
        self.token = secrets.token_urlsafe(32)
        own = {
            **settings,
            "spark.connect.grpc.binding.address": _ADDRESS,
            "spark.connect.grpc.binding.port": str(self.port),
            # Its own end of sessions is not to come before EMR Serverless's idle timeout.
            "spark.connect.session.manager.defaultSessionTimeout": "365d",
        }
        # In the environment, not among the settings: a command line is everybody's to read.
        secret = {"SPARK_CONNECT_AUTHENTICATE_TOKEN": self.token}
        job = Job(session_id, name, SPARK_INTERNAL, [], replace(submit, main_class=_MAIN))
        self._submission = Submission(
            job, spark, profile, share, scratch, own, secret | dict(environment), secret_settings
        )

    def launch(self, objects: Objects, logs: DriverLogs) -> subprocess.Popen[bytes]:
        """Fetch the session's files and start the server. Raises ObjectError."""
        command = self._submission.prepare(objects)
        return self._submission.launch(command, logs.stdout, logs.stderr, logs.note)

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


def why_it_ended(logs: DriverLogs) -> str:
    """What a server said last of what went wrong: an exception, else its last line."""
    if exception := logs.last_exception():
        return exception
    for file in (logs.stderr, logs.stdout):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        if said := [line.strip() for line in lines if line.strip()]:
            return said[-1]
    return "its log is empty"
