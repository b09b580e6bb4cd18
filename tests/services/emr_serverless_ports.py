"""The ports that a job's processes listen on, and what they answer to any user of the machine."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

from emr_serverless_stack import processes

_LISTENING = "0A"  # https://docs.kernel.org/networking/proc_net_tcp.html
_LOOPBACK = "0100007F"  # of IPv4, or at the end of a mapped address of IPv6
_RPC_REQUEST = 3  # org.apache.spark.network.protocol.Message.Type
_SECONDS = 3.0
_HTTP = b"GET /api/v1/applications HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# A call of java.lang.System.getProperty, as Py4J has it.
_CALL = b"c\nz:java.lang.System\ngetProperty\nsuser.name\ne\n"


# How they refuse: Spark's RPC and block transfer, Spark's web pages, Py4J's gateway.
SASL = "Expected SaslMessage, received something else"
AUTHORIZATION = "Error 403 Authorization header is missing."
PY4J = "Authentication error: unexpected command."
# What says nothing of a job: another protocol's complaint.
_COMPLAINTS = ("HTTP/1.1 400 Bad Request", "Py4JException: Unknown command received: GET")


def refusals(job: str) -> set[str]:
    """How the ports of a job's processes refuse who has no secret; an error if one of them does not."""
    found = set()
    for port, address in listening(job).items():
        assert address.endswith(_LOOPBACK), f"port {port} listens on {address}"
        for protocol, answer in answers(port).items():
            refusal = next((text for text in (SASL, AUTHORIZATION, PY4J, *_COMPLAINTS) if text in answer), None)
            # Python's own servers say nothing before they have heard the secret.
            assert refusal or not answer, f"port {port} answers {protocol}: {answer}"
            found.add(refusal or "")
    return found


def listening(job: str) -> dict[int, str]:
    """Port → address (hexadecimal, as the kernel has it) of what the job's processes listen on."""
    inodes = set()
    for process in processes(job):
        for entry in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except OSError:
                continue  # closed meanwhile
            if match := re.fullmatch(r"socket:\[(\d+)\]", target):
                inodes.add(match.group(1))
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in inodes:
                address, _, port = fields[1].rpartition(":")
                found[int(port, 16)] = address
    return found


def answers(port: int) -> dict[str, str]:
    """What a port answers to Spark's RPC, to HTTP, and to Py4J from somebody without a secret."""
    request = struct.pack(">bqi", _RPC_REQUEST, 1, 4) + b"call"
    return {
        "rpc": _ask(port, struct.pack(">q", 8 + len(request)) + request),
        "http": _ask(port, _HTTP),
        "py4j": _ask(port, _CALL),
    }


def _ask(port: int, question: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        connection.sendall(question)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
                if len(answer) > 2000:
                    break
        except OSError:
            pass  # neither answer nor end within the time, or a reset
    return answer.decode(errors="replace")
