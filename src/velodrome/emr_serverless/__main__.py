"""Serves EMR Serverless on EMR_SERVERLESS_PORT until it is told to end."""

from __future__ import annotations

import fcntl
import logging
import socket
import sys
from pathlib import Path
from typing import IO

import uvicorn

from velodrome.awsapi.app import CONNECTIONS
from velodrome.awsapi.profile import ProfileError
from velodrome.settings import SettingError, load

from .service import build, data_folder

_SECONDS_TO_CLOSE = 5


class StartError(Exception):
    """The service cannot start; the message names the setting."""


def listen(host: str, port: int, setting: str) -> socket.socket:
    """The socket to serve on, bound before anything is touched that another copy may be using."""
    # The protocol is named: asyncio turns off Nagle's algorithm, 40 ms a reply, only where it sees TCP's number.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"EMR Serverless cannot listen on {host}:{port} ({setting}): {error}") from error
    return listener


def lock(data: Path) -> IO[str]:
    """Keep the data folder to this process, or refuse: recovery would end another copy's jobs."""
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StartError(f"another EMR Serverless is using {data} (VELODROME_HOME)") from None
    return file


def main() -> int:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("botocore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        settings = load()
        listener = listen(settings["LISTEN_ADDRESS"], settings.integer("EMR_SERVERLESS_PORT"), "EMR_SERVERLESS_PORT")
        # Only tried: gRPC binds it itself, later, where it could no longer be told so plainly.
        sessions_port = settings.integer("EMR_SERVERLESS_SESSIONS_PORT")
        listen(settings["LISTEN_ADDRESS"], sessions_port, "EMR_SERVERLESS_SESSIONS_PORT").close()
        locked = lock(data_folder(settings))
        app = build(settings)
    except (SettingError, ProfileError, StartError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    config = uvicorn.Config(
        app,
        log_level="info",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=_SECONDS_TO_CLOSE,
    )
    with listener, locked:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
