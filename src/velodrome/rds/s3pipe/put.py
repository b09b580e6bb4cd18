"""`put`: uploads COPY's rows, and lets the object appear only when the whole export has succeeded.

When a COPY breaks off, its pipe ends as it does when all is well. So the upload waits in a process of its own until
`finish` says that the export has succeeded; it is given up when `giveup` says so, or when the backend is gone. The
process that the server waits for stands for the session: a signal to the session's processes ends it, and then the
upload reads no further. Else a backend could not be cancelled while it waits for an S3 that stalls.
"""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from contextlib import suppress

from velodrome.rds.s3pipe.errors import described
from velodrome.rds.s3pipe.request import FOLDER, Request, alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from velodrome.rds.s3pipe.upload import Upload

_LOOK = 0.2  # seconds between two looks at the backend
# S3 may be down for a while; its parts are given up when it is back.
_PATIENCE, _LONGEST_PAUSE = 600.0, 5.0


def put(request: Request) -> NoReturn:
    """The parent is what the server waits for; the child uploads and stays until it is told how the export ended."""
    os.chdir(FOLDER)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(request.address(request.part))  # before the server can go on, and ask for it
    listener.listen(1)
    os.chdir("..")
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.close(0)  # only the child reads: if it ends, the server sees a broken pipe
        os._exit(0 if os.read(told, 1) == b"1" else 1)
    os.close(told)
    os.setsid()
    # The server's log is not ours: whoever reads it to its end would wait for us.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    threading.Thread(target=_stop_reading, args=(tell, nothing), daemon=True).start()
    _upload(request, listener, tell, nothing)
    os._exit(0)


def _stop_reading(tell: int, nothing: int) -> None:
    """Once the parent has ended. A server that writes sees a broken pipe."""
    parent = select.poll()
    parent.register(tell, 0)  # its end is an error of the pipe, which is always told
    parent.poll()
    os.dup2(nothing, 0)


def _upload(request: Request, listener: socket.socket, tell: int, nothing: int) -> None:
    upload: Upload | None = None
    error: BaseException | None = None
    try:
        from velodrome.rds.s3pipe.upload import Upload

        upload = Upload(request)
        upload.read(0)
    except BaseException as caught:  # whatever it is, the server must hear of it
        error = caught
    os.dup2(nothing, 0)
    finisher = _verdict(listener, request.backend) if _told(tell, b"0" if error else b"1") else None
    if finisher is not None and finisher[1] == "finish" and upload is not None and error is None:
        try:
            upload.complete()
        except BaseException as caught:
            error = caught
        given_up = error is not None
    else:
        given_up = True
    os.unlink(f"{FOLDER}/{request.address(request.part)}")  # noqa: PTH108
    listener.close()  # in this order: who finds the file and nobody there knows that we were killed
    finished = not given_up or upload is None or _gave_up(upload)
    if finisher is not None:
        answer = described(error) if error else {"bytes": str(upload.size if upload else 0)}
        with finisher[0] as connection, suppress(OSError):  # it has been killed meanwhile
            connection.sendall(json.dumps(answer).encode())
    if not finished and upload is not None:
        _give_up_later(upload)
    if finisher is None or not given_up:
        from velodrome.rds.s3pipe.upload import give_up_left_over

        give_up_left_over(request)


def _told(tell: int, outcome: bytes) -> bool:
    """False if the parent has been killed: then COPY has failed, whatever we have read."""
    try:
        os.write(tell, outcome)
    except BrokenPipeError:
        return False
    return True


def _verdict(listener: socket.socket, backend: int) -> tuple[socket.socket, str] | None:
    """What the export ended with, and who wants to hear the outcome; None when its backend is gone."""
    listener.settimeout(_LOOK)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if not alive(backend):
                return None
            continue
        connection.settimeout(_LOOK * 50)
        return connection, connection.recv(16).decode()


def _gave_up(upload: Upload) -> bool:
    from velodrome.rds.s3pipe.http import AwsError

    try:
        upload.give_up()
    except AwsError:
        return False
    return True


def _give_up_later(upload: Upload) -> None:
    pause, end = 0.25, time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
        if _gave_up(upload):
            return
