"""`finish` and `giveup`: tell the uploads of an export how it ended, and hear from each how it went."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from velodrome.rds.s3pipe.request import FOLDER, Request

_GONE = {"error": "the upload is gone: its process has ended"}


def settle(request: Request) -> None:
    """All parts in their order; what one answers after an error is not asked for: the rest is given up.

    Leaves the bytes of all of them, or the first error. A statement that is cancelled now has to wait: else some
    files of an export would appear, and some not.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()  # empty: COPY's way to wait for us
    size = 0
    error: dict[str, str] = {}
    os.chdir(FOLDER)
    verdict = request.verb
    for part in range(request.first, request.part + 1):
        answer = tell(request.address(part), verdict)
        if answer is None:
            answer = {} if verdict == "giveup" else _GONE
        if "error" not in answer:
            size += int(answer.get("bytes", "0"))
        elif not error:
            error, verdict = answer, "giveup"
    os.chdir("..")
    request.result(**(error or {"bytes": str(size)}))


def tell(address: str, verdict: str) -> dict[str, str] | None:
    """One upload's answer; None if there is none. Paths of sockets are short, hence relative to the folder."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            connection.sendall(verdict.encode())
            connection.shutdown(socket.SHUT_WR)
            text = b"".join(iter(lambda: connection.recv(65536), b""))
        except FileNotFoundError:
            return None
        except ConnectionRefusedError:  # its process was killed
            os.unlink(address)  # noqa: PTH108
            return _GONE
        except OSError:
            return None
    found: dict[str, str] | None = json.loads(text) if text else None
    return found
