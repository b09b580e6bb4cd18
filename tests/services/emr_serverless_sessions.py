"""What the tests of EMR Serverless's sessions share: the services, and a stock Spark Connect client as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emr_serverless_stack import ROLE

from velodrome.runtime import install
from velodrome.runtime.summary import client_environ
from velodrome.settings import Settings
from velodrome.testing import RunningService, wait_until

SCRIPT = Path(__file__).with_name("spark_connect_client.py")
READY = ("STARTED", "IDLE", "BUSY")
ENDED = ("FAILED", "TERMINATED")
LIMIT = 120.0
Client = subprocess.Popen[str]


@dataclass
class Stack:
    """EMR Serverless, a client of it, and an application with sessions."""

    settings: Settings
    service: RunningService
    emr: Any
    application: str

    def start(self, **changes: Any) -> str:
        request = {"applicationId": self.application, "executionRoleArn": ROLE} | changes
        return str(self.emr.start_session(**request)["sessionId"])

    def session(self, id: str) -> dict[str, Any]:
        return dict(self.emr.get_session(applicationId=self.application, sessionId=id)["session"])

    def wait(self, id: str, *states: str) -> dict[str, Any]:
        wait_until(f"session {id} in {states}", lambda: self.session(id)["state"] in {*states, *ENDED}, LIMIT)
        session = self.session(id)
        assert session["state"] in states, session["stateDetails"]
        return session

    def terminate(self, id: str) -> dict[str, Any]:
        self.emr.terminate_session(applicationId=self.application, sessionId=id)
        return self.wait(id, "TERMINATED")

    def token(self, id: str) -> str:
        return str(self.emr.get_session_endpoint(applicationId=self.application, sessionId=id)["authToken"])

    def connect(self, token: str, case: str, *arguments: str) -> Client:
        """A stock client that runs one case of spark_connect_client.py."""
        install.ensure("spark-client", self.settings, lambda text: print(f"spark-client: {text}", file=sys.stderr))
        python = self.settings.installs / "spark-client" / "bin" / "python"
        roots = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
        url = f"sc://localhost:{self.settings['EMR_SERVERLESS_SESSIONS_PORT']}/;use_ssl=true"
        url += f";x-aws-proxy-auth={token}" if token else ""
        return subprocess.Popen(
            [str(python), str(SCRIPT), url, case, *arguments],
            env={"PATH": os.environ["PATH"], roots: client_environ(self.settings)[roots], "no_proxy": "localhost"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def result(process: Client) -> dict[str, Any]:
    """What a client's case came to."""
    output, errors = process.communicate(timeout=LIMIT)
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    assert lines, output[-4000:] + errors[-4000:]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found
